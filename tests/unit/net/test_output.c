// SPDX-License-Identifier: BSD-3-Clause
// What becomes of packets that TCP sends: routes, neighbours, headers, checksums, ports that are
// stuck.
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "wire.h"

enum { SECOND_US = 1000000 };

static struct wire wire;
static const uint8_t everyone[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
static const uint8_t gateway_mac[6] = {0x02, 0, 0, 0, 0, 0xfe};

static int setup(void **state)
{
    (void)state;
    wire_open(&wire, 1, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    wire_close(&wire);
    return 0;
}

static void turn(void)
{
    assert_int_equal(wire_turn_count(&wire, 0), 0);
}

static void transmit(uint32_t from, uint16_t from_port, uint32_t to)
{
    net_transmit(net_worker(wire.net, 0), wire_tcp_packet(&wire, from, from_port, to, 9001, 50));
}

static void expect_nothing(void)
{
    struct frame f;
    turn();
    assert_false(wire_take(&wire, 0, &f));
}

static void expect_question(const uint8_t *mac, uint32_t from, uint32_t target)
{
    struct frame f;
    assert_true(wire_take(&wire, 0, &f));
    assert_memory_equal(f.bytes, mac, 6);
    assert_memory_equal(f.bytes + 6, wire.mac, 6);
    assert_int_equal(get16(f.bytes + 12), 0x0806);
    const uint8_t *arp = f.bytes + WIRE_ETHER;
    static const uint8_t fixed[8] = {0, 1, 8, 0, 6, 4, 0, 1};
    assert_memory_equal(arp, fixed, sizeof(fixed));
    assert_memory_equal(arp + 8, wire.mac, 6);
    assert_int_equal(get32(arp + 14), from);
    assert_int_equal(get32(arp + 24), target);
}

static void answer(const uint8_t *mac, uint32_t address)
{
    struct frame f;
    frame_arp(&wire, &f, 2, mac, address, WIRE_OURS);
    wire_send(&wire, 0, &f);
    turn();
}

static void expect_packet(const uint8_t *mac, uint32_t to, uint16_t from_port)
{
    struct frame f;
    assert_true(wire_take(&wire, 0, &f));
    assert_memory_equal(f.bytes, mac, 6);
    assert_memory_equal(f.bytes + 6, wire.mac, 6);
    assert_int_equal(get16(f.bytes + 12), 0x0800);
    const uint8_t *ip = f.bytes + WIRE_ETHER;
    assert_int_equal(f.length, WIRE_ETHER + 90);
    assert_int_equal(naive_checksum(ip, WIRE_IP, 0), 0);
    assert_int_equal(naive_tcp_checksum(&f), 0);
    assert_int_equal(get32(ip + 16), to);
    assert_int_equal(get16(ip + WIRE_IP), from_port);
}

static void test_held_until_answered(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 3; i++)
        transmit(WIRE_OURS, (uint16_t)(1000 + i), WIRE_PEER);
    turn();
    expect_question(everyone, WIRE_OURS, WIRE_PEER);
    expect_nothing(); // one question for all of them
    answer(wire_peer_mac, WIRE_PEER);
    for (uint16_t i = 0; i < 3; i++)
        expect_packet(wire_peer_mac, WIRE_PEER, (uint16_t)(1000 + i));
    transmit(WIRE_OURS, 1003, WIRE_PEER);
    turn();
    expect_packet(wire_peer_mac, WIRE_PEER, 1003);
}

static void test_gateway(void **state)
{
    (void)state;
    transmit(WIRE_OURS, 1000, WIRE_FAR);
    turn();
    expect_question(everyone, WIRE_OURS, WIRE_GATEWAY);
    answer(gateway_mac, WIRE_GATEWAY);
    expect_packet(gateway_mac, WIRE_FAR, 1000);
}

// TCP keeps a reference until its bytes are acknowledged, and uses the packet again then.
static void test_shared_packet(void **state)
{
    (void)state;
    answer(wire_peer_mac, WIRE_PEER); // nobody asked: not learned
    struct rte_mbuf *m = wire_tcp_packet(&wire, WIRE_OURS, 1000, WIRE_PEER, 9001, 50);
    uint16_t data_off = m->data_off;
    rte_mbuf_refcnt_update(m, 1);
    net_transmit(net_worker(wire.net, 0), m);
    turn();
    expect_question(everyone, WIRE_OURS, WIRE_PEER);
    assert_int_equal(rte_mbuf_refcnt_read(m), 2);
    answer(wire_peer_mac, WIRE_PEER);
    expect_packet(wire_peer_mac, WIRE_PEER, 1000);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(rte_mbuf_refcnt_read(m), 1);
        m->data_off = data_off;
        m->data_len = 90;
        m->pkt_len = 90;
        rte_mbuf_refcnt_update(m, 1);
        net_transmit(net_worker(wire.net, 0), m);
        turn();
        expect_packet(wire_peer_mac, WIRE_PEER, 1000);
    }
    rte_pktmbuf_free(m);
}

