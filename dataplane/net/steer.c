// SPDX-License-Identifier: BSD-3-Clause
// Brings packets to the worker that owns their connection: by the port's RSS where its key and
// table are ours, else by a keyed hash and rings between the workers.
#include "net/internal.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <rte_byteorder.h>
#include <rte_jhash.h>
#include <rte_tcp.h>
#include <rte_thash.h>

#include "base/cursor.h"

enum {
    ARP_SHARE_INTERVAL_US = 1000,
    ARP_SHARE_BURST = 64,
};

static unsigned rss_owner(const struct net *net, const struct net_port *p, uint32_t local,
                          uint16_t local_port, uint32_t remote, uint16_t remote_port)
{
    uint32_t tuple[3] = {remote, local, (uint32_t)remote_port << 16 | local_port};
    uint32_t hash = rte_softrss(tuple, 3, p->key);
    return hash % p->reta_size % net->n_workers; // as port.c filled the table
}

unsigned steer_owner(const struct net *net, const struct net_port *p, uint32_t local,
                     uint16_t local_port, uint32_t remote, uint16_t remote_port)
{
    if (net->n_workers == 1)
        return 0;
    if (p->rss)
        return rss_owner(net, p, local, local_port, remote, remote_port);
    uint32_t hash =
        rte_jhash_3words(remote, local, (uint32_t)remote_port << 16 | local_port, net->steer_key);
    return (unsigned)((uint64_t)hash * net->n_workers >> 32);
}

bool steer_keep(struct net_worker *w, unsigned port, struct rte_mbuf *m)
{
    const struct net_port *p = &w->net->ports[port];
    if (w->net->n_workers == 1 || p->rss)
        return true;
    struct reader r = reader_of(rte_pktmbuf_mtod(m, const void *), m->data_len);
    const struct rte_ipv4_hdr *ip = (const void *)read_bytes(&r, sizeof(*ip));
    if (!ip || ip->next_proto_id != IPPROTO_TCP)
        return true;
    read_bytes(&r, m->l3_len - sizeof(*ip));
    uint16_t remote_port = read_u16(&r);
    uint16_t local_port = read_u16(&r);
    unsigned owner = steer_owner(w->net, p, rte_be_to_cpu_32(ip->dst_addr), local_port,
                                 rte_be_to_cpu_32(ip->src_addr), remote_port);
    if (owner == w->index)
        return true;
    steer_to(w, owner, port, m);
    return false;
}

void steer_to(struct net_worker *w, unsigned owner, unsigned port, struct rte_mbuf *m)
{
    m->port = (uint16_t)port;
    if (rte_ring_enqueue(w->net->workers[owner]->steered[w->index], m) != 0) {
        net_drop(m, &w->counters->drop_steer_full);
        return;
    }
    w->counters->rx_steered++;
    w->wake_mask |= UINT32_C(1) << owner;
}

void steer_share(struct net_worker *w, unsigned port, struct rte_mbuf *m)
{
    if (w->net->n_workers == 1 ||
        !net_rate_take(&w->arp_share, w->now_us, ARP_SHARE_INTERVAL_US, ARP_SHARE_BURST))
        return;
    m->port = (uint16_t)port;
    for (unsigned i = 0; i < w->net->n_workers; i++) {
        if (i == w->index)
            continue;
        rte_mbuf_refcnt_update(m, 1);
        steer_to(w, i, port, m);
    }
}

void steer_wake(struct net_worker *w)
{
    if (!w->wake_mask)
        return;
    // Orders the enqueue before the look at the flag; the sleeper sets its flag, then looks again
    // at its rings.
    atomic_thread_fence(memory_order_seq_cst);
    for (uint32_t mask = w->wake_mask; mask; mask &= mask - 1) {
        struct net_worker *other = w->net->workers[__builtin_ctz(mask)];
        if (!atomic_load_explicit(&other->sleeps, memory_order_relaxed) ||
            !atomic_exchange(&other->sleeps, 0))
            continue;
        uint64_t one = 1;
        ssize_t ignored = write(other->wake_fd, &one, sizeof(one)); // readable already if it fails
        (void)ignored;
    }
    w->wake_mask = 0;
}

bool steer_waiting(const struct net_worker *w)
{
    for (unsigned i = 0; i < w->net->n_workers; i++)
        if (i != w->index && (!rte_ring_empty(w->steered[i]) || !rte_ring_empty(w->handed[i])))
            return true;
    return false;
}

// Rings are named after the network's address in memory: one process can hold several networks.
static struct rte_ring *make_ring(const struct net *net, char kind, unsigned from, unsigned to)
{
    char name[RTE_RING_NAMESIZE];
    snprintf(name, sizeof(name), "%c%lx_%u_%u", kind, (unsigned long)(uintptr_t)net, from & 0xff,
             to & 0xff);
    return rte_ring_create(name, NET_RING_PACKETS, SOCKET_ID_ANY,
                           RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
}

int steer_open(struct net *net)
{
    for (unsigned to = 0; to < net->n_workers; to++) {
        for (unsigned from = 0; from < net->n_workers; from++) {
            if (from == to)
                continue;
            struct net_worker *w = net->workers[to];
            w->steered[from] = make_ring(net, 'r', from, to);
            w->handed[from] = make_ring(net, 't', from, to);
            if (!w->steered[from] || !w->handed[from])
                return -ENOMEM;
        }
    }
    return 0;
}

static void empty_ring(struct rte_ring *ring)
{
    void *m;
    while (ring && rte_ring_dequeue(ring, &m) == 0)
        rte_pktmbuf_free(m);
    rte_ring_free(ring);
}

void steer_close(struct net *net)
{
    for (unsigned to = 0; to < net->n_workers; to++) {
        for (unsigned from = 0; net->workers[to] && from < net->n_workers; from++) {
            empty_ring(net->workers[to]->steered[from]);
            empty_ring(net->workers[to]->handed[from]);
        }
    }
}
