// SPDX-License-Identifier: BSD-3-Clause
// Which guard a circuit gets, when one that failed is tried again, and when a circuit through one
// that is not primary may be used (guard-spec; protocol 9.19, 9.21), in accelerated time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guard_world.h"

enum { MINUTE = 60, HOUR = 3600, DAY = 86400 };

// The guards in their order of preference, as relays.
static void relays_of(struct world *w, struct world_relay *out[GUARD_SAMPLE_MAX])
{
    const struct world_guards *g = world_look(w);
    for (size_t i = 0; i < g->n; i++)
        out[i] = world_find(w, g->all[i].rsa_id);
}

static const struct guard_info *info_of(struct world *w, const struct world_relay *r)
{
    const struct world_guards *g = world_look(w);
    for (size_t i = 0; i < g->n; i++)
        if (memcmp(g->all[i].rsa_id, r->status.rsa_id, 20) == 0)
            return &g->all[i];
    return NULL;
}

// The three primary guards, all confirmed.
static void confirm_primary(struct world *w, struct world_relay *out[3])
{
    struct world_relay *all[GUARD_SAMPLE_MAX];
    relays_of(w, all);
    for (unsigned i = 0; i < 3; i++) {
        out[i] = all[i];
        assert_ptr_equal(world_try(w, NULL), all[i]);
        all[i]->up = false;
        assert_ptr_equal(world_try(w, NULL), all[i]);
    }
    for (unsigned i = 0; i < 3; i++)
        out[i]->up = true;
}

// ---- choosing

static void test_same_guard_always(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    struct guard_use *uses[64];
    for (unsigned i = 0; i < 64; i++) {
        uses[i] = world_choose(w);
        assert_memory_equal(guard_use_rsa_id(uses[i]), guard_use_rsa_id(uses[0]), 20);
        if (i % 2)
            assert_int_equal(guard_use_succeeded(uses[i]), GUARD_USABLE);
    }
    assert_int_equal(world_look(w)->all[0].circuits, 64);
    for (unsigned i = 0; i < 64; i++)
        guard_use_end(uses[i]);
    assert_int_equal(world_look(w)->all[0].circuits, 0);
    assert_int_equal(world_look(w)->confirmed, 1);
    world_free(w);
}

static void test_directory_guards(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    struct world_relay *all[GUARD_SAMPLE_MAX];
    const struct guard_restriction directory = {.for_directory = true};
    unsigned times[3] = {0};
    relays_of(w, all);
    for (unsigned i = 0; i < 3; i++)
        all[i]->has_keys = false;
    world_publish(w);
    for (unsigned i = 0; i < 300; i++) {
        struct own_circuit_hop hop;
        const struct node *node;
        struct guard_use *use = guard_choose(w->origin.guards, &directory, &hop, &node);
        struct world_relay *r = world_guard_of(w, use);
        for (unsigned k = 0; k < 3; k++)
            times[k] += r == all[k];
        assert_false(hop.has_ntor_key);
        assert_int_equal(hop.target.n_addresses, 1);
        assert_true(address_equal(&hop.target.addresses[0], &r->status.ipv4));
        assert_memory_equal(hop.target.rsa_id, r->status.rsa_id, 20);
        assert_memory_equal(node->status->rsa_id, r->status.rsa_id, 20);
        guard_use_end(use);
    }
    assert_int_equal(times[0] + times[1] + times[2], 300);
    assert_true(times[0] > 50 && times[1] > 50 && times[2] > 50);
    // For anything else their keys must be here.
    assert_false(guards_have_descriptors(w->origin.guards));
    struct guard_use *use = world_choose(w);
    assert_ptr_equal(world_guard_of(w, use), all[3]);
    guard_use_end(use);
    all[0]->has_keys = all[1]->has_keys = true;
    world_publish(w);
    assert_true(guards_have_descriptors(w->origin.guards));
    world_free(w);
}

// Neither the exit itself nor one of its family.
static void test_restriction(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    struct world_relay *all[GUARD_SAMPLE_MAX];
    relays_of(w, all);
    all[0]->family = all[1]->family = 7;
    world_publish(w);
    for (unsigned i = 0; i < 4; i++) {
        struct own_circuit_hop hop;
        const struct guard_restriction not = {
            .exit = node_find(w->origin.nodes, all[i]->status.rsa_id)};
        struct guard_use *use = guard_choose(w->origin.guards, &not, &hop, NULL);
        assert_ptr_equal(world_guard_of(w, use), i < 2 ? all[2] : all[0]);
        assert_int_equal(guard_use_succeeded(use), GUARD_USABLE);
        guard_use_end(use);
    }
    world_free(w);
}

