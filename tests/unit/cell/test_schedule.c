// SPDX-License-Identifier: BSD-3-Clause
// The scheduler's order against a plain search, and the decay of its counts (protocol 5.04).
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cell/schedule.h"

enum { NODES = 200, STEPS = 20000 };

static void the_top_is_always_the_quietest(void **state)
{
    (void)state;
    struct schedule s = {0};
    struct schedule_node nodes[NODES] = {0};
    bool waiting[NODES] = {0};
    srand(3);
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = (unsigned)rand() % NODES;
        if (waiting[i])
            schedule_remove(&s, &nodes[i]);
        else
            schedule_count(&nodes[i], step * UINT64_C(100000));
        if (!waiting[i])
            schedule_add(&s, &nodes[i]);
        waiting[i] = !waiting[i];
        const struct schedule_node *least = NULL;
        for (unsigned j = 0; j < NODES; j++)
            if (waiting[j] && nodes[j].epoch == nodes[i].epoch &&
                (!least || nodes[j].sent < least->sent))
                least = &nodes[j];
        const struct schedule_node *top = schedule_top(&s);
        if (least && top->epoch == least->epoch)
            assert_true(top->sent <= least->sent);
        assert_true((top == NULL) == (least == NULL) || top->epoch != nodes[i].epoch);
    }
}

static void what_was_sent_long_ago_counts_less(void **state)
{
    (void)state;
    const uint64_t half_life_us = SCHEDULE_HALF_LIFE_MS * UINT64_C(1000);
    // From the first moment, over a change of epoch, and after a year.
    const uint64_t begins[] = {0, 63 * half_life_us, UINT64_C(31536000000000)};
    for (unsigned b = 0; b < 3; b++) {
        struct schedule s = {0};
        struct schedule_node old = {0}, recent = {0};
        for (unsigned i = 0; i < 10; i++)
            schedule_count(&old, begins[b]);
        for (unsigned i = 0; i < 6; i++) // more than half of 10, one half-life later
            schedule_count(&recent, begins[b] + half_life_us);
        schedule_add(&s, &recent);
        schedule_add(&s, &old);
        assert_ptr_equal(schedule_top(&s), &old);
        schedule_remove(&s, &old);
        schedule_remove(&s, &recent);
        for (unsigned i = 0; i < 2; i++)
            schedule_count(&old, begins[b] + half_life_us); // now 5 + 2 against 6
        schedule_add(&s, &old);
        schedule_add(&s, &recent);
        assert_ptr_equal(schedule_top(&s), &recent);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_top_is_always_the_quietest),
        cmocka_unit_test(what_was_sent_long_ago_counts_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
