// SPDX-License-Identifier: BSD-3-Clause
// A service's defence in virtual time: seeds, replays, the queue's order and rate, what is trimmed
// and too old, the effort that is suggested, and when the descriptor is to say it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "crypto/equix.h"
#include "crypto/random.h"
#include "onion/pow/pow.h"
#include "onion/pow/pow_effort.h"
#include "onion/pow/pow_queue.h"
#include "relay.h"

enum { ITEMS_MAX = 256, START_S = 1700000000 };

static time_t wall_s;

static time_t turned_clock(void)
{
    return wall_s;
}

// Items are numbers, kept in the order in which they came out.
struct world {
    uv_loop_t loop;
    struct relay relay;
    struct pow_defence *defence;
    struct equix *solver;
    uint8_t blinded[32];
    unsigned in_flight;
    unsigned taken[ITEMS_MAX], n_taken;
    unsigned dropped[ITEMS_MAX], n_dropped;
};

static void take(void *user, void *item)
{
    struct world *w = user;
    w->taken[w->n_taken++] = (unsigned)(uintptr_t)item;
}

static void drop(void *user, void *item)
{
    struct world *w = user;
    w->dropped[w->n_dropped++] = (unsigned)(uintptr_t)item;
}

static unsigned in_flight(void *user)
{
    return ((struct world *)user)->in_flight;
}

static struct world *world_create(bool enabled, uint32_t rate, uint32_t burst)
{
    static const struct pow_calls calls = {take, drop, in_flight};
    struct world *w = calloc(1, sizeof(*w));
    struct pow_settings settings = {.enabled = enabled, .queue_rate = rate, .queue_burst = burst};
    assert_non_null(w);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    wall_s = START_S;
    w->relay.loop = &w->loop;
    w->relay.wall_clock = turned_clock;
    w->relay.uptime_s = 1;
    random_bytes(w->blinded, sizeof(w->blinded));
    w->defence = pow_defence_create(&w->relay, &settings, &calls, w);
    assert_non_null(w->defence);
    return w;
}

static void world_free(struct world *w)
{
    pow_defence_free(w->defence);
    equix_free(w->solver);
    uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
}

// What comes at once; not what waits for its time.
static void run(struct world *w)
{
    for (unsigned i = 0; i < 64; i++)
        uv_run(&w->loop, UV_RUN_NOWAIT);
}

static void pass(struct world *w, unsigned seconds)
{
    while (seconds-- > 0) {
        wall_s++;
        w->relay.uptime_s++;
        pow_defence_tick(w->defence);
    }
}

// The next look at a queue that has to wait is a little later by the loop's clock.
static void run_later(struct world *w)
{
    uv_sleep(101);
    run(w);
}

static bool queue_plain(struct world *w, unsigned item)
{
    struct pow_proof none = {.present = false};
    return pow_defence_queue(w->defence, w->blinded, &none, (void *)(uintptr_t)item);
}

static struct pow_proof solve(struct world *w, const uint8_t seed[32], uint32_t effort)
{
    struct pow_proof proof = {.effort = effort};
    if (!w->solver)
        w->solver = equix_create(true, true);
    random_bytes(proof.nonce, sizeof(proof.nonce));
    while (!pow_try(w->solver, w->blinded, seed, &proof))
        pow_next_nonce(proof.nonce);
    return proof;
}

static bool queue_proof(struct world *w, const struct pow_proof *proof, unsigned item)
{
    return pow_defence_queue(w->defence, w->blinded, proof, (void *)(uintptr_t)item);
}

static bool queue_effort(struct world *w, uint32_t effort, unsigned item)
{
    struct onion_pow_params params;
    pow_defence_params(w->defence, &params);
    struct pow_proof proof = solve(w, params.seed, effort);
    return queue_proof(w, &proof, item);
}

static unsigned queued(const struct world *w)
{
    struct pow_defence_status status;
    pow_defence_status(w->defence, &status);
    return status.queued;
}

#define assert_items(list, n, ...)                                                                 \
    do {                                                                                           \
        static const unsigned expected_[] = {__VA_ARGS__};                                         \
        assert_int_equal(n, sizeof(expected_) / sizeof(expected_[0]));                             \
        assert_memory_equal(list, expected_, sizeof(expected_));                                   \
    } while (0)

// ---- parts

