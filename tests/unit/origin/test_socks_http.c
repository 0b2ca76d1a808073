// SPDX-License-Identifier: BSD-3-Clause
// HTTP CONNECT, byte for byte: what C tor 0.4.9.11's HTTPTunnelPort takes and answers, as facts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "origin/socks/socks_reply.h"
#include "origin/socks/socks_request.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define HEADERS "Tor-Capabilities: \r\nVia: tor/1.0 tor-network (ramson " RAMSON_VERSION ")\r\n"

static struct config_socks config = {.ipv4 = true, .ipv6 = true, .dns = true, .http = true};

static enum socks_progress play(const char *text, size_t piece, struct socks_handshake *h,
                                char reply[SOCKS_REPLY_MAX + 1])
{
    struct writer w = writer_of(reply, SOCKS_REPLY_MAX);
    enum socks_progress progress = SOCKS_MORE;
    size_t length = strlen(text), come = 0;
    *h = (struct socks_handshake){0};
    while (progress == SOCKS_MORE && come < length) {
        come = come + piece < length ? come + piece : length;
        struct reader in = reader_of(text, come);
        progress = socks_handshake_read(h, &config, &in, &w);
    }
    assert_false(w.failed);
    reply[writer_length(&w)] = '\0';
    return progress;
}

// ---- what is taken

static const struct {
    const char *text, *host; // or the address
    uint16_t port;
} good[] = {
    {"CONNECT example.com:443 HTTP/1.1\r\n\r\n", "example.com", 443},
    {"connect EXAMPLE.com:1 HTTP/1.0\r\nHost: example.com\r\n\r\n", "example.com", 1},
    {"CONNECT  example.com:65535\tHTTP/1.1 \r\nA: b\r\n\r\n", "example.com", 65535},
    {"CONNECT example.com:443 HTTP/1.1\n\n", "example.com", 443},
    {"CONNECT 1.2.3.4:80 HTTP/1.1\r\n\r\n", "1.2.3.4:0", 80},
    {"CONNECT [2001:DB8::1]:80 HTTP/1.1\r\n\r\n", "[2001:db8::1]:0", 80},
    {"CONNECT [2001:db8::1] HTTP/1.1\r\n\r\n", "[2001:db8::1]:0", 0},
    {"CONNECT 2001:db8::1 HTTP/1.1\r\n\r\n", "[2001:db8::1]:0", 0},
    {"CONNECT example.com HTTP/1.1\r\n\r\n", "example.com", 0},
    {"CONNECT example.com:443 HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "example.com", 443},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        for (size_t piece = 1; piece < 100; piece += 7) {
            struct socks_handshake h;
            char reply[SOCKS_REPLY_MAX + 1], text[ADDRESS_TEXT_MAX];
            assert_int_equal(play(good[i].text, piece, &h, reply), SOCKS_REQUESTED);
            assert_string_equal(reply, "");
            assert_int_equal(h.request.protocol, SOCKS_HTTP);
            assert_int_equal(h.request.command, APP_CONNECT);
            assert_string_equal(h.request.host[0] ? h.request.host
                                                  : address_format(&h.request.address, text),
                                good[i].host);
            assert_int_equal(h.request.port, good[i].port);
            assert_false(h.request.bare);
        }
    }
}

// ---- what is refused

