// SPDX-License-Identifier: BSD-3-Clause
// What listeners, connections and their buffers know of each other.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include <uv.h>

#include "bridge/bridge.h"
#include "origin/socks/socks.h"
#include "origin/socks/socks_request.h"
#include "relay.h"

enum {
    SOCKS_CONNECTIONS_MAX = 4096,
    SOCKS_BLOCKS_MAX = 4096, // of bridge/bridge.h: 128 MB for what comes and goes
    SOCKS_TIMEOUT_S = 120,   // for a request to come, and for an application to take something
    SOCKS_LINGER_S = 5,      // for an application to close, once it was told of the end
};

struct socks_listener {
    struct socks_server *server;
    const struct config_socks *config;
    union bridge_socket socket;
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
    struct bridge bridge; // to the application; first: what its callbacks get is the connection
    TAILQ_ENTRY(socks_connection) entry;
    struct socks_listener *listener;
    struct socks_server *server;
    enum socks_state state;
    struct socks_handshake handshake;
    struct app_stream *stream; // until its `closed`
    size_t reply_bytes;  // of those that wait for the application, our own, which are the first
    uint32_t deadline_s; // of relay->uptime_s; 0: none
};

struct socks_server {
    struct relay *relay;
    struct origin *origin;
    struct socks_listener listeners[CONFIG_SOCKS_MAX];
    unsigned n_listeners;
    TAILQ_HEAD(, socks_connection) connections;
    unsigned n_connections;
    unsigned connections_max; // SOCKS_CONNECTIONS_MAX
    struct bridges *bridges;
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
// Reading goes on if there is room.
void socks_connection_read(struct socks_connection *c);
extern const struct app_stream_ops socks_stream_ops;
