// SPDX-License-Identifier: BSD-3-Clause
// Sets the network up and takes it down, and drives a worker's receive burst.
#include "net/net.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "net/internal.h"

enum {
    PREFETCH_AHEAD = 8,
    ROOM_MIN = 32, // some drivers receive nothing when asked for few
};

// ---- set-up

static int make_workers(struct net *net, const struct dataplane_config *config)
{
    for (unsigned i = 0; i < net->n_workers; i++) {
        unsigned lcore = config->lcores[i];
        int socket = lcore < RTE_MAX_LCORE ? (int)rte_lcore_to_socket_id(lcore) : SOCKET_ID_ANY;
        struct net_worker *w =
            rte_zmalloc_socket("net_worker", sizeof(*w), RTE_CACHE_LINE_SIZE, socket);
        if (!w)
            w = rte_zmalloc("net_worker", sizeof(*w), RTE_CACHE_LINE_SIZE);
        if (!w)
            return -ENOMEM;
        w->net = net;
        w->index = i;
        w->epoll_fd = w->wake_fd = -1;
        w->counters = &w->unheard;
        w->next_scan_us = UINT64_MAX;
        net->workers[i] = w;
    }
    return steer_open(net);
}

static int open_all(struct net *net, const struct dataplane_config *config, char *error,
                    size_t error_size)
{
    snprintf(error, error_size, "out of memory; raise memory_mb");
    int rc = make_workers(net, config);
    for (unsigned i = 0; rc == 0 && i < net->n_ports; i++)
        rc = port_open(net, &net->ports[i], &config->interfaces[i], config->adaptive_poll, error,
                       error_size);
    for (unsigned i = 0; rc == 0 && i < net->n_workers; i++) {
        rc = sleep_open(net->workers[i]);
        if (rc != 0)
            snprintf(error, error_size, "out of file descriptors: %s", rte_strerror(-rc));
    }
    return rc;
}

struct net *net_create(const struct dataplane_config *config, struct rte_mempool *packets,
                       char *error, size_t error_size)
{
    if (config->n_workers < 1 || config->n_workers > DATAPLANE_WORKERS_MAX ||
        config->n_interfaces < 1 || config->n_interfaces > DATAPLANE_INTERFACES_MAX) {
        snprintf(error, error_size, "a dataplane has 1 to %d workers and 1 to %d interfaces",
                 DATAPLANE_WORKERS_MAX, DATAPLANE_INTERFACES_MAX);
        return NULL;
    }
    struct net *net = rte_zmalloc("net", sizeof(*net), RTE_CACHE_LINE_SIZE);
    if (!net) {
        snprintf(error, error_size, "out of memory; raise memory_mb");
        return NULL;
    }
    net->n_workers = config->n_workers;
    net->n_ports = config->n_interfaces;
    net->packets = packets;
    if (getrandom(&net->steer_key, sizeof(net->steer_key), 0) != sizeof(net->steer_key))
        snprintf(error, error_size, "no random numbers");
    else if (open_all(net, config, error, error_size) == 0)
        return net;
    net_destroy(net);
    return NULL;
}

static void worker_free(struct net_worker *w)
{
    neighbour_clear(w);
    rte_pktmbuf_free_bulk(w->stash, w->n_stash);
    for (unsigned i = 0; i < w->net->n_ports; i++)
        rte_pktmbuf_free_bulk(w->tx[i].frames, w->tx[i].n);
    rte_free(w);
}

void net_destroy(struct net *net)
{
    if (!net)
        return;
    for (unsigned i = 0; i < net->n_workers && net->workers[i]; i++)
        sleep_close(net->workers[i]);
    for (unsigned i = 0; i < net->n_ports; i++)
        port_close(&net->ports[i]);
    steer_close(net);
    for (unsigned i = 0; i < net->n_workers && net->workers[i]; i++)
        worker_free(net->workers[i]);
    rte_free(net);
}

struct net_worker *net_worker(struct net *net, unsigned worker)
{
    return net->workers[worker];
}

void net_worker_set_counters(struct net_worker *w, struct counters *counters)
{
    w->counters = counters;
}

