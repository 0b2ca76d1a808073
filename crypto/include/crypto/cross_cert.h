// SPDX-License-Identifier: BSD-3-Clause
// Certificates between a relay's keys of different kinds: RSA identity → Ed25519 identity
// (cert-spec 2.3), and onion keys → identities (dir-spec: onion-key-crosscert,
// ntor-onion-key-crosscert). Any thread.
//
// Makers return a length, or -EMSGSIZE, or -EINVAL. Checks return 0, or -EPROTO (malformed),
// -EKEYEXPIRED, -ENOKEY (another key is certified), -EBADMSG (signature).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "crypto/ed_cert.h"
#include "crypto/rsa.h"

enum { CROSS_CERT_MAX = 32 + 4 + 1 + 255, CROSS_CERT_1024_LEN = 32 + 4 + 1 + 128 };

// CERTS type 7: the RSA identity signs the Ed25519 identity.
int cross_cert_make(const struct rsa_key *identity, const uint8_t ed25519_id[32],
                    uint32_t expires_hours, uint8_t *out, size_t capacity);
__attribute__((warn_unused_result)) int cross_cert_check(const uint8_t *bytes, size_t length,
                                                         const struct rsa_key *identity,
                                                         const uint8_t ed25519_id[32],
                                                         uint64_t now_s);

// onion-key-crosscert: the TAP key signs both identities. `rsa_id` is the SHA-1 fingerprint.
int tap_cross_cert_make(const struct rsa_key *onion_key, const uint8_t rsa_id[20],
                        const uint8_t ed25519_id[32], uint8_t *out, size_t capacity);
__attribute__((warn_unused_result)) int tap_cross_cert_check(const uint8_t *bytes, size_t length,
                                                             const struct rsa_key *onion_key,
                                                             const uint8_t rsa_id[20],
                                                             const uint8_t ed25519_id[32]);

// ntor-onion-key-crosscert: an Ed25519 certificate of type 0A by the onion key. `sign_bit` is the
// item's argument.
int ntor_cross_cert_make(const struct curve25519_key *onion_key, const uint8_t ed25519_id[32],
                         uint32_t expires_hours, uint8_t out[ED_CERT_LEN], uint8_t *sign_bit);
__attribute__((warn_unused_result)) int
ntor_cross_cert_check(const uint8_t *bytes, size_t length, const uint8_t onion_key[32],
                      uint8_t sign_bit, const uint8_t ed25519_id[32], uint64_t now_s);
