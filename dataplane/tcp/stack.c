// SPDX-License-Identifier: BSD-3-Clause
// A worker's stack: making and ending it, batches of input, timers, events.
#include <errno.h>
#include <stdlib.h>

#include "tcp/internal.h"

static int register_field(void)
{
    const struct rte_mbuf_dynfield field = {
        .name = "ramson_tcp_segment",
        .size = RTE_MAX(sizeof(struct tcp_segment), sizeof(struct tcp_run)),
        .align = 8,
    };
    return rte_mbuf_dynfield_register(&field);
}

// The smallest shift with which the whole window can be told (RFC 7323, 2.3).
static uint8_t window_shift(uint32_t window)
{
    uint8_t shift = 0;
    while (shift < 14 && window >> shift > UINT16_MAX)
        shift++;
    return shift;
}

static int stack_allocate(struct tcp_stack *stack)
{
    uint32_t buckets = 64;
    while (buckets < stack->config.max_connections && buckets < UINT32_C(1) << 24)
        buckets *= 2;
    stack->table_mask = buckets - 1;
    // calloc maps these and touches nothing: memory comes with use.
    stack->table = calloc(buckets, sizeof(*stack->table));
    stack->conns = calloc(stack->config.max_connections, sizeof(*stack->conns));
    if (!stack->table || !stack->conns || tcp_time_wait_create(stack) < 0)
        return -ENOMEM;
    return 0;
}

static uint16_t stack_mss(const struct tcp_config *config)
{
    unsigned room = rte_pktmbuf_data_room_size(config->packets);
    room = room > RTE_PKTMBUF_HEADROOM ? room - RTE_PKTMBUF_HEADROOM : 0;
    unsigned packet = RTE_MIN(room, (unsigned)config->mtu);
    unsigned headers = TCP_IP_HEADER_LEN + TCP_HEADER_LEN;
    return packet > headers + TCP_MSS_MIN ? (uint16_t)(packet - headers) : 0;
}

struct tcp_stack *tcp_stack_create(const struct tcp_config *config)
{
    struct tcp_stack *stack = calloc(1, sizeof(*stack));
    if (!stack)
        return NULL;
    stack->config = *config;
    stack->env = config->env;
    stack->counters = config->counters;
    stack->field = register_field();
    stack->mss = stack_mss(config);
    stack->rcv_shift = window_shift(config->receive_window_bytes);
    uint32_t packets = config->max_packets ? config->max_packets : config->packets->size;
    stack->rx_held_max = packets / 2;
    stack->tx_held_max = packets / 8 * 3;
    stack->half_open_max = RTE_MAX(1u, RTE_MIN(config->max_connections / 2, TCP_HALF_OPEN_MAX));
    if (stack->field < 0 || stack->mss == 0 || config->max_connections == 0 ||
        stack_allocate(stack) < 0) {
        tcp_stack_destroy(stack);
        return NULL;
    }
    for (unsigned i = 0; i < 4; i++)
        stack->hash_key[i / 2] = stack->hash_key[i / 2] << 32 | stack->env.random(stack->env.ctx);
    LIST_INIT(&stack->free);
    TAILQ_INIT(&stack->events);
    TAILQ_INIT(&stack->acks);
    TAILQ_INIT(&stack->half_open);
    stack->now = stack->env.now_us(stack->env.ctx);
    tcp_wheel_create(&stack->wheel, stack->now);
    return stack;
}

void tcp_stack_destroy(struct tcp_stack *stack)
{
    if (!stack)
        return;
    for (uint32_t i = 0; i < stack->conns_touched; i++) {
        tcp_queue_free(&stack->conns[i]);
        tcp_stream_discard(&stack->conns[i]);
    }
    tcp_time_wait_destroy(stack);
    free(stack->table);
    free(stack->conns);
    free(stack);
}

void tcp_input(struct tcp_stack *stack, struct rte_mbuf **packets, unsigned n)
{
    stack->now = stack->env.now_us(stack->env.ctx);
    for (unsigned i = 0; i < n; i += TCP_INPUT_BURST)
        tcp_input_burst(stack, packets + i, RTE_MIN(n - i, (unsigned)TCP_INPUT_BURST));
}

static uint32_t gathers_for_us(const struct tcp_conn *conn)
{
    int32_t left = (int32_t)(conn->gather_until - (uint32_t)conn->stack->now);
    bool waits = conn->ack_now && conn->ack_gathers && left > 0;
    return waits && conn->segments_unacked < TCP_ACK_SEGMENTS_MAX ? (uint32_t)left : 0;
}

static void send_acks(struct tcp_stack *stack, bool all)
{
    struct tcp_conn *next;

    for (struct tcp_conn *conn = TAILQ_FIRST(&stack->acks); conn; conn = next) {
        next = TAILQ_NEXT(conn, ack_link);
        if (!all && gathers_for_us(conn) > 0)
            continue;
        TAILQ_REMOVE(&stack->acks, conn, ack_link);
        conn->in_acks = false;
        if (conn->ack_now) // else it went with data
            tcp_send_ack(conn);
    }
}

void tcp_flush_acks(struct tcp_stack *stack)
{
    send_acks(stack, true);
}

void tcp_advance(struct tcp_stack *stack)
{
    stack->now = stack->env.now_us(stack->env.ctx);
    tcp_wheel_run(stack);
    tcp_time_wait_expire(stack);
    send_acks(stack, false);
}

uint64_t tcp_next_timer_us(const struct tcp_stack *stack)
{
    uint64_t next = tcp_wheel_next(&stack->wheel);
    const struct tcp_conn *conn = TAILQ_FIRST(&stack->acks); // the first one is the first to be due
    if (!TAILQ_EMPTY(&stack->events))
        return stack->now;
    return conn ? RTE_MIN(next, stack->now + gathers_for_us(conn)) : next;
}

bool tcp_next_event(struct tcp_stack *stack, struct tcp_event *event)
{
    struct tcp_conn *conn;

    do { // tcp_close takes back what it finds, so that nothing may be left to tell
        conn = TAILQ_FIRST(&stack->events);
        if (!conn)
            return false;
        TAILQ_REMOVE(&stack->events, conn, event_link);
        conn->in_events = false;
    } while (!conn->events);
    conn->announced = true;
    *event = (struct tcp_event){
        .conn = conn,
        .user = conn->user,
        .events = conn->events,
        .reason = (enum conn_close_reason)conn->close_reason,
    };
    conn->events = 0;
    if (event->events & TCP_EVENT_CLOSED)
        tcp_conn_release(conn);
    return true;
}
