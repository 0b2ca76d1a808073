// SPDX-License-Identifier: BSD-3-Clause
// Counter Galois Onion, the relay crypto that follows tor1 (proposal 359; protocol 3.08 to 3.24).
//
// A layer is one direction of one hop. A cell passes a layer by one of six operations, three of
// them the relay's and three the client's. A layer belongs to one thread at a time, and so does a
// struct cgo_cipher; layers may move between ciphers of one process. Nothing here allocates after
// cgo_cipher_create.
//
// A layer loses its secrets by itself: when a cell begins or ends at the hop, new keys and a new
// nonce take the place of the old, which are gone from memory by the time the call returns.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    CGO_MATERIAL_LEN = 160, // forward 80, backward 80: KB, KU, K, B, nonce
    CGO_TAG_LEN = 16,
};

struct cgo_cipher;

// Secret; has to be wiped by its owner with cgo_layer_clear. May be copied and moved between runs.
// Round keys and powers are computed in each run (docs/decisions/compact-layers.md).
struct cgo_layer {
    uint8_t kb[16] __attribute__((aligned(16))); // ET's block cipher
    uint8_t ku[16];                              // ET's hash
    uint8_t k[16];                               // the PRF's block cipher
    uint8_t b[16];                               // the PRF's hash
    uint8_t nonce[CGO_TAG_LEN]; // what marks the next cell that begins or ends at this hop
    uint8_t tag[CGO_TAG_LEN];   // T': chains each cell to the one before
    uint8_t ku_32[16];          // KU^32, as POLYVAL multiplies: what T' is multiplied by
};
_Static_assert(sizeof(struct cgo_layer) <= 128, "half a circuit end; travels in a cell's body");

enum cgo_operation {
    CGO_RELAY_FORWARD,    // away from the origin; may be recognised
    CGO_RELAY_BACKWARD,   // another hop's cell on its way to the origin
    CGO_RELAY_ORIGINATE,  // towards the origin; src's first 16 bytes are not used
    CGO_CLIENT_FORWARD,   // puts on the layer of a hop that the cell only passes
    CGO_CLIENT_ORIGINATE, // puts on that of the hop it is for; src's first 16 bytes are not used
    CGO_CLIENT_BACKWARD,  // takes off a layer; may be recognised
};

// One body and one layer. src may equal dst; other overlaps are not allowed, also between the jobs
// of one run. Nothing outside the 509 bytes is read or written.
struct cgo_job {
    struct cgo_layer *layer;
    const uint8_t *src;
    uint8_t *dst;
    enum cgo_operation operation;
    uint8_t command; // of the link cell: RELAY or RELAY_EARLY; the crypto covers it
    // Out. Set by the operations that may be recognised, else false: the cell ends (relay) or began
    // (client) at this hop, and dst is a relay message in format v1 after a tag of 16 bytes.
    bool recognised;
    // Out, when recognised or originated: what a SENDME for this cell carries.
    uint8_t tag[CGO_TAG_LEN];
};

// NULL without memory.
struct cgo_cipher *cgo_cipher_create(void);
void cgo_cipher_destroy(struct cgo_cipher *cc);
// Which implementation was chosen at run time, e.g. "vaes256"; static storage.
const char *cgo_cipher_implementation(const struct cgo_cipher *cc);

// `forward` is away from the circuit's origin. The relay's layers take the relay's operations only,
// the client's the client's only.
void cgo_relay_layers_init(struct cgo_cipher *cc, struct cgo_layer *forward,
                           struct cgo_layer *backward, const uint8_t material[CGO_MATERIAL_LEN]);
void cgo_client_layers_init(struct cgo_cipher *cc, struct cgo_layer *forward,
                            struct cgo_layer *backward, const uint8_t material[CGO_MATERIAL_LEN]);
void cgo_layer_clear(struct cgo_layer *layer);

// Does the jobs as if one after the other: cells of one layer in the order in which they stand.
// Quickest for many cells at a time; which layers they belong to matters little, except that cells
// that begin or end here cost less when the next job is another layer's.
void cgo_run(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n);

// ---- the same for one body in place

// True and `tag` is set when the cell is for this relay; else it goes on to the next.
__attribute__((warn_unused_result)) bool cgo_relay_forward(struct cgo_cipher *cc,
                                                           struct cgo_layer *layer, uint8_t command,
                                                           uint8_t body[509],
                                                           uint8_t tag[CGO_TAG_LEN]);
void cgo_relay_backward(struct cgo_cipher *cc, struct cgo_layer *layer, uint8_t command,
                        uint8_t body[509]);
// `tag` is what a SENDME for this cell has to carry.
void cgo_relay_originate(struct cgo_cipher *cc, struct cgo_layer *layer, uint8_t command,
                         uint8_t body[509], uint8_t tag[CGO_TAG_LEN]);

// The client goes from the hop that the cell is for (originate) back to the first (forward).
void cgo_client_originate(struct cgo_cipher *cc, struct cgo_layer *layer, uint8_t command,
                          uint8_t body[509], uint8_t tag[CGO_TAG_LEN]);
void cgo_client_forward(struct cgo_cipher *cc, struct cgo_layer *layer, uint8_t command,
                        uint8_t body[509]);
// And from the first hop on until one returns true: that hop sent the cell.
__attribute__((warn_unused_result)) bool cgo_client_backward(struct cgo_cipher *cc,
                                                             struct cgo_layer *layer,
                                                             uint8_t command, uint8_t body[509],
                                                             uint8_t tag[CGO_TAG_LEN]);
