// SPDX-License-Identifier: BSD-3-Clause
// Streams that others begin with us: how they begin and end, what closes a circuit (protocol
// 4.06–4.16, 10.02–10.05), and noise.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/random.h"
#include "stream_desk.h"

// ---- beginning and ending

static void test_request_and_answer(void **state)
{
    (void)state;
    static const uint8_t done = END_DONE;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    struct user *u = begin(desk, end, 5, 0);
    assert_true(stream_info(u->stream).from_client);
    assert_int_equal(collect(desk, end).cells, 0);
    tell(desk, end, RELAY_DATA, 5, "d", 1);
    tell(desk, end, RELAY_DATA, 5, "", 0); // of no length: nobody need know
    assert_int_equal(u->received, 1);
    u->to_send = 1000;
    u->ends = true;
    stream_wake(u->stream);
    stream_wake(u->stream);
    desk_expect_nothing(desk); // not from inside the call
    desk_run(desk);
    for (unsigned i = 0; i < 3; i++) {
        static const unsigned lengths[] = {498, 498, 4};
        struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE);
        assert_int_equal(m->relay.command, RELAY_DATA);
        assert_int_equal(m->relay.stream_id, 5);
        assert_int_equal(m->length, lengths[i]);
        assert_int_equal(m->payload[1], (i * 498 + 1) % 256);
        channel_free(m);
    }
    desk_expect_originate(desk, 0, end, RELAY_END, 5, &done, 1);
    desk_expect_nothing(desk);
    assert_int_equal(u->closed_calls, 1);
    assert_int_equal(u->reason, END_DONE);
    assert_int_equal(desk->relay.counters.streams_begun_dir, 1);
    tell(desk, end, RELAY_DATA, 5, "d", 1); // crossed our END
    tell(desk, end, RELAY_SENDME, 5, "", 0);
    assert_true(is_open(desk));
    begin(desk, end, 5, 0); // the id is free again
    close_desk(desk);
}

static void test_from_relay(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, PREVIOUS);
    assert_false(stream_info(begin(desk, end, 1, 0)->stream).from_client);
    close_desk(desk);
}

static void test_refused(void **state)
{
    (void)state;
    static const uint8_t no_directory = END_NOTDIRECTORY, internal = END_INTERNAL;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    struct circuit *c = desk->relay.circuits->slots[0];
    c->role = CIRCUIT_INTRODUCING;
    tell(desk, end, RELAY_BEGIN_DIR, 1, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_END, 1, &no_directory, 1);
    c->role = CIRCUIT_NO_ROLE;
    struct directory_server *server = desk->relay.directory_server;
    desk->relay.directory_server = NULL;
    tell(desk, end, RELAY_BEGIN_DIR, 1, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_END, 1, &no_directory, 1);
    desk->relay.directory_server = server;
    refuse_next = true; // by who should serve it
    tell(desk, end, RELAY_BEGIN_DIR, 1, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_CONNECTED, 1, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_END, 1, &internal, 1);
    refuse_next = false;
    // Stream 0, and one that is there, are dropped (4.06, 10.03).
    tell(desk, end, RELAY_BEGIN_DIR, 0, "", 0);
    desk_expect_nothing(desk);
    begin(desk, end, 1, 0);
    tell(desk, end, RELAY_BEGIN_DIR, 1, "", 0);
    desk_expect_nothing(desk);
    assert_int_equal(n_users, 1);
    assert_int_equal(desk->relay.counters.drop_relay_message, 2);
    close_desk(desk);
}

static void test_too_many(void **state)
{
    (void)state;
    static const uint8_t misc = END_MISC;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    for (unsigned i = 1; i <= STREAMS_OF_CIRCUIT_MAX; i++)
        begin(desk, end, (uint16_t)(i * 16), 0); // all in one bucket
    tell(desk, end, RELAY_BEGIN_DIR, 7, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_END, 7, &misc, 1);
    assert_int_equal(desk->relay.counters.drop_stream_limit, 1);
    tell(desk, end, RELAY_END, 32, &misc, 1);
    begin(desk, end, 7, 0);
    assert_int_equal(users[1].closed_calls, 0); // not from inside a message, but in its turn
    desk_run(desk);
    assert_int_equal(users[1].closed_calls, 1);
    assert_int_equal(users[1].reason, END_MISC);
    close_desk(desk);
}

