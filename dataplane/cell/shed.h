// SPDX-License-Identifier: BSD-3-Clause
// What goes when the cell pool runs low: the circuits that keep most cells for longest (protocol
// 5.07, docs/decisions/out-of-cells.md). Work is bounded per turn, whatever waits.
//
// Ends with a long queue are in buckets by its length, in powers of two, so that nothing has to be
// searched. Upkeep is one comparison per cell.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cell/circuit_end.h"

enum {
    SHED_FIRST_CELLS = 8, // shorter queues are in no bucket
    SHED_BUCKETS = 26,    // the longest queue that differs from longer ones: 2^28
    SHED_STEPS_PER_TURN = 2048,
};

struct shed {
    struct end_list buckets[SHED_BUCKETS]; // [b]: bucket number b + 1
    uint32_t filled;                       // bit b: buckets[b] is not empty
    bool active;                           // from the low-water mark until the high-water mark
    uint32_t low_cells, high_cells;        // free in the pool
    uint32_t link_cells_max;               // that may wait on this worker's links
    uint32_t steps_left;                   // ends that may still be looked at in this turn
    uint32_t hand;                         // where the search among the short queues goes on
    uint8_t hand_min_cells;                // what it takes on this round
};

void shed_init(struct worker *w);

// A cell was added to the end's queue …
void shed_rise(struct shed *s, struct circuit_end *end);
static inline void shed_added(struct shed *s, struct circuit_end *end)
{
    if (end->queue.count == (uint32_t)SHED_FIRST_CELLS << end->bucket)
        shed_rise(s, end);
}
// … or taken out. An end leaves its bucket only at half of what brought it there.
void shed_sink(struct shed *s, struct circuit_end *end);
static inline void shed_taken(struct shed *s, struct circuit_end *end)
{
    if (end->bucket && end->queue.count < (uint32_t)SHED_FIRST_CELLS << end->bucket >> 2)
        shed_sink(s, end);
}
// The end closes.
void shed_leave(struct shed *s, struct circuit_end *end);

// Once per turn, while the batch is empty and after all was sent that TCP can take: closes what has
// to go.
void shed_turn(struct worker *w);
// The pool is empty, the batch too: closes a circuit to make room, if there is one and the turn's
// steps are not used up.
void shed_now(struct worker *w);
