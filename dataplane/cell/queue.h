// SPDX-License-Identifier: BSD-3-Clause
// Cells in memory, and queues of them. A cell belongs to exactly one holder: the crypto batch, a
// queue, or the ring to another worker; whoever sends or drops it gives it back to its pool.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <rte_mempool.h>

#include "base/cell.h"
#include "base/message.h"

// What a cell is while it is on the ring between two workers.
enum cell_kind {
    CELL_KIND_CELL,     // a relay cell for the queue of `target`
    CELL_KIND_ASKING,   // the same, and the control plane is told when that queue is short
    CELL_KIND_JOINED,   // a relay cell that gets the layer towards the origin of `target` first
    CELL_KIND_SPLICE,   // body: struct layer_parcel for `target`, whose peer becomes `peer`
    CELL_KIND_UNSPLICE, // body: struct layer_parcel back to `target`, which loses its peer
};

// Its body holds keys.
static inline bool cell_kind_is_secret(uint8_t kind)
{
    return kind == CELL_KIND_SPLICE || kind == CELL_KIND_UNSPLICE;
}

enum { CELL_FRONT_LEN = 16 }; // room that the cell cipher may overwrite in front of a body

struct cell {
    struct cell *next;
    struct handle target;
    struct handle peer;
    uint8_t kind;
    uint8_t command;
    uint8_t peer_worker;
    // The last 5 bytes are the header, written when the cell is sent, so that header and body are
    // CELL_LEN contiguous bytes.
    uint8_t front[CELL_FRONT_LEN];
    uint8_t body[CELL_BODY_LEN];
};

_Static_assert(offsetof(struct cell, body) == offsetof(struct cell, front) + CELL_FRONT_LEN,
               "header and body must be contiguous");

static inline uint8_t *cell_wire(struct cell *c)
{
    return (uint8_t *)c + offsetof(struct cell, body) - (CELL_LEN - CELL_BODY_LEN);
}

// NULL when the pool is empty.
static inline struct cell *cell_new(struct rte_mempool *pool)
{
    void *object;
    return rte_mempool_get(pool, &object) == 0 ? object : NULL;
}

static inline void cell_free(struct cell *c)
{
    rte_mempool_put(rte_mempool_from_obj(c), c);
}

struct cell_queue {
    struct cell *head;
    struct cell *tail;
    uint32_t count;
};

static inline void cell_queue_push(struct cell_queue *q, struct cell *c)
{
    c->next = NULL;
    if (q->tail)
        q->tail->next = c;
    else
        q->head = c;
    q->tail = c;
    q->count++;
}

static inline struct cell *cell_queue_pop(struct cell_queue *q)
{
    struct cell *c = q->head;
    if (c) {
        q->head = c->next;
        if (!q->head)
            q->tail = NULL;
        q->count--;
    }
    return c;
}

static inline void cell_queue_clear(struct cell_queue *q)
{
    for (struct cell *c; (c = cell_queue_pop(q));)
        cell_free(c);
}
