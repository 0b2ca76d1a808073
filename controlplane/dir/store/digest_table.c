// SPDX-License-Identifier: BSD-3-Clause
// An open-addressed table with linear probing; holes are closed when something is removed.
#include "dir/store/digest_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "crypto/random.h"

enum { FIRST_CAPACITY = 64 };

_Static_assert(crypto_shorthash_KEYBYTES == 16, "the secret's size");

void digest_table_init(struct digest_table *t, size_t key_length)
{
    *t = (struct digest_table){.key_length = key_length};
    random_bytes(t->secret, sizeof(t->secret));
}

void digest_table_release(struct digest_table *t)
{
    free(t->slots);
    t->slots = NULL;
    t->n = t->capacity = 0;
}

static size_t home(const struct digest_table *t, const void *key)
{
    uint64_t hash;
    crypto_shorthash((uint8_t *)&hash, key, t->key_length, t->secret);
    return hash & (t->capacity - 1);
}

// Where the key is, or the hole where it would be.
static size_t find(const struct digest_table *t, const void *key)
{
    size_t i = home(t, key);
    while (t->slots[i].object != NULL && memcmp(t->slots[i].key, key, t->key_length) != 0)
        i = (i + 1) & (t->capacity - 1);
    return i;
}

void *digest_table_get(const struct digest_table *t, const void *key)
{
    return t->capacity == 0 ? NULL : t->slots[find(t, key)].object;
}

static int grow(struct digest_table *t)
{
    struct digest_table wider = *t;
    wider.capacity = t->capacity == 0 ? FIRST_CAPACITY : 2 * t->capacity;
    wider.slots = calloc(wider.capacity, sizeof(*wider.slots));
    if (wider.slots == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < t->capacity; i++)
        if (t->slots[i].object != NULL)
            wider.slots[find(&wider, t->slots[i].key)] = t->slots[i];
    free(t->slots);
    *t = wider;
    return 0;
}

int digest_table_put(struct digest_table *t, const void *key, void *object)
{
    if (t->n + 1 > t->capacity / 4 * 3 && grow(t) < 0)
        return -ENOMEM;
    struct digest_slot *slot = &t->slots[find(t, key)];
    t->n += slot->object == NULL;
    memcpy(slot->key, key, t->key_length);
    slot->object = object;
    return 0;
}

void *digest_table_remove(struct digest_table *t, const void *key)
{
    if (t->capacity == 0)
        return NULL;
    size_t mask = t->capacity - 1, hole = find(t, key);
    void *object = t->slots[hole].object;
    if (object == NULL)
        return NULL;
    // What follows without a gap moves up, unless its home lies behind the hole.
    for (size_t i = (hole + 1) & mask; t->slots[i].object != NULL; i = (i + 1) & mask) {
        size_t wanted = home(t, t->slots[i].key);
        if (((i - wanted) & mask) >= ((i - hole) & mask)) {
            t->slots[hole] = t->slots[i];
            hole = i;
        }
    }
    t->slots[hole].object = NULL;
    t->n--;
    return object;
}

void *digest_table_next(const struct digest_table *t, size_t *position)
{
    while (*position < t->capacity) {
        void *object = t->slots[(*position)++].object;
        if (object != NULL)
            return object;
    }
    return NULL;
}
