// SPDX-License-Identifier: BSD-3-Clause
// INTRODUCE1 and INTRODUCE2 with their encrypted part, RENDEZVOUS1 and RENDEZVOUS2 (protocol
// 8.26–8.31, 8.33, 8.37, 9.36). What a relay reads of them, and ESTABLISH_INTRO: intro_cell.h.
// Pure but for random numbers; any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "circuit/own_circuit.h"
#include "crypto/ed25519.h"
#include "crypto/hs_ntor.h"
#include "onion/descriptor/onion_descriptor.h"
#include "onion/message/intro_cell.h"
#include "onion/message/link_specifiers.h"

struct own_circuit_hop;

enum {
    RENDEZVOUS_COOKIE_LEN = 20,
    // Of INTRODUCE1 without X and the MAC: what is encrypted is filled up to this, so that nearly
    // all are of 310 bytes, whatever is asked for. As C tor does it.
    INTRODUCE_PADDED_LEN = 246,
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

// The body of INTRODUCE1; `i` needs what is not said to be introduce2_read's, and `client_public`
// is `ephemeral`'s whatever it says. Its length; 0: it does not fit, a bad key (a point's of zeros,
// 13.02), or no memory.
size_t introduce1_make(const struct introduction *i, const struct onion_intro_point *point,
                       const uint8_t subcredential[32], const struct curve25519_key *ephemeral,
                       uint8_t *out, size_t capacity);
enum introduce2_result {
    INTRODUCE2_GOOD,
    INTRODUCE2_MALFORMED,  // also: a proof of work that is malformed or of another version
    INTRODUCE2_UNREADABLE, // none of the subcredentials opens it
};
// All of them are tried, in a time that does not depend on which one it is. Whether what it asks
// for is had (congestion control, a proof of work) is the service's to judge (8.32).
enum introduce2_result introduce2_read(const uint8_t *body, size_t length,
                                       const uint8_t auth_key[32],
                                       const struct curve25519_key *enc_key,
                                       const uint8_t (*subcredentials)[32], unsigned n,
                                       struct introduction *out);
// The decrypted part alone, for introduce2_read and its tests.
bool introduce2_read_plain(const uint8_t *bytes, size_t length, struct introduction *out);
// The encrypted section, for the replay cache (8.31). False: malformed as no honest introduction
// point lets it be. Those look at nothing in that section but that there is one: a visitor can send
// one that is too short for introduce2_read.
bool introduce2_encrypted(const uint8_t *body, size_t length, const uint8_t **out,
                          size_t *out_length);

// Cookie | Y | AUTH, and random padding. RENDEZVOUS1_LEN.
size_t rendezvous1_make(const uint8_t cookie[RENDEZVOUS_COOKIE_LEN],
                        const uint8_t service_public[32], const uint8_t auth[32],
                        uint8_t out[RENDEZVOUS1_LEN]);
// False: too short. What follows is ignored.
bool rendezvous2_read(const uint8_t *body, size_t length, uint8_t service_public[32],
                      uint8_t auth[32]);
