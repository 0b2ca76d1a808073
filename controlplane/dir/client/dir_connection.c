// SPDX-License-Identifier: BSD-3-Clause
// HTTP requests of ours: what is sent, what comes, and the three ways in which it can end.
#include "dir/client/dir_connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <uv.h>

#include "base/cursor.h"
#include "circuit/own_circuit.h"
#include "connection.h"
#include "relay.h"
#include "stream/stream.h"

enum {
    TICK_MS = 1000,
    BUFFER_FIRST = 4096,
    REQUEST_HEAD_MAX = 32 * 1024, // servers take 50000 bytes (6.27)
    NUMBER_DIGITS_MAX = 18,
    HTTP_PORT = 80,
};

struct dir_connection {
    struct relay *relay;
    struct dir_request request; // path and headers are in `head` only
    char *head;                 // of the request
    size_t head_length;
    size_t sent; // of head and body
    // What is under way is one of these.
    struct own_circuit_request *circuit;
    struct stream *stream;
    struct connection *connection;
    bool reached;
    uint64_t begun_ms, last_ms;
    uv_timer_t *timer;
    // The answer, its head first.
    uint8_t *bytes;
    size_t length, capacity;
    size_t answer_head_length; // 0: it is not whole yet
    bool has_body_length;
    size_t body_length;
    struct http_answer http;
    bool *cancelled; // set when it is cancelled while somebody is told of its progress
};

// ---- the answer

static bool header_line(const char *line, size_t length, const char *name, const char **value,
                        size_t *value_length)
{
    size_t n = strlen(name);
    if (length <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
        return false;
    const char *at = line + n + 1, *end = line + length;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *value = at;
    *value_length = (size_t)(end - at);
    return true;
}

static bool find_header(const char *head, size_t length, const char *name, char *out,
                        size_t capacity)
{
    for (const char *at = head, *end = head + length; at < end;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at)), *value;
        size_t value_length;
        if (!line_end)
            line_end = end;
        if (header_line(at, (size_t)(line_end - at), name, &value, &value_length)) {
            if (value_length >= capacity || memchr(value, 0, value_length))
                return false;
            memcpy(out, value, value_length);
            out[value_length] = 0;
            return true;
        }
        at = line_end + (line_end < end);
    }
    return false;
}

bool dir_answer_header(const struct dir_answer *answer, const char *name, char *out,
                       size_t capacity)
{
    return answer->head && find_header(answer->head, answer->head_length, name, out, capacity);
}

// Where the empty line ends, looking only at what is new; 0: it has not come.
static size_t find_head_end(const uint8_t *bytes, size_t length, size_t from)
{
    for (size_t i = from; i < length; i++)
        if (bytes[i] == '\n' && ((i >= 1 && bytes[i - 1] == '\n') ||
                                 (i >= 2 && bytes[i - 1] == '\r' && bytes[i - 2] == '\n')))
            return i + 1;
    return 0;
}

// False if there is one that is no number.
static bool read_body_length(struct dir_connection *c)
{
    char text[NUMBER_DIGITS_MAX + 1];
    if (!find_header((const char *)c->bytes, c->answer_head_length, "Content-Length", text,
                     sizeof(text)))
        return true;
    c->has_body_length = true;
    c->body_length = 0;
    for (const char *at = text; *at; at++) {
        if (*at < '0' || *at > '9')
            return false;
        c->body_length = c->body_length * 10 + (size_t)(*at - '0');
    }
    return text[0] != 0;
}

// ---- the end

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

// Whoever is under way will not be heard of again.
static void leave(struct dir_connection *c)
{
    if (c->circuit)
        own_circuit_cancel(c->circuit);
    if (c->stream) {
        stream_set_user(c->stream, NULL, NULL);
        stream_close(c->stream, END_DONE);
    }
    if (c->connection) {
        c->connection->user = NULL;
        connection_close(c->connection, CONN_CLOSE_DONE, 0);
    }
    c->circuit = NULL;
    c->stream = NULL;
    c->connection = NULL;
}

