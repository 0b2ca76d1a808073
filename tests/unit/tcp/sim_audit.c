// SPDX-License-Identifier: BSD-3-Clause
// What must be true of a stack at any time, checked by counting everything again.
#include "sim.h"

static void audit_send_queue(struct tcp_conn *conn)
{
    struct tcp_stack *stack = conn->stack;
    uint32_t in_flight = 0, sacked = 0, lost = 0, count = 0;
    uint32_t seq = conn->snd_una;
    bool sent = true, lost_before = true, saw_next = false;

    for (struct rte_mbuf *m = conn->send_head; m; m = segment_of(stack, m)->next) {
        const struct tcp_segment *s = segment_of(stack, m);
        uint32_t span = segment_span(s);
        count++;
        assert_int_not_equal(span, 0);
        assert_int_equal(s->seq, seq);
        seq += span;
        if (m == conn->send_next) {
            sent = false;
            saw_next = true;
            assert_int_equal(s->seq, conn->snd_nxt);
        }
        if (m == conn->lost_next)
            lost_before = false;
        if (!sent) {
            assert_int_equal(s->flags & ~TCP_SEGMENT_FIN, 0);
        } else if (s->flags & TCP_SEGMENT_SACKED) {
            assert_false(s->flags & TCP_SEGMENT_LOST);
            sacked += span;
        } else if (s->flags & TCP_SEGMENT_LOST) {
            assert_false(lost_before);
            lost += span;
        } else {
            in_flight += span;
        }
        if (!s->next)
            assert_ptr_equal(m, conn->send_tail);
    }
    if (!conn->send_head)
        assert_null(conn->send_tail);
    assert_true(saw_next == (conn->send_next != NULL));
    assert_int_equal(conn->send_count, count);
    assert_int_equal(conn->sacked, sacked);
    assert_int_equal(conn->lost, lost);
    assert_int_equal(conn->in_flight, in_flight);
    if (conn->state >= TCP_STATE_ESTABLISHED) {
        assert_int_equal(in_flight + sacked + lost, conn->snd_nxt - conn->snd_una);
        assert_int_equal(seq, conn->write_seq + conn->fin_queued);
    }
}

static unsigned audit_receive_queues(struct tcp_conn *conn)
{
    unsigned count = 0, runs = 0;
    uint32_t bytes = 0;
    struct rte_mbuf *last = NULL;

    for (struct rte_mbuf *m = conn->rx_head; m; m = m->next) {
        bytes += m->data_len;
        count++;
        last = m;
    }
    assert_ptr_equal(last, conn->rx_tail);
    assert_int_equal(bytes, conn->rx_bytes);
    assert_true(bytes <= conn->stack->config.receive_window_bytes + 1);
    uint32_t before = conn->rcv_nxt;
    for (struct rte_mbuf *r = conn->runs; r; r = run_of(conn->stack, r)->next) {
        const struct tcp_run *run = run_of(conn->stack, r);
        uint32_t length = 0;
        runs++;
        assert_true(seq_lt(before, run->start)); // else they would be one
        before = run->end;
        for (struct rte_mbuf *m = r; m; m = m->next) {
            length += m->data_len;
            count++;
            if (!m->next)
                assert_ptr_equal(m, run->tail);
        }
        assert_int_equal(length, run->end - run->start);
    }
    assert_int_equal(runs, conn->runs_count);
    assert_int_equal(count, conn->rx_count);
    return count;
}

static void audit_timers(const struct tcp_conn *conn)
{
    uint64_t at = RTE_MIN(RTE_MIN(conn->retransmit_at, conn->ack_at), conn->close_at);

    if (at != TCP_NEVER) {
        assert_true(conn->in_timer);
        assert_true(conn->timer_at <= at);
    }
    // Whatever is outstanding is waited for.
    if (conn->snd_una != conn->snd_nxt || conn->send_next) {
        assert_int_not_equal(conn->timer_mode, TCP_TIMER_OFF);
        assert_true(conn->retransmit_at != TCP_NEVER);
    }
}

void sim_audit(const struct tcp_stack *stack)
{
    unsigned held = 0, queued = 0, count = 0, half_open = 0;

    for (uint32_t i = 0; i < stack->conns_touched; i++) {
        struct tcp_conn *conn = &stack->conns[i];
        if (conn->state == TCP_STATE_CLOSED) {
            assert_null(conn->send_head);
            assert_null(conn->rx_head);
            assert_false(conn->in_timer || conn->in_acks || conn->in_half_open);
            count += conn->in_events;
            continue;
        }
        count++;
        half_open += conn->in_half_open;
        assert_true(conn->in_half_open == (conn->passive && conn->state == TCP_STATE_SYN_RECEIVED));
        audit_send_queue(conn);
        held += audit_receive_queues(conn);
        queued += conn->send_count;
        for (struct rte_mbuf *m = conn->spare; m; m = segment_of(stack, m)->next)
            queued++;
        audit_timers(conn);
    }
    assert_int_equal(held, stack->rx_held);
    assert_int_equal(queued, stack->tx_held);
    assert_int_equal(count, stack->conns_count);
    assert_int_equal(half_open, stack->half_open_count);
}
