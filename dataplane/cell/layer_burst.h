// SPDX-License-Identifier: BSD-3-Clause
// Cells on their way through one layer each, of whatever kind, in one run of each cipher.
//
// Cells of one layer are done in the order in which they were gathered. A layer stays where it is,
// and a cell's bytes too, until the burst has run.
#pragma once

#include <stdint.h>

#include "crypto/cell_cipher.h"
#include "crypto/cgo.h"

struct worker;
union layer;

enum { LAYER_BURST_MAX = CELL_CIPHER_BURST_MAX };

struct layer_burst {
    // Apart, for the cipher runs one sort after the other; and what became of the relay's cells is
    // looked at only after more bursts of the client's.
    struct cgo_job relays[LAYER_BURST_MAX], clients[LAYER_BURST_MAX];
    unsigned n_relays, n_clients;
};

// Gathers a body: from `src` to `dst`, which may be the same, with CELL_CIPHER_SCRATCH bytes in
// front of each that are lost. What is returned says, after the run and until another of its sort
// (relay's, client's) is gathered, what became of it: for layer_recognise and layer_tag. NULL with
// kinds that need no such thing.
const struct cgo_job *layer_burst_add(struct worker *w, union layer *layer, unsigned kind,
                                      enum cgo_operation operation, uint8_t command,
                                      const uint8_t *src, uint8_t *dst);
void layer_burst_run(struct worker *w);
