// SPDX-License-Identifier: BSD-3-Clause
// Losses: the SACK scoreboard (RFC 2018, 2883), RACK and the tail loss probe (RFC 8985), NewReno
// for peers without SACK (RFC 6582), and what a time-out means.
#include <string.h>

#include "tcp/internal.h"

// Of two segments, whether the first was sent after the second.
static bool sent_after(uint32_t time_a, uint32_t end_a, uint32_t time_b, uint32_t end_b)
{
    return seq_lt(time_b, time_a) || (time_a == time_b && seq_lt(end_b, end_a));
}

void tcp_recovery_delivered(struct tcp_conn *conn, const struct tcp_segment *segment,
                            struct tcp_delivery *delivery)
{
    uint32_t span = segment_span(segment);
    uint32_t end = segment->seq + span;
    uint32_t rtt = (uint32_t)conn->stack->now - segment->sent_us;

    delivery->bytes += span;
    if (!(segment->flags & TCP_SEGMENT_AGAIN)) {
        delivery->has_rtt = true; // Karn
        delivery->rtt_us = rtt;
        if (seq_lt(end, conn->rack_fack))
            conn->reordering = true;
    } else if (rtt < conn->rtt_min_us) {
        return; // it was the first transmission that arrived
    }
    conn->rack_fack = seq_max(conn->rack_fack, end);
    if (!conn->rack || sent_after(segment->sent_us, end, conn->rack_sent_us, conn->rack_end)) {
        conn->rack = true;
        conn->rack_sent_us = segment->sent_us;
        conn->rack_end = end;
        conn->rack_rtt_us = rtt;
    }
}

// The blocks that say something about what is outstanding. A block below snd_una, or within the
// second block, reports a duplicate.
static unsigned valid_sacks(const struct tcp_conn *conn, const struct tcp_header *header,
                            struct tcp_range *out, struct tcp_delivery *delivery)
{
    unsigned n = 0;
    for (unsigned i = 0; i < header->n_sacks; i++) {
        struct tcp_range r = header->sacks[i];
        if (!seq_lt(r.start, r.end) || seq_lt(conn->snd_nxt, r.end))
            continue;
        if (i == 0 && (seq_le(r.end, conn->snd_una) ||
                       (header->n_sacks > 1 && seq_le(header->sacks[1].start, r.start) &&
                        seq_le(r.end, header->sacks[1].end)))) {
            delivery->duplicate = true;
            continue;
        }
        if (seq_lt(conn->snd_una, r.start))
            out[n++] = r;
    }
    return n;
}

static void segment_sacked(struct tcp_conn *conn, struct tcp_segment *s,
                           struct tcp_delivery *delivery)
{
    uint32_t span = segment_span(s);
    if (s->flags & TCP_SEGMENT_LOST)
        conn->lost -= span;
    else
        conn->in_flight -= span;
    conn->sacked += span;
    tcp_recovery_delivered(conn, s, delivery);
    s->flags = (uint8_t)((s->flags & ~TCP_SEGMENT_LOST) | TCP_SEGMENT_SACKED);
}

void tcp_recovery_sacks(struct tcp_conn *conn, const struct tcp_header *header,
                        struct tcp_delivery *delivery)
{
    struct tcp_range sacks[TCP_SACKS_MAX] = {0};
    unsigned n = valid_sacks(conn, header, sacks, delivery);
    uint32_t end = conn->snd_una;

    if (n == 0 || !memcmp(sacks, conn->sacks_seen, sizeof(sacks)))
        return;
    memcpy(conn->sacks_seen, sacks, sizeof(sacks));
    for (unsigned i = 0; i < n; i++)
        end = seq_max(end, sacks[i].end);
    for (struct rte_mbuf *m = conn->send_head; m && m != conn->send_next;) {
        struct tcp_segment *s = segment_of(conn->stack, m);
        if (!seq_lt(s->seq, end))
            return;
        for (unsigned i = 0; i < n && !(s->flags & TCP_SEGMENT_SACKED); i++)
            if (seq_le(sacks[i].start, s->seq) && seq_le(s->seq + segment_span(s), sacks[i].end))
                segment_sacked(conn, s, delivery);
        m = s->next;
    }
}