void dir_connection_cancel(struct dir_connection *c)
{
    if (!c)
        return;
    if (c->cancelled)
        *c->cancelled = true;
    leave(c);
    uv_timer_stop(c->timer);
    uv_close((uv_handle_t *)c->timer, timer_closed);
    free(c->head);
    free(c->bytes);
    free(c);
}

static void finish(struct dir_connection *c, enum dir_result result, const char *why)
{
    struct dir_answer answer = {
        .result = result,
        .why = why,
        .status = c->http.status,
        .reason = c->http.reason,
        .descriptor_not_new = c->http.descriptor_not_new,
        .head = (const char *)c->bytes,
        .head_length = c->answer_head_length,
    };
    leave(c);
    if (result == DIR_ANSWERED) {
        size_t length = c->length - c->answer_head_length;
        length = c->has_body_length && c->body_length < length ? c->body_length : length;
        answer.body = blob_create(c->bytes + c->answer_head_length,
                                  length < c->request.body_max ? length : c->request.body_max);
        if (!answer.body) {
            answer.result = DIR_NO_MEMORY;
            answer.why = "no memory for its answer";
        }
    }
    c->request.done(c->request.user, &answer);
    blob_drop(answer.body);
    dir_connection_cancel(c);
}

// Nothing more will come. `whole`: and that was meant.
static void ended(struct dir_connection *c, bool whole, const char *why)
{
    if (c->answer_head_length == 0)
        finish(c, c->reached ? DIR_BROKEN : DIR_UNREACHABLE, why);
    else if (c->has_body_length || !whole) // it would have been the end before
        finish(c, DIR_BROKEN, "its answer was cut short");
    else
        finish(c, DIR_ANSWERED, NULL);
}

static void tick(uv_timer_t *timer)
{
    struct dir_connection *c = timer->data;
    uint64_t now = uv_now(c->relay->loop);
    uint64_t idle_ms =
        1000 * (uint64_t)(c->request.idle_s ? c->request.idle_s : c->request.timeout_s);
    if (!c->reached && c->request.connect_s &&
        now - c->begun_ms >= 1000 * (uint64_t)c->request.connect_s)
        finish(c, DIR_UNREACHABLE, "timed out");
    else if (now - c->begun_ms >= 1000 * (uint64_t)c->request.timeout_s ||
             now - c->last_ms >= idle_ms)
        finish(c, DIR_TIMEOUT, "timed out");
}

// False: it was cancelled.
static bool tell(struct dir_connection *c, enum dir_stage stage)
{
    bool cancelled = false;
    if (!c->request.progress)
        return true;
    c->cancelled = &cancelled;
    c->request.progress(c->request.user, stage);
    if (!cancelled)
        c->cancelled = NULL;
    return !cancelled;
}

// ---- what comes

static bool keep(struct dir_connection *c, const uint8_t *bytes, size_t length)
{
    size_t capacity = c->capacity ? c->capacity : BUFFER_FIRST;
    while (capacity < c->length + length)
        capacity *= 2;
    if (capacity > c->capacity) {
        uint8_t *grown = realloc(c->bytes, capacity);
        if (!grown)
            return false;
        c->bytes = grown;
        c->capacity = capacity;
    }
    memcpy(c->bytes + c->length, bytes, length);
    c->length += length;
    return true;
}

// False if that was the end.
static bool take_head(struct dir_connection *c, size_t from)
{
    size_t n = find_head_end(c->bytes, c->length, from);
    if (n == 0 && c->length < HTTP_HEAD_MAX)
        return true;
    bool good = n > 0 && n <= HTTP_HEAD_MAX && http_answer_read(&c->http, c->bytes, n) == HTTP_DONE;
    c->answer_head_length = good ? n : 0;
    if (!good || !read_body_length(c)) {
        finish(c, DIR_MALFORMED, "its answer is no HTTP");
        return false;
    }
    return c->http.status != 200 || tell(c, DIR_ANSWERING);
}

