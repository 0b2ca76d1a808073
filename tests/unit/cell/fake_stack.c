// SPDX-License-Identifier: BSD-3-Clause
// Byte strings in the place of TCP, nothing in the place of the network.
#include "fake_stack.h"

#include <stdlib.h>
#include <string.h>

#include "net/net.h"

struct tcp_stack {
    struct tcp_conn *conns; // newest first
};

static void append(struct fake_bytes *b, const void *bytes, size_t length)
{
    b->bytes = realloc(b->bytes, b->length + length + 1);
    memcpy(b->bytes + b->length, bytes, length);
    b->length += length;
}

static void drop_front(struct fake_bytes *b, size_t length)
{
    b->length -= length;
    memmove(b->bytes, b->bytes + length, b->length);
}

static struct tcp_conn *conn_new(struct tcp_stack *stack)
{
    struct tcp_conn *c = calloc(1, sizeof(*c));
    c->stack = stack;
    c->window = 1 << 20;
    c->next = stack->conns;
    stack->conns = c;
    return c;
}

struct tcp_conn *fake_accept(struct tcp_stack *stack, struct address remote)
{
    struct tcp_conn *c = conn_new(stack);
    c->remote = remote;
    c->events = TCP_EVENT_ACCEPTED;
    return c;
}

struct tcp_conn *fake_last_dialled(struct tcp_stack *stack)
{
    return stack->conns;
}

void fake_connected(struct tcp_conn *conn)
{
    conn->events |= TCP_EVENT_CONNECTED;
}

void fake_arrive(struct tcp_conn *conn, const void *bytes, size_t length)
{
    append(&conn->in, bytes, length);
    conn->events |= TCP_EVENT_READABLE;
}

void fake_peer_fin(struct tcp_conn *conn)
{
    conn->events |= TCP_EVENT_PEER_FIN;
}

void fake_gone(struct tcp_conn *conn, enum conn_close_reason reason)
{
    conn->events = TCP_EVENT_CLOSED;
    conn->reason = reason;
}

void fake_set_window(struct tcp_conn *conn, size_t window)
{
    conn->window = window;
    conn->events |= TCP_EVENT_WRITABLE;
}

void fake_taken(struct tcp_conn *conn, size_t length)
{
    drop_front(&conn->out, length);
}

static void conn_free(struct tcp_conn *conn)
{
    free(conn->in.bytes);
    free(conn->out.bytes);
    free(conn);
}

void fake_free(struct tcp_conn *conn)
{
    struct tcp_conn **at = &conn->stack->conns;
    while (*at != conn)
        at = &(*at)->next;
    *at = conn->next;
    conn_free(conn);
}

// ---- tcp/tcp.h

struct tcp_stack *tcp_stack_create(const struct tcp_config *config)
{
    (void)config;
    return calloc(1, sizeof(struct tcp_stack));
}

void tcp_stack_destroy(struct tcp_stack *stack)
{
    while (stack->conns) {
        struct tcp_conn *c = stack->conns;
        stack->conns = c->next;
        conn_free(c);
    }
    free(stack);
}

int tcp_listen(struct tcp_stack *stack, const struct address *local)
{
    (void)stack, (void)local;
    return 0;
}

struct tcp_conn *tcp_connect(struct tcp_stack *stack, const struct address *local,
                             const struct address *remote, void *user)
{
    struct tcp_conn *c = conn_new(stack);
    c->local = *local;
    c->remote = *remote;
    c->user = user;
    return c;
}

void tcp_input(struct tcp_stack *stack, struct rte_mbuf **packets, unsigned n)
{
    (void)stack, (void)packets, (void)n;
}

void tcp_advance(struct tcp_stack *stack)
{
    (void)stack;
}

void tcp_flush_acks(struct tcp_stack *stack)
{
    (void)stack;
}

uint64_t tcp_next_timer_us(const struct tcp_stack *stack)
{
    (void)stack;
    return UINT64_MAX;
}

