// SPDX-License-Identifier: BSD-3-Clause
// Rings, message pools and wake-ups between the control thread and the workers.
#include "base/channel.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_mempool.h>
#include <rte_ring.h>

// Every object begins with its pool, so that whoever receives it can give it back.
struct pooled_message {
    struct rte_mempool *pool;
    _Atomic uint16_t *accounts[2]; // that it counts in, or NULL
    struct message message;
};

static struct rte_mempool *make_pool(const char *kind, unsigned worker, unsigned messages)
{
    char name[RTE_MEMPOOL_NAMESIZE];
    snprintf(name, sizeof(name), "msg_%s_%u", kind, worker);
    return rte_mempool_create(name, messages,
                              offsetof(struct pooled_message, message) + MESSAGE_SIZE, 0, 0, NULL,
                              NULL, NULL, NULL, SOCKET_ID_ANY, 0);
}

static struct rte_ring *make_ring(const char *kind, unsigned worker, unsigned size)
{
    char name[RTE_RING_NAMESIZE];
    snprintf(name, sizeof(name), "%s_%u", kind, worker);
    return rte_ring_create(name, size, SOCKET_ID_ANY,
                           RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
}

int channel_open(struct channel *ch, unsigned worker, const struct channel *first,
                 unsigned messages)
{
    *ch = (struct channel){.worker = worker, .down_fd = -1, .up_fd = -1};
    ch->up_reserve = messages / 8;
    ch->down_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ch->up_fd = first ? first->up_fd : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ch->control_sleeps = first ? first->control_sleeps : calloc(1, sizeof(*ch->control_sleeps));
    ch->down_pool = first ? first->down_pool : make_pool("down", worker, messages);
    ch->up_pool = make_pool("up", worker, messages);
    ch->down = make_ring("down", worker, messages);
    ch->up = make_ring("up", worker, messages);
    if (ch->down_fd >= 0 && ch->up_fd >= 0 && ch->control_sleeps && ch->down_pool && ch->up_pool &&
        ch->down && ch->up)
        return 0;
    channel_close(ch, first == NULL);
    return -ENOMEM;
}

void channel_close(struct channel *ch, bool first)
{
    rte_ring_free(ch->down);
    rte_ring_free(ch->up);
    rte_mempool_free(ch->up_pool);
    if (ch->down_fd >= 0)
        close(ch->down_fd);
    if (first) {
        rte_mempool_free(ch->down_pool);
        free(ch->control_sleeps);
        if (ch->up_fd >= 0)
            close(ch->up_fd);
    }
}

static struct message *take(struct channel *ch, struct rte_mempool *pool, enum message_type type)
{
    void *object;
    if (rte_mempool_get(pool, &object) != 0)
        return NULL;
    struct pooled_message *p = object;
    p->pool = pool;
    p->accounts[0] = p->accounts[1] = NULL;
    p->message = (struct message){.type = (uint8_t)type, .worker = (uint8_t)ch->worker};
    return &p->message;
}

static struct pooled_message *pooled(struct message *m)
{
    return (struct pooled_message *)((char *)m - offsetof(struct pooled_message, message));
}

void channel_charge(struct message *m, _Atomic uint16_t *first, _Atomic uint16_t *second)
{
    struct pooled_message *p = pooled(m);
    p->accounts[0] = first;
    p->accounts[1] = second;
    for (unsigned i = 0; i < 2; i++)
        if (p->accounts[i])
            atomic_fetch_add_explicit(p->accounts[i], 1, memory_order_relaxed);
}

void channel_free(struct message *m)
{
    struct pooled_message *p = pooled(m);
    for (unsigned i = 0; i < 2; i++)
        if (p->accounts[i])
            atomic_fetch_sub_explicit(p->accounts[i], 1, memory_order_release);
    if (m->secret)
        explicit_bzero(m, sizeof(*m) + m->length);
    rte_mempool_put(p->pool, p);
}

static void wake(_Atomic int *sleeps, int fd)
{
    if (atomic_load_explicit(sleeps, memory_order_relaxed) && atomic_exchange(sleeps, 0)) {
        uint64_t one = 1;
        ssize_t ignored = write(fd, &one, sizeof(one)); // fails only when it is readable already
        (void)ignored;
    }
}

struct message *channel_message_down(struct channel *ch, enum message_type type)
{
    struct message *m;
    while (!(m = take(ch, ch->down_pool, type))) {
        wake(&ch->worker_sleeps, ch->down_fd);
        sched_yield();
    }
    return m;
}

void channel_send_down(struct channel *ch, struct message *m)
{
    while (rte_ring_enqueue(ch->down, m) != 0) {
        wake(&ch->worker_sleeps, ch->down_fd);
        sched_yield();
    }
    channel_wake_worker(ch);
}

void channel_wake_worker(struct channel *ch)
{
    // Orders the enqueue before the look at the flag; the sleeper sets its flag, then looks again
    // at the ring.
    atomic_thread_fence(memory_order_seq_cst);
    wake(&ch->worker_sleeps, ch->down_fd);
}

unsigned channel_receive_up(struct channel *ch, struct message **out, unsigned max)
{
    return rte_ring_dequeue_burst(ch->up, (void **)out, max, NULL);
}

unsigned channel_room_up(const struct channel *ch)
{
    unsigned available = rte_mempool_avail_count(ch->up_pool);
    return available > ch->up_reserve ? available - ch->up_reserve : 0;
}

struct message *channel_message_up(struct channel *ch, enum message_type type)
{
    bool may_use_reserve = type == MSG_CONN_CLOSED || type == MSG_CIRCUIT_CLOSED;
    if (!may_use_reserve && channel_room_up(ch) == 0)
        return NULL;
    return take(ch, ch->up_pool, type);
}

bool channel_send_up(struct channel *ch, struct message *m)
{
    if (rte_ring_enqueue(ch->up, m) != 0)
        return false;
    ch->up_notify = true;
    return true;
}

void channel_notify_up(struct channel *ch)
{
    if (!ch->up_notify)
        return;
    ch->up_notify = false;
    atomic_thread_fence(memory_order_seq_cst);
    wake(ch->control_sleeps, ch->up_fd);
}

unsigned channel_receive_down(struct channel *ch, struct message **out, unsigned max)
{
    return rte_ring_dequeue_burst(ch->down, (void **)out, max, NULL);
}
