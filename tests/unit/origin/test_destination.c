// SPDX-License-Identifier: BSD-3-Clause
// Where applications want to go: what is refused, and the bodies of BEGIN and RESOLVE (9.39, 10.01,
// 10.09). And what exits answer (10.05, 10.07, 10.09), with the bodies that C tor's
// src/test/test_cell_formats.c and test_relaycell.c use.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "origin/stream/destination.h"
#include "origin/stream/exit_answer.h"

static struct app_request request_of(enum app_command command, const char *host)
{
    struct app_request r = {.command = command, .port = 80, .ipv4 = true, .ipv6 = true};
    snprintf(r.host, sizeof(r.host), "%s", host);
    return r;
}

static enum destination_verdict verdict(enum app_command command, const char *host, bool internal)
{
    struct app_request r = request_of(command, host);
    return destination_normalise(&r, internal);
}

static void test_names_that_stay_here(void **state)
{
    static const char *const never[] = {
        "",    "a.exit", "a.Exit.",  "exit", "exa mple.a",  "ex\tample.com",
        "a/b", "a:80",   "[1.2.3.4", "[]",   "\xc3\xa4.de", "example.com\n",
    };
    static const char *const onions[] = {
        "abc.onion",
        "ABC.Onion",
        "x.abc.onion.",
        "onion",
        "facebookwkhpilnemxj7asaniu7vnjjbiltxjqhye3mhbshg7kx5tfyd.onion..",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(onions) / sizeof(onions[0]); i++) {
        assert_int_equal(verdict(APP_CONNECT, onions[i], true), DESTINATION_ONION);
        assert_int_equal(verdict(APP_RESOLVE, onions[i], true), DESTINATION_REFUSED);
        assert_int_equal(verdict(APP_RESOLVE_PTR, onions[i], true), DESTINATION_REFUSED);
    }
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
        assert_int_equal(verdict(APP_CONNECT, never[i], true), DESTINATION_REFUSED);
        assert_int_equal(verdict(APP_RESOLVE, never[i], true), DESTINATION_REFUSED);
    }
    // What only looks like them.
    static const char *const fine[] = {"onion.example", "exit.example", "aonion",
                                       "myexit",        "a.onions",     "local.example",
                                       "a_b.example",   "example.com."};
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        assert_int_equal(verdict(APP_CONNECT, fine[i], false), DESTINATION_ASK);
        assert_int_equal(verdict(APP_RESOLVE, fine[i], false), DESTINATION_ASK);
    }
}

static void test_private_places(void **state)
{
    static const char *const private[] = {
        "localhost", "LOCALHOST.",      "a.localhost", "printer.local", "local",
        "127.0.0.1", "10.1.2.3",        "[::1]",       "::1",           "192.168.0.1",
        "fe80::1",   "::ffff:10.0.0.1", "0.0.0.0",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(private) / sizeof(private[0]); i++) {
        assert_int_equal(verdict(APP_CONNECT, private[i], false), DESTINATION_REFUSED);
        assert_int_equal(verdict(APP_CONNECT, private[i], true), DESTINATION_ASK);
    }
    assert_int_equal(verdict(APP_RESOLVE_PTR, "10.0.0.1", false), DESTINATION_INTERNAL);
    assert_int_equal(verdict(APP_RESOLVE_PTR, "1.0.0.10.in-addr.arpa", false),
                     DESTINATION_INTERNAL);
    assert_int_equal(verdict(APP_RESOLVE_PTR, "10.0.0.1", true), DESTINATION_ASK);
}

static void test_ports_and_families(void **state)
{
    (void)state;
    struct app_request r = request_of(APP_CONNECT, "example.com");
    r.port = 0;
    assert_int_equal(destination_normalise(&r, false), DESTINATION_REFUSED);
    r = request_of(APP_CONNECT, "1.2.3.4");
    r.ipv4 = false;
    assert_int_equal(destination_normalise(&r, false), DESTINATION_REFUSED);
    r = request_of(APP_CONNECT, "2001:470::1");
    r.ipv6 = false;
    assert_int_equal(destination_normalise(&r, false), DESTINATION_REFUSED);
    r = request_of(APP_CONNECT, "example.com");
    r.ipv4 = r.ipv6 = false;
    assert_int_equal(destination_normalise(&r, false), DESTINATION_REFUSED);
    // An address is its own answer.
    r = request_of(APP_RESOLVE, "1.2.3.4");
    assert_int_equal(destination_normalise(&r, false), DESTINATION_KNOWN);
    assert_int_equal(address_ipv4_host(&r.address), 0x01020304);
}

static void expect_begin(struct app_request r, bool exit_has_ipv6, const char *text, int flags)
{
    uint8_t body[DESTINATION_BODY_MAX];
    assert_int_equal(destination_normalise(&r, false), DESTINATION_ASK);
    size_t length = destination_begin_body(&r, exit_has_ipv6, body), n = strlen(text) + 1;
    assert_int_equal(length, n + (flags ? 4 : 0));
    assert_memory_equal(body, text, n);
    if (flags)
        assert_memory_equal(body + n, ((uint8_t[]){0, 0, 0, (uint8_t)flags}), 4);
}

