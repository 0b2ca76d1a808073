// SPDX-License-Identifier: BSD-3-Clause
// A visitor's stream: BEGIN, the connection to what the service offers, and bytes both ways
// (protocol 8.41).
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/random.h"
#include "onion/service/service_internal.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/origin.h"
#include "relay.h"
#include "stream/stream.h"

enum target_state {
    TARGET_CONNECTING,
    TARGET_OPEN,
    TARGET_FLUSHING,  // there is no stream; the target gets what is left
    TARGET_LINGERING, // … and was told of the end; its own end is awaited
    TARGET_CLOSED,    // the socket closes
};

struct target {
    struct bridge bridge; // first: what the bridge's callbacks get is the target
    TAILQ_ENTRY(target) entry;
    LIST_ENTRY(target) of_rendezvous;
    struct onion_services *all;    // NULL: they are being freed
    struct rendezvous *rendezvous; // NULL: it is gone
    struct relay *relay;
    struct stream *stream; // until its `closed`
    const struct config_onion_port *port;
    enum target_state state;
    uint32_t deadline_s; // of relay->uptime_s; 0: none
    uv_connect_t connect;
};

// ---- its end

static void leave_all(struct target *t)
{
    TAILQ_REMOVE(&t->all->targets, t, entry);
    t->all->n_targets--;
    t->all = NULL;
}

static void free_if_done(struct target *t)
{
    if (t->bridge.socket_open || t->stream)
        return;
    if (t->all)
        leave_all(t);
    free(t);
}

void target_leave(struct target *t)
{
    struct rendezvous *r = t->rendezvous;
    if (!r)
        return;
    LIST_REMOVE(t, of_rendezvous);
    t->rendezvous = NULL;
    r->service->n_streams--;
    if (--r->n_targets == 0)
        r->idle_since_ms = origin_now_ms(r->service->origin);
}

static void abort_target(struct target *t, enum end_reason reason)
{
    if (t->state == TARGET_CLOSED)
        return;
    t->state = TARGET_CLOSED;
    t->deadline_s = 0;
    bridge_close(&t->bridge);
    if (t->stream)
        stream_close(t->stream, reason);
}

// What has come for the target still goes there.
static void finish(struct target *t)
{
    t->state = TARGET_FLUSHING;
    t->deadline_s = t->relay->uptime_s + TARGET_FLUSH_S;
    bridge_stop_reading(&t->bridge);
    bridge_forget_input(&t->bridge);
    bridge_touch(&t->bridge);
}

// Whoever closes a socket before it has read all resets the connection, and the other side may lose
// what it has not read yet. So the target closes first, if it does so soon.
static void linger(struct target *t)
{
    t->state = TARGET_LINGERING;
    t->deadline_s = t->relay->uptime_s + TARGET_LINGER_S;
    if (t->bridge.read_ended || !bridge_shut_down(&t->bridge))
        abort_target(t, END_DONE);
    else
        bridge_read(&t->bridge);
}

// ---- the kernel's end

static struct target *target_of(struct bridge *b)
{
    return (struct target *)(void *)b;
}

static void came(struct bridge *b)
{
    struct target *t = target_of(b);
    if (t->state == TARGET_LINGERING)
        bridge_forget_input(b);
    else if (t->stream)
        stream_wake(t->stream);
}

// What the target has sent goes on, then END.
static void ended(struct bridge *b)
{
    struct target *t = target_of(b);
    if (t->state == TARGET_OPEN && t->stream)
        stream_wake(t->stream);
    else
        abort_target(t, END_DONE);
}

// Also when nothing is held, as before: that all has gone is what the visitor's rate is raised by.
static void flushed(struct bridge *b)
{
    struct target *t = target_of(b);
    if (t->stream)
        stream_set_held(t->stream, b->out_bytes);
    if (t->state == TARGET_FLUSHING && b->out_bytes == 0)
        linger(t);
}

static void failed(struct bridge *b, enum bridge_failure why)
{
    struct target *t = target_of(b);
    if (why == BRIDGE_MEMORY)
        log_info("onion service: a stream is closed: %zu bytes wait for its target, %zu for its "
                 "visitor, and memory is short",
                 b->out_bytes, bridge_waiting(b));
    abort_target(t, why == BRIDGE_MEMORY ? END_RESOURCELIMIT : END_CONNRESET);
}

