// SPDX-License-Identifier: BSD-3-Clause
// The table of half-closed streams of a circuit.
#include "stream/half_closed.h"

#include <stdlib.h>

enum { BUCKETS_MIN = 16 };

void half_closed_begin(struct half_closed_table *t)
{
    *t = (struct half_closed_table){0};
    TAILQ_INIT(&t->by_age);
}

static void forget(struct half_closed_table *t, struct half_closed *h)
{
    struct half_closed **at = &t->buckets[h->id & (t->n_buckets - 1)];
    while (*at != h)
        at = &(*at)->next_in_bucket;
    *at = h->next_in_bucket;
    TAILQ_REMOVE(&t->by_age, h, by_age);
    t->n--;
    free(h);
}

void half_closed_free_all(struct half_closed_table *t)
{
    while (!TAILQ_EMPTY(&t->by_age))
        forget(t, TAILQ_FIRST(&t->by_age));
    free(t->buckets);
    half_closed_begin(t);
}

static void enter(struct half_closed_table *t, struct half_closed *h)
{
    struct half_closed **bucket = &t->buckets[h->id & (t->n_buckets - 1)];
    h->next_in_bucket = *bucket;
    *bucket = h;
}

// False without memory.
static bool grow(struct half_closed_table *t)
{
    unsigned n = t->n_buckets ? 2 * t->n_buckets : BUCKETS_MIN;
    struct half_closed **buckets = calloc(n, sizeof(struct half_closed *)), *h;
    if (!buckets)
        return false;
    free(t->buckets);
    t->buckets = buckets;
    t->n_buckets = n;
    TAILQ_FOREACH(h, &t->by_age, by_age)
    enter(t, h);
    return true;
}

void half_closed_add(struct half_closed_table *t, struct half_closed *h)
{
    if (t->n >= t->n_buckets && !grow(t) && t->n_buckets == 0) {
        free(h); // without any memory its late messages will close the circuit
        return;
    }
    enter(t, h);
    TAILQ_INSERT_TAIL(&t->by_age, h, by_age);
    t->n++;
}

struct half_closed *half_closed_find(const struct half_closed_table *t, uint16_t id)
{
    struct half_closed *h = t->n_buckets ? t->buckets[id & (t->n_buckets - 1)] : NULL;
    while (h && h->id != id)
        h = h->next_in_bucket;
    return h;
}

bool half_closed_has_room(struct half_closed_table *t, uint64_t now_us)
{
    while (t->n >= HALF_CLOSED_MAX && TAILQ_FIRST(&t->by_age)->until_us < now_us)
        forget(t, TAILQ_FIRST(&t->by_age));
    return t->n < HALF_CLOSED_MAX;
}

void half_closed_make_room(struct half_closed_table *t)
{
    while (t->n >= HALF_CLOSED_MAX)
        forget(t, TAILQ_FIRST(&t->by_age));
}

void half_closed_forget(struct half_closed_table *t, uint16_t id)
{
    struct half_closed *h = half_closed_find(t, id);
    if (h)
        forget(t, h);
}

static bool count_down(uint16_t *left)
{
    if (*left == 0)
        return false;
    (*left)--;
    return true;
}

static bool take_once(bool *awaited)
{
    bool was = *awaited;
    *awaited = false;
    return was;
}

bool half_closed_take(struct half_closed_table *t, uint16_t id, uint8_t command, uint64_t now_us)
{
    struct half_closed *h = half_closed_find(t, id);
    if (!h)
        return false;
    switch (command) {
    case RELAY_DATA:
        return h->congestion_control ? now_us <= h->until_us : count_down(&h->data_cells);
    case RELAY_SENDME:
        return !h->congestion_control && count_down(&h->sendmes);
    case RELAY_XOFF:
    case RELAY_XON:
        return h->congestion_control && now_us <= h->until_us;
    case RELAY_CONNECTED:
        return take_once(&h->awaits_connected);
    case RELAY_RESOLVED:
        if (!h->awaits_resolved)
            return false;
        forget(t, h); // it says END, too
        return true;
    case RELAY_END:
        forget(t, h);
        return true;
    default:
        return false;
    }
}
