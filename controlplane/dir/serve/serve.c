// SPDX-License-Identifier: BSD-3-Clause
// The directory server: requests as they come on streams, their bounds in number, memory and time.
#include "dir/serve/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "dir/serve/serve_internal.h"

enum { INPUT_FIRST_BYTES = 512, TICK_MS = 5000 };

static void enter(struct request *r, struct request_list *list)
{
    if (r->list != NULL)
        TAILQ_REMOVE(r->list, r, entry);
    r->list = list;
    r->since_ms = uv_now(r->server->relay->loop);
    TAILQ_INSERT_TAIL(list, r, entry);
}

bool request_charge(struct request *r, size_t bytes)
{
    struct directory_server *server = r->server;
    if (server->memory_bytes + bytes > SERVE_MEMORY_BYTES_MAX)
        return false;
    server->memory_bytes += bytes;
    r->charged_bytes += bytes;
    return true;
}

static void drop_input(struct request *r)
{
    free(r->input);
    r->server->memory_bytes -= r->input_capacity;
    r->charged_bytes -= r->input_capacity;
    r->input = NULL;
    r->input_length = r->input_capacity = 0;
}

void request_close(struct request *r, enum end_reason reason)
{
    if (r->state == REQUEST_CLOSED)
        return;
    r->state = REQUEST_CLOSED;
    stream_close(r->stream, reason);
}

// ---- what comes

static bool keep(struct request *r, const uint8_t *bytes, size_t length)
{
    size_t wanted = r->input_length + length;
    if (wanted > r->input_capacity) {
        size_t capacity = r->input_capacity ? r->input_capacity * 2 : INPUT_FIRST_BYTES;
        while (capacity < wanted)
            capacity *= 2;
        if (!request_charge(r, capacity - r->input_capacity))
            return false;
        uint8_t *larger = realloc(r->input, capacity);
        if (larger == NULL) {
            r->server->memory_bytes -= capacity - r->input_capacity;
            r->charged_bytes -= capacity - r->input_capacity;
            return false;
        }
        r->input = larger;
        r->input_capacity = capacity;
    }
    memcpy(r->input + r->input_length, bytes, length);
    r->input_length = wanted;
    return true;
}

// It may be answered, if its parts are all there.
static void go_on(struct request *r)
{
    if (r->state == REQUEST_BODY && r->input_length - r->head_length < r->body_length)
        return;
    if (r->state != REQUEST_WAITS)
        enter(r, &r->server->waiting);
    r->state = REQUEST_WAITS;
    request_handle(r);
    if (r->state == REQUEST_ANSWER) {
        drop_input(r);
        enter(r, &r->server->answering);
        stream_wake(r->stream);
    }
}

static void take_head(struct request *r)
{
    struct http_request http;
    r->head_length = http_request_head_length(r->input, r->input_length, r->searched);
    r->searched = r->input_length;
    if (r->head_length == 0 && r->input_length < HTTP_REQUEST_HEAD_MAX)
        return;
    if (r->head_length == 0 || r->head_length > HTTP_REQUEST_HEAD_MAX) {
        r->server->relay->counters.drop_serve_malformed++;
        request_close(r, END_TORPROTOCOL);
        return;
    }
    r->server->relay->counters.serve_requests++;
    if (http_request_parse(r->input, r->head_length, &http) != 0) {
        r->server->relay->counters.drop_serve_malformed++;
        reply_status(r, 400, "Bad request");
    } else if (http.method == HTTP_POST && request_wants_body(r, &http)) {
        r->state = REQUEST_BODY;
        r->body_length = http.content_length;
    }
    if (r->state == REQUEST_ANSWER) {
        drop_input(r);
        enter(r, &r->server->answering);
        stream_wake(r->stream);
    } else {
        go_on(r);
    }
}

static void on_data(struct stream *s, const uint8_t *bytes, size_t length)
{
    struct request *r = stream_user(s);
    if (r->state != REQUEST_HEAD && r->state != REQUEST_BODY)
        return; // nothing of it is of interest any more
    if (!keep(r, bytes, length)) {
        r->server->relay->counters.drop_serve_busy++;
        request_close(r, END_RESOURCELIMIT);
    } else if (r->state == REQUEST_HEAD) {
        take_head(r);
    } else {
        go_on(r);
    }
}

