// SPDX-License-Identifier: BSD-3-Clause
// Applications' connections on real sockets: what they are answered, bytes in both directions,
// ends in every state, limits. The network behind is the test's.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "socks_desk.h"

// ---- bytes in both directions

static void test_connect_and_talk(void **state)
{
    (void)state;
    struct desk desk;
    uint8_t bytes[64];
    bool ended;
    desk_init(&desk);
    desk_open(&desk);
    int fd = desk_connect(&desk, 0);
    struct app_stream *s = desk_ask_connected(&desk, fd);
    assert_string_equal(s->request.host, "example.com");
    assert_int_equal(s->request.port, 80);
    assert_int_equal(s->request.command, APP_CONNECT);
    assert_int_equal(s->request.isolation.group, 1);
    assert_int_equal(address_ipv4_host(&s->request.isolation.client), 0x7f000001);
    assert_int_equal(s->request.isolation.protocol, 0);
    unsigned wakes = s->wakes;
    DESK_SAY(&desk, fd, "GET /");
    assert_int_equal(s->wakes, wakes + 1);
    assert_int_equal(fake_stream_pull(s, bytes, sizeof(bytes), &ended), 5);
    assert_memory_equal(bytes, "GET /", 5);
    assert_false(ended);
    s->ops->data(s, (const uint8_t *)"hel", 3);
    s->ops->data(s, (const uint8_t *)"lo", 2);
    DESK_EXPECT(&desk, fd, "hello");
    assert_int_equal(s->held_bytes, 0);
    // The application ends: all that it said goes first.
    DESK_SAY(&desk, fd, "bye");
    shutdown(fd, SHUT_WR);
    desk_turn(&desk);
    assert_int_equal(fake_stream_pull(s, bytes, sizeof(bytes), &ended), 3);
    assert_true(ended);
    s->ops->data(s, (const uint8_t *)"last", 4);
    fake_stream_close(s, END_DONE, APP_FAILED_END);
    DESK_EXPECT(&desk, fd, "last");
    desk_expect_end(&desk, fd);
    assert_int_equal(socks_server_connections(desk.server), 0);
    close(fd);
    desk_close(&desk);
}

// The request and what the server will be told, all in one piece, before anything is answered.
static void test_optimistic_data(void **state)
{
    (void)state;
    struct desk desk;
    uint8_t bytes[64];
    bool ended;
    desk_init(&desk);
    desk_open(&desk);
    int fd = desk_connect(&desk, 0);
    DESK_SAY(&desk, fd,
             "\5\1\2\1\1u\1p\5\1\0\3\13example.com\0\x50"
             "GET /");
    DESK_EXPECT(&desk, fd, "\5\2\1\0");
    struct app_stream *s = fake_stream_last();
    assert_true(s->wakes > 0);
    assert_int_equal(fake_stream_pull(s, bytes, sizeof(bytes), &ended), 5);
    assert_memory_equal(bytes, "GET /", 5);
    DESK_SAY(&desk, fd, "more");
    assert_int_equal(fake_stream_pull(s, bytes, sizeof(bytes), &ended), 4);
    s->ops->connected(s);
    s->ops->data(s, (const uint8_t *)"200", 3);
    DESK_EXPECT(&desk, fd,
                "\5\0\0\1\0\0\0\0\0\0"
                "200");
    desk_hang_up(&desk, fd);
    desk_close(&desk);
}

static void test_byte_by_byte(void **state)
{
    (void)state;
    static const char request[] = "\5\1\0\5\1\0\3\13example.com\0\x50";
    struct desk desk;
    desk_init(&desk);
    desk_open(&desk);
    int fd = desk_connect(&desk, 0);
    for (size_t i = 0; i < sizeof(request) - 1; i++)
        desk_say(&desk, fd, request + i, 1);
    DESK_EXPECT(&desk, fd, "\5\0");
    assert_int_equal(fake_streams_count, 1);
    close(fd);
    desk_turn(&desk);
    assert_true(fake_stream_last()->closed);
    desk_close(&desk);
}

