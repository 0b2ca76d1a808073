// SPDX-License-Identifier: BSD-3-Clause
// Relay messages that end here: streams are refused, flow control that nobody may send closes the
// circuit, the rest is dropped (protocol 4.05–4.10, 13.19).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/random.h"
#include "desk.h"

static bool closes(uint8_t command, uint16_t stream_id, size_t length)
{
    struct desk *desk = desk_open();
    struct handle end = desk_circuit(desk, CLIENT);
    uint8_t body[RELAY_BODY_MAX] = {0};
    desk_tell_relay(desk, end, CELL_RELAY, command, stream_id, body, length);
    bool closed = circuit_table_count(desk->relay.circuits) == 0;
    if (closed) {
        desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
        desk_expect_nothing(desk);
    }
    desk_close(desk);
    return closed;
}

static void test_streams_are_refused(void **state)
{
    (void)state;
    static const uint8_t policy = END_EXITPOLICY, no_directory = END_NOTDIRECTORY;
    static const uint8_t resolved[] = {0xf0, 0, 0, 0, 0, 60};
    struct desk *desk = desk_open();
    struct handle end = desk_circuit(desk, CLIENT);
    desk_tell_relay(desk, end, CELL_RELAY, RELAY_BEGIN, 7, "example.org:80", 15);
    desk_expect_originate(desk, 0, end, RELAY_END, 7, &policy, 1);
    desk_tell_relay(desk, end, CELL_RELAY, RELAY_BEGIN, UINT16_MAX, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_END, UINT16_MAX, &policy, 1);
    desk_tell_relay(desk, end, CELL_RELAY_EARLY, RELAY_BEGIN_DIR, 8, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_END, 8, &no_directory, 1);
    desk_tell_relay(desk, end, CELL_RELAY, RELAY_RESOLVE, 9, "example.org", 12);
    desk_expect_originate(desk, 0, end, RELAY_RESOLVED, 9, resolved, sizeof(resolved));
    assert_int_equal(desk->relay.counters.drop_relay_message, 0);
    // Stream 0 is nobody's (4.06).
    desk_tell_relay(desk, end, CELL_RELAY, RELAY_BEGIN, 0, "", 0);
    desk_tell_relay(desk, end, CELL_RELAY, RELAY_BEGIN_DIR, 0, "", 0);
    desk_tell_relay(desk, end, CELL_RELAY, RELAY_RESOLVE, 0, "", 0);
    desk_expect_nothing(desk);
    assert_int_equal(desk->relay.counters.drop_relay_message, 3);
    desk_close(desk);
}

// Once extended, the layer towards the origin is with the other end, on its worker.
static void test_answers_of_an_extended_circuit(void **state)
{
    (void)state;
    static const uint8_t policy = END_EXITPOLICY;
    struct desk *desk = desk_open();
    struct handle next, end = desk_circuit(desk, CLIENT);
    desk_tell_extend2(desk, end, FAR);
    uint64_t cookie = desk_dial(desk, FAR, &next);
    desk_tell_relay(desk, end, CELL_RELAY, RELAY_BEGIN, 3, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_END, 3, &policy, 1);
    desk_splice(desk, end, FAR, next, cookie);
    desk_tell_relay(desk, end, CELL_RELAY, RELAY_BEGIN, 4, "", 0);
    desk_expect_originate(desk, 1, next, RELAY_END, 4, &policy, 1);
    desk_close(desk);
}

// Only the origin has messages for us.
static void test_the_next_hop_says_nothing_to_us(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle next, end = desk_circuit(desk, CLIENT);
    desk_tell_extend2(desk, end, NEAR);
    uint64_t cookie = desk_dial(desk, NEAR, &next);
    desk_splice(desk, end, NEAR, next, cookie);
    desk_tell_relay(desk, next, CELL_RELAY, RELAY_BEGIN, 3, "", 0);
    desk_tell_relay(desk, next, CELL_RELAY, RELAY_SENDME, 0, "", 0);
    desk_expect_nothing(desk);
    desk_close(desk);
}

// We send no DATA, so there is nothing to acknowledge.
static void test_sendme(void **state)
{
    (void)state;
    assert_true(closes(RELAY_SENDME, 0, 23));
    assert_true(closes(RELAY_SENDME, 0, 0));
    assert_false(closes(RELAY_SENDME, 5, 0)); // of a stream that is gone
}

static void tell_data(struct desk *desk, struct handle end, unsigned number, uint8_t tag_length)
{
    struct message *m = desk_up(desk, 0, MSG_CIRCUIT_RELAY);
    m->circuit = end;
    m->command = CELL_RELAY;
    m->relay.command = RELAY_DATA;
    m->relay.stream_id = (uint16_t)(number % 3); // 0, too
    m->relay.tag_length = tag_length;
    memset(m->relay.tag, (int)number, sizeof(m->relay.tag));
    desk_tell(desk, m);
}

