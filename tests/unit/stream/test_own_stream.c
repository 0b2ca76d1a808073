// SPDX-License-Identifier: BSD-3-Clause
// Streams that we begin: what is sent and heard, and what a hostile last hop may say (protocol
// 4.06, 4.33, 9.31, 10.06, 13.19, 13.34).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/random.h"
#include "stream_desk.h"

static void expect_end(struct desk *desk, struct handle end, uint16_t id)
{
    static const uint8_t misc = END_MISC;
    desk_expect_originate(desk, 0, end, RELAY_END, id, &misc, 1);
}

// ---- what an honest one says

static void test_begin(void **state)
{
    (void)state;
    static const uint8_t body[8] = {203, 0, 113, 5, 0, 0, 0, 60};
    struct handle end;
    struct desk *desk = open_desk();
    struct circuit *c = own_circuit(desk, true, &end);
    struct user *u = own_begin(desk, c, RELAY_BEGIN, 600);
    assert_int_equal(collect(desk, end).cells, 2); // before CONNECTED
    tell(desk, end, RELAY_CONNECTED, 1, body, sizeof(body));
    assert_int_equal(u->connected_calls, 1);
    assert_int_equal(u->said_length, sizeof(body));
    assert_memory_equal(u->said, body, sizeof(body));
    tell(desk, end, RELAY_DATA, 1, "data", 4);
    assert_int_equal(u->received, 4);
    tell(desk, end, RELAY_END, 1, "\6", 1);
    assert_int_equal(u->closed_calls, 0); // not from inside a message
    desk_run(desk);
    assert_int_equal(u->reason, END_DONE);
    assert_int_equal(u->end_length, 1);
    desk_expect_nothing(desk);
    close_desk(desk);
}

static void test_resolve(void **state)
{
    (void)state;
    static const uint8_t body[10] = {4, 4, 203, 0, 113, 5, 0, 0, 0, 60};
    struct handle end;
    struct desk *desk = open_desk();
    struct user *u = own_begin(desk, own_circuit(desk, true, &end), RELAY_RESOLVE, 100);
    assert_int_equal(collect(desk, end).cells, 0); // there is nothing to send on it
    tell(desk, end, RELAY_RESOLVED, 1, body, sizeof(body));
    assert_int_equal(u->resolved_calls, 1);
    assert_int_equal(u->said_length, sizeof(body));
    assert_memory_equal(u->said, body, sizeof(body));
    desk_run(desk);
    assert_int_equal(u->closed_calls, 1);
    assert_int_equal(u->reason, END_DONE);
    desk_expect_nothing(desk);
    close_desk(desk);
}

static void check_reason(struct desk *desk, struct handle end, const void *body, size_t length,
                         enum end_reason reason)
{
    n_users = 0;
    struct user *u = own_begin(desk, desk->relay.circuits->slots[0], RELAY_BEGIN, 0);
    tell(desk, end, RELAY_END, u->stream->id, body, length);
    desk_run(desk);
    assert_true(is_open(desk));
    assert_int_equal(u->reason, reason);
    assert_int_equal(u->end_length, length < END_BODY_MAX ? length : END_BODY_MAX);
    assert_memory_equal(u->end_body, body, u->end_length);
}

static void test_end_reasons(void **state)
{
    (void)state;
    static const uint8_t policy[9] = {END_EXITPOLICY, 203, 0, 113, 5, 0, 0, 14, 16};
    static const uint8_t padded[100] = {END_DONE};
    struct handle end;
    struct desk *desk = open_desk();
    own_circuit(desk, true, &end);
    check_reason(desk, end, policy, sizeof(policy), END_EXITPOLICY);
    check_reason(desk, end, padded, sizeof(padded), END_DONE);
    for (unsigned i = 0; i <= UINT8_MAX; i++) {
        uint8_t reason = (uint8_t)i;
        bool known = i >= END_MISC && i <= END_NOTDIRECTORY;
        if (i != END_TORPROTOCOL && i != END_DESTROY)
            check_reason(desk, end, &reason, 1, known ? (enum end_reason)i : END_MISC); // 13.34
    }
    close_desk(desk);
}

