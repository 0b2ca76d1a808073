// SPDX-License-Identifier: BSD-3-Clause
// The tor1 relay crypto: AES-128-CTR and a running SHA-1 per direction (tor-spec: "Relay cells").
//
// A layer is one direction of one hop. The cipher is run in batches by the caller
// (crypto/cell_cipher.h, with &layer->cipher); the functions here do the digest. They may be called
// by any thread, one at a time for each layer.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/cell_cipher.h"

enum {
    TOR1_MATERIAL_LEN = 72, // Df 20, Db 20, Kf 16, Kb 16
    TOR1_TAG_LEN = 20,
};

// A running SHA-1 over a seed of 20 bytes and whole cell bodies, in as few bytes as it needs: what
// else OpenSSL's SHA_CTX holds follows from the number of bodies.
struct tor1_digest {
    uint32_t state[5];
    uint32_t bodies_low; // of a number of 40 bits
    uint8_t bodies_high;
    uint8_t partial[63]; // of a block of 64 bytes
};

struct tor1_layer {
    struct ctr_stream cipher;
    struct tor1_digest digest; // over all cells that began at this hop or were addressed to it
};
_Static_assert(sizeof(struct tor1_layer) <= 112, "half a circuit end; travels in a cell's body");

// `forward` is away from the circuit's origin. Does not disturb jobs gathered in `cc`.
void tor1_layers_init(struct cell_cipher *cc, struct tor1_layer *forward,
                      struct tor1_layer *backward, const uint8_t material[TOR1_MATERIAL_LEN]);
void tor1_layer_clear(struct tor1_layer *layer);

// Whether a decrypted body is addressed to this hop: its "recognized" field is 0 and its digest is
// right. If so the running digest moves on and `tag` is the full digest, which a SENDME for this
// cell carries; if not, the digest stays as it was and `tag` is untouched.
bool tor1_recognise(struct tor1_layer *layer, const uint8_t body[509], uint8_t tag[TOR1_TAG_LEN])
    __attribute__((warn_unused_result));

// Sets "recognized" and the digest of a body that this hop sends, before its encryption. `tag` is
// what a SENDME for this cell has to carry.
void tor1_originate(struct tor1_layer *layer, uint8_t body[509], uint8_t tag[TOR1_TAG_LEN]);
