// SPDX-License-Identifier: BSD-3-Clause
// Frames over rings: Ethernet headers, ARP answers, losses, and the NIC's share of the checksums.
#include "relay_wire.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_arp.h>
#include <rte_byteorder.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_random.h>
#include <rte_tcp.h>

enum { POOL_CACHE = 512, FRAME_OVERHEAD = 64 };

static const struct rte_ether_addr neighbour_mac = {{0x02, 0, 0, 0, 0, 0x02}};
static struct rte_ether_addr relay_mac;

// ---- checksum offload
//
// net_ring has none, every NIC that a relay would be run with has. With `nic_checksums` the port
// says that it can do them; the rings' frames then carry the mark of a good checksum.

int __real_rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info);
int __wrap_rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info);
int __real_rte_eth_dev_configure(uint16_t port, uint16_t n_rx, uint16_t n_tx,
                                 const struct rte_eth_conf *conf);
int __wrap_rte_eth_dev_configure(uint16_t port, uint16_t n_rx, uint16_t n_tx,
                                 const struct rte_eth_conf *conf);
int __real_rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t n, unsigned socket,
                                  const struct rte_eth_rxconf *conf, struct rte_mempool *pool);
int __wrap_rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t n, unsigned socket,
                                  const struct rte_eth_rxconf *conf, struct rte_mempool *pool);
int __real_rte_eth_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t n, unsigned socket,
                                  const struct rte_eth_txconf *conf);
int __wrap_rte_eth_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t n, unsigned socket,
                                  const struct rte_eth_txconf *conf);

static const uint64_t rx_offloads = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
static const uint64_t tx_offloads = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
static bool claims_checksums;

int __wrap_rte_eth_dev_info_get(uint16_t port, struct rte_eth_dev_info *info)
{
    int rc = __real_rte_eth_dev_info_get(port, info);
    if (rc == 0 && claims_checksums) {
        info->rx_offload_capa |= rx_offloads;
        info->tx_offload_capa |= tx_offloads;
    }
    return rc;
}

int __wrap_rte_eth_dev_configure(uint16_t port, uint16_t n_rx, uint16_t n_tx,
                                 const struct rte_eth_conf *conf)
{
    struct rte_eth_conf plain = *conf;
    plain.rxmode.offloads &= ~rx_offloads;
    plain.txmode.offloads &= ~tx_offloads;
    return __real_rte_eth_dev_configure(port, n_rx, n_tx, &plain);
}

int __wrap_rte_eth_rx_queue_setup(uint16_t port, uint16_t queue, uint16_t n, unsigned socket,
                                  const struct rte_eth_rxconf *conf, struct rte_mempool *pool)
{
    struct rte_eth_rxconf plain = *conf;
    plain.offloads &= ~rx_offloads;
    return __real_rte_eth_rx_queue_setup(port, queue, n, socket, &plain, pool);
}

int __wrap_rte_eth_tx_queue_setup(uint16_t port, uint16_t queue, uint16_t n, unsigned socket,
                                  const struct rte_eth_txconf *conf)
{
    struct rte_eth_txconf plain = *conf;
    plain.offloads &= ~tx_offloads;
    return __real_rte_eth_tx_queue_setup(port, queue, n, socket, &plain);
}

// ---- opening

