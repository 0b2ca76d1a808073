// SPDX-License-Identifier: BSD-3-Clause
// The send queue: what the writer has queued and the peer has not acknowledged. One packet is one
// segment, with room for its headers in front.
#include <string.h>

#include <rte_prefetch.h>

#include "tcp/internal.h"

static void segment_init(struct tcp_conn *conn, struct rte_mbuf *m)
{
    *segment_of(conn->stack, m) = (struct tcp_segment){
        .offset = (uint16_t)(m->data_off + conn->data_header),
    };
}

static void queue_append(struct tcp_conn *conn, struct rte_mbuf *m)
{
    struct tcp_segment *s = segment_of(conn->stack, m);
    s->seq = conn->write_seq;
    s->next = NULL;
    if (conn->send_tail)
        segment_of(conn->stack, conn->send_tail)->next = m;
    else
        conn->send_head = m;
    conn->send_tail = m;
    if (!conn->send_next)
        conn->send_next = m;
    conn->send_count++;
}

static struct rte_mbuf *segment_new(struct tcp_conn *conn)
{
    struct rte_mbuf *m = tcp_packet_new(conn->stack);
    if (!m)
        return NULL;
    segment_init(conn, m);
    conn->stack->tx_held++;
    return m;
}

static void segment_free(struct tcp_conn *conn, struct rte_mbuf *m)
{
    conn->stack->tx_held--;
    rte_pktmbuf_free_seg(m);
}

// The writer will be told when it is worth another try.
static void starved(struct tcp_conn *conn)
{
    conn->starved = true;
    conn->writer_waits = true;
    conn->writable_seen = 0;
    tcp_arm_retransmit(conn, false);
}

// It will be filled when the one before it is full, and no cache holds it.
static void prefetch_room(const struct tcp_conn *conn, const struct rte_mbuf *m)
{
    const char *at = (const char *)m->buf_addr + m->data_off;
    const char *end = at + conn->data_header + conn->mss;
    for (; at < end; at += RTE_CACHE_LINE_SIZE)
        __builtin_prefetch(at, 1);
}

static bool spare_add(struct tcp_conn *conn)
{
    struct tcp_stack *stack = conn->stack;
    struct rte_mbuf *m = stack->tx_held < stack->tx_held_max ? segment_new(conn) : NULL;
    if (!m) {
        starved(conn);
        return false;
    }
    segment_of(stack, m)->next = conn->spare;
    conn->spare = m;
    return true;
}

void tcp_queue_trim(struct tcp_conn *conn)
{
    while (conn->spare) {
        struct rte_mbuf *m = conn->spare;
        conn->spare = segment_of(conn->stack, m)->next;
        segment_free(conn, m);
    }
}

static bool writer_open(const struct tcp_conn *conn)
{
    return (conn->state == TCP_STATE_ESTABLISHED || conn->state == TCP_STATE_CLOSE_WAIT) &&
           !conn->closing;
}

static size_t buffer_room(const struct tcp_conn *conn)
{
    uint32_t queued = conn->write_seq - conn->snd_una;
    uint32_t most = conn->stack->config.send_buffer_bytes;
    if (!writer_open(conn) || conn->send_count >= TCP_SEND_SEGMENTS_MAX)
        return 0;
    return queued < most ? most - queued : 0;
}

// Room in the last segment, if it has not been sent.
static uint16_t tail_room(const struct tcp_conn *conn)
{
    if (!conn->send_next)
        return 0;
    uint16_t length = segment_of(conn->stack, conn->send_tail)->length;
    return length < conn->mss ? (uint16_t)(conn->mss - length) : 0;
}

static size_t writable_now(const struct tcp_conn *conn)
{
    int64_t window = (int32_t)(conn->snd_una + conn->snd_wnd - conn->write_seq);
    uint32_t waiting = conn->write_seq - conn->snd_nxt + conn->lost;
    int64_t congestion = (int64_t)conn->cc.window - tcp_in_flight(conn) - waiting;
    int64_t room = RTE_MIN(RTE_MIN(window, congestion), (int64_t)buffer_room(conn));
    return room > 0 ? (size_t)room : 0;
}

size_t tcp_writable(struct tcp_conn *conn)
{
    size_t room = writable_now(conn);
    conn->writer_waits = true;
    conn->writable_seen = (uint32_t)room;
    if (room < conn->mss && conn->timer_mode == TCP_TIMER_OFF && writer_open(conn))
        tcp_arm_retransmit(conn, false);
    return room;
}

void tcp_queue_announce(struct tcp_conn *conn)
{
    if (!conn->writer_waits || writable_now(conn) <= conn->writable_seen)
        return;
    conn->writer_waits = false;
    tcp_conn_event(conn, TCP_EVENT_WRITABLE);
}

uint8_t *tcp_write_span(struct tcp_conn *conn, size_t *length)
{
    size_t room = RTE_MIN(*length, buffer_room(conn));
    uint16_t in_tail = tail_room(conn);

    *length = 0;
    if (room == 0 || (!in_tail && !conn->spare && !spare_add(conn)))
        return NULL;
    struct rte_mbuf *m = in_tail ? conn->send_tail : conn->spare;
    const struct tcp_segment *s = segment_of(conn->stack, m);
    struct rte_mbuf *following = in_tail ? conn->spare : s->next;
    if (following)
        prefetch_room(conn, following);
    *length = RTE_MIN(room, (size_t)(in_tail ? in_tail : conn->mss));
    return (uint8_t *)m->buf_addr + s->offset + s->length;
}

