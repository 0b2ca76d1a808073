// SPDX-License-Identifier: BSD-3-Clause
// The relay crypto between a client and an onion service, behind the last relay's layer: as tor1,
// with AES-256-CTR and a running SHA3-256 (protocol 8.39). Relay messages are in format v0.
//
// A layer is one direction. The cipher is run in batches by the caller (crypto/cell_cipher.h,
// cell_cipher_add_long with &layer->cipher); the functions here do the digest. They may be called
// by any thread, one at a time for each layer.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/cell_cipher.h"
#include "crypto/keccak.h"

enum {
    ONION_MATERIAL_LEN = 128, // Df 32, Db 32, Kf 32, Kb 32
    ONION_TAG_LEN = 20,       // the first bytes of the digest
};

struct onion_layer {
    struct ctr_long_stream cipher;
    struct sha3_256_run digest; // over all cells that began here, or at the other side
};

// `send` takes what the material has first: the service turns its two halves round.
void onion_layers_init(struct onion_layer *send, struct onion_layer *receive,
                       const uint8_t material[ONION_MATERIAL_LEN]);

// As tor1_recognise and tor1_originate (crypto/tor1.h).
bool onion_recognise(struct onion_layer *layer, const uint8_t body[509], uint8_t tag[ONION_TAG_LEN])
    __attribute__((warn_unused_result));
void onion_originate(struct onion_layer *layer, uint8_t body[509], uint8_t tag[ONION_TAG_LEN]);