static void test_protocols(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk);
    desk.config.socks[0].isolates |= 1U << CONFIG_ISOLATE_PROTOCOL;
    desk_open(&desk);
    int four = desk_connect(&desk, 0), http = desk_connect(&desk, 0), five = desk_connect(&desk, 0);
    DESK_SAY(&desk, four, "\4\1\0\x50\0\0\0\1me\0example.com\0");
    struct app_stream *s4 = fake_stream_last();
    DESK_SAY(&desk, http, "CONNECT example.com:80 HTTP/1.1\r\n\r\nhello");
    struct app_stream *sh = fake_stream_last();
    struct app_stream *s5 = desk_ask(&desk, five);
    assert_int_equal(s4->request.isolation.protocol, '4');
    assert_int_equal(s5->request.isolation.protocol, '5');
    assert_int_equal(sh->request.isolation.protocol, 'h');
    // SOCKS4 has no room for an IPv6 address.
    assert_true(s4->request.ipv4 && !s4->request.ipv6);
    assert_true(s5->request.ipv4 && s5->request.ipv6 && !s5->request.prefer_ipv6);
    s4->ops->connected(s4);
    sh->ops->connected(sh);
    DESK_EXPECT(&desk, four, "\0\x5a\0\0\0\0\0\0");
    DESK_EXPECT(&desk, http,
                "HTTP/1.0 200 OK\r\nTor-Capabilities: \r\n"
                "Via: tor/1.0 tor-network (ramson " RAMSON_VERSION ")\r\n\r\n");
    desk_hang_up(&desk, four);
    desk_hang_up(&desk, http);
    desk_hang_up(&desk, five);
    assert_true(s4->closed && sh->closed && s5->closed);
    desk_close(&desk);
}

// ---- refusals and failures

static void test_failures(void **state)
{
    (void)state;
    static const struct {
        enum end_reason reason;
        enum app_failure failure;
        const char *reply;
    } ends[] = {
        {END_NOROUTE, APP_FAILED_END, "\5\4\0\1\0\0\0\0\0\0"},
        {END_CONNECTREFUSED, APP_FAILED_END, "\5\5\0\1\0\0\0\0\0\0"},
        {END_EXITPOLICY, APP_FAILED_NO_CIRCUIT, "\5\2\0\1\0\0\0\0\0\0"},
        {END_MISC, APP_FAILED_TIMEOUT, "\5\6\0\1\0\0\0\0\0\0"},
        {END_MISC, APP_FAILED_RESOLVE, "\5\4\0\1\0\0\0\0\0\0"},
    };
    struct desk desk;
    desk_init(&desk);
    desk_open(&desk);
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        int fd = desk_connect(&desk, 0);
        struct app_stream *s = desk_ask(&desk, fd);
        fake_stream_close(s, ends[i].reason, ends[i].failure);
        desk_expect(&desk, fd, ends[i].reply, 10);
        desk_expect_end(&desk, fd);
        close(fd);
        desk_turn(&desk);
        assert_int_equal(socks_server_connections(desk.server), 0);
    }
    // No memory for a stream.
    fake_streams_refuse = true;
    int fd = desk_connect(&desk, 0);
    DESK_SAY(&desk, fd, "\5\1\0\5\1\0\3\13example.com\0\x50");
    DESK_EXPECT(&desk, fd, "\5\0\5\1\0\1\0\0\0\0\0\0");
    desk_expect_end(&desk, fd);
    close(fd);
    desk_close(&desk);
}

#define ONION "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"

// An onion service, and why it can't be reached: exactly for those who want it so (9.28, 9.29).
static void test_onion_failures(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk);
    desk_open(&desk);
    for (unsigned extended = 0; extended < 2; extended++) {
        desk.config.socks[0].extended_errors = extended;
        for (unsigned code = 0xf0; code <= 0xf7; code++) {
            uint8_t reply[] = "\5\0\5\4\0\1\0\0\0\0\0";
            int fd = desk_connect(&desk, 0);
            DESK_SAY(&desk, fd, "\5\1\0\5\1\0\3\x3e" ONION "\0\x50");
            struct app_stream *s = fake_stream_last();
            assert_string_equal(s->request.host, ONION);
            s->onion_failure = code;
            fake_stream_close(s, END_RESOLVEFAILED, APP_FAILED_ONION);
            if (extended)
                reply[3] = (uint8_t)code;
            desk_expect(&desk, fd, (const char *)reply, 12);
            desk_expect_end(&desk, fd);
            close(fd);
        }
    }
    // It took too long.
    desk.config.socks[0].extended_errors = false;
    int fd = desk_connect(&desk, 0);
    DESK_SAY(&desk, fd, "\5\1\0\5\1\0\3\x3e" ONION "\0\x50");
    fake_stream_last()->onion_failure = 0xf3;
    fake_stream_close(fake_stream_last(), END_TIMEOUT, APP_FAILED_ONION);
    DESK_EXPECT(&desk, fd, "\5\0\5\6\0\1\0\0\0\0\0\0");
    close(fd);
    // It has no address (C tor says the same).
    fd = desk_connect(&desk, 0);
    unsigned before = fake_streams_count;
    DESK_SAY(&desk, fd, "\5\1\0\5\xf0\0\3\x3e" ONION "\0\0");
    DESK_EXPECT(&desk, fd, "\5\0\5\4\0\1\0\0\0\0\0\0");
    close(fd);
    assert_int_equal(fake_streams_count, before);
    desk_close(&desk);
}

