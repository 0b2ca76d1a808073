// SPDX-License-Identifier: BSD-3-Clause
// What happens when one of a connection's deadlines is due; and closing, which sets some of them.
#include "tcp/internal.h"

// Counts a transmission without an answer. False: given up, the connection has ended.
static bool try_again(struct tcp_conn *conn, unsigned most)
{
    struct tcp_stack *stack = conn->stack;

    if (conn->retries == 0)
        conn->unanswered_at = stack->now;
    if (conn->retries >= most || stack->now - conn->unanswered_at > TCP_GIVE_UP_US) {
        stack->counters->tcp_timeouts++;
        tcp_conn_end_reset(conn, CONN_CLOSE_TIMEOUT);
        return false;
    }
    conn->retries++;
    if (conn->backoff < UINT8_MAX)
        conn->backoff++;
    return true;
}

static void syn_due(struct tcp_conn *conn)
{
    unsigned most = conn->passive ? TCP_SYN_ACK_RETRIES_MAX : TCP_SYN_RETRIES_MAX;
    if (conn->no_memory || try_again(conn, most))
        tcp_send_syn(conn);
}

// The window may be closed, or open by too little; or there was no packet memory.
static void persist_due(struct tcp_conn *conn)
{
    if (conn->no_memory || conn->starved) {
        conn->starved = false;
        tcp_output(conn);
        tcp_queue_announce(conn);
        return;
    }
    if (conn->snd_una != conn->snd_nxt) {
        tcp_arm_retransmit(conn, true);
        return;
    }
    if (!try_again(conn, TCP_RETRIES_MAX))
        return;
    int32_t window = (int32_t)(conn->snd_una + conn->snd_wnd - conn->snd_nxt);
    if (conn->send_next && window > 0) {
        tcp_send_new_first(conn, RTE_MIN((uint32_t)window, (uint32_t)conn->mss));
        conn->retries = 0;
    } else {
        tcp_send_window_probe(conn);
    }
    tcp_arm_retransmit(conn, false);
}

static void retransmit_due(struct tcp_conn *conn)
{
    enum tcp_timer_mode mode = conn->timer_mode;

    conn->timer_mode = TCP_TIMER_OFF;
    conn->retransmit_at = TCP_NEVER;
    switch (mode) {
    case TCP_TIMER_SYN:
        syn_due(conn);
        break;
    case TCP_TIMER_RTO:
        if (try_again(conn, TCP_RETRIES_MAX))
            tcp_recovery_timeout(conn);
        break;
    case TCP_TIMER_PROBE:
        tcp_recovery_probe(conn);
        break;
    case TCP_TIMER_REORDER:
        tcp_recovery_reorder_timeout(conn);
        break;
    case TCP_TIMER_PERSIST:
        persist_due(conn);
        break;
    case TCP_TIMER_OFF:
        break;
    }
}

void tcp_timeout(struct tcp_conn *conn)
{
    uint64_t now = conn->stack->now;

    if (conn->close_at <= now) {
        // In FIN-WAIT-2 all of ours has arrived; else the peer has not even taken that.
        if (conn->state == TCP_STATE_FIN_WAIT_2) {
            tcp_conn_end(conn, CONN_CLOSE_DONE);
        } else {
            conn->stack->counters->tcp_timeouts++;
            tcp_conn_end_reset(conn, CONN_CLOSE_TIMEOUT);
        }
        return;
    }
    if (conn->ack_at <= now) {
        conn->ack_at = TCP_NEVER;
        tcp_send_ack(conn);
    }
    if (conn->retransmit_at <= now)
        retransmit_due(conn);
    if (conn->state != TCP_STATE_CLOSED)
        tcp_timer_set(conn);
}

void tcp_close(struct tcp_conn *conn)
{
    struct tcp_stack *stack = conn->stack;

    if (conn->closing || conn->state == TCP_STATE_CLOSED)
        return;
    if (conn->state <= TCP_STATE_SYN_RECEIVED) {
        tcp_abort(conn);
        return;
    }
    stack->now = stack->env.now_us(stack->env.ctx);
    conn->closing = true;
    conn->events = 0;
    conn->state = conn->state == TCP_STATE_CLOSE_WAIT ? TCP_STATE_LAST_ACK : TCP_STATE_FIN_WAIT_1;
    conn->close_at = stack->now + TCP_LINGER_US;
    // What came and was not read is thrown away, and what comes will be.
    tcp_stream_discard(conn);
    tcp_queue_trim(conn);
    conn->fin_pending = true;
    tcp_output(conn);
    tcp_timer_set(conn);
}

void tcp_abort(struct tcp_conn *conn)
{
    if (conn->state == TCP_STATE_CLOSED)
        return;
    conn->stack->now = conn->stack->env.now_us(conn->stack->env.ctx);
    conn->closing = true;
    tcp_conn_end_reset(conn, CONN_CLOSE_DONE);
}
