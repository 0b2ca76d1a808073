// SPDX-License-Identifier: BSD-3-Clause
// Descriptors by blinded key; a heap by how often they were fetched says who gives way, and a wheel
// of minutes who has expired.
#include "onion/relay/hsdir.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "crypto/random.h"
#include "dir/parameters.h"
#include "keyed_map.h"
#include "onion/descriptor/hs_descriptor.h"
#include "relay.h"

enum {
    WHEEL_MINUTES = 1024,  // more than the longest lifetime
    TICK_MAX = 512,        // that one tick forgets
    ALLOCATION_BYTES = 16, // what the allocator adds to each piece
    HEAP_FIRST = 64,
};

_Static_assert(WHEEL_MINUTES > HS_DESCRIPTOR_LIFETIME_MAX_MIN + 1, "the wheel turns too soon");

struct hsdir_entry {
    struct keyed_node node;
    uint8_t key[HSDIR_BLINDED_KEY_LEN];
    uint64_t revision;
    uint64_t fetches;
    uint64_t luck; // among those with as many fetches
    struct blob *text;
    uint32_t expires_s;
    uint32_t heap_index;
    LIST_ENTRY(hsdir_entry) wheel;
};

_Static_assert(offsetof(struct hsdir_entry, key) == sizeof(struct keyed_node),
               "the key follows the node");

struct hsdir {
    struct relay *relay;
    struct keyed_map map;
    struct hsdir_entry **heap; // the least fetched first
    uint32_t n_heap, heap_capacity;
    size_t bytes; // of all entries, without the tables
    size_t bytes_max;
    uint32_t minute; // of the wheel: those before it are empty
    LIST_HEAD(, hsdir_entry) wheel[WHEEL_MINUTES];
};

struct hsdir *hsdir_create(struct relay *relay)
{
    struct hsdir *h = calloc(1, sizeof(*h));
    if (!h)
        return NULL;
    h->relay = relay;
    h->bytes_max = (size_t)relay->config->hsdir_cache_mb << 20;
    h->minute = relay->uptime_s / 60;
    h->heap_capacity = HEAP_FIRST;
    h->heap = calloc(h->heap_capacity, sizeof(struct hsdir_entry *));
    if (h->heap && keyed_map_init(&h->map, HSDIR_BLINDED_KEY_LEN))
        return h;
    free(h->heap);
    free(h);
    return NULL;
}

static size_t entry_bytes(size_t text_length)
{
    return sizeof(struct hsdir_entry) + sizeof(struct blob) + text_length + 1 +
           2 * ALLOCATION_BYTES;
}

static size_t bytes_taken(const struct hsdir *h)
{
    return h->bytes + keyed_map_bytes(&h->map) + h->heap_capacity * sizeof(struct hsdir_entry *);
}

static void count(struct hsdir *h)
{
    h->relay->counters.hsdir_descriptors = h->n_heap;
    h->relay->counters.hsdir_bytes = bytes_taken(h);
}

// ---- the heap

static bool goes_before(const struct hsdir_entry *a, const struct hsdir_entry *b)
{
    return a->fetches != b->fetches ? a->fetches < b->fetches : a->luck < b->luck;
}

static void heap_put(struct hsdir *h, uint32_t index, struct hsdir_entry *e)
{
    h->heap[index] = e;
    e->heap_index = index;
}

static void heap_sift_up(struct hsdir *h, struct hsdir_entry *e)
{
    uint32_t i = e->heap_index;
    for (; i > 0 && goes_before(e, h->heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap_put(h, i, h->heap[(i - 1) / 2]);
    heap_put(h, i, e);
}

static void heap_sift_down(struct hsdir *h, struct hsdir_entry *e)
{
    uint32_t i = e->heap_index;
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child + 1 < h->n_heap && goes_before(h->heap[child + 1], h->heap[child]))
            child++;
        if (child >= h->n_heap || !goes_before(h->heap[child], e))
            break;
        heap_put(h, i, h->heap[child]);
        i = child;
    }
    heap_put(h, i, e);
}

// Room for one more; false without memory.
static bool heap_reserve(struct hsdir *h)
{
    if (h->n_heap < h->heap_capacity)
        return true;
    struct hsdir_entry **heap =
        realloc(h->heap, 2 * (size_t)h->heap_capacity * sizeof(struct hsdir_entry *));
    if (!heap)
        return false;
    h->heap = heap;
    h->heap_capacity *= 2;
    return true;
}

static void heap_add(struct hsdir *h, struct hsdir_entry *e)
{
    heap_put(h, h->n_heap++, e);
    heap_sift_up(h, e);
}

static void heap_remove(struct hsdir *h, const struct hsdir_entry *e)
{
    struct hsdir_entry *last = h->heap[--h->n_heap];
    if (last == e)
        return;
    heap_put(h, e->heap_index, last);
    heap_sift_up(h, last);
    heap_sift_down(h, last);
}