static void test_queue(void **state)
{
    (void)state;
    enum { N = 500 };
    struct pow_queue q = {0};
    struct pow_queued out, before = {.effort = UINT32_MAX};
    unsigned left = N;
    for (uintptr_t i = 0; i < N; i++)
        assert_true(pow_queue_add(&q, (void *)i, random_uniform(20), (uint32_t)i));
    pow_queue_sorted(&q); // is a queue still
    for (; pow_queue_take(&q, &out); left--) {
        assert_true(out.effort < before.effort ||
                    (out.effort == before.effort && (left == N || out.number > before.number)));
        assert_int_equal((uintptr_t)out.item, out.number);
        assert_int_equal(out.since_s, out.number);
        before = out;
        if (left % 3 == 0 && out.effort > 0) { // some come while others go
            assert_true(pow_queue_add(&q, (void *)(uintptr_t)q.next_number, out.effort - 1,
                                      (uint32_t)q.next_number));
            left++;
        }
    }
    assert_int_equal(left, 0);
    pow_queue_release(&q);
}

static uint32_t updated(struct pow_effort e, unsigned queued_now, bool worthwhile)
{
    pow_effort_update(&e, queued_now, worthwhile, 62);
    assert_int_equal(e.total, 0);
    assert_int_equal(e.handled, 0);
    assert_int_equal(e.max_trimmed, 0);
    assert_false(e.had_queue);
    return e.suggested;
}

// As update_suggested_effort of C tor's hs_service.c has it.
static void test_effort(void **state)
{
    (void)state;
    // Up: at least one, else the average of what was handled.
    assert_int_equal(updated((struct pow_effort){.had_queue = true, .handled = 10}, 5, true), 1);
    assert_int_equal(
        updated((struct pow_effort){.suggested = 7, .had_queue = true, .total = 990, .handled = 10},
                5, true),
        99);
    assert_int_equal(
        updated((struct pow_effort){.suggested = 7, .had_queue = true, .total = 20, .handled = 10},
                5, true),
        8);
    assert_int_equal(updated((struct pow_effort){.suggested = 7, .max_trimmed = 8}, 0, false), 8);
    // Nothing was handled: no average (13.16).
    assert_int_equal(
        updated((struct pow_effort){.suggested = 7, .max_trimmed = 8, .total = 100}, 0, false), 8);
    // As it is.
    assert_int_equal(updated((struct pow_effort){.suggested = 7, .had_queue = true}, 5, false), 7);
    assert_int_equal(updated((struct pow_effort){.suggested = 7, .had_queue = true}, 0, false), 7);
    assert_int_equal(updated((struct pow_effort){.suggested = 7, .max_trimmed = 7}, 62, true), 7);
    // Down by a third.
    assert_int_equal(updated((struct pow_effort){.suggested = 7}, 61, true), 4);
    assert_int_equal(updated((struct pow_effort){.suggested = 1}, 0, false), 0);
    assert_int_equal(updated((struct pow_effort){.suggested = 3000000000}, 0, false), 2000000000);
    // The greatest there is.
    assert_int_equal(
        updated((struct pow_effort){.suggested = UINT32_MAX, .had_queue = true}, 5, true),
        UINT32_MAX);
    assert_int_equal(
        updated((struct pow_effort){.had_queue = true, .total = UINT64_MAX, .handled = 2}, 5, true),
        UINT32_MAX);
}

static void test_effort_differs(void **state)
{
    (void)state;
    assert_false(pow_effort_differs(0, 0));
    assert_true(pow_effort_differs(0, 1));
    assert_true(pow_effort_differs(1, 0));
    assert_false(pow_effort_differs(100, 115));
    assert_true(pow_effort_differs(100, 116));
    assert_false(pow_effort_differs(100, 85));
    assert_true(pow_effort_differs(100, 84));
    assert_false(pow_effort_differs(UINT32_MAX, UINT32_MAX));
    assert_true(pow_effort_differs(UINT32_MAX, 0));
}

// ---- proofs

static void test_proofs(void **state)
{
    (void)state;
    struct world *w = world_create(true, 250, 2500);
    struct onion_pow_params params;
    assert_true(pow_defence_params(w->defence, &params));
    struct pow_proof good = solve(w, params.seed, 3), bad;
    for (unsigned i = 0; i < 4; i++) {
        bad = good;
        (i == 0   ? bad.nonce
         : i == 1 ? bad.solution
         : i == 2 ? bad.seed_head
                  : (uint8_t *)&bad.effort)[0] ^= 0x40;
        assert_false(queue_proof(w, &bad, 9));
    }
    assert_true(queue_proof(w, &good, 1));  // what was no proof has not used up its nonce
    assert_false(queue_proof(w, &good, 2)); // replayed
    run(w);
    assert_false(queue_proof(w, &good, 3));
    assert_items(w->taken, w->n_taken, 1);
    // For another of the service's keys it is none.
    struct pow_proof other = solve(w, params.seed, 1);
    w->blinded[0] ^= 1;
    assert_false(queue_proof(w, &other, 4));
    w->blinded[0] ^= 1;
    assert_true(queue_proof(w, &other, 5));
    world_free(w);
}

