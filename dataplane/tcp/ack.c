// SPDX-License-Identifier: BSD-3-Clause
// What an acknowledgement says: acceptable or not (RFC 5961, 5), how far the peer has got, its
// window, and that our FIN has arrived.
#include "tcp/internal.h"

// RFC 9293, 3.10.7.4, fifth: an older segment must not replace a newer one's window.
static bool take_window(struct tcp_conn *conn, const struct tcp_header *header)
{
    if (seq_lt(header->seq, conn->snd_wl1) ||
        (header->seq == conn->snd_wl1 && seq_lt(header->ack, conn->snd_wl2)))
        return false;
    uint32_t window = (uint32_t)header->window << conn->snd_shift;
    bool changed = window != conn->snd_wnd;

    conn->snd_wl1 = header->seq;
    conn->snd_wl2 = header->ack;
    conn->snd_wnd = window;
    conn->snd_wnd_max = RTE_MAX(conn->snd_wnd_max, window);
    return changed;
}

// Our FIN has been acknowledged. May end the connection.
static void fin_acked(struct tcp_conn *conn)
{
    switch (conn->state) {
    case TCP_STATE_FIN_WAIT_1:
        conn->state = TCP_STATE_FIN_WAIT_2;
        conn->timer_mode = TCP_TIMER_OFF;
        conn->retransmit_at = TCP_NEVER;
        conn->close_at = conn->stack->now + TCP_FIN_WAIT_2_US;
        tcp_timer_set(conn);
        break;
    case TCP_STATE_CLOSING:
        tcp_time_wait_begin(conn);
        break;
    case TCP_STATE_LAST_ACK:
        tcp_conn_end(conn, CONN_CLOSE_DONE);
        break;
    default:
        break;
    }
}

static void new_ack(struct tcp_conn *conn, const struct tcp_header *header,
                    struct tcp_delivery *delivery)
{
    delivery->advanced = true;
    tcp_queue_acked(conn, header->ack, delivery);
    conn->retries = 0;
    conn->backoff = 0;
}

static void act(struct tcp_conn *conn, const struct tcp_delivery *delivery)
{
    if (delivery->has_rtt)
        tcp_rtt_sample(conn, delivery->rtt_us);
    uint32_t wait = tcp_recovery_advance(conn, delivery);
    tcp_output(conn);
    if (delivery->advanced)
        tcp_arm_retransmit(conn, true);
    uint64_t reorder_at = conn->stack->now + wait;
    if (wait && reorder_at < conn->retransmit_at) {
        conn->timer_mode = TCP_TIMER_REORDER;
        conn->retransmit_at = reorder_at;
        tcp_timer_set(conn);
    }
    tcp_queue_announce(conn);
}

static bool acceptable(struct tcp_conn *conn, const struct tcp_header *header)
{
    if (seq_le(conn->snd_una - conn->snd_wnd_max, header->ack) &&
        seq_le(header->ack, conn->snd_nxt))
        return true;
    conn->stack->counters->drop_tcp_window++;
    tcp_challenge(conn);
    return false;
}

bool tcp_ack_input(struct tcp_conn *conn, const struct tcp_header *header)
{
    struct tcp_delivery delivery = {0};

    if (!acceptable(conn, header))
        return false;
    if (conn->timer_mode == TCP_TIMER_PERSIST) // the probe was answered
        conn->retries = 0;
    bool window_changed = take_window(conn, header);
    if (seq_lt(header->ack, conn->snd_una))
        return true;
    bool outstanding = conn->snd_una != conn->snd_nxt;
    bool advanced = seq_lt(conn->snd_una, header->ack);
    if (advanced)
        new_ack(conn, header, &delivery);
    else if (!outstanding && !window_changed)
        return true;
    if (conn->sack && header->n_sacks)
        tcp_recovery_sacks(conn, header, &delivery);
    if (!conn->sack && !advanced && outstanding && header->length == 0 && !window_changed &&
        !(header->flags & TCP_FIN))
        tcp_recovery_duplicate_ack(conn);
    else if (!advanced && !delivery.bytes && !delivery.duplicate && !window_changed)
        return true;
    if (window_changed && conn->snd_wnd && !outstanding)
        conn->backoff = 0;
    act(conn, &delivery);
    if (advanced && conn->fin_queued && seq_lt(conn->write_seq, conn->snd_una))
        fin_acked(conn);
    return conn->state != TCP_STATE_CLOSED;
}