static const struct {
    const char *text;
    const char *reply; // all of it
} bad[] = {
    // Nothing is said to what is no HTTP.
    {"CONNECT\r\n\r\n", ""},
    {"CONNECT example.com:443\r\n\r\n", ""},
    {"CONNECT example.com:443 HTTP/2\r\n\r\n", ""},
    {"CONNECT example.com:443 HTTP/1.x\r\n\r\n", ""},
    {"CONNECT example.com:443 HTTP/1.1 x\r\n\r\n", ""},
    {"CONNECT a:1 HTTP/1.1\r\nno colon\r\n\r\n", ""},
    {"CONNECT a:1 HTTP/1.1\r\nA: b\r\n folded: c\r\n\r\n", ""},
    {"hello\r\n\r\n", ""},
    {"CONNECT example.com:0 HTTP/1.1\r\n\r\n", "HTTP/1.0 400 Bad Request\r\n" HEADERS "\r\n"},
    {"CONNECT example.com:65536 HTTP/1.1\r\n\r\n", "HTTP/1.0 400 Bad Request\r\n" HEADERS "\r\n"},
    {"CONNECT example.com: HTTP/1.1\r\n\r\n", "HTTP/1.0 400 Bad Request\r\n" HEADERS "\r\n"},
    {"CONNECT example.com:http HTTP/1.1\r\n\r\n", "HTTP/1.0 400 Bad Request\r\n" HEADERS "\r\n"},
    {"CONNECT a:1 HTTP/1.1\r\nContent-Length: 1\r\n\r\n",
     "HTTP/1.0 400 Bad Request\r\n" HEADERS "\r\n"},
    {"CONNECT a:1 HTTP/1.1\r\nContent-Length: x\r\n\r\n",
     "HTTP/1.0 400 Bad Request\r\n" HEADERS "\r\n"},
    {"CONNECT a:1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
     "HTTP/1.0 400 Bad Request\r\n" HEADERS "\r\n"},
    {"CONNECT a:1 HTTP/1.1\r\nTor-RPC-Target: x\r\n\r\n",
     "HTTP/1.0 501 Not implemented (No RPC Support)\r\n" HEADERS "\r\n"},
    {"CONNECT a b:1 HTTP/1.1\r\n\r\n", ""},
    {"CONNECT a\x01:1 HTTP/1.1\r\n\r\n",
     "HTTP/1.0 502 Bad Gateway (tor protocol violation)\r\n" HEADERS
     "Tor-Request-Failed: end/TORPROTOCOL\r\n\r\n"},
    {"CONNECT [a]:1 HTTP/1.1\r\n\r\n",
     "HTTP/1.0 502 Bad Gateway (tor protocol violation)\r\n" HEADERS
     "Tor-Request-Failed: end/TORPROTOCOL\r\n\r\n"},
    // OPTIONS, to this machine
    {"OPTIONS * HTTP/1.1\r\nHost: localhost:9050\r\n\r\n",
     "HTTP/1.0 200 OK\r\nAllow: OPTIONS, CONNECT\r\nTor-Capabilities: \r\n"
     "Server: tor/1.0 (ramson " RAMSON_VERSION ")\r\n\r\n"},
    // A web page whose name is this machine's must not learn what is here.
    {"OPTIONS * HTTP/1.1\r\nHost: example.com\r\n\r\n", ""},
    {"GET / HTTP/1.1\r\nHost: example.com:9050\r\n\r\n", ""},
    {"POST / HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: 3\r\n\r\n\5\1", ""},
    {"GET / HTTP/1.1\r\nHost: localhost.example.com\r\n\r\n", ""},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        for (size_t piece = 1; piece < 100; piece += 7) {
            struct socks_handshake h;
            char reply[SOCKS_REPLY_MAX + 1];
            assert_int_equal(play(bad[i].text, piece, &h, reply), SOCKS_CLOSE);
            assert_string_equal(reply, bad[i].reply);
            assert_int_not_equal(h.complaint, SOCKS_NO_COMPLAINT);
        }
    }
}

// A person before a browser learns what this port is.
static void test_page(void **state)
{
    (void)state;
    static const char *const asks[] = {
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:9050\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: LOCALHOST\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: [::1]:9050\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n",
        "HEAD / HTTP/1.0\r\n\r\n",
    };
    struct socks_handshake h;
    char reply[SOCKS_REPLY_MAX + 1];
    for (size_t i = 0; i < COUNT_OF(asks); i++) {
        assert_int_equal(play(asks[i], 1, &h, reply), SOCKS_CLOSE);
        assert_ptr_equal(strstr(reply, "HTTP/1.0 405 Method Not Allowed\r\n"), reply);
        assert_non_null(strstr(reply, "<title>"));
        assert_int_equal(h.complaint, SOCKS_BAD_METHOD);
    }
    // Where CONNECT is not served, it is said at the first byte, as C tor's SocksPort does.
    config.http = false;
    assert_int_equal(play("G", 1, &h, reply), SOCKS_CLOSE);
    assert_ptr_equal(strstr(reply, "HTTP/1.0 501 "), reply);
    assert_int_equal(play("CONNECT a:1 HTTP/1.0\r\n\r\n", 99, &h, reply), SOCKS_CLOSE);
    assert_ptr_equal(strstr(reply, "HTTP/1.0 501 "), reply);
    config.http = true;
}

// ---- lengths

static char *padded(const char *before, size_t n, const char *after)
{
    size_t b = strlen(before), a = strlen(after);
    char *text = malloc(b + n + a + 1);
    assert_non_null(text);
    memcpy(text, before, b);
    memset(text + b, 'x', n);
    memcpy(text + b + n, after, a + 1);
    return text;
}

