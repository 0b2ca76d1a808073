// SPDX-License-Identifier: BSD-3-Clause
// When XOFF and XON are sent, and with which rate, against readers of several speeds in virtual
// time (protocol 4.15, 4.16).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "stream/held.h"

enum { CELL = 498, MS = 1000 };

static const struct held_limits limits = {
    .xoff_bytes = 100000, .rate_bytes = 50000, .change_pct = 25, .ewma_samples = 2};

static void test_xoff_after_a_while(void **state)
{
    (void)state;
    struct held h = {0};
    assert_int_equal(held_change(&h, &limits, 100000, 0, 1 * MS), HELD_NOTHING);
    assert_int_equal(held_change(&h, &limits, 100001, 0, 10 * MS), HELD_NOTHING);
    assert_int_equal(held_change(&h, &limits, 200000, 0, 15 * MS), HELD_NOTHING);
    assert_int_equal(held_change(&h, &limits, 200000, 0, 15 * MS + 1), HELD_XOFF);
    assert_int_equal(held_change(&h, &limits, 300000, 0, 30 * MS), HELD_NOTHING); // once
    assert_int_equal(held_change(&h, &limits, 1, 299999, 40 * MS), HELD_NOTHING);
    assert_int_equal(held_change(&h, &limits, 0, 1, 41 * MS), HELD_XON);
    assert_int_equal(held_change(&h, &limits, 0, 0, 42 * MS), HELD_NOTHING);
}

static void test_a_burst_is_no_reason(void **state)
{
    (void)state;
    struct held h = {0};
    for (uint64_t i = 1; i < 100; i++) {
        assert_int_equal(held_change(&h, &limits, 200000, 0, 10 * i * MS), HELD_NOTHING);
        assert_int_equal(held_change(&h, &limits, 50000, 150000, (10 * i + 4) * MS), HELD_NOTHING);
    }
    assert_int_equal(held_change(&h, &limits, 0, 50000, 2000 * MS), HELD_NOTHING);
    assert_true(held_is_idle(&h));
}

// The other side sends at full speed until XOFF and by what XON says after; the reader takes
// `reader_kbps`. Both in steps of a millisecond.
struct world {
    struct held h;
    uint64_t now_us;
    uint64_t sender_kbps, reader_kbps;
    bool sends;
    size_t held, held_most;
    uint64_t told_kbps; // the last XON's
    unsigned xoffs, xons;
};

static void answer(struct world *w, enum held_answer a)
{
    if (a == HELD_XOFF) {
        w->sends = false;
        w->xoffs++;
    } else if (a == HELD_XON) {
        w->sends = true;
        w->told_kbps = w->h.rate_kbps;
        w->xons++;
    }
}

static void run(struct world *w, unsigned ms)
{
    for (; ms > 0; ms--) {
        w->now_us += MS;
        uint64_t rate = w->sender_kbps;
        if (w->told_kbps && w->told_kbps < rate)
            rate = w->told_kbps;
        if (w->sends) {
            w->held += rate;
            answer(w, held_change(&w->h, &limits, w->held, 0, w->now_us));
        }
        size_t drained = w->held < w->reader_kbps ? w->held : w->reader_kbps;
        w->held -= drained;
        if (w->held > w->held_most)
            w->held_most = w->held;
        answer(w, held_change(&w->h, &limits, w->held, drained, w->now_us));
    }
}

static void test_slow_reader_is_told_of(void **state)
{
    (void)state;
    struct world w = {.sends = true, .sender_kbps = 5000, .reader_kbps = 300, .now_us = MS};
    run(&w, 20 * 1000);
    assert_true(w.xoffs >= 1);
    assert_in_range(w.told_kbps, 300 * 75 / 100, 300 * 3); // it is tried to be raised now and then
    assert_true(w.held_most < 200000);
    assert_true(w.xoffs + w.xons < 20 * 1000 * 300 / limits.rate_bytes + 10);
    unsigned xoffs = w.xoffs;
    w.reader_kbps = 100000; // it becomes fast
    run(&w, 20 * 1000);
    assert_true(w.told_kbps == 0 || w.told_kbps > 5000);
    assert_in_range(w.xoffs, xoffs, xoffs + 1);
}

static void test_fast_reader_hears_nothing(void **state)
{
    (void)state;
    struct world w = {.sends = true, .sender_kbps = 5000, .reader_kbps = 6000, .now_us = MS};
    run(&w, 5000);
    assert_int_equal(w.xoffs + w.xons, 0);
    assert_true(held_is_idle(&w.h));
}

static void test_reader_that_stops(void **state)
{
    (void)state;
    struct world w = {.sends = true, .sender_kbps = 5000, .reader_kbps = 0, .now_us = MS};
    run(&w, 60 * 1000);
    assert_int_equal(w.xoffs, 1);
    assert_int_equal(w.xons, 0);
    w.reader_kbps = 1000;
    run(&w, 1000);
    assert_true(w.xons >= 1);
    assert_true(w.told_kbps >= 500);
}

// It paused, and is as fast as before.
static void test_a_pause_does_not_slow_down(void **state)
{
    (void)state;
    struct held h = {0};
    uint64_t now_us = MS;
    size_t held = 0;
    enum held_answer a = HELD_NOTHING;
    for (unsigned i = 0; i < 200 && a != HELD_XOFF; i++, now_us += MS)
        a = held_change(&h, &held_defaults, held += 5000, 0, now_us);
    assert_int_equal(a, HELD_XOFF);
    for (unsigned i = 0; i < 10; i++, now_us += MS) // what was under way
        assert_int_equal(held_change(&h, &held_defaults, held += 5000, 0, now_us), HELD_NOTHING);
    now_us += 60 * 1000 * MS;
    for (a = HELD_NOTHING; held > 0; now_us += MS) {
        size_t drained = held < 10000 ? held : 10000;
        a = held_change(&h, &held_defaults, held -= drained, drained, now_us);
    }
    assert_int_equal(a, HELD_XON);
    assert_true(h.rate_kbps == 0 || h.rate_kbps > 5000);
}

static void test_clock_that_stands_still(void **state)
{
    (void)state;
    struct held h = {0};
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(held_change(&h, &limits, 200000, 60000, 5 * MS), HELD_NOTHING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xoff_after_a_while),
        cmocka_unit_test(test_a_burst_is_no_reason),
        cmocka_unit_test(test_slow_reader_is_told_of),
        cmocka_unit_test(test_fast_reader_hears_nothing),
        cmocka_unit_test(test_reader_that_stops),
        cmocka_unit_test(test_a_pause_does_not_slow_down),
        cmocka_unit_test(test_clock_that_stands_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
