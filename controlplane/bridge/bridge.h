// SPDX-License-Identifier: BSD-3-Clause
// The kernel's end of a stream: a socket, with what waits to be written to it and what was read
// from it, in blocks that all sockets of one kind share. An application's connection to SOCKS has
// one, and an onion service's connection to its target. Control thread only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <uv.h>

enum {
    BRIDGE_BLOCK_BYTES = 32 * 1024 - 16,
    BRIDGE_BLOCKS_KEPT = 64, // that nobody needs at present
    BRIDGE_STALLED_S = 3,    // what was read waits so long: it may have to give way
};

// Bytes on their way: bytes[start] to bytes[end - 1].
struct bridge_block {
    struct bridge_block *next;
    uint32_t start, end;
    uint8_t bytes[BRIDGE_BLOCK_BYTES];
};

union bridge_socket {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct bridge;
struct bridges;

enum bridge_failure {
    BRIDGE_SOCKET, // reading or writing failed
    BRIDGE_MEMORY, // memory is short, and what this one holds is the most, or moves the least
};

// Called from the loop, but for `taken` and `failed`, which come from inside bridge_flush and
// bridge_add, too; `failed` also while another one reads.
struct bridge_ops {
    // Bytes were read: bridge_waiting says how many, bridge_take takes them.
    void (*came)(struct bridge *b);
    // The other side sends no more. What it has sent may still wait.
    void (*ended)(struct bridge *b);
    // The socket has taken what it takes at present, of what was added since the last time.
    // b->out_bytes is what is left.
    void (*flushed)(struct bridge *b);
    // So many of the oldest bytes were written. May be NULL.
    void (*taken)(struct bridge *b, size_t length);
    // Nothing more can be read or written: it is to be closed by bridge_close, from inside.
    void (*failed)(struct bridge *b, enum bridge_failure why);
    // The last call: its memory may go.
    void (*closed)(struct bridge *b);
};

// Part of what its user has of the connection, and zeros before bridge_init.
struct bridge {
    TAILQ_ENTRY(bridge) entry, dirty_entry, input_entry;
    struct bridges *all;
    const struct bridge_ops *ops;
    union bridge_socket socket;
    bool socket_open; // to the loop: until `closed`
    bool closing;
    bool dirty; // to be flushed in this turn of the loop
    // From the socket.
    struct bridge_block *in; // NULL: nothing waits
    uint32_t in_moved_s;     // when some of it was last taken, or it came
    bool in_waited;          // it has been full for a turn of the loop
    bool reading, read_ended;
    // To the socket.
    struct bridge_block *out_first, *out_last;
    size_t out_bytes;
    uv_write_t write;
    size_t writing_bytes; // with the loop; 0: none
    uv_shutdown_t shutdown;
};

struct bridges {
    uv_loop_t *loop;
    TAILQ_HEAD(, bridge) open;
    TAILQ_HEAD(, bridge) dirty;
    TAILQ_HEAD(, bridge) input; // with something read: what has moved last is the last
    uint32_t now_s;
    uv_check_t after_poll;
    uv_idle_t no_sleep;
    struct bridge_block *kept;
    unsigned n_kept, n_blocks, blocks_max;
    unsigned holders; // of this structure: its owner, handles, bridges
};

// NULL: no memory. With so many blocks at most.
struct bridges *bridges_create(uv_loop_t *loop, unsigned blocks_max);
void bridges_tick(struct bridges *all); // each second
// Its bridges are being closed, and the loop must run once more. NULL is fine.
void bridges_free(struct bridges *all);

// Its socket is made, and is neither connected nor accepted: that is the user's.
void bridge_init(struct bridge *b, struct bridges *all, bool is_pipe, const struct bridge_ops *ops);
// Reads from now on, as long as there is room for it.
void bridge_read(struct bridge *b);
void bridge_stop_reading(struct bridge *b);
// What was read is dropped, too.
void bridge_forget_input(struct bridge *b);
size_t bridge_waiting(const struct bridge *b);
// Takes what was read; how much. Goes on reading.
size_t bridge_take(struct bridge *b, uint8_t *out, size_t capacity);
// To be written in this turn of the loop. False: no memory; `failed` may have been called.
bool bridge_add(struct bridge *b, const void *bytes, size_t length);
void bridge_touch(struct bridge *b); // flushed in this turn of the loop
void bridge_flush(struct bridge *b); // now
// No more will be written; whoever closes first with bytes unread resets the connection, so the
// other side's end should be awaited. False: it failed.
bool bridge_shut_down(struct bridge *b);
// Ends all at once: nothing more is written. `closed` follows. Once is enough.
void bridge_close(struct bridge *b);

// ---- blocks

// Empty. NULL: there are too many, or no memory.
struct bridge_block *bridge_block_take(struct bridges *all, bool beyond_limit);
void bridge_block_give(struct bridges *all, struct bridge_block *block);
// The bridge, now failed, whose input has waited for the longest time; NULL: none has for long.
struct bridge *bridge_give_way(struct bridges *all);
