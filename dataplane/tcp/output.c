// SPDX-License-Identifier: BSD-3-Clause
// Which queued segment goes next, and when to look again.
#include <rte_memcpy.h>

#include "tcp/internal.h"

// What the network holds, as far as we can tell.
uint32_t tcp_in_flight(const struct tcp_conn *conn)
{
    return conn->in_flight - RTE_MIN(conn->in_flight, conn->reno_sacked);
}

// A fresh packet, for a segment whose own is still in the driver's hands.
static struct rte_mbuf *segment_copy(struct tcp_conn *conn, struct rte_mbuf *m)
{
    const struct tcp_segment *s = segment_of(conn->stack, m);
    struct rte_mbuf *copy = tcp_packet_new(conn->stack);
    if (!copy)
        return NULL;
    copy->data_len = (uint16_t)(conn->data_header + s->length);
    rte_memcpy(rte_pktmbuf_mtod_offset(copy, uint8_t *, conn->data_header),
               (const uint8_t *)m->buf_addr + s->offset, s->length);
    return copy;
}

bool tcp_send_segment(struct tcp_conn *conn, struct rte_mbuf *m)
{
    struct tcp_stack *stack = conn->stack;
    const struct tcp_segment *s = segment_of(stack, m);
    struct tcp_outgoing header;
    struct rte_mbuf *out = m;
    uint8_t flags = TCP_ACK;

    if (rte_mbuf_refcnt_read(m) > 1) {
        out = segment_copy(conn, m);
        if (!out) {
            conn->no_memory = true;
            return false;
        }
    } else {
        rte_mbuf_refcnt_update(m, 1);
        m->data_off = (uint16_t)(s->offset - conn->data_header);
        m->data_len = (uint16_t)(conn->data_header + s->length);
    }
    if (s->flags & TCP_SEGMENT_FIN)
        flags |= TCP_FIN;
    if (!s->next)
        flags |= TCP_PSH;
    tcp_fill_header(conn, &header, flags, s->seq);
    tcp_header_write(rte_pktmbuf_mtod(out, uint8_t *), &header, s->length);
    out->pkt_len = out->data_len;
    out->nb_segs = 1;
    out->next = NULL;
    out->ol_flags = 0;
    out->tx_offload = 0;
    out->l3_len = TCP_IP_HEADER_LEN;
    out->l4_len = (uint8_t)(conn->data_header - TCP_IP_HEADER_LEN);
    tcp_ack_sent(conn);
    conn->last_sent_at = stack->now;
    stack->env.transmit(stack->env.ctx, out);
    return true;
}

bool tcp_send_lost_first(struct tcp_conn *conn)
{
    struct tcp_stack *stack = conn->stack;
    struct rte_mbuf *m = conn->lost_next;
    struct tcp_segment *s = segment_of(stack, m);

    if (!tcp_send_segment(conn, m))
        return false;
    uint32_t span = segment_span(s);
    s->flags = (uint8_t)((s->flags & ~TCP_SEGMENT_LOST) | TCP_SEGMENT_AGAIN);
    s->sent_us = (uint32_t)stack->now;
    conn->lost -= span;
    conn->in_flight += span;
    conn->cc.sent += span;
    conn->lost_next = s->next;
    stack->counters->tcp_retransmits++;
    return true;
}

// Finds the next segment to be sent again, as far as the windows let it go.
static bool send_lost(struct tcp_conn *conn)
{
    struct tcp_stack *stack = conn->stack;
    if (conn->lost == 0)
        return false;
    while (!(segment_of(stack, conn->lost_next)->flags & TCP_SEGMENT_LOST))
        conn->lost_next = segment_of(stack, conn->lost_next)->next;

    const struct tcp_segment *s = segment_of(stack, conn->lost_next);
    uint32_t span = segment_span(s);
    uint32_t flight = tcp_in_flight(conn);
    if (flight && flight + span > conn->cc.window)
        return false;
    // The window may have shrunk meanwhile; the first segment goes nevertheless.
    if (s->seq != conn->snd_una && seq_lt(conn->snd_una + conn->snd_wnd, s->seq + s->length))
        return false;
    return tcp_send_lost_first(conn);
}

bool tcp_send_new_first(struct tcp_conn *conn, uint32_t room)
{
    struct tcp_stack *stack = conn->stack;
    struct rte_mbuf *m = conn->send_next;
    struct tcp_segment *s = segment_of(stack, m);

    if (s->length > room && !tcp_queue_split(conn, m, (uint16_t)room)) {
        conn->no_memory = true;
        return false;
    }
    if (!tcp_send_segment(conn, m))
        return false;
    uint32_t span = segment_span(s);
    s->sent_us = (uint32_t)stack->now;
    conn->snd_nxt += span;
    conn->in_flight += span;
    conn->cc.sent += span;
    conn->send_next = s->next;
    return true;
}

