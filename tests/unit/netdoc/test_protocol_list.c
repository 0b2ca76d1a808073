// SPDX-License-Identifier: BSD-3-Clause
// Lists of subprotocol versions (11.12), and whether we have what is required (6.34).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "netdoc/protocol_list.h"

static bool is_valid(const char *list)
{
    return protocol_list_is_valid((struct text){list, strlen(list)});
}

static void test_syntax(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",         "Link=3-5",  "Link=",         "Link=0",
        "Link=63",  "Link=0-63", "Link=1,3-4,7",  "a-B9=1  Relay=2",
        " Link=1 ", "Link=5,4",  "Link=1 Link=2", "-=1",
    };
    static const char *const bad[] = {
        "Link",    "=1",           "Link=64",
        "Link=3-", "Link=-3",      "Link=5-4",
        "Link=1,", "Link=,1",      "Link=1,,2",
        "Link=01", "Link=1-02",    "Link=1-2-3",
        "Link=x",  "Link=+1",      "Link=1\tRelay=1",
        "Li_nk=1", "Link=1 Relay", "Link=18446744073709551617",
        "Link==1", "Link=1;2",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        if (!is_valid(good[i]))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (is_valid(bad[i]))
            fail_msg("taken: %s", bad[i]);
    char name[PROTOCOL_NAME_MAX + 8];
    snprintf(name, sizeof(name), "%0*d=1", PROTOCOL_NAME_MAX, 0);
    assert_true(is_valid(name));
    snprintf(name, sizeof(name), "%0*d=1", PROTOCOL_NAME_MAX + 1, 0);
    assert_false(is_valid(name));
}

static void test_look_up(void **state)
{
    (void)state;
    static const char list[] = "HSDir=2 HSIntro=4-5 Link=0-63 Relay=1,3-4 Relay=6 Empty=";
    assert_true(protocol_list_has(list, "HSDir", 2));
    assert_false(protocol_list_has(list, "HSDir", 1) || protocol_list_has(list, "HSDir", 3));
    assert_false(protocol_list_has(list, "HSDi", 2) || protocol_list_has(list, "HSDir2", 2));
    assert_false(protocol_list_has(list, "hsdir", 2));
    assert_true(protocol_list_has(list, "HSIntro", 5));
    assert_true(protocol_list_versions(list, "Link") == UINT64_MAX);
    assert_false(protocol_list_has(list, "Link", 64));
    assert_int_equal(protocol_list_versions(list, "Relay"), 1 << 1 | 1 << 3 | 1 << 4 | 1 << 6);
    assert_int_equal(protocol_list_versions(list, "Empty"), 0);
    assert_int_equal(protocol_list_versions(NULL, "Link"), 0);
}

static void test_covers(void **state)
{
    (void)state;
    static const char ours[] = "Link=4-5 Relay=2-6 HSDir=2";
    char missing[32] = "";
    assert_true(protocol_list_covers(ours, NULL, missing, sizeof(missing)));
    assert_true(protocol_list_covers(ours, "", missing, sizeof(missing)));
    assert_true(protocol_list_covers(ours, "Relay=2-4 Link=5", missing, sizeof(missing)));
    assert_true(protocol_list_covers(ours, "Nothing=", missing, sizeof(missing)));
    assert_false(protocol_list_covers(ours, "Relay=2 Link=3-5", missing, sizeof(missing)));
    assert_string_equal(missing, "Link=3");
    assert_false(protocol_list_covers(ours, "HSDir=2 HSIntro=5,4", missing, sizeof(missing)));
    assert_string_equal(missing, "HSIntro=4");
    assert_false(protocol_list_covers(ours, "HSIntro=4", missing, 5));
    assert_string_equal(missing, "HSIn");
    assert_false(protocol_list_covers(NULL, "Link=63", NULL, 0));
    assert_false(protocol_list_covers(ours, "junk Link=6", missing, sizeof(missing)));
    assert_string_equal(missing, "Link=6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_look_up),
        cmocka_unit_test(test_covers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