static void test_refusals(void **state)
{
    (void)state;
#define ASK(name, port) "\5\1\0\5\1\0\3" name port, sizeof("\5\1\0\5\1\0\3" name port) - 1
    static const struct {
        const char *ask;
        size_t length;
        const char *reply; // of 12 bytes
    } asks[] = {
        {ASK("\x09"
             "localhost",
             "\0\x50"),
         "\5\0\5\1\0\1\0\0\0\0\0\0"},
        {ASK("\x09"
             "127.0.0.1",
             "\0\x50"),
         "\5\0\5\1\0\1\0\0\0\0\0\0"},
        {ASK("\x05"
             "a.com",
             "\0\0"),
         "\5\0\5\1\0\1\0\0\0\0\0\0"},
        {ASK("\x06"
             "a.exit",
             "\0\x50"),
         "\5\0\5\1\0\1\0\0\0\0\0\0"},
        {ASK("\x07"
             "a.onion",
             "\0\x50"),
         "\5\0\5\xf6\0\1\0\0\0\0\0\0"},
    };
    struct desk desk;
    desk_init(&desk);
    desk.config.socks[0].extended_errors = true;
    desk_open(&desk);
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
        int fd = desk_connect(&desk, 0);
        desk_say(&desk, fd, asks[i].ask, asks[i].length);
        desk_expect(&desk, fd, asks[i].reply, 12);
        desk_expect_end(&desk, fd);
        close(fd);
    }
    // Without extended errors, and of a network of its own.
    desk.config.socks[0].extended_errors = false;
    desk.config.testing_network = true;
    int fd = desk_connect(&desk, 0);
    desk_say(&desk, fd, asks[4].ask, asks[4].length);
    DESK_EXPECT(&desk, fd, "\5\0\5\1\0\1\0\0\0\0\0\0");
    close(fd);
    assert_int_equal(fake_streams_count, 0);
    fd = desk_connect(&desk, 0);
    desk_say(&desk, fd, asks[1].ask, asks[1].length);
    assert_int_equal(fake_streams_count, 1);
    assert_int_equal(desk.relay.counters.drop_socks_request, 6);
    desk_hang_up(&desk, fd);
    desk_close(&desk);
}

static void test_no_protocol(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk);
    desk_open(&desk);
    int fd = desk_connect(&desk, 0);
    DESK_SAY(&desk, fd, "\x16\3\1\0\5hello");
    desk_expect_end(&desk, fd);
    close(fd);
    fd = desk_connect(&desk, 0);
    DESK_SAY(&desk, fd, "GET / HTTP/1.0\r\n\r\n");
    char page[2048];
    assert_true(desk_hear(&desk, fd, page, sizeof(page)) > 100);
    assert_memory_equal(page, "HTTP/1.0 405 ", 13);
    desk_expect_end(&desk, fd);
    close(fd);
    assert_int_equal(desk.relay.counters.drop_socks_request, 2);
    desk_turn(&desk);
    desk_close(&desk);
}

// ---- names

