// SPDX-License-Identifier: BSD-3-Clause
// The scheduler's order against a search through counts that really decay (protocol 5.04).
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <rte_eal.h>

#include "cell/schedule.h"

enum { NODES = 150, LINKS = 3 };

// What the scheduler is to do, done plainly: every count decays as time passes.
struct model {
    double count[NODES];
    int link[NODES]; // where the node waits, or -1
    unsigned cells[NODES];
    double half_life_us;
    uint64_t now_us;
};

static void pass_time(struct model *m, struct scheduler *s, uint64_t us)
{
    m->now_us += us;
    for (unsigned i = 0; i < NODES; i++)
        m->count[i] *= exp2(-(double)us / m->half_life_us);
    scheduler_advance(s, m->now_us);
}

// Counts so small that a sum with 1 does not show them are alike.
static bool is_less(double a, double b)
{
    return b > 1e-100 && a < b * (1 - 1e-9);
}

// Asks whose turn it is on a link, and looks whether that is so.
static int32_t next_of(const struct model *m, struct scheduler *s, struct schedule *links, int link,
                       bool any)
{
    bool waits = false;
    bool empty = schedule_is_empty(&links[link]);
    int32_t next = schedule_next(s, &links[link], any);
    for (int i = 0; i < NODES; i++) {
        if (m->link[i] != link)
            continue;
        waits = true;
        assert_in_range(next, 0, NODES - 1);
        assert_int_equal(m->link[next], link);
        if (!any)
            assert_false(is_less(m->count[i], m->count[next]));
    }
    assert_int_equal(empty, !waits);
    assert_int_equal(next == SCHEDULE_NONE, !waits);
    return next;
}

static uint64_t random_pause_us(void)
{
    if (rand() % 500 == 0) // circuits fall silent for long: half an epoch of counts, or several
        return (uint64_t)(rand() % 400 + 1) * 30 * 60 * 1000 * 1000;
    if (rand() % 50 == 0)
        return (uint64_t)(rand() % 120) * 1000 * 1000;
    return (uint64_t)(rand() % 50) * SCHEDULE_STEP_US;
}

static void change_half_life(struct model *m, struct scheduler *s)
{
    static const uint32_t half_lives_ms[] = {0, 30000, 1, 100, 5000, 3600000, INT32_MAX};
    uint32_t ms = half_lives_ms[(size_t)rand() % 7];
    scheduler_set_half_life(s, ms, m->now_us);
    m->half_life_us = (ms ? ms : 30000) * 1000.0;
}

static void one_step(struct model *m, struct scheduler *s, struct schedule *links)
{
    int i = rand() % NODES;
    if (m->link[i] < 0) {
        if (rand() % 20 == 0) { // another circuit
            scheduler_forget(s, i);
            m->count[i] = 0;
        }
        m->link[i] = rand() % LINKS;
        m->cells[i] = (unsigned)rand() % 30 + 1;
        schedule_add(s, &links[m->link[i]], i);
    } else if (rand() % 10 == 0) {
        schedule_remove(s, &links[m->link[i]], i);
        m->link[i] = -1;
    }
    int link = rand() % LINKS;
    bool any = rand() % 3 == 0;
    for (unsigned n = (unsigned)rand() % 12; n > 0; n--) {
        int32_t next = next_of(m, s, links, link, any);
        if (next == SCHEDULE_NONE)
            continue;
        m->count[next]++;
        schedule_sent(s, &links[link], next, --m->cells[next] > 0);
        if (m->cells[next] == 0)
            m->link[next] = -1;
    }
}

