// SPDX-License-Identifier: BSD-3-Clause
// The pairing heap and the decaying counts behind it.
#include "cell/schedule.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

// After so many half-lives an older count is rescaled, long before a double could overflow.
enum { HALF_LIVES_PER_EPOCH = 64 };

// How much a node has sent, seen from epoch `epoch`.
static double sent_at(const struct schedule_node *node, uint32_t epoch)
{
    if (node->epoch == epoch)
        return node->sent;
    return ldexp(node->sent, -(int)((epoch - node->epoch) * HALF_LIVES_PER_EPOCH));
}

static bool is_before(const struct schedule_node *a, const struct schedule_node *b)
{
    uint32_t epoch = a->epoch > b->epoch ? a->epoch : b->epoch;
    return sent_at(a, epoch) < sent_at(b, epoch);
}

// Joins two heaps; both are roots without siblings.
static struct schedule_node *meld(struct schedule_node *a, struct schedule_node *b)
{
    if (!a || !b)
        return a ? a : b;
    if (is_before(b, a)) {
        struct schedule_node *swap = a;
        a = b;
        b = swap;
    }
    b->next = a->child;
    if (b->next)
        b->next->previous = b;
    b->previous = a;
    a->child = b;
    return a;
}

// The two passes: meld siblings in pairs from the left, then the pairs from the right.
static struct schedule_node *meld_siblings(struct schedule_node *first)
{
    struct schedule_node *pairs = NULL;
    while (first) {
        struct schedule_node *a = first;
        struct schedule_node *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->previous = NULL;
        if (b)
            b->next = b->previous = NULL;
        a = meld(a, b);
        a->next = pairs;
        pairs = a;
    }
    struct schedule_node *top = NULL;
    while (pairs) {
        struct schedule_node *a = pairs;
        pairs = a->next;
        a->next = NULL;
        top = meld(top, a);
    }
    return top;
}

void schedule_add(struct schedule *s, struct schedule_node *node)
{
    node->child = node->next = node->previous = NULL;
    s->top = meld(s->top, node);
}

void schedule_remove(struct schedule *s, struct schedule_node *node)
{
    if (s->top == node) {
        s->top = NULL;
    } else {
        if (node->previous->child == node)
            node->previous->child = node->next;
        else
            node->previous->next = node->next;
        if (node->next)
            node->next->previous = node->previous;
    }
    s->top = meld(s->top, meld_siblings(node->child));
    node->child = node->next = node->previous = NULL;
}

void schedule_count(struct schedule_node *node, uint64_t now_us)
{
    double half_lives = (double)now_us / (SCHEDULE_HALF_LIFE_MS * 1000.0);
    uint32_t epoch = (uint32_t)(half_lives / HALF_LIVES_PER_EPOCH);
    node->sent = sent_at(node, epoch) + exp2(half_lives - (double)epoch * HALF_LIVES_PER_EPOCH);
    node->epoch = epoch;
}
