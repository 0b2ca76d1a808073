// SPDX-License-Identifier: BSD-3-Clause
// Guards: which are sampled, kept and used (guard-spec; protocol 9.19 to 9.21), in accelerated
// time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "guard_world.h"

enum { MINUTE = 60, HOUR = 3600, DAY = 86400 };

static bool same(const struct world_relay *r, const struct guard_info *info)
{
    return r != NULL && memcmp(r->status.rsa_id, info->rsa_id, 20) == 0;
}

// ---- the sample

static void test_sample(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    const struct world_guards *g = world_look(w);
    assert_int_equal(g->n, 20);
    assert_int_equal(g->filtered, 20);
    assert_int_equal(g->primary, 3);
    assert_int_equal(g->confirmed, 0);
    for (size_t i = 0; i < g->n; i++) {
        assert_true(g->all[i].listed);
        assert_true(g->all[i].primary == (i < 3));
        assert_in_range(g->all[i].sampled_on, world_now - 12 * DAY, world_now - 1);
        assert_int_equal(g->all[i].unlisted_since, 0);
        assert_int_equal(g->all[i].reachable, GUARD_REACHABLE_MAYBE);
    }
    world_free(w);
}

// Not who lacks a flag that a guard must have, nor this relay itself.
static void test_who_can_be_a_guard(void **state)
{
    (void)state;
    static const uint16_t flags[] = {ROUTER_GUARD, ROUTER_STABLE, ROUTER_FAST, ROUTER_VALID,
                                     ROUTER_V2DIR};
    struct world *w = world_create(20);
    world_end(w);
    assert_int_equal(unlink(temp_path(&w->dir, "state")), 0);
    for (size_t i = 0; i < 5; i++)
        w->relays[i].status.flags &= (uint16_t)~flags[i];
    world_publish(w);
    world_begin(w);
    const struct world_guards *g = world_look(w);
    assert_int_equal(g->n, 15);
    for (size_t i = 0; i < g->n; i++)
        assert_true(world_find(w, g->all[i].rsa_id) >= &w->relays[5]);
    world_free(w);
}

// As many as are needed for 20 that can be used, but no more than 60, nor than a fifth of all.
static void test_limits_of_the_sample(void **state)
{
    (void)state;
    static const struct {
        size_t relays, excluded_percent, sampled;
    } cases[] = {{10, 0, 10}, {200, 75, 40}, {290, 75, 58}, {1000, 70, 60}};
    for (size_t k = 0; k < sizeof(cases) / sizeof(cases[0]); k++) {
        struct world *w = world_create(cases[k].relays);
        for (size_t i = 0; i < w->n_relays; i++)
            w->relays[i].excluded = i % 100 < cases[k].excluded_percent;
        world_publish(w);
        enum guard_verdict verdict;
        assert_non_null(world_try(w, &verdict));
        const struct world_guards *g = world_look(w);
        if (cases[k].excluded_percent == 0)
            assert_int_equal(g->n, cases[k].sampled);
        else
            assert_in_range(g->n, g->filtered < 20 ? cases[k].sampled : 20, cases[k].sampled);
        world_free(w);
    }
}

// ---- restarts

static void test_fifty_restarts(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    struct world_guards before;
    assert_non_null(world_try(w, NULL));
    before = *world_look(w);
    assert_int_equal(before.confirmed, 1);
    struct world_relay *first = world_find(w, before.all[0].rsa_id);
    for (unsigned i = 0; i < 50; i++) {
        world_restart(w);
        const struct world_guards *now = world_look(w);
        assert_int_equal(now->n, before.n);
        for (size_t k = 0; k < now->n; k++) {
            assert_memory_equal(now->all[k].rsa_id, before.all[k].rsa_id, 20);
            assert_string_equal(now->all[k].nickname, before.all[k].nickname);
            assert_int_equal(now->all[k].sampled_on, before.all[k].sampled_on);
            assert_int_equal(now->all[k].confirmed_on, before.all[k].confirmed_on);
            assert_int_equal(now->all[k].primary, before.all[k].primary);
            assert_int_equal(now->all[k].confirmed, before.all[k].confirmed);
        }
        world_pass(w, HOUR);
        world_publish(w);
        enum guard_verdict verdict;
        assert_ptr_equal(world_try(w, &verdict), first);
        assert_int_equal(verdict, GUARD_USABLE);
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_who_can_be_a_guard),
        cmocka_unit_test(test_limits_of_the_sample),
        cmocka_unit_test(test_fifty_restarts),
    };
    (void)same;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
