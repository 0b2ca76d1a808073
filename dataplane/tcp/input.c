// SPDX-License-Identifier: BSD-3-Clause
// Segments come in: whose they are, and the checks of RFC 9293, 3.10.7.4, in its order, with those
// of RFC 5961 (blind attacks) and RFC 7323 (timestamps).
#include <rte_prefetch.h>

#include "tcp/internal.h"

enum { ACKED_AHEAD = 4 }; // segments that are fetched for an ACK

// PAWS (RFC 7323, 5.3).
static bool timestamp_ok(struct tcp_conn *conn, const struct tcp_header *header)
{
    if (!conn->timestamps || header->flags & TCP_RST)
        return true;
    if (!header->has_timestamp)
        return false; // RFC 7323, 3.2
    if (!seq_lt(header->timestamp, conn->ts_recent))
        return true;
    return (uint32_t)(conn->stack->now / TCP_SECOND) - conn->ts_recent_s > TCP_PAWS_IDLE_S;
}

static void take_timestamp(struct tcp_conn *conn, const struct tcp_header *header)
{
    if (!conn->timestamps || seq_lt(conn->last_ack_sent, header->seq))
        return;
    conn->ts_recent = header->timestamp;
    conn->ts_recent_s = (uint32_t)(conn->stack->now / TCP_SECOND);
}

static uint32_t segment_end(const struct tcp_header *header)
{
    return header->seq + header->length + !!(header->flags & TCP_SYN) + !!(header->flags & TCP_FIN);
}

// In the window, whose right end counts as inside: a peer that has filled it acknowledges from
// there, and FIN needs no window. What is too long is trimmed later.
static bool sequence_ok(const struct tcp_conn *conn, const struct tcp_header *header)
{
    uint32_t end = segment_end(header);
    if (seq_lt(seq_max(conn->rcv_edge, conn->rcv_nxt), header->seq))
        return false;
    return end == header->seq ? seq_le(conn->rcv_nxt, end) : seq_lt(conn->rcv_nxt, end);
}

