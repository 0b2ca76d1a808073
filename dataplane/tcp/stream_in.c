// SPDX-License-Identifier: BSD-3-Clause
// Received bytes: the in-order queue, reassembly of what comes out of order, and reading.
//
// Reassembly keeps runs: bytes that follow one another. Their number is bounded, so that finding a
// segment's place costs the same whoever sends it (CVE-2018-5390).
#include <rte_prefetch.h>

#include "tcp/internal.h"

// A connection's packets: enough for a window of segments of a quarter of a buffer each.
static uint32_t packets_max(const struct tcp_conn *conn)
{
    return conn->stack->config.receive_window_bytes / TCP_COPY_MAX + 64;
}

static void count_packets(struct tcp_conn *conn, unsigned added, unsigned freed)
{
    conn->rx_count += added - freed;
    conn->stack->rx_held += added - freed;
}

static void queue_append(struct tcp_conn *conn, struct rte_mbuf *chain, struct rte_mbuf *tail,
                         uint32_t length)
{
    unsigned freed = 0;
    if (!conn->rx_head) {
        conn->rx_head = chain;
        conn->rx_tail = tail;
    } else if (chain == tail) {
        conn->rx_tail = tcp_chain_append(conn->rx_tail, chain, &freed);
    } else {
        conn->rx_tail->next = chain;
        conn->rx_tail = tail;
    }
    count_packets(conn, 0, freed);
    conn->rx_bytes += length;
    conn->rcv_nxt += length;
}

// Hands on the runs that have become the stream's next bytes.
static void runs_deliver(struct tcp_conn *conn)
{
    while (conn->runs) {
        struct rte_mbuf *head = conn->runs;
        struct tcp_run run = *run_of(conn->stack, head);
        unsigned freed = 0;
        if (seq_lt(conn->rcv_nxt, run.start))
            return;
        conn->runs = run.next;
        conn->runs_count--;
        if (conn->closing || seq_le(run.end, conn->rcv_nxt)) {
            conn->rcv_nxt = seq_max(conn->rcv_nxt, run.end);
            count_packets(conn, 0, tcp_chain_free(head));
            continue;
        }
        head = tcp_chain_trim_front(head, conn->rcv_nxt - run.start, &freed);
        count_packets(conn, 0, freed);
        queue_append(conn, head, run.tail, run.end - conn->rcv_nxt);
    }
}

// `before` becomes one with the run behind it, if they touch.
static void run_join_next(struct tcp_conn *conn, struct rte_mbuf *before)
{
    struct tcp_run *run = run_of(conn->stack, before);
    if (!run->next)
        return;
    struct tcp_run next = *run_of(conn->stack, run->next);
    if (next.start != run->end)
        return;
    run->tail->next = run->next;
    run->tail = next.tail;
    run->end = next.end;
    run->next = next.next;
    conn->runs_count--;
}

// Puts a segment that touches no byte of other runs behind the run `before` (NULL: first).
static bool run_insert(struct tcp_conn *conn, struct rte_mbuf *before, struct rte_mbuf *packet,
                       struct tcp_range range)
{
    struct tcp_run *previous = before ? run_of(conn->stack, before) : NULL;
    unsigned added, freed = 0;
    struct rte_mbuf *tail = tcp_chain_tail(packet, &added);

    if (previous && previous->end == range.start) {
        previous->tail = tcp_chain_append(previous->tail, packet, &freed);
        previous->end = range.end;
        count_packets(conn, added, freed);
        run_join_next(conn, before);
        return true;
    }
    if (conn->runs_count >= TCP_RUNS_MAX)
        return false;
    *run_of(conn->stack, packet) = (struct tcp_run){
        .next = previous ? previous->next : conn->runs,
        .tail = tail,
        .start = range.start,
        .end = range.end,
    };
    if (previous)
        previous->next = packet;
    else
        conn->runs = packet;
    conn->runs_count++;
    count_packets(conn, added, 0);
    run_join_next(conn, packet);
    return true;
}

