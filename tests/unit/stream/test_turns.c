// SPDX-License-Identifier: BSD-3-Clause
// Whose turn it is to send, and what holds everybody back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stream_desk.h"

// ---- turns and back-pressure

static void test_back_pressure(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    begin(desk, end, 1, 10000000);
    struct sent sent = collect(desk, end);
    assert_int_equal(sent.cells, UNDRAINED_MAX_CELLS);
    assert_true(sent.drained); // is asked for with the last
    stream_wake(users[0].stream);
    assert_int_equal(collect(desk, end).cells, 0);
    tell_drained(desk, end);
    assert_int_equal(collect(desk, end).cells, UNDRAINED_MAX_CELLS);
    close_desk(desk);
}

static void test_streams_take_turns(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    for (uint16_t id = 1; id <= 8; id++)
        begin(desk, end, id, 10000000);
    struct sent sent = collect(desk, end);
    for (unsigned id = 1; id <= 8; id++)
        assert_int_equal(sent.of_stream[id], UNDRAINED_MAX_CELLS / 8);
    close_desk(desk);
}

// A turn of the loop does but so much, and every circuit has its part of it.
static void test_circuits_take_turns(void **state)
{
    (void)state;
    enum { CIRCUITS = 12 };
    struct desk *desk = open_desk();
    struct handle ends[CIRCUITS];
    unsigned cells[CIRCUITS] = {0}, total = 0;
    for (unsigned i = 0; i < CIRCUITS; i++)
        ends[i] = desk_circuit(desk, CLIENT);
    for (unsigned i = 0; i < CIRCUITS; i++)
        begin(desk, ends[i], 1, 10000000);
    desk_turn(desk);
    while (desk->inbox_length) {
        struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE);
        for (unsigned i = 0; i < CIRCUITS; i++)
            cells[i] += m->circuit.generation == ends[i].generation;
        total++;
        channel_free(m);
    }
    assert_int_equal(total, 256);
    for (unsigned i = 0; i < CIRCUITS; i++)
        assert_in_range(cells[i], 16, 24);
    close_desk(desk);
}

// While the layer moves from one worker to another, nothing is sent that would be told of twice.
static void test_extending(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle next, end = desk_circuit(desk, CLIENT);
    begin(desk, end, 1, 10000000);
    assert_int_equal(collect(desk, end).cells, 64);
    tell_drained(desk, end);
    assert_int_equal(collect(desk, end).cells, 64); // one tag is to be told
    desk_tell_extend2(desk, end, FAR);
    tell_drained(desk, end);
    uint64_t cookie = desk_dial(desk, FAR, &next);
    assert_int_equal(collect(desk, end).cells, 0);
    desk_splice(desk, end, FAR, next, cookie);
    assert_int_equal(collect(desk, end).cells, 0);
    tell_tag(desk, end, 1, 20);
    struct sent sent = collect(desk, next);
    assert_int_equal(sent.cells, 64);
    tell_drained(desk, end); // the queue is where it was
    assert_int_equal(collect(desk, next).cells, 64);
    close_desk(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_streams_take_turns),
        cmocka_unit_test(test_circuits_take_turns),
        cmocka_unit_test(test_extending),
    };
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
