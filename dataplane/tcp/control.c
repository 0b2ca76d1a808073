// SPDX-License-Identifier: BSD-3-Clause
// Segments without data: ACK, SYN, RST and window probes; and the window that we tell.
#include "tcp/internal.h"

// The window field; remembers how far the peer may send by it. The right edge never moves back, and
// moves on by a worthwhile step or not at all (RFC 9293, 3.8.6.2.2).
uint16_t tcp_window(struct tcp_conn *conn, bool syn)
{
    const struct tcp_stack *stack = conn->stack;
    uint32_t limit = stack->config.receive_window_bytes;
    uint32_t room = conn->rx_bytes < limit ? limit - conn->rx_bytes : 0;
    uint8_t shift = syn ? 0 : conn->rcv_shift;

    if (stack->rx_held > stack->rx_held_max) // readers are behind: no more than it takes to go on
        room = conn->rx_bytes ? 0 : RTE_MIN(room, 2u * conn->mss);
    if (seq_lt(conn->rcv_edge, conn->rcv_nxt)) // a FIN may come without a window for it
        conn->rcv_edge = conn->rcv_nxt;
    uint32_t window = conn->rcv_edge - conn->rcv_nxt;
    if (room > window && room - window >= RTE_MIN(limit / 2, (uint32_t)conn->mss))
        window = room;
    uint32_t field = RTE_MIN(window >> shift, (uint32_t)UINT16_MAX);
    conn->rcv_edge = seq_max(conn->rcv_edge, conn->rcv_nxt + (field << shift));
    return (uint16_t)field;
}

void tcp_fill_header(struct tcp_conn *conn, struct tcp_outgoing *header, uint8_t flags,
                     uint32_t seq)
{
    *header = (struct tcp_outgoing){
        .local_ip = conn->local_ip,
        .remote_ip = conn->remote_ip,
        .local_port = conn->local_port,
        .remote_port = conn->remote_port,
        .seq = seq,
        .ack = flags & TCP_ACK ? conn->rcv_nxt : 0,
        .flags = flags,
        .window_shift = -1,
        .window = tcp_window(conn, flags & TCP_SYN),
        .has_timestamp = conn->timestamps,
        .timestamp = tcp_ms(conn->stack) + conn->ts_offset,
        .timestamp_echo = conn->ts_recent,
    };
}

void tcp_ack_later(struct tcp_conn *conn, bool now)
{
    if (!now) {
        if (conn->ack_at == TCP_NEVER) {
            conn->ack_at = conn->stack->now + TCP_DELAYED_ACK_US;
            tcp_timer_set(conn);
        }
        return;
    }
    conn->ack_now = true;
    conn->ack_gathers = false;
    if (conn->in_acks)
        return;
    conn->in_acks = true;
    TAILQ_INSERT_TAIL(&conn->stack->acks, conn, ack_link);
}

void tcp_ack_gather(struct tcp_conn *conn)
{
    const struct tcp_stack *stack = conn->stack;
    if (conn->ack_now) // it waits already, or will not
        return;
    tcp_ack_later(conn, true);
    conn->ack_gathers = stack->config.ack_gather_us > 0;
    conn->gather_until = (uint32_t)stack->now + stack->config.ack_gather_us;
}

void tcp_ack_sent(struct tcp_conn *conn)
{
    conn->ack_now = false;
    conn->segments_unacked = 0;
    conn->ack_at = TCP_NEVER;
    conn->last_ack_sent = conn->rcv_nxt;
}

void tcp_send_ack(struct tcp_conn *conn)
{
    struct tcp_outgoing header;

    tcp_fill_header(conn, &header, TCP_ACK, conn->snd_nxt);
    if (conn->sack)
        header.n_sacks = tcp_stream_sacks(conn, header.sacks, conn->timestamps ? 3 : 4);
    if (tcp_packet_send_control(conn->stack, &header)) {
        tcp_ack_sent(conn);
        conn->duplicate_range = false;
    } else {
        conn->ack_now = false;
        conn->ack_at = conn->stack->now + TCP_NO_MEMORY_RETRY_US;
        tcp_timer_set(conn);
    }
}

void tcp_send_syn(struct tcp_conn *conn)
{
    struct tcp_stack *stack = conn->stack;
    bool answer = conn->state == TCP_STATE_SYN_RECEIVED;
    struct tcp_outgoing header;

    tcp_fill_header(conn, &header, answer ? TCP_SYN | TCP_ACK : TCP_SYN, conn->iss);
    header.mss = stack->mss;
    header.has_timestamp = !answer || conn->timestamps;
    header.sack_permitted = !answer || conn->sack;
    if (!answer || conn->scaling)
        header.window_shift = (int8_t)stack->rcv_shift;
    conn->no_memory = !tcp_packet_send_control(stack, &header);
    if (!conn->no_memory)
        conn->last_sent_at = stack->now;
    if (conn->retransmit_at == TCP_NEVER || conn->no_memory) {
        conn->timer_mode = TCP_TIMER_SYN;
        conn->retransmit_at = stack->now + (conn->no_memory ? TCP_NO_MEMORY_RETRY_US
                                                            : TCP_RTO_INITIAL_US << conn->retries);
        tcp_timer_set(conn);
    }
}

// An old byte's number: the peer must answer with an ACK, which tells its window.
void tcp_send_window_probe(struct tcp_conn *conn)
{
    struct tcp_outgoing header;

    tcp_fill_header(conn, &header, TCP_ACK, conn->snd_una - 1);
    if (tcp_packet_send_control(conn->stack, &header))
        tcp_ack_sent(conn);
}

void tcp_send_reset(struct tcp_conn *conn)
{
    struct tcp_outgoing header;

    if (conn->state == TCP_STATE_CLOSED || conn->state == TCP_STATE_SYN_SENT)
        return;
    tcp_fill_header(conn, &header, TCP_RST | TCP_ACK, conn->snd_nxt);
    tcp_packet_send_control(conn->stack, &header);
}

void tcp_answer_reset(struct tcp_stack *stack, const struct tcp_header *header)
{
    if (header->flags & TCP_RST)
        return;
    struct tcp_outgoing reset = {
        .local_ip = header->local_ip,
        .remote_ip = header->remote_ip,
        .local_port = header->local_port,
        .remote_port = header->remote_port,
        .flags = TCP_RST,
        .window_shift = -1,
    };
    if (header->flags & TCP_ACK) {
        reset.seq = header->ack;
    } else {
        reset.flags |= TCP_ACK;
        reset.ack = header->seq + header->length + !!(header->flags & TCP_SYN) +
                    !!(header->flags & TCP_FIN);
    }
    tcp_packet_send_control(stack, &reset);
}

// RFC 5961. Counted per connection: a limit for all of them would let others see through it who is
// connected to whom (CVE-2016-5696).
void tcp_challenge(struct tcp_conn *conn)
{
    uint32_t now = tcp_ms(conn->stack);

    if (now - conn->challenge_ms < TCP_CHALLENGE_INTERVAL_MS)
        return;
    conn->challenge_ms = now;
    conn->stack->counters->tcp_challenge_acks++;
    tcp_ack_later(conn, true);
}
