// SPDX-License-Identifier: BSD-3-Clause
// Where applications may not go, and SOCKS' replies (protocol 9.27–9.29, 9.39).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "origin/socks/socks_destination.h"
#include "origin/socks/socks_reply.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct config_socks open_config = {.ipv4 = true, .ipv6 = true, .dns = true};

static struct socks_request ask(const char *host)
{
    struct socks_request q = {.protocol = SOCKS_5, .port = 80};
    assert_true(socks_destination_read(host, strlen(host), &q));
    return q;
}

static void check(const struct socks_request *q, const struct config_socks *config, bool private_ok,
                  int reason, enum socks_complaint complaint, unsigned extended)
{
    enum socks_complaint complained;
    unsigned code;
    assert_int_equal(socks_destination_check(q, config, private_ok, &complained, &code), reason);
    assert_int_equal(complained, complaint);
    assert_int_equal(code, extended);
}

// ---- names that are none of DNS

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        int reason;
        enum socks_complaint complaint;
        unsigned extended;
    } names[] = {
        {"example.com", 0, 0, 0},
        {"onion.example.com", 0, 0, 0},
        {"example.onions", 0, 0, 0},
        {"exit", 0, 0, 0},
        {"example.exit", END_TORPROTOCOL, SOCKS_EXIT_NAME, 0},
        {"example.relay.EXIT", END_TORPROTOCOL, SOCKS_EXIT_NAME, 0},
        {"example.exit.", END_TORPROTOCOL, SOCKS_EXIT_NAME, 0},
        // Addresses of rend-spec-v3, 6.
        {"pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion", 0, 0, 0},
        {"sp3k262uwy4r2k3ycr5awluarykdpag6a7y33jxop4cs2lu5uz5sseqd.onion", 0, 0, 0},
        {"xa4r2iadxm55fbnqgwwi5mymqdcofiu3w6rpbtqn7b2dyn7mgwj64jyd.onion", 0, 0, 0},
        {"WWW.PG6MMJIYJMCRSSLVYKFWNNTLARU7P5SVN6Y2YMMJU6NUBXNDF4PSCRYD.ONION.", 0, 0, 0},
        // Its checksum, its version, its alphabet, its length; version 2.
        {"qg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion", END_TORPROTOCOL,
         SOCKS_ONION_NAME, 0xf6},
        {"pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscrye.onion", END_TORPROTOCOL,
         SOCKS_ONION_NAME, 0xf6},
        {"1g6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion", END_TORPROTOCOL,
         SOCKS_ONION_NAME, 0xf6},
        {"apg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion", END_TORPROTOCOL,
         SOCKS_ONION_NAME, 0xf6},
        {"expyuzz4wqqyqhjn.onion", END_TORPROTOCOL, SOCKS_ONION_NAME, 0xf6},
        {"a.onion", END_TORPROTOCOL, SOCKS_ONION_NAME, 0xf6},
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct socks_request q = ask(names[i].host);
        check(&q, &open_config, false, names[i].reason, names[i].complaint, names[i].extended);
        q.command = APP_RESOLVE;
        bool good_onion = strlen(names[i].host) > 60 && names[i].reason == 0;
        if (good_onion) // it has no address
            check(&q, &open_config, true, END_TORPROTOCOL, SOCKS_ONION_RESOLVE, 0);
        else
            check(&q, &open_config, true, names[i].reason, names[i].complaint, names[i].extended);
    }
}

// What the listener says of names and addresses does not concern onion services; port 0 is nowhere.
static void test_onions(void **state)
{
    (void)state;
    struct socks_request q = ask("pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion");
    struct config_socks closed = {.ipv4 = false};
    check(&q, &closed, false, 0, 0, 0);
    q.protocol = SOCKS_4;
    check(&q, &closed, false, 0, 0, 0);
    q.port = 0;
    check(&q, &closed, false, END_TORPROTOCOL, SOCKS_PORT_0, 0);
}

