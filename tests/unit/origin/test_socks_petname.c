// SPDX-License-Identifier: BSD-3-Clause
// Names in .pet, in each kind of request: what has a petname becomes its address before anything
// else is looked at, and what has none is refused here.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "onion/petname/petname.h"
#include "socks_desk.h"

#define ADDRESS "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion"

enum kind { SOCKS4A, SOCKS5, HTTP, RESOLVE4A, RESOLVE5, KINDS };

static char path[] = "/tmp/ramson-pet-XXXXXX";

static int make_file(void **state)
{
    static const char text[] = "{\"wiki\": \"" ADDRESS "\"}\n";
    (void)state;
    int fd = mkstemp(path);
    bool written = fd >= 0 && write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1;
    return written ? close(fd) : -1;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static size_t make_request(enum kind kind, const char *host, char out[512])
{
    size_t n = strlen(host);
    switch (kind) {
    case SOCKS4A:
    case RESOLVE4A:
        memcpy(out, "\4\1\0\x50\0\0\0\1\0", 9);
        out[1] = kind == SOCKS4A ? 1 : (char)0xf0;
        memcpy(out + 9, host, n + 1);
        return n + 10;
    case SOCKS5:
    case RESOLVE5:
        memcpy(out, "\5\1\0\5\1\0\3", 7);
        out[4] = kind == SOCKS5 ? 1 : (char)0xf0;
        out[7] = (char)n;
        memcpy(out + 8, host, n);
        memcpy(out + 8 + n, "\0\x50", 2);
        return n + 10;
    default:
        return (size_t)snprintf(out, 512, "CONNECT %s:80 HTTP/1.1\r\n\r\n", host);
    }
}

struct outcome {
    char host[256]; // of the stream; empty: refused
    char reply[1024];
    ssize_t reply_length;
};

static struct outcome ask(struct desk *desk, enum kind kind, const char *host)
{
    struct outcome o = {0};
    char request[512];
    unsigned before = fake_streams_count;
    size_t length = make_request(kind, host, request);
    int fd = desk_connect(desk, 0);
    desk_say(desk, fd, request, length);
    o.reply_length = desk_hear(desk, fd, o.reply, sizeof(o.reply));
    if (fake_streams_count > before)
        snprintf(o.host, sizeof(o.host), "%s", fake_stream_last()->request.host);
    desk_hang_up(desk, fd);
    return o;
}

static void open_desk(struct desk *desk, bool extended_errors)
{
    desk_init(desk);
    desk->config.socks[0].extended_errors = extended_errors;
    desk->origin.petnames = petname_book_create(path);
    assert_non_null(desk->origin.petnames);
    desk_open(desk);
}

static void close_desk(struct desk *desk)
{
    petname_book_free(desk->origin.petnames);
    desk_close(desk);
}

// Whatever becomes of the address becomes of the petname.
static void test_known(void **state)
{
    static const char *const names[] = {"wiki.pet", "WIKI.pet", "www.wiki.pet", "wiki.pet."};
    (void)state;
    struct desk desk;
    open_desk(&desk, true);
    for (unsigned kind = 0; kind < RESOLVE4A; kind++) {
        struct outcome wanted = ask(&desk, (enum kind)kind, ADDRESS);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            struct outcome o = ask(&desk, (enum kind)kind, names[i]);
            assert_string_equal(o.host, wanted.host);
            assert_int_equal(o.reply_length, wanted.reply_length);
            assert_memory_equal(o.reply, wanted.reply, sizeof(o.reply));
        }
    }
    close_desk(&desk);
}

static void expect_refused(struct desk *desk, enum kind kind, const char *host, const char *reply,
                           size_t length)
{
    struct outcome o = ask(desk, kind, host);
    assert_string_equal(o.host, "");
    assert_true(o.reply_length >= (ssize_t)length);
    assert_memory_equal(o.reply, reply, length);
}

