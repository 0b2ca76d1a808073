// SPDX-License-Identifier: BSD-3-Clause
// A hash table over keys that strangers choose. The hash has a secret of the table's own, so that
// nobody can make keys that collide, and keys are compared in constant time, so that nobody can
// learn from how long it takes whether a guess was near.
//
// What is kept begins with a struct keyed_node, which the key follows at once.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keyed_node {
    struct keyed_node *next;
    uint64_t hash;
};

struct keyed_map {
    struct keyed_node **buckets;
    size_t n_buckets; // a power of two
    size_t n_nodes;
    size_t key_length;
    uint8_t secret[16];
};

bool keyed_map_init(struct keyed_map *map, size_t key_length); // false: no memory
void keyed_map_release(struct keyed_map *map);                 // not what is in it
// NULL: there is none.
struct keyed_node *keyed_map_find(const struct keyed_map *map, const uint8_t *key);
// `node` has its key already, which must not be in the table. It stays the caller's. Never fails:
// without memory the table does not grow, and gets slower.
void keyed_map_add(struct keyed_map *map, struct keyed_node *node);
void keyed_map_remove(struct keyed_map *map, struct keyed_node *node); // which is in it
// Bytes that the table itself takes.
size_t keyed_map_bytes(const struct keyed_map *map);
