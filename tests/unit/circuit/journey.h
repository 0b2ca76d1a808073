// SPDX-License-Identifier: BSD-3-Clause
// A circuit that begins here and the relays on its path, which answer as relays do unless a test
// has them do otherwise. Stands on a desk (desk.h); its first hop is at link FAR, on worker 1.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "circuit/circuit_internal.h"
#include "circuit/onion_skin.h"
#include "circuit/own_circuit.h"
#include "desk.h"

enum relay_kind { PLAIN, CC, CGO, KINDS };

struct far {
    enum relay_kind kind;
    struct onion_keys keys;
    struct circuit_params offer;
};

struct journey {
    struct desk *desk;
    unsigned n;
    struct far fars[OWN_CIRCUIT_HOPS_MAX + 1];
    struct own_circuit_path path;
    struct handle end;
    uint64_t cookie;
    struct circuit *circuit;
    struct onion_answer answer; // the last
    uint16_t handshake;         // that it answers
    unsigned early;             // cells so far
    // what the user was told
    unsigned built, opened, closed, messages;
    enum destroy_reason reason;
    bool by_network;
    bool refuses;
    unsigned close_when_built; // from inside
    bool inside;               // a call of the user's: no callback may come
};

extern const struct own_circuit_ops journey_ops;

// With relays of these kinds; NULL: PLAIN ones.
struct journey *journey_plan(unsigned n, const enum relay_kind *kinds);
struct journey *journey_plan_at(struct desk *desk, unsigned n, const enum relay_kind *kinds);
// Closes the desk, too, and checks that its user was told of the end.
void journey_end(struct journey *j);
void journey_make_far(struct journey *j, unsigned i, enum relay_kind kind);
void journey_begin(struct journey *j);

// ---- a hop's part
// DIAL or EXTEND2 for hop `hop` (0 is the first), as far as the answer.
void journey_take_request(struct journey *j, unsigned hop);
void journey_tell_answer(struct journey *j, unsigned hop);
void journey_expect_hop(struct journey *j);              // its keys go to the worker
void journey_build_hop(struct journey *j, unsigned hop); // all of that
void journey_build_to(struct journey *j, unsigned hops); // from the beginning
struct journey *journey_open(unsigned n);
// It closes, its next hop does not learn why, and the user does, later.
void journey_expect_closed(struct journey *j, enum destroy_reason reason, bool by_network);
