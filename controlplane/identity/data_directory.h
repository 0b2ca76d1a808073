// SPDX-License-Identifier: BSD-3-Clause
// data_directory as one process' own: made, and locked as C tor locks it. Control thread only.
#pragma once

#include "identity/keyfile.h"

// Makes the directory (its last part, mode 0700) if it is not there.
int data_directory_make(const char *path, const struct keyfile_error *error)
    __attribute__((warn_unused_result));
// A descriptor that holds the lock until it is closed, or a negative errno with `error` filled in;
// -EBUSY: another process has it.
int data_directory_lock(const char *path, const struct keyfile_error *error)
    __attribute__((warn_unused_result));
