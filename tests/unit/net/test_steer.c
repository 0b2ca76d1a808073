// SPDX-License-Identifier: BSD-3-Clause
// Two workers and one: whose packet is it, how it gets there, and how a sleeper is woken.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/internal.h"
#include "wire.h"

static struct wire wire;

static int teardown(void **state)
{
    (void)state;
    wire_close(&wire);
    return 0;
}

static int setup_one_queue(void **state)
{
    (void)state;
    wire_open(&wire, 2, 1);
    return 0;
}

static int setup_two_queues(void **state)
{
    (void)state;
    wire_open(&wire, 2, 2);
    return 0;
}

// Whatever queue a flow's packets come in on, one worker gets them, and net_owns knows which.
static void test_one_owner(void **state)
{
    (void)state;
    unsigned owned[2] = {0, 0};
    srandom(3);
    for (unsigned i = 0; i < 500; i++) {
        struct frame f;
        uint32_t remote = WIRE_FAR + (uint32_t)random() % 1000;
        uint32_t local = random() % 2 ? WIRE_OURS : WIRE_OTHER;
        uint16_t remote_port = (uint16_t)random(), local_port = random() % 2 ? 443 : 9001;
        struct address from = address_ipv4(remote, remote_port),
                       to = address_ipv4(local, local_port);
        unsigned owner = net_owns(net_worker(wire.net, 1), &to, &from);
        assert_int_equal(net_owns(net_worker(wire.net, 0), &to, &from), !owner);
        owned[owner]++;
        for (unsigned queue = 0; queue < wire.n_queues; queue++) {
            frame_tcp(&wire, &f, remote, remote_port, local, local_port, 10);
            wire_send(&wire, queue, &f);
            unsigned got[2] = {0, 0};
            for (unsigned turn = 0; turn < 4; turn++)
                got[turn % 2] += wire_turn_count(&wire, turn % 2);
            assert_int_equal(got[owner], 1);
            assert_int_equal(got[!owner], 0);
        }
    }
    assert_in_range(owned[0], 150, 350);
    uint64_t steered = wire.counters[0].rx_steered + wire.counters[1].rx_steered;
    assert_int_equal(steered, wire.n_queues == 2 ? 500 : owned[1]);
}

static void test_order_kept(void **state)
{
    (void)state;
    struct address to = address_ipv4(WIRE_OURS, 443);
    uint16_t port = 1000;
    for (;; port++) {
        struct address from = address_ipv4(WIRE_FAR, port);
        if (net_owns(net_worker(wire.net, 1), &to, &from))
            break;
    }
    for (unsigned i = 0; i < 60; i++) {
        struct frame f;
        frame_tcp(&wire, &f, WIRE_FAR, port, WIRE_OURS, 443, i);
        wire_send(&wire, 0, &f);
    }
    struct rte_mbuf *tcp[NET_BURST];
    assert_int_equal(wire_turn(&wire, 0, tcp), 0);
    assert_int_equal(wire_turn(&wire, 1, tcp), 60);
    for (unsigned i = 0; i < 60; i++)
        assert_int_equal(tcp[i]->pkt_len, 40 + i);
    rte_pktmbuf_free_bulk(tcp, 60);
}

static void test_full_ring(void **state)
{
    (void)state;
    struct frame f;
    for (unsigned i = 0; i < 4000; i++) {
        frame_tcp(&wire, &f, WIRE_FAR, (uint16_t)i, WIRE_OURS, 443, 0);
        wire_send(&wire, 0, &f);
        wire_turn_count(&wire, 0); // worker 1 does not come round
    }
    assert_int_equal(wire.counters[0].rx_steered, NET_RING_PACKETS);
    assert_true(wire.counters[0].drop_steer_full > 1000);
}

// Worker 1 asks; the answer comes to worker 0's queue; worker 1 sends, over worker 0's queue if it
// has none of its own.
static void test_neighbour_of_the_other(void **state)
{
    (void)state;
    struct frame f;
    unsigned queue = wire.n_queues - 1;
    net_transmit(net_worker(wire.net, 1), wire_tcp_packet(&wire, WIRE_OURS, 1, WIRE_PEER, 2, 10));
    wire_turn_all(&wire);
    assert_true(wire_take(&wire, queue, &f));
    assert_int_equal(get16(f.bytes + 12), 0x0806);
    frame_arp(&wire, &f, 2, wire_peer_mac, WIRE_PEER, WIRE_OURS);
    wire_send(&wire, 0, &f);
    wire_turn_all(&wire);
    assert_true(wire_take(&wire, queue, &f));
    assert_memory_equal(f.bytes, wire_peer_mac, 6);
    assert_int_equal(get16(f.bytes + 12), 0x0800);
    assert_int_equal(naive_tcp_checksum(&f), 0);
    assert_false(wire_take(&wire, queue, &f));
}

// An ICMP error is the business of the worker that owns the connection it quotes.
static void test_unreachable_finds_owner(void **state)
{
    (void)state;
    for (uint16_t port = 1000; port < 1020; port++) {
        struct frame f, quoted;
        frame_tcp(&wire, &quoted, WIRE_OURS, port, WIRE_FAR, 9001, 0);
        uint8_t rest[4 + 28] = {0};
        memcpy(rest + 4, quoted.bytes + WIRE_ETHER, 28);
        frame_icmp(&wire, &f, WIRE_GATEWAY, WIRE_OURS, 3, 1, rest, sizeof(rest));
        wire_send(&wire, 0, &f);
        struct address local = address_ipv4(WIRE_OURS, port), remote = address_ipv4(WIRE_FAR, 9001);
        bool first = net_owns(net_worker(wire.net, 0), &local, &remote);
        unsigned before = wire.n_unreachable;
        wire_turn_count(&wire, 0);
        assert_int_equal(wire.n_unreachable, before + first);
        wire_turn_count(&wire, 1);
        assert_int_equal(wire.n_unreachable, before + 1);
        assert_true(address_equal(&wire.local, &local) && address_equal(&wire.remote, &remote));
    }
}