static void the_quietest_is_always_next(void **state)
{
    (void)state;
    struct scheduler s;
    for (unsigned seed = 0; seed < 8; seed++) {
        struct model m = {.half_life_us = 30e6, .now_us = UINT64_C(77777777)};
        struct schedule links[LINKS];
        assert_int_equal(scheduler_init(&s, NODES, m.now_us), 0);
        for (unsigned i = 0; i < LINKS; i++)
            schedule_init(&links[i]);
        for (int i = 0; i < NODES; i++) {
            m.link[i] = -1;
            scheduler_forget(&s, i);
        }
        srand(seed);
        for (unsigned step = 0; step < 4000; step++) {
            one_step(&m, &s, links);
            pass_time(&m, &s, random_pause_us());
            if (seed % 2 && rand() % 400 == 0)
                change_half_life(&m, &s);
        }
        scheduler_release(&s);
    }
}

// Sends `n` cells of a node that is alone on its link.
static void send_cells(struct scheduler *s, int32_t node, unsigned n)
{
    struct schedule link;
    schedule_init(&link);
    while (n-- > 0) {
        schedule_add(s, &link, node);
        assert_int_equal(schedule_next(s, &link, n % 2), node);
        schedule_sent(s, &link, node, false);
        assert_true(schedule_is_empty(&link));
    }
}

static int32_t quieter(struct scheduler *s, int32_t a, int32_t b)
{
    struct schedule link;
    schedule_init(&link);
    schedule_add(s, &link, a);
    schedule_add(s, &link, b);
    int32_t top = schedule_next(s, &link, false);
    schedule_remove(s, &link, a);
    schedule_remove(s, &link, b);
    return top;
}

static void what_was_sent_long_ago_counts_less(void **state)
{
    (void)state;
    enum { OLD, RECENT };
    const uint64_t half_life_us = SCHEDULE_HALF_LIFE_DEFAULT_MS * UINT64_C(1000);
    // From the first moment, over a change of epoch, and after a year.
    const uint64_t begins[] = {0, 511 * half_life_us, UINT64_C(31536000000000)};
    for (unsigned b = 0; b < 3; b++) {
        struct scheduler s;
        assert_int_equal(scheduler_init(&s, 2, 0), 0);
        scheduler_advance(&s, begins[b]);
        scheduler_forget(&s, OLD);
        scheduler_forget(&s, RECENT);
        send_cells(&s, OLD, 10);
        scheduler_advance(&s, begins[b] + half_life_us);
        send_cells(&s, RECENT, 6); // more than half of 10, one half-life later
        assert_int_equal(quieter(&s, OLD, RECENT), OLD);
        send_cells(&s, OLD, 2); // now 5 + 2 against 6
        assert_int_equal(quieter(&s, OLD, RECENT), RECENT);
        scheduler_release(&s);
    }
}

// With a half-life of 24 days, and after more cells than a float could count.
static void large_counts_stay_exact(void **state)
{
    (void)state;
    struct scheduler s;
    assert_int_equal(scheduler_init(&s, 2, 0), 0);
    scheduler_set_half_life(&s, UINT32_MAX, 0);
    scheduler_forget(&s, 0);
    scheduler_forget(&s, 1);
    s.nodes[0].sent = s.nodes[1].sent = 1e12;
    send_cells(&s, 0, 1);
    assert_int_equal(quieter(&s, 0, 1), 1);
    send_cells(&s, 1, 2);
    assert_int_equal(quieter(&s, 0, 1), 0);
    // Small steps of time add up.
    for (uint64_t i = 1; i <= 100000; i++)
        scheduler_advance(&s, i * SCHEDULE_STEP_US);
    double expected = 1e8 / (INT32_MAX * 1000.0);
    assert_true(fabs(s.half_lives / expected - 1) < 1e-9);
    scheduler_release(&s);
}

int main(void)
{
    const char *const arguments[] = {"test", "--no-huge", "--no-shconf",    "--no-pci",
                                     "-m",   "64",        "--no-telemetry", "--log-level=error",
                                     NULL};
    assert_int_not_equal(rte_eal_init(8, (char **)(uintptr_t)arguments), -1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_quietest_is_always_next),
        cmocka_unit_test(what_was_sent_long_ago_counts_less),
        cmocka_unit_test(large_counts_stay_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