static void test_resolve(void **state)
{
    (void)state;
    struct desk desk;
    struct app_answer answer = {.kind = APP_ANSWER_ADDRESS, .address = address_ipv4(0x01020304, 0)};
    desk_init(&desk);
    desk_open(&desk);
    int fd = desk_connect(&desk, 0);
    DESK_SAY(&desk, fd, "\5\1\0\5\xf0\0\3\13example.com\0\0");
    struct app_stream *s = fake_stream_last();
    assert_int_equal(s->request.command, APP_RESOLVE);
    s->ops->resolved(s, &answer, 1);
    fake_stream_close(s, END_DONE, APP_FAILED_END);
    DESK_EXPECT(&desk, fd, "\5\0\5\0\0\1\1\2\3\4\0\0");
    desk_expect_end(&desk, fd);
    close(fd);
    // The application closes before its stream does.
    fd = desk_connect(&desk, 0);
    DESK_SAY(&desk, fd, "\5\1\0\5\xf1\0\1\1\2\3\4\0\0");
    s = fake_stream_last();
    assert_int_equal(s->request.command, APP_RESOLVE_PTR);
    assert_int_equal(address_ipv4_host(&s->request.address), 0x01020304);
    answer = (struct app_answer){.kind = APP_ANSWER_NAME, .name = "a.example"};
    s->ops->resolved(s, &answer, 1);
    DESK_EXPECT(&desk, fd,
                "\5\0\5\0\0\3\x09"
                "a.example\0\0");
    close(fd);
    desk_turn(&desk);
    assert_true(s->closed);
    // It fails.
    fd = desk_connect(&desk, 0);
    DESK_SAY(&desk, fd, "\4\xf0\0\0\0\0\0\1\0example.com\0");
    fake_stream_close(fake_stream_last(), END_RESOLVEFAILED, APP_FAILED_RESOLVE);
    DESK_EXPECT(&desk, fd, "\0\x5b\0\0\0\0\0\0");
    close(fd);
    // Nobody needs to be asked what an address' address is.
    unsigned before = fake_streams_count;
    fd = desk_connect(&desk, 0);
    DESK_SAY(&desk, fd,
             "\5\1\0\5\xf0\0\3\7"
             "1.2.3.4\0\0");
    DESK_EXPECT(&desk, fd, "\5\0\5\0\0\1\1\2\3\4\0\0");
    desk_expect_end(&desk, fd);
    close(fd);
    assert_int_equal(fake_streams_count, before);
    desk_turn(&desk);
    desk_close(&desk);
}

// ---- who is slow

static void fill(uint8_t *bytes, size_t length, unsigned seed)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)((seed += 2654435761u) >> 24);
}

enum { MUCH = 12 * 1024 * 1024 };

// An application that does not read: the stream hears how much waits, and all of it arrives.
static void test_slow_reader(void **state)
{
    (void)state;
    struct desk desk;
    uint8_t *sent = malloc(MUCH), *got = malloc(MUCH);
    size_t length = 0;
    assert_true(sent && got);
    fill(sent, MUCH, 1);
    desk_init(&desk);
    desk_open(&desk);
    int fd = desk_connect(&desk, 0);
    struct app_stream *s = desk_ask_connected(&desk, fd);
    for (size_t at = 0; at < MUCH; at += 498) {
        s->ops->data(s, sent + at, MUCH - at < 498 ? MUCH - at : 498);
        if (at % 100 == 0)
            uv_run(&desk.loop, UV_RUN_NOWAIT);
    }
    desk_turn(&desk);
    size_t held = s->held_bytes;
    assert_true(held > 0 && held < MUCH);
    fake_stream_close(s, END_DONE, APP_FAILED_END);
    while (length < MUCH) {
        ssize_t n = desk_hear(&desk, fd, got + length, MUCH - length);
        assert_true(n > 0);
        length += (size_t)n;
    }
    assert_memory_equal(got, sent, MUCH);
    desk_expect_end(&desk, fd);
    close(fd);
    desk_turn(&desk);
    assert_true(desk.server->bridges->n_blocks <= BRIDGE_BLOCKS_KEPT);
    free(sent);
    free(got);
    desk_close(&desk);
}

// What the application took at once is told as well: by that the stream learns that it may come
// faster.
static void test_nothing_held_is_told(void **state)
{
    (void)state;
    struct desk desk;
    uint8_t bytes[1000] = {0};
    desk_init(&desk);
    desk_open(&desk);
    int fd = desk_connect(&desk, 0);
    struct app_stream *s = desk_ask_connected(&desk, fd);
    for (int i = 0; i < 3; i++) {
        unsigned before = s->held_calls;
        s->ops->data(s, bytes, sizeof(bytes));
        desk_turn(&desk);
        assert_int_equal(desk_hear(&desk, fd, bytes, sizeof(bytes)), sizeof(bytes));
        assert_true(s->held_calls > before);
        assert_int_equal(s->held_bytes, 0);
    }
    close(fd);
    desk_turn(&desk);
    desk_close(&desk);
}

