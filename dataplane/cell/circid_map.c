// SPDX-License-Identifier: BSD-3-Clause
// The hash table of circuit ids.
#include "cell/circid_map.h"

#include <errno.h>

#include <rte_common.h>
#include <rte_jhash.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>
#include <rte_random.h>

#include "cell/circuit_end.h"
#include "cell/conn.h"

int circid_map_init(struct circid_map *map, struct circuit_end *ends, uint32_t capacity)
{
    uint32_t n_buckets = rte_align32pow2(capacity);
    *map = (struct circid_map){.ends = ends, .mask = n_buckets - 1, .seed = (uint32_t)rte_rand()};
    map->buckets = rte_calloc("circuit ids", n_buckets, sizeof(*map->buckets), RTE_CACHE_LINE_SIZE);
    return map->buckets ? 0 : -ENOMEM;
}

void circid_map_release(struct circid_map *map)
{
    rte_free(map->buckets);
}

static uint32_t *bucket_of(const struct circid_map *map, const struct conn *conn, uint32_t circid)
{
    return &map->buckets[rte_jhash_2words(conn->self.index, circid, map->seed) & map->mask];
}

void circid_map_add(struct circid_map *map, struct circuit_end *end)
{
    uint32_t *bucket = bucket_of(map, end->conn, end->circid);
    end->circid_next = *bucket;
    *bucket = end->self.index + 1;
}

void circid_map_remove(struct circid_map *map, struct circuit_end *end)
{
    uint32_t *link = bucket_of(map, end->conn, end->circid);
    while (*link != end->self.index + 1)
        link = &map->ends[*link - 1].circid_next;
    *link = end->circid_next;
}

static struct circuit_end *find_in(const struct circid_map *map, uint32_t at,
                                   const struct conn *conn, uint32_t circid)
{
    while (at) {
        struct circuit_end *end = &map->ends[at - 1];
        if (end->circid == circid && end->conn == conn)
            return end;
        at = end->circid_next;
    }
    return NULL;
}

struct circuit_end *circid_map_find(const struct circid_map *map, const struct conn *conn,
                                    uint32_t circid)
{
    return find_in(map, *bucket_of(map, conn, circid), conn, circid);
}

// In stages, so that the misses of all of them overlap.
void circid_map_find_many(const struct circid_map *map, const struct conn *conn,
                          const uint32_t *circids, unsigned n, struct circuit_end **out)
{
    const uint32_t *buckets[CIRCID_MAP_BURST];
    for (unsigned i = 0; i < n; i++) {
        buckets[i] = bucket_of(map, conn, circids[i]);
        rte_prefetch0(buckets[i]);
    }
    for (unsigned i = 0; i < n; i++)
        if (*buckets[i])
            rte_prefetch0(&map->ends[*buckets[i] - 1]);
    for (unsigned i = 0; i < n; i++)
        out[i] = find_in(map, *buckets[i], conn, circids[i]);
}