// One that must not be used counts as one of those to use, so that the exit doesn't bring more of
// the guards into use.
static void test_restriction_among_several(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    struct world_relay *all[GUARD_SAMPLE_MAX];
    world_set_parameter(w, "guard-n-primary-guards-to-use", 2);
    relays_of(w, all);
    for (unsigned i = 0; i < 50; i++) {
        struct own_circuit_hop hop;
        const struct guard_restriction not = {
            .exit = node_find(w->origin.nodes, all[0]->status.rsa_id)};
        struct guard_use *use = guard_choose(w->origin.guards, &not, &hop, NULL);
        assert_ptr_equal(world_guard_of(w, use), all[1]);
        guard_use_end(use);
    }
    world_free(w);
}

// ---- a guard's death and return

static time_t primary_delay(time_t failing_s)
{
    return failing_s <= 6 * HOUR  ? 10 * MINUTE
           : failing_s <= 4 * DAY ? 90 * MINUTE
           : failing_s <= 7 * DAY ? 4 * HOUR
                                  : 9 * HOUR;
}

static time_t other_delay(time_t failing_s)
{
    return failing_s <= 6 * HOUR  ? 1 * HOUR
           : failing_s <= 4 * DAY ? 4 * HOUR
           : failing_s <= 7 * DAY ? 18 * HOUR
                                  : 36 * HOUR;
}

static void test_death_and_return(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    struct world_relay *all[GUARD_SAMPLE_MAX];
    struct world_guards before;
    relays_of(w, all);
    assert_ptr_equal(world_try(w, NULL), all[0]);
    before = *world_look(w);
    all[0]->up = false;
    assert_ptr_equal(world_try(w, NULL), all[0]);
    time_t died = world_now, tried = died;
    unsigned tries = 0;
    while (world_now < died + 9 * DAY) {
        enum guard_verdict verdict;
        struct world_relay *r = world_try(w, &verdict);
        if (r == all[0]) {
            assert_int_equal(world_now - tried, primary_delay(world_now - died));
            tried = world_now;
            tries++;
            r = world_try(w, &verdict); // at once with another one
        }
        assert_ptr_equal(r, all[1]); // the next primary one, and its circuits are used
        assert_int_equal(verdict, GUARD_USABLE);
        assert_int_equal(info_of(w, all[0])->reachable, GUARD_REACHABLE_NO);
        assert_true(info_of(w, all[0])->primary);
        world_pass(w, MINUTE);
        if ((world_now - died) % HOUR == 0)
            world_publish(w);
    }
    // 36 + 60 + 18 + 5: each ten minutes, 90 minutes, 4 hours, 9 hours.
    assert_int_equal(tries, 36 + (4 * DAY - 6 * HOUR) / (90 * MINUTE) + 18 + 5);
    all[0]->up = true;
    world_pass(w, tried + 9 * HOUR - world_now - 1);
    assert_ptr_equal(world_try(w, NULL), all[1]);
    world_pass(w, 1);
    for (unsigned i = 0; i < 10; i++) {
        enum guard_verdict verdict;
        assert_ptr_equal(world_try(w, &verdict), all[0]);
        assert_int_equal(verdict, GUARD_USABLE);
    }
    // The set is what it was; only the second one is confirmed, too.
    const struct world_guards *after = world_look(w);
    assert_int_equal(after->n, before.n);
    assert_int_equal(after->confirmed, 2);
    for (size_t i = 0; i < after->n; i++) {
        assert_memory_equal(after->all[i].rsa_id, before.all[i].rsa_id, 20);
        assert_int_equal(after->all[i].sampled_on, before.all[i].sampled_on);
    }
    // It fails again: that counts from now.
    all[0]->up = false;
    assert_ptr_equal(world_try(w, NULL), all[0]);
    world_pass(w, 10 * MINUTE - 1);
    assert_ptr_equal(world_try(w, NULL), all[1]);
    world_pass(w, 1);
    assert_ptr_equal(world_try(w, NULL), all[0]);
    world_free(w);
}

