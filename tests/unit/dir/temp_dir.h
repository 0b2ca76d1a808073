// SPDX-License-Identifier: BSD-3-Clause
// A directory for one test, with everything in it removed afterwards, and files in it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct temp_dir {
    char path[64];
};

struct temp_dir temp_dir_make(void);
void temp_dir_remove(const struct temp_dir *dir);
// DIR/NAME, in a buffer that the next few calls leave alone.
const char *temp_path(const struct temp_dir *dir, const char *name);
// The number of bytes, or -1.
ssize_t temp_read(const struct temp_dir *dir, const char *name, void *out, size_t capacity);
void temp_write(const struct temp_dir *dir, const char *name, const void *bytes, size_t length);
bool temp_exists(const struct temp_dir *dir, const char *name);
// Copies one file, with its time, from one directory to the other.
void temp_copy(const struct temp_dir *from, const struct temp_dir *to, const char *name);
