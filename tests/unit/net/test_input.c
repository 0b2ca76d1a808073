// SPDX-License-Identifier: BSD-3-Clause
// What becomes of received frames: answered, given to TCP, or dropped under the right counter.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire.h"

static struct wire wire;

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

// Sends one frame; it must be dropped under `counter` and nothing else happen.
static void expect_drop(const struct frame *f, const uint64_t *counter)
{
    uint64_t before = *counter;
    struct frame out;
    wire_send(&wire, 0, f);
    assert_int_equal(wire_turn_count(&wire, 0), 0);
    assert_int_equal(*counter, before + 1);
    assert_false(wire_take(&wire, 0, &out));
}

static void test_arp_answered(void **state)
{
    (void)state;
    struct frame f, out;
    frame_arp(&wire, &f, 1, wire_peer_mac, WIRE_PEER, WIRE_OTHER);
    wire_send(&wire, 0, &f);
    assert_int_equal(wire_turn_count(&wire, 0), 0);
    assert_true(net_was_busy(net_worker(wire.net, 0)));
    assert_true(wire_take(&wire, 0, &out));
    assert_memory_equal(out.bytes, wire_peer_mac, 6);
    assert_memory_equal(out.bytes + 6, wire.mac, 6);
    assert_int_equal(get16(out.bytes + 12), 0x0806);
    const uint8_t *arp = out.bytes + WIRE_ETHER;
    assert_int_equal(get16(arp + 6), 2);
    assert_memory_equal(arp + 8, wire.mac, 6);
    assert_int_equal(get32(arp + 14), WIRE_OTHER);
    assert_memory_equal(arp + 18, wire_peer_mac, 6);
    assert_int_equal(get32(arp + 24), WIRE_PEER);

    // A probe (RFC 5227) has no sender's address; it is answered too.
    frame_arp(&wire, &f, 1, wire_peer_mac, 0, WIRE_OURS);
    wire_send(&wire, 0, &f);
    wire_turn_count(&wire, 0);
    assert_true(wire_take(&wire, 0, &out));
    wire_turn_count(&wire, 0);
    assert_false(net_was_busy(net_worker(wire.net, 0)));
}

static void test_arp_ignored(void **state)
{
    (void)state;
    struct frame f;
    const struct counters *c = &wire.counters[0];
    frame_arp(&wire, &f, 1, wire_peer_mac, WIRE_PEER, WIRE_PEER); // announcement
    expect_drop(&f, &c->drop_arp_ignored);
    frame_arp(&wire, &f, 1, wire_peer_mac, WIRE_PEER, WIRE_PEER + 9);
    expect_drop(&f, &c->drop_arp_ignored);
    frame_arp(&wire, &f, 1, wire_peer_mac, WIRE_OURS, WIRE_OURS);
    expect_drop(&f, &c->drop_arp_ignored);
    frame_arp(&wire, &f, 3, wire_peer_mac, WIRE_PEER, WIRE_OURS);
    expect_drop(&f, &c->drop_arp_malformed);
    frame_arp(&wire, &f, 1, wire_peer_mac, WIRE_PEER, WIRE_OURS);
    f.length = WIRE_ETHER + 27;
    expect_drop(&f, &c->drop_arp_malformed);
    static const uint8_t group_mac[6] = {1, 0, 0x5e, 0, 0, 1};
    frame_arp(&wire, &f, 1, group_mac, WIRE_PEER, WIRE_OURS);
    expect_drop(&f, &c->drop_arp_malformed);
}

static void test_ethernet(void **state)
{
    (void)state;
    struct frame f;
    const struct counters *c = &wire.counters[0];
    frame_tcp(&wire, &f, WIRE_PEER, 1, WIRE_OURS, 2, 10);
    f.bytes[0] ^= 2; // another's
    expect_drop(&f, &c->drop_eth_unknown);
    frame_tcp(&wire, &f, WIRE_PEER, 1, WIRE_OURS, 2, 10);
    memset(f.bytes, 0xff, 6); // RFC 1122, 3.3.6: no unicast packet in a broadcast frame
    expect_drop(&f, &c->drop_eth_unknown);
    frame_tcp(&wire, &f, WIRE_PEER, 1, WIRE_OURS, 2, 10);
    put16(f.bytes + 12, 0x86dd);
    expect_drop(&f, &c->drop_eth_unknown);
    f.length = 13;
    expect_drop(&f, &c->drop_eth_unknown);
}

