// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder share.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "circuit/own_circuit.h"
#include "origin/circuit/build_time.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/circuit/padding_machine.h"
#include "origin/guard/guard.h"

struct circuit_probe;

// How far a circuit has come, for the counts of its guard (guard-spec/path-bias).
enum bias_state {
    BIAS_NEW,
    BIAS_ATTEMPTED, // the second hop answered
    BIAS_BUILT,
    BIAS_USE_ATTEMPTED,
    BIAS_USE_SUCCEEDED,
    BIAS_USE_FAILED, // for good
    BIAS_COUNTED,    // no more counts
};

struct origin_circuit {
    struct origin_circuits *all;
    LIST_ENTRY(origin_circuit) entry;
    enum origin_circuit_state state; // CLOSED: its user has closed it; it may be probed yet
    enum origin_purpose purpose;
    const struct origin_circuit_ops *ops; // NULL: it has no user (any more)
    void *user;
    struct circuit *circuit;
    struct guard_use *guard; // NULL: it has none
    struct path_request request;
    uint64_t launched_ms;
    uint64_t opened_ms;
    uint64_t extended_ms; // when its user asked for one more hop, while that is built
    bool was_open;        // or waited for its guard
    bool relaxed;         // its time-out was counted, but nothing is open yet
    enum bias_state bias;
    bool bias_ignored;
    struct circuit_probe *probe; // under way
    uint64_t kept_until_ms;      // for the probe, or for padding; else 0
    struct padding_machine padding;
};

struct origin_circuits {
    struct origin *origin;
    struct build_times *times;
    uint64_t last_launch_ms; // of one that is measured
    // Those that stand, of which there may be many: they are apart from those that somebody looks
    // through at each event.
    LIST_HEAD(, origin_circuit) young, standing;
};

// ---- origin_circuit.c
uint64_t origin_circuits_now_ms(const struct origin_circuits *all);
// It has timed out: its user loses it, and it is built on only to be measured.
void origin_circuit_give_up(struct origin_circuit *oc);
// One that waits for better guards may be usable now.
void origin_circuit_look(struct origin_circuit *oc);
// One of three hops and no more is open.
bool origin_circuits_any_open(const struct origin_circuits *all);
// It may be measured: it has never been open, will have three hops at least, and has no more yet.
bool origin_circuit_counts(const struct origin_circuit *oc);

// ---- origin_circuit_log.c
// A line at debug level: what it is for, and the first bytes of its relays' fingerprints.
void origin_circuit_log(const struct origin_circuit *oc);

// ---- circuit_bias.c
void bias_attempted(struct origin_circuit *oc);
void bias_built(struct origin_circuit *oc);
void bias_timed_out(struct origin_circuit *oc);
// It is no more.
void bias_closed(struct origin_circuit *oc, enum destroy_reason reason, bool by_network);
// Its user is done with it. True: it must be kept until it is known whether it could be used at
// all, which a probe tells.
bool bias_probe(struct origin_circuit *oc);
void bias_forget_probe(struct origin_circuit *oc);