static void test_ids_are_not_used_again(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    struct circuit *c = own_circuit(desk, true, &end);
    struct user *one = own_begin(desk, c, RELAY_BEGIN, 0),
                *two = own_begin(desk, c, RELAY_BEGIN, 0);
    stream_close(one->stream, END_DONE);
    expect_end(desk, end, 1);
    c->streams->next_id = UINT16_MAX - 1; // soon the first come again
    own_begin(desk, c, RELAY_BEGIN, 0);
    assert_int_equal(own_begin(desk, c, RELAY_BEGIN, 0)->stream->id, 3);
    c->streams->next_id = UINT16_MAX;
    tell(desk, end, RELAY_END, 1, "\1", 1);
    assert_int_equal(own_begin(desk, c, RELAY_BEGIN, 0)->stream->id, 1);
    assert_int_equal(two->stream->id, 2);
    close_desk(desk);
}

static void test_too_many(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    struct circuit *c = own_circuit(desk, true, &end);
    for (unsigned i = 0; i < STREAMS_OF_CIRCUIT_MAX; i++)
        own_begin(desk, c, RELAY_BEGIN, 0);
    assert_null(stream_begin(c, RELAY_BEGIN, "b", 1, &user_ops, NULL));
    desk_expect_nothing(desk);
    close_desk(desk);
}

static void test_too_many_half_closed(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    struct circuit *c = own_circuit(desk, true, &end);
    for (unsigned i = 0; i < HALF_CLOSED_MAX; i++) {
        n_users = 0;
        stream_close(own_begin(desk, c, RELAY_BEGIN, 0)->stream, END_DONE);
        desk_run(desk);
        discard(desk);
    }
    assert_null(stream_begin(c, RELAY_BEGIN, "b", 1, &user_ops, NULL));
    fake_now_us += HALF_CLOSED_US + 1;
    own_begin(desk, c, RELAY_BEGIN, 0);
    assert_int_equal(c->streams->half_closed.n, HALF_CLOSED_MAX - 1);
    close_desk(desk);
}

// ---- what a hostile one says

// Of stream 1.
enum situation {
    NEVER,
    BEGUN,
    CONNECTED,
    RESOLVING,
    ENDED, // by the other side
    CLOSED_BEGUN,
    CLOSED_CONNECTED,
    CLOSED_RESOLVING,
};

// What C tor's client does. What it drops it does not count as data that it had asked for, and
// leaves it to others to close the circuit; we close it.
enum verdict { TAKES, DROPS, CLOSES };

#define EVERY(verdict) verdict, verdict