static void take(struct dir_connection *c, const uint8_t *bytes, size_t length)
{
    size_t before = c->length;
    c->last_ms = uv_now(c->relay->loop);
    if (!keep(c, bytes, length)) {
        finish(c, DIR_NO_MEMORY, "no memory for its answer");
        return;
    }
    if (c->answer_head_length == 0 && !take_head(c, before))
        return;
    if (c->answer_head_length == 0)
        return;
    size_t body = c->length - c->answer_head_length;
    if (c->request.body_max == 0 ||
        (c->has_body_length && body >= c->body_length && c->body_length <= c->request.body_max))
        finish(c, DIR_ANSWERED, NULL);
    else if (body > c->request.body_max ||
             (c->has_body_length && c->body_length > c->request.body_max))
        finish(c, DIR_TOO_LONG, "its answer is too long");
}

// ---- over a stream

static int on_produce(struct stream *s, uint8_t *out, size_t capacity)
{
    struct dir_connection *c = stream_user(s);
    struct writer w = writer_of(out, capacity);
    const size_t whole = c->head_length + c->request.body_length;
    while (c->sent < whole && writer_length(&w) < capacity) {
        bool head = c->sent < c->head_length;
        const char *from =
            head ? c->head + c->sent : (const char *)c->request.body + (c->sent - c->head_length);
        size_t n = (head ? c->head_length : whole) - c->sent;
        size_t room = capacity - writer_length(&w);
        n = n < room ? n : room;
        write_bytes(&w, from, n);
        c->sent += n;
    }
    if (writer_length(&w) > 0)
        c->last_ms = uv_now(c->relay->loop);
    return (int)writer_length(&w);
}

static void on_stream_connected(struct stream *s, const uint8_t *body, size_t length)
{
    struct dir_connection *c = stream_user(s);
    (void)body, (void)length;
    c->reached = true;
    (void)tell(c, DIR_CONNECTED);
}

static void on_stream_data(struct stream *s, const uint8_t *bytes, size_t length)
{
    take(stream_user(s), bytes, length);
}

static const char *describe_end(enum end_reason reason)
{
    switch (reason) {
    case END_NOTDIRECTORY:
        return "it is no directory";
    case END_DESTROY:
        return "the circuit was closed";
    case END_RESOURCELIMIT:
    case END_HIBERNATING:
        return "it is too busy";
    default:
        return "it ended the stream without an answer";
    }
}

static void on_stream_closed(struct stream *s, enum end_reason reason)
{
    struct dir_connection *c = stream_user(s);
    c->stream = NULL;
    ended(c, reason == END_DONE, describe_end(reason));
}

// A stream that we have left has none of these any more.
static const struct stream_ops stream_ops = {
    .connected = on_stream_connected,
    .data = on_stream_data,
    .produce = on_produce,
    .closed = on_stream_closed,
};

static const char *describe_destroy(enum destroy_reason reason)
{
    switch (reason) {
    case DESTROY_CONNECTFAILED:
    case DESTROY_CHANNEL_CLOSED:
        return "no connection to its OR port";
    case DESTROY_OR_IDENTITY:
        return "it is not who it should be";
    case DESTROY_TIMEOUT:
        return "no circuit in time";
    default:
        return "no circuit to it";
    }
}

static bool begin_stream(struct dir_connection *c, struct circuit *circuit)
{
    c->stream = stream_begin(circuit, RELAY_BEGIN_DIR, NULL, 0, &stream_ops, c);
    return c->stream != NULL;
}

static void on_circuit(void *user, struct circuit *circuit, enum destroy_reason reason)
{
    struct dir_connection *c = user;
    c->circuit = NULL;
    if (!circuit) {
        finish(c, DIR_UNREACHABLE, describe_destroy(reason));
        return;
    }
    c->last_ms = uv_now(c->relay->loop);
    if (tell(c, DIR_CIRCUIT) && !begin_stream(c, circuit))
        finish(c, DIR_UNREACHABLE, "no stream to it");
}

static bool begin_circuit(struct dir_connection *c)
{
    const struct dir_target *target = &c->request.target;
    struct own_circuit_path path = {.n_hops = 1};
    path.hops[0].target = target->relay;
    path.hops[0].has_ntor_key = target->has_ntor_key;
    memcpy(path.hops[0].ntor_key, target->ntor_key, sizeof(target->ntor_key));
    c->circuit = own_circuit_get(c->relay, &path, on_circuit, c);
    return c->circuit != NULL;
}

