// SPDX-License-Identifier: BSD-3-Clause
// X25519 keys: onion keys and the ephemeral keys of handshakes. Any thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { CURVE25519_KEY_LEN = 32 };

struct curve25519_key {
    uint8_t secret[32]; // clamped
    uint8_t public_key[32];
};

// Makes 32 random bytes a secret (RFC 7748, section 5).
void curve25519_clamp(uint8_t secret[32]);
void curve25519_generate(struct curve25519_key *out);
// Clamps `secret` and computes the public key.
void curve25519_from_secret(const uint8_t secret[32], struct curve25519_key *out);
// False when the result is all zeros (a point of small order); `out` is written all the same, so
// that a handshake may go on and fail at its end. The time depends on `peer` alone, which its
// sender knows; never on the secret.
__attribute__((warn_unused_result)) bool curve25519_shared(const uint8_t secret[32],
                                                           const uint8_t peer[32], uint8_t out[32]);
void curve25519_wipe(struct curve25519_key *key);