// The neighbour is made known first, so that the answer leaves at once.
static void meet_peer(void)
{
    struct frame f;
    frame_arp(&wire, &f, 1, wire_peer_mac, WIRE_PEER, WIRE_OURS);
    wire_send(&wire, 0, &f);
    wire_turn_count(&wire, 0);
    assert_true(wire_take(&wire, 0, &f));
}

static void check_echo_reply(const struct frame *out, const uint8_t *rest, size_t length)
{
    const uint8_t *ip = out->bytes + WIRE_ETHER;
    assert_int_equal(out->length, WIRE_ETHER + WIRE_IP + 4 + length);
    assert_memory_equal(out->bytes, wire_peer_mac, 6);
    assert_int_equal(ip[0], 0x45);
    assert_int_equal(get16(ip + 2), WIRE_IP + 4 + length);
    assert_int_equal(naive_checksum(ip, WIRE_IP, 0), 0);
    assert_int_equal(get32(ip + 12), WIRE_OURS);
    assert_int_equal(get32(ip + 16), WIRE_PEER);
    assert_int_equal(ip[WIRE_IP], 0);
    assert_int_equal(naive_checksum(ip + WIRE_IP, 4 + length, 0), 0);
    assert_memory_equal(ip + WIRE_IP + 4, rest, length);
}

static void test_echo(void **state)
{
    (void)state;
    meet_peer();
    uint8_t rest[1476];
    for (size_t i = 0; i < sizeof(rest); i++)
        rest[i] = (uint8_t)(i * 11);
    static const size_t lengths[] = {4, 5, 60, 1475, 1476};
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        struct frame f, out;
        frame_icmp(&wire, &f, WIRE_PEER, WIRE_OURS, 8, 0, rest, lengths[i]);
        if (f.length < 60)
            f.length = 60; // padding is not echoed
        wire_send(&wire, 0, &f);
        wire_turn_count(&wire, 0);
        assert_true(wire_take(&wire, 0, &out));
        check_echo_reply(&out, rest, lengths[i]);
    }
    assert_int_equal(wire.counters[0].icmp_echo, 5);
}

static void test_echo_with_options(void **state)
{
    (void)state;
    meet_peer();
    struct frame f, out;
    uint8_t body[8 + 4 + 32] = {1, 1, 1, 1, 1, 1, 1, 0, 8};
    for (size_t i = 12; i < sizeof(body); i++)
        body[i] = (uint8_t)i;
    put16(body + 10, naive_checksum(body + 8, sizeof(body) - 8, 0));
    frame_ipv4(&wire, &f, WIRE_PEER, WIRE_OURS, WIRE_ICMP, body, sizeof(body));
    f.bytes[WIRE_ETHER] = 0x47;
    frame_fix_ip(&f);
    wire_send(&wire, 0, &f);
    wire_turn_count(&wire, 0);
    assert_true(wire_take(&wire, 0, &out));
    check_echo_reply(&out, body + 12, 32);
}

static void test_echo_flood(void **state)
{
    (void)state;
    meet_peer();
    struct frame f, out;
    uint8_t rest[12] = {0};
    frame_icmp(&wire, &f, WIRE_PEER, WIRE_OURS, 8, 0, rest, sizeof(rest));
    unsigned answers = 0;
    for (unsigned i = 0; i < 1000; i++) {
        wire_send(&wire, 0, &f);
        wire_turn_count(&wire, 0);
        answers += wire_take(&wire, 0, &out);
    }
    assert_in_range(answers, 50, 200);
    assert_int_equal(wire.counters[0].drop_rate, 1000 - answers);
}

