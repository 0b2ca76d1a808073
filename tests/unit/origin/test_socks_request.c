// SPDX-License-Identifier: BSD-3-Clause
// Requests of applications, byte for byte (protocol 9.25–9.27). What is taken and what is refused
// follows C tor 0.4.9.11's src/test/test_socks.c, as facts; where a dialogue is its, it says so.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "origin/socks/socks_request.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define BYTES(literal) literal, sizeof(literal) - 1

static const struct config_socks plain = {.ipv4 = true, .ipv6 = true, .dns = true, .http = true};
static const struct config_socks safe = {
    .ipv4 = true, .ipv6 = true, .dns = true, .http = true, .names_only = true};

// What came of a dialogue.
struct outcome {
    enum socks_progress progress;
    struct socks_handshake handshake;
    uint8_t reply[SOCKS_REPLY_MAX];
    size_t reply_length, left;
};

// The bytes come in pieces, in memory of exactly their size.
static struct outcome play_in(const struct config_socks *config, const void *bytes, size_t length,
                              size_t piece)
{
    struct outcome o = {.progress = SOCKS_MORE};
    struct writer reply = writer_of(o.reply, sizeof(o.reply));
    size_t at = 0, come = 0;
    while (o.progress == SOCKS_MORE && come < length) {
        come = come + piece < length ? come + piece : length;
        size_t there = come - at;
        uint8_t *copy = malloc(there ? there : 1);
        assert_non_null(copy);
        memcpy(copy, (const uint8_t *)bytes + at, there);
        struct reader in = reader_of(copy, there);
        o.progress = socks_handshake_read(&o.handshake, config, &in, &reply);
        at += there - reader_left(&in);
        free(copy);
    }
    assert_false(reply.failed);
    o.reply_length = writer_length(&reply);
    o.left = length - at;
    return o;
}

// In one piece and in all others: the same comes of it.
static struct outcome play(const struct config_socks *config, const void *bytes, size_t length)
{
    struct outcome whole = play_in(config, bytes, length, length ? length : 1);
    size_t pieces = length < 40 ? length : 3;
    for (size_t piece = 1; piece <= pieces; piece++) {
        struct outcome o = play_in(config, bytes, length, piece);
        assert_int_equal(o.progress, whole.progress);
        assert_int_equal(o.reply_length, whole.reply_length);
        assert_memory_equal(o.reply, whole.reply, whole.reply_length);
        if (o.progress != SOCKS_REQUESTED)
            continue;
        assert_string_equal(o.handshake.request.host, whole.handshake.request.host);
        assert_true(address_equal(&o.handshake.request.address, &whole.handshake.request.address));
        assert_memory_equal(o.handshake.request.token, whole.handshake.request.token, 32);
    }
    return whole;
}

// ---- what is taken