// What waits is said again when it has gone.
static void test_held_goes_down(void **state)
{
    (void)state;
    struct desk desk;
    uint8_t *bytes = calloc(1, MUCH);
    size_t length = 0;
    assert_non_null(bytes);
    desk_init(&desk);
    desk_open(&desk);
    int fd = desk_connect(&desk, 0);
    struct app_stream *s = desk_ask_connected(&desk, fd);
    s->ops->data(s, bytes, MUCH);
    assert_int_equal(s->held_bytes, 0); // not before the loop has tried
    desk_turn(&desk);
    size_t before = s->held_bytes;
    assert_true(before > 0);
    while (length < MUCH) {
        ssize_t n = desk_hear(&desk, fd, bytes, MUCH);
        assert_true(n > 0);
        length += (size_t)n;
        assert_true(s->held_bytes <= before);
        before = s->held_bytes;
    }
    assert_int_equal(s->held_bytes, 0);
    close(fd);
    desk_turn(&desk);
    free(bytes);
    desk_close(&desk);
}

// A stream that can't send: its application is not read, and one block is all that waits here.
static void test_slow_stream(void **state)
{
    (void)state;
    struct desk desk;
    uint8_t *sent = malloc(MUCH), *got = malloc(MUCH);
    size_t said = 0, length = 0;
    bool ended = false;
    assert_true(sent && got);
    fill(sent, MUCH, 2);
    desk_init(&desk);
    desk_open(&desk);
    int fd = desk_connect(&desk, 0);
    struct app_stream *s = desk_ask_connected(&desk, fd);
    while (!ended) {
        unsigned quiet = 0;
        while (said < MUCH && quiet < 3) { // until the kernel takes no more
            ssize_t n = send(fd, sent + said, MUCH - said, MSG_NOSIGNAL);
            quiet = n > 0 ? 0 : quiet + 1;
            said += n > 0 ? (size_t)n : 0;
            desk_turn(&desk);
            assert_true(desk.server->bridges->n_blocks - desk.server->bridges->n_kept <= 1);
        }
        if (said == MUCH)
            shutdown(fd, SHUT_WR);
        else
            assert_true(said > 0);
        length +=
            fake_stream_pull(s, got + length, MUCH - length < 100000 ? 10000 : 100000, &ended);
        assert_true(length <= said);
        desk_turn(&desk);
    }
    assert_int_equal(length, MUCH);
    assert_memory_equal(got, sent, MUCH);
    fake_stream_close(s, END_DONE, APP_FAILED_END);
    desk_expect_end(&desk, fd);
    close(fd);
    free(sent);
    free(got);
    desk_close(&desk);
}

// ---- ends, in every state

static void expect_gone(struct desk *desk)
{
    desk_turn(desk);
    assert_int_equal(socks_server_connections(desk->server), 0);
    assert_int_equal(desk->relay.counters.socks_open, 0);
    assert_int_equal(desk->server->bridges->n_blocks, desk->server->bridges->n_kept);
}

static void test_application_goes(void **state)
{
    (void)state;
    struct desk desk;
    uint8_t *bytes = calloc(1, MUCH);
    assert_non_null(bytes);
    desk_init(&desk);
    desk_open(&desk);
    for (unsigned with_reset = 0; with_reset < 2; with_reset++) {
        for (unsigned stage = 0; stage < 6; stage++) {
            int fd = desk_connect(&desk, 0);
            struct app_stream *s = NULL;
            if (stage == 1)
                DESK_SAY(&desk, fd, "\5\1\0\5\1");
            if (stage == 2)
                s = desk_ask(&desk, fd);
            if (stage >= 3)
                s = desk_ask_connected(&desk, fd);
            if (stage >= 4)
                s->ops->data(s, bytes, MUCH); // it has not read
            desk_turn(&desk);
            if (stage == 5)
                fake_stream_close(s, END_DONE, APP_FAILED_END);
            desk_turn(&desk);
            if (with_reset)
                desk_hang_up(&desk, fd);
            else
                close(fd);
            desk_turn(&desk);
            bool ended = false;
            uint8_t none[8];
            if (stage == 3 && !with_reset) { // what it had said would go first; it had said nothing
                assert_false(s->closed);
                fake_stream_pull(s, none, sizeof(none), &ended);
                assert_true(ended);
                fake_stream_close(s, END_DONE, APP_FAILED_END);
            }
            assert_true(!s || s->closed);
            expect_gone(&desk);
        }
    }
    free(bytes);
    desk_close(&desk);
}

