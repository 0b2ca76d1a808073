// SPDX-License-Identifier: BSD-3-Clause
// The queue of onion skins on a real loop with real helper threads: every skin is answered once,
// the queue has its limit, stale skins are dropped, and it may go while threads work (protocol
// 2.09, 2.41).
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

enum { SKINS_MAX = 20000, SECOND_US = 1000000 };

struct test {
    struct relay relay;
    struct identity identity;
    struct onion_queue *queue;
    unsigned answers, accepted, overloaded;
    uint8_t answered[SKINS_MAX]; // how often, by circuit id
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
    t->answers++;
    t->accepted += answer->refused == DESTROY_NONE;
    t->overloaded += answer->refused == DESTROY_RESOURCELIMIT;
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

static bool add_fast(struct test *t, uint64_t id)
{
    struct onion_skin skin = {
        .command = CELL_CREATE_FAST, .handshake = HANDSHAKE_FAST, .length = CREATE_FAST_LEN};
    return onion_queue_add(t->queue, id, &skin);
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
        assert_true(onion_queue_add(t->queue, round, &skin));
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

static void test_has_a_limit(void **state)
{
    (void)state;
    struct test *t = begin();
    unsigned admitted = 0;
    while (admitted < SKINS_MAX && add_fast(t, admitted))
        admitted++;
    // What waits would take MaxOnionQueueDelay; some are with the threads already.
    unsigned limit = WAIT_MAX_US / FIRST_GUESS_COST_US;
    assert_in_range(admitted, limit, limit + 1 + BATCHES_MAX * BATCH_SKINS_MAX);
    assert_int_equal(t->relay.counters.drop_handshake_overload, 1);
    run(t);
    assert_int_equal(t->answers, admitted);
    assert_int_equal(t->accepted, admitted);
    assert_true(add_fast(t, admitted)); // there is room again
    end(t);
}

// However long a skin takes, some wait.
static void test_a_few_are_always_admitted(void **state)
{
    (void)state;
    struct test *t = begin();
    unsigned admitted = 0;
    t->queue->cost_us = 10 * SECOND_US;
    while (admitted < SKINS_MAX && add_fast(t, admitted))
        admitted++;
    assert_in_range(admitted, ALWAYS_ADMITTED, ALWAYS_ADMITTED + BATCHES_MAX * BATCH_SKINS_MAX);
    assert_int_equal(t->queue->waiting, ALWAYS_ADMITTED);
    run(t);
    assert_int_equal(t->accepted, admitted);
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

static void test_stale_ones_are_dropped(void **state)
{
    (void)state;
    struct test *t = begin();
    const unsigned busy = BATCHES_MAX * BATCH_SKINS_MAX;
    for (unsigned i = 0; i < busy + 10; i++)
        assert_true(add_fast(t, i));
    unsigned waiting = 0;
    for (struct waiting_skin *s = t->queue->first; s; s = s->next, waiting++)
        if (waiting % 2)
            s->since_us -= WAIT_CUTOFF_US + 1;
    run(t);
    assert_int_equal(t->answers, busy + 10);
    assert_int_equal(t->overloaded, waiting / 2);
    assert_int_equal(t->relay.counters.drop_handshake_overload, waiting / 2);
    for (unsigned i = 0; i < busy + 10; i++)
        assert_int_equal(t->answered[i], 1);
    end(t);
}

// Nothing but stale ones: no batch is begun for them, and the next skin is answered.
static void test_all_are_stale(void **state)
{
    (void)state;
    struct test *t = begin();
    const unsigned busy = BATCHES_MAX * BATCH_SKINS_MAX;
    for (unsigned i = 0; i < busy + 100; i++)
        assert_true(add_fast(t, i));
    for (struct waiting_skin *s = t->queue->first; s; s = s->next)
        s->since_us -= WAIT_CUTOFF_US + 1;
    assert_true(add_fast(t, busy + 100));
    unsigned stale = t->queue->waiting - 1;
    run(t);
    assert_int_equal(t->overloaded, stale);
    assert_int_equal(t->answered[busy + 100], 1);
    assert_int_equal(t->answers, busy + 101);
    end(t);
}

static void test_freed_while_threads_work(void **state)
{
    (void)state;
    static const unsigned counts[] = {0, 1, BATCH_SKINS_MAX + 1, 1000};
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
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_has_a_limit),
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
