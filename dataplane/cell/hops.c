// SPDX-License-Identifier: BSD-3-Clause
// The hops' memory, and cells that come in.
#include "cell/hops.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <rte_malloc.h>

#include "worker.h"

int hop_pool_init(struct hop_pool *pool, uint32_t circuits)
{
    uint32_t ours = circuits < HOPS_CIRCUITS_MAX ? circuits : HOPS_CIRCUITS_MAX;
    pool->capacity = HOPS_PER_CIRCUIT * ours;
    pool->all = rte_calloc("hops", pool->capacity, sizeof(*pool->all), RTE_CACHE_LINE_SIZE);
    if (!pool->all)
        return -ENOMEM;
    for (uint32_t i = pool->capacity; i-- > 0;) {
        pool->all[i].next_free = pool->free;
        pool->free = &pool->all[i];
    }
    return 0;
}

void hop_pool_release(struct hop_pool *pool)
{
    if (pool->all)
        explicit_bzero(pool->all, pool->capacity * sizeof(*pool->all));
    rte_free(pool->all);
}

static struct hop *take(struct worker *w)
{
    struct hop *hop = w->hops.free;
    if (!hop) {
        w->counters.drop_circuit_limit++;
        return NULL;
    }
    w->hops.free = hop->next_free;
    return hop;
}

static void put_back(struct worker *w, struct hop *hop)
{
    explicit_bzero(hop, sizeof(*hop));
    hop->next_free = w->hops.free;
    w->hops.free = hop;
}

static struct hop *piece_of(struct onion_layer *onion)
{
    return (struct hop *)((char *)onion - offsetof(struct hop, onion));
}

static void put_back_all(struct worker *w, struct hop *hop)
{
    if (hop->kind == CIRCUIT_CRYPTO_ONION) {
        put_back(w, piece_of(hop->forward.onion));
        put_back(w, piece_of(hop->backward.onion));
    }
    put_back(w, hop);
}

// NULL: there is too little memory.
static struct hop *take_all(struct worker *w, uint8_t kind)
{
    struct hop *hop = take(w);
    if (!hop)
        return NULL;
    hop->kind = kind;
    if (kind != CIRCUIT_CRYPTO_ONION)
        return hop;
    struct hop *forward = take(w), *backward = forward ? take(w) : NULL;
    if (!backward) {
        put_back(w, hop);
        if (forward)
            put_back(w, forward);
        return NULL;
    }
    hop->forward.onion = &forward->onion;
    hop->backward.onion = &backward->onion;
    return hop;
}

// Nobody is behind an onion service, nor is one alone.
static bool may_follow(const struct hops *hops, uint8_t kind)
{
    if (hops->n == 0)
        return kind != CIRCUIT_CRYPTO_ONION;
    return hops->hop[hops->n - 1]->kind != CIRCUIT_CRYPTO_ONION;
}

static bool push(struct worker *w, struct hops *hops, const struct circuit_crypto *crypto)
{
    if (hops->n == HOPS_MAX || !may_follow(hops, crypto->kind)) {
        w->counters.drop_circuit_limit++;
        return false;
    }
    struct hop *hop = take_all(w, crypto->kind);
    if (!hop)
        return false;
    if (!layers_init_client(w, &hop->forward, &hop->backward, crypto)) {
        put_back_all(w, hop);
        return false;
    }
    hops->hop[hops->n++] = hop;
    return true;
}

// What came before, and no hop was known that had sent it: the new one may have.
static void open_early(struct worker *w, struct circuit_end *end)
{
    struct cell_queue cells = early_take(w, end, EARLY_FROM_LINK);
    struct hop *h = end->hops.hop[end->hops.n - 1];
    uint8_t tag[LAYER_TAG_MAX];
    for (struct cell *c; (c = cell_queue_pop(&cells));) {
        struct batch_item item = {.cell = c, .end = end, .hop = end->hops.n};
        const struct cgo_job *job = layer_burst_add(w, &h->backward, h->kind, CGO_CLIENT_BACKWARD,
                                                    c->command, c->body, c->body);
        layer_burst_run(w);
        if (layer_recognise(&h->backward, h->kind, job, c->body, tag))
            batch_hand_up(w, &item, h->kind, tag);
        else
            batch_refuse(w, &item);
        if (end->state != END_OPEN)
            break;
    }
    w->counters.drop_cell_unknown_circuit += cells.count;
    cell_queue_clear(&cells);
}

void hops_add(struct worker *w, struct circuit_end *end, const struct circuit_crypto *crypto)
{
    if (end->state != END_OPEN || end->origin_side || (end->layer_kind && !end_begins_here(end)))
        return;
    if (!end_begins_here(end)) {
        end->hops = (struct hops){0};
        end->layer_kind = LAYERS_OF_HOPS;
    }
    if (push(w, &end->hops, crypto))
        open_early(w, end);
    else
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
}

void hops_free(struct worker *w, struct hops *hops)
{
    while (hops->n > 0)
        put_back_all(w, hops->hop[--hops->n]);
}

// ---- what comes in

// The batch's items that may still be of a hop behind the last one looked at, oldest first.
struct unopened {
    uint8_t items[LAYER_BURST_MAX];
    unsigned n;
};

static struct unopened cells_of_ours(const struct cell_batch *b)
{
    struct unopened u = {.n = 0};
    for (unsigned i = 0; i < b->n; i++) {
        const struct batch_item *item = &b->items[i];
        if (batch_item_is_open(item) && end_begins_here(item->end))
            u.items[u.n++] = (uint8_t)i;
    }
    return u;
}

// After the layer of `hop` (1 is the first) has run. Keeps those that it did not send and another
// may have sent.
static void recognise(struct cell_batch *b, struct unopened *u, unsigned hop)
{
    unsigned n = 0;
    for (unsigned i = 0; i < u->n; i++) {
        struct batch_item *item = &b->items[u->items[i]];
        const struct hops *hops = &item->end->hops;
        struct hop *h = hops->hop[hop - 1];
        if (layer_recognise(&h->backward, h->kind, item->cgo, item->cell->body,
                            b->tags[u->items[i]]))
            item->hop = (uint8_t)hop;
        else if (hop < hops->n)
            u->items[n++] = u->items[i];
    }
    u->n = n;
}

void hops_open(struct worker *w)
{
    struct cell_batch *b = &w->batch;
    struct unopened u = cells_of_ours(b);
    recognise(b, &u, 1);
    for (unsigned hop = 2; u.n > 0; hop++) {
        for (unsigned i = 0; i < u.n; i++) {
            struct batch_item *item = &b->items[u.items[i]];
            struct hop *h = item->end->hops.hop[hop - 1];
            item->cgo = layer_burst_add(w, &h->backward, h->kind, CGO_CLIENT_BACKWARD,
                                        item->cell->command, item->cell->body, item->cell->body);
        }
        layer_burst_run(w);
        recognise(b, &u, hop);
    }
}
