// SPDX-License-Identifier: BSD-3-Clause
// Streams that a client begins with an onion service (protocol 8.41, 10.02, 10.03): accepted,
// refused, with data that does not wait; and what a hostile client may say.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/random.h"
#include "stream_desk.h"

enum { CLIENT_HOP = 2 };

// What the service does with the next BEGIN.
static enum { ACCEPTS, ACCEPTS_AT_ONCE, REFUSES, CLOSES_STREAM, CLOSES_CIRCUIT, FORGETS } way;
static size_t will_send;

static void on_begin(struct circuit *c, uint16_t stream_id, const uint8_t *body, size_t length)
{
    (void)body, (void)length;
    if (way == REFUSES)
        stream_refuse(c, stream_id, END_CONNECTREFUSED);
    else if (way == CLOSES_CIRCUIT)
        own_circuit_close(c, DESTROY_FINISHED);
    if (way == REFUSES || way == CLOSES_CIRCUIT || way == FORGETS)
        return;
    struct user *u = &users[n_users];
    *u = (struct user){.to_send = will_send};
    u->stream = stream_accept(c, stream_id, &user_ops, u);
    if (!u->stream) {
        stream_refuse(c, stream_id, END_RESOURCELIMIT);
        return;
    }
    n_users++;
    assert_null(stream_accept(c, stream_id, &user_ops, u)); // it is in use
    if (way == ACCEPTS_AT_ONCE)
        stream_accepted(u->stream, "hello", 5);
    else if (way == CLOSES_STREAM)
        stream_close(u->stream, END_TIMEOUT);
}

static void say(struct desk *desk, struct handle end, uint8_t command, uint16_t id,
                const void *body, size_t length)
{
    desk_tell_relay_from(desk, 0, end, CLIENT_HOP, command, id, body, length);
}

static struct circuit *service_circuit(struct desk *desk, bool congestion_control,
                                       struct handle *end)
{
    static const uint8_t material[128];
    struct circuit *c = own_circuit(desk, false, end);
    assert_true(
        own_circuit_add_onion_layer(c, material, true, congestion_control ? 31 : 0, on_begin));
    channel_free(desk_expect(desk, MSG_CIRCUIT_ADD_HOP));
    way = ACCEPTS;
    will_send = 0;
    return c;
}

static struct user *begin_from_client(struct desk *desk, struct handle end, uint16_t id)
{
    unsigned before = n_users;
    say(desk, end, RELAY_BEGIN, id, ":80", 4);
    assert_int_equal(n_users, before + 1);
    return &users[before];
}

static void expect_end(struct desk *desk, struct handle end, uint16_t id, uint8_t reason)
{
    desk_expect_originate(desk, 0, end, RELAY_END, id, &reason, 1);
}

static void test_accept(void **state)
{
    (void)state;
    for (unsigned cc = 0; cc < 2; cc++) {
        struct handle end;
        struct desk *desk = open_desk();
        service_circuit(desk, cc, &end);
        will_send = 600;
        struct user *u = begin_from_client(desk, end, 5);
        stream_wake(u->stream);
        say(desk, end, RELAY_DATA, 5, "data", 4);
        assert_int_equal(u->received, 4);
        desk_run(desk);
        desk_expect_nothing(desk); // is not asked for anything before it is connected
        stream_accepted(u->stream, NULL, 0);
        stream_accepted(u->stream, NULL, 0); // once
        desk_expect_originate(desk, 0, end, RELAY_CONNECTED, 5, "", 0);
        assert_int_equal(collect(desk, end).cells, 2);
        say(desk, end, RELAY_DATA, 5, "data", 4);
        assert_int_equal(u->received, 8);
        say(desk, end, RELAY_END, 5, "\6", 1);
        desk_run(desk);
        assert_int_equal(u->reason, END_DONE);
        assert_int_equal(u->closed_calls, 1);
        desk_expect_nothing(desk);
        // The id may be used again: the client knows of both ends.
        way = ACCEPTS_AT_ONCE;
        u = begin_from_client(desk, end, 5);
        desk_expect_originate(desk, 0, end, RELAY_CONNECTED, 5, "hello", 5);
        assert_int_equal(collect(desk, end).cells, 2);
        close_desk(desk);
    }
}

