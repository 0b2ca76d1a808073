// SPDX-License-Identifier: BSD-3-Clause
// An application's connection: its handshake, its stream, and the bytes from it.
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "origin/origin.h"
#include "origin/socks/socks_destination.h"
#include "origin/socks/socks_internal.h"
#include "origin/socks/socks_petname.h"
#include "origin/socks/socks_reply.h"
#include "stream/stream.h"

// ---- the end

static void free_if_done(struct socks_connection *c)
{
    struct socks_server *server = c->server;
    if (c->bridge.socket_open || c->stream)
        return;
    TAILQ_REMOVE(&server->connections, c, entry);
    server->n_connections--;
    explicit_bzero(c, sizeof(*c));
    free(c);
    socks_server_drop(server);
}

void socks_connection_abort(struct socks_connection *c)
{
    struct socks_server *server = c->server;
    if (c->state == SOCKS_CLOSED)
        return;
    c->state = SOCKS_CLOSED;
    c->deadline_s = 0;
    server->relay->counters.socks_open--;
    bridge_close(&c->bridge);
    if (c->stream)
        app_stream_close(c->stream);
}

// What was replied, or has come for the application, still goes there.
static void finish(struct socks_connection *c)
{
    c->state = SOCKS_FLUSHING;
    c->deadline_s = c->server->relay->uptime_s + SOCKS_TIMEOUT_S;
    bridge_stop_reading(&c->bridge);
    bridge_forget_input(&c->bridge);
    bridge_touch(&c->bridge);
}

void socks_connection_tick(struct socks_connection *c, uint32_t now_s)
{
    if (c->deadline_s != 0 && now_s >= c->deadline_s) {
        if (c->state != SOCKS_LINGERING)
            c->server->relay->counters.drop_socks_timeout++;
        socks_connection_abort(c);
        return;
    }
    socks_connection_read(c); // there may have been no memory
}

// ---- the request

static bool reply(struct socks_connection *c, const struct writer *w)
{
    c->reply_bytes += writer_length(w);
    return bridge_add(&c->bridge, w->start, writer_length(w));
}

