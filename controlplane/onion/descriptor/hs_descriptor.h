// SPDX-License-Identifier: BSD-3-Clause
// The outer layer of an onion service's descriptor, version 3, which is all that a directory can
// read of it (protocol 7.03; rend-spec-v3 2.4). Pure functions; any thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "crypto/ed_cert.h"
#include "netdoc/tokens.h"

enum { HS_DESCRIPTOR_LIFETIME_MAX_MIN = 720 };

// What stands before the text in what its signature is over.
#define HS_DESCRIPTOR_SIGNATURE_PREFIX "Tor onion service descriptor sig v3"

struct hs_descriptor {
    uint8_t blinded_key[32];
    uint64_t revision;
    unsigned lifetime_min;
    struct text superencrypted; // base64, of more than a salt and a MAC
    // What is to be verified; `text` and `signed_length` refer to what was parsed, as does what is
    // above.
    uint8_t cert_bytes[ED_CERT_EMBEDDED_LEN + 64]; // there is room for an extension
    uint16_t cert_length;
    uint8_t signature[64];
    const uint8_t *text;
    size_t signed_length;
};

// 0, or -EINVAL: malformed, of another version, or with a certificate of another kind. Checks no
// signature. `text`, which no NUL need end, must outlive `out`.
__attribute__((warn_unused_result)) int hs_descriptor_parse(const uint8_t *text, size_t length,
                                                            struct hs_descriptor *out);
// Whether the blinded key certified the key that signed it: 0, or -EKEYEXPIRED, -EBADMSG, -ENOMEM.
__attribute__((warn_unused_result)) int hs_descriptor_verify(const struct hs_descriptor *d,
                                                             uint64_t now_s);
