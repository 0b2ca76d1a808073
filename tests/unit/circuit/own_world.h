// SPDX-License-Identifier: BSD-3-Clause
// Circuits that begin here together with the workers that seal and open their cells, and with the
// relays of their paths, whose half of every handshake and layer is the test's:
//
//   streams ─ own circuits ══ channel ══ worker ──link── relay 1 ── … ── relay n
//
// Two links, one on each of two workers. Implements link/link.h.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "chain.h"
#include "circuit/circuit_internal.h"
#include "circuit/onion_skin.h"
#include "circuit/own_circuit.h"
#include "connection.h"
#include "link/link.h"

enum { WORLD_LINKS = 2, WORLD_HOPS = 5, WORLD_TRAVELS_MAX = 64 };

struct link {
    struct connection connection;
    struct peer_link *peer;
    uint8_t rsa_id[20];
    int circuits;
};

// A circuit as its relays have it.
struct travel {
    struct own_circuit_path path;
    struct onion_keys keys[WORLD_HOPS];
    struct chain *chain; // n: the hops that stand
    unsigned link;
    bool at_relays; // CREATE2 has arrived, and no DESTROY
    bool destroyed;
    uint32_t circid;
    void *user;
    // The next relay's answer to its skin, to be spoilt; then what it does after that. NULL: none.
    void (*answers)(struct travel *t, struct onion_answer *answer);
    void (*answered)(struct travel *t, const struct onion_answer *answer);
    // A cell that came to the first relay, and is not an EXTEND2 for the last one; its layers are
    // taken off up to `hop`, which it ends at. 0: at none of them.
    void (*relay)(struct travel *t, unsigned hop, struct peer_cell *cell);
};

struct own_world {
    struct rig *rig;
    struct relay relay;
    struct config config;
    struct channel *channels[WORLD_LINKS];
    struct link links[WORLD_LINKS];
    struct travel *travels[WORLD_TRAVELS_MAX];
    unsigned n_travels;
    unsigned early_cells, cgo_hops; // so far
};

// One at a time.
void world_open(struct own_world *world);
// All circuits are closed, and their relays have heard; checks that nothing is left.
void world_close(struct own_world *world);
unsigned world_choose(unsigned n);

// A path of so many hops of random kinds by a random link.
void travel_plan(struct own_world *world, struct travel *t, unsigned n_hops);
void travel_free(struct travel *t);
const struct own_circuit_hop *travel_last(const struct travel *t);
// Some of what can happen, by chance.
void world_step(struct own_world *world);
// What is under way arrives.
void world_settle(struct own_world *world);
