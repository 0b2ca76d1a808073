// SPDX-License-Identifier: BSD-3-Clause
// The queue of onion skins on a real loop with real helper threads: every skin is answered once,
// connections have turns, the queue has its limit, beyond which the oldest of the longest line
// goes, stale and closed ones are not computed, and it may go while threads work
// (protocol 2.09, 2.41).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

// For the ages of skins and what one is thought to cost.
#include "circuit/onion_queue.c"

#include "crypto/create_fast.h"
#include "crypto/ntor.h"
#include "netdoc/consensus.h"

enum { WAIT_MAX_US = 1750000, WAIT_CUTOFF_US = 5000000 }; // the parameters' defaults
enum { SKINS_MAX = 20000, SECOND_US = 1000000, HELPERS = 2, BUSY = HELPERS * ONION_SKINS_MAX };

struct test {
    struct relay relay;
    struct identity identity;
    struct onion_queue *queue;
    unsigned answers, accepted, overloaded;
    uint8_t answered[SKINS_MAX];     // how often, by circuit id
    uint8_t refused[SKINS_MAX];      // of these, for load
    unsigned answered_at[SKINS_MAX]; // the how many-th answer it was
    struct waiting_skin *waiting[SKINS_MAX];
    struct onion_answer last;
};

static struct test *test_of(struct relay *relay)
{
    return (struct test *)((char *)relay - offsetof(struct test, relay));
}

static void answered(struct relay *relay, uint64_t circuit_id, const struct onion_skin *skin,
                     const struct onion_answer *answer)
{
    struct test *t = test_of(relay);
    assert_in_range(circuit_id, 0, SKINS_MAX - 1);
    assert_true(skin->command == CELL_CREATE_FAST || skin->command == CELL_CREATE2);
    t->answered[circuit_id]++;
    t->answered_at[circuit_id] = t->answers++;
    t->accepted += answer->refused == DESTROY_NONE;
    t->overloaded += answer->refused == DESTROY_RESOURCELIMIT;
    t->refused[circuit_id] += answer->refused == DESTROY_RESOURCELIMIT;
    t->waiting[circuit_id] = NULL;
    t->last = *answer;
}

static struct test *begin(void)
{
    struct test *t = calloc(1, sizeof(*t));
    assert_non_null(t);
    curve25519_generate(&t->identity.onion_key);
    curve25519_generate(&t->identity.previous_onion_key);
    t->relay.loop = uv_default_loop();
    t->relay.identity = &t->identity;
    t->relay.n_workers = 2;
    t->relay.n_helpers = HELPERS;
    t->queue = onion_queue_create(&t->relay, answered);
    assert_non_null(t->queue);
    return t;
}

static void run(struct test *t)
{
    assert_int_equal(uv_run(t->relay.loop, UV_RUN_DEFAULT), 0);
}

static void end(struct test *t)
{
    if (t->queue)
        onion_queue_free(t->queue);
    run(t);
    free(t);
}

// On one of many connections, half of them each worker's.
static bool add(struct test *t, uint64_t id, unsigned conn, const struct onion_skin *skin)
{
    struct waiting_skin *s =
        onion_queue_add(t->queue, id, (uint8_t)(conn % 2), (struct handle){conn / 2, 7}, skin);
    t->waiting[id] = s;
    return s;
}

static bool add_fast_on(struct test *t, uint64_t id, unsigned conn)
{
    struct onion_skin skin = {
        .command = CELL_CREATE_FAST, .handshake = HANDSHAKE_FAST, .length = CREATE_FAST_LEN};
    return add(t, id, conn, &skin);
}

static bool add_fast(struct test *t, uint64_t id)
{
    return add_fast_on(t, id, 0);
}

static void test_each_is_answered_once(void **state)
{
    (void)state;
    enum { N = 1000 };
    struct test *t = begin();
    for (unsigned i = 0; i < N; i++)
        assert_true(add_fast(t, i));
    assert_int_equal(t->answers, 0); // never from inside
    run(t);
    assert_int_equal(t->answers, N);
    assert_int_equal(t->accepted, N);
    for (unsigned i = 0; i < N; i++)
        assert_int_equal(t->answered[i], 1);
    assert_int_equal(t->queue->waiting, 0);
    assert_int_equal(t->queue->batches, 0);
    assert_true(add_fast(t, N)); // and it begins again
    run(t);
    assert_int_equal(t->answered[N], 1);
    end(t);
}

