// SPDX-License-Identifier: BSD-3-Clause
// The rendezvous point (protocol 7.20–7.23, 5.12, 13.01, 13.48).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onion/relay/onion.h"
#include "onion_desk.h"

enum { COOKIE_LEN = 20, LIFETIME_S = 600, HANDSHAKE_LEN = 168 };

static const uint8_t cookie[COOKIE_LEN] = {"a cookie that is ok"};

static struct handle wait_at(struct desk *desk, unsigned link, const uint8_t *name)
{
    struct handle end = desk_circuit(desk, link);
    unsigned worker = desk->links[link].connection.worker;
    say(desk, worker, end, RELAY_ESTABLISH_RENDEZVOUS, name, COOKIE_LEN);
    desk_expect_originate(desk, worker, end, RELAY_RENDEZVOUS_ESTABLISHED, 0, "", 0);
    desk_expect_nothing(desk);
    return end;
}

static void rendezvous1(uint8_t body[COOKIE_LEN + HANDSHAKE_LEN], const uint8_t *name)
{
    memcpy(body, name, COOKIE_LEN);
    for (unsigned i = 0; i < HANDSHAKE_LEN; i++)
        body[COOKIE_LEN + i] = (uint8_t)i;
}

static void check_join(struct message *m, unsigned worker, struct handle end, unsigned other_worker,
                       struct handle other)
{
    assert_int_equal(m->worker, worker);
    assert_int_equal(m->circuit.index, end.index);
    assert_int_equal(m->circuit.generation, end.generation);
    assert_int_equal(m->peer.worker, other_worker);
    assert_int_equal(m->peer.circuit.index, other.index);
    assert_int_equal(m->peer.circuit.generation, other.generation);
}

// The service comes over this link, and the two are joined.
static struct handle join(struct desk *desk, unsigned link, unsigned client_worker,
                          struct handle client, size_t handshake)
{
    uint8_t body[COOKIE_LEN + HANDSHAKE_LEN];
    unsigned worker = desk->links[link].connection.worker;
    struct handle service = desk_circuit(desk, link);
    rendezvous1(body, cookie);
    say(desk, worker, service, RELAY_RENDEZVOUS1, body, COOKIE_LEN + handshake);
    // Of what goes to two workers, worker 0's comes first here; on one, the client's.
    bool client_first = client_worker <= worker;
    struct message *first = desk_expect(desk, MSG_CIRCUIT_JOIN);
    struct message *second = desk_expect(desk, MSG_CIRCUIT_JOIN);
    struct message *of_client = client_first ? first : second;
    struct message *of_service = client_first ? second : first;
    check_join(of_client, client_worker, client, worker, service);
    check_join(of_service, worker, service, client_worker, client);
    assert_int_equal(of_service->peer.relay.command, 0);
    assert_int_equal(of_service->length, 0);
    assert_int_equal(of_client->peer.relay.command, RELAY_RENDEZVOUS2);
    assert_int_equal(of_client->length, handshake);
    assert_memory_equal(of_client->payload, body + COOKIE_LEN, handshake);
    channel_free(first);
    channel_free(second);
    desk_expect_nothing(desk);
    return service;
}

static void test_joined(void **state)
{
    (void)state;
    static const size_t lengths[] = {HANDSHAKE_LEN, 64, 0};
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned link = PREVIOUS; link <= FAR; link += FAR - PREVIOUS) {
            struct desk *desk = onion_desk_open();
            struct handle client = wait_at(desk, PREVIOUS, cookie);
            assert_int_equal(desk->relay.counters.rendezvous_waiting, 1);
            join(desk, link, 0, client, lengths[i]);
            assert_int_equal(desk->relay.counters.rendezvous_waiting, 0);
            assert_int_equal(desk->relay.counters.rendezvous_joined, 1);
            onion_desk_close(desk);
        }
    }
}

static void test_client_on_another_worker(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    struct handle client = wait_at(desk, FAR, cookie);
    join(desk, PREVIOUS, 1, client, HANDSHAKE_LEN);
    onion_desk_close(desk);
}

static void test_used_once(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    uint8_t body[COOKIE_LEN + HANDSHAKE_LEN];
    struct handle client = wait_at(desk, PREVIOUS, cookie);
    join(desk, PREVIOUS, 0, client, HANDSHAKE_LEN);
    struct handle other = desk_circuit(desk, PREVIOUS);
    rendezvous1(body, cookie);
    say(desk, 0, other, RELAY_RENDEZVOUS1, body, sizeof(body));
    expect_refused(desk, other);
    assert_int_equal(desk->relay.counters.drop_rendezvous_unknown, 1);
    onion_desk_close(desk);
}

// Nobody takes a cookie over while somebody waits at it.
static void test_cookie_in_use(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    struct handle client = wait_at(desk, PREVIOUS, cookie);
    struct handle other = desk_circuit(desk, PREVIOUS);
    say(desk, 0, other, RELAY_ESTABLISH_RENDEZVOUS, cookie, COOKIE_LEN);
    expect_refused(desk, other);
    assert_int_equal(desk->relay.counters.drop_rendezvous_cookie_used, 1);
    join(desk, PREVIOUS, 0, client, HANDSHAKE_LEN);
    onion_desk_close(desk);
}