static void test_server_goes(void **state)
{
    (void)state;
    for (unsigned stage = 0; stage < 6; stage++) {
        struct desk desk;
        uint8_t *bytes = calloc(1, MUCH);
        assert_non_null(bytes);
        desk_init(&desk);
        desk_open(&desk);
        int fd = desk_connect(&desk, 0);
        struct app_stream *s = NULL;
        if (stage == 1)
            DESK_SAY(&desk, fd, "\5\1\0\5\1");
        if (stage == 2)
            s = desk_ask(&desk, fd);
        if (stage >= 3)
            s = desk_ask_connected(&desk, fd);
        if (stage >= 4)
            s->ops->data(s, bytes, MUCH);
        if (stage == 5) {
            desk_turn(&desk);
            fake_stream_close(s, END_DONE, APP_FAILED_END);
        }
        free(bytes);
        desk_close(&desk);
        close(fd);
    }
}

// An application that goes on saying things after the end, and one that does nothing.
static void test_lingers(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk);
    desk_open(&desk);
    int fd = desk_connect(&desk, 0);
    struct app_stream *s = desk_ask_connected(&desk, fd);
    DESK_SAY(&desk, fd, "never taken");
    s->ops->data(s, (const uint8_t *)"last", 4);
    fake_stream_close(s, END_DONE, APP_FAILED_END);
    DESK_EXPECT(&desk, fd, "last");
    desk_expect_end(&desk, fd);
    DESK_SAY(&desk, fd, "not heard");
    DESK_SAY(&desk, fd, "not heard");
    assert_int_equal(socks_server_connections(desk.server), 1);
    close(fd);
    expect_gone(&desk);
    fd = desk_connect(&desk, 0);
    s = desk_ask_connected(&desk, fd);
    fake_stream_close(s, END_DONE, APP_FAILED_END);
    desk_turn(&desk);
    desk_tick(&desk, SOCKS_LINGER_S - 1);
    assert_int_equal(socks_server_connections(desk.server), 1);
    desk_tick(&desk, 1);
    expect_gone(&desk);
    close(fd);
    assert_int_equal(desk.relay.counters.drop_socks_timeout, 0);
    desk_close(&desk);
}

static void test_time_outs(void **state)
{
    (void)state;
    struct desk desk;
    uint8_t *bytes = calloc(1, MUCH);
    assert_non_null(bytes);
    desk_init(&desk);
    desk_open(&desk);
    // A handshake, for which one more byte buys no time.
    int fd = desk_connect(&desk, 0);
    desk_tick(&desk, SOCKS_TIMEOUT_S - 1);
    DESK_SAY(&desk, fd, "\5\1\0");
    assert_int_equal(socks_server_connections(desk.server), 1);
    desk_tick(&desk, 1);
    expect_gone(&desk);
    assert_int_equal(desk.relay.counters.drop_socks_timeout, 1);
    close(fd);
    // A stream has its own time; an open one has as much as it likes.
    fd = desk_connect(&desk, 0);
    struct app_stream *s = desk_ask(&desk, fd);
    desk_tick(&desk, 10 * SOCKS_TIMEOUT_S);
    s->ops->connected(s);
    desk_tick(&desk, 10 * SOCKS_TIMEOUT_S);
    assert_int_equal(socks_server_connections(desk.server), 1);
    // What is left when it has ended must go, but need not go fast.
    s->ops->data(s, bytes, MUCH);
    desk_turn(&desk);
    fake_stream_close(s, END_DONE, APP_FAILED_END);
    desk_tick(&desk, SOCKS_TIMEOUT_S - 1);
    assert_int_equal(socks_server_connections(desk.server), 1);
    const struct socks_connection *c = TAILQ_FIRST(&desk.server->connections);
    for (size_t before = c->bridge.out_bytes;
         c->bridge.out_bytes == before;) // the kernel's part goes first
        assert_true(desk_hear(&desk, fd, bytes, 64 * 1024) > 0);
    desk_tick(&desk, SOCKS_TIMEOUT_S - 1);
    assert_int_equal(socks_server_connections(desk.server), 1);
    desk_tick(&desk, SOCKS_TIMEOUT_S);
    expect_gone(&desk);
    assert_int_equal(desk.relay.counters.drop_socks_timeout, 2);
    close(fd);
    free(bytes);
    desk_close(&desk);
}

