// SPDX-License-Identifier: BSD-3-Clause
// The pairing heaps and the decaying counts behind them.
#include "cell/schedule.h"

#include <errno.h>
#include <math.h>

#include <rte_malloc.h>

// Then counts start again from a small unit. A count is below 2^(this + 64), so it fits a double,
// and what was counted an epoch ago is still told from nothing.
enum { HALF_LIVES_PER_EPOCH = 512 };

int scheduler_init(struct scheduler *s, uint32_t capacity, uint64_t now_us)
{
    *s = (struct scheduler){.weight = 1, .stepped_us = now_us};
    scheduler_set_half_life(s, 0, now_us);
    s->nodes = rte_calloc("schedule", capacity, sizeof(*s->nodes), 64);
    return s->nodes ? 0 : -ENOMEM;
}

void scheduler_release(struct scheduler *s)
{
    rte_free(s->nodes);
}

void scheduler_set_half_life(struct scheduler *s, uint32_t half_life_ms, uint64_t now_us)
{
    scheduler_step(s, now_us);
    if (half_life_ms == 0)
        half_life_ms = SCHEDULE_HALF_LIFE_DEFAULT_MS;
    if (half_life_ms > SCHEDULE_HALF_LIFE_MAX_MS)
        half_life_ms = SCHEDULE_HALF_LIFE_MAX_MS;
    s->half_lives_per_us = 1 / (half_life_ms * 1000.0);
}

void scheduler_step(struct scheduler *s, uint64_t now_us)
{
    s->half_lives += (double)(now_us - s->stepped_us) * s->half_lives_per_us;
    s->stepped_us = now_us;
    if (s->half_lives >= HALF_LIVES_PER_EPOCH) {
        double epochs = floor(s->half_lives / HALF_LIVES_PER_EPOCH);
        s->half_lives -= epochs * HALF_LIVES_PER_EPOCH;
        s->epoch += (uint32_t)epochs;
    }
    s->weight = exp2(s->half_lives);
}

void scheduler_forget(struct scheduler *s, int32_t node)
{
    s->nodes[node] = (struct schedule_node){.epoch = s->epoch};
}

// How much a node has sent, in the unit of `epoch`.
static double sent_at(const struct schedule_node *node, uint32_t epoch)
{
    if (node->epoch == epoch)
        return node->sent;
    return epoch - node->epoch == 1 ? ldexp(node->sent, -HALF_LIVES_PER_EPOCH) : 0;
}

static bool is_before(const struct schedule_node *a, const struct schedule_node *b)
{
    if (a->epoch == b->epoch)
        return a->sent < b->sent;
    uint32_t epoch = (int32_t)(a->epoch - b->epoch) > 0 ? a->epoch : b->epoch;
    return sent_at(a, epoch) < sent_at(b, epoch);
}

// Joins two heaps; both are roots without siblings. Of two equals, `a` comes first.
static int32_t meld(struct schedule_node *nodes, int32_t a, int32_t b)
{
    if (is_before(&nodes[b], &nodes[a])) {
        int32_t swap = a;
        a = b;
        b = swap;
    }
    int32_t sibling = nodes[a].child;
    nodes[b].next = sibling;
    if (sibling != SCHEDULE_NONE)
        nodes[sibling].previous = b;
    nodes[b].previous = a;
    nodes[a].child = b;
    return a;
}

// The two passes: meld siblings in pairs from the left, then the pairs from the right.
static int32_t meld_siblings(struct schedule_node *nodes, int32_t first)
{
    int32_t pairs = SCHEDULE_NONE;
    while (first != SCHEDULE_NONE) {
        int32_t a = first;
        int32_t b = nodes[a].next;
        first = SCHEDULE_NONE;
        if (b != SCHEDULE_NONE) {
            first = nodes[b].next;
            a = meld(nodes, a, b);
        }
        nodes[a].next = pairs;
        pairs = a;
    }
    int32_t top = pairs;
    pairs = nodes[top].next;
    while (pairs != SCHEDULE_NONE) {
        int32_t a = pairs;
        pairs = nodes[a].next;
        top = meld(nodes, top, a);
    }
    nodes[top].next = SCHEDULE_NONE;
    return top;
}

void schedule_add(struct scheduler *s, struct schedule *link, int32_t node)
{
    struct schedule_node *nodes = s->nodes;
    nodes[node].child = nodes[node].next = SCHEDULE_NONE;
    link->top = link->top == SCHEDULE_NONE ? node : meld(nodes, link->top, node);
}

void schedule_remove(struct scheduler *s, struct schedule *link, int32_t node)
{
    struct schedule_node *nodes = s->nodes;
    const struct schedule_node *gone = &nodes[node];
    int32_t below =
        gone->child == SCHEDULE_NONE ? SCHEDULE_NONE : meld_siblings(nodes, gone->child);
    if (link->top == node) {
        link->top = below;
        return;
    }
    if (nodes[gone->previous].child == node)
        nodes[gone->previous].child = gone->next;
    else
        nodes[gone->previous].next = gone->next;
    if (gone->next != SCHEDULE_NONE)
        nodes[gone->next].previous = gone->previous;
    if (below != SCHEDULE_NONE)
        link->top = meld(nodes, link->top, below);
}

void schedule_sent(struct scheduler *s, struct schedule *link, bool has_more)
{
    struct schedule_node *nodes = s->nodes;
    int32_t node = link->top;
    struct schedule_node *top = &nodes[node];
    top->sent = sent_at(top, s->epoch) + s->weight;
    top->epoch = s->epoch;
    int32_t below = top->child;
    if (below == SCHEDULE_NONE) { // alone
        if (!has_more)
            link->top = SCHEDULE_NONE;
        return;
    }
    if (has_more && nodes[below].next == SCHEDULE_NONE && is_before(top, &nodes[below]))
        return;
    below = meld_siblings(nodes, below);
    top->child = SCHEDULE_NONE;
    link->top = has_more ? meld(nodes, below, node) : below;
}
