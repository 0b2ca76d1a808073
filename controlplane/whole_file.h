// SPDX-License-Identifier: BSD-3-Clause
// Small files that are read and written whole. Functions return 0 or a negative errno, log nothing,
// and wait for the disk; any thread but a worker.
#pragma once

#include <stddef.h>
#include <time.h>

// Written whole or not at all: into PATH.tmp with mode 0600, which is synced and takes the place of
// PATH; then the directory is synced, where the file system can. The file's time is set to `made`,
// or left when it is 0.
int whole_file_write(const char *path, const void *bytes, size_t length, time_t made)
    __attribute__((warn_unused_result));
// `*out` is the caller's to free, with a NUL after its bytes. -ENOENT: there is none; -ELOOP: it is
// a symbolic link; -EISDIR, -EINVAL: it is something else that is no file; -EFBIG: longer than
// `most`.
int whole_file_read(const char *path, size_t most, char **out, size_t *length)
    __attribute__((warn_unused_result));
