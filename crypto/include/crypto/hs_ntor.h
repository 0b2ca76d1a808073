// SPDX-License-Identifier: BSD-3-Clause
// The handshake between a client and an onion service: its first half inside INTRODUCE1, its second
// in RENDEZVOUS1 (rend-spec-v3 3.3, "hs-ntor"; protocol 8.27, 8.28, 8.38, 8.39). Any thread.
//
// Every secret is the caller's, who wipes it. Keys from outside that lead to an all-zero exchange
// are refused.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/curve25519.h"

enum { HS_NTOR_KEY_LEN = 32, HS_NTOR_AUTH_LEN = 32, HS_NTOR_MATERIAL_LEN = 128 };

// Of one introduction: what encrypts and authenticates the secret part of INTRODUCE1.
struct hs_ntor_intro_keys {
    uint8_t encryption[32], mac[32];
};

// What both sides know of the introduction point from the descriptor.
struct hs_ntor_point {
    uint8_t auth_key[32]; // Ed25519, names it
    uint8_t enc_key[32];  // Curve25519, B
};

// Client: `ephemeral` is x and X, to be kept until RENDEZVOUS2.
__attribute__((warn_unused_result)) bool
hs_ntor_client_introduce(const struct hs_ntor_point *point, const struct curve25519_key *ephemeral,
                         const uint8_t subcredential[32], struct hs_ntor_intro_keys *out);
// Service: one exchange, and the keys for each of the `n` subcredentials that are in force.
__attribute__((warn_unused_result)) bool
hs_ntor_service_introduce(const uint8_t auth_key[32], const struct curve25519_key *enc_key,
                          const uint8_t client_public[32], const uint8_t (*subcredentials)[32],
                          unsigned n, struct hs_ntor_intro_keys *out);
// MAC(key, m) = SHA3-256(INT8(32) | key | m), of INTRODUCE1 up to the MAC itself.
void hs_ntor_mac(const uint8_t key[32], const void *bytes, uint64_t length, uint8_t out[32]);

// Service: `ephemeral` is y and Y. Gives AUTH for RENDEZVOUS1, and the material of the layer
// between the two: Df 32 | Db 32 | Kf 32 | Kb 32, forward from client to service.
__attribute__((warn_unused_result)) bool
hs_ntor_service_rendezvous(const uint8_t auth_key[32], const struct curve25519_key *enc_key,
                           const struct curve25519_key *ephemeral, const uint8_t client_public[32],
                           uint8_t auth[HS_NTOR_AUTH_LEN], uint8_t material[HS_NTOR_MATERIAL_LEN]);
// Client, with what RENDEZVOUS2 says. False: it is not the service (AUTH is compared in constant
// time), or a bad key.
__attribute__((warn_unused_result)) bool
hs_ntor_client_rendezvous(const struct hs_ntor_point *point, const struct curve25519_key *ephemeral,
                          const uint8_t service_public[32], const uint8_t auth[HS_NTOR_AUTH_LEN],
                          uint8_t material[HS_NTOR_MATERIAL_LEN]);