// What ntor-v3 is offered, and for how long one may wait.
static void test_parameters(void **state)
{
    (void)state;
    struct test *t = begin();
    struct consensus_parameter p[] = {{.name = "cc_sendme_inc", .value = 40},
                                      {.name = "onion_queue_wait_cutoff", .value = 1}};
    struct consensus c = {.parameters = p, .n_parameters = 2};
    struct circuit_params offer;
    fill_offer(t->queue, &offer);
    assert_true(offer.congestion_control && offer.cgo);
    assert_int_equal(offer.sendme_inc_cells, 31);
    t->relay.parameters = parameters_create(&t->relay);
    t->relay.n_workers = 0;
    parameters_update(&t->relay, &c);
    fill_offer(t->queue, &offer);
    assert_true(offer.congestion_control && offer.cgo);
    assert_int_equal(offer.sendme_inc_cells, 40);
    assert_int_equal(parameters_of(&t->relay)->onion_queue_wait_cutoff_s, 1);
    strcpy(p[0].name, "cc_alg");
    p[0].value = CC_ALGORITHM_SENDME;
    parameters_update(&t->relay, &c);
    fill_offer(t->queue, &offer);
    assert_false(offer.congestion_control || offer.cgo);
    parameters_free(t->relay.parameters);
    t->relay.parameters = NULL;
    t->relay.n_workers = 2;
    end(t);
}

static void test_keys(void **state)
{
    (void)state;
    struct test *t = begin();
    for (unsigned round = 0; round < 3; round++) {
        const struct curve25519_key *key =
            round == 0 ? &t->identity.onion_key : &t->identity.previous_onion_key;
        struct ntor_client client;
        uint8_t keys[92];
        struct onion_skin skin = {
            .command = CELL_CREATE2, .handshake = HANDSHAKE_NTOR, .length = NTOR_SKIN_LEN};
        t->identity.has_previous_onion_key = round < 2; // 2: its grace period is over
        ntor_client_start(&client, t->identity.rsa_id, key->public_key, skin.data);
        assert_true(add(t, round, 0, &skin));
        // A rotation while the skin is under way does not matter.
        struct curve25519_key current = t->identity.onion_key;
        curve25519_generate(&t->identity.onion_key);
        run(t);
        t->identity.onion_key = current;
        assert_int_equal(t->answered[round], 1);
        assert_int_equal(
            ntor_client_finish(&client, t->last.body + 2, NTOR_REPLY_LEN, keys, sizeof(keys)) == 0,
            round < 2);
    }
    end(t);
}

// Above the limit each new one puts out the oldest, and is itself taken.
static void test_oldest_go_first(void **state)
{
    (void)state;
    struct test *t = begin();
    // What waits would take MaxOnionQueueDelay of all threads; some are with them already.
    const unsigned limit = WAIT_MAX_US / FIRST_GUESS_COST_US * HELPERS, most = WAITING_MAX;
    const unsigned n = (limit < most ? limit : most) + 1000;
    for (unsigned i = 0; i < n; i++)
        assert_true(add_fast(t, i));
    unsigned dropped = t->overloaded;
    assert_in_range(dropped, 1000 - BUSY, 1000);
    assert_int_equal(t->relay.counters.drop_handshake_overload, dropped);
    for (unsigned i = 0, refused = 0; refused < dropped; i++) { // all before any that is not
        refused += t->refused[i];
        assert_true(t->refused[i] || i < BUSY);
    }
    run(t);
    assert_int_equal(t->answers, n);
    assert_int_equal(t->accepted, n - dropped);
    assert_int_equal(t->answered[n - 1], 1);
    assert_int_equal(t->refused[n - 1], 0);
    end(t);
}

static void test_has_an_end_in_number(void **state)
{
    (void)state;
    struct test *t = begin();
    t->queue->cost_us = 1;
    for (unsigned i = 0; i < WAITING_MAX + 1000; i++)
        assert_true(add_fast_on(t, i, i % 300));
    assert_int_equal(t->queue->waiting, WAITING_MAX);
    assert_in_range(t->overloaded, 1000 - BUSY, 1000);
    run(t);
    assert_int_equal(t->answers, WAITING_MAX + 1000);
    assert_int_equal(t->queue->longest, 0);
    end(t);
}

// However long a skin takes, some wait.
static void test_a_few_are_always_admitted(void **state)
{
    (void)state;
    struct test *t = begin();
    t->queue->cost_us = 10 * SECOND_US;
    for (unsigned i = 0; i < 500; i++)
        assert_true(add_fast(t, i));
    assert_int_equal(t->queue->waiting, ALWAYS_ADMITTED);
    assert_in_range(t->overloaded, 500 - ALWAYS_ADMITTED - BUSY, 500 - ALWAYS_ADMITTED);
    run(t);
    assert_int_equal(t->answers, 500);
    end(t);
}

