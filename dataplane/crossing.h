// SPDX-License-Identifier: BSD-3-Clause
// Cells on their way to another worker: relay cells, and layers on the move
// (docs/decisions/circuits-between-workers.md). A ring for each ordered pair of workers; cells are
// gathered, and go and come in bursts, since each touch of a ring's ends is a cache line that
// another core has.
#pragma once

#include <stdbool.h>

#include "dataplane/dataplane.h"

struct cell;
struct rte_ring;
struct worker;

enum { CROSSING_BURST = 32 };

struct crossing {
    struct rte_ring *to, *from; // NULL: none, to oneself
    unsigned n;                 // gathered
    unsigned room;              // on the ring at least, without those
    struct cell *cells[CROSSING_BURST];
};

// Hands a cell to another worker, or drops it and says false. Takes the cell. It may stay here
// until crossing_flush.
bool crossing_send(struct worker *w, unsigned peer, struct cell *c);
// What was gathered is on its way. Due before whatever may not overtake it: what the control thread
// is told, and what other workers are.
void crossing_flush(struct worker *w);
// Takes cells that other workers sent, while the batch is empty: all that are there now, or, if not
// `all`, as many as a turn should take. Returns how many.
unsigned crossing_receive(struct worker *w, bool all);
// Nothing is there.
bool crossing_is_idle(const struct worker *w);
// Frees what is still under way; no worker runs.
void crossing_release(struct worker *w);
