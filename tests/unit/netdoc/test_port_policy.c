// SPDX-License-Identifier: BSD-3-Clause
// Summaries of exit policies (`p`, `p6`; 10.15). What is taken, left out and refused is as C tor's
// test_policy.c has it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netdoc/port_policy.h"

static struct port_policy *parse(const char *text)
{
    // Its bytes and no more.
    size_t length = strlen(text);
    char *copy = malloc(length > 0 ? length : 1);
    assert_non_null(copy);
    memcpy(copy, text, length);
    struct port_policy *policy = port_policy_parse(copy, length);
    free(copy);
    return policy;
}

// Back to text.
static void write_out(const struct port_policy *p, char *out, size_t size)
{
    int used = snprintf(out, size, "%s", p->accept ? "accept" : "reject");
    for (unsigned i = 0; i < p->n_ranges; i++) {
        used +=
            snprintf(out + used, size - (size_t)used, "%c%u", i == 0 ? ' ' : ',', p->ranges[i].low);
        if (p->ranges[i].high != p->ranges[i].low)
            used += snprintf(out + used, size - (size_t)used, "-%u", p->ranges[i].high);
    }
}

static void test_taken(void **state)
{
    (void)state;
    static const struct {
        const char *text, *means;
    } good[] = {
        {"accept 443", "accept 443"},
        {"reject 1-65535", "reject 1-65535"},
        {"accept 1-65535", "accept 1-65535"},
        {"accept 20-23,43,53,79-81,88,110", "accept 20-23,43,53,79-81,88,110"},
        {"accept fred,2,4-5", "accept 2,4-5"},
        {"accept 2,fred,4", "accept 2,4"},
        {"accept 2,fred,4,bob", "accept 2,4"},
        {"accept 2,-3,500-600", "accept 2,500-600"},
        {"accept 1,,3", "accept 1,3"},
        {"accept 100-200,,", "accept 100-200"},
        {"reject ,1-10,,,,30-40", "reject 1-10,30-40"},
        // in no order, or over each other
        {"accept 443,80", "accept 80,443"},
        {"accept 80-100,90-95,100-110,200", "accept 80-110,200"},
        {"reject 1-100,101-65535", "reject 1-65535"},
        {"accept 65535,65534", "accept 65534-65535"},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        char text[256];
        struct port_policy *policy = parse(good[i].text);
        if (policy == NULL)
            fail_msg("refused: %s", good[i].text);
        write_out(policy, text, sizeof(text));
        assert_string_equal(text, good[i].means);
        free(policy);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "accept",
        "reject",
        "accept ",
        "accept fred",
        "condone 1-10",
        "Accept 80",
        "accept\t80",
        "accept 0",
        "accept 0-80",
        "accept 65536",
        "accept 80-65536",
        "accept 80-79",
        "accept 80-",
        "accept 80-90-100",
        "accept 80x",
        "accept 80 443",
        "accept 99999999999999999999",
        "accept 80,443-x",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct port_policy *policy = parse(bad[i]);
        if (policy != NULL)
            fail_msg("taken: %s", bad[i]);
    }
    assert_null(port_policy_parse("accept 8\0", 9));
}

static void test_most(void **state)
{
    (void)state;
    static char text[(PORT_POLICY_RANGES_MAX + 2) * 6];
    int used = snprintf(text, sizeof(text), "accept ");
    for (unsigned i = 0; i < PORT_POLICY_RANGES_MAX; i++)
        used += snprintf(text + used, sizeof(text) - (size_t)used, "%s%u", i == 0 ? "" : ",",
                         2 * i + 1);
    struct port_policy *policy = parse(text);
    assert_non_null(policy);
    assert_int_equal(policy->n_ranges, PORT_POLICY_RANGES_MAX);
    for (unsigned port = 0; port <= UINT16_MAX; port++)
        assert_int_equal(port_policy_allows(policy, (uint16_t)port),
                         port % 2 == 1 && port < 2 * PORT_POLICY_RANGES_MAX);
    free(policy);
    snprintf(text + used, sizeof(text) - (size_t)used, ",9999");
    assert_null(parse(text));
}

static void test_allows(void **state)
{
    (void)state;
    for (unsigned accept = 0; accept < 2; accept++) {
        struct port_policy *policy = parse(accept ? "accept 80,443,1000-2000" //
                                                  : "reject 80,443,1000-2000");
        static const uint16_t listed[] = {80, 443, 1000, 1500, 2000};
        static const uint16_t others[] = {1, 79, 81, 442, 444, 999, 2001, 65535};
        for (size_t i = 0; i < sizeof(listed) / sizeof(listed[0]); i++)
            assert_int_equal(port_policy_allows(policy, listed[i]), accept);
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
            assert_int_equal(port_policy_allows(policy, others[i]), !accept);
        assert_false(port_policy_allows(policy, 0));
        assert_false(port_policy_allows_none(policy));
        free(policy);
    }
    struct port_policy *none = parse("reject 1-65535");
    assert_true(port_policy_allows_none(none));
    assert_false(port_policy_allows(none, 0));
    assert_false(port_policy_allows(none, 80));
    free(none);
    struct port_policy *few = parse("reject 1-65534");
    assert_false(port_policy_allows_none(few));
    assert_true(port_policy_allows(few, 65535));
    free(few);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_most),
        cmocka_unit_test(test_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
