// SPDX-License-Identifier: BSD-3-Clause
// A SOCKS server and its applications in one thread.
#include "socks_desk.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

void desk_init(struct desk *desk)
{
    memset(desk, 0, sizeof(*desk));
    fake_streams_forget(); // of a test that failed
    uv_loop_init(&desk->loop);
    desk->relay.loop = &desk->loop;
    desk->relay.config = &desk->config;
    desk->relay.uptime_s = 1;
    desk->origin.relay = &desk->relay;
    desk->config.socks_count = 1;
    for (unsigned i = 0; i < CONFIG_SOCKS_MAX; i++) {
        struct config_socks *s = &desk->config.socks[i];
        s->listen.address = address_ipv4(0x7f000001, 0);
        s->mode = 0600;
        s->group = i + 1;
        s->isolates = 1U << CONFIG_ISOLATE_CREDENTIALS | 1U << CONFIG_ISOLATE_CLIENT;
        s->ipv4 = s->ipv6 = s->dns = s->http = true;
    }
}

void desk_open(struct desk *desk)
{
    char error[256] = "";
    desk->server = socks_server_create(&desk->origin, error, sizeof(error));
    assert_string_equal(error, "");
    assert_non_null(desk->server);
}

void desk_close(struct desk *desk)
{
    socks_server_free(desk->server);
    uv_run(&desk->loop, UV_RUN_DEFAULT);
    fake_streams_settle();
    for (unsigned i = 0; i < fake_streams_count; i++)
        assert_true(fake_streams[i]->closed);
    assert_int_equal(desk->relay.counters.socks_open, 0);
    assert_int_equal(uv_loop_close(&desk->loop), 0);
    fake_streams_forget();
}

void desk_turn(struct desk *desk)
{
    for (unsigned i = 0; i < 20; i++) {
        uv_run(&desk->loop, UV_RUN_NOWAIT);
        fake_streams_settle();
    }
}

void desk_tick(struct desk *desk, unsigned seconds)
{
    desk->relay.uptime_s += seconds;
    socks_server_tick(desk->server);
    desk_turn(desk);
}

static int connect_unix(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static int connect_tcp(const struct socks_listener *listener)
{
    uint16_t port = socks_listener_port(listener);
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    bool six = listener->config->listen.address.family == ADDRESS_IPV6;
    ipv4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ipv6.sin6_addr = in6addr_loopback;
    int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    const int little = 32 * 1024; // else the kernel holds all that the tests have
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof(little));
    assert_int_equal(six ? connect(fd, (struct sockaddr *)&ipv6, sizeof(ipv6))
                         : connect(fd, (struct sockaddr *)&ipv4, sizeof(ipv4)),
                     0);
    return fd;
}

int desk_connect(struct desk *desk, unsigned listener)
{
    const char *path = desk->config.socks[listener].listen.path;
    int fd = path[0] ? connect_unix(path) : connect_tcp(&desk->server->listeners[listener]);
    const int now = 1;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &now, sizeof(now));
    desk_turn(desk);
    return fd;
}

void desk_hang_up(struct desk *desk, int fd)
{
    const struct linger reset = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(fd);
    desk_turn(desk);
}

void desk_say(struct desk *desk, int fd, const void *bytes, size_t length)
{
    assert_int_equal(send(fd, bytes, length, MSG_NOSIGNAL), length);
    desk_turn(desk);
}

ssize_t desk_hear(struct desk *desk, int fd, void *out, size_t capacity)
{
    desk_turn(desk);
    ssize_t n = recv(fd, out, capacity, 0);
    assert_true(n >= 0 || errno == EAGAIN);
    return n;
}

void desk_expect(struct desk *desk, int fd, const void *bytes, size_t length)
{
    uint8_t heard[4096];
    assert_true(length <= sizeof(heard));
    ssize_t n = desk_hear(desk, fd, heard, sizeof(heard));
    assert_int_equal(n, length > 0 ? (ssize_t)length : -1);
    if (length > 0)
        assert_memory_equal(heard, bytes, length);
}

void desk_expect_end(struct desk *desk, int fd)
{
    uint8_t heard[16];
    assert_int_equal(desk_hear(desk, fd, heard, sizeof(heard)), 0);
}

struct app_stream *desk_ask(struct desk *desk, int fd)
{
    unsigned before = fake_streams_count;
    DESK_SAY(desk, fd, "\5\1\0");
    DESK_EXPECT(desk, fd, "\5\0");
    DESK_SAY(desk, fd, "\5\1\0\3\13example.com\0\x50");
    assert_int_equal(fake_streams_count, before + 1);
    return fake_stream_last();
}

struct app_stream *desk_ask_connected(struct desk *desk, int fd)
{
    struct app_stream *s = desk_ask(desk, fd);
    s->ops->connected(s);
    DESK_EXPECT(desk, fd, "\5\0\0\1\0\0\0\0\0\0");
    return s;
}