static int on_produce(struct stream *s, uint8_t *out, size_t capacity)
{
    struct request *r = stream_user(s);
    return r->state == REQUEST_ANSWER ? reply_produce(r, out, capacity) : 0;
}

static void request_free(struct request *r)
{
    struct directory_server *server = r->server;
    TAILQ_REMOVE(r->list, r, entry);
    reply_release(r);
    drop_input(r);
    server->memory_bytes -= r->charged_bytes;
    server->n_requests--;
    free(r);
}

static void on_closed(struct stream *s, enum end_reason reason)
{
    (void)reason;
    request_free(stream_user(s));
}

static const struct stream_ops ops = {.data = on_data, .produce = on_produce, .closed = on_closed};

void directory_server_accept(struct directory_server *server, struct stream *stream)
{
    struct request *r = server->n_requests < SERVE_REQUESTS_MAX ? calloc(1, sizeof(*r)) : NULL;
    if (r == NULL) {
        server->relay->counters.drop_serve_busy++;
        stream_close(stream, END_RESOURCELIMIT);
        return;
    }
    r->server = server;
    r->stream = stream;
    server->n_requests++;
    enter(r, &server->reading);
    stream_set_user(stream, &ops, r);
}

// ---- time

static void expire(struct directory_server *server, struct request_list *list, uint64_t now_ms,
                   uint64_t limit_ms)
{
    struct request *r, *next;
    for (r = TAILQ_FIRST(list); r != NULL && now_ms >= r->since_ms + limit_ms; r = next) {
        next = TAILQ_NEXT(r, entry);
        if (r->state == REQUEST_CLOSED)
            continue;
        server->relay->counters.drop_serve_timeout++;
        request_close(r, END_TIMEOUT);
    }
}

void directory_server_expire(struct directory_server *server, uint64_t now_ms)
{
    expire(server, &server->reading, now_ms, SERVE_READ_MS);
    expire(server, &server->waiting, now_ms, SERVE_READ_MS);
    expire(server, &server->answering, now_ms, SERVE_ANSWER_MS);
}

static void on_tick(uv_timer_t *timer)
{
    struct directory_server *server = timer->data;
    directory_server_expire(server, uv_now(server->relay->loop));
    directory_server_forget_old(server);
}

// A helper thread is done with something: those who wait for that go on.
static void on_packed(void *user)
{
    struct directory_server *server = user;
    struct request *r, *next;
    for (r = TAILQ_FIRST(&server->waiting); r != NULL; r = next) {
        next = TAILQ_NEXT(r, entry);
        if (r->state == REQUEST_WAITS)
            go_on(r);
    }
}

static void free_timer(uv_handle_t *handle)
{
    free(handle);
}

struct directory_server *directory_server_create(struct relay *relay)
{
    struct directory_server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        return NULL;
    server->relay = relay;
    TAILQ_INIT(&server->reading);
    TAILQ_INIT(&server->waiting);
    TAILQ_INIT(&server->answering);
    server->packed = packed_texts_create(relay->loop, on_packed, server);
    server->timer = calloc(1, sizeof(*server->timer));
    if (server->packed == NULL || server->timer == NULL) {
        packed_texts_free(server->packed);
        free(server->timer);
        free(server);
        return NULL;
    }
    uv_timer_init(relay->loop, server->timer);
    server->timer->data = server;
    uv_timer_start(server->timer, on_tick, TICK_MS, TICK_MS);
    uv_unref((uv_handle_t *)server->timer);
    return server;
}

static void close_all(struct request_list *list)
{
    // A stream may tell of its end at once, or never, if its circuit goes with us.
    struct request *r;
    while ((r = TAILQ_FIRST(list)) != NULL) {
        stream_set_user(r->stream, NULL, NULL);
        request_free(r);
    }
}

void directory_server_free(struct directory_server *server)
{
    if (server == NULL)
        return;
    close_all(&server->reading);
    close_all(&server->waiting);
    close_all(&server->answering);
    packed_texts_free(server->packed);
    uv_close((uv_handle_t *)server->timer, free_timer);
    free(server);
}
