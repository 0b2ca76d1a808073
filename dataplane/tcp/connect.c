// SPDX-License-Identifier: BSD-3-Clause
// Active open: choosing a local port, and segments that come in SYN-SENT (RFC 9293, 3.10.7.3).
#include "tcp/internal.h"

static bool port_usable(struct tcp_stack *stack, const struct address *local,
                        const struct address *remote)
{
    uint32_t local_ip = address_ipv4_host(local);
    uint32_t remote_ip = address_ipv4_host(remote);
    uint32_t bucket = tcp_bucket(stack, local_ip, local->port, remote_ip, remote->port);

    if (tcp_is_listening(stack, local_ip, local->port) ||
        tcp_conn_find(stack, bucket, local_ip, local->port, remote_ip, remote->port) ||
        tcp_time_wait_find(stack, bucket, local_ip, local->port, remote_ip, remote->port))
        return false;
    return !stack->env.port_is_ours || stack->env.port_is_ours(stack->env.ctx, local, remote);
}

static bool choose_port(struct tcp_stack *stack, struct address *local,
                        const struct address *remote)
{
    const uint32_t ports = TCP_PORT_LAST - TCP_PORT_FIRST + 1;
    uint32_t start = stack->env.random(stack->env.ctx);

    for (uint32_t i = 0; i < ports; i++) {
        local->port = (uint16_t)(TCP_PORT_FIRST + (start + i) % ports);
        if (port_usable(stack, local, remote))
            return true;
    }
    return false;
}

struct tcp_conn *tcp_connect(struct tcp_stack *stack, const struct address *local,
                             const struct address *remote, void *user)
{
    struct address from = *local;

    stack->now = stack->env.now_us(stack->env.ctx);
    if (local->family != ADDRESS_IPV4 || remote->family != ADDRESS_IPV4 || remote->port == 0)
        return NULL;
    if (!choose_port(stack, &from, remote)) {
        stack->counters->drop_tcp_limit++;
        return NULL;
    }
    struct tcp_conn *conn = tcp_conn_new(stack, address_ipv4_host(&from), from.port,
                                         address_ipv4_host(remote), remote->port);
    if (!conn)
        return NULL;
    conn->user = user;
    conn->announced = true;
    tcp_conn_set_iss(conn, conn->iss);
    conn->state = TCP_STATE_SYN_SENT;
    tcp_send_syn(conn);
    return conn;
}

void tcp_unreachable(struct tcp_stack *stack, const struct address *local,
                     const struct address *remote)
{
    uint32_t local_ip = address_ipv4_host(local);
    uint32_t remote_ip = address_ipv4_host(remote);
    uint32_t bucket = tcp_bucket(stack, local_ip, local->port, remote_ip, remote->port);
    struct tcp_conn *conn =
        tcp_conn_find(stack, bucket, local_ip, local->port, remote_ip, remote->port);

    if (conn && conn->state == TCP_STATE_SYN_SENT)
        tcp_conn_end(conn, CONN_CLOSE_UNREACHABLE);
}

// SYN-ACK: the rest of the handshake, and what data came with it.
static void connect_answered(struct tcp_conn *conn, const struct tcp_header *header,
                             struct rte_mbuf *packet)
{
    bool first_try = conn->retries == 0;
    uint64_t sent_at = conn->last_sent_at;

    tcp_conn_take_options(conn, header);
    conn->snd_una = header->ack;
    conn->snd_wl2 = header->ack;
    conn->rcv_edge += RTE_MIN(conn->stack->config.receive_window_bytes, UINT16_MAX); // as told
    if (first_try)                                                                   // Karn
        tcp_rtt_sample(conn, (uint32_t)(conn->stack->now - sent_at));
    tcp_conn_established(conn);
    tcp_ack_later(conn, true);
    struct tcp_header rest = *header;
    rest.seq++;
    rest.flags &= (uint8_t)~TCP_SYN;
    tcp_input_data(conn, &rest, packet);
}

void tcp_connect_input(struct tcp_conn *conn, const struct tcp_header *header,
                       struct rte_mbuf *packet)
{
    bool ack = header->flags & TCP_ACK;

    if (ack && header->ack != conn->snd_nxt) {
        if (!(header->flags & TCP_RST))
            tcp_answer_reset(conn->stack, header);
        rte_pktmbuf_free(packet);
        return;
    }
    if (header->flags & TCP_RST) {
        if (ack)
            tcp_conn_end(conn, CONN_CLOSE_REFUSED);
    } else if (header->flags & TCP_SYN) {
        if (ack) {
            connect_answered(conn, header, packet);
            return;
        }
        // Simultaneous open.
        tcp_conn_take_options(conn, header);
        conn->state = TCP_STATE_SYN_RECEIVED;
        conn->retries = 0;
        tcp_send_syn(conn);
    }
    rte_pktmbuf_free(packet);
}
