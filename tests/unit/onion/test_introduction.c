// SPDX-License-Identifier: BSD-3-Clause
// The introduction point (protocol 7.08–7.19, 13.06, 13.48).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cursor.h"
#include "dir/parameters.h"
#include "netdoc/consensus.h"
#include "onion/relay/onion.h"
#include "onion_desk.h"

enum { ACK_OK, ACK_UNKNOWN, ACK_BAD, INTRODUCE1_LEN = 246 };

static const uint8_t no_extensions[] = {0};

// Of a new client's circuit, which gets this answer.
static struct handle introduce(struct desk *desk, const void *body, size_t length, uint8_t status)
{
    const uint8_t ack[] = {0, status, 0};
    struct handle client = desk_circuit(desk, PREVIOUS);
    say(desk, 0, client, RELAY_INTRODUCE1, body, length);
    desk_expect_originate(desk, 0, client, RELAY_INTRODUCE_ACK, 0, ack, sizeof(ack));
    desk_expect_nothing(desk);
    return client;
}

// One that the service gets.
static void introduce_to(struct desk *desk, struct handle service, const void *body, size_t length)
{
    static const uint8_t ack[] = {0, 0, 0};
    struct handle client = desk_circuit(desk, PREVIOUS);
    say(desk, 0, client, RELAY_INTRODUCE1, body, length);
    desk_expect_originate(desk, 0, service, RELAY_INTRODUCE2, 0, body, length);
    desk_expect_originate(desk, 0, client, RELAY_INTRODUCE_ACK, 0, ack, sizeof(ack));
    desk_expect_nothing(desk);
}

static void test_passed_on(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    uint8_t body[RELAY_BODY_MAX];
    struct handle first = introduction_point(desk, 1), second = introduction_point(desk, 2);
    assert_int_equal(desk->relay.counters.intro_points_open, 2);
    introduce1(2, 7, body, INTRODUCE1_LEN);
    introduce_to(desk, second, body, INTRODUCE1_LEN);
    introduce1(1, 7, body, 490); // as long as may be
    introduce_to(desk, first, body, 490);
    introduce1(1, 8, body, 57); // as short
    introduce_to(desk, first, body, 57);
    introduce1(3, 7, body, INTRODUCE1_LEN);
    introduce(desk, body, INTRODUCE1_LEN, ACK_UNKNOWN);
    // The service goes, and nobody finds it any more.
    desk_tell_closed(desk, 0, second, 0, DESTROY_FINISHED, true);
    desk_expect_nothing(desk);
    introduce1(2, 8, body, INTRODUCE1_LEN);
    introduce(desk, body, INTRODUCE1_LEN, ACK_UNKNOWN);
    assert_int_equal(desk->relay.counters.introductions, 3);
    assert_int_equal(desk->relay.counters.drop_introduce_unknown, 2);
    onion_desk_close(desk);
}

// ---- ESTABLISH_INTRO

static void test_establish_is_proved(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    uint8_t body[RELAY_BODY_MAX], other[RELAY_BODY_MAX];
    size_t length = 134;
    for (size_t i = 0; i < length; i++) { // all of it is signed, or is the signature
        struct handle end = desk_circuit(desk, PREVIOUS);
        assert_int_equal(establish_intro(desk, end, 1, no_extensions, 1, other), length);
        other[i] ^= 1;
        say(desk, 0, end, RELAY_ESTABLISH_INTRO, other, length);
        expect_refused(desk, end);
        end = desk_circuit(desk, PREVIOUS);
        other[i] ^= 1;
        say(desk, 0, end, RELAY_ESTABLISH_INTRO, other, i);
        expect_refused(desk, end);
    }
    // It is of one circuit: nobody can say it again on another.
    struct handle first = desk_circuit(desk, PREVIOUS), second = desk_circuit(desk, PREVIOUS);
    establish_intro(desk, first, 1, no_extensions, 1, body);
    say(desk, 0, second, RELAY_ESTABLISH_INTRO, body, length);
    expect_refused(desk, second);
    assert_int_equal(desk->relay.counters.drop_intro_establish, 2 * length + 1);
    assert_int_equal(desk->relay.counters.intro_points_established, 0);
    say(desk, 0, first, RELAY_ESTABLISH_INTRO, body, length);
    desk_expect_originate(desk, 0, first, RELAY_INTRO_ESTABLISHED, 0, no_extensions, 1);
    assert_int_equal(desk->relay.counters.intro_points_established, 1);
    onion_desk_close(desk);
}

