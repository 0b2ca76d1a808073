// SPDX-License-Identifier: BSD-3-Clause
// What is in a service's directory besides its keys, read into struct key_directory.
#pragma once

#include "identity/keyfile.h"
#include "netdoc/tokens.h"
#include "onion/key/key_directory.h"

struct directory_reading {
    const char *path;
    struct key_directory *out;
    key_directory_warn_fn warn;
    void *user;
    struct keyfile_error error;
};

void directory_warn(const struct directory_reading *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
// It is a directory, ours, and nobody else's to write to.
int directory_check(const struct directory_reading *r, const char *path);
int directory_read_clients(struct directory_reading *r);
int directory_read_masters(struct directory_reading *r);
// Lines of ob_config: "MasterOnionAddress ….onion". `out` has room for MASTER_ADDRESSES_MAX. 0, or
// the line that is wrong.
unsigned ob_config_parse(struct text text, uint8_t (*out)[32], unsigned *n);
