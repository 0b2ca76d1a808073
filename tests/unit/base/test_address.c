// SPDX-License-Identifier: BSD-3-Clause
// Addresses: text and back, comparison, and which of them a relay must not extend to.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct address parsed(const char *text)
{
    struct address a;
    assert_true(address_parse(text, &a));
    return a;
}

static void test_parse_and_format(void **state)
{
    (void)state;
    static const struct {
        const char *text, *formatted;
        size_t length;
    } good[] = {
        {"1.2.3.4", "1.2.3.4:443", 4},
        {"0.0.0.0", "0.0.0.0:443", 4},
        {"255.255.255.255", "255.255.255.255:443", 4},
        {"::", "[::]:443", 16},
        {"2001:DB8::1", "[2001:db8::1]:443", 16},
        {"::ffff:1.2.3.4", "[::ffff:1.2.3.4]:443", 16},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:443", 16},
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        char text[ADDRESS_TEXT_MAX];
        struct address a = parsed(good[i].text);
        assert_int_equal(a.port, 0);
        assert_int_equal(address_length(&a), good[i].length);
        a.port = 443;
        assert_string_equal(address_format(&a, text), good[i].formatted);
    }
}

static void test_no_address(void **state)
{
    (void)state;
    static const char *const bad[] = {"",       "1",         "1.2.3",     "1.2.3.4.5",  "1.2.3.256",
                                      "1.2.3.", " 1.2.3.4",  "1.2.3.4 ",  "1.2.3.4:80", "01.2.3.4x",
                                      ":::",    "[::1]",     "::1%lo",    "1::2::3",    "::g",
                                      "relay",  "0x1.2.3.4", "1.2.3.4\n", "-1.2.3.4"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct address a = {.family = ADDRESS_IPV4};
        assert_false(address_parse(bad[i], &a));
        assert_int_equal(a.family, ADDRESS_NONE);
        assert_int_equal(address_length(&a), 0);
    }
}

static void test_ipv4(void **state)
{
    (void)state;
    struct address a = address_ipv4(0xc0000201, 9001);
    struct address b = parsed("192.0.2.1");
    assert_int_equal(address_ipv4_host(&a), 0xc0000201);
    assert_true(address_same_host(&a, &b));
    assert_false(address_equal(&a, &b));
    b.port = 9001;
    assert_true(address_equal(&a, &b));
    b = parsed("::c000:201"); // the same bytes in another family, and elsewhere
    b.port = 9001;
    assert_false(address_same_host(&a, &b));
    assert_false(address_equal(&a, &b));
}

// The edges of every range, from inside and from outside.
static void test_internal(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool internal;
    } cases[] = {
        {"0.0.0.0", true},
        {"0.255.255.255", true},
        {"1.0.0.0", false},
        {"9.255.255.255", false},
        {"10.0.0.0", true},
        {"10.255.255.255", true},
        {"11.0.0.0", false},
        {"100.63.255.255", false},
        {"100.64.0.0", true},
        {"100.127.255.255", true},
        {"100.128.0.0", false},
        {"126.255.255.255", false},
        {"127.0.0.0", true},
        {"127.255.255.255", true},
        {"128.0.0.0", false},
        {"169.253.255.255", false},
        {"169.254.0.0", true},
        {"169.254.255.255", true},
        {"169.255.0.0", false},
        {"172.15.255.255", false},
        {"172.16.0.0", true},
        {"172.31.255.255", true},
        {"172.32.0.0", false},
        {"191.255.255.255", false},
        {"192.0.0.0", true},
        {"192.0.0.255", true},
        {"192.0.1.0", false},
        {"192.0.2.0", true},
        {"192.0.2.255", true},
        {"192.0.3.0", false},
        {"192.167.255.255", false},
        {"192.168.0.0", true},
        {"192.168.255.255", true},
        {"192.169.0.0", false},
        {"198.17.255.255", false},
        {"198.18.0.0", true},
        {"198.19.255.255", true},
        {"198.20.0.0", false},
        {"198.51.99.255", false},
        {"198.51.100.0", true},
        {"198.51.101.0", false},
        {"203.0.112.255", false},
        {"203.0.113.0", true},
        {"203.0.114.0", false},
        {"223.255.255.255", false},
        {"224.0.0.0", true},
        {"239.255.255.255", true},
        {"240.0.0.0", true},
        {"255.255.255.255", true},
        {"8.8.8.8", false},
        {"::", true},
        {"::1", true},
        {"::1.2.3.4", true},
        {"::ffff:8.8.8.8", true},
        {"::1:0:0:0", false},
        {"100::1", true},
        {"100:0:0:1::", false},
        {"2001:db8::1", true},
        {"2001:db9::1", false},
        {"2001:4860:4860::8888", false},
        {"fbff::1", false},
        {"fc00::", true},
        {"fdff::1", true},
        {"fe00::1", false},
        {"fe80::1", true},
        {"febf::1", true},
        {"fec0::1", true},
        {"feff::1", true},
        {"ff00::", true},
        {"ff02::1", true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct address a = parsed(cases[i].text);
        if (address_is_internal(&a) != cases[i].internal)
            fail_msg("%s should %sbe internal", cases[i].text, cases[i].internal ? "" : "not ");
    }
    struct address none = {0};
    assert_true(address_is_internal(&none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_and_format),
        cmocka_unit_test(test_no_address),
        cmocka_unit_test(test_ipv4),
        cmocka_unit_test(test_internal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