static void test_malformed(void **state)
{
    (void)state;
    static const uint8_t zeros[COOKIE_LEN + 1] = {0};
    struct desk *desk = onion_desk_open();
    for (size_t length = 0; length <= COOKIE_LEN + 1; length++) {
        if (length == COOKIE_LEN)
            continue;
        struct handle end = desk_circuit(desk, PREVIOUS);
        say(desk, 0, end, RELAY_ESTABLISH_RENDEZVOUS, zeros, length);
        expect_refused(desk, end);
    }
    wait_at(desk, PREVIOUS, zeros);
    for (size_t length = 0; length < COOKIE_LEN; length++) {
        struct handle end = desk_circuit(desk, PREVIOUS);
        say(desk, 0, end, RELAY_RENDEZVOUS1, zeros, length);
        expect_refused(desk, end);
    }
    assert_int_equal(desk->relay.counters.drop_rendezvous_malformed, 2 * COOKIE_LEN + 1);
    // A cookie that differs anywhere is another.
    for (unsigned i = 0; i < COOKIE_LEN; i++) {
        uint8_t body[COOKIE_LEN + HANDSHAKE_LEN] = {0};
        struct handle end = desk_circuit(desk, PREVIOUS);
        body[i] = 1;
        say(desk, 0, end, RELAY_RENDEZVOUS1, body, sizeof(body));
        expect_refused(desk, end);
    }
    assert_int_equal(desk->relay.counters.rendezvous_waiting, 1);
    onion_desk_close(desk);
}

// One goes, and the other goes with it.
static void test_close_together(void **state)
{
    (void)state;
    for (unsigned client_closes = 0; client_closes < 2; client_closes++) {
        struct desk *desk = onion_desk_open();
        struct handle client = wait_at(desk, PREVIOUS, cookie);
        struct handle service = join(desk, FAR, 0, client, HANDSHAKE_LEN);
        if (client_closes) {
            desk_tell_closed(desk, 0, client, 0, DESTROY_FINISHED, true);
            desk_expect_close(desk, 1, service, DESTROY_DESTROYED);
        } else {
            desk_tell_closed(desk, 1, service, 0, DESTROY_RESOURCELIMIT, false);
            desk_expect_close(desk, 0, client, DESTROY_DESTROYED);
        }
        desk_expect_nothing(desk);
        assert_int_equal(circuit_table_count(desk->relay.circuits), 0);
        // What was under way when it closed.
        desk_tell_closed(desk, 0, client, 0, DESTROY_FINISHED, true);
        desk_tell_closed(desk, 1, service, 0, DESTROY_FINISHED, true);
        desk_expect_nothing(desk);
        onion_desk_close(desk);
    }
}

static void test_freed_as_they_are(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    struct handle client = wait_at(desk, PREVIOUS, cookie);
    join(desk, FAR, 0, client, HANDSHAKE_LEN);
    wait_at(desk, PREVIOUS, cookie);
    introduction_point(desk, 1);
    circuit_table_free(desk->relay.circuits);
    desk_run(desk);
    desk_expect_nothing(desk);
    desk->relay.circuits = circuit_table_create(&desk->relay);
    onion_desk_close(desk);
}

static void test_client_gives_up(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    struct handle client = wait_at(desk, PREVIOUS, cookie);
    desk_tell_closed(desk, 0, client, 0, DESTROY_FINISHED, true);
    assert_int_equal(desk->relay.counters.rendezvous_waiting, 0);
    wait_at(desk, PREVIOUS, cookie); // it is free again
    onion_desk_close(desk);
}

static void tick(struct desk *desk, uint32_t uptime_s)
{
    desk->relay.uptime_s = uptime_s;
    onion_tick(&desk->relay);
    desk_run(desk);
}

static void test_nobody_comes(void **state)
{
    (void)state;
    uint8_t other[COOKIE_LEN] = {1}, body[COOKIE_LEN + HANDSHAKE_LEN];
    struct desk *desk = onion_desk_open();
    tick(desk, 1000);
    struct handle first = wait_at(desk, PREVIOUS, cookie);
    tick(desk, 1100);
    struct handle second = wait_at(desk, PREVIOUS, other);
    tick(desk, 1000 + LIFETIME_S - 1);
    desk_expect_nothing(desk);
    tick(desk, 1000 + LIFETIME_S);
    desk_expect_close(desk, 0, first, DESTROY_TIMEOUT);
    desk_expect_nothing(desk);
    struct handle service = desk_circuit(desk, PREVIOUS);
    rendezvous1(body, cookie);
    say(desk, 0, service, RELAY_RENDEZVOUS1, body, sizeof(body));
    expect_refused(desk, service);
    tick(desk, 1100 + LIFETIME_S);
    desk_expect_close(desk, 0, second, DESTROY_TIMEOUT);
    desk_expect_nothing(desk);
    assert_int_equal(desk->relay.counters.drop_rendezvous_timeout, 2);
    // Joined ones stay for as long as they like.
    first = wait_at(desk, PREVIOUS, cookie);
    join(desk, FAR, 0, first, HANDSHAKE_LEN);
    tick(desk, 100 * LIFETIME_S);
    desk_expect_nothing(desk);
    onion_desk_close(desk);
}

