// SPDX-License-Identifier: BSD-3-Clause
// The table and the pool of connections, and how a connection begins, is announced and ends.
#include <string.h>

#include "tcp/internal.h"

static inline uint64_t rotate(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

// SipHash-1-3 of the four-tuple: a peer cannot choose ports that fall into one bucket.
static uint32_t tuple_hash(const struct tcp_stack *stack, uint32_t local_ip, uint16_t local_port,
                           uint32_t remote_ip, uint16_t remote_port)
{
    const uint64_t *k = stack->hash_key;
    uint64_t words[2] = {(uint64_t)remote_ip << 32 | local_ip,
                         UINT64_C(12) << 56 | (uint32_t)remote_port << 16 | local_port};
    uint64_t v[4] = {k[0] ^ UINT64_C(0x736f6d6570736575), k[1] ^ UINT64_C(0x646f72616e646f6d),
                     k[0] ^ UINT64_C(0x6c7967656e657261), k[1] ^ UINT64_C(0x7465646279746573)};
    for (unsigned i = 0; i < 2; i++) {
        v[3] ^= words[i];
        sip_round(v);
        v[0] ^= words[i];
    }
    v[2] ^= 0xff;
    for (unsigned i = 0; i < 3; i++)
        sip_round(v);
    return (uint32_t)(v[0] ^ v[1] ^ v[2] ^ v[3]);
}

uint32_t tcp_bucket(const struct tcp_stack *stack, uint32_t local_ip, uint16_t local_port,
                    uint32_t remote_ip, uint16_t remote_port)
{
    return tuple_hash(stack, local_ip, local_port, remote_ip, remote_port) & stack->table_mask;
}

struct tcp_conn *tcp_conn_find(struct tcp_stack *stack, uint32_t bucket, uint32_t local_ip,
                               uint16_t local_port, uint32_t remote_ip, uint16_t remote_port)
{
    struct tcp_conn *conn;
    LIST_FOREACH(conn, &stack->table[bucket], hash_link)
    {
        if (conn->remote_ip == remote_ip && conn->remote_port == remote_port &&
            conn->local_port == local_port && conn->local_ip == local_ip)
            return conn;
    }
    return NULL;
}

static struct tcp_conn *conn_take(struct tcp_stack *stack)
{
    struct tcp_conn *conn = LIST_FIRST(&stack->free);
    if (conn)
        LIST_REMOVE(conn, hash_link);
    else if (stack->conns_touched < stack->config.max_connections)
        conn = &stack->conns[stack->conns_touched++];
    return conn;
}

struct tcp_conn *tcp_conn_new(struct tcp_stack *stack, uint32_t local_ip, uint16_t local_port,
                              uint32_t remote_ip, uint16_t remote_port)
{
    struct tcp_conn *conn = conn_take(stack);
    if (!conn) {
        stack->counters->drop_tcp_limit++;
        return NULL;
    }
    stack->conns_count++;
    *conn = (struct tcp_conn){
        .stack = stack,
        .local_ip = local_ip,
        .remote_ip = remote_ip,
        .local_port = local_port,
        .remote_port = remote_port,
        .timer_at = TCP_NEVER,
        .retransmit_at = TCP_NEVER,
        .ack_at = TCP_NEVER,
        .close_at = TCP_NEVER,
        .last_sent_at = stack->now,
        .ts_offset = stack->env.random(stack->env.ctx),
        .iss = stack->env.random(stack->env.ctx),
    };
    uint32_t bucket = tcp_bucket(stack, local_ip, local_port, remote_ip, remote_port);
    LIST_INSERT_HEAD(&stack->table[bucket], conn, hash_link);
    return conn;
}

void tcp_conn_set_iss(struct tcp_conn *conn, uint32_t iss)
{
    conn->iss = conn->snd_una = iss;
    conn->snd_nxt = conn->write_seq = conn->recover = iss + 1;
    conn->rack_fack = iss;
}

void tcp_conn_release(struct tcp_conn *conn)
{
    struct tcp_stack *stack = conn->stack;
    LIST_INSERT_HEAD(&stack->free, conn, hash_link);
    stack->conns_count--;
}

void tcp_conn_event(struct tcp_conn *conn, unsigned bits)
{
    if (conn->closing && !(bits & TCP_EVENT_CLOSED))
        return;
    conn->events |= (uint8_t)bits;
    if (conn->in_events)
        return;
    conn->in_events = true;
    TAILQ_INSERT_TAIL(&conn->stack->events, conn, event_link);
}

// All but the event: no timer, no packet, not in the table.
static void conn_detach(struct tcp_conn *conn)
{
    struct tcp_stack *stack = conn->stack;

    conn->state = TCP_STATE_CLOSED;
    LIST_REMOVE(conn, hash_link);
    tcp_half_open_leave(conn);
    tcp_timer_stop(conn);
    if (conn->in_acks)
        TAILQ_REMOVE(&stack->acks, conn, ack_link);
    conn->in_acks = false;
    tcp_queue_free(conn);
    tcp_stream_discard(conn);
}

void tcp_conn_end(struct tcp_conn *conn, enum conn_close_reason reason)
{
    struct tcp_stack *stack = conn->stack;

    if (conn->state == TCP_STATE_CLOSED)
        return;
    if (conn->state >= TCP_STATE_ESTABLISHED)
        stack->counters->tcp_closed++;
    conn_detach(conn);
    if (conn->announced) {
        conn->close_reason = (uint8_t)reason;
        conn->events = 0;
        tcp_conn_event(conn, TCP_EVENT_CLOSED);
        return;
    }
    if (conn->in_events)
        TAILQ_REMOVE(&stack->events, conn, event_link);
    conn->in_events = false;
    tcp_conn_release(conn);
}

void tcp_conn_end_reset(struct tcp_conn *conn, enum conn_close_reason reason)
{
    tcp_send_reset(conn);
    tcp_conn_end(conn, reason);
}

void tcp_conn_established(struct tcp_conn *conn)
{
    struct counters *counters = conn->stack->counters;

    conn->state = TCP_STATE_ESTABLISHED;
    conn->retries = conn->backoff = 0;
    conn->timer_mode = TCP_TIMER_OFF;
    conn->retransmit_at = TCP_NEVER;
    tcp_timer_set(conn);
    tcp_half_open_leave(conn);
    tcp_congestion_start(conn);
    if (conn->passive) {
        counters->tcp_accepted++;
        tcp_conn_event(conn, TCP_EVENT_ACCEPTED);
    } else {
        counters->tcp_connected++;
        tcp_conn_event(conn, TCP_EVENT_CONNECTED);
    }
}

void tcp_conn_set_mss(struct tcp_conn *conn)
{
    uint16_t options = conn->timestamps ? TCP_TIMESTAMP_LEN : 0;
    uint16_t mss = RTE_MIN(conn->stack->mss, RTE_MAX(conn->peer_mss, TCP_MSS_MIN));
    conn->mss = (uint16_t)(mss - options);
    conn->data_header = (uint16_t)(TCP_IP_HEADER_LEN + TCP_HEADER_LEN + options);
}

void tcp_conn_take_options(struct tcp_conn *conn, const struct tcp_header *header)
{
    conn->irs = header->seq;
    conn->rcv_nxt = conn->rcv_edge = conn->last_ack_sent = header->seq + 1;
    conn->peer_mss = header->mss ? header->mss : TCP_MSS_DEFAULT;
    conn->timestamps = header->has_timestamp;
    conn->sack = header->sack_permitted;
    conn->scaling = header->has_window_shift;
    conn->snd_shift = header->has_window_shift ? header->window_shift : 0;
    conn->rcv_shift = header->has_window_shift ? conn->stack->rcv_shift : 0;
    if (header->has_timestamp) {
        conn->ts_recent = header->timestamp;
        conn->ts_recent_s = (uint32_t)(conn->stack->now / TCP_SECOND);
    }
    tcp_conn_set_mss(conn);
    // The window of a SYN is not scaled (RFC 7323, 2.2).
    conn->snd_wnd = conn->snd_wnd_max = header->window;
    conn->snd_wl1 = header->seq;
    conn->snd_wl2 = conn->snd_una;
}

void tcp_set_user(struct tcp_conn *conn, void *user)
{
    conn->user = user;
}

void *tcp_user(const struct tcp_conn *conn)
{
    return conn->user;
}

struct address tcp_local(const struct tcp_conn *conn)
{
    return address_ipv4(conn->local_ip, conn->local_port);
}

struct address tcp_remote(const struct tcp_conn *conn)
{
    return address_ipv4(conn->remote_ip, conn->remote_port);
}