void net_worker_set_unreachable(struct net_worker *w, net_unreachable_fn fn, void *ctx)
{
    w->unreachable = fn;
    w->unreachable_ctx = ctx;
}

// ---- the receive burst

static unsigned take_frames(struct net_worker *w, unsigned port, struct rte_mbuf **frames,
                            unsigned n, struct rte_mbuf **tcp)
{
    unsigned kept = 0;
    uint64_t bytes = 0;
    for (unsigned i = 0; i < n; i++)
        rte_prefetch0(frames[i]); // what says where the frame's bytes are
    for (unsigned i = 0; i < n; i++) {
        if (i + PREFETCH_AHEAD < n)
            rte_prefetch0(rte_pktmbuf_mtod(frames[i + PREFETCH_AHEAD], void *));
        struct rte_mbuf *m = frames[i];
        bytes += m->pkt_len;
        if (ethernet_input(w, port, m) && steer_keep(w, port, m) && ipv4_deliver(w, port, m))
            tcp[kept++] = m;
    }
    w->counters->rx_packets += n;
    w->counters->rx_bytes += bytes;
    if (n) {
        w->busy = true;
        w->idle_us = NET_IDLE_MIN_US;
        w->expect_packets = 0;
    }
    return kept;
}

static unsigned take_stash(struct net_worker *w, struct rte_mbuf **tcp)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < w->n_stash; i++)
        kept += take_frames(w, w->stash_port[i], &w->stash[i], 1, tcp + kept);
    w->n_stash = 0;
    return kept;
}

static unsigned take_port(struct net_worker *w, unsigned port, struct rte_mbuf **tcp, unsigned max)
{
    const struct net_port *p = &w->net->ports[port];
    if (w->index >= p->n_queues)
        return 0;
    struct rte_mbuf *frames[NET_BURST];
    unsigned n = rte_eth_rx_burst(p->id, (uint16_t)w->index, frames,
                                  (uint16_t)RTE_MIN(max, (unsigned)NET_BURST));
    return take_frames(w, port, frames, n, tcp);
}

static unsigned take_steered(struct net_worker *w, struct rte_mbuf **tcp, unsigned max)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < w->net->n_workers; i++) {
        unsigned from = (i + w->turn) % w->net->n_workers;
        unsigned room = RTE_MIN(max - kept, (unsigned)NET_BURST);
        if (from == w->index || room == 0 || rte_ring_empty(w->steered[from]))
            continue;
        struct rte_mbuf *packets[NET_BURST];
        unsigned n = rte_ring_dequeue_burst(w->steered[from], (void **)packets, room, NULL);
        w->busy = w->busy || n;
        for (unsigned j = 0; j < n; j++) {
            struct rte_mbuf *m = packets[j];
            if (m->packet_type == RTE_PTYPE_L2_ETHER_ARP)
                arp_input(w, m->port, m, true);
            else if (ipv4_deliver(w, m->port, m))
                tcp[kept++] = m;
        }
    }
    return kept;
}

unsigned net_receive(struct net_worker *w, uint64_t now_us, struct rte_mbuf **tcp, unsigned max)
{
    w->now_us = now_us;
    w->busy = false;
    unsigned kept = w->n_stash <= max ? take_stash(w, tcp) : 0;
    // Each source begins once in a while, so that none can starve the others.
    unsigned n_sources = w->net->n_ports + 1;
    w->turn++;
    for (unsigned i = 0; i < n_sources && max - kept >= ROOM_MIN; i++) {
        unsigned source = (w->turn + i) % n_sources;
        if (source < w->net->n_ports)
            kept += take_port(w, source, tcp + kept, max - kept);
        else
            kept += take_steered(w, tcp + kept, max - kept);
    }
    steer_wake(w);
    return kept;
}

bool net_was_busy(const struct net_worker *w)
{
    return w->busy;
}

void net_advance(struct net_worker *w, uint64_t now_us)
{
    w->now_us = now_us;
    neighbour_advance(w);
    unsigned n = w->n_failed;
    w->n_failed = 0;
    for (unsigned i = 0; w->unreachable && i < n; i++)
        w->unreachable(w->unreachable_ctx, &w->failed[i].local, &w->failed[i].remote);
}