// One that is not primary is tried less often.
static void test_retries_of_others(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    struct world_relay *primary[3], *all[GUARD_SAMPLE_MAX];
    confirm_primary(w, primary);
    relays_of(w, all);
    for (unsigned i = 0; i < 3; i++)
        primary[i]->up = false;
    while (world_try(w, NULL) != all[3])
        ;
    all[3]->up = false; // confirmed, but not primary
    time_t died = 0, tried = 0;
    unsigned tries = 0;
    for (unsigned minute = 0; minute < 9 * 24 * 60; minute++) {
        struct world_relay *r;
        while ((r = world_try(w, NULL)) != NULL && !r->up) {
            if (r != all[3])
                continue;
            if (tried != 0)
                assert_int_equal(world_now - tried, other_delay(world_now - died));
            else
                died = world_now;
            tried = world_now;
            tries++;
        }
        assert_ptr_equal(r, all[4]);
        world_pass(w, MINUTE);
        if (minute % 60 == 0)
            world_publish(w);
    }
    assert_true(tries > 30);
    world_free(w);
}

// A clock that is set back must not make a guard wait until the old time comes again.
static void test_clock_set_back(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    struct world_relay *all[GUARD_SAMPLE_MAX];
    relays_of(w, all);
    all[0]->up = false;
    assert_ptr_equal(world_try(w, NULL), all[0]);
    assert_ptr_equal(world_try(w, NULL), all[1]);
    world_now -= 365 * DAY;
    all[0]->up = true;
    assert_ptr_equal(world_try(w, NULL), all[0]);
    world_now += 365 * DAY;
    world_free(w);
}

// ---- the network goes away

static void test_an_hour_without_network(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    struct world_relay *all[GUARD_SAMPLE_MAX], *primary[3];
    confirm_primary(w, primary);
    world_pass(w, 10 * MINUTE);
    assert_ptr_equal(world_try(w, NULL), primary[0]);
    world_all_up(w, false);
    time_t away = world_now;
    while (world_now < away + HOUR) {
        world_try(w, NULL);
        const struct world_guards *g = world_look(w);
        assert_in_range(g->n, 20, 60);
        assert_int_equal(g->primary, 3);
        assert_int_equal(g->confirmed, 3);
        for (unsigned i = 0; i < 3; i++)
            assert_memory_equal(g->all[i].rsa_id, primary[i]->status.rsa_id, 20);
        // A guess, which takes as long as it would be normal to hear nothing.
        if (world_now <= away + 10 * MINUTE)
            assert_false(guards_network_down(w->origin.guards));
        else if (world_now > away + 11 * MINUTE)
            assert_true(guards_network_down(w->origin.guards));
        world_pass(w, 7);
    }
    world_all_up(w, true);
    // Whoever answers first: the primary ones are tried at once then.
    enum guard_verdict verdict;
    struct world_relay *r = world_try(w, &verdict);
    if (r != primary[0] && r != primary[1] && r != primary[2])
        assert_int_equal(verdict, GUARD_WAIT);
    assert_ptr_equal(world_try(w, &verdict), primary[0]);
    assert_int_equal(verdict, GUARD_USABLE);
    assert_false(guards_network_down(w->origin.guards));
    relays_of(w, all);
    for (unsigned i = 0; i < 3; i++)
        assert_ptr_equal(all[i], primary[i]);
    assert_true(world_look(w)->confirmed <= 4);
    world_restart(w);
    assert_ptr_equal(world_try(w, &verdict), primary[0]);
    world_free(w);
}

// With nothing left to try, all are tried again from the beginning.
static void test_all_fail(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    struct world_relay *all[GUARD_SAMPLE_MAX];
    relays_of(w, all);
    world_all_up(w, false);
    unsigned tries = 0;
    while (world_try(w, NULL) != NULL)
        tries++;
    assert_int_equal(tries, 60); // the sample has grown to its limit
    assert_ptr_equal(world_try(w, NULL), all[0]);
    world_free(w);
}

// ---- circuits that wait

// All primary guards are down, two others are confirmed.
struct waiting {
    struct world *w;
    struct world_relay *better, *worse;
};