static void test_unknown(void **state)
{
    static const char *const names[] = {"wika.pet", "x.pet.", "wiki.example.pet", "wi_ki.pet"};
    static const char http[] = "HTTP/1.0 503 Service Unavailable (resolve failed)\r\n";
    (void)state;
    for (unsigned extended = 0; extended < 2; extended++) {
        struct desk desk;
        open_desk(&desk, extended);
        const char *five = extended ? "\5\0\5\xf6\0\1\0\0\0\0\0\0" : "\5\0\5\4\0\1\0\0\0\0\0\0";
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
            expect_refused(&desk, SOCKS5, names[i], five, 12);
            expect_refused(&desk, RESOLVE5, names[i], "\5\0\5\4\0\1\0\0\0\0\0\0", 12);
            expect_refused(&desk, SOCKS4A, names[i], "\0\x5b\0\0\0\0\0\0", 8);
            expect_refused(&desk, RESOLVE4A, names[i], "\0\x5b\0\0\0\0\0\0", 8);
            expect_refused(&desk, HTTP, names[i], http, sizeof(http) - 1);
        }
        assert_int_equal(fake_streams_count, 0);
        assert_int_equal(desk.relay.counters.drop_socks_request, 5 * 4);
        close_desk(&desk);
    }
}

// For programs that look a name up first: an address that stands for it from then on.
static void test_lent_addresses(void **state)
{
    static const char none[] = "\5\0\5\4\0\1\0\0\0\0\0\0";
    (void)state;
    struct desk desk;
    open_desk(&desk, false);
    for (unsigned i = 0; i < 2; i++) {
        struct outcome five = ask(&desk, RESOLVE5, i ? "WIKI.pet." : "wiki.pet");
        assert_int_equal(five.reply_length, 12);
        assert_memory_equal(five.reply, "\5\0\5\0\0\1\xc6\x12\0\1\0\0", 12);
        struct outcome four = ask(&desk, RESOLVE4A, "wiki.pet");
        assert_int_equal(four.reply_length, 8);
        assert_memory_equal(four.reply, "\0\x5a\0\0\xc6\x12\0\1", 8);
    }
    assert_int_equal(fake_streams_count, 0);
    struct outcome wanted = ask(&desk, SOCKS5, ADDRESS);
    static const enum kind kinds[] = {SOCKS5, SOCKS4A, HTTP};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct outcome o = ask(&desk, kinds[i], "198.18.0.1");
        assert_string_equal(o.host, wanted.host);
        if (o.host[0])
            assert_int_equal(fake_stream_last()->request.address.family, ADDRESS_NONE);
    }
    unsigned before = fake_streams_count;
    expect_refused(&desk, SOCKS5, "198.18.0.2", none, 12);
    expect_refused(&desk, SOCKS5, "198.19.255.255", none, 12);
    assert_int_equal(fake_streams_count, before);
    assert_string_equal(ask(&desk, SOCKS5, "198.20.0.1").host, ""); // as an address
    assert_int_equal(fake_streams_count, before + 1);
    close_desk(&desk);
}

// Who has an address cannot ask for its name.
static void test_reverse(void **state)
{
    (void)state;
    struct desk desk;
    open_desk(&desk, true);
    ask(&desk, RESOLVE5, "wiki.pet");
    int fd = desk_connect(&desk, 0);
    DESK_SAY(&desk, fd, "\5\1\0\5\xf1\0\1\xc6\x12\0\1\0\0");
    DESK_EXPECT(&desk, fd, "\5\0\5\4\0\1\0\0\0\0\0\0");
    close(fd);
    assert_int_equal(fake_streams_count, 0);
    close_desk(&desk);
}

// There is no such file, or nobody has read it yet: never sent all the same.
static void test_no_book(void **state)
{
    (void)state;
    struct desk desk;
    desk_init(&desk);
    desk_open(&desk);
    expect_refused(&desk, SOCKS5, "wiki.pet", "\5\0\5\4\0\1\0\0\0\0\0\0", 12);
    struct outcome o = ask(&desk, SOCKS5, "carpet.example");
    assert_string_equal(o.host, "carpet.example");
    desk_close(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),          cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_lent_addresses), cmocka_unit_test(test_reverse),
        cmocka_unit_test(test_no_book),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
