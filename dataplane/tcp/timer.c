// SPDX-License-Identifier: BSD-3-Clause
// A hierarchical timing wheel of connections: four levels of 64 slots, ticks of 1024 µs.
//
// A connection is in one slot at most, at the earliest of its deadlines or before: a deadline that
// moves away does not move the connection; the wheel finds out when it gets there.
#include "tcp/internal.h"

#define TICK_SHIFT 10
#define SLOT_MASK ((uint64_t)TCP_WHEEL_SLOTS - 1)
#define WHEEL_SPAN (UINT64_C(1) << TCP_WHEEL_BITS * TCP_WHEEL_LEVELS)

void tcp_wheel_create(struct tcp_wheel *wheel, uint64_t now)
{
    wheel->tick = now >> TICK_SHIFT;
    for (unsigned level = 0; level < TCP_WHEEL_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (unsigned slot = 0; slot < TCP_WHEEL_SLOTS; slot++)
            LIST_INIT(&wheel->slots[level][slot]);
    }
}

static unsigned slot_at(uint64_t tick, unsigned level)
{
    return (unsigned)(tick >> TCP_WHEEL_BITS * level & SLOT_MASK);
}

static void wheel_insert(struct tcp_wheel *wheel, struct tcp_conn *conn)
{
    uint64_t tick = (conn->timer_at + (1 << TICK_SHIFT) - 1) >> TICK_SHIFT;
    tick = RTE_MIN(RTE_MAX(tick, wheel->tick), wheel->tick + WHEEL_SPAN - 1);
    unsigned level = 0;
    while ((tick - wheel->tick) >> TCP_WHEEL_BITS * (level + 1))
        level++;
    unsigned slot = slot_at(tick, level);
    LIST_INSERT_HEAD(&wheel->slots[level][slot], conn, timer_link);
    wheel->occupied[level] |= UINT64_C(1) << slot;
    conn->timer_slot = (uint8_t)(level << TCP_WHEEL_BITS | slot);
    conn->in_timer = true;
}

void tcp_timer_stop(struct tcp_conn *conn)
{
    struct tcp_wheel *wheel = &conn->stack->wheel;
    unsigned level = conn->timer_slot >> TCP_WHEEL_BITS;
    unsigned slot = conn->timer_slot & SLOT_MASK;

    if (!conn->in_timer)
        return;
    LIST_REMOVE(conn, timer_link);
    conn->in_timer = false;
    if (LIST_EMPTY(&wheel->slots[level][slot]))
        wheel->occupied[level] &= ~(UINT64_C(1) << slot);
}

void tcp_timer_set(struct tcp_conn *conn)
{
    uint64_t at = RTE_MIN(RTE_MIN(conn->retransmit_at, conn->ack_at), conn->close_at);
    if (at == TCP_NEVER) {
        tcp_timer_stop(conn);
        return;
    }
    if (conn->in_timer && conn->timer_at <= at)
        return;
    tcp_timer_stop(conn);
    conn->timer_at = at;
    wheel_insert(&conn->stack->wheel, conn);
}

// Moves a slot's connections to `out`, so that what is inserted meanwhile does not mix with them.
static void wheel_take(struct tcp_wheel *wheel, unsigned level, unsigned slot,
                       struct tcp_conn_list *out)
{
    struct tcp_conn_list *list = &wheel->slots[level][slot];
    *out = *list;
    LIST_INIT(list);
    if (out->lh_first)
        out->lh_first->timer_link.le_prev = &out->lh_first;
    wheel->occupied[level] &= ~(UINT64_C(1) << slot);
}

static void wheel_cascade(struct tcp_wheel *wheel, unsigned level)
{
    struct tcp_conn_list list;
    struct tcp_conn *conn;

    wheel_take(wheel, level, slot_at(wheel->tick, level), &list);
    while ((conn = LIST_FIRST(&list))) {
        LIST_REMOVE(conn, timer_link);
        wheel_insert(wheel, conn);
    }
}

static void wheel_tick(struct tcp_stack *stack)
{
    struct tcp_wheel *wheel = &stack->wheel;
    struct tcp_conn_list list;
    struct tcp_conn *conn;

    for (unsigned level = TCP_WHEEL_LEVELS - 1; level > 0; level--)
        if (!(wheel->tick & ((UINT64_C(1) << TCP_WHEEL_BITS * level) - 1)))
            wheel_cascade(wheel, level);
    wheel_take(wheel, 0, slot_at(wheel->tick, 0), &list);
    wheel->tick++;
    while ((conn = LIST_FIRST(&list))) {
        tcp_timer_stop(conn);
        tcp_timeout(conn);
    }
}

// The first tick, from `wheel->tick` on, at which a slot is not empty.
static uint64_t wheel_next_tick(const struct tcp_wheel *wheel)
{
    uint64_t next = UINT64_MAX;
    for (unsigned level = 0; level < TCP_WHEEL_LEVELS; level++) {
        if (!wheel->occupied[level])
            continue;
        unsigned shift = TCP_WHEEL_BITS * level;
        // The slot we are in the middle of was cascaded at its beginning.
        uint64_t from = (wheel->tick + (UINT64_C(1) << shift) - 1) >> shift;
        unsigned turn = (unsigned)(from & SLOT_MASK);
        uint64_t bits = wheel->occupied[level] >> turn;
        if (turn)
            bits |= wheel->occupied[level] << (TCP_WHEEL_SLOTS - turn);
        uint64_t tick = (from + (unsigned)__builtin_ctzll(bits)) << shift;
        next = RTE_MIN(next, tick);
    }
    return next;
}

uint64_t tcp_wheel_next(const struct tcp_wheel *wheel)
{
    uint64_t tick = wheel_next_tick(wheel);
    return tick == UINT64_MAX ? TCP_NEVER : tick << TICK_SHIFT;
}

void tcp_wheel_run(struct tcp_stack *stack)
{
    struct tcp_wheel *wheel = &stack->wheel;
    uint64_t now = stack->now >> TICK_SHIFT;

    while (wheel->tick <= now) {
        uint64_t next = wheel_next_tick(wheel);
        if (next > now) {
            wheel->tick = now + 1;
            return;
        }
        wheel->tick = next;
        wheel_tick(stack);
    }
}