// A service's new circuit takes the place of its old one (7.11).
static void test_established_again(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    uint8_t body[RELAY_BODY_MAX];
    struct handle old = introduction_point(desk, 1), new = desk_circuit(desk, PREVIOUS);
    size_t length = establish_intro(desk, new, 1, no_extensions, 1, body);
    say(desk, 0, new, RELAY_ESTABLISH_INTRO, body, length);
    desk_expect_close(desk, 0, old, DESTROY_FINISHED);
    desk_expect_originate(desk, 0, new, RELAY_INTRO_ESTABLISHED, 0, no_extensions, 1);
    introduce1(1, 1, body, INTRODUCE1_LEN);
    introduce_to(desk, new, body, INTRODUCE1_LEN);
    assert_int_equal(desk->relay.counters.intro_points_open, 1);
    onion_desk_close(desk);
}

// ---- INTRODUCE1

static void test_bad_format(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    uint8_t body[RELAY_BODY_MAX];
    introduction_point(desk, 1);
    introduce1(1, 1, body, 498);
    introduce(desk, body, 491, ACK_BAD); // would not fit in a CGO circuit, which this is not
    introduce(desk, body, 498, ACK_BAD);
    for (size_t length = 20; length < 57; length++)
        introduce(desk, body, length, ACK_BAD);
    body[20] = 1; // another kind of key
    introduce(desk, body, INTRODUCE1_LEN, ACK_BAD);
    body[20] = 2;
    body[22] = 31; // its length
    introduce(desk, body, INTRODUCE1_LEN, ACK_BAD);
    body[22] = 32;
    body[55] = 1; // an extension of one byte more than there are
    body[57] = INTRODUCE1_LEN - 57;
    introduce(desk, body, INTRODUCE1_LEN, ACK_BAD);
    body[57] = INTRODUCE1_LEN - 58; // nothing behind it
    introduce(desk, body, INTRODUCE1_LEN, ACK_BAD);
    assert_int_equal(desk->relay.counters.introductions, 0);
    assert_int_equal(desk->relay.counters.drop_introduce_malformed, 2 + 37 + 4);
    onion_desk_close(desk);
}

// 13.06: the form of version 2 begins with a key's digest.
static void test_version_2(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    uint8_t body[RELAY_BODY_MAX];
    introduction_point(desk, 1);
    for (unsigned i = 0; i < 20; i++) {
        introduce1(1, 1, body, INTRODUCE1_LEN);
        body[i] = 1;
        introduce(desk, body, INTRODUCE1_LEN, ACK_BAD);
    }
    introduce(desk, body, 20, ACK_BAD);
    assert_int_equal(desk->relay.counters.drop_introduce_old, 21);
    onion_desk_close(desk);
}

static void test_too_short_for_an_answer(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    static const uint8_t body[20] = {0};
    for (size_t length = 0; length < 20; length++) {
        struct handle client = desk_circuit(desk, PREVIOUS);
        say(desk, 0, client, RELAY_INTRODUCE1, body, length);
        expect_refused(desk, client);
    }
    onion_desk_close(desk);
}

// 7.16: one for each circuit, whatever became of it. It may be extended to another.
static void test_once_for_each_circuit(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    uint8_t body[RELAY_BODY_MAX];
    introduction_point(desk, 1);
    for (uint8_t service = 1; service <= 2; service++) {
        introduce1(2, service, body, INTRODUCE1_LEN);
        struct handle client = introduce(desk, body, INTRODUCE1_LEN, ACK_UNKNOWN);
        introduce1(service, 9, body, INTRODUCE1_LEN);
        say(desk, 0, client, RELAY_INTRODUCE1, body, INTRODUCE1_LEN);
        expect_refused(desk, client);
    }
    assert_int_equal(desk->relay.counters.drop_introduce_again, 2);
    struct handle client = introduce(desk, body, 30, ACK_BAD);
    desk_tell_extend2(desk, client, FAR);
    desk_dial(desk, FAR, NULL);
    onion_desk_close(desk);
}

static void test_not_from_a_single_hop(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    uint8_t body[RELAY_BODY_MAX];
    introduction_point(desk, 1);
    introduce1(1, 1, body, INTRODUCE1_LEN);
    struct handle client = desk_circuit(desk, CLIENT);
    say(desk, 0, client, RELAY_INTRODUCE1, body, INTRODUCE1_LEN);
    expect_refused(desk, client);
    assert_int_equal(desk->relay.counters.drop_introduce_single_hop, 1);
    onion_desk_close(desk);
}