static const struct {
    enum situation situation;
    uint8_t command;
    const char *body;
    uint8_t length;
    enum verdict without_cc, with_cc;
} cases[] = {
    {NEVER, RELAY_DATA, "d", 1, EVERY(DROPS)},
    {NEVER, RELAY_END, "\6", 1, EVERY(DROPS)},
    {NEVER, RELAY_END, "", 0, EVERY(CLOSES)},
    {NEVER, RELAY_CONNECTED, "", 0, EVERY(DROPS)},
    {NEVER, RELAY_RESOLVED, "", 0, EVERY(DROPS)},
    {NEVER, RELAY_SENDME, "", 0, EVERY(DROPS)},
    {NEVER, RELAY_XOFF, "\0", 1, EVERY(DROPS)},
    {NEVER, RELAY_XON, "\0\0\0\0\0", 5, EVERY(DROPS)},

    {BEGUN, RELAY_CONNECTED, "", 0, EVERY(TAKES)},
    {BEGUN, RELAY_END, "\6", 1, EVERY(TAKES)},
    {BEGUN, RELAY_END, "", 0, EVERY(CLOSES)},
    {BEGUN, RELAY_END, "\15", 1, EVERY(CLOSES)}, // TORPROTOCOL: a mark may have reached the exit
    {BEGUN, RELAY_END, "\5", 1, EVERY(CLOSES)},  // DESTROY: so it may here
    {BEGUN, RELAY_DATA, "d", 1, EVERY(DROPS)},
    {BEGUN, RELAY_RESOLVED, "", 0, EVERY(DROPS)},
    {BEGUN, RELAY_SENDME, "", 0, EVERY(DROPS)}, // more than was sent
    {BEGUN, RELAY_XOFF, "\0", 1, EVERY(DROPS)}, // so early
    {BEGUN, RELAY_XON, "\0\0\0\0\0", 5, EVERY(DROPS)},

    {CONNECTED, RELAY_DATA, "d", 1, EVERY(TAKES)},
    {CONNECTED, RELAY_DATA, "", 0, EVERY(TAKES)},
    {CONNECTED, RELAY_END, "\15", 1, EVERY(TAKES)},
    {CONNECTED, RELAY_END, "\5", 1, EVERY(TAKES)},
    {CONNECTED, RELAY_END, "", 0, EVERY(CLOSES)},
    {CONNECTED, RELAY_CONNECTED, "", 0, EVERY(CLOSES)},
    {CONNECTED, RELAY_RESOLVED, "", 0, EVERY(CLOSES)},
    {CONNECTED, RELAY_SENDME, "", 0, EVERY(CLOSES)},
    {CONNECTED, RELAY_XOFF, "\0", 1, EVERY(DROPS)}, // nothing was sent that could be too much
    {CONNECTED, RELAY_XON, "\0\0\0\0\0", 5, EVERY(DROPS)},
    {CONNECTED, RELAY_XON, "\0\0\0\0", 4, EVERY(DROPS)},
    {CONNECTED, RELAY_XON, "\1\0\0\0\0", 5, EVERY(DROPS)},

    {RESOLVING, RELAY_RESOLVED, "", 0, EVERY(TAKES)},
    {RESOLVING, RELAY_END, "\2", 1, EVERY(TAKES)},
    {RESOLVING, RELAY_END, "\15", 1, EVERY(CLOSES)},
    {RESOLVING, RELAY_CONNECTED, "", 0, EVERY(DROPS)},
    {RESOLVING, RELAY_DATA, "d", 1, EVERY(DROPS)},
    {RESOLVING, RELAY_SENDME, "", 0, EVERY(DROPS)},
    {RESOLVING, RELAY_XOFF, "\0", 1, EVERY(DROPS)}, // 13.14
    {RESOLVING, RELAY_XON, "\0\0\0\0\0", 5, EVERY(DROPS)},

    {ENDED, RELAY_DATA, "d", 1, EVERY(DROPS)},
    {ENDED, RELAY_END, "\6", 1, EVERY(DROPS)},
    {ENDED, RELAY_CONNECTED, "", 0, EVERY(DROPS)},
    {ENDED, RELAY_SENDME, "", 0, EVERY(DROPS)},
    {ENDED, RELAY_XOFF, "\0", 1, EVERY(DROPS)},
    {ENDED, RELAY_XON, "\0\0\0\0\0", 5, EVERY(DROPS)},

    {CLOSED_BEGUN, RELAY_CONNECTED, "", 0, EVERY(TAKES)},
    {CLOSED_BEGUN, RELAY_DATA, "d", 1, EVERY(TAKES)}, // its CONNECTED may have come before
    {CLOSED_BEGUN, RELAY_END, "\4", 1, EVERY(TAKES)},
    {CLOSED_BEGUN, RELAY_RESOLVED, "", 0, EVERY(DROPS)},

    {CLOSED_CONNECTED, RELAY_DATA, "d", 1, EVERY(TAKES)},
    {CLOSED_CONNECTED, RELAY_END, "\6", 1, EVERY(TAKES)},
    {CLOSED_CONNECTED, RELAY_END, "", 0, EVERY(CLOSES)},
    {CLOSED_CONNECTED, RELAY_CONNECTED, "", 0, EVERY(DROPS)},
    {CLOSED_CONNECTED, RELAY_RESOLVED, "", 0, EVERY(DROPS)},
    {CLOSED_CONNECTED, RELAY_SENDME, "", 0, EVERY(DROPS)}, // for nothing
    {CLOSED_CONNECTED, RELAY_XOFF, "\0", 1, DROPS, TAKES},
    {CLOSED_CONNECTED, RELAY_XON, "\0\0\0\0\0", 5, DROPS, TAKES},

    {CLOSED_RESOLVING, RELAY_RESOLVED, "", 0, EVERY(TAKES)},
    {CLOSED_RESOLVING, RELAY_END, "\2", 1, EVERY(TAKES)},
    {CLOSED_RESOLVING, RELAY_DATA, "d", 1, EVERY(DROPS)},
    {CLOSED_RESOLVING, RELAY_CONNECTED, "", 0, EVERY(DROPS)},
    {CLOSED_RESOLVING, RELAY_SENDME, "", 0, EVERY(DROPS)},
};