static void test_begin(void **state)
{
    (void)state;
    struct app_request r = request_of(APP_CONNECT, "Example.COM");
    expect_begin(r, false, "example.com:80", 0);
    expect_begin(r, true, "example.com:80", 1);
    r.prefer_ipv6 = true;
    expect_begin(r, true, "example.com:80", 1 | 4);
    expect_begin(r, false, "example.com:80", 0);
    r.ipv4 = false;
    expect_begin(r, true, "example.com:80", 1 | 2); // there is nothing to prefer
    r.ipv4 = true;
    r.ipv6 = false;
    expect_begin(r, true, "example.com:80", 0);
    r = request_of(APP_CONNECT, "1.2.3.4");
    expect_begin(r, true, "1.2.3.4:80", 0);
    r = request_of(APP_CONNECT, "[2001:470::1]");
    expect_begin(r, true, "[2001:470::1]:80", 1 | 2);
    r = request_of(APP_CONNECT, "ignored.example");
    r.address = address_ipv4(0x05060708, 99);
    r.port = 65535;
    expect_begin(r, true, "5.6.7.8:65535", 0);
    // The longest name there can be.
    r = request_of(APP_CONNECT, "");
    memset(r.host, 'a', APP_HOST_MAX);
    char text[APP_HOST_MAX + sizeof(":65535")];
    snprintf(text, sizeof(text), "%s:65535", r.host);
    r.port = 65535;
    expect_begin(r, true, text, 1);
}

static void expect_resolve(enum app_command command, const char *host, const char *body)
{
    struct app_request r = request_of(command, host);
    uint8_t out[DESTINATION_BODY_MAX];
    assert_int_equal(destination_normalise(&r, false), DESTINATION_ASK);
    assert_int_equal(destination_resolve_body(&r, out), strlen(body) + 1);
    assert_string_equal(out, body);
}

