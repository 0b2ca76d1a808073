// SPDX-License-Identifier: BSD-3-Clause
// Tor's Ed25519 certificates (cert-spec 2.1): encoding, parsing, checking. Any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/ed25519.h"

enum ed_cert_type {
    ED_CERT_ID_SIGNING = 0x04,
    ED_CERT_SIGNING_LINK = 0x05,
    ED_CERT_SIGNING_AUTH = 0x06,
    ED_CERT_HS_DESC_SIGNING = 0x08,
    ED_CERT_HS_INTRO_AUTH = 0x09,
    ED_CERT_ONION_ID = 0x0A,
    ED_CERT_HS_INTRO_ENC = 0x0B,
    ED_CERT_FAMILY_ID = 0x0C,
};

enum ed_cert_key_type {
    ED_CERT_KEY_ED25519 = 1,
    ED_CERT_KEY_RSA_SHA256 = 2,
    ED_CERT_KEY_X509_SHA256 = 3,
};

enum {
    ED_CERT_LEN = 104,          // without extensions
    ED_CERT_EMBEDDED_LEN = 140, // with the signing key embedded
};

struct ed_cert {
    uint8_t type;           // enum ed_cert_type, or one we do not know
    uint8_t key_type;       // enum ed_cert_key_type, or one we do not know
    uint8_t key[32];        // what is certified
    uint32_t expires_hours; // since the epoch
    bool has_signing_key;
    uint8_t signing_key[32];
    const uint8_t *bytes; // all of it; points into what was parsed
    size_t length;
};

// Hours since the epoch at or after `seconds`.
static inline uint32_t ed_cert_hours(uint64_t seconds)
{
    return (uint32_t)((seconds + 3599) / 3600);
}

// Writes ED_CERT_LEN or ED_CERT_EMBEDDED_LEN bytes. Their number, or -EMSGSIZE.
int ed_cert_encode(uint8_t type, uint8_t key_type, const uint8_t key[32], uint32_t expires_hours,
                   const struct ed25519_key *signer, bool embed_signing_key, uint8_t *out,
                   size_t capacity);
// 0, or -EPROTO: not version 1, malformed, bytes left over, the signing key twice, or an unknown
// extension that affects validation. `bytes` must outlive `out`. Checks no signature.
int ed_cert_parse(const uint8_t *bytes, size_t length, struct ed_cert *out);
// Checks the signature and that the certificate has not expired at `now_s` (0: expiry is not
// checked). `signer` NULL means the embedded key. 0, or -EKEYEXPIRED, or -ENOKEY (no key embedded,
// or one that is not `signer`), or -EBADMSG (signature).
// Whoever calls compares type, key type and signer with what it expects.
__attribute__((warn_unused_result)) int ed_cert_check(const struct ed_cert *cert,
                                                      const uint8_t *signer, uint64_t now_s);
