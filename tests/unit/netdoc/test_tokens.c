// SPDX-License-Identifier: BSD-3-Clause
// Items of directory documents and the values in them (dir-spec 1.2).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "documents.h"
#include "netdoc/tokens.h"

static struct text text_of(const char *s)
{
    return (struct text){s, strlen(s)};
}

static void test_items(void **state)
{
    (void)state;
    struct document d =
        document_of("first\n"
                    "\n"
                    "second one  two\tthree \r\n"
                    "opt third\n"
                    "-----BEGIN TWO WORDS-----\nAAEC\nAw==\n-----END TWO WORDS-----\n"
                    "4th -----BEGIN\n");
    struct reader r = reader_of(d.bytes, d.length);
    struct token t;
    struct text argument[4];
    uint8_t object[8];
    assert_int_equal(token_next(&r, &t), 1);
    assert_true(text_is(t.keyword, "first") && t.arguments.length == 0 && t.label.length == 0);
    assert_int_equal(token_arguments(&t, argument, 4), 0);
    assert_int_equal(token_object(&t, NULL, object, sizeof(object)), -EINVAL);
    assert_int_equal(token_next(&r, &t), 1);
    assert_true(text_is(t.keyword, "second") && text_is(t.arguments, "one  two\tthree"));
    assert_ptr_equal(t.start, d.bytes + 7);
    assert_int_equal(token_arguments(&t, argument, 4), 3);
    assert_true(text_is(argument[0], "one") && text_is(argument[1], "two"));
    assert_true(text_is(argument[2], "three") && text_is(argument[3], ""));
    assert_int_equal(token_arguments(&t, argument, 2), 2);
    assert_int_equal(token_next(&r, &t), 1);
    assert_true(text_is(t.keyword, "third") && text_is(t.label, "TWO WORDS"));
    assert_int_equal(token_object(&t, "TWO WORDS", object, sizeof(object)), 4);
    assert_memory_equal(object, "\0\1\2\3", 4);
    assert_int_equal(token_object(&t, "TWO", object, sizeof(object)), -EINVAL);
    assert_int_equal(token_object(&t, NULL, object, 3), -EINVAL);
    assert_int_equal(token_next(&r, &t), 1);
    assert_true(text_is(t.keyword, "4th") && text_is(t.arguments, "-----BEGIN"));
    assert_ptr_equal(t.end, d.bytes + d.length);
    assert_int_equal(token_next(&r, &t), 0);
    assert_int_equal(token_next(&r, &t), 0);
    document_drop(&d);
}

static void test_malformed(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "no-newline",
        " space\n",
        "@annotation\n",
        "-dash\n",
        "under_score\n",
        "b\xc3\xa4r\n",
        "opt \n",
        "-----BEGIN X-----\nAAAA\n-----END X-----\n", // no keyword
        "a\n-----BEGIN X-----\nAAAA\n",
        "a\n-----BEGIN X-----\n",
        "a\n-----BEGIN X-----",
        "a\n-----BEGIN X----\nAAAA\n-----END X-----\n",
        "a\n-----BEGIN X-----\nAAAA\n-----END Y-----\n",
        "a\n-----BEGIN X-----\nAAAA\n-----END X----\n",
        "a\n-----BEGIN X-----\nAAAA\n-----END X-----",
        "a\n-----BEGIN -----\nAAAA\n-----END -----\n",
        "a\n-----BEGIN-----\nAAAA\n-----END-----\n",
        "a\n-----BEGIN X_-----\nAAAA\n-----END X_-----\n",
        "a\n-----BEGIN X-----\nAAAA\n-----BEGIN X-----\n-----END X-----\n",
        "a\n-junk\n",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct document d = document_of(texts[i]);
        struct reader r = reader_of(d.bytes, d.length);
        struct token t;
        int more;
        while ((more = token_next(&r, &t)) > 0)
            ;
        if (more == 0)
            fail_msg("taken: %s", texts[i]);
        assert_int_equal(token_next(&r, &t), -EINVAL); // and stays so
        document_drop(&d);
    }
}

static void test_bounds(void **state)
{
    (void)state;
    struct document d = {malloc(TOKEN_LINE_MAX + 2), TOKEN_LINE_MAX + 2};
    struct token t;
    memset(d.bytes, 'a', d.length);
    for (size_t length = TOKEN_LINE_MAX; length <= TOKEN_LINE_MAX + 1; length++) {
        d.bytes[length] = '\n';
        struct reader r = reader_of(d.bytes, length + 1);
        assert_int_equal(token_next(&r, &t), length <= TOKEN_LINE_MAX ? 1 : -EINVAL);
        d.bytes[length] = 'a';
    }
    document_drop(&d);

    static const char begin[] = "a\n-----BEGIN X-----\n", end[] = "-----END X-----\n";
    size_t lines = TOKEN_OBJECT_MAX / 65 + 4, length = strlen(begin) + lines * 65;
    d = (struct document){malloc(length + strlen(end)), length + strlen(end)};
    memset(d.bytes, 'A', d.length);
    memcpy(d.bytes, begin, strlen(begin));
    for (size_t i = 0; i < lines; i++)
        d.bytes[strlen(begin) + i * 65 + 64] = '\n';
    memcpy(d.bytes + length, end, strlen(end));
    struct reader r = reader_of(d.bytes, d.length);
    assert_int_equal(token_next(&r, &t), -EINVAL);
    document_drop(&d);
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *date, *clock;
        time_t time; // by date(1)
    } good[] = {
        {"1970-01-01", "00:00:00", 0},
        {"2000-02-29", "12:34:56", 951827696},
        {"2026-11-22", "22:13:30", 1795385610},
        {"2038-01-01", "00:00:00", 2145916800},
        {"2100-03-01", "00:00:00", 4107542400},
        {"2024-12-31", "23:59:60", 1735689600},
        {"9999-12-31", "23:59:59", 253402300799},
    };
    static const char *const bad[][2] = {
        {"1969-12-31", "23:59:59"}, {"2026-02-29", "00:00:00"},
        {"2100-02-29", "00:00:00"}, {"2026-13-01", "00:00:00"},
        {"2026-00-01", "00:00:00"}, {"2026-01-00", "00:00:00"},
        {"2026-04-31", "00:00:00"}, {"2026-01-01", "24:00:00"},
        {"2026-01-01", "00:60:00"}, {"2026-01-01", "00:00:61"},
        {"2026-1-01", "00:00:00"},  {"2026-01-01", "0:00:000"},
        {"2026/01/01", "00:00:00"}, {"+026-01-01", "00:00:00"},
        {"2026-01-01", "00:00:0x"}, {"", ""},
    };
    time_t time;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(text_time(text_of(good[i].date), text_of(good[i].clock), &time), 0);
        assert_int_equal(time, good[i].time);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (text_time(text_of(bad[i][0]), text_of(bad[i][1]), &time) == 0)
            fail_msg("taken: %s %s", bad[i][0], bad[i][1]);
}

