// SPDX-License-Identifier: BSD-3-Clause
// Shares of client addresses and of circuits (protocol 5.09–5.13).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/config.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "dos/dos.h"
#include "netdoc/consensus.h"
#include "relay.h"
#include "token_bucket.h"

struct desk {
    struct relay relay;
    struct config config;
};

static struct desk *desk_open(void)
{
    struct desk *desk = calloc(1, sizeof(*desk));
    assert_non_null(desk);
    desk->relay.config = &desk->config;
    desk->relay.uptime_s = 1000;
    desk->relay.dos = dos_create(&desk->relay);
    assert_non_null(desk->relay.dos);
    return desk;
}

static void desk_close(struct desk *desk)
{
    dos_free(desk->relay.dos);
    parameters_free(desk->relay.parameters);
    free(desk);
}

static struct address host(unsigned n)
{
    return address_ipv4(0x0a000000 + n, (uint16_t)n); // ports differ, and are no matter
}

static bool opens(struct desk *desk, unsigned n)
{
    struct address a = host(n);
    a.port = (uint16_t)random_uniform(65536);
    return dos_may_connect(&desk->relay, &a) && dos_link_opened(&desk->relay, &a, false);
}

static void closes(struct desk *desk, unsigned n)
{
    struct address a = host(n);
    dos_link_closed(&desk->relay, &a, false);
}

static bool creates(struct desk *desk, unsigned n)
{
    struct address a = host(n);
    return dos_may_create(&desk->relay, &a);
}

static unsigned creates_of(struct desk *desk, unsigned n, unsigned tries)
{
    unsigned created = 0;
    for (unsigned i = 0; i < tries; i++)
        created += creates(desk, n);
    return created;
}

// Without a consensus, as C tor: nothing is on.
static void test_off(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct token_bucket bucket = {0};
    for (unsigned i = 0; i < 1000; i++) {
        assert_true(opens(desk, 1));
        assert_true(creates(desk, 1));
        assert_int_equal(dos_stream(&desk->relay, &bucket), DOS_STREAM_NONE);
    }
    assert_false(dos_refuses_single_hop(&desk->relay));
    desk_close(desk);
    static const struct config empty;
    struct relay bare = {.config = &empty, .uptime_s = 1};
    struct address a = host(1);
    assert_true(dos_may_connect(&bare, &a) && dos_link_opened(&bare, &a, false));
    assert_true(dos_may_create(&bare, &a));
    dos_link_closed(&bare, &a, false);
    dos_tick(NULL);
}

static void test_circuits(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    desk->config.dos.circuits = CONFIG_DOS_ON; // 3 connections, 3 a second, 90 at once, an hour
    for (unsigned i = 0; i < 3; i++)
        assert_true(opens(desk, 1));
    assert_true(opens(desk, 2));
    assert_int_equal(creates_of(desk, 1, 200), 90);
    assert_int_equal(desk->relay.counters.drop_dos_circuit, 110);
    assert_int_equal(desk->relay.counters.dos_marked_circuits, 1);
    // With fewer connections it may.
    assert_int_equal(creates_of(desk, 2, 200), 200);
    // It is shut out for the period and half of it again at most.
    desk->relay.uptime_s += 3600;
    assert_false(creates(desk, 1));
    desk->relay.uptime_s += 1801;
    assert_int_equal(creates_of(desk, 1, 10), 10);
    // One that nobody knows has no connection.
    assert_true(creates(desk, 3));
    desk_close(desk);
}

static void test_circuits_within_the_rate(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    desk->config.dos.circuits = CONFIG_DOS_ON;
    desk->config.dos.circuits_per_s = 5;
    desk->config.dos.circuits_burst = 20;
    desk->config.dos.circuits_min_connections = 1;
    assert_true(opens(desk, 1));
    assert_int_equal(creates_of(desk, 1, 20), 20);
    for (unsigned i = 0; i < 100; i++) {
        desk->relay.uptime_s++;
        assert_int_equal(creates_of(desk, 1, 5), 5);
    }
    assert_int_equal(creates_of(desk, 1, 1), 0);
    desk_close(desk);
}

static void test_connections_at_once(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    desk->config.dos.connections = CONFIG_DOS_ON;
    desk->config.dos.connections_max = 5;
    for (unsigned i = 0; i < 5; i++)
        assert_true(opens(desk, 1));
    assert_false(opens(desk, 1));
    assert_int_equal(desk->relay.counters.drop_dos_connection, 1);
    assert_true(opens(desk, 2));
    closes(desk, 1);
    assert_true(opens(desk, 1));
    // Many whose handshakes end together are counted when they are open.
    struct address a = host(1);
    assert_false(dos_link_opened(&desk->relay, &a, false));
    closes(desk, 1);
    assert_int_equal(desk->relay.counters.drop_dos_connection, 2);
    desk_close(desk);
}

static void test_connecting_too_often(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    desk->config.dos.connections = CONFIG_DOS_ON; // 20 a second, 40 at once, a day
    for (unsigned i = 0; i < 40; i++) {
        assert_true(opens(desk, 1));
        closes(desk, 1);
    }
    assert_true(opens(desk, 1)); // it is this one that was too many
    closes(desk, 1);
    assert_int_equal(desk->relay.counters.dos_marked_connections, 1);
    assert_false(opens(desk, 1));
    assert_int_equal(desk->relay.counters.drop_dos_connect_rate, 1);
    desk->relay.uptime_s += 86400;
    dos_tick(desk->relay.dos);
    assert_false(opens(desk, 1));
    desk->relay.uptime_s += 43201;
    assert_true(opens(desk, 1));
    desk_close(desk);
}

