// SPDX-License-Identifier: BSD-3-Clause
// Closing the heaviest circuits when cells run short.
#include "cell/shed.h"

#include <stdatomic.h>

#include <rte_mempool.h>

#include "worker.h"

enum {
    LOW_SHARE = 16,     // of the pool is free: circuits go
    HIGH_SHARE = 8,     // … until this is
    LINK_SHARE = 8,     // of the pool may be CREATED cells and the like, on all links
    LOOKED_AT = 4,      // ends of each bucket that are compared
    WAIT_MIN_US = 1000, // a link that moves has always sent just now
};

void shed_init(struct worker *w)
{
    struct shed *s = &w->shed;
    for (unsigned b = 0; b < SHED_BUCKETS; b++)
        TAILQ_INIT(&s->buckets[b]);
    s->low_cells = w->cells->size / LOW_SHARE;
    s->high_cells = w->cells->size / HIGH_SHARE;
    s->link_cells_max = w->cells->size / (LINK_SHARE * w->n_workers);
    s->steps_left = SHED_STEPS_PER_TURN;
    s->hand_min_cells = SHED_FIRST_CELLS / 2;
}

// Without what workers keep in their caches: so all of them see the same, and for the price of one
// load.
static uint32_t free_cells(const struct worker *w)
{
    return rte_mempool_get_ops(w->cells->ops_index)->get_count(w->cells);
}

static void move(struct shed *s, struct circuit_end *end, unsigned bucket)
{
    if (end->bucket) {
        struct end_list *old = &s->buckets[end->bucket - 1];
        TAILQ_REMOVE(old, end, entry);
        if (TAILQ_EMPTY(old))
            s->filled &= ~(UINT32_C(1) << (end->bucket - 1));
    }
    end->bucket = (uint8_t)bucket;
    if (bucket) {
        TAILQ_INSERT_TAIL(&s->buckets[bucket - 1], end, entry);
        s->filled |= UINT32_C(1) << (bucket - 1);
    }
}

void shed_rise(struct shed *s, struct circuit_end *end)
{
    if (end->bucket < SHED_BUCKETS)
        move(s, end, end->bucket + 1u);
}

void shed_sink(struct shed *s, struct circuit_end *end)
{
    move(s, end, end->bucket - 1u);
}

void shed_leave(struct shed *s, struct circuit_end *end)
{
    if (end->bucket)
        move(s, end, 0);
}

// What an end costs: cells, times how long its link has taken none.
static uint64_t weight(const struct worker *w, const struct circuit_end *end)
{
    return end->queue.count * (w->now_us - end->conn->waits_since_us + WAIT_MIN_US);
}

// The heaviest of some ends of every bucket. Those looked at go to the back, so that the next look
// is at others.
static struct circuit_end *heaviest(struct worker *w)
{
    struct shed *s = &w->shed;
    struct circuit_end *found = NULL;
    for (uint32_t left = s->filled; left && s->steps_left > 0; left &= left - 1) {
        struct end_list *bucket = &s->buckets[__builtin_ctz(left)];
        const struct circuit_end *first = TAILQ_FIRST(bucket);
        for (unsigned i = 0; i < LOOKED_AT && s->steps_left > 0; i++) {
            struct circuit_end *end = TAILQ_FIRST(bucket);
            if (i > 0 && end == first)
                break; // once round
            s->steps_left--;
            TAILQ_REMOVE(bucket, end, entry);
            TAILQ_INSERT_TAIL(bucket, end, entry);
            if (!found || weight(w, end) > weight(w, found))
                found = end;
        }
    }
    return found;
}

// When all queues are short: whoever comes next and has something to give. Longer ones first, then
// all.
static struct circuit_end *next_short(struct worker *w)
{
    struct shed *s = &w->shed;
    while (s->steps_left > 0) {
        s->steps_left--;
        if (s->hand >= w->ends.capacity) {
            s->hand = 0;
            s->hand_min_cells = (uint8_t)((s->hand_min_cells + 1) / 2);
        }
        struct circuit_end *end = &w->ends.ends[s->hand++];
        if (end->queue.count >= s->hand_min_cells)
            return end;
    }
    return NULL;
}

static bool close_one(struct worker *w)
{
    struct circuit_end *end = w->shed.filled ? heaviest(w) : next_short(w);
    if (!end)
        return false;
    w->counters.drop_circuit_memory++;
    w->counters.drop_cell_memory += end->queue.count;
    end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
    return true;
}

static unsigned top_bucket(const struct shed *s)
{
    return s->filled ? 32u - (unsigned)__builtin_clz(s->filled) : 0;
}

// Another worker has heavier circuits than this one, and is the one to close some. It may be
// asleep.
static bool is_others_turn(struct worker *w)
{
    unsigned own = top_bucket(&w->shed);
    bool is = false;
    for (unsigned i = 0; i < w->n_workers; i++) {
        if (i == w->index ||
            atomic_load_explicit(&w->workers[i].shed_bucket, memory_order_relaxed) <= own)
            continue;
        w->woken_peers |= UINT64_C(1) << i;
        is = true;
    }
    return is;
}

void shed_turn(struct worker *w)
{
    struct shed *s = &w->shed;
    s->steps_left = SHED_STEPS_PER_TURN;
    while (w->link_cells > s->link_cells_max)
        conn_abort_stalled(w, TAILQ_FIRST(&w->link_stalled));
    if (!s->active && free_cells(w) < s->low_cells) {
        s->active = true;
        s->hand_min_cells = SHED_FIRST_CELLS / 2;
    }
    if (w->n_workers > 1) {
        unsigned top = top_bucket(s);
        if (top != atomic_load_explicit(&w->shed_bucket, memory_order_relaxed))
            atomic_store_explicit(&w->shed_bucket, (uint8_t)top, memory_order_relaxed);
    }
    while (s->active) {
        if (free_cells(w) >= s->high_cells)
            s->active = false;
        else if (is_others_turn(w) || !close_one(w))
            break;
    }
}

void shed_now(struct worker *w)
{
    close_one(w);
}
