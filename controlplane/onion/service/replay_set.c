// SPDX-License-Identifier: BSD-3-Clause
// Open addressing, half full at most.
#include "onion/service/replay_set.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "crypto/random.h"

_Static_assert(sizeof(((struct replay_set *)0)->secret) == crypto_shorthash_KEYBYTES,
               "SipHash key");

enum { SLOTS_MIN = 64 };

void replay_set_init(struct replay_set *set, size_t most)
{
    *set = (struct replay_set){.most = most};
    random_bytes(set->secret, sizeof(set->secret));
}

void replay_set_release(struct replay_set *set)
{
    free(set->now.slots);
    free(set->before.slots);
    explicit_bzero(set, sizeof(*set));
}

// Where it is, or would be.
static uint64_t *slot_of(const struct replay_generation *g, uint64_t hash)
{
    size_t i = hash & (g->n_slots - 1);
    while (g->slots[i] != 0 && g->slots[i] != hash)
        i = (i + 1) & (g->n_slots - 1);
    return &g->slots[i];
}

static bool has(const struct replay_generation *g, uint64_t hash)
{
    return g->n_slots > 0 && *slot_of(g, hash) != 0;
}

static bool grow(struct replay_generation *g)
{
    struct replay_generation larger = {.n_slots = g->n_slots ? 2 * g->n_slots : SLOTS_MIN};
    larger.slots = calloc(larger.n_slots, sizeof(*larger.slots));
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < g->n_slots; i++)
        if (g->slots[i] != 0)
            *slot_of(&larger, g->slots[i]) = g->slots[i];
    larger.n = g->n;
    free(g->slots);
    *g = larger;
    return true;
}

static uint64_t hash_of(const struct replay_set *set, const void *bytes, size_t length)
{
    uint64_t hash;
    uint8_t out[crypto_shorthash_BYTES];
    crypto_shorthash(out, bytes, length, set->secret);
    memcpy(&hash, out, sizeof(hash));
    return hash | (hash == 0);
}

bool replay_set_has(const struct replay_set *set, const void *bytes, size_t length)
{
    uint64_t hash = hash_of(set, bytes, length);
    return has(&set->now, hash) || has(&set->before, hash);
}

enum replay_answer replay_set_add(struct replay_set *set, const void *bytes, size_t length)
{
    struct replay_generation *g = &set->now;
    uint64_t hash = hash_of(set, bytes, length);
    if (has(g, hash) || has(&set->before, hash))
        return REPLAY_SEEN;
    if (g->n >= set->most || (2 * g->n >= g->n_slots && !grow(g)))
        return REPLAY_FULL;
    *slot_of(g, hash) = hash;
    g->n++;
    return REPLAY_NEW;
}

void replay_set_turn(struct replay_set *set)
{
    free(set->before.slots);
    set->before = set->now;
    set->now = (struct replay_generation){0};
}