// Drops the runs behind `before` that lie wholly within `range`.
static void runs_drop_within(struct tcp_conn *conn, struct rte_mbuf *before, struct tcp_range range)
{
    struct rte_mbuf **link = before ? &run_of(conn->stack, before)->next : &conn->runs;
    while (*link) {
        struct rte_mbuf *head = *link;
        struct tcp_run run = *run_of(conn->stack, head);
        if (seq_lt(run.start, range.start) || seq_lt(range.end, run.end))
            return;
        *link = run.next;
        conn->runs_count--;
        count_packets(conn, 0, tcp_chain_free(head));
    }
}

// Takes over the packet, whose bytes are trimmed to what is new.
static void reassemble(struct tcp_conn *conn, struct rte_mbuf *packet, struct tcp_range range)
{
    struct rte_mbuf *before = NULL;
    unsigned freed = 0;

    for (struct rte_mbuf *m = conn->runs; m; m = run_of(conn->stack, m)->next) {
        if (seq_lt(range.start, run_of(conn->stack, m)->start))
            break;
        before = m;
    }
    uint32_t have = before ? run_of(conn->stack, before)->end : range.start;
    if (seq_le(range.end, have) && before) {
        conn->duplicate = range;
        conn->duplicate_range = true;
        rte_pktmbuf_free(packet);
        return;
    }
    runs_drop_within(conn, before, (struct tcp_range){seq_max(have, range.start), range.end});
    struct rte_mbuf *behind = before ? run_of(conn->stack, before)->next : conn->runs;
    if (behind && seq_lt(run_of(conn->stack, behind)->start, range.end)) {
        range.end = run_of(conn->stack, behind)->start;
        tcp_chain_trim_back(packet, range.end - range.start, &freed);
    }
    if (seq_lt(range.start, have)) {
        packet = tcp_chain_trim_front(packet, have - range.start, &freed);
        range.start = have;
    }
    if (!run_insert(conn, before, packet, range)) {
        conn->stack->counters->drop_tcp_buffer++;
        rte_pktmbuf_free(packet);
    }
}

// The block that holds the newest segment is told first (RFC 2018, 4).
static void remember_sack(struct tcp_conn *conn, uint32_t seq)
{
    conn->sacks_recent[2] = conn->sacks_recent[1];
    conn->sacks_recent[1] = conn->sacks_recent[0];
    conn->sacks_recent[0] = seq;
}

static void take_out_of_order(struct tcp_conn *conn, struct rte_mbuf *packet, uint32_t seq,
                              uint32_t length)
{
    struct tcp_stack *stack = conn->stack;
    stack->counters->tcp_out_of_order++;
    if (conn->rx_count >= packets_max(conn) || stack->rx_held > stack->rx_held_max) {
        stack->counters->drop_tcp_buffer++;
        rte_pktmbuf_free(packet);
    } else {
        reassemble(conn, packet, (struct tcp_range){seq, seq + length});
        remember_sack(conn, seq);
    }
    tcp_send_ack(conn); // RFC 5681, 4.2: at once, and one for each
}

void tcp_stream_take(struct tcp_conn *conn, struct rte_mbuf *packet, uint32_t seq, uint32_t length)
{
    if (seq != conn->rcv_nxt) {
        take_out_of_order(conn, packet, seq, length);
        return;
    }
    if (conn->closing) {
        rte_pktmbuf_free(packet);
        conn->rcv_nxt += length;
        runs_deliver(conn);
    } else {
        unsigned added;
        struct rte_mbuf *tail = tcp_chain_tail(packet, &added);
        if (conn->rx_count + added > 2 * packets_max(conn)) {
            conn->stack->counters->drop_tcp_buffer++;
            rte_pktmbuf_free(packet);
            return;
        }
        count_packets(conn, added, 0);
        bool gap = conn->runs != NULL;
        queue_append(conn, packet, tail, length);
        runs_deliver(conn);
        if (conn->segments_unacked < TCP_ACK_SEGMENTS_MAX)
            conn->segments_unacked++;
        tcp_conn_event(conn, TCP_EVENT_READABLE);
        if (!gap && conn->segments_unacked >= 2) {
            tcp_ack_gather(conn);
            return;
        }
        if (gap) {
            tcp_ack_later(conn, true);
            return;
        }
    }
    tcp_ack_later(conn, conn->closing);
}