static void test_seeds(void **state)
{
    (void)state;
    struct world *w = world_create(true, 250, 2500);
    struct onion_pow_params first, second, third;
    assert_true(pow_defence_params(w->defence, &first));
    assert_true(first.present);
    assert_false(pow_defence_params(w->defence, &second));
    assert_in_range(first.expires_s, START_S + 6300, START_S + 7200);
    struct pow_proof old[3] = {solve(w, first.seed, 1), solve(w, first.seed, 1),
                               solve(w, first.seed, 1)};
    assert_true(queue_proof(w, &old[0], 0));
    pass(w, (unsigned)(first.expires_s - START_S) - 1);
    assert_false(pow_defence_params(w->defence, &second));
    pass(w, 1);
    assert_true(pow_defence_params(w->defence, &second));
    assert_false(pow_defence_params(w->defence, &second));
    assert_in_range(second.expires_s, first.expires_s + 6300, first.expires_s + 7200);
    assert_memory_not_equal(first.seed, second.seed, 4);
    // The seed before is good, and what came with it is remembered.
    assert_false(queue_proof(w, &old[0], 0));
    assert_true(queue_proof(w, &old[1], 1));
    assert_false(queue_proof(w, &old[1], 1));
    struct pow_proof now = solve(w, second.seed, 1);
    assert_true(queue_proof(w, &now, 2));
    pass(w, (unsigned)(second.expires_s - first.expires_s));
    assert_true(pow_defence_params(w->defence, &third));
    assert_false(queue_proof(w, &old[2], 3)); // two seeds ago
    assert_false(queue_proof(w, &now, 2));
    world_free(w);
}

// The wall clock goes back: the seed does not last longer for it.
static void test_clock_back(void **state)
{
    (void)state;
    struct world *w = world_create(true, 250, 2500);
    struct onion_pow_params first, second;
    pow_defence_params(w->defence, &first);
    wall_s -= 100000;
    pass(w, 7200);
    assert_true(pow_defence_params(w->defence, &second));
    assert_memory_not_equal(first.seed, second.seed, 4);
    world_free(w);
}

static void test_disabled(void **state)
{
    (void)state;
    struct world *w = world_create(false, 250, 2500);
    struct onion_pow_params params;
    struct pow_proof proof = {.present = true};
    pass(w, 10000);
    assert_false(pow_defence_params(w->defence, &params));
    assert_false(params.present);
    assert_false(queue_proof(w, &proof, 1));
    assert_true(queue_plain(w, 2));
    assert_items(w->taken, w->n_taken, 2);
    world_free(w);
}

// ---- the queue

static void test_by_effort(void **state)
{
    (void)state;
    struct world *w = world_create(true, 250, 2500);
    assert_true(queue_plain(w, 1));
    assert_true(queue_effort(w, 2, 2));
    assert_true(queue_effort(w, 6, 3));
    assert_true(queue_effort(w, 0, 4));
    assert_true(queue_effort(w, 6, 5));
    assert_true(queue_effort(w, 2, 6));
    assert_int_equal(w->n_taken, 0);
    run(w);
    assert_items(w->taken, w->n_taken, 3, 5, 2, 6, 1, 4);
    world_free(w);
}

static void test_rate(void **state)
{
    (void)state;
    struct world *w = world_create(true, 2, 3);
    for (unsigned i = 1; i <= 7; i++)
        assert_true(queue_plain(w, i));
    run(w);
    assert_items(w->taken, w->n_taken, 1, 2, 3);
    run_later(w);
    assert_int_equal(w->n_taken, 3);
    assert_true(queue_effort(w, 1, 8)); // goes first, but not sooner
    pass(w, 1);
    run_later(w);
    assert_items(w->taken, w->n_taken, 1, 2, 3, 8, 4);
    pass(w, 2);
    run_later(w);
    assert_items(w->taken, w->n_taken, 1, 2, 3, 8, 4, 5, 6, 7);
    world_free(w);
}

