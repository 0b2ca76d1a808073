// SPDX-License-Identifier: BSD-3-Clause
// Which circuit of a link sends next: the one that sent least lately, by a cell count that decays
// with a half-life (protocol 5.04). For each link a pairing heap of the circuits that have cells
// waiting; the nodes of all of a worker's circuits lie together, so that a heap is a few cache
// lines.
//
// Counts are in units that grow by a factor of two with every half-life: so the order of two
// circuits does not change while neither sends, and nothing has to be touched for time to pass.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    SCHEDULE_NONE = -1,
    // The consensus parameter CircuitPriorityHalflifeMsec, when the consensus has none.
    SCHEDULE_HALF_LIFE_DEFAULT_MS = 30000,
    SCHEDULE_HALF_LIFE_MAX_MS = INT32_MAX,
    SCHEDULE_STEP_US = 1000, // within it time stands still
};

struct schedule_node {
    int32_t child, next, previous; // previous: left sibling, or parent of a first child
    uint32_t epoch;
    double sent; // cells, in the unit that grows since `epoch` began
};

// A worker's nodes, and the weight of a cell that is sent now.
struct scheduler {
    struct schedule_node *nodes;
    double weight;
    uint32_t epoch;
    double half_lives; // since the epoch began
    double half_lives_per_us;
    uint64_t stepped_us; // when the two above were last right
};

// The circuits of one link that wait.
struct schedule {
    int32_t top;   // of the heap: the quietest of it, or SCHEDULE_NONE
    int32_t fresh; // a list of those not compared with anybody yet
};

static inline void schedule_init(struct schedule *link)
{
    link->top = link->fresh = SCHEDULE_NONE;
}
static inline bool schedule_is_empty(const struct schedule *link)
{
    return link->top == SCHEDULE_NONE && link->fresh == SCHEDULE_NONE;
}

// Nodes have the numbers from 0 to capacity - 1. 0 or -ENOMEM.
int scheduler_init(struct scheduler *s, uint32_t capacity, uint64_t now_us);
void scheduler_release(struct scheduler *s);
// From now on; what was counted before keeps its weight of this moment. 0 is the default; what is
// above the maximum is the maximum.
void scheduler_set_half_life(struct scheduler *s, uint32_t half_life_ms, uint64_t now_us);
void scheduler_step(struct scheduler *s, uint64_t now_us);
// Once per turn of the worker.
static inline void scheduler_advance(struct scheduler *s, uint64_t now_us)
{
    if (now_us - s->stepped_us >= SCHEDULE_STEP_US)
        scheduler_step(s, now_us);
}
// The node is a new circuit's, which has sent nothing.
void scheduler_forget(struct scheduler *s, int32_t node);

// The node waits from now on. It must not wait already.
void schedule_add(struct scheduler *s, struct schedule *link, int32_t node);
// It waits no more.
void schedule_remove(struct scheduler *s, struct schedule *link, int32_t node);
// Whose cell goes next: the quietest's, or, where all that waits goes in one record, anybody's
// (`any`), which saves the comparisons. SCHEDULE_NONE: nobody waits.
int32_t schedule_next(struct scheduler *s, struct schedule *link, bool any);
// It has sent one cell, and stays among those that wait only if `has_more`.
void schedule_sent(struct scheduler *s, struct schedule *link, int32_t node, bool has_more);