static void bring_about(struct desk *desk, struct circuit *c, struct handle end, enum situation s)
{
    bool resolves = s == RESOLVING || s == CLOSED_RESOLVING;
    if (s == NEVER) {
        c->streams = NULL;
        own_begin(desk, c, RELAY_BEGIN, 0);
        c->streams->buckets[1]->id = 17; // in the same bucket
        return;
    }
    struct user *u = own_begin(desk, c, resolves ? RELAY_RESOLVE : RELAY_BEGIN, 0);
    if (s == CONNECTED || s == ENDED || s == CLOSED_CONNECTED)
        tell(desk, end, RELAY_CONNECTED, 1, "", 0);
    if (s == ENDED)
        tell(desk, end, RELAY_END, 1, "\6", 1);
    if (s >= CLOSED_BEGUN) {
        stream_close(u->stream, END_DONE);
        expect_end(desk, end, 1);
    }
}

static void test_cases(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        bool cc = i % 2;
        struct handle end;
        struct desk *desk = open_desk();
        struct circuit *c = own_circuit(desk, cc, &end);
        bring_about(desk, c, end, cases[i / 2].situation);
        tell(desk, end, cases[i / 2].command, 1, cases[i / 2].body, cases[i / 2].length);
        enum verdict v = cc ? cases[i / 2].with_cc : cases[i / 2].without_cc;
        if (is_open(desk) != (v == TAKES))
            fail_msg("case %u (%s congestion control)", i / 2, cc ? "with" : "without");
        assert_int_equal(desk->relay.counters.drop_relay_message, 0);
        assert_int_equal(desk->relay.counters.drop_stream_message, v != TAKES);
        assert_int_equal(desk->relay.counters.circuits_destroyed_protocol, v != TAKES);
        if (v != TAKES)
            desk_expect_close(desk, 0, end, DESTROY_NONE); // 2.37
        desk_expect_nothing(desk);
        close_desk(desk);
    }
}

// Stream 0 has no such messages: they are dropped (4.06).
static void test_stream_0(void **state)
{
    (void)state;
    static const uint8_t commands[] = {RELAY_DATA,     RELAY_END,  RELAY_CONNECTED,
                                       RELAY_RESOLVED, RELAY_XOFF, RELAY_XON};
    struct handle end;
    struct desk *desk = open_desk();
    own_begin(desk, own_circuit(desk, true, &end), RELAY_BEGIN, 0);
    for (unsigned i = 0; i < sizeof(commands); i++)
        tell(desk, end, commands[i], 0, "\6", 1);
    assert_true(is_open(desk));
    assert_int_equal(desk->relay.counters.drop_relay_message, sizeof(commands));
    tell(desk, end, RELAY_SENDME, 0, "", 0); // for nothing
    expect_closed(desk, end, DESTROY_NONE);
    close_desk(desk);
}

// Streams are with the last hop; whoever else speaks of one is found out.
static void test_another_hop(void **state)
{
    (void)state;
    static const uint8_t commands[] = {RELAY_DATA, RELAY_END, RELAY_CONNECTED, RELAY_RESOLVED,
                                       RELAY_XOFF, RELAY_XON, RELAY_SENDME};
    for (unsigned i = 0; i < sizeof(commands); i++) {
        struct handle end;
        struct desk *desk = open_desk();
        struct user *u = own_begin(desk, own_circuit(desk, true, &end), RELAY_BEGIN, 0);
        struct message *m = desk_up(desk, 0, MSG_CIRCUIT_RELAY);
        m->circuit = end;
        m->command = CELL_RELAY;
        m->relay.command = commands[i];
        m->relay.stream_id = 1;
        m->relay.hop = 2;
        m->payload[0] = END_DONE;
        m->length = 1;
        desk_tell(desk, m);
        expect_closed(desk, end, DESTROY_NONE);
        desk_run(desk);
        assert_int_equal(u->reason, END_DESTROY);
        close_desk(desk);
    }
}

// ---- after our END

// What was under way when we ended it, and no more of it.
static void check_half_closed(uint8_t command, unsigned came_before, unsigned may_come)
{
    struct handle end;
    struct desk *desk = open_desk();
    struct circuit *c = own_circuit(desk, false, &end);
    struct user *u = own_begin(desk, c, RELAY_BEGIN, 1000000);
    assert_int_equal(collect_all(desk, end).cells, WINDOW_STREAM_CELLS);
    tell(desk, end, RELAY_CONNECTED, 1, "", 0);
    for (unsigned i = 0; i < came_before; i++)
        tell(desk, end, command, 1, "d", command == RELAY_DATA);
    discard(desk);
    stream_close(u->stream, END_DONE);
    discard(desk);
    for (unsigned i = 0; i < may_come; i++) {
        tell(desk, end, command, 1, "d", 1);
        assert_true(is_open(desk));
        discard(desk); // SENDMEs of the circuit, which go on
    }
    tell(desk, end, command, 1, "d", 1);
    assert_false(is_open(desk));
    close_desk(desk);
}

