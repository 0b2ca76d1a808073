// SPDX-License-Identifier: BSD-3-Clause
// Chained buckets over SipHash-2-4.
#include "keyed_map.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "crypto/random.h"

enum { FIRST_BUCKETS = 64 };

_Static_assert(sizeof(((struct keyed_map *)0)->secret) == crypto_shorthash_KEYBYTES, "SipHash key");
_Static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "SipHash output");

static uint64_t hash_of(const struct keyed_map *map, const uint8_t *key)
{
    uint8_t bytes[crypto_shorthash_BYTES];
    uint64_t hash;
    crypto_shorthash(bytes, key, map->key_length, map->secret);
    memcpy(&hash, bytes, sizeof(hash));
    return hash;
}

bool keyed_map_init(struct keyed_map *map, size_t key_length)
{
    *map = (struct keyed_map){.n_buckets = FIRST_BUCKETS, .key_length = key_length};
    map->buckets = calloc(map->n_buckets, sizeof(struct keyed_node *));
    random_bytes(map->secret, sizeof(map->secret));
    return map->buckets != NULL;
}

void keyed_map_release(struct keyed_map *map)
{
    free(map->buckets);
    explicit_bzero(map, sizeof(*map));
}

static const uint8_t *key_of(const struct keyed_node *node)
{
    return (const uint8_t *)(node + 1);
}

static struct keyed_node **bucket_of(const struct keyed_map *map, uint64_t hash)
{
    return &map->buckets[hash & (map->n_buckets - 1)];
}

struct keyed_node *keyed_map_find(const struct keyed_map *map, const uint8_t *key)
{
    uint64_t hash = hash_of(map, key);
    struct keyed_node *node = *bucket_of(map, hash);
    while (node && (node->hash != hash || sodium_memcmp(key_of(node), key, map->key_length) != 0))
        node = node->next;
    return node;
}

static void link_in(struct keyed_map *map, struct keyed_node *node)
{
    struct keyed_node **bucket = bucket_of(map, node->hash);
    node->next = *bucket;
    *bucket = node;
}

static void grow(struct keyed_map *map)
{
    struct keyed_node **old = map->buckets;
    size_t n_old = map->n_buckets;
    struct keyed_node **grown = calloc(2 * n_old, sizeof(struct keyed_node *));
    if (!grown)
        return;
    map->buckets = grown;
    map->n_buckets = 2 * n_old;
    for (size_t i = 0; i < n_old; i++) {
        for (struct keyed_node *node = old[i], *next; node; node = next) {
            next = node->next;
            link_in(map, node);
        }
    }
    free(old);
}

void keyed_map_add(struct keyed_map *map, struct keyed_node *node)
{
    if (map->n_nodes >= map->n_buckets)
        grow(map);
    node->hash = hash_of(map, key_of(node));
    link_in(map, node);
    map->n_nodes++;
}

void keyed_map_remove(struct keyed_map *map, struct keyed_node *node)
{
    struct keyed_node **at = bucket_of(map, node->hash);
    while (*at && *at != node)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = node->next;
    node->next = NULL;
    map->n_nodes--;
}

size_t keyed_map_bytes(const struct keyed_map *map)
{
    return map->n_buckets * sizeof(struct keyed_node *);
}
