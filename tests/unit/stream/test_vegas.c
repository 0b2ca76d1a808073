// SPDX-License-Identifier: BSD-3-Clause
// TOR_VEGAS against the traces of C tor's own test (src/test/test_congestion_control.c in 0.4.9.11:
// times, cells in flight and blocking in; round-trip times and window out), and where it must stand
// firm (13.41, 13.44, 13.45).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "stream/vegas.h"

enum { INC = 31 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct vegas begin(void)
{
    struct vegas v;
    vegas_begin(&v, &vegas_defaults, INC);
    assert_int_equal(v.cwnd, 124);
    assert_int_equal(vegas_room(&v), 124);
    return v;
}

// ---- C tor's traces

static void test_clock(void **state)
{
    (void)state;
    static const struct {
        uint64_t old_us, new_us;
        bool slow_start, broken, jumped;
    } steps[] = {
        {0, 1, 1, 0, 0},    {0, 0, 1, 1, 1},    {1, 1, 1, 1, 0},    {1, 4999, 0, 0, 0},
        {4999, 1, 0, 0, 0}, {5001, 1, 0, 0, 0}, {5001, 0, 0, 1, 1}, {5001, 1, 0, 1, 1},
        {5001, 1, 1, 1, 0}, {0, 5001, 0, 1, 0}, {1, 5001, 1, 1, 0}, {1, 1, 0, 0, 0},
        {5001, 1, 0, 0, 0}, {1, 5001, 0, 0, 1}, {0, 5001, 0, 0, 0}, {5001, 1, 1, 0, 0},
        {1, 1, 0, 0, 0},
    };
    struct vegas v = begin();
    for (size_t i = 0; i < COUNT(steps); i++) {
        v.slow_start = steps[i].slow_start;
        v.ewma_rtt_us = steps[i].old_us;
        bool jumped = vegas_clock_jumped(&v, steps[i].old_us, steps[i].new_us);
        assert_int_equal(jumped, steps[i].jumped);
        assert_int_equal(v.clock_broken, steps[i].broken);
    }
}

static void test_rtt(void **state)
{
    (void)state;
    static const struct {
        uint64_t sent_us, came_us, cwnd;
        bool slow_start;
        uint64_t ewma_us, min_us;
    } steps[] = {
        {100000, 200000, 124, 1, 100000, 100000}, {200000, 300000, 124, 1, 100000, 100000},
        {350000, 500000, 124, 1, 133333, 100000}, {500000, 550000, 124, 1, 77777, 77777},
        {600000, 700000, 124, 1, 92592, 77777},   {700000, 750000, 124, 1, 64197, 64197},
        {750000, 875000, 124, 0, 104732, 104732}, {875000, 900000, 124, 0, 51577, 104732},
        {900000, 950000, 200, 0, 50525, 50525},
    };
    struct vegas v = begin();
    for (size_t i = 0; i < COUNT(steps); i++) {
        v.cwnd = steps[i].cwnd;
        v.slow_start = steps[i].slow_start;
        assert_true(vegas_update_rtt(&v, steps[i].sent_us, steps[i].came_us));
        assert_int_equal(v.ewma_rtt_us, steps[i].ewma_us);
        assert_int_equal(v.min_rtt_us, steps[i].min_us);
    }
}

struct step {
    uint64_t sent_us, came_us;
    bool queue_long;
    uint64_t in_flight, ewma_us, min_us, cwnd;
    bool slow_start, cwnd_full, blocked;
};

static void run(const struct step *steps, size_t n)
{
    struct vegas v = begin();
    for (size_t i = 0; i < n; i++) {
        const struct step *s = &steps[i];
        v.in_flight = s->in_flight;
        vegas_acknowledged(&v, s->sent_us, s->came_us, s->queue_long, 0);
        assert_int_equal(v.ewma_rtt_us, s->ewma_us);
        assert_int_equal(v.min_rtt_us, s->min_us);
        assert_int_equal(v.cwnd, s->cwnd);
        assert_int_equal(v.slow_start, s->slow_start);
        assert_int_equal(v.cwnd_full, s->cwnd_full);
        assert_int_equal(v.blocked, s->blocked);
        assert_int_equal(v.in_flight, s->in_flight - INC);
    }
}

static void test_window(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {100000, 200000, 0, 124, 100000, 100000, 155, 1, 0, 0},
        {200000, 300000, 0, 155, 100000, 100000, 186, 1, 1, 0},
        {350000, 500000, 0, 186, 133333, 100000, 217, 1, 1, 0},
        {500000, 550000, 0, 217, 77777, 77777, 248, 1, 1, 0},
        {600000, 700000, 0, 248, 92592, 77777, 279, 1, 1, 0},
        {700000, 750000, 0, 279, 64197, 64197, 310, 1, 0, 0},
        {750000, 875000, 0, 310, 104732, 64197, 341, 1, 1, 0},
        {875000, 900000, 0, 341, 51577, 51577, 372, 1, 1, 0},
        {900000, 950000, 0, 279, 50525, 50525, 403, 1, 1, 0},
        {950000, 1000000, 0, 279, 50175, 50175, 434, 1, 1, 0},
        {1000000, 1050000, 0, 279, 50058, 50058, 465, 1, 1, 0},
        {1050000, 1100000, 0, 279, 50019, 50019, 496, 1, 1, 0},
        {1100000, 1150000, 0, 279, 50006, 50006, 527, 1, 1, 0},
        {1150000, 1200000, 0, 279, 50002, 50002, 558, 1, 1, 0},
        {1200000, 1250000, 0, 550, 50000, 50000, 589, 1, 1, 0},
        {1250000, 1300000, 0, 550, 50000, 50000, 620, 1, 0, 0},
        {1300000, 1350000, 0, 550, 50000, 50000, 635, 1, 1, 0},
        {1350000, 1400000, 0, 550, 50000, 50000, 650, 1, 1, 0},
        {1400000, 1450000, 0, 150, 50000, 50000, 650, 1, 0, 0},
        {1450000, 1500000, 0, 150, 50000, 50000, 650, 1, 0, 0},
        {1500000, 1550000, 0, 550, 50000, 50000, 664, 1, 1, 0},
        {1500000, 1600000, 0, 550, 83333, 50000, 584, 0, 1, 0},
        {1600000, 1650000, 0, 550, 61111, 50000, 585, 0, 1, 0},
        {1650000, 1700000, 0, 550, 53703, 50000, 586, 0, 1, 0},
        {1700000, 1750000, 0, 100, 51234, 50000, 586, 0, 0, 0},
        {1750000, 1900000, 0, 100, 117078, 50000, 559, 0, 0, 0},
        {1900000, 2000000, 0, 100, 105692, 50000, 558, 0, 0, 0},
        {2000000, 2075000, 0, 500, 85230, 50000, 558, 0, 1, 0},
        {2075000, 2125000, 1, 500, 61743, 50000, 557, 0, 1, 1},
        {2125000, 2150000, 0, 500, 37247, 37247, 558, 0, 1, 0},
        {2150000, 2350000, 0, 500, 145749, 37247, 451, 0, 1, 0},
    };
    run(steps, COUNT(steps));
}