static void test_not_again(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    uint8_t body[RELAY_BODY_MAX];
    struct handle service = introduction_point(desk, 1);
    introduce1(1, 1, body, INTRODUCE1_LEN);
    introduce_to(desk, service, body, INTRODUCE1_LEN);
    introduce(desk, body, INTRODUCE1_LEN, ACK_UNKNOWN);
    assert_int_equal(desk->relay.counters.drop_introduce_replay, 1);
    introduce1(1, 2, body, INTRODUCE1_LEN);
    introduce_to(desk, service, body, INTRODUCE1_LEN);
    onion_desk_close(desk);
}

// ---- rates

// An extension block with these parameters; its length.
static size_t limits(uint64_t rate, uint64_t burst, uint8_t *out, size_t capacity)
{
    struct writer w = writer_of(out, capacity);
    write_u8(&w, 2);
    write_u8(&w, 77); // one that nobody knows
    write_u8(&w, 3);
    write_zeros(&w, 3);
    write_u8(&w, 1);
    write_u8(&w, 19);
    write_u8(&w, 2);
    write_u8(&w, 2);
    write_u64(&w, burst);
    write_u8(&w, 1);
    write_u64(&w, rate);
    assert_false(w.failed);
    return writer_length(&w);
}

static struct handle limited_point(struct desk *desk, const void *extensions, size_t length)
{
    uint8_t body[RELAY_BODY_MAX];
    struct handle end = desk_circuit(desk, PREVIOUS);
    length = establish_intro(desk, end, 1, extensions, length, body);
    say(desk, 0, end, RELAY_ESTABLISH_INTRO, body, length);
    desk_expect_originate(desk, 0, end, RELAY_INTRO_ESTABLISHED, 0, no_extensions, 1);
    return end;
}

// How many of `n` introductions get through at once.
static unsigned get_through(struct desk *desk, unsigned n)
{
    static uint16_t what;
    uint64_t before = desk->relay.counters.introductions;
    uint8_t body[RELAY_BODY_MAX];
    for (unsigned i = 0; i < n; i++) {
        struct handle client = desk_circuit(desk, PREVIOUS);
        introduce1(1, 0, body, INTRODUCE1_LEN);
        what++;
        memcpy(body + 100, &what, sizeof(what));
        say(desk, 0, client, RELAY_INTRODUCE1, body, INTRODUCE1_LEN);
        while (desk->inbox_length)
            channel_free(desk_expect(desk, MSG_CIRCUIT_ORIGINATE));
    }
    return (unsigned)(desk->relay.counters.introductions - before);
}

static void test_rate_that_the_service_asks_for(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    uint8_t extensions[64];
    size_t length = limits(2, 5, extensions, sizeof(extensions));
    limited_point(desk, extensions, length);
    desk->relay.uptime_s = 100;
    assert_int_equal(get_through(desk, 8), 5);
    assert_int_equal(desk->relay.counters.drop_introduce_rate, 3);
    desk->relay.uptime_s = 101;
    assert_int_equal(get_through(desk, 8), 2);
    desk->relay.uptime_s = 1000;
    assert_int_equal(get_through(desk, 8), 5);
    onion_desk_close(desk);
}

static void test_rates_that_are_none(void **state)
{
    (void)state;
    static const uint64_t pairs[][2] = {
        {0, 0}, {0, 5}, {5, 0}, {6, 5}, {1, UINT64_C(1) << 31}, {UINT64_MAX, UINT64_MAX}};
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct desk *desk = onion_desk_open();
        uint8_t extensions[64];
        size_t length = limits(pairs[i][0], pairs[i][1], extensions, sizeof(extensions));
        limited_point(desk, extensions, length);
        assert_int_equal(get_through(desk, 10), 10);
        onion_desk_close(desk);
    }
}

// 7.13: for services that do not say, the consensus does; at any time.
static void test_rate_of_the_consensus(void **state)
{
    (void)state;
    struct consensus_parameter parameters[] = {{"HiddenServiceEnableIntroDoSBurstPerSec", 6},
                                               {"HiddenServiceEnableIntroDoSDefense", 1},
                                               {"HiddenServiceEnableIntroDoSRatePerSec", 3}};
    struct consensus consensus = {.parameters = parameters, .n_parameters = 3};
    struct desk *desk = onion_desk_open();
    desk->relay.parameters = parameters_create(&desk->relay);
    limited_point(desk, no_extensions, sizeof(no_extensions));
    assert_int_equal(get_through(desk, 10), 10);
    parameters_update(&desk->relay, &consensus);
    desk_run(desk);
    for (unsigned i = 0; i < DESK_WORKERS; i++)
        channel_free(desk_expect(desk, MSG_PARAMETERS));
    assert_int_equal(get_through(desk, 10), 6);
    desk->relay.uptime_s++;
    assert_int_equal(get_through(desk, 10), 3);
    parameters_free(desk->relay.parameters);
    onion_desk_close(desk);
}