// Relays that proved to be some are let in whatever clients of their address do.
static void test_relays_are_exempt(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct address a = host(1);
    desk->config.dos.connections = CONFIG_DOS_ON;
    desk->config.dos.connections_max = 2;
    for (unsigned i = 0; i < 500; i++)
        assert_true(dos_may_connect(&desk->relay, &a) && dos_link_opened(&desk->relay, &a, true));
    assert_true(opens(desk, 1));
    assert_true(opens(desk, 1));
    assert_true(dos_may_connect(&desk->relay, &a)); // as far as its handshake, which says who it is
    assert_false(dos_link_opened(&desk->relay, &a, false));
    assert_true(dos_link_opened(&desk->relay, &a, true));
    desk_close(desk);
}

static void test_only_counted(void **state)
{
    (void)state;
    struct consensus_parameter parameters[] = {
        {"DoSCircuitCreationBurst", 10},       {"DoSCircuitCreationDefenseType", 1},
        {"DoSCircuitCreationEnabled", 1},      {"DoSCircuitCreationMinConnections", 1},
        {"DoSConnectionDefenseType", 1},       {"DoSConnectionEnabled", 1},
        {"DoSConnectionMaxConcurrentCount", 3}};
    struct consensus consensus = {.parameters = parameters, .n_parameters = 7};
    struct desk *desk = desk_open();
    desk->relay.parameters = parameters_create(&desk->relay);
    parameters_update(&desk->relay, &consensus);
    for (unsigned i = 0; i < 5; i++)
        assert_true(opens(desk, 1));
    assert_int_equal(creates_of(desk, 1, 15), 15);
    assert_int_equal(desk->relay.counters.drop_dos_circuit, 5);
    // Each of the last two on its way in, and again when it was open.
    assert_int_equal(desk->relay.counters.drop_dos_connection, 4);
    // The operator's word comes first.
    desk->config.dos.circuits = CONFIG_DOS_OFF;
    assert_int_equal(creates_of(desk, 1, 15), 15);
    assert_int_equal(desk->relay.counters.drop_dos_circuit, 5);
    desk_close(desk);
}

static void test_streams(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct token_bucket bucket = {0}, other = {0};
    desk->config.dos.streams = CONFIG_DOS_ON; // 100 a second, 300 at once
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(dos_stream(&desk->relay, &bucket), DOS_STREAM_NONE);
    assert_int_equal(dos_stream(&desk->relay, &bucket), DOS_STREAM_REFUSE);
    assert_int_equal(dos_stream(&desk->relay, &other), DOS_STREAM_NONE);
    desk->relay.uptime_s++;
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(dos_stream(&desk->relay, &bucket), DOS_STREAM_NONE);
    assert_int_equal(dos_stream(&desk->relay, &bucket), DOS_STREAM_REFUSE);
    assert_int_equal(desk->relay.counters.drop_dos_stream, 2);
    desk_close(desk);
}

// ---- the table

static void test_forgotten(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    assert_true(opens(desk, 1));
    assert_true(opens(desk, 2));
    closes(desk, 2);
    assert_int_equal(desk->relay.counters.dos_addresses, 2);
    desk->relay.uptime_s += 599;
    dos_tick(desk->relay.dos);
    assert_int_equal(desk->relay.counters.dos_addresses, 2);
    desk->relay.uptime_s++;
    dos_tick(desk->relay.dos);
    assert_int_equal(desk->relay.counters.dos_addresses, 1); // 1 is connected
    closes(desk, 1);
    closes(desk, 1); // too often
    desk->relay.uptime_s += 600;
    dos_tick(desk->relay.dos);
    assert_int_equal(desk->relay.counters.dos_addresses, 0);
    desk_close(desk);
}

static void test_bounded(void **state)
{
    (void)state;
    enum { MAX = 65536 + 16, CONNECTED = 10 };
    struct desk *desk = desk_open();
    dos_free(desk->relay.dos);
    desk->config.dataplane.max_links = 16;
    desk->relay.dos = dos_create(&desk->relay);
    for (unsigned i = 0; i < CONNECTED; i++)
        assert_true(opens(desk, i));
    for (unsigned i = CONNECTED; i < MAX + 1000; i++) {
        assert_true(opens(desk, i));
        closes(desk, i);
        assert_true(desk->relay.counters.dos_addresses <= MAX);
    }
    assert_int_equal(desk->relay.counters.dos_addresses, MAX);
    // Those that are connected are still known.
    desk->config.dos.connections = CONFIG_DOS_ON;
    desk->config.dos.connections_max = 1;
    for (unsigned i = 0; i < CONNECTED; i++)
        assert_false(opens(desk, i));
    desk_close(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_off),
        cmocka_unit_test(test_circuits),
        cmocka_unit_test(test_circuits_within_the_rate),
        cmocka_unit_test(test_connections_at_once),
        cmocka_unit_test(test_connecting_too_often),
        cmocka_unit_test(test_relays_are_exempt),
        cmocka_unit_test(test_only_counted),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_forgotten),
        cmocka_unit_test(test_bounded),
    };
    assert_int_equal(crypto_init(), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