static void test_closed_by_its_user(void **state)
{
    (void)state;
    static const uint8_t protocol = END_TORPROTOCOL;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    struct user *u = begin(desk, end, 3, 100000);
    u->close_on_data = END_TORPROTOCOL;
    tell(desk, end, RELAY_DATA, 3, "d", 1);
    desk_expect_originate(desk, 0, end, RELAY_END, 3, &protocol, 1);
    stream_close(u->stream, END_MISC); // it is closed
    stream_wake(u->stream);
    assert_int_equal(collect(desk, end).cells, 0);
    assert_int_equal(u->closed_calls, 1);
    assert_int_equal(u->reason, END_TORPROTOCOL);
    close_desk(desk);
}

static void test_circuit_goes(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    struct user *u = begin(desk, end, 3, 100000);
    desk_tell_closed(desk, 0, end, 0, DESTROY_NONE, true);
    stream_wake(u->stream);
    stream_close(u->stream, END_MISC);
    assert_int_equal(u->closed_calls, 0);
    desk_run(desk);
    assert_int_equal(u->closed_calls, 1);
    assert_int_equal(u->reason, END_DESTROY);
    desk_expect_nothing(desk);
    close_desk(desk);
}

// ---- what closes a circuit

static bool closes(uint8_t command, uint16_t id, const void *body, size_t length, bool cgo)
{
    struct desk *desk = open_desk();
    struct handle end = cgo ? desk_cgo_circuit(desk, CLIENT) : desk_circuit(desk, CLIENT);
    begin(desk, end, 9, 0);
    tell(desk, end, command, id, body, length);
    bool open = is_open(desk);
    if (!open)
        desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
    close_desk(desk);
    return !open;
}

static void test_protocol_errors(void **state)
{
    (void)state;
    for (unsigned cgo = 0; cgo < 2; cgo++) {
        assert_true(closes(RELAY_END, 9, "", 0, cgo)); // 13.19
        assert_true(closes(RELAY_END, 8, "", 0, cgo));
        assert_false(closes(RELAY_END, 9, "\6", 1, cgo));
        assert_true(closes(RELAY_CONNECTED, 9, "", 0, cgo)); // twice
        assert_false(closes(RELAY_CONNECTED, 8, "", 0, cgo));
        assert_true(closes(RELAY_SENDME, 0, "", 0, cgo)); // for nothing (4.10)
        assert_true(closes(RELAY_SENDME, 9, "", 0, cgo)); // above its start; with cc, at all (4.13)
        assert_false(closes(RELAY_SENDME, 8, "", 0, cgo));
        assert_false(closes(RELAY_XOFF, 9, "\0", 1, cgo));
        assert_false(closes(RELAY_XON, 9, "\0\0\0\0\0", 5, cgo));
        assert_false(closes(RELAY_XON, 9, "\1", 1, cgo));
    }
}

// ---- noise

static void test_noise(void **state)
{
    (void)state;
    static const uint8_t commands[] = {RELAY_BEGIN_DIR, RELAY_BEGIN_DIR, RELAY_DATA, RELAY_END,
                                       RELAY_CONNECTED, RELAY_SENDME,    RELAY_XOFF, RELAY_XON};
    struct desk *desk = open_desk();
    for (unsigned i = 0; i < 300; i++) {
        struct handle end = i % 2 ? desk_cgo_circuit(desk, CLIENT) : desk_circuit(desk, PREVIOUS);
        n_users = 0;
        next_to_send = i * 10;
        for (unsigned j = 0; j < 60; j++) {
            uint8_t body[32] = "d", choice[4];
            random_bytes(choice, sizeof(choice));
            random_bytes(body + 1, sizeof(body) - 1);
            if (choice[3] % 8 == 0)
                tell_tag(desk, end, choice[2], i % 2 ? 16 : 20);
            else if (choice[3] % 8 == 1)
                tell_drained(desk, end);
            else
                tell(desk, end, commands[choice[0] % 8], choice[1] % 5, body, choice[2] % 32);
            if (choice[3] % 8 == 2)
                desk_turn(desk);
            discard(desk);
        }
        desk_tell_closed(desk, 0, end, 0, DESTROY_NONE, true);
        desk_run(desk);
    }
    close_desk(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_and_answer),
        cmocka_unit_test(test_from_relay),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_closed_by_its_user),
        cmocka_unit_test(test_circuit_goes),
        cmocka_unit_test(test_protocol_errors),
        cmocka_unit_test(test_noise),
    };
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