// ---- entries

static void entry_remove(struct hsdir *h, struct hsdir_entry *e)
{
    heap_remove(h, e);
    LIST_REMOVE(e, wheel);
    keyed_map_remove(&h->map, &e->node);
    h->bytes -= entry_bytes(e->text->length);
    blob_drop(e->text);
    free(e);
    count(h);
}

void hsdir_free(struct hsdir *h)
{
    if (!h)
        return;
    while (h->n_heap > 0)
        entry_remove(h, h->heap[h->n_heap - 1]);
    keyed_map_release(&h->map);
    free(h->heap);
    free(h);
}

static struct hsdir_entry *find(const struct hsdir *h, const uint8_t *key)
{
    return (struct hsdir_entry *)keyed_map_find(&h->map, key);
}

static void entry_add(struct hsdir *h, struct hsdir_entry *e)
{
    keyed_map_add(&h->map, &e->node);
    heap_add(h, e);
    // A minute is done with when it is over.
    LIST_INSERT_HEAD(&h->wheel[e->expires_s / 60 % WHEEL_MINUTES], e, wheel);
    h->bytes += entry_bytes(e->text->length);
    count(h);
}

// The new one itself always has its place: how full we are is nobody's business (7.06).
static void make_room(struct hsdir *h, size_t bytes)
{
    while (h->n_heap > 0 && bytes_taken(h) + bytes > h->bytes_max) {
        h->relay->counters.hsdir_evicted++;
        entry_remove(h, h->heap[0]);
    }
}

// ---- from outside

// What refuses it, or NULL. What costs least is looked at first.
static uint64_t *check(struct hsdir *h, const uint8_t *text, size_t length, struct hs_descriptor *d)
{
    struct counters *counters = &h->relay->counters;
    size_t most = (size_t)parameters_of(h->relay)->hsdir_descriptor_max_bytes;
    if (length >= most || entry_bytes(length) > h->bytes_max / 2)
        return &counters->drop_hsdir_large;
    if (hs_descriptor_parse(text, length, d) < 0)
        return &counters->drop_hsdir_malformed;
    const struct hsdir_entry *old = find(h, d->blinded_key);
    if (old && old->revision >= d->revision)
        return &counters->drop_hsdir_stale;
    if (hs_descriptor_verify(d, (uint64_t)relay_now(h->relay)) < 0)
        return &counters->drop_hsdir_signature;
    return NULL;
}

static struct hsdir_entry *entry_new(const struct hsdir *h, const struct hs_descriptor *d,
                                     size_t length)
{
    struct hsdir_entry *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    memcpy(e->key, d->blinded_key, sizeof(e->key));
    e->revision = d->revision;
    e->expires_s = h->relay->uptime_s + d->lifetime_min * 60;
    random_bytes(&e->luck, sizeof(e->luck));
    e->text = blob_create(d->text, length);
    if (e->text)
        return e;
    free(e);
    return NULL;
}

enum hsdir_answer hsdir_publish(struct hsdir *h, const uint8_t *text, size_t length)
{
    struct hs_descriptor d;
    uint64_t *refused = check(h, text, length, &d);
    if (refused) {
        ++*refused;
        return HSDIR_REFUSED;
    }
    struct hsdir_entry *e = entry_new(h, &d, length);
    if (!e || !heap_reserve(h)) {
        if (e)
            blob_drop(e->text);
        free(e);
        return HSDIR_REFUSED;
    }
    struct hsdir_entry *old = find(h, d.blinded_key);
    if (old) {
        e->fetches = old->fetches;
        e->luck = old->luck;
        entry_remove(h, old);
    }
    make_room(h, entry_bytes(length));
    entry_add(h, e);
    h->relay->counters.hsdir_stored++;
    return HSDIR_STORED;
}

struct blob *hsdir_fetch(struct hsdir *h, const uint8_t blinded_key[HSDIR_BLINDED_KEY_LEN])
{
    struct hsdir_entry *e = find(h, blinded_key);
    if (!e || e->expires_s <= h->relay->uptime_s) {
        h->relay->counters.hsdir_missed++;
        return NULL;
    }
    e->fetches++;
    heap_sift_down(h, e);
    h->relay->counters.hsdir_fetched++;
    return blob_hold(e->text);
}

void hsdir_tick(struct hsdir *h)
{
    if (!h)
        return;
    for (unsigned i = 0; i < TICK_MAX && h->minute < h->relay->uptime_s / 60;) {
        struct hsdir_entry *e = LIST_FIRST(&h->wheel[h->minute % WHEEL_MINUTES]);
        if (!e) {
            h->minute++;
            continue;
        }
        h->relay->counters.hsdir_expired++;
        entry_remove(h, e);
        i++;
    }
}