static void test_few_are_held(void **state)
{
    (void)state;
    for (uint16_t i = 0; i < 10; i++)
        transmit(WIRE_OURS, (uint16_t)(1000 + i), WIRE_PEER);
    turn();
    expect_question(everyone, WIRE_OURS, WIRE_PEER);
    answer(wire_peer_mac, WIRE_PEER);
    for (uint16_t i = 6; i < 10; i++)
        expect_packet(wire_peer_mac, WIRE_PEER, (uint16_t)(1000 + i));
    expect_nothing();
    assert_int_equal(wire.counters[0].drop_no_route, 6);
}

static void test_no_answer(void **state)
{
    (void)state;
    transmit(WIRE_OURS, 1000, WIRE_PEER);
    for (unsigned i = 0; i < 3; i++) {
        turn();
        expect_question(everyone, WIRE_OURS, WIRE_PEER);
        wire.now_us += SECOND_US / 2;
        expect_nothing();
        assert_int_equal(wire.n_unreachable, 0);
        wire.now_us += SECOND_US / 2;
    }
    expect_nothing();
    assert_int_equal(wire.n_unreachable, 1);
    assert_int_equal(wire.local.port, 1000);
    assert_int_equal(address_ipv4_host(&wire.remote), WIRE_PEER);
    assert_int_equal(wire.remote.port, 9001);
    // For a while it is not asked again …
    transmit(WIRE_OURS, 1001, WIRE_PEER);
    assert_int_equal(wire.n_unreachable, 1); // never while TCP is sending
    expect_nothing();
    assert_int_equal(wire.n_unreachable, 2);
    assert_int_equal(wire.local.port, 1001);
    assert_int_equal(wire.counters[0].drop_no_route, 2);
    // … and then it is.
    wire.now_us += SECOND_US;
    turn();
    transmit(WIRE_OURS, 1002, WIRE_PEER);
    turn();
    expect_question(everyone, WIRE_OURS, WIRE_PEER);
    answer(wire_peer_mac, WIRE_PEER);
    expect_packet(wire_peer_mac, WIRE_PEER, 1002);
}

static void learn_peer(void)
{
    transmit(WIRE_OURS, 1, WIRE_PEER);
    turn();
    expect_question(everyone, WIRE_OURS, WIRE_PEER);
    answer(wire_peer_mac, WIRE_PEER);
    expect_packet(wire_peer_mac, WIRE_PEER, 1);
}

static void test_refresh(void **state)
{
    (void)state;
    learn_peer();
    wire.now_us += 59 * SECOND_US;
    turn();
    transmit(WIRE_OURS, 2, WIRE_PEER);
    turn();
    expect_packet(wire_peer_mac, WIRE_PEER, 2);
    // It is in use: asked again, quietly first, and used all the while.
    wire.now_us += 2 * SECOND_US;
    turn();
    expect_question(wire_peer_mac, WIRE_OURS, WIRE_PEER);
    transmit(WIRE_OURS, 3, WIRE_PEER);
    turn();
    expect_packet(wire_peer_mac, WIRE_PEER, 3);
    wire.now_us += SECOND_US;
    turn();
    expect_question(everyone, WIRE_OURS, WIRE_PEER);
    static const uint8_t new_mac[6] = {2, 0, 0, 0, 0, 0x22};
    answer(new_mac, WIRE_PEER);
    transmit(WIRE_OURS, 4, WIRE_PEER);
    turn();
    expect_packet(new_mac, WIRE_PEER, 4);
    // Unused, it is forgotten without a question.
    wire.now_us += 200 * SECOND_US;
    expect_nothing();
    transmit(WIRE_OURS, 5, WIRE_PEER);
    turn();
    expect_question(everyone, WIRE_OURS, WIRE_PEER);
}

static void test_not_believed(void **state)
{
    (void)state;
    static const uint8_t bad_mac[6] = {2, 6, 6, 6, 6, 6};
    learn_peer();
    answer(bad_mac, WIRE_PEER); // nobody asked now
    struct frame f;
    frame_arp(&wire, &f, 2, bad_mac, WIRE_PEER, WIRE_PEER); // announcement
    wire_send(&wire, 0, &f);
    turn();
    transmit(WIRE_OURS, 2, WIRE_PEER);
    turn();
    expect_packet(wire_peer_mac, WIRE_PEER, 2);
    // A request that says it has moved makes us ask, not believe.
    frame_arp(&wire, &f, 1, bad_mac, WIRE_PEER, WIRE_OURS);
    wire_send(&wire, 0, &f);
    turn();
    expect_question(everyone, WIRE_OURS, WIRE_PEER);
    assert_true(wire_take(&wire, 0, &f)); // the answer to the request
    transmit(WIRE_OURS, 3, WIRE_PEER);
    turn();
    expect_packet(wire_peer_mac, WIRE_PEER, 3);
    // Off-link senders are not learned.
    frame_arp(&wire, &f, 1, bad_mac, WIRE_FAR, WIRE_OURS);
    wire_send(&wire, 0, &f);
    turn();
    assert_true(wire_take(&wire, 0, &f));
    transmit(WIRE_OURS, 4, WIRE_FAR);
    turn();
    expect_question(everyone, WIRE_OURS, WIRE_GATEWAY);
}

