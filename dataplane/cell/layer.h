// SPDX-License-Identifier: BSD-3-Clause
// A layer of relay crypto: one direction of one hop, tor1 or Counter Galois Onion, or what is
// between a client and an onion service, with the relay messages that begin and end at it. Which of
// them it is, is said by an enum circuit_crypto_kind beside it (base/message.h); 0 stands for no
// layer. What differs between kinds is here and in cell/layer_burst.h.
//
// The cells of many layers are run in a burst by cell/layer_burst.h.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/message.h"
#include "cell/relay_message.h"
#include "crypto/cgo.h"
#include "crypto/onion_layer.h"
#include "crypto/tor1.h"

struct worker;

// In the place of a kind, where a circuit begins here: its end has hops (cell/hops.h).
enum { LAYERS_OF_HOPS = 255 };

union layer {
    struct tor1_layer tor1;
    struct cgo_layer cgo;
    struct onion_layer *onion; // larger, and rare: elsewhere (cell/hops.h)
};

// A layer on its way to another worker, in the body of a cell.
struct layer_parcel {
    union layer layer;
    uint8_t kind;
};
_Static_assert(sizeof(struct layer_parcel) <= CELL_BODY_LEN, "must fit in a cell");

enum { LAYER_TAG_MAX = TOR1_TAG_LEN };

static inline uint8_t layer_tag_length(uint8_t kind)
{
    return kind == CIRCUIT_CRYPTO_CGO ? CGO_TAG_LEN : TOR1_TAG_LEN;
}

// `forward` is away from the origin. False: no such kind.
bool layers_init(struct worker *w, union layer *forward, union layer *backward,
                 const struct circuit_crypto *crypto);
// The same at the origin. For CIRCUIT_CRYPTO_ONION the two layers' `onion` say where they are to
// be.
bool layers_init_client(struct worker *w, union layer *forward, union layer *backward,
                        const struct circuit_crypto *crypto);
void layer_clear(union layer *layer);

// Reads a message out of a body that ended at this layer. False: it breaks the protocol.
bool layer_parse(uint8_t kind, const uint8_t body[CELL_BODY_LEN], struct relay_message *out);
// Fills a cell's body with a message for the other end of such a layer. False: the layer's format
// has no such message.
bool layer_build(struct worker *w, uint8_t kind, const struct relay_message *message,
                 uint8_t body[CELL_BODY_LEN]);

// ---- around a burst; `job` is what layer_burst_add said.
// Before it, for a cell that begins here.
void layer_mark(union layer *layer, uint8_t kind, uint8_t body[CELL_BODY_LEN],
                uint8_t tag[LAYER_TAG_MAX]);
// After it, for the same: layer_tag_length bytes of `tag` are set by one or the other.
void layer_tag(const struct cgo_job *job, uint8_t tag[LAYER_TAG_MAX]);
// After it, for a cell that came: whether it ends here or, at its origin, began at this hop; if so,
// its tag.
bool layer_recognise(union layer *layer, uint8_t kind, const struct cgo_job *job,
                     const uint8_t body[CELL_BODY_LEN], uint8_t tag[LAYER_TAG_MAX]);

// Fills a cell's body with a message that begins at this layer, encrypted. The CELL_CIPHER_SCRATCH
// bytes in front of `body` are lost. `tag`, of which layer_tag_length bytes are set, is what a
// SENDME for the cell has to carry (protocol 3.04, 3.19). False: the layer's format has no such
// message.
bool layer_originate(struct worker *w, union layer *layer, uint8_t kind,
                     const struct relay_message *message, uint8_t body[CELL_BODY_LEN],
                     uint8_t tag[LAYER_TAG_MAX]);
