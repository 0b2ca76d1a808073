// SPDX-License-Identifier: BSD-3-Clause
// Fixed windows do not open above their start (4.08); among so many cells there is always one whose
// end is random (4.12).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/random.h"
#include "stream/window.h"

static void test_open(void **state)
{
    (void)state;
    unsigned window = 899;
    assert_true(window_open(&window, 100, 1000));
    assert_int_equal(window, 999);
    assert_false(window_open(&window, 100, 1000));
    assert_int_equal(window, 999);
    window = 0;
    assert_true(window_open(&window, 1000, 1000));
}

// The longest run of cells without room for random bytes, when the sender fills what it may.
static unsigned longest_run(unsigned short_every)
{
    struct window_randomness r;
    unsigned run = 0, longest = 0;
    window_randomness_begin(&r);
    for (unsigned i = 1; i <= 20000; i++) {
        unsigned length = window_randomness_room(&r, 498);
        assert_true(length == 498 || length == 478);
        if (short_every && i % short_every == 0)
            length = 100;
        window_randomness_sent(&r, length, 498);
        run = length <= 478 ? 0 : run + 1;
        longest = run > longest ? run : longest;
    }
    return longest;
}

static void test_randomness(void **state)
{
    (void)state;
    unsigned full = longest_run(0);
    assert_in_range(full, 90, 100); // of 200 intervals, one is nearly the longest
    assert_in_range(longest_run(1000), 50, 200);
    assert_int_equal(longest_run(7), 6); // they have enough of their own
}

// It comes at no time that can be told before.
static void test_randomness_is_not_regular(void **state)
{
    (void)state;
    unsigned seen[101] = {0}, kinds = 0, run = 0;
    struct window_randomness r;
    window_randomness_begin(&r);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned length = window_randomness_room(&r, 488);
        window_randomness_sent(&r, length, 488);
        run++;
        if (length < 488) {
            assert_in_range(run, 1, 100);
            seen[run]++;
            run = 0;
        }
    }
    for (unsigned i = 0; i <= 100; i++)
        kinds += seen[i] > 0;
    assert_true(kinds > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_randomness),
        cmocka_unit_test(test_randomness_is_not_regular),
    };
    assert_int_equal(crypto_init(), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