static void test_private(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1", "10.1.2.3", "192.168.0.1",
                                        "::1",       "fe80::1",  "localhost",
                                        "LocalHost", "local",    "a.local"};
    static const char *const fine[] = {"8.8.8.8", "2606:4700::1", "notlocal", "localhost.example"};
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        struct socks_request q = ask(hosts[i]);
        check(&q, &open_config, false, SOCKS_REASON_PRIVATE, SOCKS_PRIVATE, 0);
        check(&q, &open_config, true, 0, 0, 0); // a network of its own
        q.command = APP_RESOLVE_PTR;
        check(&q, &open_config, false, SOCKS_REASON_PRIVATE, SOCKS_PRIVATE, 0);
    }
    for (size_t i = 0; i < COUNT_OF(fine); i++) {
        struct socks_request q = ask(fine[i]);
        check(&q, &open_config, false, 0, 0, 0);
    }
}

static void test_policy(void **state)
{
    (void)state;
    const struct config_socks no_dns = {.ipv4 = true, .ipv6 = true},
                              no_ipv4 = {.ipv6 = true, .dns = true},
                              no_ipv6 = {.ipv4 = true, .dns = true};
    struct socks_request name = ask("example.com"), ipv4 = ask("8.8.8.8"), ipv6 = ask("[2600::1]");
    check(&name, &no_dns, false, SOCKS_REASON_POLICY, SOCKS_POLICY, 0);
    check(&ipv4, &no_dns, false, 0, 0, 0);
    check(&ipv6, &no_dns, false, 0, 0, 0);
    check(&name, &no_ipv4, false, 0, 0, 0);
    check(&ipv4, &no_ipv4, false, SOCKS_REASON_POLICY, SOCKS_POLICY, 0);
    check(&ipv6, &no_ipv6, false, SOCKS_REASON_POLICY, SOCKS_POLICY, 0);
    // SOCKS4 has no room for IPv6.
    name.protocol = ipv4.protocol = ipv6.protocol = SOCKS_4;
    check(&name, &open_config, false, 0, 0, 0);
    check(&ipv6, &open_config, false, SOCKS_REASON_POLICY, SOCKS_POLICY, 0);
    check(&name, &no_ipv4, false, SOCKS_REASON_POLICY, SOCKS_POLICY, 0);
    // Port 0
    name.port = 0;
    check(&name, &open_config, false, END_TORPROTOCOL, SOCKS_PORT_0, 0);
    name.command = APP_RESOLVE;
    check(&name, &open_config, false, 0, 0, 0);
}

// ---- replies

static void expect(const struct writer *w, const void *bytes, size_t length)
{
    assert_false(w->failed);
    assert_int_equal(writer_length(w), length);
    assert_memory_equal(w->start, bytes, length);
}
#define EXPECT(w, literal) expect(w, literal, sizeof(literal) - 1)

static void test_codes(void **state)
{
    (void)state;
    // reasons.c of C tor 0.4.9.11
    static const struct {
        int reason;
        uint8_t code;
    } codes[] = {
        {END_MISC, 1},
        {END_RESOLVEFAILED, 4},
        {END_CONNECTREFUSED, 5},
        {END_EXITPOLICY, 2},
        {END_DESTROY, 1},
        {END_DONE, 5},
        {END_TIMEOUT, 6},
        {END_NOROUTE, 4},
        {END_HIBERNATING, 1},
        {END_INTERNAL, 1},
        {END_RESOURCELIMIT, 1},
        {END_CONNRESET, 5},
        {END_TORPROTOCOL, 1},
        {END_NOTDIRECTORY, 1},
        {200, 1},
        {SOCKS_REASON_PRIVATE, 1},
        {SOCKS_REASON_POLICY, 2},
    };
    struct socks_request five = {.protocol = SOCKS_5}, four = {.protocol = SOCKS_4};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        uint8_t bytes[64];
        struct writer w = writer_of(bytes, sizeof(bytes));
        const uint8_t failed[10] = {5, codes[i].code, 0, 1};
        socks_reply_failed(&w, &five, codes[i].reason, 0);
        expect(&w, failed, sizeof(failed));
        w = writer_of(bytes, sizeof(bytes));
        socks_reply_failed(&w, &four, codes[i].reason, 0);
        EXPECT(&w, "\0\x5b\0\0\0\0\0\0");
    }
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof(bytes));
    socks_reply_failed(&w, &five, END_TORPROTOCOL, SOCKS5_ONION_MALFORMED);
    EXPECT(&w, "\5\xf6\0\1\0\0\0\0\0\0");
    w = writer_of(bytes, sizeof(bytes));
    socks_reply_connected(&w, &five);
    EXPECT(&w, "\5\0\0\1\0\0\0\0\0\0");
    w = writer_of(bytes, sizeof(bytes));
    socks_reply_connected(&w, &four);
    EXPECT(&w, "\0\x5a\0\0\0\0\0\0");
}