// It may have been sent before END came: the last cell of each increment is acknowledged.
static void check_sendmes(struct desk *desk, struct handle end, unsigned increment,
                          uint8_t tag_length)
{
    uint8_t sendme[3 + 20] = {1, 0, tag_length};
    for (unsigned i = 1; i <= 5 * increment + 1; i++) {
        tell_data(desk, end, i, tag_length);
        memset(sendme + 3, (int)i, sizeof(sendme) - 3);
        if (i % increment == 0)
            desk_expect_originate(desk, 0, end, RELAY_SENDME, 0, sendme, 3 + tag_length);
        desk_expect_nothing(desk);
    }
    assert_int_equal(desk->relay.counters.drop_relay_message, 5 * increment + 1);
    desk_close(desk);
}

static void test_data_is_acknowledged(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    check_sendmes(desk, desk_circuit(desk, CLIENT), 100, 20);
}

static void test_data_is_acknowledged_with_cgo(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    check_sendmes(desk, desk_cgo_circuit(desk, CLIENT), 31, 16);
}

static void test_empty_bodies(void **state)
{
    (void)state;
    static const uint8_t commands[] = {RELAY_END, RELAY_TRUNCATE, RELAY_TRUNCATED};
    for (unsigned i = 0; i < sizeof(commands); i++) {
        assert_true(closes(commands[i], 0, 0));
        assert_true(closes(commands[i], 1, 0));
        assert_false(closes(commands[i], 0, 1));
    }
}

static void test_the_rest_is_dropped(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle end = desk_circuit(desk, CLIENT);
    uint8_t body[RELAY_BODY_MAX];
    unsigned n = 0;
    for (unsigned command = 0; command <= UINT8_MAX; command++) {
        bool known = command == RELAY_BEGIN || command == RELAY_DATA || command == RELAY_SENDME ||
                     command == RELAY_TRUNCATE || command == RELAY_RESOLVE ||
                     command == RELAY_BEGIN_DIR || command == RELAY_EXTEND2;
        if (known)
            continue;
        random_bytes(body, sizeof(body));
        desk_tell_relay(desk, end, CELL_RELAY, (uint8_t)command, body[0] % 2, body,
                        command == RELAY_END || command == RELAY_TRUNCATED ? 1 : sizeof(body));
        desk_expect_nothing(desk);
        n++;
    }
    assert_int_equal(desk->relay.counters.drop_relay_message, n);
    assert_int_equal(circuit_table_count(desk->relay.circuits), 1);
    desk_close(desk);
}

// Every command in every order with noise as body: nothing leaks (desk_close looks).
static void test_noise(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    for (unsigned i = 0; i < 300; i++) {
        struct handle end = desk_circuit(desk, i % 2 ? CLIENT : PREVIOUS);
        for (unsigned j = 0; j < 30; j++) {
            uint8_t body[RELAY_BODY_MAX], choice[8];
            random_bytes(body, sizeof(body));
            random_bytes(choice, sizeof(choice));
            desk->links[FAR].open = choice[0] & 1;
            if (choice[1] % 3 == 0)
                desk_tell_extend2(desk, end, choice[0] & 2 ? FAR : NEAR);
            else
                desk_tell_relay(desk, end, choice[2] & 1 ? CELL_RELAY : CELL_RELAY_EARLY,
                                choice[3] % 16, choice[4] % 3, body,
                                (size_t)choice[5] * choice[6] % (sizeof(body) + 1));
            if (desk->requests && choice[7] % 4 == 0)
                desk_answer(desk, choice[7] & 8 ? &desk->links[FAR] : NULL, DESTROY_CONNECTFAILED);
            while (desk->inbox_length)
                channel_free(desk->inbox[--desk->inbox_length]);
        }
        desk_tell_closed(desk, 0, end, 0, DESTROY_NONE, true);
    }
    assert_int_equal(circuit_table_count(desk->relay.circuits), 0);
    desk_close(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams_are_refused),
        cmocka_unit_test(test_answers_of_an_extended_circuit),
        cmocka_unit_test(test_the_next_hop_says_nothing_to_us),
        cmocka_unit_test(test_sendme),
        cmocka_unit_test(test_data_is_acknowledged),
        cmocka_unit_test(test_data_is_acknowledged_with_cgo),
        cmocka_unit_test(test_empty_bodies),
        cmocka_unit_test(test_the_rest_is_dropped),
        cmocka_unit_test(test_noise),
    };
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