// ---- limits

static void test_too_many(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk);
    desk_open(&desk);
    desk.server->connections_max = 2;
    int a = desk_connect(&desk, 0), b = desk_connect(&desk, 0), c = desk_connect(&desk, 0);
    desk_expect_end(&desk, c);
    assert_int_equal(desk.relay.counters.drop_socks_limit, 1);
    desk_ask_connected(&desk, a);
    close(b);
    close(c);
    desk_turn(&desk);
    b = desk_connect(&desk, 0);
    desk_ask_connected(&desk, b);
    desk_hang_up(&desk, a);
    desk_hang_up(&desk, b);
    desk_close(&desk);
}

// Who holds most gives way; who only waits for memory to read gets it later.
static void test_memory(void **state)
{
    (void)state;
    struct desk desk;
    uint8_t *bytes = calloc(1, MUCH), few[8];
    bool ended;
    assert_non_null(bytes);
    desk_init(&desk);
    desk_open(&desk);
    int heavy = desk_connect(&desk, 0), light = desk_connect(&desk, 0);
    struct app_stream *sh = desk_ask_connected(&desk, heavy),
                      *sl = desk_ask_connected(&desk, light);
    sh->ops->data(sh, bytes, MUCH);
    desk_turn(&desk);
    struct bridges *bridges = desk.server->bridges;
    unsigned in_use = bridges->n_blocks - bridges->n_kept;
    assert_true(in_use > 1);
    while (bridges->kept) { // nothing to spare
        struct bridge_block *block = bridges->kept;
        bridges->kept = block->next;
        bridges->n_kept--;
        bridges->n_blocks--;
        free(block);
    }
    bridges->blocks_max = in_use;
    DESK_SAY(&desk, light, "hello");
    assert_int_equal(fake_stream_pull(sl, few, sizeof(few), &ended), 0);
    sl->ops->data(sl, (const uint8_t *)"light", 5);
    desk_turn(&desk);
    assert_true(sh->closed);
    assert_int_equal(desk.relay.counters.drop_socks_memory, 1);
    DESK_EXPECT(&desk, light, "light");
    desk_tick(&desk, 1);
    assert_int_equal(fake_stream_pull(sl, few, sizeof(few), &ended), 5);
    assert_memory_equal(few, "hello", 5);
    // The heaviest itself wants more.
    bridges->blocks_max = 1;
    sl->ops->data(sl, bytes, MUCH);
    desk_turn(&desk);
    assert_true(sl->closed);
    desk_hang_up(&desk, heavy);
    desk_hang_up(&desk, light);
    expect_gone(&desk);
    free(bytes);
    desk_close(&desk);
}

// ---- isolation

static void test_isolation(void **state)
{
    (void)state;
    struct desk desk;
    const uint8_t none[32] = {0};
    desk_init(&desk);
    desk.config.socks_count = 2;
    desk.config.socks[1].isolates = 1U << CONFIG_ISOLATE_DESTINATION | 1U << CONFIG_ISOLATE_PORT;
    desk.config.socks[1].prefer_ipv6 = true;
    desk_open(&desk);
    int a = desk_connect(&desk, 0), b = desk_connect(&desk, 1);
    DESK_SAY(&desk, a, "\5\1\2\1\1u\1p\5\1\0\3\13example.com\0\x50");
    const struct app_isolation *ia = &fake_stream_last()->request.isolation;
    DESK_SAY(&desk, b, "\5\1\2\1\1u\1p\5\1\0\3\13example.com\0\x50");
    const struct app_isolation *ib = &fake_stream_last()->request.isolation;
    assert_true(fake_stream_last()->request.prefer_ipv6);
    assert_int_equal(ia->group, 1);
    assert_int_equal(ib->group, 2);
    assert_memory_not_equal(ia->token, none, 32);
    assert_memory_equal(ib->token, none, 32);
    assert_int_equal(ia->client.family, ADDRESS_IPV4);
    assert_int_equal(ia->client.port, 0);
    assert_int_equal(ib->client.family, ADDRESS_NONE);
    assert_true(!ia->by_destination && !ia->by_port && ib->by_destination && ib->by_port);
    desk_hang_up(&desk, a);
    desk_hang_up(&desk, b);
    desk_close(&desk);
}

