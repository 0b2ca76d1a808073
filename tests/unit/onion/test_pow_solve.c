// SPDX-License-Identifier: BSD-3-Clause
// Solving in helper threads: proofs that hold, many at once, and those that nobody waits for any
// more, at any moment.
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
#include "relay.h"

enum { VISITORS = 6, HOPELESS = UINT32_MAX };

struct visitor {
    struct world *world;
    struct pow_solving *solving;
    struct visitor *cancels; // another, when this one is done
    uint8_t blinded[32];
    struct onion_pow_params params;
    struct pow_proof proof;
    unsigned done;
};

struct world {
    uv_loop_t loop;
    struct relay relay;
    struct visitor visitors[VISITORS];
};

static struct world *world_create(unsigned helpers)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->relay.loop = &w->loop;
    w->relay.n_helpers = helpers;
    return w;
}

// All that runs ends by itself.
static void world_free(struct world *w)
{
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_null(w->relay.pow_solvers);
    assert_int_equal(uv_loop_close(&w->loop), 0);
    free(w);
}

static void cancel(struct visitor *v)
{
    pow_solving_cancel(v->solving);
    v->solving = NULL;
}

static void done(void *user, const struct pow_proof *proof)
{
    struct visitor *v = user;
    v->done++;
    v->proof = *proof;
    v->solving = NULL;
    if (v->cancels)
        cancel(v->cancels);
}

static struct visitor *begin(struct world *w, unsigned i, uint32_t effort)
{
    struct visitor *v = &w->visitors[i];
    *v = (struct visitor){.world = w};
    random_bytes(v->blinded, sizeof(v->blinded));
    random_bytes(v->params.seed, sizeof(v->params.seed));
    v->solving = pow_solve(&w->relay, v->blinded, &v->params, effort, done, v);
    assert_non_null(v->solving);
    return v;
}

static void check(const struct visitor *v, uint32_t effort)
{
    struct equix *e = equix_create(false, false);
    assert_int_equal(v->done, 1);
    assert_true(v->proof.present);
    assert_int_equal(v->proof.effort, effort);
    assert_memory_equal(v->proof.seed_head, v->params.seed, sizeof(v->proof.seed_head));
    assert_true(pow_check(e, v->blinded, v->params.seed, &v->proof));
    equix_free(e);
}

static void test_one(void **state)
{
    (void)state;
    for (unsigned helpers = 0; helpers < 4; helpers++) {
        struct world *w = world_create(helpers);
        begin(w, 0, 30);
        uv_run(&w->loop, UV_RUN_DEFAULT);
        check(&w->visitors[0], 30);
        world_free(w);
    }
}

static void test_many(void **state)
{
    (void)state;
    struct world *w = world_create(2);
    for (unsigned i = 0; i < VISITORS; i++)
        begin(w, i, i * 8);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    for (unsigned i = 0; i < VISITORS; i++)
        check(&w->visitors[i], i * 8);
    world_free(w);
}

// One that never ends does not keep others from it.
static void test_turns(void **state)
{
    (void)state;
    struct world *w = world_create(1);
    struct visitor *hopeless = begin(w, 0, HOPELESS);
    begin(w, 1, 10)->cancels = hopeless;
    uv_run(&w->loop, UV_RUN_DEFAULT);
    check(&w->visitors[1], 10);
    assert_int_equal(hopeless->done, 0);
    world_free(w);
}

static void test_progress(void **state)
{
    (void)state;
    struct world *w = world_create(1);
    struct visitor *v = begin(w, 0, HOPELESS);
    struct pow_progress p = pow_solving_progress(v->solving);
    assert_int_equal(p.tries, 0);
    assert_true(p.expected_tries > 1000000000);
    while (pow_solving_progress(v->solving).tries == 0)
        uv_run(&w->loop, UV_RUN_ONCE);
    assert_true(pow_solving_progress(v->solving).seconds > 0);
    cancel(v);
    assert_int_equal(v->done, 0);
    world_free(w);
}

// Before it has begun, while it runs, and the relay's end right after.
static void test_cancel(void **state)
{
    (void)state;
    for (unsigned turns = 0; turns < 3; turns++) {
        struct world *w = world_create(2);
        for (unsigned i = 0; i < VISITORS; i++)
            begin(w, i, HOPELESS);
        for (unsigned i = 0; i < turns; i++)
            uv_run(&w->loop, UV_RUN_ONCE);
        for (unsigned i = 0; i < VISITORS; i++)
            cancel(&w->visitors[i]);
        assert_null(w->relay.pow_solvers);
        // And a new one while the old slots have not ended yet.
        struct visitor *v = begin(w, 0, 1);
        uv_run(&w->loop, UV_RUN_DEFAULT);
        check(v, 1);
        world_free(w);
    }
}

int main(void)
{
    if (crypto_init() != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one),    cmocka_unit_test(test_many),
        cmocka_unit_test(test_turns),  cmocka_unit_test(test_progress),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
