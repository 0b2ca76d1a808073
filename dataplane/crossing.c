// SPDX-License-Identifier: BSD-3-Clause
// The rings between workers.
#include "crossing.h"

#include <string.h>

#include <rte_prefetch.h>
#include <rte_ring.h>

#include "cell/splice.h"
#include "worker.h"

enum { CELLS_PER_TURN = 256 }; // from each worker

static void drop(struct cell *c)
{
    if (cell_kind_is_secret(c->kind))
        explicit_bzero(c->body, sizeof(c->body));
    cell_free(c);
}

static void flush(struct worker *w, unsigned peer)
{
    struct crossing *x = &w->crossings[peer];
    // There is room for all: the other side only makes more.
    rte_ring_enqueue_bulk(x->to, (void *const *)x->cells, x->n, NULL);
    x->n = 0;
    w->woken_peers |= UINT64_C(1) << peer;
}

bool crossing_send(struct worker *w, unsigned peer, struct cell *c)
{
    struct crossing *x = peer < w->n_workers ? &w->crossings[peer] : NULL;
    if (x && x->to && x->room == 0)
        x->room = rte_ring_free_count(x->to) - x->n;
    if (!x || !x->to || x->room == 0) {
        w->counters.drop_cell_no_memory++;
        drop(c);
        return false;
    }
    x->room--;
    x->cells[x->n++] = c;
    if (x->n == CROSSING_BURST)
        flush(w, peer);
    return true;
}

void crossing_flush(struct worker *w)
{
    for (unsigned i = 0; i < w->n_workers; i++)
        if (w->crossings[i].n)
            flush(w, i);
}

// ---- what comes

static void take(struct worker *w, struct cell *c)
{
    struct circuit_end *end = end_get(w, c->target);
    if (!end) {
        w->counters.drop_cell_unknown_circuit++;
        drop(c);
        return;
    }
    switch ((enum cell_kind)c->kind) {
    case CELL_KIND_CELL:
        end_queue_cell(w, end, c);
        break;
    case CELL_KIND_ASKING:
        end_queue_cell(w, end, c);
        if (end->state == END_OPEN)
            end_ask_drained(w, end);
        break;
    case CELL_KIND_JOINED:
        batch_take_joined(w, c);
        break;
    case CELL_KIND_SPLICE:
    case CELL_KIND_UNSPLICE:
        splice_take_parcel(w, end, c);
        drop(c);
        break;
    }
}

// What is needed for the second layer of joined circuits, which is due right away.
static void fetch_for_second_layers(struct worker *w, struct cell *const *cells, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (cells[i]->kind != CELL_KIND_JOINED)
            continue;
        end_prefetch_layer(w, cells[i]->target);
        const char *at = (const char *)cells[i];
        for (size_t line = RTE_CACHE_LINE_SIZE; line < sizeof(struct cell);
             line += RTE_CACHE_LINE_SIZE)
            rte_prefetch0(at + line);
    }
}

// All of a burst's cells, then all of their ends, are on their way into the cache at once.
static void take_burst(struct worker *w, struct cell *const *cells, unsigned n)
{
    bool joined = false;
    for (unsigned i = 0; i < n; i++)
        rte_prefetch0(cells[i]);
    for (unsigned i = 0; i < n; i++) {
        end_prefetch(w, cells[i]->target);
        if (cells[i]->kind != CELL_KIND_JOINED)
            continue;
        end_prefetch_stub(w, cells[i]->target);
        joined = true;
    }
    if (joined)
        fetch_for_second_layers(w, cells, n);
    for (unsigned i = 0; i < n; i++)
        take(w, cells[i]);
}

static unsigned receive_from(struct worker *w, struct rte_ring *ring, bool all)
{
    struct cell *cells[CROSSING_BURST];
    unsigned n, taken = 0;
    do {
        n = rte_ring_dequeue_burst(ring, (void **)cells, CROSSING_BURST, NULL);
        take_burst(w, cells, n);
        taken += n;
    } while (n == CROSSING_BURST && (all || taken < CELLS_PER_TURN));
    return taken;
}

unsigned crossing_receive(struct worker *w, bool all)
{
    unsigned taken = 0;
    for (unsigned i = 0; i < w->n_workers; i++)
        if (w->crossings[i].from)
            taken += receive_from(w, w->crossings[i].from, all);
    batch_run_joined(w);
    return taken;
}

bool crossing_is_idle(const struct worker *w)
{
    for (unsigned i = 0; i < w->n_workers; i++)
        if (w->crossings[i].from && !rte_ring_empty(w->crossings[i].from))
            return false;
    return true;
}

void crossing_release(struct worker *w)
{
    struct cell *c;
    for (unsigned i = 0; i < w->n_workers; i++) {
        struct crossing *x = &w->crossings[i];
        while (x->from && rte_ring_dequeue(x->from, (void **)&c) == 0)
            drop(c);
        while (x->n)
            drop(x->cells[--x->n]);
    }
}