static void closed(struct bridge *b)
{
    free_if_done(target_of(b));
}

static const struct bridge_ops bridge_ops = {
    .came = came,
    .ended = ended,
    .flushed = flushed,
    .failed = failed,
    .closed = closed,
};

// ---- the visitor's end

static void stream_data(struct stream *s, const uint8_t *bytes, size_t length)
{
    struct target *t = stream_user(s);
    bool wanted = t->state == TARGET_CONNECTING || t->state == TARGET_OPEN;
    if (wanted && !bridge_add(&t->bridge, bytes, length))
        abort_target(t, END_RESOURCELIMIT);
}

static int stream_produce(struct stream *s, uint8_t *out, size_t capacity)
{
    struct target *t = stream_user(s);
    size_t n = t->state == TARGET_OPEN ? bridge_take(&t->bridge, out, capacity) : 0;
    if (n > 0)
        return (int)n;
    return t->bridge.read_ended && t->state == TARGET_OPEN ? STREAM_END : 0;
}

static void stream_closed(struct stream *s, enum end_reason reason)
{
    struct target *t = stream_user(s);
    (void)reason;
    t->stream = NULL;
    target_leave(t);
    if (t->state == TARGET_CLOSED)
        free_if_done(t);
    else if (t->state == TARGET_CONNECTING)
        abort_target(t, END_DONE);
    else if (t->state == TARGET_OPEN)
        finish(t);
}

static const struct stream_ops stream_ops = {
    .data = stream_data,
    .produce = stream_produce,
    .closed = stream_closed,
};

// ---- connecting

static enum end_reason reason_of(int error)
{
    switch (error) {
    case UV_ECONNREFUSED:
    case UV_ENOENT: // a Unix socket that is not there
        return END_CONNECTREFUSED;
    case UV_ETIMEDOUT:
        return END_TIMEOUT;
    case UV_EHOSTUNREACH:
    case UV_ENETUNREACH:
    case UV_ENETDOWN:
        return END_NOROUTE;
    case UV_ECONNRESET:
        return END_CONNRESET;
    case UV_EMFILE:
    case UV_ENFILE:
    case UV_ENOBUFS:
    case UV_ENOMEM:
        return END_RESOURCELIMIT;
    default:
        return END_MISC;
    }
}

static void have_connected(struct target *t, int status)
{
    if (t->state != TARGET_CONNECTING || !t->stream)
        return;
    if (status < 0) {
        t->relay->counters.drop_service_target++;
        log_info("onion service: the target of port %u does not answer: %s", t->port->port,
                 uv_strerror(status));
        abort_target(t, reason_of(status));
        return;
    }
    t->state = TARGET_OPEN;
    t->deadline_s = 0;
    t->relay->counters.service_streams++;
    if (t->port->unix_path[0] == '\0')
        uv_tcp_nodelay(&t->bridge.socket.tcp, 1); // pieces are large where they can be
    log_info("onion service: a visitor's stream is connected to port %u", t->port->port);
    stream_accepted(t->stream, NULL, 0);
    bridge_touch(&t->bridge);
    bridge_read(&t->bridge);
}

static void on_connect(uv_connect_t *request, int status)
{
    have_connected(request->data, status);
}

static int connect_tcp(struct target *t)
{
    const struct address *a = &t->port->target;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
    memcpy(&in.sin_addr, a->bytes, sizeof(in.sin_addr));
    memcpy(&in6.sin6_addr, a->bytes, sizeof(in6.sin6_addr));
    const void *to = a->family == ADDRESS_IPV6 ? (const void *)&in6 : &in;
    return uv_tcp_connect(&t->connect, &t->bridge.socket.tcp, to, on_connect);
}

static void begin_connecting(struct target *t)
{
    bool is_pipe = t->port->unix_path[0] != '\0';
    int error = 0;
    bridge_init(&t->bridge, t->all->bridges, is_pipe, &bridge_ops);
    t->connect.data = t;
    t->deadline_s = t->relay->uptime_s + TARGET_CONNECT_S;
    if (is_pipe)
        uv_pipe_connect(&t->connect, &t->bridge.socket.pipe, t->port->unix_path, on_connect);
    else
        error = connect_tcp(t);
    if (error < 0)
        have_connected(t, error);
}

// ---- BEGIN