static struct waiting prepare(void)
{
    struct waiting s = {.w = world_create(1000)};
    struct world_relay *primary[3];
    confirm_primary(s.w, primary);
    for (unsigned i = 0; i < 3; i++)
        primary[i]->up = false;
    enum guard_verdict verdict;
    s.better = world_try(s.w, &verdict);
    assert_int_equal(verdict, GUARD_WAIT);
    struct guard_use *busy = world_choose(s.w);
    assert_ptr_equal(world_guard_of(s.w, busy), s.better);
    s.worse = world_try(s.w, &verdict);
    assert_true(s.worse != s.better);
    guard_use_end(busy);
    world_pass(s.w, 20);
    return s;
}

static void test_waits_for_a_better_one(void **state)
{
    (void)state;
    struct waiting s = prepare();
    struct guard_use *a = world_choose(s.w), *b = world_choose(s.w);
    assert_ptr_equal(world_guard_of(s.w, a), s.better);
    assert_ptr_equal(world_guard_of(s.w, b), s.worse); // not the same one, while it is tried
    assert_int_equal(guard_use_look(b), GUARD_WAIT);   // does not stand
    assert_int_equal(guard_use_succeeded(b), GUARD_WAIT);
    world_pass(s.w, 14);
    assert_int_equal(guard_use_look(b), GUARD_WAIT);
    world_pass(s.w, 1);
    assert_int_equal(guard_use_look(b), GUARD_USABLE);
    world_pass(s.w, HOUR);
    assert_int_equal(guard_use_look(b), GUARD_USABLE);
    guard_use_end(a);
    guard_use_end(b);
    world_free(s.w);
}

static void test_a_better_one_comes(void **state)
{
    (void)state;
    struct waiting s = prepare();
    struct guard_use *a = world_choose(s.w), *b = world_choose(s.w);
    assert_int_equal(guard_use_succeeded(b), GUARD_WAIT);
    assert_int_equal(guard_use_succeeded(a), GUARD_WAIT);
    assert_int_equal(guard_use_look(b), GUARD_WAIT);
    assert_int_equal(guard_use_look(a), GUARD_USABLE);
    assert_int_equal(guard_use_look(b), GUARD_WAIT);
    world_pass(s.w, 600);
    assert_int_equal(guard_use_look(b), GUARD_WAIT);
    world_pass(s.w, 1);
    assert_int_equal(guard_use_look(b), GUARD_DISCARD);
    guard_use_end(a);
    guard_use_end(b);
    world_free(s.w);
}

static void test_a_better_one_fails(void **state)
{
    (void)state;
    struct waiting s = prepare();
    struct guard_use *a = world_choose(s.w), *b = world_choose(s.w);
    assert_int_equal(guard_use_succeeded(b), GUARD_WAIT);
    assert_int_equal(guard_use_look(b), GUARD_WAIT);
    guard_use_failed(a);
    assert_int_equal(guard_use_look(b), GUARD_USABLE);
    guard_use_end(b);
    world_free(s.w);
}

// A better one that it could not have had is no reason to wait.
static void test_a_better_one_is_forbidden(void **state)
{
    (void)state;
    struct waiting s = prepare();
    const struct guard_restriction not = {
        .exit = node_find(s.w->origin.nodes, s.better->status.rsa_id)};
    struct own_circuit_hop hop;
    struct guard_use *a = world_choose(s.w);
    struct guard_use *b = guard_choose(s.w->origin.guards, &not, &hop, NULL);
    assert_ptr_equal(world_guard_of(s.w, b), s.worse);
    assert_int_equal(guard_use_succeeded(b), GUARD_WAIT);
    assert_int_equal(guard_use_look(b), GUARD_USABLE);
    guard_use_end(a);
    guard_use_end(b);
    world_free(s.w);
}

// As long as a primary guard may answer, nothing else is used.
static void test_primary_may_answer(void **state)
{
    (void)state;
    struct waiting s = prepare();
    struct guard_use *b = world_choose(s.w);
    world_pass(s.w, 10 * MINUTE); // then they are tried again
    assert_int_equal(guard_use_succeeded(b), GUARD_WAIT);
    assert_int_equal(guard_use_look(b), GUARD_WAIT);
    for (unsigned i = 0; i < 3; i++)
        assert_false(world_try(s.w, NULL)->up);
    assert_int_equal(guard_use_look(b), GUARD_USABLE);
    guard_use_end(b);
    world_free(s.w);
}