static void test_end_before_connected(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    service_circuit(desk, true, &end);
    struct user *u = begin_from_client(desk, end, 5);
    struct stream *s = u->stream;
    say(desk, end, RELAY_END, 5, "\15", 1);
    stream_accepted(s, NULL, 0); // too late
    desk_run(desk);
    assert_int_equal(u->reason, END_TORPROTOCOL);
    u = begin_from_client(desk, end, 6);
    stream_close(u->stream, END_CONNECTREFUSED);
    expect_end(desk, end, 6, END_CONNECTREFUSED);
    way = CLOSES_STREAM;
    begin_from_client(desk, end, 7);
    expect_end(desk, end, 7, END_TIMEOUT);
    desk_run(desk);
    assert_true(is_open(desk));
    desk_expect_nothing(desk);
    close_desk(desk);
}

// What came behind the BEGIN, before the client could know.
static void test_refuse(void **state)
{
    (void)state;
    for (unsigned cc = 0; cc < 2; cc++) {
        struct handle end;
        struct desk *desk = open_desk();
        struct circuit *c = service_circuit(desk, cc, &end);
        way = REFUSES;
        say(desk, end, RELAY_BEGIN, 5, ":81", 4);
        expect_end(desk, end, 5, END_CONNECTREFUSED);
        for (unsigned i = 1; i < c->sendme_inc_cells; i++)
            say(desk, end, RELAY_DATA, 5, "data", 4);
        desk_expect_nothing(desk);
        say(desk, end, RELAY_DATA, 5, "data", 4); // it counts for the circuit
        struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE);
        assert_int_equal(m->relay.command, RELAY_SENDME);
        assert_int_equal(m->relay.stream_id, 0);
        channel_free(m);
        say(desk, end, RELAY_BEGIN, 5, ":81", 4); // again
        expect_end(desk, end, 5, END_CONNECTREFUSED);
        say(desk, end, RELAY_END, 5, "\6", 1);
        assert_true(is_open(desk));
        say(desk, end, RELAY_END, 5, "\6", 1);
        expect_closed(desk, end, DESTROY_NONE);
        close_desk(desk);
    }
}

static void test_circuit_closed_from_inside(void **state)
{
    (void)state;
    static const int ways[] = {CLOSES_CIRCUIT, FORGETS};
    for (unsigned i = 0; i < 2; i++) {
        struct handle end;
        struct desk *desk = open_desk();
        service_circuit(desk, true, &end);
        way = ways[i];
        say(desk, end, RELAY_BEGIN, 5, ":81", 4);
        expect_closed(desk, end, DESTROY_NONE);
        close_desk(desk);
    }
}

static void test_too_many(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    struct circuit *c = service_circuit(desk, true, &end);
    for (uint16_t i = 1; i <= STREAMS_OF_CIRCUIT_MAX; i++)
        begin_from_client(desk, end, i);
    say(desk, end, RELAY_BEGIN, 1000, ":80", 4);
    expect_end(desk, end, 1000, END_RESOURCELIMIT);
    assert_int_equal(n_users, STREAMS_OF_CIRCUIT_MAX);
    assert_int_equal(circuit_stream_count(c), STREAMS_OF_CIRCUIT_MAX);
    stream_close(users[0].stream, END_DONE);
    expect_end(desk, end, 1, END_DONE);
    begin_from_client(desk, end, 1001);
    assert_true(is_open(desk));
    close_desk(desk);
}

// Of many streams that we ended the oldest are forgotten.
static void test_many_half_closed(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    struct circuit *c = service_circuit(desk, true, &end);
    for (unsigned i = 1; i <= HALF_CLOSED_MAX + 100; i++) {
        way = i % 2 ? REFUSES : CLOSES_STREAM;
        n_users = 0;
        say(desk, end, RELAY_BEGIN, (uint16_t)i, ":80", 4);
        desk_run(desk);
        discard(desk);
        assert_in_range(c->streams->half_closed.n, 1, HALF_CLOSED_MAX);
    }
    say(desk, end, RELAY_DATA, 101, "data", 4);
    assert_true(is_open(desk));
    say(desk, end, RELAY_DATA, 100, "data", 4);
    assert_false(is_open(desk));
    close_desk(desk);
}

// ---- flow control

