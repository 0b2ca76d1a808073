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
        if (cases[k].excluded_percent > 0) // so that another one has to be found
            world_find(w, world_look(w)->all[0].rsa_id)->excluded = true;
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

// ---- who is no longer listed

// Where it stands among the guards, or -1.
static int place_of(const struct world *w, const struct world_relay *r)
{
    const struct world_guards *g = world_look(w);
    for (size_t i = 0; i < g->n; i++)
        if (memcmp(g->all[i].rsa_id, r->status.rsa_id, 20) == 0)
            return (int)i;
    return -1;
}

// It may be sampled again, but with another date.
static bool is_still_here(struct world *w, const struct guard_info *info)
{
    int place = place_of(w, world_find(w, info->rsa_id));
    return place >= 0 && world_look(w)->all[place].sampled_on == info->sampled_on;
}

static void test_unlisted(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    struct world_relay *first = world_try(w, NULL), *second;
    assert_int_equal(place_of(w, first), 0);
    first->listed = false;
    world_publish(w);
    int place = place_of(w, first);
    assert_true(place >= 3); // kept, not primary, not used
    const struct guard_info *info = &world_look(w)->all[place];
    assert_false(info->listed || info->filtered || info->primary);
    assert_true(info->confirmed);
    // By up to a fifth of 20 days, so that the disk doesn't say when.
    assert_in_range(info->unlisted_since, world_now - 4 * DAY, world_now - 1);
    time_t since = info->unlisted_since;
    second = world_try(w, NULL);
    assert_true(second != NULL && second != first);

    world_pass(w, 15 * DAY);
    world_publish(w);
    place = place_of(w, first);
    assert_true(place >= 0); // for 16 days at least
    assert_int_equal(world_look(w)->all[place].unlisted_since, since);

    first->listed = true; // again, so everything is as before
    world_publish(w);
    assert_int_equal(world_look(w)->all[place_of(w, first)].unlisted_since, 0);
    assert_ptr_equal(world_try(w, NULL), place_of(w, first) < place_of(w, second) ? first : second);

    first->listed = false;
    world_publish(w);
    since = world_look(w)->all[place_of(w, first)].unlisted_since;
    while (place_of(w, first) >= 0) {
        assert_true(world_now <= since + 20 * DAY);
        world_pass(w, HOUR);
        world_publish(w);
    }
    assert_true(world_now > since + 20 * DAY && world_now <= since + 20 * DAY + HOUR);
    for (size_t i = 0; i < w->n_relays; i++)
        w->relays[i].listed = false;
    world_publish(w);
    const struct world_guards *g = world_look(w);
    assert_int_equal(g->primary + g->filtered, 0);
    for (size_t i = 0; i < g->n; i++)
        assert_in_range(g->all[i].unlisted_since, world_now - 4 * DAY, world_now - 1);
    world_free(w);
}

// A client that was off for long has an old consensus: that says nothing about who is a guard.
static void test_only_a_live_consensus_counts(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    world_try(w, NULL);
    struct world_guards before = *world_look(w);
    world_now += 200 * DAY; // all of them would be too old, too
    guards_refresh(w->origin.guards);
    struct world_guards *after = world_look(w);
    assert_int_equal(after->n, before.n);
    for (size_t i = 0; i < after->n; i++)
        assert_memory_equal(after->all[i].rsa_id, before.all[i].rsa_id, 20);
    world_publish(w);
    assert_false(is_still_here(w, &before.all[0]));
    world_free(w);
}

// ---- lifetimes

