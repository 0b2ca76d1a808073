// SPDX-License-Identifier: BSD-3-Clause
// What the files of circuits that begin here share.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "circuit/circuit_internal.h"
#include "circuit/own_circuit.h"
#include "circuit/own_handshake.h"

struct own_shared;
struct uv_timer_s;

enum own_stage {
    OWN_NEW,       // made, and not begun yet
    OWN_LINKING,   // waits for a link
    OWN_EXTENDING, // a hop was asked for its half of the handshake
    OWN_OPEN,      // all hops stand
    OWN_GONE,      // the circuit is no more; its user is to hear of it
};

struct own_circuit {
    struct circuit *circuit;
    struct own_circuits *all;
    const struct own_circuit_ops *ops; // NULL: nobody listens
    void *user;
    enum own_stage stage;
    bool was_open;
    unsigned hops_built;
    uint64_t began_ms;
    unsigned early_left; // RELAY_EARLY cells that may still be sent (2.26)
    bool by_network;     // who ended it, and why
    enum destroy_reason reason;
    bool due; // in the list of those
    TAILQ_ENTRY(own_circuit) due_entry;
    struct own_handshake handshake; // while extending
    struct own_circuit_path path;
    uint8_t crypto_kinds[OWN_CIRCUIT_HOPS_MAX + 1]; // of hops that stand, and of the other side
    bool has_other_side;                            // behind them (own_circuit_add_onion_layer)
    own_circuit_accept_fn accept;                   // of its BEGINs; NULL: none may come
};

struct own_circuits {
    struct circuit_table *table;
    struct uv_timer_s *timer; // runs while something is due
    // To be begun, or to be told that they are gone; from the loop, not from inside a call.
    TAILQ_HEAD(, own_circuit) due;
    unsigned n_due;
    bool ending; // makes no more
    bool heard;
    struct own_shared *shared;
};

// ---- own_circuit.c
// The answer of the hop that was asked came.
void own_circuit_hop_answered(struct circuit *c, const uint8_t *reply, uint16_t length);

// ---- own_shared.c
struct own_shared *own_shared_create(struct relay *relay); // NULL: no memory
// After the circuits. NULL is fine.
void own_shared_free(struct own_shared *shared);
