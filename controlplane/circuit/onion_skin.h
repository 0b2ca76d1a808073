// SPDX-License-Identifier: BSD-3-Clause
// The answer to one CREATE_FAST or CREATE2 cell (protocol 2.02–2.23). Pure: any thread.
#pragma once

#include <stdint.h>

#include "base/cell.h"
#include "base/message.h"
#include "crypto/circuit_params.h"
#include "crypto/curve25519_batch.h"
#include "crypto/onion_keys.h"

enum {
    CIRCUIT_NONCE_BYTES = 20,
    CREATE2_DATA_MAX = CELL_BODY_LEN - 4, // after handshake type and length
    ONION_SKINS_MAX = 32,
};

struct onion_skin {
    uint8_t command;    // CELL_CREATE_FAST or CELL_CREATE2
    uint16_t handshake; // enum onion_handshake
    uint16_t length;
    uint8_t data[CREATE2_DATA_MAX];
};

struct onion_answer {
    enum destroy_reason refused; // DESTROY_NONE: accepted, and the rest is filled in
    uint8_t command;             // CELL_CREATED_FAST or CELL_CREATED2
    uint8_t body[CELL_BODY_LEN];
    uint16_t body_length;
    struct circuit_crypto crypto;
    struct circuit_params params;       // what was agreed on; all zero but with ntor-v3
    uint8_t nonce[CIRCUIT_NONCE_BYTES]; // KH
};

// Reads the cell's body. DESTROY_NONE, or why the circuit is refused at once.
enum destroy_reason onion_skin_parse(uint8_t command, const uint8_t body[CELL_BODY_LEN],
                                     struct onion_skin *out);
// What an ntor-v3 handshake is offered: by default, and until a consensus says otherwise.
extern const struct circuit_params onion_skin_default_offer;
// Answers `n` skins, ONION_SKINS_MAX at most; none touches another. `batch` may be NULL. The
// answers are secret: whoever has them wipes them.
void onion_skins_answer(const struct curve25519_batch *batch, const struct onion_keys *keys,
                        const struct circuit_params *offer, const struct onion_skin *const *skins,
                        struct onion_answer *answers, unsigned n);