// When too many wait, whoever has waited longest gives way.
static void test_bounded(void **state)
{
    (void)state;
    enum { WAITING_MAX = 1024, MORE = 10 };
    uint8_t name[COOKIE_LEN] = {0};
    struct handle ends[WAITING_MAX + MORE];
    struct desk *desk = onion_desk_open();
    for (unsigned i = 0; i < WAITING_MAX + MORE; i++) {
        memcpy(name, &i, sizeof(i));
        // Handles have indices below 100 here; what a worker does is not of interest.
        ends[i] = (struct handle){i, 1};
        uint8_t x[20] = {1};
        desk_tell_create(desk, PREVIOUS, ends[i], CELL_CREATE_FAST, x, sizeof(x));
        desk_run(desk);
        channel_free(desk_expect(desk, MSG_CIRCUIT_ACCEPT));
        say(desk, 0, ends[i], RELAY_ESTABLISH_RENDEZVOUS, name, sizeof(name));
        if (i >= WAITING_MAX)
            desk_expect_close(desk, 0, ends[i - WAITING_MAX], DESTROY_RESOURCELIMIT);
        desk_expect_originate(desk, 0, ends[i], RELAY_RENDEZVOUS_ESTABLISHED, 0, "", 0);
    }
    assert_int_equal(desk->relay.counters.rendezvous_waiting, WAITING_MAX);
    assert_int_equal(desk->relay.counters.drop_rendezvous_limit, MORE);
    // One at a time, or what goes down would not fit in the pool.
    for (unsigned i = MORE; i < WAITING_MAX + MORE; i++) {
        desk_tell_closed(desk, 0, ends[i], 0, DESTROY_FINISHED, true);
        desk_expect_nothing(desk);
    }
    onion_desk_close(desk);
}

// 5.12: without a word, so that who tries it has to wait.
static void test_single_hop_clients(void **state)
{
    (void)state;
    struct desk *desk = onion_desk_open();
    wait_at(desk, CLIENT, cookie); // unless the consensus or the operator says otherwise
    onion_desk_close(desk);
    desk = onion_desk_open();
    desk->config.dos.refuse_single_hop_rendezvous = CONFIG_DOS_ON;
    struct handle client = desk_circuit(desk, CLIENT);
    say(desk, 0, client, RELAY_ESTABLISH_RENDEZVOUS, cookie, COOKIE_LEN);
    desk_expect_nothing(desk);
    assert_int_equal(circuit_table_count(desk->relay.circuits), 1);
    assert_int_equal(desk->relay.counters.drop_rendezvous_single_hop, 1);
    client = wait_at(desk, PREVIOUS, cookie);
    // A service may come straight, if it wants to be known.
    join(desk, CLIENT, 0, client, HANDSHAKE_LEN);
    onion_desk_close(desk);
}

// In each role, every message that it does not allow ends the circuit, and the one that it was
// joined with.
static void test_wrong_roles(void **state)
{
    (void)state;
    static const uint8_t commands[] = {RELAY_ESTABLISH_INTRO, RELAY_INTRODUCE1,
                                       RELAY_ESTABLISH_RENDEZVOUS, RELAY_RENDEZVOUS1,
                                       RELAY_EXTEND2};
    for (unsigned joined = 0; joined < 2; joined++) {
        for (size_t i = 0; i < sizeof(commands); i++) {
            struct desk *desk = onion_desk_open();
            uint8_t body[RELAY_BODY_MAX] = {1};
            struct handle service, client = wait_at(desk, PREVIOUS, cookie);
            if (joined)
                service = join(desk, PREVIOUS, 0, client, HANDSHAKE_LEN);
            if (commands[i] == RELAY_EXTEND2)
                desk_tell_extend2(desk, client, FAR);
            else if (commands[i] == RELAY_INTRODUCE1) {
                introduce1(1, 1, body, 246);
                say(desk, 0, client, commands[i], body, 246);
            } else
                say(desk, 0, client, commands[i], body, COOKIE_LEN);
            desk_expect_close(desk, 0, client, DESTROY_PROTOCOL);
            if (joined)
                desk_expect_close(desk, 0, service, DESTROY_DESTROYED);
            desk_expect_nothing(desk);
            onion_desk_close(desk);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joined),
        cmocka_unit_test(test_client_on_another_worker),
        cmocka_unit_test(test_used_once),
        cmocka_unit_test(test_cookie_in_use),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_close_together),
        cmocka_unit_test(test_freed_as_they_are),
        cmocka_unit_test(test_client_gives_up),
        cmocka_unit_test(test_nobody_comes),
        cmocka_unit_test(test_bounded),
        cmocka_unit_test(test_single_hop_clients),
        cmocka_unit_test(test_wrong_roles),
    };
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
