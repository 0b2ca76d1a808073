// SPDX-License-Identifier: BSD-3-Clause
// Directory authorities' key certificates (protocol 9.06, dir-spec 3.1). Pure functions.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum {
    CERTIFICATE_TEXT_MAX = 128 * 1024,
    CERTIFICATE_KEY_BITS_MIN = 1024,
};

struct certificate {
    uint8_t identity[20];    // SHA-1 of the identity key
    uint8_t signing_key[20]; // SHA-1 of the signing key
    time_t published, expires;
    uint8_t *signing_key_der; // the RSA public key, PKCS#1
    size_t signing_key_der_length;
    size_t text_length; // of this certificate in the text it was read from
};

// Reads and checks the first certificate of a text that may hold several: fingerprint,
// certification and cross-certification. Not its dates. 0 and `*out` (for certificate_free), or
// -EINVAL, -ENOMEM; `*length` (also when malformed) is where the next one begins, at least 1 for a
// text that is not empty. What stands before the first one makes it malformed, and is skipped.
int certificate_parse(const uint8_t *text, size_t size, struct certificate **out, size_t *length);
void certificate_free(struct certificate *c); // NULL is fine
