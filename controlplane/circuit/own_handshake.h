// SPDX-License-Identifier: BSD-3-Clause
// The client's side of one hop's handshake, whichever it is (protocol 2.04, 2.06, 2.11–2.24). Any
// thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cell.h"
#include "base/cursor.h"
#include "base/message.h"
#include "circuit/own_circuit.h"
#include "crypto/circuit_params.h"
#include "crypto/create_fast.h"
#include "crypto/ntor.h"
#include "crypto/ntor_v3.h"

// Secret; between the two steps. Zeros: none.
struct own_handshake {
    uint16_t type; // enum onion_handshake
    struct circuit_params asked;
    union {
        uint8_t fast[CREATE_FAST_LEN];
        struct ntor_client ntor;
        struct ntor_v3_client ntor_v3;
    };
};

// Secret.
struct own_hop_keys {
    struct circuit_crypto crypto;
    uint8_t nonce[CIRCUIT_NONCE_LEN]; // KH
    struct circuit_params granted;
};

// What is asked of this hop: something only of the last one. `offer` is what the consensus allows,
// with its increment.
struct circuit_params own_handshake_ask(const struct own_circuit_hop *hop, bool last,
                                        const struct circuit_params *offer);
// Writes the body of the cell that begins the hop, and says which: CREATE_FAST for a hop without
// key, else CREATE2. 0: it can't be begun (a bad key, or no room).
uint8_t own_handshake_start(struct own_handshake *h, const struct own_circuit_hop *hop,
                            const struct circuit_params *ask, struct writer *w);
// `reply` is what the relay answered, without a length before it. False: it is not that relay, or
// what it grants makes no sense (2.20). Once only: the handshake is wiped.
bool own_handshake_finish(struct own_handshake *h, const uint8_t *reply, uint16_t length,
                          struct own_hop_keys *out);
void own_handshake_wipe(struct own_handshake *h);