static void segment_lost(struct tcp_conn *conn, struct rte_mbuf *m)
{
    struct tcp_segment *s = segment_of(conn->stack, m);
    uint32_t span = segment_span(s);

    s->flags |= TCP_SEGMENT_LOST;
    conn->in_flight -= span;
    conn->lost += span;
    if (!conn->lost_next || seq_lt(s->seq, segment_of(conn->stack, conn->lost_next)->seq))
        conn->lost_next = m;
    if (conn->phase != TCP_PHASE_OPEN)
        return;
    conn->phase = TCP_PHASE_RECOVERY;
    conn->recover = conn->snd_nxt;
    tcp_congestion_loss(conn);
}

// How much later than its neighbours a segment may arrive (RFC 8985, 6.2 step 4).
static uint32_t reorder_window(const struct tcp_conn *conn)
{
    if (!conn->reordering &&
        (conn->phase != TCP_PHASE_OPEN || conn->sacked >= (uint32_t)TCP_DUP_THRESHOLD * conn->mss))
        return 0;
    uint32_t window = conn->rtt_min_us / 4 * (1u + conn->reorder_steps);
    return RTE_MIN(window, conn->srtt_us);
}

// Marks what is lost by now; returns in how many µs the rest of what may be lost is.
static uint32_t detect_losses(struct tcp_conn *conn)
{
    uint32_t now = (uint32_t)conn->stack->now;
    uint32_t patience = conn->rack_rtt_us + reorder_window(conn);
    uint32_t wait = 0;

    if (!conn->sack || !conn->rack)
        return 0;
    for (struct rte_mbuf *m = conn->send_head; m && m != conn->send_next;) {
        struct tcp_segment *s = segment_of(conn->stack, m);
        struct rte_mbuf *lost = m;
        m = s->next;
        if (s->flags & (TCP_SEGMENT_SACKED | TCP_SEGMENT_LOST))
            continue;
        if (!sent_after(conn->rack_sent_us, conn->rack_end, s->sent_us, s->seq + segment_span(s))) {
            if (!(s->flags & TCP_SEGMENT_AGAIN))
                break; // what follows was sent later still
            continue;
        }
        uint32_t age = now - s->sent_us;
        if (age >= patience)
            segment_lost(conn, lost);
        else
            wait = RTE_MAX(wait, patience - age);
    }
    return wait;
}

void tcp_recovery_duplicate_ack(struct tcp_conn *conn)
{
    if (conn->duplicate_acks < UINT8_MAX)
        conn->duplicate_acks++;
    uint32_t outstanding = conn->snd_nxt - conn->snd_una;
    conn->reno_sacked = RTE_MIN(conn->reno_sacked + conn->mss, outstanding);
    struct tcp_segment *s = segment_of(conn->stack, conn->send_head);
    if (conn->duplicate_acks == TCP_DUP_THRESHOLD && conn->phase == TCP_PHASE_OPEN &&
        !(s->flags & TCP_SEGMENT_LOST))
        segment_lost(conn, conn->send_head);
}

// RFC 6582, 3.2 step 5: a partial ACK says that the next segment is lost, too.
static void reno_partial_ack(struct tcp_conn *conn, uint32_t acked)
{
    conn->reno_sacked -= RTE_MIN(conn->reno_sacked, acked);
    if (!conn->send_head || conn->send_head == conn->send_next)
        return;
    if (!(segment_of(conn->stack, conn->send_head)->flags & TCP_SEGMENT_LOST))
        segment_lost(conn, conn->send_head);
}

static void recovery_ended(struct tcp_conn *conn)
{
    if (conn->phase == TCP_PHASE_RECOVERY)
        tcp_congestion_recovered(conn);
    conn->phase = TCP_PHASE_OPEN;
    conn->reno_sacked = 0;
    conn->duplicate_acks = 0;
}

// RFC 8985, 7.4.2: the probe repaired a loss that nothing else would have shown.
static void probe_answered(struct tcp_conn *conn, const struct tcp_delivery *delivery)
{
    if (!conn->probe_out || seq_lt(conn->snd_una, conn->probe_end))
        return;
    if (conn->probe_again && !delivery->duplicate) {
        if (conn->snd_una == conn->probe_end)
            return; // a DSACK may still come
        if (conn->phase == TCP_PHASE_OPEN) {
            tcp_congestion_loss(conn);
            tcp_congestion_recovered(conn);
        }
    }
    conn->probe_out = false;
}