// An unacceptable segment gets an ACK (RFC 9293, 3.10.7.4, first), without data not too often: two
// ends must not answer each other for ever.
static void answer_unacceptable(struct tcp_conn *conn, const struct tcp_header *header)
{
    conn->stack->counters->drop_tcp_window++;
    if (header->flags & TCP_RST)
        return;
    if (conn->state == TCP_STATE_SYN_RECEIVED && header->seq == conn->irs &&
        (header->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
        tcp_send_syn(conn);
        return;
    }
    if (header->length == 0 || header->flags & TCP_SYN) {
        tcp_challenge(conn);
        return;
    }
    if (seq_le(segment_end(header), conn->rcv_nxt)) {
        conn->duplicate = (struct tcp_range){header->seq, header->seq + header->length};
        conn->duplicate_range = conn->sack;
    }
    tcp_ack_later(conn, true);
}

// RFC 5961, 3: only the exact number resets.
static void take_reset(struct tcp_conn *conn, const struct tcp_header *header)
{
    if (header->seq != conn->rcv_nxt)
        tcp_challenge(conn);
    else if (conn->state == TCP_STATE_SYN_RECEIVED)
        tcp_conn_end(conn, CONN_CLOSE_REFUSED);
    else if (conn->state == TCP_STATE_CLOSING || conn->state == TCP_STATE_LAST_ACK)
        tcp_conn_end(conn, CONN_CLOSE_DONE);
    else
        tcp_conn_end(conn, CONN_CLOSE_RESET);
}

// The last ACK of the handshake.
static bool take_handshake_ack(struct tcp_conn *conn, const struct tcp_header *header)
{
    if (header->ack != conn->snd_nxt) {
        tcp_answer_reset(conn->stack, header);
        return false;
    }
    conn->snd_una = header->ack;
    if (conn->retries == 0) // Karn
        tcp_rtt_sample(conn, (uint32_t)(conn->stack->now - conn->last_sent_at));
    conn->snd_wnd = conn->snd_wnd_max = (uint32_t)header->window << conn->snd_shift;
    conn->snd_wl1 = header->seq;
    conn->snd_wl2 = header->ack;
    tcp_conn_established(conn);
    return true;
}

// True if the segment's ACK and data are to be looked at.
static bool check(struct tcp_conn *conn, const struct tcp_header *header)
{
    if (!timestamp_ok(conn, header) || !sequence_ok(conn, header)) {
        answer_unacceptable(conn, header);
        return false;
    }
    if (header->flags & TCP_RST) {
        take_reset(conn, header);
        return false;
    }
    if (header->flags & TCP_SYN) { // RFC 5961, 4
        tcp_challenge(conn);
        return false;
    }
    if (!(header->flags & TCP_ACK))
        return false;
    if (conn->state == TCP_STATE_SYN_RECEIVED && !take_handshake_ack(conn, header))
        return false;
    take_timestamp(conn, header);
    return tcp_ack_input(conn, header);
}

static void take_fin(struct tcp_conn *conn)
{
    conn->rcv_nxt++;
    tcp_ack_later(conn, true);
    switch (conn->state) {
    case TCP_STATE_ESTABLISHED:
        conn->state = TCP_STATE_CLOSE_WAIT;
        tcp_conn_event(conn, TCP_EVENT_PEER_FIN);
        break;
    case TCP_STATE_FIN_WAIT_1:
        conn->state = TCP_STATE_CLOSING;
        break;
    case TCP_STATE_FIN_WAIT_2:
        tcp_send_ack(conn);
        tcp_time_wait_begin(conn);
        break;
    default:
        break;
    }
}

static bool receives(const struct tcp_conn *conn)
{
    return conn->state == TCP_STATE_ESTABLISHED || conn->state == TCP_STATE_FIN_WAIT_1 ||
           conn->state == TCP_STATE_FIN_WAIT_2;
}

void tcp_input_data(struct tcp_conn *conn, const struct tcp_header *header, struct rte_mbuf *packet)
{
    uint32_t old = seq_lt(header->seq, conn->rcv_nxt) ? conn->rcv_nxt - header->seq : 0;
    uint32_t seq = header->seq + old;
    uint32_t end = header->seq + header->length;
    bool fin = header->flags & TCP_FIN;
    unsigned freed = 0;

    if (!receives(conn) || (header->length == 0 && !fin)) {
        rte_pktmbuf_free(packet);
        return;
    }
    if (header->length && seq_lt(conn->rcv_edge, end)) {
        end = conn->rcv_edge;
        fin = false;
        conn->stack->counters->drop_tcp_window++;
        tcp_ack_later(conn, true);
    }
    if (fin && !conn->fin_known) {
        conn->fin_known = true;
        conn->rcv_fin = end;
    }
    if (conn->fin_known && seq_lt(conn->rcv_fin, end))
        end = conn->rcv_fin;
    if (seq_lt(seq, end)) {
        packet = tcp_chain_trim_front(packet, header->header_length + old, &freed);
        tcp_chain_trim_back(packet, end - seq, &freed);
        tcp_stream_take(conn, packet, seq, end - seq);
    } else {
        rte_pktmbuf_free(packet);
        if (fin && seq != conn->rcv_nxt)
            tcp_ack_later(conn, true);
    }
    if (conn->fin_known && conn->rcv_nxt == conn->rcv_fin)
        take_fin(conn);
}

static void input_for_conn(struct tcp_conn *conn, const struct tcp_header *header,
                           struct rte_mbuf *packet)
{
    if (conn->state == TCP_STATE_SYN_SENT)
        tcp_connect_input(conn, header, packet);
    else if (check(conn, header))
        tcp_input_data(conn, header, packet);
    else
        rte_pktmbuf_free(packet);
}

// A segment of no connection: TIME-WAIT, a listener, or nobody's.
static void input_stray(struct tcp_stack *stack, const struct tcp_header *header, uint32_t bucket)
{
    struct tcp_time_wait *wait =
        tcp_time_wait_find(stack, bucket, header->local_ip, header->local_port, header->remote_ip,
                           header->remote_port);
    uint32_t iss;
    if (wait && tcp_time_wait_input(stack, wait, header, &iss))
        return;
    bool opens = (header->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
    if (opens && tcp_is_listening(stack, header->local_ip, header->local_port)) {
        tcp_listen_input(stack, header, wait ? &iss : NULL);
        return;
    }
    stack->counters->drop_tcp_no_connection++;
    tcp_answer_reset(stack, header);
}

// A segment on its way through the stages of tcp_input_burst.
struct arrival {
    struct rte_mbuf *packet;
    struct tcp_header header;
    uint32_t bucket;
};

static void input_one(struct tcp_stack *stack, const struct arrival *a)
{
    const struct tcp_header *h = &a->header;
    struct tcp_conn *conn =
        tcp_conn_find(stack, a->bucket, h->local_ip, h->local_port, h->remote_ip, h->remote_port);
    if (conn) {
        input_for_conn(conn, h, a->packet);
        return;
    }
    input_stray(stack, h, a->bucket);
    rte_pktmbuf_free(a->packet);
}

static void prefetch_conn(const struct tcp_stack *stack, uint32_t bucket)
{
    const char *conn = (const char *)LIST_FIRST(&stack->table[bucket]);
    for (size_t at = 0; conn && at < sizeof(struct tcp_conn); at += RTE_CACHE_LINE_SIZE)
        rte_prefetch0(conn + at);
}

// The segments that the ACKs of a burst will free were sent long ago, and each knows only the next:
// all connections' queues are walked side by side. A hint, like all of this: by its turn, the
// segments before this one may have changed everything.
static void prefetch_acked(const struct tcp_stack *stack, const struct arrival *arrivals,
                           unsigned n)
{
    struct rte_mbuf *at[TCP_INPUT_BURST];
    for (unsigned i = 0; i < n; i++) {
        const struct tcp_conn *conn = LIST_FIRST(&stack->table[arrivals[i].bucket]);
        bool frees = conn && seq_lt(conn->snd_una, arrivals[i].header.ack);
        at[i] = frees ? conn->send_head : NULL;
    }
    for (unsigned step = 0; step < ACKED_AHEAD; step++) {
        for (unsigned i = 0; i < n; i++) {
            if (step && at[i])
                at[i] = segment_of(stack, at[i])->next;
            if (at[i]) {
                rte_prefetch0(at[i]);
                rte_prefetch0(segment_of(stack, at[i]));
            }
        }
    }
}

// At most TCP_INPUT_BURST packets. In stages, so that what one segment needs comes into the cache
// while others are looked at.
void tcp_input_burst(struct tcp_stack *stack, struct rte_mbuf **packets, unsigned n)
{
    struct arrival arrivals[TCP_INPUT_BURST];
    unsigned good = 0;
    for (unsigned i = 0; i < n; i++) {
        struct arrival *a = &arrivals[good];
        const struct tcp_header *h = &a->header;
        if (!tcp_header_parse(packets[i], &a->header)) {
            stack->counters->drop_tcp_malformed++;
            rte_pktmbuf_free(packets[i]);
            continue;
        }
        a->packet = packets[i];
        a->bucket = tcp_bucket(stack, h->local_ip, h->local_port, h->remote_ip, h->remote_port);
        rte_prefetch0(&stack->table[a->bucket]);
        good++;
    }
    for (unsigned i = 0; i < good; i++)
        prefetch_conn(stack, arrivals[i].bucket);
    prefetch_acked(stack, arrivals, good);
    for (unsigned i = 0; i < good; i++)
        input_one(stack, &arrivals[i]);
}
