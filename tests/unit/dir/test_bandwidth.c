// SPDX-License-Identifier: BSD-3-Clause
// The observed bandwidth: best ten seconds of five days, the slower direction (6.17).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "dir/publish/bandwidth.h"

static const time_t start = 1700000000;
enum { DAY = 86400 };

static void test_steady(void **state)
{
    (void)state;
    struct bandwidth b;
    bandwidth_begin(&b, start, 5000, 7000);
    assert_int_equal(bandwidth_observed(&b), 0);
    for (int s = 1; s <= 60; s++)
        bandwidth_sample(&b, start + s, 5000 + (uint64_t)s * 1000, 7000 + (uint64_t)s * 3000);
    assert_int_equal(bandwidth_observed(&b), 1000); // the smaller
}

static void test_peak_counts_over_ten_seconds(void **state)
{
    (void)state;
    struct bandwidth b;
    uint64_t total = 0;
    bandwidth_begin(&b, start, 0, 0);
    for (int s = 1; s <= 300; s++) {
        total += s == 150 ? 100000 : 100;
        bandwidth_sample(&b, start + s, total, total);
    }
    assert_int_equal(bandwidth_observed(&b), (100000 + 9 * 100) / 10);
}

static void test_pauses_and_clocks(void **state)
{
    (void)state;
    struct bandwidth b;
    bandwidth_begin(&b, start, 0, 0);
    bandwidth_sample(&b, start + 100, 100000, 100000); // spread over the pause
    assert_int_equal(bandwidth_observed(&b), 1000);
    bandwidth_sample(&b, start + 100, 100500, 100500); // twice in a second
    bandwidth_sample(&b, start + 101, 50, 50);         // counters that began anew: nothing
    assert_true(bandwidth_observed(&b) <= 1100);
    // The clock went back, then far ahead: what was seen stays seen, only those bytes are not.
    uint32_t seen = bandwidth_observed(&b);
    bandwidth_sample(&b, start - 1000, 1000000, 1000000);
    assert_int_equal(bandwidth_observed(&b), seen);
    bandwidth_sample(&b, start - 1000 + 3 * DAY, 2000000, 2000000);
    assert_int_equal(bandwidth_observed(&b), seen);
    bandwidth_sample(&b, start - 999 + 3 * DAY, 2100000, 2100000);
    assert_int_equal(bandwidth_observed(&b), 10000);
    // More than what a descriptor holds.
    bandwidth_sample(&b, start - 998 + 3 * DAY, UINT64_C(1) << 60, UINT64_C(1) << 60);
    assert_true(bandwidth_observed(&b) == UINT32_MAX);
}

static void test_five_days(void **state)
{
    (void)state;
    struct bandwidth b;
    uint64_t total = 0;
    char text[512];
    bandwidth_begin(&b, start, 0, 0);
    assert_int_equal(bandwidth_history(&b, text, sizeof(text)), 0);
    for (int day = 0; day < 8; day++) {
        for (int hour = 0; hour < 24; hour++) {
            total += 3600000; // 1000 a second
            bandwidth_sample(&b, start + day * DAY + (hour + 1) * 3600 - 60, total, total * 2);
        }
        if (day == 0) { // one busy moment
            total += 600000;
            bandwidth_sample(&b, start + DAY - 1, total, total * 2);
        }
        uint32_t observed = bandwidth_observed(&b);
        if (day < 5)
            assert_true(observed > 9000);
        if (day > 6) // the peak reached into the second day
            assert_in_range(observed, 900, 1100);
    }
    int n = bandwidth_history(&b, text, sizeof(text));
    assert_int_equal(n, strlen(text));
    assert_memory_equal(text, "write-history 2023-11-21 22:13:20 (86400 s) ", 44);
    char *read_line = strchr(text, '\n') + 1;
    assert_memory_equal(read_line, "read-history 2023-11-21 22:13:20 (86400 s) ", 43);
    assert_string_equal(read_line + strlen(read_line) - 1, "\n");
    int commas = 0;
    for (const char *p = read_line; *p; p++)
        commas += *p == ',';
    assert_int_equal(commas, 4);
    assert_int_equal(bandwidth_history(&b, text, 60), 0); // no room: no half lines
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_peak_counts_over_ten_seconds),
        cmocka_unit_test(test_pauses_and_clocks),
        cmocka_unit_test(test_five_days),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