static void test_failures(void **state)
{
    (void)state;
    assert_int_equal(socks_reason_of(END_NOROUTE, APP_FAILED_END), END_NOROUTE);
    assert_int_equal(socks_reason_of(END_EXITPOLICY, APP_FAILED_NO_CIRCUIT), END_EXITPOLICY);
    assert_int_equal(socks_reason_of(END_MISC, APP_FAILED_TIMEOUT), END_TIMEOUT);
    assert_int_equal(socks_reason_of(END_MISC, APP_FAILED_RESOLVE), END_RESOLVEFAILED);
    assert_int_equal(socks_reason_of(END_MISC, APP_FAILED_RESOLVE_NOW), END_RESOLVEFAILED);
    assert_int_equal(socks_reason_of(END_MISC, APP_FAILED_REFUSED), END_TORPROTOCOL);
    assert_int_equal(socks_reason_of(END_MISC, APP_FAILED_MEMORY), END_INTERNAL);
}

static struct app_answer address_answer(const char *text)
{
    struct app_answer a = {.kind = APP_ANSWER_ADDRESS};
    assert_true(address_parse(text, &a.address));
    return a;
}

static void expect_resolved(struct socks_request q, const struct config_socks *config,
                            const struct app_answer *answers, unsigned n, const void *bytes,
                            size_t length)
{
    uint8_t out[512];
    struct writer w = writer_of(out, sizeof(out));
    socks_reply_resolved(&w, &q, config, answers, n);
    expect(&w, bytes, length);
}
#define EXPECT_RESOLVED(q, config, answers, n, literal)                                            \
    expect_resolved(q, config, answers, n, literal, sizeof(literal) - 1)

static void test_resolved(void **state)
{
    (void)state;
    const struct config_socks prefer6 = {.ipv4 = true, .ipv6 = true, .prefer_ipv6 = true},
                              no_ipv4 = {.ipv6 = true};
    struct app_answer answers[4] = {{.kind = APP_ANSWER_NAME, .name = "a.example"},
                                    address_answer("2001:db8::7"),
                                    address_answer("1.2.3.4"),
                                    address_answer("5.6.7.8")};
    struct socks_request five = {.protocol = SOCKS_5, .command = APP_RESOLVE},
                         four = {.protocol = SOCKS_4, .command = APP_RESOLVE},
                         ptr = {.protocol = SOCKS_5, .command = APP_RESOLVE_PTR};
    EXPECT_RESOLVED(five, &open_config, answers, 4, "\5\0\0\1\1\2\3\4\0\0");
    EXPECT_RESOLVED(four, &open_config, answers, 4, "\0\x5a\0\0\1\2\3\4");
    EXPECT_RESOLVED(ptr, &open_config, answers, 4,
                    "\5\0\0\3\x09"
                    "a.example\0\0");
    EXPECT_RESOLVED(five, &prefer6, answers, 4,
                    "\5\0\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\0\0");
    EXPECT_RESOLVED(five, &no_ipv4, answers, 4,
                    "\5\0\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\0\0");
    EXPECT_RESOLVED(five, &open_config, answers, 2,
                    "\5\0\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\7\0\0");
    // None that fits
    EXPECT_RESOLVED(four, &open_config, answers, 2, "\0\x5b\0\0\0\0\0\0");
    EXPECT_RESOLVED(five, &open_config, answers, 1, "\5\4\0\1\0\0\0\0\0\0");
    EXPECT_RESOLVED(ptr, &open_config, answers + 1, 3, "\5\4\0\1\0\0\0\0\0\0");
    EXPECT_RESOLVED(five, &open_config, answers, 0, "\5\4\0\1\0\0\0\0\0\0");
    // A name as long as it can be
    memset(answers[0].name, 'n', APP_HOST_MAX);
    uint8_t expected[5 + APP_HOST_MAX + 2] = {5, 0, 0, 3, APP_HOST_MAX};
    memset(expected + 5, 'n', APP_HOST_MAX);
    expect_resolved(ptr, &open_config, answers, 1, expected, sizeof(expected));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),    cmocka_unit_test(test_onions),
        cmocka_unit_test(test_private),  cmocka_unit_test(test_policy),
        cmocka_unit_test(test_codes),    cmocka_unit_test(test_failures),
        cmocka_unit_test(test_resolved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