static void fail(struct socks_connection *c, int reason, unsigned extended)
{
    uint8_t bytes[SOCKS_REPLY_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    if (!c->listener->config->extended_errors)
        extended = 0;
    socks_reply_failed(&w, &c->handshake.request, reason, extended);
    if (reply(c, &w))
        finish(c);
    else
        socks_connection_abort(c);
}

static void resolved(struct socks_connection *c, const struct app_answer *answers, unsigned n)
{
    uint8_t bytes[SOCKS_REPLY_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    socks_reply_resolved(&w, &c->handshake.request, c->listener->config, answers, n);
    if (reply(c, &w))
        finish(c);
    else
        socks_connection_abort(c);
}

static struct address peer_of(const struct socks_connection *c)
{
    struct sockaddr_storage at;
    struct address a = {0};
    int length = sizeof(at);
    if (c->listener->config->listen.path[0] ||
        uv_tcp_getpeername(&c->bridge.socket.tcp, (struct sockaddr *)&at, &length) < 0)
        return a;
    a.family = at.ss_family == AF_INET6 ? ADDRESS_IPV6 : ADDRESS_IPV4;
    if (a.family == ADDRESS_IPV6)
        memcpy(a.bytes, &((struct sockaddr_in6 *)&at)->sin6_addr, 16);
    else
        memcpy(a.bytes, &((struct sockaddr_in *)&at)->sin_addr, 4);
    return a;
}

static struct app_isolation isolation_of(const struct socks_connection *c)
{
    const struct config_socks *config = c->listener->config;
    const struct socks_request *q = &c->handshake.request;
    struct app_isolation isolation = {.group = config->group};
    if (config->isolates & 1U << CONFIG_ISOLATE_CREDENTIALS)
        memcpy(isolation.token, q->token, sizeof(isolation.token));
    if (config->isolates & 1U << CONFIG_ISOLATE_CLIENT)
        isolation.client = peer_of(c);
    if (config->isolates & 1U << CONFIG_ISOLATE_PROTOCOL)
        isolation.protocol = (uint8_t)q->protocol;
    isolation.by_destination = (config->isolates & 1U << CONFIG_ISOLATE_DESTINATION) != 0;
    isolation.by_port = (config->isolates & 1U << CONFIG_ISOLATE_PORT) != 0;
    return isolation;
}

static void open_stream(struct socks_connection *c)
{
    const struct config_socks *config = c->listener->config;
    const struct socks_request *q = &c->handshake.request;
    struct app_request request = {
        .command = q->command,
        .address = q->address,
        .port = q->port,
        .ipv4 = config->ipv4 && q->address.family != ADDRESS_IPV6,
        .ipv6 = config->ipv6 && q->address.family != ADDRESS_IPV4 && q->protocol != SOCKS_4,
        .prefer_ipv6 = config->prefer_ipv6,
        .isolation = isolation_of(c),
    };
    memcpy(request.host, q->host, sizeof(request.host));
    c->stream = app_stream_open(c->server->origin, &request, &socks_stream_ops, c);
    if (!c->stream) {
        fail(c, END_INTERNAL, 0);
        return;
    }
    c->state = SOCKS_ASKED;
    c->deadline_s = 0; // the stream's own counts now
    if (bridge_waiting(&c->bridge) > 0)
        app_stream_wake(c->stream);
}

static void take_request(struct socks_connection *c)
{
    const struct relay *relay = c->server->relay;
    struct socks_request *q = &c->handshake.request;
    enum socks_complaint complaint;
    unsigned extended;
    c->server->relay->counters.socks_requests++;
    if (!socks_petname_replace(c->server->origin->petnames, q)) {
        socks_complain(c, SOCKS_PETNAME, true);
        fail(c, END_RESOLVEFAILED, SOCKS5_ONION_MALFORMED);
        return;
    }
    int reason = socks_destination_check(q, c->listener->config, relay->config->testing_network,
                                         &complaint, &extended);
    if (reason) {
        socks_complain(c, complaint, true);
        fail(c, reason, extended);
        return;
    }
    if (q->command == APP_RESOLVE && q->address.family != ADDRESS_NONE) {
        const struct app_answer answer = {.kind = APP_ANSWER_ADDRESS, .address = q->address};
        resolved(c, &answer, 1);
        return;
    }
    if (q->bare)
        socks_complain(c, SOCKS_BARE_ADDRESS, false);
    open_stream(c);
}

static void advance_handshake(struct socks_connection *c)
{
    struct bridge_block *in = c->bridge.in;
    uint8_t bytes[SOCKS_REPLY_MAX], *begin = in->bytes + in->start;
    struct writer w = writer_of(bytes, sizeof(bytes));
    struct reader r = reader_of(begin, in->end - in->start);
    enum socks_progress progress = socks_handshake_read(&c->handshake, c->listener->config, &r, &w);
    size_t taken = in->end - in->start - reader_left(&r);
    explicit_bzero(begin, taken); // there may have been a password
    in->start += (uint32_t)taken;
    if (in->start == in->end)
        bridge_forget_input(&c->bridge);
    if (writer_length(&w) > 0 && !reply(c, &w)) {
        socks_connection_abort(c);
    } else if (progress == SOCKS_CLOSE) {
        socks_complain(c, c->handshake.complaint, true);
        finish(c);
    } else if (progress == SOCKS_REQUESTED) {
        take_request(c);
    }
}

// ---- the application's end

static struct socks_connection *connection_of(struct bridge *b)
{
    return (struct socks_connection *)(void *)b;
}

static void came(struct bridge *b)
{
    struct socks_connection *c = connection_of(b);
    if (c->state == SOCKS_HANDSHAKE)
        advance_handshake(c);
    else if (c->state == SOCKS_LINGERING)
        bridge_forget_input(b);
    else if (c->stream)
        app_stream_wake(c->stream);
}

// As C tor: who closes before it is connected is gone; later, what it has sent goes on, then END.
static void ended(struct bridge *b)
{
    struct socks_connection *c = connection_of(b);
    if (c->state == SOCKS_OPEN)
        app_stream_wake(c->stream);
    else
        socks_connection_abort(c);
}

static void taken(struct bridge *b, size_t length)
{
    struct socks_connection *c = connection_of(b);
    c->reply_bytes -= length < c->reply_bytes ? length : c->reply_bytes;
    if (c->state == SOCKS_FLUSHING)
        c->deadline_s = c->server->relay->uptime_s + SOCKS_TIMEOUT_S;
}

// Whoever closes a socket before it has read all resets the connection, and the other side may lose
// what it has not read yet. So the application closes first, if it does so soon.
static void linger(struct socks_connection *c)
{
    c->state = SOCKS_LINGERING;
    c->deadline_s = c->server->relay->uptime_s + SOCKS_LINGER_S;
    if (c->bridge.read_ended || !bridge_shut_down(&c->bridge))
        socks_connection_abort(c);
    else
        socks_connection_read(c);
}

// Also when nothing is held, as before: that all has gone is what the other side's rate is raised
// by.
static void flushed(struct bridge *b)
{
    struct socks_connection *c = connection_of(b);
    if (c->stream)
        app_stream_set_held(c->stream, b->out_bytes - c->reply_bytes);
    if (c->state == SOCKS_FLUSHING && b->out_bytes == 0)
        linger(c);
}

static void failed(struct bridge *b, enum bridge_failure why)
{
    struct socks_connection *c = connection_of(b);
    if (why == BRIDGE_MEMORY) {
        c->server->relay->counters.drop_socks_memory++;
        log_info("socks: a connection is closed: %zu bytes wait for its application, and memory is "
                 "short",
                 b->out_bytes);
    }
    socks_connection_abort(c);
}

static void closed(struct bridge *b)
{
    free_if_done(connection_of(b));
}

static const struct bridge_ops bridge_ops = {
    .came = came,
    .ended = ended,
    .flushed = flushed,
    .taken = taken,
    .failed = failed,
    .closed = closed,
};

void socks_connection_read(struct socks_connection *c)
{
    if (c->state == SOCKS_HANDSHAKE || c->state == SOCKS_ASKED || c->state == SOCKS_OPEN ||
        c->state == SOCKS_LINGERING)
        bridge_read(&c->bridge);
}

// ---- its stream

static void stream_connected(struct app_stream *s)
{
    struct socks_connection *c = app_stream_user(s);
    uint8_t bytes[SOCKS_REPLY_MAX];
    struct writer w = writer_of(bytes, sizeof(bytes));
    if (c->state != SOCKS_ASKED)
        return;
    c->state = SOCKS_OPEN;
    socks_reply_connected(&w, &c->handshake.request);
    if (!reply(c, &w))
        socks_connection_abort(c);
}

static void stream_resolved(struct app_stream *s, const struct app_answer *answers, unsigned n)
{
    struct socks_connection *c = app_stream_user(s);
    if (c->state == SOCKS_ASKED)
        resolved(c, answers, n);
}

static void stream_data(struct app_stream *s, const uint8_t *bytes, size_t length)
{
    struct socks_connection *c = app_stream_user(s);
    if (c->state == SOCKS_OPEN && !bridge_add(&c->bridge, bytes, length))
        socks_connection_abort(c);
}

static int stream_produce(struct app_stream *s, uint8_t *out, size_t capacity)
{
    struct socks_connection *c = app_stream_user(s);
    size_t n = bridge_take(&c->bridge, out, capacity);
    if (n > 0)
        return (int)n;
    return c->bridge.read_ended && c->state == SOCKS_OPEN ? STREAM_END : 0;
}

static void stream_closed(struct app_stream *s, enum end_reason reason, enum app_failure failure)
{
    struct socks_connection *c = app_stream_user(s);
    c->stream = NULL;
    if (c->state == SOCKS_CLOSED)
        free_if_done(c);
    else if (c->state == SOCKS_ASKED)
        fail(c, socks_reason_of(reason, failure), app_stream_onion_failure(s));
    else if (c->state == SOCKS_OPEN)
        finish(c);
}

const struct app_stream_ops socks_stream_ops = {
    .connected = stream_connected,
    .resolved = stream_resolved,
    .data = stream_data,
    .produce = stream_produce,
    .closed = stream_closed,
};

// ---- the beginning

void socks_connection_accept(struct socks_listener *listener)
{
    struct socks_server *server = listener->server;
    bool is_pipe = listener->config->listen.path[0] != '\0';
    struct socks_connection *c = calloc(1, sizeof(*c));
    if (!c) {
        listener->accept_waits = true; // the loop asks for no other until this one is accepted
        return;
    }
    listener->accept_waits = false;
    c->listener = listener;
    c->server = server;
    bridge_init(&c->bridge, server->bridges, is_pipe, &bridge_ops);
    TAILQ_INSERT_TAIL(&server->connections, c, entry);
    server->n_connections++;
    server->holders++;
    server->relay->counters.socks_accepted++;
    server->relay->counters.socks_open++;
    c->deadline_s = server->relay->uptime_s + SOCKS_TIMEOUT_S;
    bool accepted = uv_accept(&listener->socket.stream, &c->bridge.socket.stream) == 0;
    bool too_many = server->n_connections > server->connections_max;
    if (too_many)
        server->relay->counters.drop_socks_limit++;
    if (!accepted || too_many) {
        socks_connection_abort(c);
        return;
    }
    if (!is_pipe)
        uv_tcp_nodelay(&c->bridge.socket.tcp, 1); // pieces are large where they can be
    socks_connection_read(c);
}
