// SPDX-License-Identifier: BSD-3-Clause
// The status socket's server: one document to each who connects.
#include "status/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

#include "base/log.h"
#include "config/config.h"
#include "relay.h"
#include "status/status_socket.h"

enum { BACKLOG = 8, TICK_MS = 500 };

struct reader {
    struct status_server *server; // NULL: free
    uv_pipe_t pipe;
    uv_write_t write;
    uv_shutdown_t shutdown;
    char *text;
    uint64_t since_ms;
};

struct status_server {
    struct relay *relay;
    int directory_fd;
    uv_pipe_t listener;
    uv_timer_t timer; // runs while there are readers
    struct reader readers[STATUS_CONNECTIONS_MAX];
    unsigned n_readers;
    unsigned handles_open; // it goes with the last
    bool freed;
};

static void handle_gone(struct status_server *s)
{
    if (--s->handles_open == 0)
        free(s);
}

// ---- readers

static void reader_closed(uv_handle_t *handle)
{
    struct reader *r = handle->data;
    struct status_server *s = r->server;
    free(r->text);
    *r = (struct reader){0};
    s->n_readers--;
    if (!s->freed && s->n_readers == 0)
        uv_timer_stop(&s->timer);
    handle_gone(s);
}

static void reader_close(struct reader *r)
{
    if (!uv_is_closing((uv_handle_t *)&r->pipe))
        uv_close((uv_handle_t *)&r->pipe, reader_closed);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
    (void)status;
    reader_close(request->data);
}

static void on_written(uv_write_t *request, int status)
{
    struct reader *r = request->data;
    r->shutdown.data = r;
    if (status != 0 || uv_shutdown(&r->shutdown, (uv_stream_t *)&r->pipe, on_shutdown) != 0)
        reader_close(r);
}

void status_server_tick(struct status_server *s, uint64_t now_ms)
{
    for (unsigned i = 0; i < STATUS_CONNECTIONS_MAX; i++) {
        struct reader *r = &s->readers[i];
        if (r->server && now_ms - r->since_ms >= STATUS_READ_MAX_MS)
            reader_close(r);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct status_server *s = timer->data;
    status_server_tick(s, uv_now(s->relay->loop));
}

unsigned status_server_readers(const struct status_server *s)
{
    return s->n_readers;
}

static struct reader *reader_new(struct status_server *s)
{
    for (unsigned i = 0; i < STATUS_CONNECTIONS_MAX; i++) {
        struct reader *r = &s->readers[i];
        if (r->server)
            continue;
        if (uv_pipe_init(s->relay->loop, &r->pipe, 0) != 0)
            return NULL;
        r->server = s;
        r->pipe.data = r;
        r->since_ms = uv_now(s->relay->loop);
        s->handles_open++;
        if (s->n_readers++ == 0)
            uv_timer_start(&s->timer, on_timer, TICK_MS, TICK_MS);
        return r;
    }
    return NULL;
}

static bool answer(struct reader *r)
{
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&r->pipe, &fd) != 0 || !status_peer_is_owner(fd))
        return false;
    json_t *report = status_report(r->server->relay);
    r->text = report ? json_dumps(report, JSON_COMPACT) : NULL;
    json_decref(report);
    if (!r->text)
        return false;
    uv_buf_t buffer = uv_buf_init(r->text, (unsigned)strlen(r->text));
    r->write.data = r;
    return uv_write(&r->write, (uv_stream_t *)&r->pipe, &buffer, 1, on_written) == 0;
}

static void surplus_closed(uv_handle_t *handle)
{
    struct status_server *s = handle->data;
    free(handle);
    handle_gone(s);
}

// One too many: taken, so that it is not left waiting, and closed.
static void turn_away(struct status_server *s)
{
    uv_pipe_t *pipe = calloc(1, sizeof(*pipe));
    if (!pipe || uv_pipe_init(s->relay->loop, pipe, 0) != 0) {
        free(pipe);
        return;
    }
    pipe->data = s;
    s->handles_open++;
    (void)uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)pipe);
    uv_close((uv_handle_t *)pipe, surplus_closed);
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct status_server *s = listener->data;
    if (status != 0)
        return;
    struct reader *r = reader_new(s);
    if (!r)
        turn_away(s);
    else if (uv_accept(listener, (uv_stream_t *)&r->pipe) != 0 || !answer(r))
        reader_close(r);
}

// ---- life

static bool begin(struct status_server *s, int fd)
{
    return uv_pipe_open(&s->listener, fd) == 0 &&
           uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection) == 0;
}

struct status_server *status_server_create(struct relay *relay, char *error, size_t error_size)
{
    struct status_server *s = calloc(1, sizeof(*s));
    snprintf(error, error_size, "no memory for the status socket");
    if (!s || uv_pipe_init(relay->loop, &s->listener, 0) != 0) {
        free(s);
        return NULL;
    }
    s->relay = relay;
    s->directory_fd = -1;
    s->listener.data = s->timer.data = s;
    uv_timer_init(relay->loop, &s->timer);
    s->handles_open = 2;
    int fd = status_socket_bind(relay->config->data_directory, STATUS_SOCKET_NAME, &s->directory_fd,
                                error, error_size);
    if (fd >= 0 && begin(s, fd))
        return s;
    if (fd >= 0)
        snprintf(error, error_size, "%s/%s: cannot be listened on", relay->config->data_directory,
                 STATUS_SOCKET_NAME);
    status_server_free(s);
    return NULL;
}

static void own_handle_closed(uv_handle_t *handle)
{
    handle_gone(handle->data);
}

void status_server_free(struct status_server *s)
{
    if (!s)
        return;
    s->freed = true;
    if (s->directory_fd >= 0) {
        status_socket_remove(s->directory_fd, STATUS_SOCKET_NAME);
        close(s->directory_fd);
    }
    for (unsigned i = 0; i < STATUS_CONNECTIONS_MAX; i++)
        if (s->readers[i].server)
            reader_close(&s->readers[i]);
    uv_timer_stop(&s->timer);
    uv_close((uv_handle_t *)&s->timer, own_handle_closed);
    uv_close((uv_handle_t *)&s->listener, own_handle_closed);
}
