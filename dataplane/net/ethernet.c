// SPDX-License-Identifier: BSD-3-Clause
// Ethernet frames: what becomes of a received one, and the way of a packet to the port's queue.
#include "net/internal.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_ethdev.h>
#include <rte_tcp.h>

#include "base/cursor.h"

bool ethernet_input(struct net_worker *w, unsigned port, struct rte_mbuf *m)
{
    const struct net_port *p = &w->net->ports[port];
    // Ports deliver whole frames in one segment; this is for a driver that chains all the same.
    if (m->nb_segs > 1 && rte_pktmbuf_linearize(m) != 0) {
        net_drop(m, &w->counters->drop_eth_unknown);
        return false;
    }
    struct reader r = reader_of(rte_pktmbuf_mtod(m, const void *), m->data_len);
    const struct rte_ether_hdr *ether = (const void *)read_bytes(&r, sizeof(*ether));
    bool to_us = ether && rte_is_same_ether_addr(&ether->dst_addr, &p->mac);
    if (to_us && ether->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)) {
        m->packet_type = RTE_PTYPE_L3_IPV4;
        rte_pktmbuf_adj(m, sizeof(*ether));
        return ipv4_input(w, p, m);
    }
    if (ether && ether->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP) &&
        (to_us || rte_is_broadcast_ether_addr(&ether->dst_addr))) {
        m->packet_type = RTE_PTYPE_L2_ETHER_ARP;
        rte_pktmbuf_adj(m, sizeof(*ether));
        arp_input(w, port, m, false);
        return false;
    }
    net_drop(m, &w->counters->drop_eth_unknown);
    return false;
}

// Leaves to the driver what it offers to do, and does the rest.
static void fill_checksums(const struct net_port *p, struct rte_mbuf *m)
{
    struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
    size_t header_length = (ip->version_ihl & 0xf) * 4u;
    m->l2_len = sizeof(struct rte_ether_hdr);
    m->l3_len = header_length & 0x1ff;
    if (ip->next_proto_id == IPPROTO_TCP) {
        struct rte_tcp_hdr *tcp = rte_pktmbuf_mtod_offset(m, struct rte_tcp_hdr *, header_length);
        size_t length = m->pkt_len - header_length;
        m->l4_len = (uint8_t)(tcp->data_off >> 4) * 4u;
        tcp->cksum = 0;
        if (p->tx_tcp_checksum) {
            m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
            tcp->cksum = checksum_pseudo_header(ip, length);
        } else {
            tcp->cksum = checksum_tcp(ip, tcp, length);
        }
    }
    ip->hdr_checksum = 0;
    if (p->tx_ip_checksum)
        m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
    else
        ip->hdr_checksum = checksum_ipv4_header(ip, header_length);
}

// A TCP segment is still referenced by its connection, which does not touch it until the port gave
// it back, and then sets the data offset anew: so the header is prepended in place.
void ethernet_output(struct net_worker *w, unsigned port, struct rte_mbuf *m,
                     const struct rte_ether_addr *to, uint16_t type)
{
    const struct net_port *p = &w->net->ports[port];
    m->ol_flags &= RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL;
    if (type == RTE_ETHER_TYPE_IPV4)
        fill_checksums(p, m);
    struct rte_ether_hdr *ether = (void *)rte_pktmbuf_prepend(m, sizeof(*ether));
    if (!ether) {
        net_drop(m, &w->counters->drop_tx_unfit);
        return;
    }
    rte_ether_addr_copy(to, &ether->dst_addr);
    rte_ether_addr_copy(&p->mac, &ether->src_addr);
    ether->ether_type = rte_cpu_to_be_16(type);
    ethernet_queue(w, port, m);
}

void ethernet_queue(struct net_worker *w, unsigned port, struct rte_mbuf *frame)
{
    struct net_tx_buffer *tx = &w->tx[port];
    if (tx->n == NET_TX_MAX)
        ethernet_flush(w, port);
    if (tx->n == NET_TX_MAX) {
        net_drop(frame, &w->counters->drop_tx_full);
        return;
    }
    tx->frames[tx->n++] = frame;
}

// For a port on which this worker has no queue.
static void hand_over(struct net_worker *w, unsigned port)
{
    struct net_tx_buffer *tx = &w->tx[port];
    unsigned to = w->index % w->net->ports[port].n_queues;
    for (unsigned i = 0; i < tx->n; i++)
        tx->frames[i]->port = (uint16_t)port;
    unsigned n = rte_ring_enqueue_burst(w->net->workers[to]->handed[w->index], (void **)tx->frames,
                                        tx->n, NULL);
    w->counters->drop_tx_full += tx->n - n;
    rte_pktmbuf_free_bulk(tx->frames + n, tx->n - n);
    tx->n = 0;
    w->wake_mask |= UINT32_C(1) << to;
}

// What the port did not take stays for the next flush, but not for long: a port that is down must
// not keep packets from their connections, which may have another use for them.
static void keep_rest(struct net_worker *w, struct net_tx_buffer *tx, unsigned sent)
{
    tx->n -= sent;
    if (sent || tx->stuck_since_us == 0)
        tx->stuck_since_us = tx->n ? w->now_us + 1 : 0;
    if (tx->n && w->now_us > tx->stuck_since_us + NET_TX_STUCK_US) {
        w->counters->drop_tx_full += tx->n;
        rte_pktmbuf_free_bulk(tx->frames + sent, tx->n);
        tx->n = 0;
        tx->stuck_since_us = 0;
    }
    memmove(tx->frames, tx->frames + sent, tx->n * sizeof(tx->frames[0]));
}

void ethernet_flush(struct net_worker *w, unsigned port)
{
    struct net_tx_buffer *tx = &w->tx[port];
    const struct net_port *p = &w->net->ports[port];
    if (tx->n == 0)
        return;
    if (w->index >= p->n_queues) {
        hand_over(w, port);
        return;
    }
    uint64_t bytes = 0;
    for (unsigned i = 0; i < tx->n; i++)
        bytes += tx->frames[i]->pkt_len;
    uint16_t queue = (uint16_t)w->index;
    unsigned sent = 0;
    while (sent < tx->n) {
        uint16_t n = rte_eth_tx_prepare(p->id, queue, tx->frames + sent, (uint16_t)(tx->n - sent));
        n = rte_eth_tx_burst(p->id, queue, tx->frames + sent, n);
        if (n == 0)
            break;
        sent += n;
    }
    for (unsigned i = sent; i < tx->n; i++)
        bytes -= tx->frames[i]->pkt_len;
    w->counters->tx_packets += sent;
    w->counters->tx_bytes += bytes;
    keep_rest(w, tx, sent);
}

static void take_handed(struct net_worker *w)
{
    for (unsigned i = 0; i < w->net->n_workers; i++) {
        struct rte_mbuf *frames[NET_BURST];
        unsigned n = 0;
        if (i != w->index && !rte_ring_empty(w->handed[i]))
            n = rte_ring_dequeue_burst(w->handed[i], (void **)frames, NET_BURST, NULL);
        for (unsigned j = 0; j < n; j++)
            ethernet_queue(w, frames[j]->port, frames[j]);
    }
}

void net_flush(struct net_worker *w)
{
    take_handed(w);
    for (unsigned port = 0; port < w->net->n_ports; port++)
        ethernet_flush(w, port);
    steer_wake(w);
}