static const struct {
    const char *bytes;
    size_t length;
    const char *reply;
    size_t reply_length;
    enum socks_protocol protocol;
    enum app_command command;
    const char *host; // or the address as text
    uint16_t port;
    bool bare, token;
} good[] = {
    // SOCKS4 (test_socks_4_supported_commands)
    {BYTES("\4\1\x11\x12\2\2\2\3\0"), BYTES(""), SOCKS_4, APP_CONNECT, "2.2.2.3:0", 4370, true,
     false},
    {BYTES("\4\1\x11\x12\2\2\2\4me\0"), BYTES(""), SOCKS_4, APP_CONNECT, "2.2.2.4:0", 4370, true,
     true},
    {BYTES("\4\xf0\1\1\0\0\0\2me\0torproject.org\0"), BYTES(""), SOCKS_4, APP_RESOLVE,
     "torproject.org", 257, false, true},
    {BYTES("\4\1\0\x50\0\0\0\1\0WWW.Example.COM\0"), BYTES(""), SOCKS_4, APP_CONNECT,
     "www.example.com", 80, false, false},
    {BYTES("\4\1\0\x50\0\0\0\xff\0"
           "1.2.3.4\0"),
     BYTES(""), SOCKS_4, APP_CONNECT, "1.2.3.4:0", 80, false, false},
    {BYTES("\4\xf0\0\0\0\0\0\1\0x\0"), BYTES(""), SOCKS_4, APP_RESOLVE, "x", 0, false, false},
    // SOCKS5 without credentials (test_socks_5_supported_commands)
    {BYTES("\5\1\0\5\1\0\1\2\2\2\2\x11\x11"), BYTES("\5\0"), SOCKS_5, APP_CONNECT, "2.2.2.2:0",
     4369, true, false},
    {BYTES("\5\1\0\5\1\0\4\x20\2\x41\xb8\2\2\x0d\xeb\2\x13\x21\xff\xfe\x20\x14\x26\0\x50"),
     BYTES("\5\0"), SOCKS_5, APP_CONNECT, "[2002:41b8:202:deb:213:21ff:fe20:1426]:0", 80, true,
     false},
    {BYTES("\5\1\0\5\1\0\3\x0etorproject.org\x11\x11"), BYTES("\5\0"), SOCKS_5, APP_CONNECT,
     "torproject.org", 4369, false, false},
    {BYTES("\5\1\0\5\xf0\0\3\x0etorproject.org\1\2"), BYTES("\5\0"), SOCKS_5, APP_RESOLVE,
     "torproject.org", 258, false, false},
    {BYTES("\5\1\0\5\xf1\0\1\2\2\2\5\1\3"), BYTES("\5\0"), SOCKS_5, APP_RESOLVE_PTR, "2.2.2.5:0",
     259, false, false},
    {BYTES("\5\1\0\5\xf1\0\4\x20\1\x0d\xb8\x85\xa3\0\0\0\0\x8a\x2e\3\x70\x73\x34\x12\x34"),
     BYTES("\5\0"), SOCKS_5, APP_RESOLVE_PTR, "[2001:db8:85a3::8a2e:370:7334]:0", 0x1234, false,
     false},
    {BYTES("\5\1\0\5\xf1\0\3\x1e[2001:db8:85a3::8a2e:370:7334]\x12\x34"), BYTES("\5\0"), SOCKS_5,
     APP_RESOLVE_PTR, "[2001:db8:85a3::8a2e:370:7334]:0", 0x1234, false, false},
    {BYTES("\5\1\0\5\1\0\3\1a\0\0"), BYTES("\5\0"), SOCKS_5, APP_CONNECT, "a", 0, false, false},
    {BYTES("\5\1\0\5\1\0\3\x0c"
           "a-b_.c-d-.e.\0\1"),
     BYTES("\5\0"), SOCKS_5, APP_CONNECT, "a-b_.c-d-.e.", 1, false, false},
    // User and password are better than nothing, and both may be empty
    // (test_socks_5_authenticate, …_empty_user_pass, …_with_data, …_no_authenticate).
    {BYTES("\5\2\0\2\1\2me\10mypasswd\5\1\0\1\2\2\2\2\x11\x11"), BYTES("\5\2\1\0"), SOCKS_5,
     APP_CONNECT, "2.2.2.2:0", 4369, true, true},
    {BYTES("\5\1\2\1\0\0\5\1\0\1\2\2\2\2\x11\x11"), BYTES("\5\2\1\0"), SOCKS_5, APP_CONNECT,
     "2.2.2.2:0", 4369, true, false},
    {BYTES("\5\1\2\1\0\1p\5\1\0\1\2\2\2\2\x11\x11"), BYTES("\5\2\1\0"), SOCKS_5, APP_CONNECT,
     "2.2.2.2:0", 4369, true, true},
    {BYTES("\5\1\0\1\2\1\1\2\1\1\5\1\0\1\2\2\2\2\x11\x11"), BYTES("\5\0\1\0"), SOCKS_5, APP_CONNECT,
     "2.2.2.2:0", 4369, true, true},
    {BYTES("\5\1\2\1\x09<torS0X>0\10password\5\1\0\1\2\2\2\2\x11\x11"), BYTES("\5\2\1\0"), SOCKS_5,
     APP_CONNECT, "2.2.2.2:0", 4369, true, true},
    {BYTES("\5\1\2\1\7<torS0X\0\5\1\0\1\2\2\2\2\x11\x11"), BYTES("\5\2\1\0"), SOCKS_5, APP_CONNECT,
     "2.2.2.2:0", 4369, true, true},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct outcome o = play(&plain, good[i].bytes, good[i].length);
        const struct socks_request *q = &o.handshake.request;
        const uint8_t none[32] = {0};
        char text[ADDRESS_TEXT_MAX];
        assert_int_equal(o.progress, SOCKS_REQUESTED);
        assert_int_equal(o.left, 0);
        assert_int_equal(o.reply_length, good[i].reply_length);
        assert_memory_equal(o.reply, good[i].reply, o.reply_length);
        assert_int_equal(q->protocol, good[i].protocol);
        assert_int_equal(q->command, good[i].command);
        assert_string_equal(q->host[0] ? q->host : address_format(&q->address, text), good[i].host);
        assert_int_equal(q->port, good[i].port);
        assert_int_equal(q->bare, good[i].bare);
        assert_int_equal(memcmp(q->token, none, sizeof(none)) != 0, good[i].token);
    }
}

