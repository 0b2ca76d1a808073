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
    nodes[node].child = SCHEDULE_NONE;
    nodes[node].next = link->fresh;
    if (link->fresh != SCHEDULE_NONE)
        nodes[link->fresh].previous = node;
    link->fresh = node;
}

// What is left of the heap below a node that leaves it.
static int32_t below(struct schedule_node *nodes, const struct schedule_node *gone)
{
    return gone->child == SCHEDULE_NONE ? SCHEDULE_NONE : meld_siblings(nodes, gone->child);
}

void schedule_remove(struct scheduler *s, struct schedule *link, int32_t node)
{
    struct schedule_node *nodes = s->nodes;
    const struct schedule_node *gone = &nodes[node];
    if (link->top == node) {
        link->top = below(nodes, gone);
        return;
    }
    if (link->fresh == node) {
        link->fresh = gone->next;
        return;
    }
    if (nodes[gone->previous].child == node)
        nodes[gone->previous].child = gone->next;
    else
        nodes[gone->previous].next = gone->next;
    if (gone->next != SCHEDULE_NONE)
        nodes[gone->next].previous = gone->previous;
    if (gone->child != SCHEDULE_NONE)
        link->top = meld(nodes, link->top, below(nodes, gone));
}

int32_t schedule_next(struct scheduler *s, struct schedule *link, bool any)
{
    if (link->fresh == SCHEDULE_NONE)
        return link->top;
    if (any)
        return link->fresh;
    int32_t fresh = meld_siblings(s->nodes, link->fresh);
    link->top = link->top == SCHEDULE_NONE ? fresh : meld(s->nodes, link->top, fresh);
    link->fresh = SCHEDULE_NONE;
    return link->top;
}

static void sent_from_top(struct schedule_node *nodes, struct schedule *link, int32_t node,
                          bool has_more)
{
    int32_t child = nodes[node].child;
    if (!has_more) {
        link->top = below(nodes, &nodes[node]);
        return;
    }
    if (child == SCHEDULE_NONE) // alone
        return;
    if (nodes[child].next == SCHEDULE_NONE && is_before(&nodes[node], &nodes[child]))
        return;
    child = meld_siblings(nodes, child);
    nodes[node].child = SCHEDULE_NONE;
    link->top = meld(nodes, child, node);
}

void schedule_sent(struct scheduler *s, struct schedule *link, int32_t node, bool has_more)
{
    struct schedule_node *sender = &s->nodes[node];
    sender->sent = sent_at(sender, s->epoch) + s->weight;
    sender->epoch = s->epoch;
    if (link->top == node)
        sent_from_top(s->nodes, link, node, has_more);
    else if (!has_more) // the first of those not compared
        link->fresh = sender->next;
}
