// SPDX-License-Identifier: BSD-3-Clause
// Flow control of circuits that others begin, both ways (protocol 4.08–4.16).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "stream_desk.h"

// ---- what comes, without congestion control

static void test_stream_sendmes_are_sent(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    struct user *u = begin(desk, end, 4, 0);
    for (unsigned i = 1; i <= 230; i++) {
        tell(desk, end, RELAY_DATA, 4, "d", 1);
        if (i % 100 == 0) {
            struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE);
            assert_int_equal(m->relay.command, RELAY_SENDME);
            assert_int_equal(m->relay.stream_id, 0);
            channel_free(m);
        }
        if (i % 50 == 0)
            desk_expect_originate(desk, 0, end, RELAY_SENDME, 4, "", 0);
        desk_expect_nothing(desk);
    }
    assert_int_equal(u->received, 230);
    close_desk(desk);
}

static void test_no_stream_sendmes_with_congestion_control(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_cgo_circuit(desk, CLIENT);
    begin(desk, end, 4, 0);
    for (unsigned i = 1; i <= 124; i++) {
        tell(desk, end, RELAY_DATA, 4, "d", 1);
        if (i % 31 == 0) {
            struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE);
            assert_int_equal(m->relay.command, RELAY_SENDME);
            assert_int_equal(m->relay.stream_id, 0);
            channel_free(m);
        }
        desk_expect_nothing(desk);
    }
    close_desk(desk);
}

// ---- what is sent, without congestion control

static void test_fixed_windows(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    begin(desk, end, 1, 10000000);
    struct sent sent = collect_all(desk, end);
    assert_int_equal(sent.cells, 500); // the stream's
    assert_int_equal(sent.tags, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(sent.tag_cells[i], 100 * (i + 1));
    tell(desk, end, RELAY_SENDME, 1, "", 0);
    assert_int_equal(collect_all(desk, end).cells, 50);
    begin(desk, end, 2, 10000000);
    sent = collect_all(desk, end);
    assert_int_equal(sent.cells, 450); // the circuit's
    assert_int_equal(sent.of_stream[2], 450);
    tell(desk, end, RELAY_SENDME, 1, "", 0);
    assert_int_equal(collect_all(desk, end).cells, 0);
    for (uint8_t i = 1; i <= 10; i++)
        tell_tag(desk, end, i, 20);
    tell_sendme(desk, end, 1, 20);
    sent = collect_all(desk, end);
    assert_int_equal(sent.cells, 100);
    assert_int_equal(sent.of_stream[1], 50);
    assert_int_equal(sent.of_stream[2], 50);
    assert_int_equal(sent.tags, 1);
    tell_tag(desk, end, 11, 20);
    for (uint8_t i = 2; i <= 11; i++)
        tell_sendme(desk, end, i, 20);
    assert_true(is_open(desk));
    tell_sendme(desk, end, 12, 20); // nothing is expected any more
    expect_closed(desk, end, DESTROY_PROTOCOL);
    assert_int_equal(desk->relay.counters.drop_sendme_bad, 1);
    close_desk(desk);
}

static struct handle circuit_awaiting_sendme(struct desk *desk, unsigned tags)
{
    struct handle end = desk_circuit(desk, CLIENT);
    begin(desk, end, 1, 10000000);
    assert_int_equal(collect_all(desk, end).cells, 500);
    for (uint8_t i = 1; i <= tags; i++)
        tell_tag(desk, end, i, 20);
    return end;
}

static void test_wrong_tags(void **state)
{
    (void)state;
    static const struct {
        uint8_t tag, length;
    } wrong[] = {{2, 20}, {0, 20}, {1, 16}, {1, 19}, {1, 0}};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct desk *desk = open_desk();
        struct handle end = circuit_awaiting_sendme(desk, 5);
        tell_sendme(desk, end, wrong[i].tag, wrong[i].length);
        expect_closed(desk, end, DESTROY_PROTOCOL);
        close_desk(desk);
    }
    static const char *const bodies[] = {"\2\0\24aaaaaaaaaaaaaaaaaaaa",
                                         "\1\0\25aaaaaaaaaaaaaaaaaaaa", "\1", "\1\0"};
    static const size_t lengths[] = {23, 23, 1, 2};
    for (unsigned i = 0; i < 4; i++) {
        struct desk *desk = open_desk();
        struct handle end = circuit_awaiting_sendme(desk, 5);
        tell(desk, end, RELAY_SENDME, 0, bodies[i], lengths[i]);
        expect_closed(desk, end, DESTROY_PROTOCOL);
        close_desk(desk);
    }
}

// Two workers' rings have no order: a SENDME may come before the tag that it must carry is known.
static void test_sendme_before_its_tag(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = circuit_awaiting_sendme(desk, 0);
    tell_sendme(desk, end, 1, 20);
    tell_sendme(desk, end, 2, 20);
    tell(desk, end, RELAY_SENDME, 1, "", 0);
    struct circuit_streams *of = desk->relay.circuits->slots[0]->streams;
    assert_int_equal(of->flow.window, 500);
    tell_tag(desk, end, 1, 20);
    assert_int_equal(of->flow.window, 600);
    tell_tag(desk, end, 3, 20);
    expect_closed(desk, end, DESTROY_PROTOCOL);
    close_desk(desk);
}