bool tcp_next_event(struct tcp_stack *stack, struct tcp_event *event)
{
    for (struct tcp_conn *c = stack->conns; c; c = c->next) {
        if (!c->events)
            continue;
        *event = (struct tcp_event){c, c->user, c->events, c->reason};
        c->events = 0;
        return true;
    }
    return false;
}

void tcp_unreachable(struct tcp_stack *stack, const struct address *local,
                     const struct address *remote)
{
    (void)stack, (void)local, (void)remote;
}

void tcp_set_user(struct tcp_conn *conn, void *user)
{
    conn->user = user;
}

void *tcp_user(const struct tcp_conn *conn)
{
    return conn->user;
}

struct address tcp_local(const struct tcp_conn *conn)
{
    return conn->local;
}

struct address tcp_remote(const struct tcp_conn *conn)
{
    return conn->remote;
}

size_t tcp_readable(const struct tcp_conn *conn)
{
    return conn->in.length;
}

const uint8_t *tcp_peek(struct tcp_conn *conn, size_t offset, size_t *length)
{
    // Uneven pieces, so that nobody relies on where segments end.
    size_t left = conn->in.length > offset ? conn->in.length - offset : 0;
    *length = left < 1000 ? left : 700;
    return left ? conn->in.bytes + offset : NULL;
}

void tcp_consume(struct tcp_conn *conn, size_t length)
{
    drop_front(&conn->in, length);
}

size_t tcp_writable(struct tcp_conn *conn)
{
    return conn->closed ? 0 : conn->window;
}

bool tcp_write_reserve(struct tcp_conn *conn, size_t length)
{
    conn->reserved = length;
    return length <= sizeof(conn->span);
}

uint8_t *tcp_write_span(struct tcp_conn *conn, size_t *length)
{
    if (*length > 1400)
        *length = 1400;
    return conn->span;
}

void tcp_write_commit(struct tcp_conn *conn, size_t length)
{
    append(&conn->out, conn->span, length);
    conn->window = conn->window > length ? conn->window - length : 0;
}

size_t tcp_write(struct tcp_conn *conn, const void *bytes, size_t length)
{
    if (length > conn->window)
        length = conn->window;
    append(&conn->out, bytes, length);
    conn->window -= length;
    return length;
}

void tcp_push(struct tcp_conn *conn)
{
    (void)conn;
}

void tcp_close(struct tcp_conn *conn)
{
    conn->closed = true;
}

void tcp_abort(struct tcp_conn *conn)
{
    conn->aborted = true;
    fake_gone(conn, CONN_CLOSE_DONE);
}

// ---- net/net.h

struct net_worker *net_worker(struct net *net, unsigned worker)
{
    (void)net, (void)worker;
    return NULL;
}

void net_worker_set_counters(struct net_worker *w, struct counters *counters)
{
    (void)w, (void)counters;
}

void net_worker_set_unreachable(struct net_worker *w, net_unreachable_fn fn, void *ctx)
{
    (void)w, (void)fn, (void)ctx;
}

unsigned net_receive(struct net_worker *w, uint64_t now_us, struct rte_mbuf **tcp, unsigned max)
{
    (void)w, (void)now_us, (void)tcp, (void)max;
    return 0;
}

bool net_was_busy(const struct net_worker *w)
{
    (void)w;
    return false;
}

void net_transmit(struct net_worker *w, struct rte_mbuf *packet)
{
    (void)w, (void)packet;
}

void net_flush(struct net_worker *w)
{
    (void)w;
}

void net_advance(struct net_worker *w, uint64_t now_us)
{
    (void)w, (void)now_us;
}

bool net_source_for(const struct net *net, const struct address *remote, struct address *local)
{
    (void)net;
    *local = address_ipv4(0x0a000001, 0);
    return remote->family == ADDRESS_IPV4;
}

bool net_owns(const struct net_worker *w, const struct address *local, const struct address *remote)
{
    (void)w, (void)local, (void)remote;
    return true;
}

void net_sleep(struct net_worker *w, int wake_fd, uint64_t timeout_us)
{
    (void)w, (void)wake_fd, (void)timeout_us;
}