// ---- what is refused

static const struct {
    const struct config_socks *config;
    const char *bytes;
    size_t length;
    const char *reply;
    size_t reply_length;
    enum socks_complaint complaint;
} bad[] = {
#define REJECTED4 BYTES("\0\x5b\0\0\0\0\0\0")
#define FAILED5(methods, code) BYTES(methods "\5" code "\0\1\0\0\0\0\0\0")
    // SOCKS4 (test_socks_4_unsupported_commands, …_bad_arguments)
    {&plain, BYTES("\4\2\x11\x11\2\2\2\2\0"), REJECTED4, SOCKS_BAD_COMMAND},
    {&plain, BYTES("\4\xf1\x11\x11\2\2\2\2\0"), REJECTED4, SOCKS_BAD_COMMAND},
    {&plain, BYTES("\4\1\0\x50\0\0\0\0\0"), REJECTED4, SOCKS_BAD_PROTOCOL},
    {&plain, BYTES("\4\1\0\0\1\2\3\4\0"), REJECTED4, SOCKS_PORT_0},
    {&plain, BYTES("\4\1\0\x50\0\0\0\1\0---\0"), REJECTED4, SOCKS_BAD_NAME},
    {&plain, BYTES("\4\1\0\x50\0\0\0\1\0\0"), REJECTED4, SOCKS_BAD_NAME},
    {&plain, BYTES("\4\1\0\x50\0\0\0\1\0a b\0"), REJECTED4, SOCKS_BAD_NAME},
    // SOCKS5's commands (test_socks_5_unsupported_commands, …_malformed_commands, …_bad_arguments)
    {&plain, BYTES("\5\2\0\1\5\2\0\1\2\2\2\1\1\1"), FAILED5("\5\0", "\7"), SOCKS_BAD_COMMAND},
    {&plain, BYTES("\5\2\0\1\5\3\0\1\2\2\2\1\1\1"), FAILED5("\5\0", "\7"), SOCKS_BAD_COMMAND},
    {&plain, BYTES("\5\1\0\5\4"), FAILED5("\5\0", "\1"), SOCKS_BAD_PROTOCOL},
    {&plain, BYTES("\5\1\0\4"), FAILED5("\5\0", "\1"), SOCKS_BAD_PROTOCOL},
    {&plain, BYTES("\5\1\0\5\1\1"), FAILED5("\5\0", "\1"), SOCKS_BAD_PROTOCOL},
    {&plain, BYTES("\5\1\0\5\1\0\x23"), FAILED5("\5\0", "\1"), SOCKS_BAD_PROTOCOL},
    {&plain, BYTES("\5\1\0\5\xf1\0\3\x0etorproject.org\x11\x11"), FAILED5("\5\0", "\x8"),
     SOCKS_BAD_NAME},
    {&plain, BYTES("\5\1\0\5\1\0\3\x09\"\"\"\"\".com\x11\x11"), FAILED5("\5\0", "\1"),
     SOCKS_BAD_NAME},
    {&plain, BYTES("\5\1\0\5\1\0\3\3---\0\x50"), FAILED5("\5\0", "\1"), SOCKS_BAD_NAME},
    {&plain, BYTES("\5\1\0\5\1\0\3\0\0\x50"), FAILED5("\5\0", "\1"), SOCKS_BAD_NAME},
    // Unlike there, where all from the NUL on is cut off.
    {&plain,
     BYTES("\5\1\0\5\1\0\3\x0d"
           "a.example\0.b.\0\x50"),
     FAILED5("\5\0", "\1"), SOCKS_BAD_NAME},
    {&plain,
     BYTES("\5\1\0\5\1\0\3\x3"
           "a\nb\0\x50"),
     FAILED5("\5\0", "\1"), SOCKS_BAD_NAME},
    {&plain,
     BYTES("\5\1\0\5\1\0\3\x3"
           "a\xc3\xa4\0\x50"),
     FAILED5("\5\0", "\1"), SOCKS_BAD_NAME},
    {&plain, BYTES("\5\1\0\5\1\0\3\4a..b\0\x50"), FAILED5("\5\0", "\1"), SOCKS_BAD_NAME},
    {&plain, BYTES("\5\1\0\5\1\0\3\2.a\0\x50"), FAILED5("\5\0", "\1"), SOCKS_BAD_NAME},
    {&plain, BYTES("\5\1\0\5\1\0\3\1.\0\x50"), FAILED5("\5\0", "\1"), SOCKS_BAD_NAME},
    {&plain, BYTES("\5\1\0\5\1\0\3\x03_.a\0\x50"), FAILED5("\5\0", "\1"), SOCKS_BAD_NAME},
    {&plain, BYTES("\5\1\0\5\1\0\3\x09[1.2.3.4]\0\x50"), FAILED5("\5\0", "\1"), SOCKS_BAD_NAME},
    {&plain, BYTES("\5\1\0\5\1\0\3\x05[::1 \0\x50"), FAILED5("\5\0", "\1"), SOCKS_BAD_NAME},
    // Methods and credentials (test_socks_5_auth_…)
    {&plain, BYTES("\5\3\x99\x21\x10"), BYTES("\5\xff"), SOCKS_BAD_PROTOCOL},
    {&plain, BYTES("\5\0"), BYTES(""), SOCKS_BAD_PROTOCOL},
    {&plain, BYTES("\5\1\2\2\5hello\5world"), FAILED5("\5\2", "\1"), SOCKS_BAD_PROTOCOL},
    {&plain, BYTES("\1\2me\2me"), BYTES(""), SOCKS_BAD_PROTOCOL},
    {&plain, BYTES("\5\1\2\5\1\0\1"), FAILED5("\5\2", "\1"), SOCKS_BAD_PROTOCOL},
    {&plain, BYTES("\5\1\2\1\0\0\1\0\0"), FAILED5("\5\2\1\0", "\1"), SOCKS_BAD_PROTOCOL},
    {&plain, BYTES("\5\1\2\1\x08<torS0X>\10password"), FAILED5("\5\2", "\1"), SOCKS_BAD_PROTOCOL},
    {&plain, BYTES("\5\1\2\1\x09<torS0X>1\10password"), FAILED5("\5\2", "\1"), SOCKS_BAD_PROTOCOL},
    {&plain, BYTES("\5\1\2\1\x0c<torS0X>0abc\10password"), FAILED5("\5\2", "\1"),
     SOCKS_BAD_PROTOCOL},
    // An application that has looked the name up by itself.
    {&safe, BYTES("\4\1\0\x50\2\2\2\2\0"), REJECTED4, SOCKS_BARE_ADDRESS},
    {&safe, BYTES("\5\1\0\5\1\0\1\2\2\2\2\x11\x11"), FAILED5("\5\0", "\2"), SOCKS_BARE_ADDRESS},
    {&safe, BYTES("\5\1\0\5\1\0\4\x20\2\x41\xb8\2\2\x0d\xeb\2\x13\x21\xff\xfe\x20\x14\x26\0\x50"),
     FAILED5("\5\0", "\2"), SOCKS_BARE_ADDRESS},
    // Something else
    {&plain, BYTES("\x16\3\1"), BYTES(""), SOCKS_BAD_PROTOCOL},
    {&plain, BYTES("\0"), BYTES(""), SOCKS_BAD_PROTOCOL},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct outcome o = play(bad[i].config, bad[i].bytes, bad[i].length);
        assert_int_equal(o.progress, SOCKS_CLOSE);
        assert_int_equal(o.reply_length, bad[i].reply_length);
        assert_memory_equal(o.reply, bad[i].reply, o.reply_length);
        assert_int_equal(o.handshake.complaint, bad[i].complaint);
        // And nothing that comes after it is looked at.
        struct reader in = reader_of("\5\1\0", 3);
        struct writer reply = writer_of(o.reply, sizeof(o.reply));
        assert_int_equal(socks_handshake_read(&o.handshake, bad[i].config, &in, &reply),
                         SOCKS_CLOSE);
        assert_int_equal(writer_length(&reply), 0);
    }
}

