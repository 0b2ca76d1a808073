// SPDX-License-Identifier: BSD-3-Clause
// ARP packets (RFC 826, RFC 5227): answering requests for our addresses, asking for others'.
#include "net/internal.h"

#include <rte_arp.h>
#include <rte_byteorder.h>

#include "base/cursor.h"

enum {
    ARP_ANSWER_INTERVAL_US = 1000,
    ARP_ANSWER_BURST = 100,
    ARP_ASK_INTERVAL_US = 5000,
    ARP_ASK_BURST = 64,
};

static bool packet_is_ours(const struct rte_arp_hdr *arp)
{
    return arp->arp_hardware == rte_cpu_to_be_16(RTE_ARP_HRD_ETHER) &&
           arp->arp_protocol == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) &&
           arp->arp_hlen == RTE_ETHER_ADDR_LEN && arp->arp_plen == sizeof(uint32_t) &&
           (arp->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REQUEST) ||
            arp->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REPLY)) &&
           rte_is_valid_assigned_ether_addr(&arp->arp_data.arp_sha);
}

static void answer(struct net_worker *w, unsigned port, struct rte_mbuf *m)
{
    if (!net_rate_take(&w->arp_answer, w->now_us, ARP_ANSWER_INTERVAL_US, ARP_ANSWER_BURST)) {
        net_drop(m, &w->counters->drop_rate);
        return;
    }
    struct rte_arp_hdr *arp = rte_pktmbuf_mtod(m, struct rte_arp_hdr *);
    struct rte_arp_ipv4 *data = &arp->arp_data;
    uint32_t our_address = data->arp_tip;
    arp->arp_opcode = rte_cpu_to_be_16(RTE_ARP_OP_REPLY);
    data->arp_tha = data->arp_sha;
    data->arp_tip = data->arp_sip;
    data->arp_sha = w->net->ports[port].mac;
    data->arp_sip = our_address;
    struct rte_ether_addr to = data->arp_tha;
    rte_pktmbuf_trim(m, (uint16_t)(m->data_len - sizeof(*arp)));
    ethernet_output(w, port, m, &to, RTE_ETHER_TYPE_ARP);
}

void arp_input(struct net_worker *w, unsigned port, struct rte_mbuf *m, bool shared)
{
    const struct net_port *p = &w->net->ports[port];
    struct reader r = reader_of(rte_pktmbuf_mtod(m, const void *), m->data_len);
    const struct rte_arp_hdr *arp = (const void *)read_bytes(&r, sizeof(*arp));
    if (!arp || !packet_is_ours(arp)) {
        net_drop(m, &w->counters->drop_arp_malformed);
        return;
    }
    uint32_t sender = rte_be_to_cpu_32(arp->arp_data.arp_sip);
    uint32_t target = rte_be_to_cpu_32(arp->arp_data.arp_tip);
    // An announcement has sender and target equal: it is not for us, and so nothing is learned.
    if (!net_port_has(p, target) || net_port_has(p, sender)) {
        net_drop(m, &w->counters->drop_arp_ignored);
        return;
    }
    bool is_answer = arp->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REPLY);
    if (is_answer && !shared)
        steer_share(w, port, m); // any worker may have asked
    if (net_port_on_link(p, sender) || sender == p->gateway)
        neighbour_heard(w, port, sender, &arp->arp_data.arp_sha, is_answer);
    if (is_answer)
        rte_pktmbuf_free(m);
    else
        answer(w, port, m);
}

// The address to ask from: one on the target's link if there is one.
static uint32_t asking_address(const struct net_port *p, uint32_t target)
{
    for (unsigned i = 0; i < p->n_addresses; i++)
        if (((p->addresses[i].address ^ target) & p->addresses[i].mask) == 0)
            return p->addresses[i].address;
    return p->addresses[0].address;
}

bool arp_ask(struct net_worker *w, unsigned port, uint32_t address, const struct rte_ether_addr *to)
{
    static const struct rte_ether_addr everyone = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
    const struct net_port *p = &w->net->ports[port];
    if (!net_rate_take(&w->arp_ask, w->now_us, ARP_ASK_INTERVAL_US, ARP_ASK_BURST))
        return false;
    struct rte_mbuf *m = rte_pktmbuf_alloc(w->net->packets);
    if (!m) {
        w->counters->drop_no_packet++;
        return false;
    }
    struct rte_arp_hdr *arp = (void *)rte_pktmbuf_append(m, sizeof(*arp));
    *arp = (struct rte_arp_hdr){
        .arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER),
        .arp_protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4),
        .arp_hlen = RTE_ETHER_ADDR_LEN,
        .arp_plen = sizeof(uint32_t),
        .arp_opcode = rte_cpu_to_be_16(RTE_ARP_OP_REQUEST),
        .arp_data = {.arp_sha = p->mac,
                     .arp_sip = rte_cpu_to_be_32(asking_address(p, address)),
                     .arp_tip = rte_cpu_to_be_32(address)},
    };
    ethernet_output(w, port, m, to ? to : &everyone, RTE_ETHER_TYPE_ARP);
    return true;
}
