// SPDX-License-Identifier: BSD-3-Clause
// A circuit's origin in the workers' tests: it has the other half of the relay's layers, tor1 or
// CGO.
#pragma once

#include "cell/layer.h"
#include "rig.h"

struct origin {
    struct peer_link *link;
    uint32_t circid;
    struct handle end; // the worker's
    uint8_t kind;      // enum circuit_crypto_kind
    struct cell_cipher *cipher;
    struct cgo_cipher *cgo;
    union layer forward, backward;
    // Of the last cell that was sent to the relay itself, or that it sent: what a SENDME carries.
    uint8_t tag[LAYER_TAG_MAX];
};

// CREATE2, accepted by the control plane with known keys.
struct origin *origin_create(struct peer_link *link, uint32_t circid,
                             enum circuit_crypto_kind kind);
void origin_free(struct origin *o);
// For who makes circuits otherwise; `cipher` and `cgo` are there.
void origin_set_keys(struct origin *o, enum circuit_crypto_kind kind, const uint8_t *material);
unsigned origin_tag_length(const struct origin *o);

// `ours`: for the relay itself (recognised there), else for a hop behind it, which is sent a
// message in format v0 whose "recognized" is not 0.
void origin_send(struct origin *o, uint8_t cell_command, uint8_t relay_command, uint16_t stream_id,
                 const void *body, uint16_t length, bool ours);
// The same in two steps: puts our layer on a body, in place.
void origin_seal(struct origin *o, uint8_t cell_command, uint8_t body[CELL_BODY_LEN], bool ours);
// Decrypts a received cell; true if the relay itself sent it.
bool origin_open(struct origin *o, struct peer_cell *cell);
// Reads what the relay sent, in the layer's format; fails the test if it can't be read.
struct relay_message origin_parse(const struct origin *o, const struct peer_cell *cell);
