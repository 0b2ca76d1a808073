// SPDX-License-Identifier: BSD-3-Clause
// Listeners, and connections that are half-open: a bounded queue whose oldest gives way.
#include <errno.h>

#include "tcp/internal.h"

int tcp_listen(struct tcp_stack *stack, const struct address *local)
{
    if (local->family != ADDRESS_IPV4 || local->port == 0)
        return -EINVAL;
    for (unsigned i = 0; i < stack->n_listeners; i++)
        if (address_equal(&stack->listeners[i], local))
            return -EADDRINUSE;
    if (stack->n_listeners == TCP_LISTENERS_MAX)
        return -ENOSPC;
    stack->listeners[stack->n_listeners++] = *local;
    return 0;
}

bool tcp_is_listening(const struct tcp_stack *stack, uint32_t ip, uint16_t port)
{
    for (unsigned i = 0; i < stack->n_listeners; i++) {
        const struct address *a = &stack->listeners[i];
        uint32_t listener_ip = address_ipv4_host(a);
        if (a->port == port && (listener_ip == ip || listener_ip == 0))
            return true;
    }
    return false;
}

void tcp_half_open_leave(struct tcp_conn *conn)
{
    if (!conn->in_half_open)
        return;
    conn->in_half_open = false;
    TAILQ_REMOVE(&conn->stack->half_open, conn, event_link);
    conn->stack->half_open_count--;
}

static void half_open_enter(struct tcp_conn *conn)
{
    conn->in_half_open = true;
    TAILQ_INSERT_TAIL(&conn->stack->half_open, conn, event_link);
    conn->stack->half_open_count++;
}

void tcp_listen_input(struct tcp_stack *stack, const struct tcp_header *header, const uint32_t *iss)
{
    // The oldest has had the most time to answer. SYNs alone never fill more than half the table.
    if (stack->half_open_count >= stack->half_open_max) {
        stack->counters->drop_tcp_limit++;
        tcp_conn_end(TAILQ_FIRST(&stack->half_open), CONN_CLOSE_LIMIT);
    }
    struct tcp_conn *conn = tcp_conn_new(stack, header->local_ip, header->local_port,
                                         header->remote_ip, header->remote_port);
    if (!conn)
        return;
    conn->passive = true;
    tcp_conn_set_iss(conn, iss ? *iss : conn->iss);
    tcp_conn_take_options(conn, header);
    conn->state = TCP_STATE_SYN_RECEIVED;
    half_open_enter(conn);
    tcp_send_syn(conn);
}
