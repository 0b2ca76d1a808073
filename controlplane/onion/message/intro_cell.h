// SPDX-License-Identifier: BSD-3-Clause
// The messages ESTABLISH_INTRO and INTRODUCE1 (protocol 7.08–7.12, 7.15; rend-spec-v3 3.1.1,
// 3.2.1). Pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/ed25519.h"

struct establish_intro {
    uint8_t auth_key[32];
    bool has_limit;             // the service says how many INTRODUCE2 it wants …
    uint32_t rate_per_s, burst; // … both 0: any number
    // Inside the body:
    const uint8_t *mac;
    const uint8_t *signature;
    const uint8_t *body;
    size_t mac_covers, signature_covers; // bytes from the body's first
};

// False: malformed, or not of the one kind that there is. What follows the signature is ignored.
// `body` must outlive `out`.
bool establish_intro_parse(const uint8_t *body, size_t length, struct establish_intro *out);
// It was made for the circuit with this KH, by who has the authentication key.
__attribute__((warn_unused_result)) bool establish_intro_verify(const struct establish_intro *e,
                                                                const uint8_t nonce[20]);

// As a service makes it, for the circuit with this KH. `rate_per_s`, `burst`: the DoS extension;
// both 0: none. Its length; 0: it does not fit.
size_t establish_intro_make(const struct ed25519_key *auth, const uint8_t nonce[20],
                            uint32_t rate_per_s, uint32_t burst, uint8_t *out, size_t capacity);

enum introduce1_form {
    INTRODUCE1_GOOD,
    INTRODUCE1_OLD,       // of version 2: begins with the key's digest
    INTRODUCE1_MALFORMED, // the client is told, too
    INTRODUCE1_SHORT,     // can't be one of either version
};

enum introduce1_form introduce1_parse(const uint8_t *body, size_t length, uint8_t auth_key[32]);
