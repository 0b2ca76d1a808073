// SPDX-License-Identifier: BSD-3-Clause
// Guards: the few relays that every circuit of ours begins at (guard-spec, protocol 9.19–9.21).
// Sampled from the consensus, filtered by what may be used now, confirmed by use, three of them
// primary; kept in the state file. Control thread only; times are the relay's clock (relay_now).
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "circuit/own_circuit.h"

struct guard_use;
struct guards;
struct node;
struct origin;

// Whom a guard must not be: the exit and its relations.
struct guard_restriction {
    const struct node *exit; // NULL: nobody
    bool for_directory;      // any directory guard will do
};

// Registers with the state file; uses the nodes. Both must be there, and outlive it. NULL: no
// memory.
struct guards *guards_create(struct origin *origin);
void guards_free(struct guards *g); // NULL is fine; every guard_use has ended
// The nodes have changed. True: so have the config's or the network's limits, so that guards come
// from another selection now, and circuits so far should get no new streams.
bool guards_refresh(struct guards *g);
void guards_tick(struct guards *g); // each second

// A guard for a new circuit. NULL: none can be used. `hop` is filled in; also a guard whose
// microdescriptor is not here yet may be chosen `for_directory` (then without ntor key).
// `restriction` and `node` may be NULL. Called again after NULL it may find one: all that failed
// are tried again when nothing else is left.
struct guard_use *guard_choose(struct guards *g, const struct guard_restriction *restriction,
                               struct own_circuit_hop *hop, const struct node **node);
enum guard_verdict {
    GUARD_USABLE,  // the circuit may be used
    GUARD_WAIT,    // a better guard may still answer: look again (guard_use_look)
    GUARD_DISCARD, // it waited too long, or its guard is none any more
};
// The circuit stands: the guard is reachable, and confirmed. May be called once.
enum guard_verdict guard_use_succeeded(struct guard_use *use);
// Each second for one that waits, and when another circuit's use succeeds, fails or ends.
enum guard_verdict guard_use_look(struct guard_use *use);
// The first hop could not be reached, or its handshake failed. Ends the use.
void guard_use_failed(struct guard_use *use);
// The circuit is gone for other reasons, or no longer needed. Ends the use.
void guard_use_end(struct guard_use *use);
// Its relay.
const uint8_t *guard_use_rsa_id(const struct guard_use *use);
// Path bias (guard-spec/path-bias): what became of circuits through it. Kept with the guard.
enum guard_path_count {
    GUARD_CIRCUIT_ATTEMPT,
    GUARD_CIRCUIT_SUCCESS,
    GUARD_CIRCUIT_CLOSED,
    GUARD_CIRCUIT_COLLAPSED,
    GUARD_CIRCUIT_UNUSABLE,
    GUARD_CIRCUIT_TIMEOUT,
    GUARD_USE_ATTEMPT,
    GUARD_USE_SUCCESS,
};
void guard_use_count(struct guard_use *use, enum guard_path_count what);

// Whether all primary guards' descriptors are here (9.12), and which are wanted first.
bool guards_have_descriptors(const struct guards *g);
// Everything seems unreachable: no guard answered since the network was last known to work.
bool guards_network_down(const struct guards *g);

// For those who show them: sampled ones, in their order of preference.
struct guard_info {
    uint8_t rsa_id[20];
    char nickname[20];
    bool listed, filtered, confirmed, primary;
    enum { GUARD_REACHABLE_MAYBE, GUARD_REACHABLE_YES, GUARD_REACHABLE_NO } reachable;
    time_t sampled_on, confirmed_on, unlisted_since;
    unsigned circuits; // uses that have not ended
};
void guards_each(const struct guards *g, void (*each)(void *user, const struct guard_info *info),
                 void *user);