// Names are what such an application should give: SOCKS4a must pass, SOCKS4 not (13.40), and an
// address that came as text passes, too (test_socks_5_supported_commands).
static void test_names_only(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } passes[] = {
        {BYTES("\4\1\0\x50\0\0\0\1\0example.com\0")},
        {BYTES("\4\1\0\x50\0\0\0\1\0"
               "8.8.8.8\0")},
        {BYTES("\5\1\0\5\xf0\0\3\7"
               "8.8.8.8\x11\x11")},
        {BYTES("\5\1\0\5\xf0\0\3\x29[2001:0db8:85a3:0000:0000:8a2e:0370:7334]\1\2")},
        {BYTES("\5\1\0\5\xf0\0\3\x27"
               "2001:0db8:85a3:0000:0000:8a2e:0370:7334\1\2")},
        {BYTES("\5\1\0\5\xf1\0\1\2\2\2\5\1\3")},
    };
    for (size_t i = 0; i < COUNT_OF(passes); i++)
        assert_int_equal(play(&safe, passes[i].bytes, passes[i].length).progress, SOCKS_REQUESTED);
}

// What is not whole waits, and nothing of it is taken (test_socks_truncated).
static void test_waits_for_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        for (size_t length = 0; length < good[i].length; length++) {
            struct outcome o = play_in(&plain, good[i].bytes, length, length ? length : 1);
            assert_int_equal(o.progress, SOCKS_MORE);
        }
    }
}