static void test_numbers(void **state)
{
    (void)state;
    uint64_t n;
    int32_t i;
    assert_int_equal(text_number(text_of("0"), 0, &n), 0);
    assert_int_equal(text_number(text_of("18446744073709551615"), UINT64_MAX, &n), 0);
    assert_true(n == UINT64_MAX);
    assert_int_equal(text_number(text_of("18446744073709551616"), UINT64_MAX, &n), -EINVAL);
    assert_int_equal(text_number(text_of("99999999999999999999999"), UINT64_MAX, &n), -EINVAL);
    assert_int_equal(text_number(text_of("65536"), 65535, &n), -EINVAL);
    for (const char *const *s =
             (const char *const[]){"", "-1", "+1", " 1", "1 ", "0x1", "1.", NULL};
         *s != NULL; s++)
        assert_int_equal(text_number(text_of(*s), UINT64_MAX, &n), -EINVAL);
    assert_int_equal(text_int32(text_of("-2147483648"), &i), 0);
    assert_int_equal(i, INT32_MIN);
    assert_int_equal(text_int32(text_of("2147483647"), &i), 0);
    assert_int_equal(i, INT32_MAX);
    assert_int_equal(text_int32(text_of("-2147483649"), &i), -EINVAL);
    assert_int_equal(text_int32(text_of("2147483648"), &i), -EINVAL);
    assert_int_equal(text_int32(text_of("-"), &i), -EINVAL);
    assert_int_equal(text_int32(text_of("--1"), &i), -EINVAL);
}

static void test_bytes(void **state)
{
    (void)state;
    uint8_t out[4] = {0};
    assert_int_equal(text_hex(text_of("00fF10"), out, 3), 0);
    assert_memory_equal(out, "\x00\xff\x10", 3);
    assert_int_equal(text_hex(text_of("00fF10"), out, 4), -EINVAL);
    assert_int_equal(text_hex(text_of("00fF1"), out, 3), -EINVAL);
    assert_int_equal(text_hex(text_of("00fFg0"), out, 3), -EINVAL);
    assert_int_equal(text_base64(text_of("AAECAw"), out, 4), 0);
    assert_memory_equal(out, "\0\1\2\3", 4);
    assert_int_equal(text_base64(text_of("AAECAw=="), out, 4), 0);
    assert_int_equal(text_base64(text_of("AAECAw="), out, 4), -EINVAL);
    assert_int_equal(text_base64(text_of("AAECAw"), out, 3), -EINVAL);
    assert_int_equal(text_base64(text_of("AAEC"), out, 4), -EINVAL);
    assert_int_equal(text_base64(text_of("AAEC-w"), out, 4), -EINVAL);
    assert_true(text_is_nickname(text_of("a")) && text_is_nickname(text_of("ABCDEFGHIJKLMNOP123")));
    assert_false(text_is_nickname(text_of("ABCDEFGHIJKLMNOP1234")));
    assert_false(text_is_nickname(text_of("")) || text_is_nickname(text_of("a-b")));
    assert_true(text_is_clean((const uint8_t *)"a\n", 2));
    assert_false(text_is_clean((const uint8_t *)"a\0\n", 3));
    assert_false(text_is_clean((const uint8_t *)"\xef\xbb\xbf"
                                                "a\n",
                               5));
    assert_false(text_is_clean((const uint8_t *)"\xff\xfe", 2));
}

static void test_next_document(void **state)
{
    (void)state;
    struct document d = document_of("a b\nc\nab\na\nd\na ");
    assert_int_equal(text_next_document(d.bytes, d.length, "a"), 9);
    assert_int_equal(text_next_document(d.bytes + 9, d.length - 9, "a"), 4);
    assert_int_equal(text_next_document(d.bytes + 13, d.length - 13, "a"), 2);
    assert_int_equal(text_next_document(d.bytes, d.length - 2, "c"), 4);
    assert_int_equal(text_next_document(d.bytes, 0, "a"), 0);
    document_drop(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items),         cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_bounds),        cmocka_unit_test(test_times),
        cmocka_unit_test(test_numbers),       cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_next_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