// ---- over a plain connection

static void on_connected(struct connection *connection)
{
    struct dir_connection *c = connection->user;
    if (!c)
        return;
    c->reached = true;
    c->last_ms = uv_now(c->relay->loop);
    connection_send(connection, c->head, c->head_length);
    if (c->request.body_length > 0)
        connection_send(connection, c->request.body, c->request.body_length);
}

static void on_data(struct connection *connection, uint64_t offset, const uint8_t *bytes,
                    size_t length)
{
    connection_consumed(connection, offset + length);
    if (connection->user)
        take(connection->user, bytes, length);
}

static const char *describe_close(enum conn_close_reason reason)
{
    switch (reason) {
    case CONN_CLOSE_DONE:
        return "it closed the connection without an answer";
    case CONN_CLOSE_REFUSED:
        return "connection refused";
    case CONN_CLOSE_RESET:
        return "connection reset";
    case CONN_CLOSE_TIMEOUT:
        return "timed out";
    case CONN_CLOSE_UNREACHABLE:
        return "no route to it";
    case CONN_CLOSE_LIMIT:
        return "too many connections";
    default:
        return "connection lost";
    }
}

static void on_closed(struct connection *connection, enum conn_close_reason reason)
{
    struct dir_connection *c = connection->user;
    if (!c)
        return;
    c->connection = NULL;
    ended(c, reason == CONN_CLOSE_DONE, describe_close(reason));
}

static const struct connection_ops connection_ops = {
    .connected = on_connected,
    .data = on_data,
    .closed = on_closed,
};

static bool begin_connection(struct dir_connection *c)
{
    if (c->request.target.dir_port.family == ADDRESS_NONE)
        return false;
    c->connection = connection_dial(c->relay, &c->request.target.dir_port, &connection_ops, c);
    return c->connection != NULL;
}

// ---- the beginning

static bool write_head(struct dir_connection *c)
{
    const struct dir_request *r = &c->request;
    bool by_circuit = r->target.relay.n_addresses > 0;
    char host[ADDRESS_TEXT_MAX], length[48] = "";
    const struct address *to = by_circuit ? &r->target.relay.addresses[0] : &r->target.dir_port;
    address_format(to, host);
    if (to->port == HTTP_PORT) // which C tor does not say, too
        *strrchr(host, ':') = 0;
    if (r->body)
        snprintf(length, sizeof(length), "Content-Length: %zu\r\n", r->body_length);
    int n = asprintf(&c->head, "%s %s HTTP/1.0\r\nHost: %s\r\n%s%s\r\n", r->body ? "POST" : "GET",
                     r->path, host, length, r->headers ? r->headers : "");
    if (n < 0)
        c->head = NULL;
    c->head_length = n > 0 ? (size_t)n : 0;
    return n > 0 && n < REQUEST_HEAD_MAX;
}

static bool set_up(struct dir_connection *c)
{
    c->timer = calloc(1, sizeof(*c->timer));
    if (!c->timer)
        return false;
    uv_timer_init(c->relay->loop, c->timer);
    c->timer->data = c;
    c->begun_ms = c->last_ms = uv_now(c->relay->loop);
    uv_timer_start(c->timer, tick, TICK_MS, TICK_MS);
    http_answer_begin(&c->http);
    if (!write_head(c))
        return false;
    if (c->request.circuit)
        return begin_stream(c, c->request.circuit);
    return c->request.target.relay.n_addresses > 0 ? begin_circuit(c) : begin_connection(c);
}

struct dir_connection *dir_connection_start(struct relay *relay, const struct dir_request *request)
{
    struct dir_connection *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->relay = relay;
    c->request = *request;
    if (!request->body)
        c->request.body_length = 0;
    if (set_up(c)) {
        c->request.path = c->request.headers = NULL;
        return c;
    }
    if (c->timer)
        dir_connection_cancel(c);
    else
        free(c);
    return NULL;
}
