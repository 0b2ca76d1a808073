// SPDX-License-Identifier: BSD-3-Clause
// The tests' end of the wire.
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>

const uint8_t wire_peer_mac[6] = {0x02, 0, 0, 0, 0, 2};

void wire_init_eal(void)
{
    char name[] = "test", no_huge[] = "--no-huge", no_shconf[] = "--no-shconf",
         no_pci[] = "--no-pci", m[] = "-m", megabytes[] = "64", no_telemetry[] = "--no-telemetry",
         level[] = "--log-level=error";
    char *argv[] = {name, no_huge, no_shconf, no_pci, m, megabytes, no_telemetry, level, NULL};
    if (rte_eal_init(8, argv) < 0)
        fail_msg("rte_eal_init");
}

static void on_unreachable(void *ctx, const struct address *local, const struct address *remote)
{
    struct wire *w = ctx;
    w->n_unreachable++;
    w->local = *local;
    w->remote = *remote;
}

void wire_open(struct wire *w, unsigned n_workers, unsigned n_queues)
{
    static unsigned serial;
    *w = (struct wire){.n_queues = n_queues, .n_workers = n_workers, .now_us = 1000000};
    char name[32];
    serial++;
    snprintf(name, sizeof(name), "pool%u", serial);
    w->pool =
        rte_pktmbuf_pool_create(name, WIRE_POOL, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, SOCKET_ID_ANY);
    assert_non_null(w->pool);
    for (unsigned i = 0; i < n_queues; i++) {
        snprintf(name, sizeof(name), "in%u_%u", serial, i);
        w->in[i] = rte_ring_create(name, 1024, SOCKET_ID_ANY, 0);
        snprintf(name, sizeof(name), "out%u_%u", serial, i);
        w->out[i] = rte_ring_create(name, 1024, SOCKET_ID_ANY, 0);
        assert_non_null(w->in[i]);
        assert_non_null(w->out[i]);
    }
    snprintf(name, sizeof(name), "wire%u", serial);
    int port = rte_eth_from_rings(name, w->in, n_queues, w->out, n_queues, 0);
    assert_true(port >= 0);
    struct dataplane_config config = {
        .n_workers = n_workers,
        .n_interfaces = 1,
        .interfaces = {{.port = (uint16_t)port,
                        .n_addresses = 2,
                        .addresses = {{address_ipv4(WIRE_OURS, 0), 24},
                                      {address_ipv4(WIRE_OTHER, 0), 24}},
                        .gateway = address_ipv4(WIRE_GATEWAY, 0),
                        .mtu = 1500}},
        .adaptive_poll = true,
    };
    char error[256] = "";
    w->net = net_create(&config, w->pool, error, sizeof(error));
    if (!w->net)
        fail_msg("%s", error);
    struct rte_ether_addr mac;
    rte_eth_macaddr_get((uint16_t)port, &mac);
    memcpy(w->mac, mac.addr_bytes, sizeof(w->mac));
    for (unsigned i = 0; i < n_workers; i++) {
        net_worker_set_counters(net_worker(w->net, i), &w->counters[i]);
        net_worker_set_unreachable(net_worker(w->net, i), on_unreachable, w);
    }
    wire_turn_all(w); // tells the workers the time
}

void wire_close(struct wire *w)
{
    net_destroy(w->net);
    for (unsigned i = 0; i < w->n_queues; i++) {
        void *m;
        while (rte_ring_dequeue(w->in[i], &m) == 0 || rte_ring_dequeue(w->out[i], &m) == 0)
            rte_pktmbuf_free(m);
        rte_ring_free(w->in[i]);
        rte_ring_free(w->out[i]);
    }
    assert_int_equal(rte_mempool_avail_count(w->pool), WIRE_POOL);
    rte_mempool_free(w->pool);
}

void wire_send(struct wire *w, unsigned queue, const struct frame *f)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);
    assert_non_null(m);
    memcpy(rte_pktmbuf_append(m, (uint16_t)f->length), f->bytes, f->length);
    assert_int_equal(rte_ring_enqueue(w->in[queue], m), 0);
}

bool wire_take(struct wire *w, unsigned queue, struct frame *f)
{
    void *object;
    if (rte_ring_dequeue(w->out[queue], &object) != 0)
        return false;
    struct rte_mbuf *m = object;
    assert_true(m->pkt_len <= sizeof(f->bytes) && m->nb_segs == 1);
    f->length = m->data_len;
    memcpy(f->bytes, rte_pktmbuf_mtod(m, void *), f->length);
    rte_pktmbuf_free(m);
    return true;
}

unsigned wire_turn(struct wire *w, unsigned worker, struct rte_mbuf **tcp)
{
    struct net_worker *nw = net_worker(w->net, worker);
    unsigned n = net_receive(nw, w->now_us, tcp, NET_BURST);
    net_advance(nw, w->now_us);
    net_flush(nw);
    return n;
}

unsigned wire_turn_count(struct wire *w, unsigned worker)
{
    struct rte_mbuf *tcp[NET_BURST];
    unsigned n = wire_turn(w, worker, tcp);
    rte_pktmbuf_free_bulk(tcp, n);
    return n;
}

unsigned wire_turn_all(struct wire *w)
{
    unsigned n = 0;
    for (unsigned i = 0; i < 2 * w->n_workers; i++)
        n += wire_turn_count(w, i % w->n_workers);
    return n;
}