static struct rte_ring *make_ring(const char *kind, unsigned queue)
{
    char name[RTE_RING_NAMESIZE];
    snprintf(name, sizeof(name), "wire_%s_%u", kind, queue);
    return rte_ring_create(name, WIRE_RING_FRAMES, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

int wire_open(struct wire *wire, unsigned n_queues, uint16_t mtu, double loss_percent,
              bool nic_checksums)
{
    uint16_t room = (uint16_t)(RTE_PKTMBUF_HEADROOM + mtu + FRAME_OVERHEAD);
    struct rte_ring *rx[WIRE_QUEUES_MAX], *tx[WIRE_QUEUES_MAX];
    *wire = (struct wire){.n_queues = n_queues, .nic_checksums = nic_checksums};
    wire->loss = (uint32_t)(loss_percent / 100 * UINT32_MAX);
    wire->random_state = rte_rand() | 1;
    // What was freed last is taken first, as when a driver refills its receive ring from its core's
    // cache: else every frame would come in memory that no cache holds.
    wire->frames = rte_pktmbuf_pool_create_by_ops("wire_frames", WIRE_FRAMES, POOL_CACHE, 0, room,
                                                  SOCKET_ID_ANY, "stack");
    wire->packets = rte_pktmbuf_pool_create_by_ops("wire_packets", WIRE_PACKETS, POOL_CACHE, 0,
                                                   room, SOCKET_ID_ANY, "stack");
    if (!wire->frames || !wire->packets)
        return -ENOMEM;
    for (unsigned i = 0; i < n_queues; i++) {
        wire->queues[i].to_relay = rx[i] = make_ring("in", i);
        wire->queues[i].from_relay = tx[i] = make_ring("out", i);
        if (!rx[i] || !tx[i])
            return -ENOMEM;
    }
    int port = rte_eth_from_rings("relay", rx, n_queues, tx, n_queues, SOCKET_ID_ANY);
    if (port < 0)
        return rte_errno ? -rte_errno : -ENODEV;
    wire->port = (uint16_t)port;
    claims_checksums = nic_checksums;
    return rte_eth_macaddr_get(wire->port, &relay_mac);
}

// ---- sending

static bool is_lost(struct wire *wire)
{
    if (!wire->loss)
        return false;
    uint64_t x = wire->random_state;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    wire->random_state = x;
    bool lost = (uint32_t)(x >> 16) < wire->loss;
    wire->lost += lost;
    return lost;
}

static void queue_flush(struct wire *wire, struct wire_queue *q)
{
    unsigned n = rte_ring_enqueue_burst(q->to_relay, (void **)q->frames, q->n, NULL);
    if (n < q->n) {
        wire->full += q->n - n;
        rte_pktmbuf_free_bulk(q->frames + n, q->n - n);
    }
    q->n = 0;
}

static void put(struct wire *wire, unsigned queue, struct rte_mbuf *frame)
{
    struct wire_queue *q = &wire->queues[queue];
    if (q->n == WIRE_BURST)
        queue_flush(wire, q);
    q->frames[q->n++] = frame;
}

static void fill_checksums(struct rte_mbuf *frame, const struct rte_ipv4_hdr *from)
{
    struct rte_ipv4_hdr *ip =
        rte_pktmbuf_mtod_offset(frame, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr));
    struct rte_tcp_hdr *tcp = (void *)(ip + 1);
    (void)from;
    tcp->cksum = 0;
    tcp->cksum = rte_ipv4_udptcp_cksum(ip, tcp);
    ip->hdr_checksum = 0;
    ip->hdr_checksum = rte_ipv4_cksum(ip);
}

void wire_send(struct wire *wire, struct rte_mbuf *packet)
{
    const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(packet, const struct rte_ipv4_hdr *);
    const struct rte_tcp_hdr *tcp = (const void *)(ip + 1);
    unsigned queue = wire->queue_of_port[rte_be_to_cpu_16(tcp->src_port)];
    struct rte_mbuf *frame = is_lost(wire) ? NULL : rte_pktmbuf_alloc(wire->frames);
    if (frame) {
        struct rte_ether_hdr *ether =
            (void *)rte_pktmbuf_append(frame, (uint16_t)(sizeof(*ether) + packet->pkt_len));
        ether->dst_addr = relay_mac;
        ether->src_addr = neighbour_mac;
        ether->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
        memcpy(ether + 1, ip, packet->pkt_len);
        if (wire->nic_checksums)
            frame->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
        else
            fill_checksums(frame, ip);
        put(wire, queue, frame);
    }
    rte_pktmbuf_free(packet);
}

void wire_flush(struct wire *wire)
{
    for (unsigned i = 0; i < wire->n_queues; i++)
        queue_flush(wire, &wire->queues[i]);
}

// ---- receiving

static void answer_arp(struct wire *wire, unsigned queue, const struct rte_mbuf *frame)
{
    const struct rte_arp_hdr *asked =
        rte_pktmbuf_mtod_offset(frame, const struct rte_arp_hdr *, sizeof(struct rte_ether_hdr));
    struct rte_mbuf *m = rte_pktmbuf_alloc(wire->frames);
    struct rte_ether_hdr *ether = m ? (void *)rte_pktmbuf_append(m, RTE_ETHER_MIN_LEN) : NULL;
    if (!ether)
        return;
    struct rte_arp_hdr *arp = (void *)(ether + 1);
    memset(ether, 0, RTE_ETHER_MIN_LEN);
    *ether = (struct rte_ether_hdr){relay_mac, neighbour_mac, rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP)};
    *arp = *asked;
    arp->arp_opcode = rte_cpu_to_be_16(RTE_ARP_OP_REPLY);
    arp->arp_data.arp_tha = asked->arp_data.arp_sha;
    arp->arp_data.arp_tip = asked->arp_data.arp_sip;
    arp->arp_data.arp_sha = neighbour_mac;
    arp->arp_data.arp_sip = asked->arp_data.arp_tip;
    put(wire, queue, m);
}

// A copy of the frame's packet, from the generators' own pool.
static struct rte_mbuf *take_packet(struct wire *wire, const struct rte_mbuf *frame)
{
    unsigned length = frame->data_len - (unsigned)sizeof(struct rte_ether_hdr);
    struct rte_mbuf *m = is_lost(wire) ? NULL : rte_pktmbuf_alloc(wire->packets);
    if (!m)
        return NULL;
    void *to = rte_pktmbuf_append(m, (uint16_t)length);
    memcpy(to, rte_pktmbuf_mtod_offset(frame, const void *, sizeof(struct rte_ether_hdr)), length);
    m->l3_len = sizeof(struct rte_ipv4_hdr);
    return m;
}

unsigned wire_receive(struct wire *wire, struct rte_mbuf **packets, unsigned max)
{
    unsigned kept = 0;
    for (unsigned queue = 0; queue < wire->n_queues; queue++) {
        struct rte_mbuf *frames[WIRE_BURST];
        unsigned room = RTE_MIN(max - kept, (unsigned)WIRE_BURST);
        unsigned n =
            rte_ring_dequeue_burst(wire->queues[queue].from_relay, (void **)frames, room, NULL);
        for (unsigned i = 0; i < n; i++) {
            if (i + 2 < n)
                rte_prefetch0(rte_pktmbuf_mtod(frames[i + 2], void *));
            const struct rte_ether_hdr *ether =
                rte_pktmbuf_mtod(frames[i], const struct rte_ether_hdr *);
            struct rte_mbuf *m = NULL;
            if (ether->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP))
                answer_arp(wire, queue, frames[i]);
            else
                m = take_packet(wire, frames[i]);
            if (m)
                packets[kept++] = m;
        }
        rte_pktmbuf_free_bulk(frames, n);
    }
    return kept;
}

void wire_drain(struct wire *wire)
{
    struct rte_mbuf *m;
    for (unsigned i = 0; i < wire->n_queues; i++) {
        while (rte_ring_dequeue(wire->queues[i].from_relay, (void **)&m) == 0)
            rte_pktmbuf_free(m);
        while (rte_ring_dequeue(wire->queues[i].to_relay, (void **)&m) == 0)
            rte_pktmbuf_free(m);
    }
}