// A guard that goes from the sample takes no circuit with it that is in use, but no other one
// begins to be.
static void test_guard_goes_meanwhile(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    struct guard_use *building = world_choose(w), *open = world_choose(w);
    struct world_relay *r = world_guard_of(w, open);
    assert_int_equal(guard_use_succeeded(open), GUARD_USABLE);
    world_pass(w, 61 * DAY);
    world_publish(w);
    assert_null(info_of(w, r));
    assert_memory_equal(guard_use_rsa_id(building), r->status.rsa_id, 20);
    assert_int_equal(guard_use_succeeded(building), GUARD_DISCARD);
    assert_int_equal(guard_use_look(open), GUARD_USABLE);
    guard_use_count(open, GUARD_USE_ATTEMPT);
    guard_use_end(open);
    guard_use_failed(building);
    world_free(w);
}

// ---- path bias

static void count(struct world *w, unsigned attempts, unsigned successes)
{
    for (unsigned i = 0; i < attempts; i++) {
        struct guard_use *use = world_choose(w);
        guard_use_succeeded(use);
        guard_use_count(use, GUARD_CIRCUIT_ATTEMPT);
        guard_use_count(use, GUARD_CIRCUIT_SUCCESS);
        guard_use_count(use, GUARD_USE_ATTEMPT);
        if (i < successes) {
            guard_use_count(use, GUARD_USE_SUCCESS);
            guard_use_count(use, GUARD_CIRCUIT_CLOSED);
        } else {
            guard_use_count(use, GUARD_CIRCUIT_UNUSABLE);
        }
        guard_use_end(use);
    }
}

static void test_bias_is_kept(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    count(w, 10, 6);
    struct guard_use *open = world_choose(w);
    guard_use_count(open, GUARD_CIRCUIT_ATTEMPT);
    guard_use_count(open, GUARD_CIRCUIT_SUCCESS);
    guard_use_count(open, GUARD_USE_ATTEMPT);
    size_t length;
    char *text = state_file_text(w->origin.state, &length);
    // What is open is written as if it ended well.
    assert_non_null(strstr(text, " pb_use_attempts=11.000000 pb_use_successes=7.000000 "
                                 "pb_circ_attempts=11.000000 pb_circ_successes=11.000000 "
                                 "pb_successful_circuits_closed=7.000000 "
                                 "pb_unusable_circuits=4.000000\n"));
    free(text);
    guard_use_end(open);
    world_restart(w);
    text = state_file_text(w->origin.state, &length);
    assert_non_null(strstr(text, " pb_use_attempts=11.000000 pb_use_successes=6.000000 "));
    free(text);
    count(w, 290, 290);
    text = state_file_text(w->origin.state, &length);
    assert_non_null(strstr(text, " pb_circ_attempts=301.000000 "));
    free(text);
    count(w, 1, 1); // more than 300: those until now count half
    text = state_file_text(w->origin.state, &length);
    assert_non_null(strstr(text, " pb_circ_attempts=151.500000 "));
    free(text);
    world_free(w);
}

static void test_biased_guard_is_dropped(void **state)
{
    (void)state;
    struct world *w = world_create(1000);
    struct world_relay *all[GUARD_SAMPLE_MAX];
    relays_of(w, all);
    count(w, 25, 0);
    assert_ptr_equal(world_try(w, NULL), all[0]); // said, but by default nothing comes of it
    world_set_parameter(w, "pb_dropguards", 1);
    count(w, 1, 0);
    world_publish(w);
    assert_false(info_of(w, all[0])->filtered);
    assert_ptr_equal(world_try(w, NULL), all[1]);
    world_restart(w);
    assert_ptr_equal(world_try(w, NULL), all[1]);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_guard_always),
        cmocka_unit_test(test_directory_guards),
        cmocka_unit_test(test_restriction),
        cmocka_unit_test(test_restriction_among_several),
        cmocka_unit_test(test_death_and_return),
        cmocka_unit_test(test_retries_of_others),
        cmocka_unit_test(test_clock_set_back),
        cmocka_unit_test(test_an_hour_without_network),
        cmocka_unit_test(test_all_fail),
        cmocka_unit_test(test_waits_for_a_better_one),
        cmocka_unit_test(test_a_better_one_comes),
        cmocka_unit_test(test_a_better_one_fails),
        cmocka_unit_test(test_a_better_one_is_forbidden),
        cmocka_unit_test(test_primary_may_answer),
        cmocka_unit_test(test_guard_goes_meanwhile),
        cmocka_unit_test(test_bias_is_kept),
        cmocka_unit_test(test_biased_guard_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
