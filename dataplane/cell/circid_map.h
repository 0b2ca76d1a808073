// SPDX-License-Identifier: BSD-3-Clause
// From a link and a circuit id to the circuit end that they name: a hash table whose chains run
// through the ends themselves, so that it costs 4 to 8 bytes an end and a look-up touches the
// bucket and the end it is for.
//
// The hash is seeded, because peers choose circuit ids.
#pragma once

#include <stdint.h>

struct circuit_end;
struct conn;

struct circid_map {
    struct circuit_end *ends; // not owned
    uint32_t *buckets;        // index of the first end + 1, 0: empty
    uint32_t mask;
    uint32_t seed;
};

// For at most `capacity` ends of the array `ends`. 0 or -ENOMEM.
int circid_map_init(struct circid_map *map, struct circuit_end *ends, uint32_t capacity);
void circid_map_release(struct circid_map *map);

// By end->conn and end->circid, which are not in the map yet.
void circid_map_add(struct circid_map *map, struct circuit_end *end);
void circid_map_remove(struct circid_map *map, struct circuit_end *end);
struct circuit_end *circid_map_find(const struct circid_map *map, const struct conn *conn,
                                    uint32_t circid);
// Many at once, at most CIRCID_MAP_BURST; NULL where there is none.
enum { CIRCID_MAP_BURST = 32 };
void circid_map_find_many(const struct circid_map *map, const struct conn *conn,
                          const uint32_t *circids, unsigned n, struct circuit_end **out);
