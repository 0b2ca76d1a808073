// SPDX-License-Identifier: BSD-3-Clause
// Introductions that wait for their turn: the greatest effort first, among equals the oldest. Items
// are the user's. Control thread.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pow_queued {
    void *item;
    uint64_t number; // counts up as they come
    uint32_t effort;
    uint32_t since_s; // relay->uptime_s
};

struct pow_queue {
    struct pow_queued *heap; // the first is the best
    unsigned n, capacity;
    uint64_t next_number;
};

// Grows as it has to. False: no memory.
bool pow_queue_add(struct pow_queue *q, void *item, uint32_t effort, uint32_t now_s);
// The best one; false: it is empty.
bool pow_queue_take(struct pow_queue *q, struct pow_queued *out);
// All in order, as an array of q->n; it stays a queue.
struct pow_queued *pow_queue_sorted(struct pow_queue *q);
void pow_queue_release(struct pow_queue *q); // items stay the user's
