// SPDX-License-Identifier: BSD-3-Clause
// The two rings between the control thread and one worker, and how each wakes the other.
//
// Messages come from two pools, so that neither side can starve the other. The worker never waits
// for the control thread; so the control thread may wait, shortly, for the worker.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/message.h"

struct rte_mempool;
struct rte_ring;

struct channel {
    unsigned worker;
    struct rte_ring *down;         // control → worker
    struct rte_ring *up;           // worker → control
    struct rte_mempool *down_pool; // messages of the control thread; shared by all its channels
    struct rte_mempool *up_pool;   // messages of this worker
    unsigned up_reserve;           // of them, kept for CONN_CLOSED and CIRCUIT_CLOSED
    int down_fd;                   // eventfd the worker sleeps on
    int up_fd;                     // eventfd the control thread sleeps on; shared by all channels
    _Atomic int worker_sleeps;     // set by the worker, cleared by whoever wakes it
    _Atomic int *control_sleeps;   // set by the control thread; shared by all channels
    bool up_notify;                // worker's own: something was sent since the last notify
};

// Makes the channel of one worker. `first` is the channel of worker 0, whose shared parts are used
// too, or NULL for worker 0. The EAL must run. 0 or -ENOMEM.
int channel_open(struct channel *ch, unsigned worker, const struct channel *first,
                 unsigned messages);
void channel_close(struct channel *ch, bool first);

// ---- control thread
// Never NULL: waits until the worker gives messages back. All fields but type and worker are zero.
struct message *channel_message_down(struct channel *ch, enum message_type type);
// Takes the message. Wakes the worker if it sleeps.
void channel_send_down(struct channel *ch, struct message *m);
// Wakes the worker if it sleeps. Any thread: other workers do it too, when they sent it something.
void channel_wake_worker(struct channel *ch);
unsigned channel_receive_up(struct channel *ch, struct message **out, unsigned max);

// ---- worker
// NULL when the pool is empty; the caller keeps what it wanted to say and tries again later. Some
// messages are kept for what ended, which must get through whatever peers flood us with: the
// control thread gets neither its dials' messages nor its own objects back otherwise.
struct message *channel_message_up(struct channel *ch, enum message_type type);
// How many could be had now but for the reserve; the control thread may add to it at any moment.
unsigned channel_room_up(const struct channel *ch);
// Counts the message in up to two accounts until it is freed, on whichever thread. They must live
// as long; NULL is fine. Who finds one at 0 (acquire) finds on the rings what was sent before that.
void channel_charge(struct message *m, _Atomic uint16_t *first, _Atomic uint16_t *second);
// False (and the message stays the caller's) when the ring is full.
bool channel_send_up(struct channel *ch, struct message *m);
// Wakes the control thread if it sleeps; once per loop, after the transmit burst.
void channel_notify_up(struct channel *ch);
unsigned channel_receive_down(struct channel *ch, struct message **out, unsigned max);

// ---- both: gives a received (or unsent) message back to its pool; wipes it if it is secret.
void channel_free(struct message *m);
