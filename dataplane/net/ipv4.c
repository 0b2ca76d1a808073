// SPDX-License-Identifier: BSD-3-Clause
// IPv4 (RFC 791, RFC 1122 section 3.2): validation of what comes in, and routes for what goes out.
#include "net/internal.h"

#include <rte_byteorder.h>
#include <rte_tcp.h>

#include "base/cursor.h"

// A host never sends from these (RFC 1122, 3.2.1.3).
static bool source_is_bad(const struct net_port *p, uint32_t source)
{
    return source >> 24 == 0 || source >> 24 == 127 || source >= UINT32_C(0xe0000000) ||
           net_port_has(p, source);
}

static bool header_checksum_ok(const struct net_port *p, const struct rte_mbuf *m,
                               const void *header, size_t length)
{
    uint64_t verdict = p->rx_checksum ? m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK : 0;
    if (verdict == RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN)
        return checksum_ipv4_header(header, length) == 0;
    return verdict != RTE_MBUF_F_RX_IP_CKSUM_BAD;
}

bool ipv4_input(struct net_worker *w, const struct net_port *p, struct rte_mbuf *m)
{
    struct counters *c = w->counters;
    struct reader r = reader_of(rte_pktmbuf_mtod(m, const void *), m->data_len);
    const struct rte_ipv4_hdr *ip = (const void *)read_bytes(&r, sizeof(*ip));
    if (!ip || ip->version_ihl >> 4 != 4)
        goto malformed;
    size_t header_length = (ip->version_ihl & 0xf) * 4u;
    size_t total_length = rte_be_to_cpu_16(ip->total_length);
    if (header_length < sizeof(*ip) || total_length < header_length || total_length > m->data_len)
        goto malformed;
    if (!header_checksum_ok(p, m, ip, header_length)) {
        net_drop(m, &c->drop_ip_checksum);
        return false;
    }
    if (!net_port_has(p, rte_be_to_cpu_32(ip->dst_addr))) {
        net_drop(m, &c->drop_ip_not_ours);
        return false;
    }
    if (source_is_bad(p, rte_be_to_cpu_32(ip->src_addr)))
        goto malformed;
    if (ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_MF_FLAG | RTE_IPV4_HDR_OFFSET_MASK)) {
        net_drop(m, &c->drop_ip_fragment);
        return false;
    }
    if (ip->next_proto_id != IPPROTO_TCP && ip->next_proto_id != IPPROTO_ICMP) {
        net_drop(m, &c->drop_ip_protocol);
        return false;
    }
    if (ip->next_proto_id == IPPROTO_TCP &&
        total_length - header_length < sizeof(struct rte_tcp_hdr)) {
        net_drop(m, &c->drop_tcp_malformed);
        return false;
    }
    // What follows the packet is padding of a short frame.
    rte_pktmbuf_trim(m, (uint16_t)(m->data_len - total_length));
    m->l2_len = 0;
    m->l3_len = header_length & 0x1ff;
    return true;
malformed:
    net_drop(m, &c->drop_ip_malformed);
    return false;
}

static bool tcp_checksum_ok(const struct net_port *p, const struct rte_mbuf *m)
{
    // "None" says that the data came without a wire between.
    uint64_t verdict = p->rx_checksum ? m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK : 0;
    if (verdict != RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN)
        return verdict != RTE_MBUF_F_RX_L4_CKSUM_BAD;
    const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);
    return checksum_tcp(ip, rte_pktmbuf_mtod_offset(m, const void *, m->l3_len),
                        (size_t)m->data_len - m->l3_len) == 0;
}

bool ipv4_deliver(struct net_worker *w, unsigned port, struct rte_mbuf *m)
{
    const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);
    if (ip->next_proto_id == IPPROTO_ICMP) {
        icmp_input(w, port, m);
        return false;
    }
    if (!tcp_checksum_ok(&w->net->ports[port], m)) {
        net_drop(m, &w->counters->drop_tcp_checksum);
        return false;
    }
    return true;
}

// The port that holds `source` comes first: a packet leaves by the port that its answer comes to.
bool ipv4_route(const struct net *net, uint32_t source, uint32_t destination, unsigned *port,
                uint32_t *next_hop)
{
    if (destination == 0 || destination >= UINT32_C(0xe0000000))
        return false;
    unsigned via = DATAPLANE_INTERFACES_MAX;
    bool via_is_home = false;
    for (unsigned i = 0; i < net->n_ports; i++) {
        const struct net_port *p = &net->ports[i];
        bool home = net_port_has(p, source);
        if (net_port_has(p, destination))
            return false; // ourselves
        if (net_port_on_link(p, destination) && (home || source == 0)) {
            *port = i;
            *next_hop = destination;
            return true;
        }
        if (p->gateway && (via == DATAPLANE_INTERFACES_MAX || (home && !via_is_home))) {
            via = i;
            via_is_home = home;
        }
    }
    if (via == DATAPLANE_INTERFACES_MAX)
        return false;
    *port = via;
    *next_hop = net->ports[via].gateway;
    return true;
}

static uint32_t source_on(const struct net_port *p, uint32_t next_hop)
{
    for (unsigned i = 0; i < p->n_addresses; i++)
        if (((p->addresses[i].address ^ next_hop) & p->addresses[i].mask) == 0)
            return p->addresses[i].address;
    return p->addresses[0].address;
}

bool net_source_for(const struct net *net, const struct address *remote, struct address *local)
{
    unsigned port;
    uint32_t next_hop;
    if (remote->family != ADDRESS_IPV4 ||
        !ipv4_route(net, 0, address_ipv4_host(remote), &port, &next_hop))
        return false;
    *local = address_ipv4(source_on(&net->ports[port], next_hop), 0);
    return true;
}

bool net_owns(const struct net_worker *w, const struct address *local, const struct address *remote)
{
    uint32_t address = address_ipv4_host(local);
    for (unsigned i = 0; i < w->net->n_ports; i++) {
        const struct net_port *p = &w->net->ports[i];
        if (net_port_has(p, address))
            return steer_owner(w->net, p, address, local->port, address_ipv4_host(remote),
                               remote->port) == w->index;
    }
    return false;
}

void net_transmit(struct net_worker *w, struct rte_mbuf *packet)
{
    const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(packet, const struct rte_ipv4_hdr *);
    unsigned port;
    uint32_t next_hop;
    if (!ipv4_route(w->net, rte_be_to_cpu_32(ip->src_addr), rte_be_to_cpu_32(ip->dst_addr), &port,
                    &next_hop)) {
        ipv4_failed(w, packet);
        return;
    }
    if (packet->nb_segs != 1 || packet->pkt_len > w->net->ports[port].mtu) {
        net_drop(packet, &w->counters->drop_tx_unfit);
        return;
    }
    neighbour_send(w, port, next_hop, packet);
}

void ipv4_failed(struct net_worker *w, struct rte_mbuf *m)
{
    const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, const struct rte_ipv4_hdr *);
    if (ip->next_proto_id == IPPROTO_TCP && w->n_failed < NET_FAILED_MAX) {
        const struct rte_tcp_hdr *tcp =
            rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, (ip->version_ihl & 0xf) * 4);
        w->failed[w->n_failed++] = (struct net_pair){
            .local = address_ipv4(rte_be_to_cpu_32(ip->src_addr), rte_be_to_cpu_16(tcp->src_port)),
            .remote = address_ipv4(rte_be_to_cpu_32(ip->dst_addr), rte_be_to_cpu_16(tcp->dst_port)),
        };
    }
    net_drop(m, &w->counters->drop_no_route);
}
