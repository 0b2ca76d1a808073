// SPDX-License-Identifier: BSD-3-Clause
// INTRODUCE1 and INTRODUCE2 with their encrypted part, RENDEZVOUS1 and RENDEZVOUS2, ESTABLISH_INTRO
// as a service makes it (protocol 8.26–8.33, 8.37, 9.36). Pure but for random numbers.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/ed25519.h"
#include "crypto/hs_ntor.h"
#include "onion/descriptor/onion_descriptor.h"

struct own_circuit_hop;

enum {
    RENDEZVOUS_COOKIE_LEN = 20,
    INTRODUCE_BODY_MIN = 246,
    RENDEZVOUS1_LEN = 168,
    POW_SOLUTION_LEN = 16,
};

struct pow_proof {
    bool present;
    uint8_t nonce[16];
    uint32_t effort;
    uint8_t seed_head[4];
    uint8_t solution[POW_SOLUTION_LEN];
};

// What a client says to a service.
struct introduction {
    uint8_t cookie[RENDEZVOUS_COOKIE_LEN];
    uint8_t client_public[32]; // X
    bool congestion_control;   // extension 1
    struct pow_proof pow;      // extension 2
    unsigned subcredential;    // introduce2_read: which of them opened it
    // The rendezvous point, from whoever knows no better: to be checked like an EXTEND2's.
    uint8_t onion_key[32];
    uint8_t specifiers[LINK_SPECIFIERS_MAX]; // with their number before them
    uint16_t specifiers_length;
};

// The body of INTRODUCE1. Its length; 0: it does not fit, or a bad key.
size_t introduce1_make(const struct introduction *i, const struct onion_intro_point *point,
                       const uint8_t subcredential[32], const struct curve25519_key *ephemeral,
                       uint8_t *out, size_t capacity);
enum introduce2_result {
    INTRODUCE2_GOOD,
    INTRODUCE2_MALFORMED,
    INTRODUCE2_UNREADABLE, // none of the subcredentials opens it
};
enum introduce2_result introduce2_read(const uint8_t *body, size_t length,
                                       const uint8_t auth_key[32],
                                       const struct curve25519_key *enc_key,
                                       const uint8_t (*subcredentials)[32], unsigned n,
                                       struct introduction *out);
// The encrypted section, for the replay cache (8.31). False: malformed.
bool introduce2_encrypted(const uint8_t *body, size_t length, const uint8_t **out,
                          size_t *out_length);

// For the circuit with this KH. `rate`, `burst`: the DoS extension; both 0: none. Its length.
size_t establish_intro_make(const struct ed25519_key *auth, const uint8_t nonce[20], uint32_t rate,
                            uint32_t burst, uint8_t *out, size_t capacity);

size_t rendezvous1_make(const uint8_t cookie[RENDEZVOUS_COOKIE_LEN],
                        const uint8_t service_public[32], const uint8_t auth[32],
                        uint8_t out[RENDEZVOUS1_LEN]);
// False: too short. What follows is ignored.
bool rendezvous2_read(const uint8_t *body, size_t length, uint8_t service_public[32],
                      uint8_t auth[32]);

// Link specifiers, their number before them: of a hop, and the hop that they say (with every check
// that EXTEND2 makes: no private address unless `private_allowed`, identities that are not zero).
size_t link_specifiers_of(const struct own_circuit_hop *hop, uint8_t *out, size_t capacity);
bool link_specifiers_hop(const uint8_t *specifiers, size_t length, const uint8_t onion_key[32],
                         bool private_allowed, struct own_circuit_hop *out);