// Optimistic data is left for the stream.
static void test_data_behind(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        uint8_t bytes[1024];
        memcpy(bytes, good[i].bytes, good[i].length);
        memcpy(bytes + good[i].length, "\5\1\0GET", 6);
        struct outcome o = play_in(&plain, bytes, good[i].length + 6, good[i].length + 6);
        assert_int_equal(o.progress, SOCKS_REQUESTED);
        assert_int_equal(o.left, 6);
    }
}

// ---- lengths

static void test_long_socks4(void **state)
{
    (void)state;
    uint8_t bytes[2048] = {4, 1, 0, 80, 1, 2, 3, 4};
    memset(bytes + 8, 'u', sizeof(bytes) - 8);
    // The user has no end: it is not waited for.
    assert_int_equal(play_in(&plain, bytes, 8 + SOCKS_USER_MAX, 1).progress, SOCKS_MORE);
    struct outcome o = play_in(&plain, bytes, 8 + SOCKS_USER_MAX + 1, 1);
    assert_int_equal(o.progress, SOCKS_CLOSE);
    assert_int_equal(o.reply_length, 8);
    assert_int_equal(play_in(&plain, bytes, sizeof(bytes), sizeof(bytes)).progress, SOCKS_CLOSE);
    bytes[8 + SOCKS_USER_MAX] = 0;
    assert_int_equal(play_in(&plain, bytes, 8 + SOCKS_USER_MAX + 1, 9).progress, SOCKS_REQUESTED);
    // A name.
    memcpy(bytes, "\4\1\0\x50\0\0\0\1\0", 9);
    memset(bytes + 9, 'n', 300);
    assert_int_equal(play_in(&plain, bytes, 9 + 255, 1).progress, SOCKS_MORE);
    assert_int_equal(play_in(&plain, bytes, 9 + 256, 1).progress, SOCKS_CLOSE);
    bytes[9 + 255] = 0;
    assert_int_equal(play_in(&plain, bytes, 9 + 256, 1).progress, SOCKS_REQUESTED);
}

