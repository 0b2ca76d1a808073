// SPDX-License-Identifier: BSD-3-Clause
// A SOCKS server whose applications are the test's own sockets.
#pragma once

#include <uv.h>

#include "fake_app_stream.h"
#include "origin/origin.h"
#include "origin/socks/socks_internal.h"

struct desk {
    uv_loop_t loop;
    struct config config;
    struct relay relay;
    struct origin origin;
    struct socks_server *server;
};

// With one listener on 127.0.0.1 that has C tor's defaults, to be changed before desk_open.
void desk_init(struct desk *desk);
void desk_open(struct desk *desk);
// The server goes, and what it must have given back is checked.
void desk_close(struct desk *desk);
// The loop runs until nothing more happens by itself.
void desk_turn(struct desk *desk);
void desk_tick(struct desk *desk, unsigned seconds);

// An application connects to the listener.
int desk_connect(struct desk *desk, unsigned listener);
// … and goes at once, without an orderly end.
void desk_hang_up(struct desk *desk, int fd);
void desk_say(struct desk *desk, int fd, const void *bytes, size_t length);
#define DESK_SAY(desk, fd, literal) desk_say(desk, fd, literal, sizeof(literal) - 1)
// Exactly these bytes have come to it, and nothing more.
void desk_expect(struct desk *desk, int fd, const void *bytes, size_t length);
#define DESK_EXPECT(desk, fd, literal) desk_expect(desk, fd, literal, sizeof(literal) - 1)
// What has come, at most so much; -1: nothing, 0: the end.
ssize_t desk_hear(struct desk *desk, int fd, void *out, size_t capacity);
void desk_expect_end(struct desk *desk, int fd);
// SOCKS5 without credentials, to example.com:80; the stream that comes of it.
struct app_stream *desk_ask(struct desk *desk, int fd);
// … and it is connected.
struct app_stream *desk_ask_connected(struct desk *desk, int fd);
