// SPDX-License-Identifier: BSD-3-Clause
// Which circuit of a link sends next: the one that sent least lately, by a cell count that decays
// with a half-life (protocol 5.04). A pairing heap of the circuits that have cells waiting.
#pragma once

#include <stdint.h>

enum { SCHEDULE_HALF_LIFE_MS = 30000 };

struct schedule_node {
    struct schedule_node *child, *next,
        *previous; // previous: left sibling, or parent of a first child
    // Cells sent, in units that grow by a factor of two with every half-life since `epoch` began:
    // so the order of two circuits does not change while neither sends.
    double sent;
    uint32_t epoch;
};

struct schedule {
    struct schedule_node *top;
};

void schedule_add(struct schedule *s, struct schedule_node *node);
void schedule_remove(struct schedule *s, struct schedule_node *node);
static inline struct schedule_node *schedule_top(const struct schedule *s)
{
    return s->top;
}
// Counts one cell. Only while the node is not in the heap.
void schedule_count(struct schedule_node *node, uint64_t now_us);
