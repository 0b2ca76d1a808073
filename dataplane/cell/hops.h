// SPDX-License-Identifier: BSD-3-Clause
// The hops of a circuit that begins here, and its cells' way through their layers
// (docs/decisions/circuits-of-ours.md):
//
//   origin: END ──link── hop 1 ──── hop 2 ──── hop 3
//           a forward and a backward layer for each
//
// What comes in has the layer of hop 1 outside; it is taken off together with everybody else's
// (cell/batch.h), then those of the next hops, each in a burst, until a hop is found that the cell
// comes from. What goes out gets the layer of the hop that it is for first, and that of hop 1 last.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cell/layer.h"
#include "cell/layer_burst.h"

struct circuit_end;
struct message;
struct worker;

enum {
    HOPS_RELAYS_MAX = 8,
    HOPS_MAX = HOPS_RELAYS_MAX + 1, // and who is behind them, at an onion service
    // What a worker has: this many for each circuit that there may be, of so many circuits. (Ours
    // have one end only, so this fits into what others' take.)
    HOPS_PER_CIRCUIT = 2,
    HOPS_CIRCUITS_MAX = 32768,
};

// A piece of the pool's memory: a hop's two layers, or, where those only say where they are, one of
// the two itself. So an onion service's takes three.
struct hop {
    union {
        struct {
            union layer forward, backward;
            uint8_t kind; // enum circuit_crypto_kind
        };
        struct onion_layer onion;
        struct hop *next_free;
    };
};
_Static_assert(sizeof(struct hop) == 256, "four lines of the cache");

// In the end of such a circuit, in the place of its layer.
struct hops {
    struct hop *hop[HOPS_MAX];
    uint8_t n;
};

struct hop_pool {
    struct hop *all, *free;
    uint32_t capacity;
};

// A relay message of ours on its way through the layers.
struct hops_cell {
    struct cell *cell;
    struct circuit_end *end; // NULL: the cell is gone
    uint32_t end_generation;
    uint8_t hop;
    bool asks_drained;
    struct message *told; // MSG_CIRCUIT_ORIGINATED, or NULL
    const struct cgo_job *job;
    uint8_t tag[LAYER_TAG_MAX];
};

struct hops_sending {
    struct hops_cell cells[LAYER_BURST_MAX];
    unsigned n;
};

// For so many circuits. 0 or -ENOMEM.
int hop_pool_init(struct hop_pool *pool, uint32_t circuits);
void hop_pool_release(struct hop_pool *pool);

// MSG_CIRCUIT_ADD_HOP. Closes the circuit if it can't have the hop.
void hops_add(struct worker *w, struct circuit_end *end, const struct circuit_crypto *crypto);
// Wipes them.
void hops_free(struct worker *w, struct hops *hops);

// Of the batch's cells that came in on such circuits, hop 1's layer is off: takes off the others',
// as far as needed, and says for each which hop sent it, and its tag.
void hops_open(struct worker *w);

// MSG_CIRCUIT_ORIGINATE: gathers the cell. Closes the circuit if it can't be.
void hops_originate(struct worker *w, struct circuit_end *end, const struct message *m);
// Sends what was gathered.
void hops_flush(struct worker *w);
// Drops it: the worker ends.
void hops_drop_sending(struct worker *w);