void tcp_stream_discard(struct tcp_conn *conn)
{
    count_packets(conn, 0, tcp_chain_free(conn->rx_head));
    while (conn->runs) {
        struct rte_mbuf *head = conn->runs;
        conn->runs = run_of(conn->stack, head)->next;
        count_packets(conn, 0, tcp_chain_free(head));
    }
    conn->runs_count = 0;
    conn->rx_head = conn->rx_tail = conn->peek_at = NULL;
    conn->rx_bytes = 0;
}

static bool sack_told(const struct tcp_range *told, uint8_t n, const struct tcp_run *run)
{
    for (uint8_t i = 0; i < n; i++)
        if (told[i].start == run->start && told[i].end == run->end)
            return true;
    return false;
}

uint8_t tcp_stream_sacks(struct tcp_conn *conn, struct tcp_range *out, uint8_t max)
{
    uint8_t n = 0;
    if (conn->duplicate_range)
        out[n++] = conn->duplicate;
    uint8_t first = n;
    for (unsigned i = 0; conn->runs && i < TCP_SACKS_RECENT; i++) {
        for (struct rte_mbuf *m = conn->runs; m && n < max; m = run_of(conn->stack, m)->next) {
            const struct tcp_run *run = run_of(conn->stack, m);
            if (seq_le(run->start, conn->sacks_recent[i]) &&
                seq_lt(conn->sacks_recent[i], run->end) && !sack_told(out + first, n - first, run))
                out[n++] = (struct tcp_range){run->start, run->end};
        }
    }
    return n;
}

size_t tcp_readable(const struct tcp_conn *conn)
{
    return conn->rx_bytes;
}

// Readers look at one packet after the other, at all of its bytes.
static void prefetch_payload(const struct rte_mbuf *m)
{
    const char *at = rte_pktmbuf_mtod(m, const char *);
    for (const char *end = at + m->data_len; at < end; at += RTE_CACHE_LINE_SIZE)
        rte_prefetch0(at);
}

const uint8_t *tcp_peek(struct tcp_conn *conn, size_t offset, size_t *length)
{
    *length = 0;
    if (offset >= conn->rx_bytes)
        return NULL;
    // Readers go forward: start where the last call ended.
    const struct rte_mbuf *last = conn->peek_at;
    if (!conn->peek_at || offset < conn->peek_base) {
        conn->peek_at = conn->rx_head;
        conn->peek_base = 0;
    }
    while (offset - conn->peek_base >= conn->peek_at->data_len) {
        conn->peek_base += conn->peek_at->data_len;
        conn->peek_at = conn->peek_at->next;
    }
    if (conn->peek_at != last && conn->peek_at->next)
        prefetch_payload(conn->peek_at->next);
    size_t skip = offset - conn->peek_base;
    *length = conn->peek_at->data_len - skip;
    return rte_pktmbuf_mtod_offset(conn->peek_at, const uint8_t *, skip);
}

// RFC 9293, 3.8.6.2.2: told when it is worth a segment, soon when the peer may be waiting for it.
static void window_update(struct tcp_conn *conn)
{
    uint32_t limit = conn->stack->config.receive_window_bytes;
    uint32_t told = conn->rcv_edge - conn->rcv_nxt;
    uint32_t room = conn->rx_bytes < limit ? limit - conn->rx_bytes : 0;
    uint32_t growth = room > told ? room - told : 0;

    if (growth >= limit / 4 ||
        (told < 2u * conn->mss && growth >= RTE_MIN((uint32_t)conn->mss, limit / 2)))
        tcp_ack_later(conn, true);
}

void tcp_consume(struct tcp_conn *conn, size_t length)
{
    unsigned freed = 0;
    length = RTE_MIN(length, (size_t)conn->rx_bytes);
    conn->rx_head = tcp_chain_trim_front(conn->rx_head, (uint32_t)length, &freed);
    if (!conn->rx_head)
        conn->rx_tail = NULL;
    conn->peek_at = NULL;
    count_packets(conn, 0, freed);
    conn->rx_bytes -= (uint32_t)length;
    if (conn->state == TCP_STATE_ESTABLISHED)
        window_update(conn);
}
