// SPDX-License-Identifier: BSD-3-Clause
// What listeners, connections and their buffers know of each other.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include <uv.h>

#include "origin/socks/socks.h"
#include "origin/socks/socks_request.h"
#include "relay.h"

enum {
    SOCKS_CONNECTIONS_MAX = 4096,
    SOCKS_BLOCK_BYTES = 32 * 1024 - 16,
    SOCKS_BLOCKS_MAX = 4096, // 128 MB for what comes and goes
    SOCKS_BLOCKS_KEPT = 64,  // that nobody needs at present
    SOCKS_TIMEOUT_S = 120,   // for a request to come, and for an application to take something
    SOCKS_LINGER_S = 5,      // for an application to close, once it was told of the end
};

// Bytes on their way: bytes[start] to bytes[end - 1].
struct socks_block {
    struct socks_block *next;
    uint32_t start, end;
    uint8_t bytes[SOCKS_BLOCK_BYTES];
};

union socks_socket {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct socks_listener {
    struct socks_server *server;
    const struct config_socks *config;
    union socks_socket socket;
    bool accept_waits; // one is there, and there was no memory for it
    dev_t device;      // of a Unix socket's file, with its inode
    ino_t inode;
};

enum socks_state {
    SOCKS_HANDSHAKE, // the request is not whole yet
    SOCKS_ASKED,     // the stream is not connected yet, or the name is being looked up
    SOCKS_OPEN,      // bytes go to and fro
    SOCKS_FLUSHING,  // there is no stream; the application gets what is left
    SOCKS_LINGERING, // … and was told of the end; its own end is awaited
    SOCKS_CLOSED,    // the socket closes; freed once that is done and the stream is gone
};

struct socks_connection {
    TAILQ_ENTRY(socks_connection) entry, dirty_entry;
    struct socks_listener *listener;
    struct socks_server *server;
    union socks_socket socket;
    bool socket_open; // to the loop: until its close callback has come
    enum socks_state state;
    struct socks_handshake handshake;
    struct app_stream *stream; // until its `closed`
    // From the application.
    struct socks_block *in; // NULL: nothing waits
    bool in_waited;         // it has been full for a turn of the loop
    bool reading, read_ended;
    // To the application.
    struct socks_block *out_first, *out_last;
    size_t out_bytes, reply_bytes; // not written yet; of these, our own, which are the first
    uv_write_t write;
    size_t writing_bytes; // with the loop; 0: none
    uv_shutdown_t shutdown;
    bool dirty;          // in the server's list
    uint32_t deadline_s; // of relay->uptime_s; 0: none
};

struct socks_server {
    struct relay *relay;
    struct origin *origin;
    struct socks_listener listeners[CONFIG_SOCKS_MAX];
    unsigned n_listeners;
    TAILQ_HEAD(, socks_connection) connections;
    unsigned n_connections;
    // Those that have something to write, or to end, in this turn of the loop.
    TAILQ_HEAD(, socks_connection) dirty;
    uv_check_t after_poll;
    uv_idle_t no_sleep;
    struct socks_block *kept;
    unsigned n_kept, n_blocks;
    unsigned connections_max, blocks_max;    // SOCKS_CONNECTIONS_MAX, SOCKS_BLOCKS_MAX
    unsigned holders;                        // of this structure: its owner, handles, connections
    uint32_t complained_s[SOCKS_COMPLAINTS]; // relay->uptime_s of the last line; 0: none
};

// ---- server

void socks_server_drop(struct socks_server *server); // one holder less; the last one frees it
// A line in the log, though not for each time: why `c` was refused, or might be.
void socks_complain(struct socks_connection *c, enum socks_complaint what, bool refused);

// ---- listeners

// 0, or a negative errno with a line in `error`.
int socks_listen(struct socks_listener *listener, char *error, size_t error_size);
void socks_listener_close(struct socks_listener *listener);
// Where it listens, if it's TCP: its port.
uint16_t socks_listener_port(const struct socks_listener *listener);

// ---- connections

// There is one to accept.
void socks_connection_accept(struct socks_listener *listener);
// Ends all at once: nothing more is written.
void socks_connection_abort(struct socks_connection *c);
void socks_connection_tick(struct socks_connection *c, uint32_t now_s);
// Writes what there is, in few large pieces.
void socks_connection_flush(struct socks_connection *c);
// Reading goes on if there is room.
void socks_connection_read(struct socks_connection *c);
// To be flushed in this turn of the loop.
void socks_connection_dirty(struct socks_connection *c);
extern const struct app_stream_ops socks_stream_ops;

// ---- blocks

// Empty. NULL: there are too many, or no memory.
struct socks_block *socks_block_take(struct socks_server *server, bool beyond_limit);
void socks_block_give(struct socks_server *server, struct socks_block *block);
// Copies to the end of what is to be written. False: no memory.
bool socks_output_add(struct socks_connection *c, const void *bytes, size_t length);
void socks_output_taken(struct socks_connection *c, size_t length);
void socks_output_clear(struct socks_connection *c);