static void test_icmp_dropped(void **state)
{
    (void)state;
    const struct counters *c = &wire.counters[0];
    struct frame f;
    uint8_t rest[40] = {0};
    frame_icmp(&wire, &f, WIRE_PEER, WIRE_OURS, 8, 0, rest, sizeof(rest));
    f.bytes[f.length - 1] ^= 1;
    expect_drop(&f, &c->drop_icmp_malformed);
    frame_icmp(&wire, &f, WIRE_PEER, WIRE_OURS, 8, 0, rest, 3);
    expect_drop(&f, &c->drop_icmp_malformed);
    frame_icmp(&wire, &f, WIRE_PEER, WIRE_OURS, 5, 0, rest, sizeof(rest)); // redirect
    expect_drop(&f, &c->drop_icmp_ignored);
}

static void test_ip_dropped(void **state)
{
    (void)state;
    const struct counters *c = &wire.counters[0];
    struct frame f;
    uint8_t *ip = f.bytes + WIRE_ETHER;
#define GOOD() frame_tcp(&wire, &f, WIRE_PEER, 1000, WIRE_OURS, 443, 100)
    GOOD();
    ip[8] ^= 1;
    expect_drop(&f, &c->drop_ip_checksum);
    static const struct {
        size_t offset;
        uint16_t value;
    } bad_lengths[] = {{2, 19}, {2, 0}, {2, 141}, {2, 65535}};
    for (size_t i = 0; i < sizeof(bad_lengths) / sizeof(bad_lengths[0]); i++) {
        GOOD();
        put16(ip + bad_lengths[i].offset, bad_lengths[i].value);
        frame_fix_ip(&f);
        expect_drop(&f, &c->drop_ip_malformed);
    }
    static const uint8_t bad_first[] = {0x44, 0x40, 0x65, 0x05};
    for (size_t i = 0; i < sizeof(bad_first); i++) {
        GOOD();
        ip[0] = bad_first[i];
        frame_fix_ip(&f);
        expect_drop(&f, &c->drop_ip_malformed);
    }
    GOOD();
    f.length = WIRE_ETHER + WIRE_IP - 1;
    expect_drop(&f, &c->drop_ip_malformed);
    GOOD();
    f.length -= 1; // cut short
    expect_drop(&f, &c->drop_ip_malformed);
    static const uint16_t fragments[] = {0x2000, 0x0001, 0x3fff};
    for (size_t i = 0; i < sizeof(fragments) / sizeof(fragments[0]); i++) {
        GOOD();
        put16(ip + 6, fragments[i]);
        frame_fix_ip(&f);
        expect_drop(&f, &c->drop_ip_fragment);
    }
    static const uint32_t others[] = {WIRE_PEER, 0xffffffff, 0x0a0000ff, 0xe0000001, 0};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        frame_tcp(&wire, &f, WIRE_PEER, 1000, others[i], 443, 0);
        expect_drop(&f, &c->drop_ip_not_ours);
    }
    static const uint32_t sources[] = {WIRE_OURS, WIRE_OTHER, 0x7f000001,
                                       0,         0xe0000001, 0xffffffff};
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        frame_tcp(&wire, &f, sources[i], 1000, WIRE_OURS, 443, 0);
        expect_drop(&f, &c->drop_ip_malformed);
    }
    frame_ipv4(&wire, &f, WIRE_PEER, WIRE_OURS, 17, "datagram", 8);
    expect_drop(&f, &c->drop_ip_protocol);
    frame_ipv4(&wire, &f, WIRE_PEER, WIRE_OURS, WIRE_TCP, "nineteen bytes long", 19);
    expect_drop(&f, &c->drop_tcp_malformed);
    GOOD();
    f.bytes[f.length - 1] ^= 1;
    expect_drop(&f, &c->drop_tcp_checksum);
#undef GOOD
}

static void expect_tcp(const struct frame *f, size_t header, size_t total)
{
    struct rte_mbuf *tcp[NET_BURST];
    wire_send(&wire, 0, f);
    assert_int_equal(wire_turn(&wire, 0, tcp), 1);
    struct rte_mbuf *m = tcp[0];
    assert_int_equal(m->data_len, total);
    assert_int_equal(m->pkt_len, total);
    assert_int_equal(m->nb_segs, 1);
    assert_int_equal(m->l3_len, header);
    assert_memory_equal(rte_pktmbuf_mtod(m, void *), f->bytes + WIRE_ETHER, total);
    rte_pktmbuf_free(m);
}

