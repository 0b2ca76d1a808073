// SPDX-License-Identifier: BSD-3-Clause
// Which directories hold a service's descriptor (protocol 8.06–8.09). Control thread only.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "onion/key/time_period.h"

struct node;
struct node_list;
struct hsdir_ring;

enum { HSDIRS_MAX = 16 * 128 };

// Of the directories whose keys are known. Sorted once for a time period and a shared random value
// (struct onion_epoch has both); stale once the node list is refreshed. Takes about 1 µs for each
// relay. NULL: no memory.
struct hsdir_ring *hsdir_ring_make(const struct node_list *nodes, struct time_period t,
                                   const uint8_t srv[32]);
void hsdir_ring_free(struct hsdir_ring *ring); // NULL is fine
size_t hsdir_ring_count(const struct hsdir_ring *ring);
// The responsible ones, `spread` for each replica, none twice, the first replica's first. Fewer on
// a small ring. How many; `capacity`: HSDIRS_MAX are enough for any.
unsigned hsdir_ring_responsible(const struct hsdir_ring *ring, const uint8_t blinded[32],
                                unsigned replicas, unsigned spread, const struct node **out,
                                unsigned capacity);