uint16_t get16(const uint8_t *at)
{
    return (uint16_t)(at[0] << 8 | at[1]);
}

uint32_t get32(const uint8_t *at)
{
    return (uint32_t)get16(at) << 16 | get16(at + 2);
}

void put16(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

void put32(uint8_t *at, uint32_t value)
{
    put16(at, (uint16_t)(value >> 16));
    put16(at + 2, (uint16_t)value);
}

uint16_t naive_checksum(const uint8_t *bytes, size_t length, uint32_t sum)
{
    for (size_t i = 0; i < length; i++) {
        sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

uint16_t naive_tcp_checksum(const struct frame *f)
{
    const uint8_t *ip = f->bytes + WIRE_ETHER;
    size_t header = (ip[0] & 0xfu) * 4;
    size_t length = get16(ip + 2) - header;
    uint8_t pseudo[12] = {0};
    memcpy(pseudo, ip + 12, 8);
    pseudo[9] = WIRE_TCP;
    put16(pseudo + 10, (uint16_t)length);
    uint16_t sum = (uint16_t)~naive_checksum(pseudo, sizeof(pseudo), 0);
    return naive_checksum(ip + header, length, sum);
}

void frame_fix_ip(struct frame *f)
{
    uint8_t *ip = f->bytes + WIRE_ETHER;
    put16(ip + 10, 0);
    put16(ip + 10, naive_checksum(ip, (ip[0] & 0xfu) * 4, 0));
}

void frame_ipv4(const struct wire *w, struct frame *f, uint32_t from, uint32_t to, uint8_t protocol,
                const void *body, size_t length)
{
    *f = (struct frame){.length = WIRE_ETHER + WIRE_IP + length};
    assert_true(f->length <= sizeof(f->bytes));
    memcpy(f->bytes, w->mac, 6);
    memcpy(f->bytes + 6, wire_peer_mac, 6);
    put16(f->bytes + 12, 0x0800);
    uint8_t *ip = f->bytes + WIRE_ETHER;
    ip[0] = 0x45;
    put16(ip + 2, (uint16_t)(WIRE_IP + length));
    ip[8] = 61;
    ip[9] = protocol;
    put32(ip + 12, from);
    put32(ip + 16, to);
    memcpy(ip + WIRE_IP, body, length);
    frame_fix_ip(f);
}

void frame_tcp(const struct wire *w, struct frame *f, uint32_t from, uint16_t from_port,
               uint32_t to, uint16_t to_port, size_t payload)
{
    uint8_t segment[WIRE_FRAME_MAX] = {0};
    put16(segment, from_port);
    put16(segment + 2, to_port);
    segment[12] = 5 << 4;
    for (size_t i = 0; i < payload; i++)
        segment[20 + i] = (uint8_t)(i * 7 + 1);
    frame_ipv4(w, f, from, to, WIRE_TCP, segment, 20 + payload);
    put16(f->bytes + WIRE_ETHER + WIRE_IP + 16, naive_tcp_checksum(f));
}

void frame_icmp(const struct wire *w, struct frame *f, uint32_t from, uint32_t to, uint8_t type,
                uint8_t code, const void *rest, size_t length)
{
    uint8_t message[WIRE_FRAME_MAX] = {type, code};
    memcpy(message + 4, rest, length);
    put16(message + 2, naive_checksum(message, 4 + length, 0));
    frame_ipv4(w, f, from, to, WIRE_ICMP, message, 4 + length);
}

void frame_arp(const struct wire *w, struct frame *f, uint16_t operation, const uint8_t *from_mac,
               uint32_t from, uint32_t to)
{
    *f = (struct frame){.length = 60}; // padded, as it is on a wire
    if (operation == 1)
        memset(f->bytes, 0xff, 6);
    else
        memcpy(f->bytes, w->mac, 6);
    memcpy(f->bytes + 6, from_mac, 6);
    put16(f->bytes + 12, 0x0806);
    uint8_t *arp = f->bytes + WIRE_ETHER;
    put16(arp, 1);
    put16(arp + 2, 0x0800);
    arp[4] = 6;
    arp[5] = 4;
    put16(arp + 6, operation);
    memcpy(arp + 8, from_mac, 6);
    put32(arp + 14, from);
    if (operation == 2)
        memcpy(arp + 18, w->mac, 6);
    put32(arp + 24, to);
}

struct rte_mbuf *wire_tcp_packet(struct wire *w, uint32_t from, uint16_t from_port, uint32_t to,
                                 uint16_t to_port, size_t payload)
{
    struct frame f;
    frame_tcp(w, &f, from, from_port, to, to_port, payload);
    put16(f.bytes + WIRE_ETHER + 10, 0xdead); // not filled in, or left from the last time
    put16(f.bytes + WIRE_ETHER + WIRE_IP + 16, 0xbeef);
    struct rte_mbuf *m = rte_pktmbuf_alloc(w->pool);
    assert_non_null(m);
    uint16_t length = (uint16_t)(f.length - WIRE_ETHER);
    memcpy(rte_pktmbuf_append(m, length), f.bytes + WIRE_ETHER, length);
    m->l3_len = WIRE_IP;
    m->l4_len = 20;
    return m;
}
