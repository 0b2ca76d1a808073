// SPDX-License-Identifier: BSD-3-Clause
// An onion service's descriptor in all its layers: made by the service, read by the client
// (protocol 8.14–8.23; rend-spec-v3 2.4, 2.5). Pure but for random numbers; any thread. What comes
// in is hostile: malformed introduction points are skipped, everything else malformed refuses it
// whole.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "crypto/ed25519.h"
#include "onion/message/link_specifiers.h"

enum {
    INTRO_POINTS_MAX = 20,
    DESCRIPTOR_PADDING = 10000,
    DESCRIPTOR_LIFETIME_MIN = 180,
};

struct onion_intro_point {
    // How to get there: addresses and identities. As bytes, for what is passed on verbatim.
    uint8_t specifiers[LINK_SPECIFIERS_MAX]; // with their number before them
    uint16_t specifiers_length;
    uint8_t onion_key[32];
    uint8_t auth_key[32]; // Ed25519
    uint8_t enc_key[32];  // Curve25519
};

struct onion_pow_params {
    bool present;
    uint8_t seed[32];
    uint32_t effort;
    uint64_t expires_s; // since the epoch
};

struct onion_descriptor {
    uint8_t blinded_key[32];
    uint64_t revision;
    unsigned lifetime_min;
    uint64_t cert_expires_s;
    bool single_onion;
    bool congestion_control;  // flow-control line with version 2 …
    uint8_t sendme_inc_cells; // … and this increment
    struct onion_pow_params pow;
    unsigned n_intro_points; // usable
    struct onion_intro_point intro_points[INTRO_POINTS_MAX];
};

// ---- the service's

struct descriptor_keys {
    const struct ed25519_key *blinded; // NULL: `signing_cert` was made ahead (offline master key)
    uint8_t blinded_public[32];
    const struct ed25519_key *signing; // the descriptor signing key
    const uint8_t *signing_cert;       // type 08, when `blinded` is NULL
    size_t signing_cert_length;
    uint8_t subcredential[32];
    const uint8_t (*clients)[32]; // Curve25519; none: no client authorisation
    unsigned n_clients;
};

// The text; the certificates expire by `now_s`. NULL: no memory, or what can't be (a key).
struct blob *onion_descriptor_make(const struct onion_descriptor *d,
                                   const struct descriptor_keys *keys, uint64_t now_s);

// ---- the client's

enum descriptor_result {
    DESCRIPTOR_GOOD,
    DESCRIPTOR_MALFORMED,  // or of another service, or a bad signature, or expired
    DESCRIPTOR_NEEDS_AUTH, // it asks for a client's key, and there is none
    DESCRIPTOR_BAD_AUTH,   // the client's key is not one of those
    DESCRIPTOR_NO_MEMORY,
};

// `client_secret`: Curve25519, NULL: none. `now_s` is the consensus' time. A descriptor without a
// usable introduction point is good, and has none.
enum descriptor_result onion_descriptor_read(const uint8_t *text, size_t length,
                                             const uint8_t blinded_key[32],
                                             const uint8_t subcredential[32],
                                             const uint8_t *client_secret, uint64_t now_s,
                                             struct onion_descriptor *out);