static void test_long_socks5(void **state)
{
    (void)state;
    uint8_t bytes[2048] = {5, 255};
    size_t n = 2;
    memset(bytes + n, 2, 255); // methods
    n += 255;
    bytes[n++] = 1;
    bytes[n++] = 255;
    memset(bytes + n, 'u', 255);
    n += 255;
    bytes[n++] = 255;
    memset(bytes + n, 'p', 255);
    n += 255;
    memcpy(bytes + n, "\5\1\0\3\xff", 5);
    n += 5;
    memset(bytes + n, 'h', 255);
    n += 255;
    bytes[n++] = 0;
    bytes[n++] = 80;
    struct outcome o = play(&plain, bytes, n);
    assert_int_equal(o.progress, SOCKS_REQUESTED);
    assert_int_equal(strlen(o.handshake.request.host), 255);
}

// ---- credentials

static void token_of(const void *bytes, size_t length, uint8_t token[32])
{
    struct outcome o = play(&plain, bytes, length);
    assert_int_equal(o.progress, SOCKS_REQUESTED);
    memcpy(token, o.handshake.request.token, 32);
}

static void test_tokens(void **state)
{
    (void)state;
#define ASK "\5\1\0\3\1a\0\1"
    static const struct {
        const char *bytes;
        size_t length;
        unsigned is; // the same number: the same token
    } asks[] = {
        {BYTES("\5\1\2\1\1a\2bc" ASK), 0},
        {BYTES("\5\1\2\1\2ab\1c" ASK), 1},
        {BYTES("\5\1\2\1\3abc\0" ASK), 2},
        {BYTES("\4\1\0\x50\0\0\0\1"
               "abc\0a\0"),
         2},
        {BYTES("\5\1\2\1\0\3abc" ASK), 3},
        {BYTES("\5\1\2\1\0\0" ASK), 4},
        {BYTES("\5\1\0" ASK), 4},
        {BYTES("CONNECT a:1 HTTP/1.0\r\n\r\n"), 4},
        {BYTES("CONNECT a:1 HTTP/1.0\r\nProxy-Authorization: abc\r\n\r\n"), 5},
        {BYTES("CONNECT a:1 HTTP/1.0\r\nproxy-authorization:abc\r\n\r\n"), 5},
        {BYTES("CONNECT a:1 HTTP/1.0\r\nTor-Stream-Isolation: abc\r\n\r\n"), 6},
        {BYTES("CONNECT a:1 HTTP/1.0\r\nX-Tor-Stream-Isolation: abc\r\n\r\n"), 7},
    };
    uint8_t tokens[COUNT_OF(asks)][32];
    for (size_t i = 0; i < COUNT_OF(asks); i++) {
        token_of(asks[i].bytes, asks[i].length, tokens[i]);
        for (size_t j = 0; j < i; j++)
            assert_int_equal(memcmp(tokens[i], tokens[j], 32) == 0, asks[i].is == asks[j].is);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_names_only),  cmocka_unit_test(test_waits_for_all),
        cmocka_unit_test(test_data_behind), cmocka_unit_test(test_long_socks4),
        cmocka_unit_test(test_long_socks5), cmocka_unit_test(test_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