// Very old clients fetch their first consensus with these (4.11, 13.28).
static void test_version_0(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct stream_parameters p = desk->relay.circuits->streams->parameters;
    p.sendme_accept_min_version = 1;
    streams_set_parameters(desk->relay.circuits->streams, &p);
    struct handle end = circuit_awaiting_sendme(desk, 5);
    tell(desk, end, RELAY_SENDME, 0, "", 0);
    assert_true(is_open(desk));
    tell_sendme(desk, end, 2, 20); // it stood for the first
    assert_true(is_open(desk));
    struct circuit *c = desk->relay.circuits->slots[0];
    c->created_fast = false; // as if by ntor
    tell(desk, end, RELAY_SENDME, 0, "", 0);
    expect_closed(desk, end, DESTROY_PROTOCOL);
    p.sendme_accept_min_version = 0;
    streams_set_parameters(desk->relay.circuits->streams, &p);
    end = circuit_awaiting_sendme(desk, 5);
    desk->relay.circuits->slots[0]->created_fast = false;
    tell(desk, end, RELAY_SENDME, 0, "", 0);
    assert_true(is_open(desk));
    close_desk(desk);
}

static void test_random_ends(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    begin(desk, end, 1, 10000000);
    begin(desk, end, 2, 10000000);
    struct sent sent = collect_all(desk, end);
    assert_int_equal(sent.cells, 1000);
    assert_in_range(sent.short_cells, 10, 20);
    close_desk(desk);
}

// ---- with congestion control

static void test_vegas_window(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_cgo_circuit(desk, CLIENT);
    begin(desk, end, 1, 100000000);
    struct sent sent = collect_all(desk, end);
    assert_int_equal(sent.cells, 124);
    assert_int_equal(sent.tags, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(sent.tag_cells[i], 31 * (i + 1));
    for (uint8_t i = 1; i <= 4; i++)
        tell_tag(desk, end, i, 16);
    fake_now_us += 50000;
    tell_sendme(desk, end, 1, 16);
    assert_int_equal(collect_all(desk, end).cells, 62); // slow start: two for one
    tell_sendme(desk, end, 2, 16);
    assert_true(collect_all(desk, end).cells >= 31);
    tell_sendme(desk, end, 3, 20); // a tag of the wrong length
    expect_closed(desk, end, DESTROY_PROTOCOL);
    close_desk(desk);
}

static void test_no_stream_window_with_congestion_control(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_cgo_circuit(desk, CLIENT);
    unsigned cells = 0;
    begin(desk, end, 1, 100000000);
    uint8_t told = 0, acknowledged = 0;
    while (cells < 2000) {
        struct sent sent = collect_all(desk, end);
        cells += sent.cells;
        for (unsigned i = 0; i < sent.tags; i++)
            tell_tag(desk, end, ++told, 16);
        fake_now_us += 20000;
        assert_int_not_equal(told, acknowledged);
        tell_sendme(desk, end, ++acknowledged, 16);
    }
    assert_int_equal(users[0].sent / 488 / 100, cells / 100);
    close_desk(desk);
}

static void test_xoff(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_cgo_circuit(desk, CLIENT);
    begin(desk, end, 1, 10000000);
    begin(desk, end, 2, 10000000);
    tell(desk, end, RELAY_XOFF, 1, "\0", 1);
    tell(desk, end, RELAY_XOFF, 1, "\0", 1); // again: ignored
    struct sent sent = collect(desk, end);
    assert_int_equal(sent.of_stream[1], 0);
    assert_int_equal(sent.of_stream[2], 64);
    stream_wake(users[0].stream);
    tell(desk, end, RELAY_XON, 1, "\0\0\0\0", 4);   // too short
    tell(desk, end, RELAY_XON, 1, "\1\0\0\0\0", 5); // not version 0
    tell_drained(desk, end);
    sent = collect_all(desk, end);
    assert_int_equal(sent.of_stream[1], 0);
    assert_int_equal(sent.of_stream[2], 60);
    tell(desk, end, RELAY_XON, 1, "\0\0\0\0\0", 5);
    for (uint8_t i = 1; i <= 4; i++)
        tell_tag(desk, end, i, 16);
    fake_now_us += 50000;
    tell_sendme(desk, end, 1, 16);
    sent = collect_all(desk, end);
    assert_in_range(sent.of_stream[1], 30, 32);
    close_desk(desk);
}

// XON says what the other side takes in a second (4.14).
static void test_xon_rate(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_cgo_circuit(desk, CLIENT);
    struct user *u = begin(desk, end, 1, 10000000);
    struct streams *all = desk->relay.circuits->streams;
    tell(desk, end, RELAY_XOFF, 1, "\0", 1);
    tell(desk, end, RELAY_XON, 1, "\0\0\0\0\12", 5); // 10 kB/s
    for (unsigned i = 0; i < 5; i++)
        desk_turn(desk);
    assert_in_range(u->sent, 10000, 10000 + 488); // a second's worth
    assert_false(TAILQ_EMPTY(&all->paced));
    fake_now_us += 500000;
    while (!TAILQ_EMPTY(&all->paced))
        uv_run(desk->relay.loop, UV_RUN_ONCE);
    for (unsigned i = 0; i < 5; i++)
        desk_turn(desk);
    assert_in_range(u->sent, 15000 - 488, 15000 + 2 * 488);
    tell(desk, end, RELAY_XON, 1, "\0\0\0\0\0", 5);
    collect(desk, end);
    assert_true(u->sent > 25000);
    close_desk(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_sendmes_are_sent),
        cmocka_unit_test(test_no_stream_sendmes_with_congestion_control),
        cmocka_unit_test(test_fixed_windows),
        cmocka_unit_test(test_wrong_tags),
        cmocka_unit_test(test_sendme_before_its_tag),
        cmocka_unit_test(test_version_0),
        cmocka_unit_test(test_random_ends),
        cmocka_unit_test(test_vegas_window),
        cmocka_unit_test(test_no_stream_window_with_congestion_control),
        cmocka_unit_test(test_xoff),
        cmocka_unit_test(test_xon_rate),
    };
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