// The verification suite of RSS ("Verifying the RSS Hash Calculation", Microsoft): with its key and
// a table that spreads over many workers, the owner is what the hash says.
static void test_rss_vectors(void **state)
{
    (void)state;
    static const uint8_t key[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                                    0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                                    0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                                    0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
    static const struct {
        const char *source, *destination;
        uint16_t source_port, destination_port;
        uint32_t hash;
    } vectors[] = {
        {"66.9.149.187", "161.142.100.80", 2794, 1766, 0x51ccc178},
        {"199.92.111.2", "65.69.140.83", 14230, 4739, 0xc626b0ea},
        {"24.19.198.95", "12.22.207.184", 12898, 38024, 0x5c2b394a},
        {"38.27.205.30", "209.142.163.6", 48228, 2217, 0xafc7327f},
        {"153.39.163.191", "202.188.127.2", 44251, 1303, 0x10e828a2},
    };
    struct net net = {.n_workers = 31};
    struct net_port p = {.rss = true, .reta_size = 512, .key_length = sizeof(key)};
    memcpy(p.key, key, sizeof(key));
    for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct address source, destination;
        assert_true(address_parse(vectors[i].source, &source));
        assert_true(address_parse(vectors[i].destination, &destination));
        assert_int_equal(steer_owner(&net, &p, address_ipv4_host(&destination),
                                     vectors[i].destination_port, address_ipv4_host(&source),
                                     vectors[i].source_port),
                         vectors[i].hash % 512 % 31);
    }
}

static uint64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

// A port of rings has no interrupts, so a sleep is short; only the worker without a queue sleeps
// until it is woken.
static void test_sleep(void **state)
{
    (void)state;
    struct net_worker *first = net_worker(wire.net, 0), *second = net_worker(wire.net, 1);
    int fd = eventfd(0, EFD_NONBLOCK);
    assert_true(fd >= 0);
    wire_turn_all(&wire);

    uint64_t began = clock_us();
    net_sleep(first, fd, 10000000);
    assert_true(clock_us() - began < 1000000);

    began = clock_us();
    net_sleep(second, fd, 30000);
    assert_true(clock_us() - began >= 29000);

    uint64_t one = 1;
    assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
    began = clock_us();
    net_sleep(second, fd, 10000000);
    assert_true(clock_us() - began < 1000000);
    assert_int_equal(read(fd, &one, sizeof(one)), -1); // cleared

    // What lies in the ring already keeps it awake …
    struct frame f;
    frame_arp(&wire, &f, 2, wire_peer_mac, WIRE_PEER, WIRE_OURS);
    wire_send(&wire, 0, &f);
    wire_turn_count(&wire, 0);
    began = clock_us();
    net_sleep(second, fd, 10000000);
    assert_true(clock_us() - began < 1000000);
    wire_turn_all(&wire);
    // … and what comes while it sleeps wakes it.
    atomic_store(&second->sleeps, 1);
    wire_send(&wire, 0, &f);
    wire_turn_count(&wire, 0);
    assert_int_equal(atomic_load(&second->sleeps), 0);
    wire_turn_count(&wire, 1);
    began = clock_us();
    net_sleep(second, fd, 10000000);
    assert_true(clock_us() - began < 1000000);
    close(fd);
}

// A packet that the last look before the sleep found is not lost, and comes first.
static void test_sleep_finds_packet(void **state)
{
    (void)state;
    struct net_worker *w = net_worker(wire.net, 0);
    int fd = eventfd(0, EFD_NONBLOCK);
    struct frame f;
    struct address to = address_ipv4(WIRE_OURS, 443);
    for (uint16_t port = 1000, n = 0; n < 2; port++) {
        struct address from = address_ipv4(WIRE_FAR, port);
        if (!net_owns(w, &to, &from))
            continue;
        frame_tcp(&wire, &f, WIRE_FAR, port, WIRE_OURS, 443, n++);
        wire_send(&wire, 0, &f);
        if (n == 1)
            net_sleep(w, fd, 10000000);
    }
    struct rte_mbuf *tcp[NET_BURST];
    unsigned n = wire_turn(&wire, 0, tcp);
    assert_int_equal(n, 2);
    assert_int_equal(tcp[0]->pkt_len, 40);
    assert_int_equal(tcp[1]->pkt_len, 41);
    assert_true(net_was_busy(w));
    rte_pktmbuf_free_bulk(tcp, n);
    close(fd);
}

static int group_setup(void **state)
{
    (void)state;
    wire_init_eal();
    return 0;
}

int main(void)
{
#define ONE(name) cmocka_unit_test_setup_teardown(name, setup_one_queue, teardown)
#define TWO(name) cmocka_unit_test_setup_teardown(name, setup_two_queues, teardown)
    const struct CMUnitTest tests[] = {
        ONE(test_one_owner),
        TWO(test_one_owner),
        ONE(test_order_kept),
        ONE(test_full_ring),
        ONE(test_neighbour_of_the_other),
        TWO(test_neighbour_of_the_other),
        ONE(test_unreachable_finds_owner),
        cmocka_unit_test(test_rss_vectors),
        ONE(test_sleep),
        ONE(test_sleep_finds_packet),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