static void test_lengths(void **state)
{
    (void)state;
    struct socks_handshake h;
    char reply[SOCKS_REPLY_MAX + 1];
    // A head of 8192 bytes, and one that goes on.
    const char *before = "CONNECT a:1 HTTP/1.0\r\nA: ";
    char *text = padded(before, HTTP_CONNECT_HEAD_MAX - strlen(before) - 4, "\r\n\r\n");
    assert_int_equal(play(text, 512, &h, reply), SOCKS_REQUESTED);
    free(text);
    text = padded(before, HTTP_CONNECT_HEAD_MAX - strlen(before) - 3, "\r\n\r\n");
    assert_int_equal(play(text, 512, &h, reply), SOCKS_CLOSE);
    assert_int_equal(play(text, 100000, &h, reply), SOCKS_CLOSE);
    assert_string_equal(reply, "");
    free(text);
    text = padded(before, HTTP_CONNECT_HEAD_MAX - strlen(before), "");
    assert_int_equal(play(text, 512, &h, reply), SOCKS_CLOSE);
    free(text);
    // A host of 255 characters, and of 256.
    text = padded("CONNECT ", 255, ":1 HTTP/1.0\r\n\r\n");
    assert_int_equal(play(text, 512, &h, reply), SOCKS_REQUESTED);
    free(text);
    text = padded("CONNECT ", 256, ":1 HTTP/1.0\r\n\r\n");
    assert_int_equal(play(text, 512, &h, reply), SOCKS_CLOSE);
    assert_string_equal(reply, "HTTP/1.0 414 Request-URI Too Long\r\n" HEADERS "\r\n");
    free(text);
}

static void test_nul(void **state)
{
    (void)state;
    static const char text[] = "CONNECT a:1 HTTP/1.0\r\nA: \0\r\n\r\n";
    struct socks_handshake h = {0};
    uint8_t reply[SOCKS_REPLY_MAX];
    struct writer w = writer_of(reply, sizeof(reply));
    struct reader in = reader_of(text, sizeof(text) - 1);
    assert_int_equal(socks_handshake_read(&h, &config, &in, &w), SOCKS_CLOSE);
    assert_int_equal(writer_length(&w), 0);
}

// ---- what is said of a stream

static void test_answers(void **state)
{
    (void)state;
    // connection_edge.c and reasons.c of C tor 0.4.9.11.
    static const struct {
        int reason;
        const char *status, *failed;
    } answers[] = {
        {END_MISC, "500 Internal Server Error", "end/MISC"},
        {END_RESOLVEFAILED, "503 Service Unavailable (resolve failed)", "end/RESOLVEFAILED"},
        {END_NOROUTE, "503 Service Unavailable (no route)", "end/NOROUTE"},
        {END_CONNECTREFUSED, "403 Forbidden (connection refused)", "end/CONNECTREFUSED"},
        {END_EXITPOLICY, "403 Forbidden (exit policy)", "end/EXITPOLICY"},
        {END_DESTROY, "502 Bad Gateway (destroy cell received)", "end/DESTROY"},
        {END_DONE, "502 Bad Gateway (unexpected close)", "end/DONE"},
        {END_TIMEOUT, "504 Gateway Timeout", "end/TIMEOUT"},
        {END_HIBERNATING, "502 Bad Gateway (hibernating server)", "end/HIBERNATING"},
        {END_INTERNAL, "502 Bad Gateway (internal error)", "end/INTERNAL"},
        {END_RESOURCELIMIT, "502 Bad Gateway (resource limit)", "end/RESOURCELIMIT"},
        {END_CONNRESET, "403 Forbidden (connection reset)", "end/CONNRESET"},
        {END_TORPROTOCOL, "502 Bad Gateway (tor protocol violation)", "end/TORPROTOCOL"},
        {SOCKS_REASON_POLICY, "403 Forbidden (entry policy violation)", NULL},
        {SOCKS_REASON_PRIVATE, "403 Forbidden (private address)", "ramson/PRIVATE_ADDR"},
        {99, "500 Internal Server Error (weird end reason)", NULL},
    };
    const struct socks_request request = {.protocol = SOCKS_HTTP};
    char reply[SOCKS_REPLY_MAX + 1], expected[SOCKS_REPLY_MAX];
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct writer w = writer_of(reply, SOCKS_REPLY_MAX);
        socks_reply_failed(&w, &request, answers[i].reason, 0);
        reply[writer_length(&w)] = '\0';
        int used =
            snprintf(expected, sizeof(expected), "HTTP/1.0 %s\r\n" HEADERS, answers[i].status);
        if (answers[i].failed)
            used += snprintf(expected + used, 100, "Tor-Request-Failed: %s\r\n", answers[i].failed);
        snprintf(expected + used, 3, "\r\n");
        assert_string_equal(reply, expected);
    }
    struct writer w = writer_of(reply, SOCKS_REPLY_MAX);
    socks_reply_connected(&w, &request);
    reply[writer_length(&w)] = '\0';
    assert_string_equal(reply, "HTTP/1.0 200 OK\r\n" HEADERS "\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),    cmocka_unit_test(test_bad), cmocka_unit_test(test_page),
        cmocka_unit_test(test_lengths), cmocka_unit_test(test_nul), cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