static void test_too_old(void **state)
{
    (void)state;
    struct world *w = world_create(true, 1, 1);
    for (unsigned i = 1; i <= 4; i++)
        assert_true(queue_plain(w, i));
    run(w);
    pass(w, 15);
    assert_true(queue_plain(w, 5));
    run_later(w); // at 15 s they are good
    assert_items(w->taken, w->n_taken, 1, 2);
    pass(w, 1);
    run_later(w); // what is dropped takes nothing of the rate
    assert_items(w->dropped, w->n_dropped, 3, 4);
    assert_items(w->taken, w->n_taken, 1, 2, 5);
    world_free(w);
}

// With many rendezvous under way only those go on that are worth it.
static void test_in_flight(void **state)
{
    (void)state;
    struct world *w = world_create(true, 250, 2500);
    // The service suggests 0: everything is worth it.
    w->in_flight = POW_CHEAP_IN_FLIGHT;
    assert_true(queue_plain(w, 1));
    run(w);
    assert_items(w->taken, w->n_taken, 1);
    // A queue of 62 and more, whose first is worth it, raises the suggestion.
    for (unsigned i = 2; i < 72; i++)
        assert_true(queue_plain(w, i));
    run(w);
    w->n_taken = 0;
    assert_true(queue_plain(w, 100));
    pass(w, 299);
    assert_true(queue_plain(w, 101));
    pass(w, 1);
    struct onion_pow_params params;
    assert_true(pow_defence_params(w->defence, &params));
    assert_int_equal(params.effort, 1);
    assert_true(queue_effort(w, 1, 102));
    run_later(w);
    assert_items(w->taken, w->n_taken, 102);
    w->in_flight--;
    run_later(w);
    assert_items(w->taken, w->n_taken, 102, 101);
    assert_items(w->dropped, w->n_dropped, 100);
    // Nothing waited since: down again.
    pass(w, 300);
    assert_true(pow_defence_params(w->defence, &params));
    assert_int_equal(params.effort, 0);
    world_free(w);
}

static void test_trim(void **state)
{
    (void)state;
    struct world *w = world_create(true, 1, 4); // room for 64
    for (unsigned i = 0; i < 63; i++)
        assert_true(i == 40 || i == 62 ? queue_effort(w, 1 + i % 2, i) : queue_plain(w, i));
    assert_int_equal(queued(w), 63);
    assert_int_equal(w->n_dropped, 0);
    assert_true(queue_plain(w, 63));
    assert_int_equal(queued(w), 32);
    assert_int_equal(w->n_dropped, 32);
    for (unsigned i = 0; i < 32; i++)
        assert_int_equal(w->dropped[i], i + (i < 10 ? 30 : i < 31 ? 31 : 32));
    run(w);
    assert_items(w->taken, w->n_taken, 40, 62, 0, 1);
    world_free(w);
}

// High efforts that there was no room for raise the suggestion.
static void test_trimmed_effort(void **state)
{
    (void)state;
    struct world *w = world_create(true, 1, 1); // room for 61
    struct onion_pow_params params;
    for (unsigned i = 0; i < 61; i++)
        assert_true(queue_effort(w, 1, i));
    assert_int_equal(w->n_dropped, 31);
    pass(w, 300);
    assert_true(pow_defence_params(w->defence, &params));
    assert_int_equal(params.effort, 1);
    world_free(w);
}

static void test_free_drops(void **state)
{
    (void)state;
    struct world *w = world_create(true, 250, 2500);
    assert_true(queue_plain(w, 1));
    assert_true(queue_effort(w, 1, 2));
    pow_defence_free(w->defence);
    w->defence = NULL;
    run(w);
    assert_int_equal(w->n_taken, 0);
    assert_items(w->dropped, w->n_dropped, 2, 1);
    world_free(w);
}

int main(void)
{
    if (crypto_init() != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue),          cmocka_unit_test(test_effort),
        cmocka_unit_test(test_effort_differs), cmocka_unit_test(test_proofs),
        cmocka_unit_test(test_seeds),          cmocka_unit_test(test_clock_back),
        cmocka_unit_test(test_disabled),       cmocka_unit_test(test_by_effort),
        cmocka_unit_test(test_rate),           cmocka_unit_test(test_too_old),
        cmocka_unit_test(test_in_flight),      cmocka_unit_test(test_trim),
        cmocka_unit_test(test_trimmed_effort), cmocka_unit_test(test_free_drops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
