// SPDX-License-Identifier: BSD-3-Clause
// The X25519 of server-side handshakes, ntor's and ntor-v3's, for many onion skins at a time: the
// ephemeral key y, its public half Y, and the shared secrets of the client's X with y and with our
// onion key b. Nearly all that a handshake costs. Any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/curve25519.h"
#include "crypto/curve25519_batch.h"
#include "crypto/onion_keys.h"

// Secret: wipe it.
struct ntor_exchange {
    const uint8_t *wanted;     // B as the client has it, within the skin
    const uint8_t *client_key; // X, within the skin; NULL: there is nothing to compute
    struct curve25519_key onion;
    struct curve25519_key ephemeral;
    uint8_t shared_xy[32];
    uint8_t shared_xb[32];
    bool good; // neither secret is all zeros
};

// Find the keys in a skin. Where it is too short to have any, ntor_exchange_many passes over it,
// and the handshake refuses it later.
void ntor_exchange_read(struct ntor_exchange *exchange, const uint8_t *skin, size_t length);
void ntor_v3_exchange_read(struct ntor_exchange *exchange, const uint8_t *skin, size_t length);

// All that is left of the fields, with fresh ephemeral keys. `batch` may be NULL.
void ntor_exchange_many(const struct curve25519_batch *batch, const struct onion_keys *keys,
                        struct ntor_exchange *list, size_t n);
// One, with an ephemeral key that the caller made (tests). Never use one twice.
void ntor_exchange_with_key(const struct onion_keys *keys, const struct curve25519_key *ephemeral,
                            struct ntor_exchange *exchange);
void ntor_exchange_wipe(struct ntor_exchange *exchange);