static void test_blocked_in_slow_start(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {100000, 200000, 0, 124, 100000, 100000, 155, 1, 0, 0},
        {200000, 300000, 0, 155, 100000, 100000, 186, 1, 1, 0},
        {350000, 500000, 0, 186, 133333, 100000, 217, 1, 1, 0},
        {500000, 550000, 1, 217, 77777, 77777, 403, 0, 1, 1},
        {600000, 700000, 0, 248, 92592, 77777, 404, 0, 1, 0},
        {700000, 750000, 1, 404, 64197, 64197, 403, 0, 0, 1},
        {750000, 875000, 0, 403, 104732, 64197, 404, 0, 1, 0},
    };
    run(steps, COUNT(steps));
}

static void test_real_uploads(void **state)
{
    (void)state;
    static const struct step first[] = {
        {18258527, 19002938, 0, 83, 744411, 744411, 155, 1, 0, 0},
        {18258580, 19254257, 0, 52, 911921, 744411, 186, 1, 1, 0},
        {20003224, 20645298, 0, 164, 732023, 732023, 217, 1, 1, 0},
        {20003367, 21021444, 0, 133, 922725, 732023, 248, 1, 1, 0},
        {20003845, 21265508, 0, 102, 1148683, 732023, 279, 1, 1, 0},
        {20003975, 21429157, 0, 71, 1333015, 732023, 310, 1, 0, 0},
        {20004309, 21707677, 0, 40, 1579917, 732023, 310, 1, 0, 0},
    };
    static const struct step second[] = {
        {358297091, 358854163, 0, 83, 557072, 557072, 155, 1, 0, 0},
        {358297649, 359123845, 0, 52, 736488, 557072, 186, 1, 1, 0},
        {359492879, 359995330, 0, 186, 580463, 557072, 217, 1, 1, 0},
        {359493043, 360489243, 0, 217, 857621, 557072, 248, 1, 1, 0},
        {359493232, 360489673, 0, 248, 950167, 557072, 279, 1, 1, 0},
        {359493795, 360489971, 0, 279, 980839, 557072, 310, 1, 0, 0},
        {359493918, 360490248, 0, 310, 991166, 557072, 341, 1, 1, 0},
        {359494029, 360716465, 0, 341, 1145346, 557072, 372, 1, 1, 0},
        {359996888, 360948867, 0, 372, 1016434, 557072, 403, 1, 1, 0},
        {359996979, 360949330, 0, 403, 973712, 557072, 434, 1, 1, 0},
        {360489528, 361113615, 0, 434, 740628, 557072, 465, 1, 1, 0},
        {360489656, 361281604, 0, 465, 774841, 557072, 496, 1, 1, 0},
        {360489837, 361500461, 0, 496, 932029, 557072, 482, 0, 1, 0},
        {360489963, 361500631, 0, 482, 984455, 557072, 482, 0, 1, 0},
        {360490117, 361842481, 0, 482, 1229727, 557072, 481, 0, 1, 0},
    };
    run(first, COUNT(first));
    run(second, COUNT(second));
}