static void test_tcp_given(void **state)
{
    (void)state;
    struct frame f;
    frame_tcp(&wire, &f, WIRE_FAR, 1000, WIRE_OURS, 443, 100);
    expect_tcp(&f, 20, 140);
    // Padded to Ethernet's least, and with a stray tail.
    frame_tcp(&wire, &f, WIRE_PEER, 1000, WIRE_OTHER, 443, 0);
    f.length = 60;
    expect_tcp(&f, 20, 40);
    memset(f.bytes + 60, 0xa5, 400);
    f.length = 460;
    expect_tcp(&f, 20, 40);
    frame_tcp(&wire, &f, WIRE_PEER, 1000, WIRE_OURS, 443, 1460);
    expect_tcp(&f, 20, 1500);
    // DF set, as it is nearly everywhere.
    frame_tcp(&wire, &f, WIRE_PEER, 1000, WIRE_OURS, 443, 9);
    put16(f.bytes + WIRE_ETHER + 6, 0x4000);
    frame_fix_ip(&f);
    expect_tcp(&f, 20, 49);
    // IP options stand between.
    uint8_t body[12 + 20] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 3, 0xe8, 1, 0xbb};
    body[12 + 12] = 5 << 4;
    frame_ipv4(&wire, &f, WIRE_PEER, WIRE_OURS, WIRE_TCP, body, sizeof(body));
    f.bytes[WIRE_ETHER] = 0x48;
    frame_fix_ip(&f);
    put16(f.bytes + WIRE_ETHER + 32 + 16, naive_tcp_checksum(&f));
    expect_tcp(&f, 32, 52);
    assert_int_equal(wire.counters[0].rx_packets, 6);
}

// A driver may chain buffers although it was not asked to.
static void test_chained(void **state)
{
    (void)state;
    struct frame f;
    frame_tcp(&wire, &f, WIRE_PEER, 1000, WIRE_OURS, 443, 900);
    struct rte_mbuf *parts[3], *tcp[NET_BURST];
    for (unsigned i = 0; i < 3; i++) {
        size_t from = f.length * i / 3, to = f.length * (i + 1) / 3;
        parts[i] = rte_pktmbuf_alloc(wire.pool);
        memcpy(rte_pktmbuf_append(parts[i], (uint16_t)(to - from)), f.bytes + from, to - from);
        if (i)
            assert_int_equal(rte_pktmbuf_chain(parts[0], parts[i]), 0);
    }
    rte_ring_enqueue(wire.in[0], parts[0]);
    assert_int_equal(wire_turn(&wire, 0, tcp), 1);
    assert_int_equal(tcp[0]->nb_segs, 1);
    assert_int_equal(tcp[0]->data_len, 940);
    assert_memory_equal(rte_pktmbuf_mtod(tcp[0], void *), f.bytes + WIRE_ETHER, 940);
    rte_pktmbuf_free(tcp[0]);
}

static void send_unreachable(uint8_t code, uint32_t from, uint8_t protocol, size_t quoted_length)
{
    struct frame f, quoted;
    frame_tcp(&wire, &quoted, from, 40000, WIRE_FAR, 9001, 20);
    quoted.bytes[WIRE_ETHER + 9] = protocol;
    uint8_t rest[4 + 28] = {0};
    memcpy(rest + 4, quoted.bytes + WIRE_ETHER, 28);
    frame_icmp(&wire, &f, WIRE_GATEWAY, WIRE_OURS, 3, code, rest, 4 + quoted_length);
    wire_send(&wire, 0, &f);
    wire_turn_count(&wire, 0);
}