static void test_lifetimes(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    world_try(w, NULL);
    struct world_guards begun = *world_look(w);
    time_t began = world_now, confirmed_on = begun.all[0].confirmed_on;
    // By up to a tenth of 120 days.
    assert_in_range(confirmed_on, began - 12 * DAY, began - 1);
    bool first_is_here = true;
    for (unsigned hour = 0; hour < 125 * 24; hour++) {
        world_pass(w, HOUR);
        world_publish(w);
        for (size_t i = 1; i < begun.n; i++) {
            bool due = begun.all[i].sampled_on < world_now - 120 * DAY;
            assert_true(is_still_here(w, &begun.all[i]) == !due);
        }
        if (first_is_here && !is_still_here(w, &begun.all[0])) {
            first_is_here = false;
            assert_in_range(world_now - began, 48 * DAY, 60 * DAY + HOUR);
            assert_in_range(world_now - confirmed_on, 60 * DAY + 1, 60 * DAY + HOUR);
        }
    }
    assert_false(first_is_here);
    world_free(w);
}

// What the consensus says goes before what is usual.
static void test_parameters(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    world_end(w);
    assert_int_equal(unlink(temp_path(&w->dir, "state")), 0);
    world_set_parameter(w, "guard-min-filtered-sample-size", 7);
    world_set_parameter(w, "guard-n-primary-guards", 5);
    world_set_parameter(w, "guard-n-primary-guards-to-use", 2);
    world_set_parameter(w, "guard-lifetime-days", 10);
    world_begin(w);
    const struct world_guards *g = world_look(w);
    assert_int_equal(g->n, 7);
    assert_int_equal(g->primary, 5);
    unsigned first = 0, second = 0;
    struct world_guards before = *g;
    for (unsigned i = 0; i < 200; i++) {
        struct world_relay *r = world_try(w, NULL);
        first += memcmp(r->status.rsa_id, before.all[0].rsa_id, 20) == 0;
        second += memcmp(r->status.rsa_id, before.all[1].rsa_id, 20) == 0;
    }
    assert_int_equal(first + second, 200);
    assert_true(first > 50 && second > 50);
    for (size_t i = 0; i < before.n; i++)
        assert_in_range(before.all[i].sampled_on, world_now - DAY, world_now - 1);
    world_now += 11 * DAY;
    world_publish(w);
    for (size_t i = 2; i < before.n; i++)
        assert_false(is_still_here(w, &before.all[i]));
    world_free(w);
}

// ---- what the config excludes

static void test_filter(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    struct world_relay *first = world_try(w, NULL);
    first->excluded = true;
    world_publish(w);
    assert_true(place_of(w, first) >= 3);
    assert_false(world_look(w)->all[place_of(w, first)].filtered);
    assert_true(world_try(w, NULL) != first);
    first->excluded = false;
    world_publish(w);
    assert_in_range(place_of(w, first), 0, 2);
    world_free(w);
}

// Who lets only a few relays be guards samples from these, and keeps the others for later.
static void test_restricted(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    struct world_guards before = *world_look(w);
    for (size_t i = 0; i < w->n_relays; i++)
        w->relays[i].excluded = i % 100 >= 5;
    world_publish(w);
    assert_string_equal(w->origin.guards->current->name, "restricted");
    const struct world_guards *g = world_look(w);
    assert_int_equal(g->n, 20);
    assert_int_equal(g->filtered, 20);
    world_restart(w);
    assert_string_equal(w->origin.guards->current->name, "restricted");
    for (size_t i = 0; i < w->n_relays; i++)
        w->relays[i].excluded = i % 100 >= 20; // not so much more that it would change back
    world_publish(w);
    assert_string_equal(w->origin.guards->current->name, "restricted");
    for (size_t i = 0; i < w->n_relays; i++)
        w->relays[i].excluded = false;
    world_publish(w);
    assert_string_equal(w->origin.guards->current->name, "default");
    g = world_look(w);
    assert_int_equal(g->n, before.n);
    for (size_t i = 0; i < g->n; i++)
        assert_memory_equal(g->all[i].rsa_id, before.all[i].rsa_id, 20);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_who_can_be_a_guard),
        cmocka_unit_test(test_limits_of_the_sample),
        cmocka_unit_test(test_fifty_restarts),
        cmocka_unit_test(test_unlisted),
        cmocka_unit_test(test_only_a_live_consensus_counts),
        cmocka_unit_test(test_lifetimes),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_restricted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