uint16_t target_port_of(const uint8_t *body, size_t length)
{
    const uint8_t *end = length > 0 ? memchr(body, '\0', length) : NULL; // 13.24
    const uint8_t *colon = end ? memrchr(body, ':', (size_t)(end - body)) : NULL;
    uint32_t port = 0;
    if (!colon || end - colon < 2 || end - colon > 6)
        return 0;
    for (const uint8_t *at = colon + 1; at < end; at++) {
        if (*at < '0' || *at > '9')
            return 0;
        port = port * 10 + (uint32_t)(*at - '0');
    }
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

// Of those for this port a random one. NULL: none.
static const struct config_onion_port *choose_port(const struct config_onion_service *config,
                                                   uint16_t port)
{
    const struct config_onion_port *chosen = NULL;
    unsigned n = 0;
    for (unsigned i = 0; i < config->port_count; i++)
        if (config->ports[i].port == port && random_uniform(++n) == 0)
            chosen = &config->ports[i];
    return chosen;
}

// END says nothing of why (8.41). The circuit is closed only once it must have gone out: DESTROY
// would overtake it.
static void refuse(struct rendezvous *r, struct circuit *c, uint16_t stream_id,
                   enum end_reason reason, bool close, const char *why)
{
    r->service->origin->relay->counters.drop_service_stream++;
    log_info("onion service: a visitor's stream is refused%s: %s",
             close ? ", and its circuit closed" : "", why);
    stream_refuse(c, stream_id, reason);
    r->ends |= close;
}

static void add(struct rendezvous *r, struct target *t)
{
    struct onion_services *all = r->service->all;
    t->all = all;
    t->rendezvous = r;
    t->relay = r->service->origin->relay;
    TAILQ_INSERT_TAIL(&all->targets, t, entry);
    all->n_targets++;
    LIST_INSERT_HEAD(&r->targets, t, of_rendezvous);
    r->n_targets++;
    r->service->n_streams++;
    if (r->begun_streams++ == 0)
        origin_circuit_note_use(r->circuit, true);
}

void target_begin(struct rendezvous *r, struct circuit *c, uint16_t stream_id, const uint8_t *body,
                  size_t length)
{
    const struct config_onion_service *config = r->service->config;
    uint16_t port = target_port_of(body, length);
    const struct config_onion_port *to = port ? choose_port(config, port) : NULL;
    if (port == 0) {
        refuse(r, c, stream_id, END_TORPROTOCOL, false, "its BEGIN is malformed");
        return;
    }
    if (r->ends) {
        refuse(r, c, stream_id, END_DONE, false, "its circuit ends");
        return;
    }
    if (config->max_streams > 0 && r->n_targets >= config->max_streams) {
        refuse(r, c, stream_id, END_DONE, config->max_streams_closes, "there are too many");
        return;
    }
    if (!to) {
        refuse(r, c, stream_id, END_DONE, !config->unknown_ports_allowed, "there is no such port");
        return;
    }
    if (r->service->all->n_targets >= r->service->all->targets_max) {
        refuse(r, c, stream_id, END_RESOURCELIMIT, false, "too many sockets are open");
        return;
    }
    struct target *t = calloc(1, sizeof(*t));
    if (t)
        t->stream = stream_accept(c, stream_id, &stream_ops, t);
    if (!t || !t->stream) {
        free(t);
        if (!own_circuit_is_gone(c))
            refuse(r, c, stream_id, END_RESOURCELIMIT, false, "it can't be taken");
        return;
    }
    t->port = to;
    add(r, t);
    begin_connecting(t);
}

// ---- all of them

static void look_at(struct target *t, uint32_t now_s)
{
    if (t->deadline_s != 0 && now_s >= t->deadline_s) {
        t->relay->counters.drop_service_target += t->state == TARGET_CONNECTING;
        abort_target(t, END_TIMEOUT);
    } else if (t->state == TARGET_OPEN) {
        bridge_read(&t->bridge); // there may have been no memory
    }
}

void targets_tick(struct onion_services *all)
{
    struct target *t, *next;
    for (t = TAILQ_FIRST(&all->targets); t; t = next) {
        next = TAILQ_NEXT(t, entry);
        look_at(t, all->origin->relay->uptime_s);
    }
}

void targets_free(struct onion_services *all)
{
    struct target *t;
    while ((t = TAILQ_FIRST(&all->targets))) {
        leave_all(t);
        target_leave(t);
        abort_target(t, END_DESTROY);
    }
}
