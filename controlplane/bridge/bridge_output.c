// SPDX-License-Identifier: BSD-3-Clause
// Bytes for a socket: a cell's are copied behind the others, and written in large pieces.
#include <stdlib.h>
#include <string.h>

#include "bridge/bridge.h"

// ---- blocks

struct bridge_block *bridge_block_take(struct bridges *all, bool beyond_limit)
{
    struct bridge_block *block = all->kept;
    if (block) {
        all->kept = block->next;
        all->n_kept--;
    } else {
        if (all->n_blocks >= all->blocks_max && !beyond_limit)
            return NULL;
        block = malloc(sizeof(*block));
        if (!block)
            return NULL;
        all->n_blocks++;
    }
    block->next = NULL;
    block->start = block->end = 0;
    return block;
}

void bridge_block_give(struct bridges *all, struct bridge_block *block)
{
    if (all->n_kept < BRIDGE_BLOCKS_KEPT && all->n_blocks <= all->blocks_max) {
        block->next = all->kept;
        all->kept = block;
        all->n_kept++;
        return;
    }
    all->n_blocks--;
    free(block);
}

// ---- the queue

static struct bridge *heaviest(struct bridges *all)
{
    struct bridge *b, *most = NULL;
    TAILQ_FOREACH(b, &all->open, entry)
    if (!most || b->out_bytes > most->out_bytes)
        most = b;
    return most;
}

// When memory is short, whoever's bytes move least or holds most of it gives way.
static struct bridge_block *take_block(struct bridge *b)
{
    struct bridges *all = b->all;
    struct bridge_block *block = bridge_block_take(all, false);
    if (block)
        return block;
    struct bridge *other = bridge_give_way(all);
    if (!other && (other = heaviest(all)))
        other->ops->failed(other, BRIDGE_MEMORY);
    return other == b ? NULL : bridge_block_take(all, true);
}

bool bridge_add(struct bridge *b, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    while (length > 0) {
        struct bridge_block *last = b->out_last;
        if (!last || last->end == BRIDGE_BLOCK_BYTES) {
            struct bridge_block *block = take_block(b);
            if (!block)
                return false;
            if (last)
                last->next = block;
            else
                b->out_first = block;
            b->out_last = last = block;
        }
        size_t room = BRIDGE_BLOCK_BYTES - last->end, n = length < room ? length : room;
        memcpy(last->bytes + last->end, at, n);
        last->end += (uint32_t)n;
        b->out_bytes += n;
        at += n;
        length -= n;
    }
    bridge_touch(b);
    return true;
}

static void taken(struct bridge *b, size_t length)
{
    b->out_bytes -= length;
    if (b->ops->taken)
        b->ops->taken(b, length);
    while (length > 0) {
        struct bridge_block *first = b->out_first;
        size_t there = first->end - first->start, n = length < there ? length : there;
        first->start += (uint32_t)n;
        length -= n;
        if (first->start < first->end)
            return;
        b->out_first = first->next;
        if (!b->out_first)
            b->out_last = NULL;
        bridge_block_give(b->all, first);
    }
}

// ---- writing

enum { PIECES = 4 }; // as many as libuv takes without an allocation of its own

static unsigned gather(const struct bridge *b, uv_buf_t pieces[PIECES], size_t *length)
{
    unsigned n = 0;
    *length = 0;
    for (struct bridge_block *block = b->out_first; block && n < PIECES; block = block->next) {
        pieces[n++] = uv_buf_init((char *)block->bytes + block->start, block->end - block->start);
        *length += block->end - block->start;
    }
    return n;
}

static void written(uv_write_t *write, int status)
{
    struct bridge *b = write->data;
    size_t length = b->writing_bytes;
    b->writing_bytes = 0;
    if (b->closing)
        return;
    if (status < 0) {
        b->ops->failed(b, BRIDGE_SOCKET);
        return;
    }
    taken(b, length);
    bridge_flush(b);
}

// The kernel takes no more: the loop says when it does. Meanwhile these bytes are its own.
static int write_later(struct bridge *b)
{
    uv_buf_t pieces[PIECES];
    size_t length;
    unsigned n = gather(b, pieces, &length);
    b->write.data = b;
    b->writing_bytes = length;
    return uv_write(&b->write, &b->socket.stream, pieces, n, written);
}

// 0, or a negative errno: the other side is gone.
static int write_now(struct bridge *b)
{
    while (b->out_bytes > 0 && b->writing_bytes == 0) {
        uv_buf_t pieces[PIECES];
        size_t length;
        unsigned n = gather(b, pieces, &length);
        int result = uv_try_write(&b->socket.stream, pieces, n);
        if (result < 0 && result != UV_EAGAIN)
            return result;
        if (result > 0)
            taken(b, (size_t)result);
        if (result < 0 || (size_t)result < length)
            return write_later(b);
    }
    return 0;
}

void bridge_flush(struct bridge *b)
{
    if (b->closing)
        return;
    if (write_now(b) < 0)
        b->ops->failed(b, BRIDGE_SOCKET);
    else
        b->ops->flushed(b);
}

static void shut_down(uv_shutdown_t *shutdown, int status)
{
    struct bridge *b = shutdown->data;
    if (status < 0 && !b->closing)
        b->ops->failed(b, BRIDGE_SOCKET);
}

bool bridge_shut_down(struct bridge *b)
{
    b->shutdown.data = b;
    return uv_shutdown(&b->shutdown, &b->socket.stream, shut_down) == 0;
}