// What the service holds before it is connected is said after.
static void test_held_before_connected(void **state)
{
    (void)state;
    static const uint8_t xoff = 0;
    struct handle end;
    struct desk *desk = open_desk();
    service_circuit(desk, true, &end);
    struct user *u = begin_from_client(desk, end, 5);
    stream_set_held(u->stream, 600000);
    fake_now_us += 10000;
    stream_set_held(u->stream, 600001);
    desk_expect_nothing(desk);
    stream_accepted(u->stream, NULL, 0);
    desk_expect_originate(desk, 0, end, RELAY_CONNECTED, 5, "", 0);
    fake_now_us += 10000;
    stream_set_held(u->stream, 600001);
    desk_expect_originate(desk, 0, end, RELAY_XOFF, 5, &xoff, 1);
    stream_set_held(u->stream, 0);
    struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE);
    assert_int_equal(m->relay.command, RELAY_XON);
    channel_free(m);
    u = begin_from_client(desk, end, 6);
    stream_set_held(u->stream, HELD_OF_STREAM_MAX_BYTES + 1);
    expect_end(desk, end, 6, END_RESOURCELIMIT);
    desk_expect_nothing(desk);
    close_desk(desk);
}

static void test_sendmes_before_connected(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    service_circuit(desk, false, &end);
    struct user *u = begin_from_client(desk, end, 5);
    for (unsigned i = 0; i < 99; i++)
        say(desk, end, RELAY_DATA, 5, "d", 1);
    desk_expect_nothing(desk);
    stream_accepted(u->stream, NULL, 0);
    desk_expect_originate(desk, 0, end, RELAY_CONNECTED, 5, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_SENDME, 5, "", 0);
    desk_expect_nothing(desk);
    close_desk(desk);
}

static void test_window(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    service_circuit(desk, false, &end);
    begin_from_client(desk, end, 5); // is never connected
    for (unsigned i = 0; i < WINDOW_STREAM_CELLS; i++) {
        say(desk, end, RELAY_DATA, 5, "d", 1);
        discard(desk);
    }
    assert_true(is_open(desk));
    say(desk, end, RELAY_DATA, 5, "d", 1);
    assert_false(is_open(desk));
    close_desk(desk);
}

// ---- what a hostile client says

// Of stream 1.
enum situation { NEVER, BEGUN, CONNECTED, ENDED, CLOSED, REFUSED, SITUATIONS };
enum verdict { TAKES, CLOSES };

static const struct {
    enum situation situation;
    uint8_t command;
    const char *body;
    uint8_t length;
    enum verdict without_cc, with_cc;
} cases[] = {
    {NEVER, RELAY_DATA, "d", 1, CLOSES, CLOSES},
    {NEVER, RELAY_END, "\6", 1, CLOSES, CLOSES},
    {NEVER, RELAY_CONNECTED, "", 0, CLOSES, CLOSES},
    {NEVER, RELAY_RESOLVE, "a", 1, TAKES, TAKES}, // as C tor drops it

    {BEGUN, RELAY_DATA, "d", 1, TAKES, TAKES},
    {BEGUN, RELAY_END, "\6", 1, TAKES, TAKES},
    {BEGUN, RELAY_END, "", 0, CLOSES, CLOSES},
    {BEGUN, RELAY_BEGIN, ":80", 4, CLOSES, CLOSES},
    {BEGUN, RELAY_BEGIN_DIR, "", 0, CLOSES, CLOSES},
    {BEGUN, RELAY_RESOLVE, "a", 1, CLOSES, CLOSES},
    {BEGUN, RELAY_CONNECTED, "", 0, CLOSES, CLOSES},
    {BEGUN, RELAY_RESOLVED, "", 0, CLOSES, CLOSES},
    {BEGUN, RELAY_SENDME, "", 0, CLOSES, CLOSES},
    {BEGUN, RELAY_XOFF, "\0", 1, CLOSES, CLOSES}, // it has had nothing

    {CONNECTED, RELAY_DATA, "d", 1, TAKES, TAKES},
    {CONNECTED, RELAY_BEGIN, ":80", 4, CLOSES, CLOSES},
    {CONNECTED, RELAY_CONNECTED, "", 0, CLOSES, CLOSES},
    {CONNECTED, RELAY_SENDME, "", 0, CLOSES, CLOSES},
    {CONNECTED, RELAY_XOFF, "\0", 1, CLOSES, CLOSES},
    {CONNECTED, RELAY_XON, "\0\0\0\0\0", 5, CLOSES, CLOSES},

    {ENDED, RELAY_DATA, "d", 1, CLOSES, CLOSES},
    {ENDED, RELAY_END, "\6", 1, CLOSES, CLOSES},
    {ENDED, RELAY_BEGIN, ":80", 4, TAKES, TAKES},

    {CLOSED, RELAY_DATA, "d", 1, TAKES, TAKES},
    {CLOSED, RELAY_END, "\6", 1, TAKES, TAKES},
    {CLOSED, RELAY_BEGIN, ":80", 4, TAKES, TAKES},
    {CLOSED, RELAY_CONNECTED, "", 0, CLOSES, CLOSES},
    {CLOSED, RELAY_XOFF, "\0", 1, CLOSES, TAKES},
    {CLOSED, RELAY_SENDME, "", 0, CLOSES, CLOSES},

    {REFUSED, RELAY_DATA, "d", 1, TAKES, TAKES},
    {REFUSED, RELAY_END, "\6", 1, TAKES, TAKES},
    {REFUSED, RELAY_CONNECTED, "", 0, CLOSES, CLOSES},
    {REFUSED, RELAY_SENDME, "", 0, CLOSES, CLOSES},
};

