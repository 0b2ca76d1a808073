// SPDX-License-Identifier: BSD-3-Clause
// What may still come of a stream that we ended, and how many such streams are remembered (protocol
// 4.33, 9.31).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/random.h"
#include "stream/half_closed.h"

static struct half_closed *add(struct half_closed_table *t, struct half_closed h)
{
    struct half_closed *copy = malloc(sizeof(*copy));
    assert_non_null(copy);
    *copy = h;
    half_closed_add(t, copy);
    return copy;
}

// Takes it so often, and then no more.
static void check_takes(struct half_closed_table *t, uint16_t id, uint8_t command, unsigned times)
{
    for (unsigned i = 0; i < times; i++)
        assert_true(half_closed_take(t, id, command, 0));
    assert_false(half_closed_take(t, id, command, 0));
}

static void test_windows(void **state)
{
    (void)state;
    struct half_closed_table t;
    half_closed_begin(&t);
    add(&t, (struct half_closed){.id = 7, .awaits_connected = true, .data_cells = 3, .sendmes = 2});
    check_takes(&t, 7, RELAY_DATA, 3);
    check_takes(&t, 7, RELAY_SENDME, 2);
    check_takes(&t, 7, RELAY_CONNECTED, 1);
    check_takes(&t, 7, RELAY_XOFF, 0);
    check_takes(&t, 7, RELAY_XON, 0);
    check_takes(&t, 7, RELAY_RESOLVED, 0);
    check_takes(&t, 7, RELAY_BEGIN, 0);
    check_takes(&t, 8, RELAY_END, 0);
    check_takes(&t, 7, RELAY_END, 1);
    assert_int_equal(t.n, 0);
    half_closed_free_all(&t);
}

static void test_congestion_control(void **state)
{
    (void)state;
    static const uint8_t timed[] = {RELAY_DATA, RELAY_XOFF, RELAY_XON};
    struct half_closed_table t;
    half_closed_begin(&t);
    add(&t, (struct half_closed){.id = 7, .congestion_control = true, .until_us = 1000});
    for (unsigned i = 0; i < sizeof(timed); i++) {
        for (unsigned j = 0; j < 2000; j++)
            assert_true(half_closed_take(&t, 7, timed[i], 1000));
        assert_false(half_closed_take(&t, 7, timed[i], 1001));
    }
    assert_false(half_closed_take(&t, 7, RELAY_SENDME, 0));
    assert_true(half_closed_take(&t, 7, RELAY_END, 5000));
    assert_false(half_closed_take(&t, 7, RELAY_DATA, 0));
    half_closed_free_all(&t);
}

static void test_resolved_is_the_end(void **state)
{
    (void)state;
    struct half_closed_table t;
    half_closed_begin(&t);
    add(&t, (struct half_closed){.id = 7, .awaits_resolved = true});
    check_takes(&t, 7, RELAY_CONNECTED, 0);
    check_takes(&t, 7, RELAY_DATA, 0);
    check_takes(&t, 7, RELAY_RESOLVED, 1);
    check_takes(&t, 7, RELAY_END, 0);
    half_closed_free_all(&t);
}

// The oldest go when their time has passed, but not before.
static void test_bounded(void **state)
{
    (void)state;
    struct half_closed_table t;
    half_closed_begin(&t);
    for (uint16_t id = 1; id <= HALF_CLOSED_MAX; id++) {
        assert_true(half_closed_has_room(&t, 0));
        add(&t, (struct half_closed){.id = id, .until_us = id});
    }
    assert_false(half_closed_has_room(&t, 1));
    assert_true(half_closed_has_room(&t, 2));
    assert_int_equal(t.n, HALF_CLOSED_MAX - 1);
    assert_null(half_closed_find(&t, 1));
    assert_non_null(half_closed_find(&t, 2));
    assert_true(half_closed_has_room(&t, 100)); // there is room: nobody need go
    assert_int_equal(t.n, HALF_CLOSED_MAX - 1);
    half_closed_free_all(&t);
    assert_null(half_closed_find(&t, 2));
}

// Against an array.
static void test_many(void **state)
{
    (void)state;
    enum { IDS = 1000 };
    static bool is_there[IDS];
    struct half_closed_table t;
    half_closed_begin(&t);
    for (unsigned i = 0; i < 20000; i++) {
        uint16_t id = (uint16_t)random_uniform(IDS);
        assert_int_equal(half_closed_find(&t, id) != NULL, is_there[id]);
        if (is_there[id])
            assert_true(half_closed_take(&t, id, RELAY_END, 0));
        else
            add(&t, (struct half_closed){.id = id});
        is_there[id] = !is_there[id];
    }
    half_closed_free_all(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_congestion_control),
        cmocka_unit_test(test_resolved_is_the_end),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