uint32_t tcp_recovery_advance(struct tcp_conn *conn, const struct tcp_delivery *delivery)
{
    probe_answered(conn, delivery);
    if (delivery->duplicate && seq_lt(conn->reorder_mark, conn->snd_una)) {
        // Something was sent again for nothing: be more patient (RFC 8985, 6.2 step 4).
        conn->reorder_mark = conn->snd_nxt;
        conn->reorder_steps = RTE_MIN(conn->reorder_steps + 1, TCP_REORDER_STEPS_MAX);
    }
    if (delivery->advanced) {
        if (conn->phase == TCP_PHASE_OPEN)
            conn->duplicate_acks = 0, conn->reno_sacked = 0;
        else if (!seq_lt(conn->snd_una, conn->recover))
            recovery_ended(conn);
        else if (!conn->sack && conn->phase == TCP_PHASE_RECOVERY)
            reno_partial_ack(conn, delivery->bytes);
    }
    uint32_t wait = detect_losses(conn);
    if (conn->phase == TCP_PHASE_RECOVERY)
        tcp_congestion_in_recovery(conn, delivery->bytes);
    else if (delivery->bytes)
        tcp_congestion_ack(conn, delivery->bytes);
    return wait;
}

void tcp_recovery_reorder_timeout(struct tcp_conn *conn)
{
    detect_losses(conn);
    if (conn->phase == TCP_PHASE_RECOVERY)
        tcp_congestion_in_recovery(conn, 0);
    tcp_output(conn);
    tcp_arm_retransmit(conn, true);
}

void tcp_recovery_timeout(struct tcp_conn *conn)
{
    // A peer that SACKed the first segment and yet does not acknowledge it has thrown it away, and
    // perhaps the others (RFC 2018, 8).
    bool reneged = segment_of(conn->stack, conn->send_head)->flags & TCP_SEGMENT_SACKED;

    conn->stack->counters->tcp_rtos++;
    tcp_congestion_timeout(conn);
    conn->phase = TCP_PHASE_LOSS;
    conn->recover = conn->snd_nxt;
    conn->reno_sacked = 0;
    conn->duplicate_acks = 0;
    conn->probe_out = false;
    memset(conn->sacks_seen, 0, sizeof(conn->sacks_seen));
    for (struct rte_mbuf *m = conn->send_head; m && m != conn->send_next;) {
        struct tcp_segment *s = segment_of(conn->stack, m);
        if (reneged && s->flags & TCP_SEGMENT_SACKED) {
            s->flags &= (uint8_t)~TCP_SEGMENT_SACKED;
            conn->sacked -= segment_span(s);
            conn->in_flight += segment_span(s);
        }
        if (!(s->flags & (TCP_SEGMENT_SACKED | TCP_SEGMENT_LOST)))
            segment_lost(conn, m);
        m = s->next;
    }
    tcp_output(conn);
    tcp_arm_retransmit(conn, true);
}

void tcp_recovery_probe(struct tcp_conn *conn)
{
    struct rte_mbuf *last = NULL;

    for (struct rte_mbuf *m = conn->send_head; m && m != conn->send_next;) {
        last = m;
        m = segment_of(conn->stack, m)->next;
    }
    conn->probe_again = true;
    if (conn->send_next) {
        const struct tcp_segment *s = segment_of(conn->stack, conn->send_next);
        int32_t window = (int32_t)(conn->snd_una + conn->snd_wnd - s->seq);
        uint32_t room = RTE_MIN((uint32_t)s->length, (uint32_t)conn->mss);
        if (window >= (int32_t)room)
            conn->probe_again = !tcp_send_new_first(conn, room);
    }
    if (conn->probe_again && last && tcp_send_segment(conn, last)) {
        struct tcp_segment *s = segment_of(conn->stack, last);
        s->flags |= TCP_SEGMENT_AGAIN;
        s->sent_us = (uint32_t)conn->stack->now;
        conn->stack->counters->tcp_retransmits++;
    }
    conn->probe_out = true;
    conn->probe_end = conn->snd_nxt;
    tcp_arm_retransmit(conn, true);
}