// ---- where it must stand firm

// Whatever the clock does, the window stays within its bounds and can be used (13.41).
static void test_broken_clock(void **state)
{
    (void)state;
    struct vegas v = begin();
    for (unsigned i = 0; i < 1000; i++) {
        v.in_flight = v.cwnd;
        vegas_acknowledged(&v, 5000000, 5000000, i % 3 == 0, 100000); // it never moves
        assert_in_range(v.cwnd, vegas_defaults.cwnd_min, vegas_defaults.ss_cwnd_max);
    }
    v = begin();
    for (unsigned i = 0; i < 1200; i++) {
        uint64_t now = 1000000 + (uint64_t)i * 100000;
        v.in_flight = v.cwnd;
        if (i >= 1000) // it has been mended
            vegas_acknowledged(&v, now, now + 50000, false, 0);
        else if (i % 7 == 0)
            vegas_acknowledged(&v, now, now - 50000, false, 0); // back
        else if (i % 7 == 1)
            vegas_acknowledged(&v, now, now + (UINT64_C(1) << 50), false, 0); // far ahead
        else
            vegas_acknowledged(&v, now, now + 50000, false, 0);
        assert_in_range(v.cwnd, vegas_defaults.cwnd_min, INT32_MAX);
    }
    assert_in_range(v.ewma_rtt_us, 40000, 60000);
    assert_in_range(v.min_rtt_us, 1, 60000);
}

// A sender that has little to send gets no large window by it (13.44).
static void test_application_limited(void **state)
{
    (void)state;
    struct vegas v = begin();
    v.cwnd = 1000;
    for (unsigned i = 0; i < 1000; i++) {
        v.in_flight = 2 * INC;
        vegas_acknowledged(&v, (uint64_t)i * 1000 + 1, (uint64_t)i * 1000 + 50001, false, 0);
    }
    assert_int_equal(v.cwnd, 1000);
}

// More acknowledged than was sent (13.45).
static void test_no_underflow(void **state)
{
    (void)state;
    struct vegas v = begin();
    for (unsigned i = 0; i < 10; i++)
        vegas_sent(&v);
    vegas_acknowledged(&v, 1, 50001, false, 0);
    assert_int_equal(v.in_flight, 0);
    assert_true(vegas_room(&v) < 1000);
    v.in_flight = v.cwnd + 100; // it shrank
    assert_int_equal(vegas_room(&v), 0);
}

static void test_window_of_nothing_stays_at_its_least(void **state)
{
    (void)state;
    struct vegas_parameters p = vegas_defaults;
    struct vegas v;
    p.gamma = p.delta = p.beta = p.alpha = 0;
    p.cwnd_inc = 1000;
    vegas_begin(&v, &p, 1);
    for (unsigned i = 0; i < 3000; i++) {
        v.in_flight = v.cwnd;
        vegas_acknowledged(&v, (uint64_t)i * 1000 + 1, (uint64_t)i * 1000 + 1001 + i * 500, i % 2,
                           0);
        assert_true(v.cwnd > 0 && v.cwnd < 10000);
        if (!v.slow_start && v.next_cc_event > 0)
            assert_true(v.cwnd >= p.cwnd_min || i < 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_rtt),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_blocked_in_slow_start),
        cmocka_unit_test(test_real_uploads),
        cmocka_unit_test(test_broken_clock),
        cmocka_unit_test(test_application_limited),
        cmocka_unit_test(test_no_underflow),
        cmocka_unit_test(test_window_of_nothing_stays_at_its_least),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
