// SPDX-License-Identifier: BSD-3-Clause
// The kernel's end of a stream: its beginning and end, what is read, and the turn of the loop.
#include "bridge/bridge.h"

#include <stdlib.h>
#include <string.h>

// ---- all of a kind

static void drop(struct bridges *all)
{
    if (--all->holders > 0)
        return;
    while (all->kept) {
        struct bridge_block *next = all->kept->next;
        free(all->kept);
        all->kept = next;
    }
    free(all);
}

static void handle_closed(uv_handle_t *handle)
{
    drop(handle->data);
}

struct bridges *bridges_create(uv_loop_t *loop, unsigned blocks_max)
{
    struct bridges *all = calloc(1, sizeof(*all));
    if (!all)
        return NULL;
    all->loop = loop;
    all->blocks_max = blocks_max;
    all->holders = 3;
    TAILQ_INIT(&all->open);
    TAILQ_INIT(&all->dirty);
    TAILQ_INIT(&all->input);
    all->after_poll.data = all->no_sleep.data = all;
    uv_check_init(loop, &all->after_poll);
    uv_idle_init(loop, &all->no_sleep);
    return all;
}

void bridges_tick(struct bridges *all)
{
    all->now_s++;
}

void bridges_free(struct bridges *all)
{
    if (!all)
        return;
    uv_close((uv_handle_t *)&all->after_poll, handle_closed);
    uv_close((uv_handle_t *)&all->no_sleep, handle_closed);
    drop(all);
}

// ---- once in a turn of the loop

// Right after the loop has looked for what is new. Data that came after that, or before, does not
// let it sleep.
static void flush_all(uv_check_t *handle)
{
    struct bridges *all = handle->data;
    struct bridge *b;
    while ((b = TAILQ_FIRST(&all->dirty))) {
        TAILQ_REMOVE(&all->dirty, b, dirty_entry);
        b->dirty = false;
        bridge_flush(b);
    }
    uv_idle_stop(&all->no_sleep);
    uv_check_stop(handle);
}

static void no_sleep(uv_idle_t *handle)
{
    (void)handle;
}

void bridge_touch(struct bridge *b)
{
    struct bridges *all = b->all;
    if (b->dirty || b->closing)
        return;
    b->dirty = true;
    TAILQ_INSERT_TAIL(&all->dirty, b, dirty_entry);
    if (!uv_is_active((uv_handle_t *)&all->after_poll)) {
        uv_check_start(&all->after_poll, flush_all);
        uv_idle_start(&all->no_sleep, no_sleep);
    }
}

// ---- one

void bridge_init(struct bridge *b, struct bridges *all, bool is_pipe, const struct bridge_ops *ops)
{
    b->all = all;
    b->ops = ops;
    b->socket_open = true;
    if (is_pipe)
        uv_pipe_init(all->loop, &b->socket.pipe, 0);
    else
        uv_tcp_init(all->loop, &b->socket.tcp);
    b->socket.handle.data = b;
    TAILQ_INSERT_TAIL(&all->open, b, entry);
    all->holders++;
}

static void clear_output(struct bridge *b)
{
    while (b->out_first) {
        struct bridge_block *next = b->out_first->next;
        bridge_block_give(b->all, b->out_first);
        b->out_first = next;
    }
    b->out_last = NULL;
    b->out_bytes = 0;
}

static void socket_closed(uv_handle_t *handle)
{
    struct bridge *b = handle->data;
    struct bridges *all = b->all;
    b->socket_open = false;
    clear_output(b);
    b->ops->closed(b);
    drop(all);
}

void bridge_close(struct bridge *b)
{
    struct bridges *all = b->all;
    if (b->closing)
        return;
    b->closing = true;
    TAILQ_REMOVE(&all->open, b, entry);
    if (b->dirty)
        TAILQ_REMOVE(&all->dirty, b, dirty_entry);
    b->dirty = b->reading = false;
    bridge_forget_input(b);
    if (b->writing_bytes == 0) // else they are the loop's until it says so
        clear_output(b);
    uv_close(&b->socket.handle, socket_closed);
}

// ---- reading

void bridge_forget_input(struct bridge *b)
{
    if (!b->in)
        return;
    TAILQ_REMOVE(&b->all->input, b, input_entry);
    bridge_block_give(b->all, b->in);
    b->in = NULL;
}

static void have_input(struct bridge *b)
{
    TAILQ_INSERT_TAIL(&b->all->input, b, input_entry);
    b->in_moved_s = b->all->now_s;
}

// Who never takes what it asks for could have all memory otherwise, and nobody else could be read
// from.
struct bridge *bridge_give_way(struct bridges *all)
{
    struct bridge *b = TAILQ_FIRST(&all->input);
    if (!b || all->now_s - b->in_moved_s < BRIDGE_STALLED_S)
        return NULL;
    b->ops->failed(b, BRIDGE_MEMORY);
    return b;
}

static void take_input_block(struct bridge *b)
{
    b->in = bridge_block_take(b->all, false);
    if (!b->in && bridge_give_way(b->all))
        b->in = bridge_block_take(b->all, false);
    if (b->in)
        have_input(b);
}

size_t bridge_waiting(const struct bridge *b)
{
    return b->in ? b->in->end - b->in->start : 0;
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct bridge *b = handle->data;
    (void)suggested;
    if (!b->in)
        take_input_block(b);
    *out = b->in ? uv_buf_init((char *)b->in->bytes + b->in->end, BRIDGE_BLOCK_BYTES - b->in->end)
                 : uv_buf_init(NULL, 0);
}

void bridge_stop_reading(struct bridge *b)
{
    if (b->reading)
        uv_read_stop(&b->socket.stream);
    b->reading = false;
}

// There is no room. If what there is is taken in this turn of the loop, reading can go on without a
// word to the kernel; else it stops, the second time.
static void have_no_room(struct bridge *b)
{
    if (b->in && !b->in_waited)
        b->in_waited = true;
    else
        bridge_stop_reading(b);
}

static void have_read(uv_stream_t *stream, ssize_t length, const uv_buf_t *room)
{
    struct bridge *b = stream->data;
    (void)room;
    if (length > 0) {
        b->in->end += (uint32_t)length;
        b->ops->came(b);
        return;
    }
    if (bridge_waiting(b) == 0)
        bridge_forget_input(b);
    if (length == UV_EOF) {
        b->read_ended = true;
        bridge_stop_reading(b);
        b->ops->ended(b);
    } else if (length == UV_ENOBUFS) {
        have_no_room(b);
    } else if (length < 0) {
        b->ops->failed(b, BRIDGE_SOCKET);
    }
}

void bridge_read(struct bridge *b)
{
    if (b->reading || b->read_ended || b->closing || (b->in && b->in->end == BRIDGE_BLOCK_BYTES))
        return;
    b->reading = uv_read_start(&b->socket.stream, give_room, have_read) == 0;
    if (!b->reading)
        b->ops->failed(b, BRIDGE_SOCKET);
}

size_t bridge_take(struct bridge *b, uint8_t *out, size_t capacity)
{
    struct bridge_block *in = b->in;
    size_t there = bridge_waiting(b), n = capacity < there ? capacity : there;
    if (n == 0)
        return 0;
    memcpy(out, in->bytes + in->start, n);
    in->start += (uint32_t)n;
    TAILQ_REMOVE(&b->all->input, b, input_entry);
    have_input(b);
    if (in->start == in->end) {
        bridge_forget_input(b);
        b->in_waited = false;
        bridge_read(b);
    }
    return n;
}