// ---- listeners

static void test_ipv6_listener(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk);
    address_parse("::1", &desk.config.socks[0].listen.address);
    desk_open(&desk);
    int fd = desk_connect(&desk, 0);
    struct app_stream *s = desk_ask_connected(&desk, fd);
    assert_int_equal(s->request.isolation.client.family, ADDRESS_IPV6);
    desk_hang_up(&desk, fd);
    desk_close(&desk);
}

static void expect_no_listener(struct desk *desk, const char *what)
{
    char error[256] = "";
    assert_null(socks_server_create(&desk->origin, error, sizeof(error)));
    assert_non_null(strstr(error, what));
    desk_turn(desk); // what it had opened closes
}

static void test_port_taken(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk);
    desk_open(&desk);
    desk.config.socks[0].listen.address.port = socks_listener_port(&desk.server->listeners[0]);
    expect_no_listener(&desk, "socks[0]: 127.0.0.1:");
    desk_close(&desk);
}

static void test_unix_listener(void **state)
{
    (void)state;
    char directory[] = "/tmp/ramson-socks-XXXXXX";
    struct desk desk, second;
    struct stat info;
    assert_non_null(mkdtemp(directory));
    for (unsigned round = 0; round < 2; round++) {
        mode_t mask = umask(round ? 0077 : 0000);
        desk_init(&second);
        desk_init(&desk);
        char *path = desk.config.socks[0].listen.path;
        snprintf(path, CONFIG_SOCKET_PATH_MAX, "%s/s", directory);
        desk.config.socks[0].mode = round ? 0660 : 0600;
        if (round) { // left by a run that was killed
            struct sockaddr_un at = {.sun_family = AF_UNIX};
            snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
            int fd = socket(AF_UNIX, SOCK_STREAM, 0);
            assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
            close(fd);
        }
        desk_open(&desk);
        umask(mask);
        assert_int_equal(lstat(path, &info), 0);
        assert_int_equal(info.st_mode, S_IFSOCK | (round ? 0660 : 0600));
        int fd = desk_connect(&desk, 0);
        struct app_stream *s = desk_ask_connected(&desk, fd);
        assert_int_equal(s->request.isolation.client.family, ADDRESS_NONE);
        s->ops->data(s, (const uint8_t *)"hello", 5);
        DESK_EXPECT(&desk, fd, "hello");
        // While it listens, nobody else takes its place.
        memcpy(second.config.socks[0].listen.path, path, CONFIG_SOCKET_PATH_MAX);
        expect_no_listener(&second, "another program listens there");
        assert_int_equal(uv_loop_close(&second.loop), 0);
        desk_hang_up(&desk, fd);
        desk_close(&desk);
        assert_int_equal(lstat(path, &info), -1);
    }
    // What is no socket stays.
    desk_init(&desk);
    char *path = desk.config.socks[0].listen.path;
    snprintf(path, CONFIG_SOCKET_PATH_MAX, "%s/s", directory);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    expect_no_listener(&desk, "it exists, and is no socket");
    assert_int_equal(lstat(path, &info), 0);
    assert_int_equal(unlink(path), 0);
    // And so does what somebody has put in its place.
    desk_open(&desk);
    assert_int_equal(unlink(path), 0);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    desk_close(&desk);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connect_and_talk), cmocka_unit_test(test_optimistic_data),
        cmocka_unit_test(test_byte_by_byte),     cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_failures),         cmocka_unit_test(test_onion_failures),
        cmocka_unit_test(test_refusals),         cmocka_unit_test(test_no_protocol),
        cmocka_unit_test(test_resolve),          cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_held_goes_down),   cmocka_unit_test(test_nothing_held_is_told),
        cmocka_unit_test(test_slow_stream),      cmocka_unit_test(test_application_goes),
        cmocka_unit_test(test_server_goes),      cmocka_unit_test(test_lingers),
        cmocka_unit_test(test_time_outs),        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_memory),           cmocka_unit_test(test_isolation),
        cmocka_unit_test(test_ipv6_listener),    cmocka_unit_test(test_port_taken),
        cmocka_unit_test(test_unix_listener),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