static void test_resolve(void **state)
{
    static const char ip6[] =
        "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.4.0.1.0.0.2.ip6.arpa";
    (void)state;
    expect_resolve(APP_RESOLVE, "Torproject.ORG", "torproject.org");
    expect_resolve(APP_RESOLVE_PTR, "18.0.0.1", "1.0.0.18.in-addr.arpa");
    expect_resolve(APP_RESOLVE_PTR, "1.0.0.18.IN-ADDR.ARPA", "1.0.0.18.in-addr.arpa");
    expect_resolve(APP_RESOLVE_PTR, "2001:470::1", ip6);
    expect_resolve(APP_RESOLVE_PTR, ip6, ip6);
    static const char *const wrong[] = {
        "example.com",           "0.0.18.in-addr.arpa",
        "x.0.0.18.in-addr.arpa", "256.0.0.18.in-addr.arpa",
        ".in-addr.arpa",         "1.0.0.2.ip6.arpa",
        "in-addr.arpa",          "11111111111111111111.in-addr.arpa"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(verdict(APP_RESOLVE_PTR, wrong[i], true), DESTINATION_REFUSED);
}

// ---- answers

#define BODY(text) (const uint8_t *)(text), sizeof(text) - 1

static void test_connected(void **state)
{
    struct address a;
    char text[ADDRESS_TEXT_MAX];
    (void)state;
    assert_true(exit_answer_connected(BODY(""), &a));
    assert_int_equal(a.family, ADDRESS_NONE);
    assert_true(exit_answer_connected(BODY("\x20\x30\x40\x50"), &a));
    assert_string_equal(address_format(&a, text), "32.48.64.80:0");
    assert_true(exit_answer_connected(BODY("\x12\x34\x56\x78\x00\x00\x0e\x10"), &a));
    assert_string_equal(address_format(&a, text), "18.52.86.120:0");
    assert_true(exit_answer_connected(BODY("\0\0\0\0\x06"
                                           "\x26\x20\x00\x00\x00\x00\x00\x00"
                                           "\x00\x00\x00\x00\x00\x00\x00\x99"
                                           "\x00\x00\x02\x02"),
                                      &a));
    assert_string_equal(address_format(&a, text), "[2620::99]:0");
    assert_false(exit_answer_connected(BODY("\x12\x34\x56"), &a));
    assert_false(exit_answer_connected(BODY("\0\0\0\0"), &a));
    assert_false(exit_answer_connected(BODY("\0\0\0\0\x06\x26\x20"), &a));
    assert_false(exit_answer_connected(BODY("\0\0\0\0\x04"
                                            "\x26\x20\x00\x00\x00\x00\x00\x00"
                                            "\x00\x00\x00\x00\x00\x00\x00\x99"
                                            "\x00\x00\x02\x02"),
                                       &a));
}

static void test_resolved(void **state)
{
    struct exit_answers answers;
    char text[ADDRESS_TEXT_MAX];
    (void)state;
    assert_true(exit_answer_resolved(BODY(""), &answers));
    assert_int_equal(answers.n, 0);
    assert_int_equal(answers.error, EXIT_ANSWER_NEVER);
    assert_true(exit_answer_resolved(BODY("\x04\x04\x12\x00\x00\x01\0\0\x02\0"
                                          "\x06\x10\x20\x02\x90\x90\0\0\0\0\0\0\0\0\xf0\xf0\xab\xcd"
                                          "\0\0\x02\0"
                                          "\x00\x0fwww.hostname.co\0\x01\0\0"
                                          "\x77\x03xyz\0\0\0\0"
                                          "\xf1\x04oops\0\0\0\0"),
                                     &answers));
    assert_int_equal(answers.n, 3);
    assert_int_equal(answers.error, EXIT_ANSWER_FOUND);
    assert_string_equal(address_format(&answers.list[0].address, text), "18.0.0.1:0");
    assert_int_equal(answers.list[0].ttl_s, 512);
    assert_string_equal(address_format(&answers.list[1].address, text), "[2002:9090::f0f0:abcd]:0");
    assert_string_equal(answers.list[2].name, "www.hostname.co");
    assert_int_equal(answers.list[2].ttl_s, 65536);
    assert_true(exit_answer_resolved(BODY("\xf0\x15quiet and meaningless\0\0\x0f\xff"), &answers));
    assert_int_equal(answers.error, EXIT_ANSWER_NOT_NOW);
    assert_true(exit_answer_resolved(BODY("\xf1\x00\0\0\x0f\xff"), &answers));
    assert_int_equal(answers.error, EXIT_ANSWER_NEVER);
    // Names that would do something to a terminal, or end early.
    assert_true(exit_answer_resolved(BODY("\x00\x05"
                                          "a\0bcd\0\0\0\1"),
                                     &answers));
    assert_int_equal(answers.n, 0);
}

static void test_malformed_resolved(void **state)
{
    struct exit_answers answers;
    (void)state;
    assert_false(exit_answer_resolved(BODY("\x04"), &answers));
    assert_false(exit_answer_resolved(BODY("\x04\x04\x12\x00\x00"), &answers));
    assert_false(exit_answer_resolved(BODY("\x04\x03\x12\x00\x00\0\0\2\0"), &answers));
    assert_false(
        exit_answer_resolved(BODY("\x04\x10\x12\x00\x00\x01\0\0\2\0xxxxxxxxxxxx"), &answers));
    assert_false(exit_answer_resolved(BODY("\x06\x04\x12\x00\x00\x01\0\0\2\0"), &answers));
    assert_false(exit_answer_resolved(BODY("\x00\x00\0\0\2\0"), &answers));
    assert_false(exit_answer_resolved(BODY("\xee\x10\x01\x02"), &answers));
    assert_false(exit_answer_resolved(BODY("\x04\x04\x12\x00\x00\x01\0\0\2\0\x01"), &answers));
    // More than there is room for.
    uint8_t many[490];
    for (size_t i = 0; i < sizeof(many); i += 10)
        memcpy(many + i, "\x04\x04\x12\x00\x00\x01\0\0\x02\0", 10);
    assert_true(exit_answer_resolved(many, sizeof(many), &answers));
    assert_int_equal(answers.n, APP_ANSWERS_MAX);
}

static void test_refused_address(void **state)
{
    char text[ADDRESS_TEXT_MAX];
    (void)state;
    assert_int_equal(exit_answer_refused(NULL, 0).family, ADDRESS_NONE);
    assert_int_equal(exit_answer_refused(BODY("\x04")).family, ADDRESS_NONE);
    struct address a = exit_answer_refused(BODY("\x04\x01\x02\x03\x04"));
    assert_string_equal(address_format(&a, text), "1.2.3.4:0");
    a = exit_answer_refused(BODY("\x04\x01\x02\x03\x04\0\0\0\x3c"));
    assert_string_equal(address_format(&a, text), "1.2.3.4:0");
    a = exit_answer_refused(BODY("\x04\x26\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\x99"));
    assert_string_equal(address_format(&a, text), "[2620::99]:0");
    a = exit_answer_refused(BODY("\x04\x26\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\x99\0\0\0\x3c"));
    assert_string_equal(address_format(&a, text), "[2620::99]:0");
    assert_int_equal(exit_answer_refused(BODY("\x04\x01\x02\x03")).family, ADDRESS_NONE);
    assert_int_equal(exit_answer_refused(BODY("\x04\x01\x02\x03\x04\x05")).family, ADDRESS_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_that_stay_here),
        cmocka_unit_test(test_private_places),
        cmocka_unit_test(test_ports_and_families),
        cmocka_unit_test(test_begin),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_connected),
        cmocka_unit_test(test_resolved),
        cmocka_unit_test(test_malformed_resolved),
        cmocka_unit_test(test_refused_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