// ---- roles

// In every role, each message that the role does not allow ends the circuit, as does EXTEND2.
static void test_wrong_roles(void **state)
{
    (void)state;
    static const uint8_t commands[] = {RELAY_ESTABLISH_INTRO, RELAY_INTRODUCE1,
                                       RELAY_ESTABLISH_RENDEZVOUS, RELAY_RENDEZVOUS1,
                                       RELAY_EXTEND2};
    for (size_t i = 0; i < sizeof(commands); i++) {
        struct desk *desk = onion_desk_open();
        uint8_t body[RELAY_BODY_MAX] = {0};
        struct handle service = introduction_point(desk, 1);
        size_t length = 20;
        if (commands[i] == RELAY_ESTABLISH_INTRO)
            length = establish_intro(desk, service, 2, no_extensions, 1, body);
        if (commands[i] == RELAY_INTRODUCE1)
            introduce1(1, 1, body, length = INTRODUCE1_LEN);
        if (commands[i] == RELAY_EXTEND2)
            desk_tell_extend2(desk, service, FAR);
        else
            say(desk, 0, service, commands[i], body, length);
        expect_refused(desk, service);
        assert_int_equal(desk->relay.counters.intro_points_open, 0);
        onion_desk_close(desk);
    }
}

// Only a circuit that ends here can have a role.
static void test_extended_circuits(void **state)
{
    (void)state;
    for (unsigned truncated = 0; truncated < 2; truncated++) {
        struct desk *desk = onion_desk_open();
        uint8_t body[RELAY_BODY_MAX];
        struct handle next, end = desk_circuit(desk, PREVIOUS);
        size_t length = establish_intro(desk, end, 1, no_extensions, 1, body);
        desk_tell_extend2(desk, end, NEAR);
        uint64_t cookie = desk_dial(desk, NEAR, &next);
        desk_splice(desk, end, NEAR, next, cookie);
        if (truncated) {
            say(desk, 0, end, RELAY_TRUNCATE, "\0", 1);
            channel_free(desk_expect(desk, MSG_CIRCUIT_TRUNCATE));
        }
        say(desk, 0, end, RELAY_ESTABLISH_INTRO, body, length);
        desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
        if (!truncated)
            desk_expect_close(desk, 0, next, DESTROY_DESTROYED);
        desk_expect_nothing(desk);
        onion_desk_close(desk);
    }
}

// What only services and clients are told, by us.
static void test_answers_are_dropped(void **state)
{
    (void)state;
    static const uint8_t commands[] = {RELAY_INTRODUCE2, RELAY_RENDEZVOUS2, RELAY_INTRO_ESTABLISHED,
                                       RELAY_RENDEZVOUS_ESTABLISHED, RELAY_INTRODUCE_ACK};
    struct desk *desk = onion_desk_open();
    struct handle end = desk_circuit(desk, PREVIOUS);
    for (size_t i = 0; i < sizeof(commands); i++)
        say(desk, 0, end, commands[i], commands, sizeof(commands));
    desk_expect_nothing(desk);
    assert_int_equal(desk->relay.counters.drop_relay_message, sizeof(commands));
    onion_desk_close(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_passed_on),
        cmocka_unit_test(test_establish_is_proved),
        cmocka_unit_test(test_established_again),
        cmocka_unit_test(test_bad_format),
        cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_too_short_for_an_answer),
        cmocka_unit_test(test_once_for_each_circuit),
        cmocka_unit_test(test_not_from_a_single_hop),
        cmocka_unit_test(test_not_again),
        cmocka_unit_test(test_rate_that_the_service_asks_for),
        cmocka_unit_test(test_rates_that_are_none),
        cmocka_unit_test(test_rate_of_the_consensus),
        cmocka_unit_test(test_wrong_roles),
        cmocka_unit_test(test_extended_circuits),
        cmocka_unit_test(test_answers_are_dropped),
    };
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
