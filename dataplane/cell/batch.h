// SPDX-License-Identifier: BSD-3-Clause
// Relay cells on their way through the cell ciphers: gathered over circuits and links, run in one
// burst of each cipher, then each handed on or up. Cells of one circuit keep their order.
//
// Cells are read where the records were opened (the staging area) and written into cells of the
// pool. So the staging area is reused only after the batch has run, and an end that has cells in
// the batch is closed only after it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cell/layer.h"
#include "cell/layer_burst.h"

struct cell;
struct circuit_end;
struct worker;

enum {
    BATCH_CELLS_MAX =
        LAYER_BURST_MAX, // with what is opened for them, they fit into the nearest cache
    BATCH_STAGING_LEN = 512 * 1024,
};

struct batch_item {
    struct cell *cell;
    struct circuit_end *end;
    uint32_t end_generation;
    const struct cgo_job *cgo; // as layer_burst_add said
    uint8_t hop; // that sent it, where the circuit begins here; 0: none, or not known yet
};

struct cell_batch {
    struct batch_item items[BATCH_CELLS_MAX];
    uint8_t tags[BATCH_CELLS_MAX][LAYER_TAG_MAX]; // of those with a hop
    unsigned n;
    unsigned n_of_ours;    // of `items`: their circuits begin here
    unsigned n_for_joined; // of `items`: their ends are joined with others of this worker
    struct cell *joined[BATCH_CELLS_MAX]; // on their way to `target`, a joined circuit's end
    unsigned n_joined;
    uint8_t *staging;
    size_t staging_used;
};

// No cell before it has closed its circuit.
bool batch_item_is_open(const struct batch_item *item);

int batch_init(struct cell_batch *b);
void batch_release(struct cell_batch *b);

// Room for `length` bytes to open a record into, with at least CELL_FRONT_LEN readable bytes in
// front; runs the batch if it is needed to make room. Valid until the batch runs.
uint8_t *batch_staging(struct worker *w, size_t length);
// Keeps the first `length` bytes of the last room until the batch has run.
void batch_staging_keep(struct worker *w, size_t length);

// Gathers a relay cell whose 509 bytes of body are in the staging area.
void batch_add(struct worker *w, struct circuit_end *end, uint8_t command, const uint8_t *body);
// Runs the ciphers and hands every cell on.
void batch_run(struct worker *w);

// Gathers a cell that has passed one layer, on its way through the layer towards the origin of
// `target`. Takes the cell. Not while relay cells are gathered but by batch_run itself.
void batch_add_joined(struct worker *w, struct cell *c);
// The same, but the cell waits until `target` is joined, too.
void batch_take_joined(struct worker *w, struct cell *c);
void batch_run_joined(struct worker *w);
// For a circuit that is joined with another: sends a cell of its origin's that is not for us on to
// the other. Takes the cell. batch_run_joined has to follow.
void batch_pass_joined(struct worker *w, struct circuit_end *end, struct cell *c);
// A relay message to us, from a layer of this kind; closes the circuit if nobody can take it. Takes
// the item's cell.
void batch_hand_up(struct worker *w, const struct batch_item *item, uint8_t kind,
                   const uint8_t *tag);
// One that nobody has recognised: closes the circuit, unless somebody may still come who does. The
// same.
void batch_refuse(struct worker *w, const struct batch_item *item);
