// SPDX-License-Identifier: BSD-3-Clause
// TCP and network in the worker's tests: byte strings that arrive and leave, and no packets.
// Implements tcp/tcp.h and net/net.h.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tcp/tcp.h"

struct fake_bytes {
    uint8_t *bytes;
    size_t length;
};

struct tcp_conn {
    struct tcp_stack *stack;
    struct tcp_conn *next;
    void *user;
    struct address local, remote;
    unsigned events;
    enum conn_close_reason reason;
    struct fake_bytes in, out;
    size_t window;   // how much more may be written
    size_t reserved; // by the last tcp_write_reserve
    uint8_t span[65536];
    bool closed;  // tcp_close was called
    bool aborted; // tcp_abort was called
};

// The peer's side of things.
struct tcp_conn *fake_accept(struct tcp_stack *stack, struct address remote);
struct tcp_conn *fake_last_dialled(struct tcp_stack *stack); // the newest tcp_connect, or NULL
void fake_connected(struct tcp_conn *conn);
void fake_arrive(struct tcp_conn *conn, const void *bytes, size_t length);
void fake_peer_fin(struct tcp_conn *conn);
void fake_gone(struct tcp_conn *conn, enum conn_close_reason reason);
void fake_set_window(struct tcp_conn *conn, size_t window);
// Drops the first `length` bytes of what was written.
void fake_taken(struct tcp_conn *conn, size_t length);
// Of a connection that the worker has closed, before its stack goes.
void fake_free(struct tcp_conn *conn);
