// SPDX-License-Identifier: BSD-3-Clause
// Bytes for applications: a cell's are copied behind the others, and written in large pieces.
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "origin/socks/socks_internal.h"
#include "origin/stream/app_stream.h"

// ---- blocks

struct socks_block *socks_block_take(struct socks_server *server, bool beyond_limit)
{
    struct socks_block *block = server->kept;
    if (block) {
        server->kept = block->next;
        server->n_kept--;
    } else {
        if (server->n_blocks >= server->blocks_max && !beyond_limit)
            return NULL;
        block = malloc(sizeof(*block));
        if (!block)
            return NULL;
        server->n_blocks++;
    }
    block->next = NULL;
    block->start = block->end = 0;
    return block;
}

void socks_block_give(struct socks_server *server, struct socks_block *block)
{
    if (server->n_kept < SOCKS_BLOCKS_KEPT && server->n_blocks <= server->blocks_max) {
        block->next = server->kept;
        server->kept = block;
        server->n_kept++;
        return;
    }
    server->n_blocks--;
    free(block);
}

// ---- the queue

static struct socks_connection *heaviest(struct socks_server *server)
{
    struct socks_connection *c, *most = NULL;
    TAILQ_FOREACH(c, &server->connections, entry)
    if (c->state != SOCKS_CLOSED && (!most || c->out_bytes > most->out_bytes))
        most = c;
    return most;
}

// When memory is short, whoever holds most of it gives way.
static struct socks_block *take_block(struct socks_connection *c)
{
    struct socks_server *server = c->server;
    struct socks_block *block = socks_block_take(server, false);
    if (block)
        return block;
    struct socks_connection *most = heaviest(server);
    server->relay->counters.drop_socks_memory++;
    log_info("socks: a connection is closed: %zu bytes wait for its application, and memory is "
             "short",
             most ? most->out_bytes : 0);
    if (most == c)
        return NULL;
    if (most)
        socks_connection_abort(most);
    return socks_block_take(server, true);
}

bool socks_output_add(struct socks_connection *c, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    while (length > 0) {
        struct socks_block *last = c->out_last;
        if (!last || last->end == SOCKS_BLOCK_BYTES) {
            struct socks_block *block = take_block(c);
            if (!block)
                return false;
            if (last)
                last->next = block;
            else
                c->out_first = block;
            c->out_last = last = block;
        }
        size_t room = SOCKS_BLOCK_BYTES - last->end, n = length < room ? length : room;
        memcpy(last->bytes + last->end, at, n);
        last->end += (uint32_t)n;
        c->out_bytes += n;
        at += n;
        length -= n;
    }
    socks_connection_dirty(c);
    return true;
}

void socks_output_taken(struct socks_connection *c, size_t length)
{
    c->out_bytes -= length;
    c->reply_bytes -= length < c->reply_bytes ? length : c->reply_bytes;
    if (c->state == SOCKS_FLUSHING)
        c->deadline_s = c->server->relay->uptime_s + SOCKS_TIMEOUT_S;
    while (length > 0) {
        struct socks_block *first = c->out_first;
        size_t there = first->end - first->start, n = length < there ? length : there;
        first->start += (uint32_t)n;
        length -= n;
        if (first->start < first->end)
            return;
        c->out_first = first->next;
        if (!c->out_first)
            c->out_last = NULL;
        socks_block_give(c->server, first);
    }
}

void socks_output_clear(struct socks_connection *c)
{
    while (c->out_first) {
        struct socks_block *next = c->out_first->next;
        socks_block_give(c->server, c->out_first);
        c->out_first = next;
    }
    c->out_last = NULL;
    c->out_bytes = c->reply_bytes = 0;
}

// ---- writing

enum { PIECES = 4 }; // as many as libuv takes without an allocation of its own

static unsigned gather(const struct socks_connection *c, uv_buf_t pieces[PIECES], size_t *length)
{
    unsigned n = 0;
    *length = 0;
    for (struct socks_block *b = c->out_first; b && n < PIECES; b = b->next) {
        pieces[n++] = uv_buf_init((char *)b->bytes + b->start, b->end - b->start);
        *length += b->end - b->start;
    }
    return n;
}

static void written(uv_write_t *write, int status)
{
    struct socks_connection *c = write->data;
    size_t length = c->writing_bytes;
    c->writing_bytes = 0;
    if (c->state == SOCKS_CLOSED)
        return;
    if (status < 0) {
        socks_connection_abort(c);
        return;
    }
    socks_output_taken(c, length);
    socks_connection_flush(c);
}

// The kernel takes no more: the loop says when it does. Meanwhile these bytes are its own.
static int write_later(struct socks_connection *c)
{
    uv_buf_t pieces[PIECES];
    size_t length;
    unsigned n = gather(c, pieces, &length);
    c->write.data = c;
    c->writing_bytes = length;
    return uv_write(&c->write, &c->socket.stream, pieces, n, written);
}

// 0, or a negative errno: the application is gone.
static int write_now(struct socks_connection *c)
{
    while (c->out_bytes > 0 && c->writing_bytes == 0) {
        uv_buf_t pieces[PIECES];
        size_t length;
        unsigned n = gather(c, pieces, &length);
        int result = uv_try_write(&c->socket.stream, pieces, n);
        if (result < 0 && result != UV_EAGAIN)
            return result;
        if (result > 0)
            socks_output_taken(c, (size_t)result);
        if (result < 0 || (size_t)result < length)
            return write_later(c);
    }
    return 0;
}

// Also when nothing is held, as before: that all has gone is what the other side's rate is raised by.
static void tell_held(struct socks_connection *c)
{
    if (c->stream)
        app_stream_set_held(c->stream, c->out_bytes - c->reply_bytes);
}

static void linger(struct socks_connection *c);

void socks_connection_flush(struct socks_connection *c)
{
    if (c->state == SOCKS_CLOSED)
        return;
    if (write_now(c) < 0) {
        socks_connection_abort(c);
        return;
    }
    tell_held(c);
    if (c->state == SOCKS_FLUSHING && c->out_bytes == 0)
        linger(c);
}

// ---- the end

static void shut_down(uv_shutdown_t *shutdown, int status)
{
    struct socks_connection *c = shutdown->data;
    if (status < 0)
        socks_connection_abort(c);
}

// Whoever closes a socket before it has read all resets the connection, and the other side may lose
// what it has not read yet. So the application closes first, if it does so soon.
static void linger(struct socks_connection *c)
{
    c->state = SOCKS_LINGERING;
    c->deadline_s = c->server->relay->uptime_s + SOCKS_LINGER_S;
    c->shutdown.data = c;
    if (c->read_ended || uv_shutdown(&c->shutdown, &c->socket.stream, shut_down) < 0)
        socks_connection_abort(c);
    else
        socks_connection_read(c);
}
