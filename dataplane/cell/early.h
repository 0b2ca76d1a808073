// SPDX-License-Identifier: BSD-3-Clause
// Cells that came before the control plane could say what they are for:
//
//   - behind a message of the same circuit that it has not answered yet, and recognised by nobody:
//     a service's first words behind RENDEZVOUS1, which belong to the client once the two are
//     joined (MSG_CIRCUIT_JOIN); at the client, behind RENDEZVOUS2, which is the service's answer
//     and leads to one more hop (MSG_CIRCUIT_ADD_HOP);
//   - for a circuit that is still to be joined, from the other one, whose worker has heard of it
//     first: they may not overtake the message that goes with its join.
//
// They wait for the answer, some of them, for some circuits: beyond that, and when the answer was
// another one, it is as if they had not waited. While the batch is empty, but for early_hold.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cell/queue.h"

struct circuit_end;
struct worker;

enum {
    EARLY_CIRCUITS_MAX = 32,
    EARLY_CELLS_MAX = 128, // of a circuit: what congestion control lets it send at first
    EARLY_SHARE = 32,      // of the cell pool, all workers together
};

enum early_kind {
    EARLY_FROM_LINK, // our layers are off
    EARLY_FROM_PEER, // for the layer of the end's stub
};

struct early_cells {
    struct handle end;
    uint8_t kind; // enum early_kind
    bool is_due;  // the answer is on the ring, if there is one
    struct cell_queue cells;
};

struct early {
    struct early_cells waiting[EARLY_CIRCUITS_MAX];
    unsigned n;
    uint32_t cells, cells_max;
};

void early_init(struct worker *w);
void early_release(struct worker *w);
// Takes the cell if it may wait.
__attribute__((warn_unused_result)) bool early_hold(struct worker *w, const struct circuit_end *end,
                                                    struct cell *c, enum early_kind kind);
// The answer has come: gives back what waited, oldest first.
struct cell_queue early_take(struct worker *w, const struct circuit_end *end, enum early_kind kind);

// Before commands are taken off their ring: which of them, if it is among them, will be there.
void early_look(struct worker *w);
// After those commands; `all`: there were no more. What was due is no longer waited for. Returns
// whether there was something to do.
bool early_settle(struct worker *w, bool all);