static void test_half_closed_windows(void **state)
{
    (void)state;
    check_half_closed(RELAY_DATA, 0, 500);
    check_half_closed(RELAY_DATA, 49, 451);
    check_half_closed(RELAY_DATA, 50, 500); // a SENDME went out for them
    check_half_closed(RELAY_SENDME, 0, 10);
    check_half_closed(RELAY_SENDME, 4, 6);
}

static void test_half_closed_time(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    struct circuit *c = own_circuit(desk, true, &end);
    struct user *u = own_begin(desk, c, RELAY_BEGIN, 0);
    tell(desk, end, RELAY_CONNECTED, 1, "", 0);
    stream_close(u->stream, END_DONE);
    expect_end(desk, end, 1);
    fake_now_us += HALF_CLOSED_US;
    for (unsigned i = 1; i <= 31; i++)
        tell(desk, end, RELAY_DATA, 1, "d", 1);
    struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE); // it counts
    assert_int_equal(m->relay.command, RELAY_SENDME);
    assert_int_equal(m->relay.stream_id, 0);
    channel_free(m);
    fake_now_us++;
    tell(desk, end, RELAY_DATA, 1, "d", 1);
    expect_closed(desk, end, DESTROY_NONE);
    close_desk(desk);
}

// A stream that others began is forgotten with its END: no half-closed state at a relay.
static void test_relay_keeps_nothing(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    struct user *u = begin(desk, end, 5, 0);
    struct circuit_streams *of = desk->relay.circuits->slots[0]->streams;
    stream_close(u->stream, END_DONE);
    assert_int_equal(of->half_closed.n, 0);
    discard(desk);
    tell(desk, end, RELAY_DATA, 5, "d", 1);
    tell(desk, end, RELAY_CONNECTED, 5, "", 0);
    assert_int_equal(desk->relay.counters.drop_relay_message, 2);
    assert_true(is_open(desk));
    close_desk(desk);
}

// ---- noise

static void test_noise(void **state)
{
    (void)state;
    static const uint8_t commands[] = {RELAY_DATA,   RELAY_DATA, RELAY_END, RELAY_CONNECTED,
                                       RELAY_SENDME, RELAY_XOFF, RELAY_XON, RELAY_RESOLVED};
    static const uint8_t begun[] = {RELAY_BEGIN, RELAY_BEGIN_DIR, RELAY_RESOLVE};
    struct desk *desk = open_desk();
    for (unsigned i = 0; i < 300; i++) {
        struct handle end;
        struct circuit *c = own_circuit(desk, i % 2, &end);
        n_users = 0;
        for (unsigned j = 0; j < 60 && is_open(desk); j++) {
            uint8_t body[32] = "d", choice[4];
            random_bytes(choice, sizeof(choice));
            random_bytes(body + 1, sizeof(body) - 1);
            if (choice[3] % 4 == 0)
                own_begin(desk, c, begun[choice[2] % 3], choice[1] * 100u);
            else if (choice[3] % 8 == 1 && n_users > 0 && users[n_users - 1].stream)
                stream_close(users[n_users - 1].stream, END_DONE);
            else if (choice[3] % 8 == 2 && n_users > 0 && users[n_users - 1].stream)
                stream_set_held(users[n_users - 1].stream, choice[1] * 4000u);
            else
                tell(desk, end, commands[choice[0] % 8], choice[1] % 5, body, choice[2] % 32);
            if (choice[3] % 8 == 3)
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
        cmocka_unit_test(test_begin),
        cmocka_unit_test(test_resolve),
        cmocka_unit_test(test_end_reasons),
        cmocka_unit_test(test_ids_are_not_used_again),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_too_many_half_closed),
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_stream_0),
        cmocka_unit_test(test_another_hop),
        cmocka_unit_test(test_half_closed_windows),
        cmocka_unit_test(test_half_closed_time),
        cmocka_unit_test(test_relay_keeps_nothing),
        cmocka_unit_test(test_noise),
    };
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