// One connection has far more than all others: they don't wait behind it, and what is too much is
// its.
static void test_connections_have_turns(void **state)
{
    (void)state;
    enum { FLOOD = SKINS_MAX - 100, OTHERS = 50 };
    struct test *t = begin();
    for (unsigned i = 0; i < FLOOD; i++)
        assert_true(add_fast_on(t, i, 3));
    unsigned before = t->overloaded;
    assert_true(before > 0);
    for (unsigned i = 0; i < OTHERS; i++)
        assert_true(add_fast_on(t, FLOOD + i, 10 + i / 2));
    assert_int_equal(t->overloaded, before + OTHERS);
    run(t);
    for (unsigned i = 0; i < OTHERS; i++) {
        assert_int_equal(t->answered[FLOOD + i], 1);
        assert_int_equal(t->refused[FLOOD + i], 0);
        // Behind what was with the threads, with the flood's own turns among them.
        assert_in_range(t->answered_at[FLOOD + i], 0, t->overloaded + 2 * BUSY + 2 * OTHERS);
    }
    end(t);
}

static void test_closed_are_not_computed(void **state)
{
    (void)state;
    enum { N = 1000 };
    struct test *t = begin();
    unsigned waited = 0;
    for (unsigned i = 0; i < N; i++)
        assert_true(add_fast_on(t, i, i % 7));
    for (unsigned i = 0; i < N; i += 2) {
        waited += t->waiting[i]->line != NULL;
        onion_queue_cancel(t->queue, t->waiting[i]);
    }
    assert_in_range(waited, N / 2 - BUSY, N / 2);
    run(t);
    assert_int_equal(t->answers, N - waited);
    assert_int_equal(t->relay.counters.drop_handshake_closed, waited);
    for (unsigned i = 1; i < N; i += 2)
        assert_int_equal(t->answered[i], 1);
    end(t);
}

static void test_the_cost_is_measured(void **state)
{
    (void)state;
    struct test *t = begin();
    t->queue->cost_us = SECOND_US;
    for (unsigned i = 0; i < 200; i++) {
        assert_true(add_fast(t, i));
        run(t);
    }
    assert_in_range(t->queue->cost_us, 1, SECOND_US / 100);
    end(t);
}

// Of those that wait, every `nth` grows too old.
static unsigned age(struct test *t, unsigned nth)
{
    unsigned i = 0, aged = 0;
    struct line *line;
    struct waiting_skin *s;
    TAILQ_FOREACH(line, &t->queue->turns, turn)
    TAILQ_FOREACH(s, &line->skins, next)
    {
        if (++i % nth)
            continue;
        s->since_us -= WAIT_CUTOFF_US + 1;
        aged++;
    }
    return aged;
}

static void test_stale_ones_are_dropped(void **state)
{
    (void)state;
    struct test *t = begin();
    for (unsigned i = 0; i < BUSY + 100; i++)
        assert_true(add_fast_on(t, i, i % 5));
    unsigned aged = age(t, 2);
    run(t);
    assert_int_equal(t->answers, BUSY + 100);
    assert_int_equal(t->overloaded, aged);
    assert_int_equal(t->relay.counters.drop_handshake_overload, aged);
    for (unsigned i = 0; i < BUSY + 100; i++)
        assert_int_equal(t->answered[i], 1);
    end(t);
}

// Nothing but stale ones: no batch is begun for them, and the next skin is answered.
static void test_all_are_stale(void **state)
{
    (void)state;
    struct test *t = begin();
    for (unsigned i = 0; i < BUSY + 100; i++)
        assert_true(add_fast(t, i));
    unsigned aged = age(t, 1);
    assert_true(add_fast(t, BUSY + 100));
    run(t);
    assert_int_equal(t->overloaded, aged);
    assert_int_equal(t->accepted, BUSY + 101 - aged);
    assert_int_equal(t->answered[BUSY + 100], 1);
    assert_int_equal(t->refused[BUSY + 100], 0);
    end(t);
}

static void test_freed_while_threads_work(void **state)
{
    (void)state;
    static const unsigned counts[] = {0, 1, ONION_SKINS_MAX + 1, 1000};
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        struct test *t = begin();
        for (unsigned j = 0; j < counts[i]; j++)
            assert_true(add_fast(t, j));
        onion_queue_free(t->queue);
        t->queue = NULL;
        run(t);
        assert_int_equal(t->answers, 0);
        end(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_is_answered_once),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_oldest_go_first),
        cmocka_unit_test(test_has_an_end_in_number),
        cmocka_unit_test(test_connections_have_turns),
        cmocka_unit_test(test_closed_are_not_computed),
        cmocka_unit_test(test_a_few_are_always_admitted),
        cmocka_unit_test(test_the_cost_is_measured),
        cmocka_unit_test(test_stale_ones_are_dropped),
        cmocka_unit_test(test_all_are_stale),
        cmocka_unit_test(test_freed_while_threads_work),
    };
    if (crypto_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