// How many bytes of the segment `s` may go now; 0: none. Sending less than a segment is worth it
// only for half of the largest window seen (RFC 9293, 3.8.6.2.1), or when the persist timer says
// so.
static uint32_t new_room(const struct tcp_conn *conn, const struct tcp_segment *s)
{
    int32_t window = (int32_t)(conn->snd_una + conn->snd_wnd - s->seq);
    uint32_t most = RTE_MIN((uint32_t)s->length, (uint32_t)conn->mss);

    if (window >= (int32_t)most)
        return most;
    if (window > 0 && (uint32_t)window >= RTE_MIN(conn->snd_wnd_max / 2, (uint32_t)conn->mss))
        return (uint32_t)window;
    return 0;
}

static bool send_new(struct tcp_conn *conn)
{
    if (!conn->send_next)
        return false;
    const struct tcp_segment *s = segment_of(conn->stack, conn->send_next);
    uint32_t room = new_room(conn, s);
    uint32_t flight = tcp_in_flight(conn);
    if (room == 0 && s->length)
        return false;
    if (flight && flight + room > conn->cc.window)
        return false;
    return tcp_send_new_first(conn, room);
}

void tcp_output(struct tcp_conn *conn)
{
    if (!tcp_sends_data(conn))
        return;
    conn->no_memory = false;
    if (conn->fin_pending)
        tcp_queue_fin(conn);
    if (conn->snd_una == conn->snd_nxt && conn->send_next &&
        conn->stack->now - conn->last_sent_at > tcp_rto_us(conn))
        tcp_congestion_idle(conn);
    while (send_lost(conn))
        ;
    while (conn->lost == 0 && send_new(conn))
        ;
    if (tcp_in_flight(conn) + conn->mss > conn->cc.window) {
        conn->limited = true;
        conn->limited_end = conn->snd_nxt;
    }
    tcp_arm_retransmit(conn, false);
}

// The probe comes before the time-out, when nothing else is known to be lost (RFC 8985, 7.2).
static void arm_time_out(struct tcp_conn *conn)
{
    uint64_t rto = tcp_rto_us(conn);
    conn->timer_mode = TCP_TIMER_RTO;
    if (conn->sack && conn->srtt_us && conn->phase == TCP_PHASE_OPEN && !conn->sacked &&
        !conn->lost && !conn->probe_out && !conn->retries) {
        uint64_t wait = 2 * (uint64_t)conn->srtt_us + 2 * TCP_MS;
        if (conn->in_flight <= conn->mss) // the peer may hold its ACK back
            wait += TCP_PEER_DELAYED_ACK_US + 10 * TCP_MS;
        if (wait < rto) {
            rto = wait;
            conn->timer_mode = TCP_TIMER_PROBE;
        }
    }
    conn->retransmit_at = conn->stack->now + rto;
}

// A writer that found the window too small queues nothing, but must not wait for ever if the window
// update is lost.
static bool window_awaited(const struct tcp_conn *conn)
{
    return conn->writer_waits && conn->snd_wnd < RTE_MIN(conn->snd_wnd_max / 2, conn->mss);
}

void tcp_arm_retransmit(struct tcp_conn *conn, bool restart)
{
    uint64_t now = conn->stack->now;

    bool idle = conn->snd_una == conn->snd_nxt && !conn->send_next;

    if (conn->no_memory || (conn->starved && idle)) {
        conn->timer_mode = TCP_TIMER_PERSIST;
        conn->retransmit_at = now + TCP_NO_MEMORY_RETRY_US;
    } else if (conn->snd_una != conn->snd_nxt) {
        if (restart || conn->timer_mode == TCP_TIMER_OFF || conn->timer_mode == TCP_TIMER_PERSIST)
            arm_time_out(conn);
    } else if (conn->send_next || window_awaited(conn)) {
        if (conn->timer_mode != TCP_TIMER_PERSIST) {
            conn->timer_mode = TCP_TIMER_PERSIST;
            conn->retransmit_at = now + tcp_rto_us(conn);
        }
    } else {
        conn->timer_mode = TCP_TIMER_OFF;
        conn->retransmit_at = TCP_NEVER;
    }
    tcp_timer_set(conn);
}