static void test_crowded_link(void **state)
{
    (void)state;
    // More neighbours than are answering, or than the rate of questions allows for; bounded all.
    for (uint32_t host = 5; host < 250; host++) {
        transmit(WIRE_OURS, 7, 0x0a000000 + host);
        turn();
    }
    struct frame f;
    unsigned questions = 0;
    while (wire_take(&wire, 0, &f))
        questions++;
    assert_in_range(questions, 32, 128);
    wire.now_us += 30 * SECOND_US;
    for (unsigned i = 0; i < 400; i++) {
        wire.now_us += 10000;
        turn();
        while (wire_take(&wire, 0, &f))
            ;
    }
    for (unsigned i = 0; i < 20; i++) {
        wire.now_us += SECOND_US;
        turn();
    }
    while (wire_take(&wire, 0, &f))
        ;
    assert_int_equal(wire.counters[0].drop_no_route, 245);
    learn_peer();
}

static void test_no_route(void **state)
{
    (void)state;
    static const uint32_t nowhere[] = {0, 0xe0000001, 0xffffffff, WIRE_OURS, WIRE_OTHER};
    for (unsigned i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
        transmit(WIRE_OURS, 1, nowhere[i]);
    expect_nothing();
    assert_int_equal(wire.counters[0].drop_no_route, 5);
    assert_int_equal(wire.n_unreachable, 5);
}

static void test_unfit(void **state)
{
    (void)state;
    struct net_worker *w = net_worker(wire.net, 0);
    struct rte_mbuf *m = wire_tcp_packet(&wire, WIRE_OURS, 1, WIRE_PEER, 2, 1460);
    assert_non_null(rte_pktmbuf_append(m, 1));
    net_transmit(w, m);
    expect_nothing();
    assert_int_equal(wire.counters[0].drop_tx_unfit, 1);
}

static void test_source(void **state)
{
    (void)state;
    struct address local, remote = address_ipv4(WIRE_PEER, 80);
    assert_true(net_source_for(wire.net, &remote, &local));
    assert_int_equal(address_ipv4_host(&local), WIRE_OURS);
    remote = address_ipv4(WIRE_FAR, 80);
    assert_true(net_source_for(wire.net, &remote, &local));
    assert_int_equal(address_ipv4_host(&local), WIRE_OURS);
    remote = address_ipv4(0xe0000001, 80);
    assert_false(net_source_for(wire.net, &remote, &local));
    remote = (struct address){.family = ADDRESS_IPV6};
    assert_false(net_source_for(wire.net, &remote, &local));
}

// A full queue: frames wait their turn in order; a port that stays stuck loses them, and no packet
// stays referenced for ever.
static void test_stuck_port(void **state)
{
    (void)state;
    learn_peer();
    unsigned room = rte_ring_free_count(wire.out[0]);
    struct frame f;
    for (unsigned i = 0; i < room + 100; i++) {
        transmit(WIRE_OURS, (uint16_t)i, WIRE_PEER);
        turn();
    }
    for (unsigned i = 0; i < 100; i++)
        expect_packet(wire_peer_mac, WIRE_PEER, (uint16_t)i);
    turn();
    for (unsigned i = 100; i < room + 100; i++)
        expect_packet(wire_peer_mac, WIRE_PEER, (uint16_t)i);
    assert_false(wire_take(&wire, 0, &f));
    assert_int_equal(wire.counters[0].drop_tx_full, 0);

    for (unsigned i = 0; i < room + 300; i++) {
        transmit(WIRE_OURS, (uint16_t)i, WIRE_PEER);
        turn();
    }
    assert_int_equal(wire.counters[0].drop_tx_full, 300 - 256);
    wire.now_us += SECOND_US;
    turn();
    assert_int_equal(wire.counters[0].drop_tx_full, 300);
}

static int group_setup(void **state)
{
    (void)state;
    wire_init_eal();
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_held_until_answered),
        TEST(test_gateway),
        TEST(test_shared_packet),
        TEST(test_few_are_held),
        TEST(test_no_answer),
        TEST(test_refresh),
        TEST(test_not_believed),
        TEST(test_crowded_link),
        TEST(test_no_route),
        TEST(test_unfit),
        TEST(test_source),
        TEST(test_stuck_port),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