static void bring_about(struct desk *desk, struct handle end, enum situation s)
{
    if (s == NEVER) {
        begin_from_client(desk, end, 17); // in the same bucket
        return;
    }
    way = s == REFUSED ? REFUSES : s == BEGUN ? ACCEPTS : ACCEPTS_AT_ONCE;
    say(desk, end, RELAY_BEGIN, 1, ":80", 4);
    if (s == ENDED)
        say(desk, end, RELAY_END, 1, "\6", 1);
    if (s == CLOSED)
        stream_close(users[0].stream, END_DONE);
    way = ACCEPTS;
    discard(desk);
}

static void test_cases(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        bool cc = i % 2;
        struct handle end;
        struct desk *desk = open_desk();
        service_circuit(desk, cc, &end);
        bring_about(desk, end, cases[i / 2].situation);
        say(desk, end, cases[i / 2].command, 1, cases[i / 2].body, cases[i / 2].length);
        enum verdict v = cc ? cases[i / 2].with_cc : cases[i / 2].without_cc;
        if (is_open(desk) != (v == TAKES))
            fail_msg("case %u (%s congestion control)", i / 2, cc ? "with" : "without");
        assert_int_equal(desk->relay.counters.circuits_destroyed_protocol, v != TAKES);
        if (v != TAKES)
            desk_expect_close(desk, 0, end, DESTROY_NONE);
        desk_expect_nothing(desk);
        close_desk(desk);
    }
}

static void test_stream_0(void **state)
{
    (void)state;
    static const uint8_t commands[] = {RELAY_BEGIN, RELAY_BEGIN_DIR, RELAY_RESOLVE};
    for (unsigned i = 0; i < sizeof(commands); i++) {
        struct handle end;
        struct desk *desk = open_desk();
        service_circuit(desk, true, &end);
        say(desk, end, commands[i], 0, ":80", 4);
        assert_int_equal(n_users, 0);
        expect_closed(desk, end, DESTROY_NONE);
        close_desk(desk);
    }
}

static void test_noise(void **state)
{
    (void)state;
    static const uint8_t commands[] = {RELAY_BEGIN, RELAY_BEGIN,  RELAY_DATA, RELAY_DATA,
                                       RELAY_END,   RELAY_SENDME, RELAY_XOFF, RELAY_BEGIN_DIR};
    struct desk *desk = open_desk();
    for (unsigned i = 0; i < 300; i++) {
        struct handle end;
        service_circuit(desk, i % 2, &end);
        n_users = 0;
        for (unsigned j = 0; j < 80 && is_open(desk); j++) {
            uint8_t body[32] = "d", choice[4];
            random_bytes(choice, sizeof(choice));
            random_bytes(body + 1, sizeof(body) - 1);
            way = choice[3] % 4;
            will_send = choice[2] * 100u;
            struct stream *s = n_users > 0 ? users[choice[1] % n_users].stream : NULL;
            if (choice[3] % 8 == 1 && s)
                stream_close(s, END_DONE);
            else if (choice[3] % 8 == 2 && s)
                stream_set_held(s, choice[1] * 4000u);
            else if (choice[3] % 8 == 3 && s)
                stream_accepted(s, NULL, 0);
            else
                say(desk, end, commands[choice[0] % 8], choice[1] % 40, body, choice[2] % 32);
            if (choice[3] % 8 == 4)
                desk_turn(desk);
            discard(desk);
        }
        if (is_open(desk))
            desk_tell_closed(desk, 0, end, 0, DESTROY_NONE, true);
        desk_run(desk);
        assert_int_equal(desk->relay.circuits->streams->held_bytes, 0);
    }
    close_desk(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_end_before_connected),
        cmocka_unit_test(test_refuse),
        cmocka_unit_test(test_circuit_closed_from_inside),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_many_half_closed),
        cmocka_unit_test(test_held_before_connected),
        cmocka_unit_test(test_sendmes_before_connected),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_stream_0),
        cmocka_unit_test(test_noise),
    };
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
