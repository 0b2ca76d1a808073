// SPDX-License-Identifier: BSD-3-Clause
// Ed25519 keys in expanded form, which is how C tor stores them and the only form that a blinded
// or converted key has. Any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/curve25519.h"

enum {
    ED25519_SEED_LEN = 32,
    ED25519_SECRET_LEN = 64,
    ED25519_PUBLIC_LEN = 32,
    ED25519_SIG_LEN = 64
};

struct ed25519_key {
    uint8_t expanded[64]; // scalar, then the prefix that is hashed into nonces
    uint8_t public_key[32];
};

void ed25519_generate(struct ed25519_key *out);
void ed25519_from_seed(const uint8_t seed[32], struct ed25519_key *out);
// As read from a key file; computes the public key. 0, or -EINVAL for a scalar of 0.
int ed25519_from_expanded(const uint8_t expanded[64], struct ed25519_key *out);
void ed25519_wipe(struct ed25519_key *key);

// Deterministic (RFC 8032, 5.1.6).
void ed25519_sign(const struct ed25519_key *key, const void *message, size_t length,
                  uint8_t signature[64]);
// Refuses signatures that are not canonical and keys of small order.
__attribute__((warn_unused_result)) bool ed25519_verify(const uint8_t public_key[32],
                                                        const void *message, size_t length,
                                                        const uint8_t signature[64]);

// The Ed25519 key of an X25519 key, which signs ntor-onion-key-crosscert (proposal 228).
// `sign_bit` (0 or 1) is what a verifier needs besides the X25519 public key. 0, or -EINVAL.
int ed25519_from_curve25519(const struct curve25519_key *key, struct ed25519_key *out,
                            uint8_t *sign_bit);
// The verifier's half. 0, or -EINVAL for u = -1. That the result is a point is left to
// ed25519_verify().
int ed25519_public_from_curve25519(const uint8_t curve25519_public[32], uint8_t sign_bit,
                                   uint8_t out[32]);

// Key blinding of onion services (rend-spec-v3, A.2); `param` is the hash h before clamping.
// 0, or -EINVAL for a public key that is no point of the group.
int ed25519_blind(const struct ed25519_key *key, const uint8_t param[32], struct ed25519_key *out);
int ed25519_public_blind(const uint8_t public_key[32], const uint8_t param[32], uint8_t out[32]);