void tcp_write_commit(struct tcp_conn *conn, size_t length)
{
    if (length == 0 || !writer_open(conn))
        return;
    if (!tail_room(conn)) {
        struct rte_mbuf *m = conn->spare;
        if (!m)
            return;
        conn->spare = segment_of(conn->stack, m)->next;
        queue_append(conn, m);
    }
    length = RTE_MIN(length, (size_t)tail_room(conn));
    struct tcp_segment *s = segment_of(conn->stack, conn->send_tail);
    s->length = (uint16_t)(s->length + length);
    conn->write_seq += (uint32_t)length;
}

bool tcp_write_reserve(struct tcp_conn *conn, size_t length)
{
    if (length > buffer_room(conn)) {
        tcp_writable(conn); // and say when there is more
        return false;
    }
    size_t room = tail_room(conn);
    for (struct rte_mbuf *m = conn->spare; m; m = segment_of(conn->stack, m)->next)
        room += conn->mss;
    for (; room < length; room += conn->mss) {
        if (!spare_add(conn)) {
            tcp_queue_trim(conn);
            return false;
        }
    }
    return true;
}

size_t tcp_write(struct tcp_conn *conn, const void *bytes, size_t length)
{
    size_t done = 0;
    while (done < length) {
        size_t room = length - done;
        uint8_t *span = tcp_write_span(conn, &room);
        if (!span)
            break;
        memcpy(span, (const uint8_t *)bytes + done, room);
        tcp_write_commit(conn, room);
        done += room;
    }
    return done;
}

void tcp_push(struct tcp_conn *conn)
{
    conn->stack->now = conn->stack->env.now_us(conn->stack->env.ctx);
    tcp_queue_trim(conn);
    tcp_output(conn);
}

bool tcp_queue_fin(struct tcp_conn *conn)
{
    struct rte_mbuf *m = conn->send_tail;

    if (!conn->send_next) {
        m = segment_new(conn);
        if (!m) {
            conn->fin_pending = conn->no_memory = true;
            return false;
        }
        queue_append(conn, m);
    }
    segment_of(conn->stack, m)->flags |= TCP_SEGMENT_FIN;
    conn->fin_pending = false;
    conn->fin_queued = true;
    return true;
}

bool tcp_queue_split(struct tcp_conn *conn, struct rte_mbuf *m, uint16_t length)
{
    struct rte_mbuf *rest = segment_new(conn);
    if (!rest)
        return false;
    struct tcp_segment *s = segment_of(conn->stack, m);
    struct tcp_segment *r = segment_of(conn->stack, rest);
    r->seq = s->seq + length;
    r->length = (uint16_t)(s->length - length);
    r->sent_us = s->sent_us;
    r->flags = s->flags;
    r->next = s->next;
    memcpy((uint8_t *)rest->buf_addr + r->offset, (const uint8_t *)m->buf_addr + s->offset + length,
           r->length);
    s->length = length;
    s->flags &= (uint8_t)~TCP_SEGMENT_FIN;
    s->next = rest;
    if (conn->send_tail == m)
        conn->send_tail = rest;
    conn->send_count++;
    return true;
}

static void uncount(struct tcp_conn *conn, const struct tcp_segment *s, uint32_t bytes)
{
    if (s->flags & TCP_SEGMENT_SACKED)
        conn->sacked -= bytes;
    else if (s->flags & TCP_SEGMENT_LOST)
        conn->lost -= bytes;
    else
        conn->in_flight -= bytes;
}

static void queue_drop_head(struct tcp_conn *conn)
{
    struct rte_mbuf *m = conn->send_head;
    conn->send_head = segment_of(conn->stack, m)->next;
    if (!conn->send_head)
        conn->send_tail = NULL;
    if (conn->lost_next == m)
        conn->lost_next = conn->send_head;
    conn->send_count--;
    segment_free(conn, m);
}

void tcp_queue_acked(struct tcp_conn *conn, uint32_t ack, struct tcp_delivery *delivery)
{
    while (conn->send_head && conn->send_head != conn->send_next) {
        struct tcp_segment *s = segment_of(conn->stack, conn->send_head);
        uint32_t span = segment_span(s);
        if (s->next) { // sent long ago: no cache holds it
            rte_prefetch0(s->next);
            rte_prefetch0(segment_of(conn->stack, s->next));
        }
        if (seq_lt(ack, s->seq + span)) {
            if (seq_lt(s->seq, ack)) { // in the middle of it
                uint16_t part = (uint16_t)(ack - s->seq);
                uncount(conn, s, part);
                s->seq = ack;
                s->offset = (uint16_t)(s->offset + part);
                s->length = (uint16_t)(s->length - part);
                delivery->bytes += part;
            }
            break;
        }
        if (!(s->flags & TCP_SEGMENT_SACKED))
            tcp_recovery_delivered(conn, s, delivery);
        uncount(conn, s, span);
        queue_drop_head(conn);
    }
    conn->snd_una = ack;
}

void tcp_queue_free(struct tcp_conn *conn)
{
    tcp_queue_trim(conn);
    while (conn->send_head)
        queue_drop_head(conn);
    conn->send_next = conn->lost_next = NULL;
    conn->in_flight = conn->sacked = conn->lost = 0;
}
