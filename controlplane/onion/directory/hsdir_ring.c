// SPDX-License-Identifier: BSD-3-Clause
// The ring of directories, sorted by their indexes in one time period.
#include "onion/directory/hsdir_ring.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "onion/key/onion_keys.h"
#include "origin/node/node.h"

struct place {
    uint8_t index[32];
    const struct node *node;
};

struct hsdir_ring {
    struct time_period period;
    size_t n;
    struct place places[]; // by index
};

static bool is_hsdir(const struct node *n)
{
    return n->status->flags & ROUTER_HSDIR && n->hs_dir && n->has_keys && n->has_ed_id;
}

static int by_index(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = memcmp(x->index, y->index, sizeof(x->index));
    return order != 0 ? order : (x->node > y->node) - (x->node < y->node);
}

struct hsdir_ring *hsdir_ring_make(const struct node_list *nodes, struct time_period t,
                                   const uint8_t srv[32])
{
    size_t count = node_count(nodes);
    struct hsdir_ring *ring = malloc(sizeof(*ring) + count * sizeof(ring->places[0]));
    if (!ring)
        return NULL;
    ring->period = t;
    ring->n = 0;
    for (size_t i = 0; i < count; i++) {
        const struct node *n = node_at(nodes, i);
        if (!is_hsdir(n))
            continue;
        struct place *p = &ring->places[ring->n++];
        p->node = n;
        onion_hsdir_index(n->ed_id, srv, t, p->index);
    }
    qsort(ring->places, ring->n, sizeof(ring->places[0]), by_index);
    return ring;
}

void hsdir_ring_free(struct hsdir_ring *ring)
{
    free(ring);
}

size_t hsdir_ring_count(const struct hsdir_ring *ring)
{
    return ring->n;
}

// The first place from `index` on; the first of all after the last.
static size_t first_from(const struct hsdir_ring *ring, const uint8_t index[32])
{
    size_t low = 0, high = ring->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(ring->places[middle].index, index, 32) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ring->n ? low : 0;
}

static bool is_among(const struct node *n, const struct node *const *nodes, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (nodes[i] == n)
            return true;
    return false;
}

unsigned hsdir_ring_responsible(const struct hsdir_ring *ring, const uint8_t blinded[32],
                                unsigned replicas, unsigned spread, const struct node **out,
                                unsigned capacity)
{
    unsigned n = 0;
    for (unsigned replica = 1; replica <= replicas; replica++) {
        uint8_t index[32];
        onion_hs_index(blinded, replica, ring->period, index);
        size_t at = first_from(ring, index);
        unsigned added = 0;
        for (size_t seen = 0; seen < ring->n && added < spread && n < capacity; seen++) {
            const struct node *node = ring->places[at].node;
            if (!is_among(node, out, n)) { // an earlier replica's
                out[n++] = node;
                added++;
            }
            at = at + 1 < ring->n ? at + 1 : 0;
        }
    }
    return n;
}