static void test_unreachable(void **state)
{
    (void)state;
    send_unreachable(1, WIRE_OURS, WIRE_TCP, 28);
    assert_int_equal(wire.n_unreachable, 1);
    assert_int_equal(address_ipv4_host(&wire.local), WIRE_OURS);
    assert_int_equal(wire.local.port, 40000);
    assert_int_equal(address_ipv4_host(&wire.remote), WIRE_FAR);
    assert_int_equal(wire.remote.port, 9001);
    // Not ours, not TCP, cut short, or another message.
    send_unreachable(1, WIRE_PEER, WIRE_TCP, 28);
    send_unreachable(1, WIRE_OURS, 17, 28);
    send_unreachable(1, WIRE_OURS, WIRE_TCP, 27);
    send_unreachable(4, WIRE_OURS, WIRE_TCP, 28);
    assert_int_equal(wire.n_unreachable, 1);
    assert_int_equal(wire.counters[0].drop_icmp_ignored, 4);
}

// Valid frames with some bytes changed, their checksums put right half of the time so that the
// mutation gets through to what is behind them. Nothing may break, nothing may be lost.
static void mutate(struct frame *f)
{
    for (long n = 1 + random() % 4; n > 0; n--)
        f->bytes[(size_t)random() % (random() % 2 ? f->length : 60)] = (uint8_t)random();
    if (random() % 8 == 0)
        f->length = (size_t)random() % (f->length + 1);
    if (random() % 16 == 0)
        f->length += (size_t)random() % 64;
    uint8_t *ip = f->bytes + WIRE_ETHER;
    if (random() % 2 && get16(f->bytes + 12) == 0x0800) {
        frame_fix_ip(f);
        size_t header = (ip[0] & 0xfu) * 4, total = get16(ip + 2);
        if (total < header + 20 || total > 1500)
            return;
        if (ip[9] == WIRE_ICMP) {
            put16(ip + header + 2, 0);
            put16(ip + header + 2, naive_checksum(ip + header, total - header, 0));
        } else if (ip[9] == WIRE_TCP) {
            put16(ip + header + 16, 0);
            put16(ip + header + 16, naive_tcp_checksum(f));
        }
    }
}

static void random_frame(struct frame *f)
{
    struct frame quoted;
    uint8_t rest[64] = {0};
    switch (random() % 6) {
    case 0:
        frame_arp(&wire, f, 1 + (uint16_t)(random() % 2), wire_peer_mac, WIRE_PEER, WIRE_OURS);
        break;
    case 1:
        frame_icmp(&wire, f, WIRE_PEER, WIRE_OURS, 8, 0, rest, sizeof(rest));
        break;
    case 2:
        frame_tcp(&wire, &quoted, WIRE_OURS, 40000, WIRE_FAR, 9001, 20);
        memcpy(rest + 4, quoted.bytes + WIRE_ETHER, 60);
        frame_icmp(&wire, f, WIRE_GATEWAY, WIRE_OURS, 3, 1, rest, sizeof(rest));
        break;
    default:
        frame_tcp(&wire, f, WIRE_FAR, 1000, WIRE_OURS, 443, (size_t)random() % 300);
    }
}

static void test_random(void **state)
{
    (void)state;
    srandom(42);
    unsigned given = 0;
    for (unsigned i = 0; i < 20000; i++) {
        struct frame f, out;
        random_frame(&f);
        mutate(&f);
        wire_send(&wire, 0, &f);
        wire.now_us += 500;
        given += wire_turn_count(&wire, 0);
        while (wire_take(&wire, 0, &out))
            ;
    }
    assert_int_equal(wire.counters[0].rx_packets, 20000);
    assert_true(given > 500); // some mutations are harmless: those got all the way
    assert_true(wire.counters[0].icmp_echo > 100);
    assert_true(wire.n_unreachable > 100);
    // wire_close sees that every packet came back
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
        TEST(test_arp_answered), TEST(test_arp_ignored),       TEST(test_ethernet),
        TEST(test_echo),         TEST(test_echo_with_options), TEST(test_echo_flood),
        TEST(test_icmp_dropped), TEST(test_ip_dropped),        TEST(test_tcp_given),
        TEST(test_chained),      TEST(test_unreachable),       TEST(test_random),
    };
    return cmocka_run_group_tests(tests, group_setup, NULL);
}
