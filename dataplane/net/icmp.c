// SPDX-License-Identifier: BSD-3-Clause
// ICMP (RFC 792, RFC 1122 section 3.2.2): echo requests are answered, "destination unreachable" is
// told to the connection that it is about.
#include "net/internal.h"

#include <rte_byteorder.h>
#include <rte_icmp.h>

#include "base/cursor.h"

enum {
    ECHO_INTERVAL_US = 1000,
    ECHO_BURST = 100,
    TYPE_UNREACHABLE = 3,
    CODE_FRAGMENTATION_NEEDED = 4, // says something else, and is easily forged
    CODE_MAX = 15,
};

static void answer_echo(struct net_worker *w, struct rte_mbuf *m)
{
    if (!net_rate_take(&w->echo, w->now_us, ECHO_INTERVAL_US, ECHO_BURST)) {
        net_drop(m, &w->counters->drop_rate);
        return;
    }
    struct rte_ipv4_hdr asked = *rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
    rte_pktmbuf_adj(m, (uint16_t)(m->l3_len - sizeof(asked))); // options are not sent back
    struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod(m, struct rte_ipv4_hdr *);
    *ip = (struct rte_ipv4_hdr){
        .version_ihl = RTE_IPV4_VHL_DEF,
        .total_length = rte_cpu_to_be_16(m->data_len),
        .fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
        .time_to_live = 64,
        .next_proto_id = IPPROTO_ICMP,
        .src_addr = asked.dst_addr,
        .dst_addr = asked.src_addr,
    };
    struct rte_icmp_hdr *icmp = (void *)(ip + 1);
    icmp->icmp_type = RTE_IP_ICMP_ECHO_REPLY;
    icmp->icmp_cksum = 0;
    icmp->icmp_cksum = (uint16_t)~checksum_sum(icmp, m->data_len - sizeof(*ip), 0);
    w->counters->icmp_echo++;
    net_transmit(w, m);
}

// What is quoted begins with the IP header and 8 more bytes of the packet that went astray.
static bool parse_quoted(struct reader *r, struct address *local, struct address *remote)
{
    const struct rte_ipv4_hdr *ip = (const void *)read_bytes(r, sizeof(*ip));
    if (!ip || ip->version_ihl >> 4 != 4 || (ip->version_ihl & 0xf) < 5 ||
        ip->next_proto_id != IPPROTO_TCP ||
        (ip->fragment_offset & rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK)))
        return false;
    read_bytes(r, (ip->version_ihl & 0xf) * 4u - sizeof(*ip));
    uint16_t local_port = read_u16(r);
    uint16_t remote_port = read_u16(r);
    read_u32(r); // its sequence number
    *local = address_ipv4(rte_be_to_cpu_32(ip->src_addr), local_port);
    *remote = address_ipv4(rte_be_to_cpu_32(ip->dst_addr), remote_port);
    return !r->failed;
}

static void unreachable(struct net_worker *w, unsigned port, struct rte_mbuf *m, struct reader *r)
{
    const struct net_port *p = &w->net->ports[port];
    struct address local, remote;
    if (!parse_quoted(r, &local, &remote) || !net_port_has(p, address_ipv4_host(&local))) {
        net_drop(m, &w->counters->drop_icmp_ignored);
        return;
    }
    unsigned owner = steer_owner(w->net, p, address_ipv4_host(&local), local.port,
                                 address_ipv4_host(&remote), remote.port);
    if (owner != w->index) {
        steer_to(w, owner, port, m);
        return;
    }
    if (w->unreachable)
        w->unreachable(w->unreachable_ctx, &local, &remote);
    rte_pktmbuf_free(m);
}

void icmp_input(struct net_worker *w, unsigned port, struct rte_mbuf *m)
{
    struct reader r = reader_of(rte_pktmbuf_mtod(m, const void *), m->data_len);
    read_bytes(&r, m->l3_len);
    size_t length = reader_left(&r);
    const struct rte_icmp_hdr *icmp = (const void *)read_bytes(&r, sizeof(*icmp));
    if (!icmp || checksum_sum(icmp, length, 0) != 0xffff) {
        net_drop(m, &w->counters->drop_icmp_malformed);
        return;
    }
    if (icmp->icmp_type == RTE_IP_ICMP_ECHO_REQUEST && icmp->icmp_code == 0)
        answer_echo(w, m);
    else if (icmp->icmp_type == TYPE_UNREACHABLE && icmp->icmp_code <= CODE_MAX &&
             icmp->icmp_code != CODE_FRAGMENTATION_NEEDED)
        unreachable(w, port, m, &r);
    else
        net_drop(m, &w->counters->drop_icmp_ignored);
}
