// SPDX-License-Identifier: BSD-3-Clause
// Streams of circuits of ours that we ended, of which the other side does not know yet: what it may
// still say of them, and no more (protocol 4.33). Those that we began: their ids are not used
// again.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/cell.h"

enum { HALF_CLOSED_MAX = 4096 }; // of a circuit
// After it nothing comes any more of a stream that we ended: longer than a link stands still
// without being given up by who sees it.
#define HALF_CLOSED_US UINT64_C(60000000)

struct half_closed {
    uint16_t id;
    bool awaits_connected, awaits_resolved;
    bool congestion_control;
    // With congestion control the other side's window is not known: DATA, XOFF and XON may come
    // until then. Without: so many DATA and SENDME.
    uint64_t until_us;
    uint16_t data_cells, sendmes;
    struct half_closed *next_in_bucket;
    TAILQ_ENTRY(half_closed) by_age;
};

// Those of a circuit.
struct half_closed_table {
    struct half_closed **buckets;
    unsigned n_buckets; // a power of two, or 0
    unsigned n;
    TAILQ_HEAD(, half_closed) by_age; // oldest first
};

void half_closed_begin(struct half_closed_table *t);
void half_closed_free_all(struct half_closed_table *t);
// Takes `h`, from malloc. Its id must not be there.
void half_closed_add(struct half_closed_table *t, struct half_closed *h);
struct half_closed *half_closed_find(const struct half_closed_table *t, uint16_t id);
// Whether another one will find room; forgets those of which nothing can come any more.
bool half_closed_has_room(struct half_closed_table *t, uint64_t now_us);
// For what the other side began: room for another one, if need be instead of the oldest.
void half_closed_make_room(struct half_closed_table *t);
// The other side knows of its end, for it uses the id again. It need not be there.
void half_closed_forget(struct half_closed_table *t, uint16_t id);
// A message about a stream that is not there. False: it can't be.
bool half_closed_take(struct half_closed_table *t, uint16_t id, uint8_t command, uint64_t now_us);
