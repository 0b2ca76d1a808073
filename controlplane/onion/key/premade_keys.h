// SPDX-License-Identifier: BSD-3-Clause
// An offline master key: descriptor signing keys that were made and certified ahead, one for each
// time period, on the machine that has the secret identity (docs/onion-services.md). Control thread
// and command line.
//
// Not the blinded keys themselves: the factor between a blinded secret and the identity's secret
// follows from what is public, so that each is as good as the other. Who has a signing key can
// write descriptors of one period, and nothing more.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "crypto/ed25519.h"
#include "crypto/ed_cert.h"
#include "identity/keyfile.h"
#include "onion/key/time_period.h"

enum {
    PREMADE_KEYS_MAX = 4000,                 // ten years of days
    PREMADE_KEYS_FILE_MAX = 4 * 1024 * 1024, // bytes
};

struct premade_key {
    struct time_period period;
    uint8_t blinded_public[32];
    struct ed25519_key signing;
    uint8_t cert[ED_CERT_EMBEDDED_LEN]; // type 08, by the blinded key
};

// The file's text for `n` periods from `first` on, malloc'd; the caller wipes it. Certificates are
// good for a length of a period and a day after their period's end. 0, -EINVAL (too many, or no
// key), or -ENOMEM.
__attribute__((warn_unused_result)) int premade_keys_make(const struct ed25519_key *identity,
                                                          struct time_period first, unsigned n,
                                                          char **text, size_t *length);
// Reads it, and checks that all is by this identity. `*out` is malloc'd, in the order of periods,
// each of which is there once. 0, -ENOMEM, or -EINVAL with what is wrong with the file `path` in
// `error`.
__attribute__((warn_unused_result)) int
premade_keys_parse(const char *path, const char *text, size_t length, const uint8_t identity[32],
                   struct premade_key **out, unsigned *n, const struct keyfile_error *error);
