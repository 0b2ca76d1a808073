// SPDX-License-Identifier: BSD-3-Clause
// Makes the pools, rings and workers of the dataplane, starts the workers and stops them.
#include "dataplane/dataplane.h"

#include <stdio.h>
#include <stdlib.h>

#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "cell/queue.h"
#include "worker.h"

enum {
    MESSAGES_PER_CHANNEL = 4096,
    PEER_RING_CELLS = 8192,
    POOL_CACHE = 512,
    CACHES_SHARE = 16,
    ETHERNET_MTU_OVERHEAD = 64, // Ethernet header, VLAN tags, and what drivers round up
};

struct dataplane {
    struct dataplane_config config;
    struct channel channels[DATAPLANE_WORKERS_MAX];
    unsigned n_channels;
    struct rte_mempool *packets;
    struct rte_mempool *cells;
    struct net *net;
    struct worker *workers;
    bool running;
};

// What workers keep for themselves is not there for others: little of a small pool.
static unsigned cell_cache(const struct dataplane_config *config)
{
    unsigned share = config->max_cells / (CACHES_SHARE * config->n_workers);
    return share < POOL_CACHE ? share : POOL_CACHE;
}

static bool make_pools(struct dataplane *dp)
{
    const struct dataplane_config *config = &dp->config;
    uint16_t mtu = 0;
    for (unsigned i = 0; i < config->n_interfaces; i++)
        if (config->interfaces[i].mtu > mtu)
            mtu = config->interfaces[i].mtu;
    uint16_t data_room = (uint16_t)(RTE_PKTMBUF_HEADROOM + mtu + ETHERNET_MTU_OVERHEAD);
    if (data_room < RTE_MBUF_DEFAULT_BUF_SIZE)
        data_room = RTE_MBUF_DEFAULT_BUF_SIZE; // what every driver can receive into
    // Stacks: what was given back last is taken first. A ring would bring every object of the pool
    // round, each of them out of all caches by then.
    dp->packets = rte_pktmbuf_pool_create_by_ops("packets", config->max_packets, POOL_CACHE, 0,
                                                 data_room, SOCKET_ID_ANY, "stack");
    dp->cells = rte_mempool_create_empty("cells", config->max_cells, sizeof(struct cell),
                                         cell_cache(config), 0, SOCKET_ID_ANY,
                                         RTE_MEMPOOL_F_NO_IOVA_CONTIG); // no device reads them
    return dp->packets && dp->cells && rte_mempool_set_ops_byname(dp->cells, "stack", NULL) == 0 &&
           rte_mempool_populate_default(dp->cells) > 0;
}

static bool make_channels(struct dataplane *dp)
{
    for (unsigned i = 0; i < dp->config.n_workers; i++) {
        if (channel_open(&dp->channels[i], i, i ? &dp->channels[0] : NULL, MESSAGES_PER_CHANNEL))
            return false;
        dp->n_channels++;
    }
    return true;
}

// One ring of cells for each ordered pair of workers.
static bool make_peer_rings(struct dataplane *dp)
{
    for (unsigned from = 0; from < dp->config.n_workers; from++) {
        for (unsigned to = 0; to < dp->config.n_workers; to++) {
            if (from == to)
                continue;
            char name[RTE_RING_NAMESIZE];
            snprintf(name, sizeof(name), "peer_%u_%u", from, to);
            struct rte_ring *ring = rte_ring_create(name, PEER_RING_CELLS, SOCKET_ID_ANY,
                                                    RING_F_SP_ENQ | RING_F_SC_DEQ);
            if (!ring)
                return false;
            dp->workers[from].crossings[to].to = ring;
            dp->workers[to].crossings[from].from = ring;
        }
    }
    return true;
}

static bool make_workers(struct dataplane *dp, char *error, size_t error_size)
{
    const struct dataplane_config *config = &dp->config;
    for (unsigned i = 0; i < config->n_workers; i++) {
        struct worker *w = &dp->workers[i];
        w->index = i;
        w->n_workers = config->n_workers;
        w->lcore = config->lcores[i];
        w->adaptive_poll = config->adaptive_poll;
        w->cpu_time_cycles = config->cpu_time_cycles;
        w->circuit_queue_max_cells = config->circuit_queue_max_cells;
        w->channel = &dp->channels[i];
        w->net = dp->net;
        w->cells = dp->cells;
        w->workers = dp->workers;
    }
    if (!make_peer_rings(dp)) {
        snprintf(error, error_size,
                 "no memory for the rings between workers: raise "
                 "dataplane.memory_mb");
        return false;
    }
    for (unsigned i = 0; i < config->n_workers; i++)
        if (worker_init(&dp->workers[i], config, dp->packets, error, error_size) != 0)
            return false;
    return true;
}

static void release(struct dataplane *dp)
{
    for (unsigned i = 0; dp->workers && i < dp->config.n_workers; i++)
        worker_release(&dp->workers[i]);
    for (unsigned i = 0; dp->workers && i < dp->config.n_workers; i++)
        for (unsigned j = 0; j < dp->config.n_workers; j++)
            rte_ring_free(dp->workers[i].crossings[j].to);
    if (dp->net)
        net_destroy(dp->net);
    for (unsigned i = dp->n_channels; i-- > 0;)
        channel_close(&dp->channels[i], i == 0);
    rte_free(dp->workers);
    rte_mempool_free(dp->cells);
    rte_mempool_free(dp->packets);
    free(dp);
}

static bool launch(struct dataplane *dp, char *error, size_t error_size)
{
    for (unsigned i = 0; i < dp->config.n_workers; i++) {
        if (rte_eal_remote_launch(worker_run, &dp->workers[i], dp->workers[i].lcore) != 0) {
            snprintf(error, error_size, "lcore %u is not free for worker %u", dp->workers[i].lcore,
                     i);
            return false;
        }
    }
    dp->running = true;
    return true;
}

struct dataplane *dataplane_start(const struct dataplane_config *config, char *error,
                                  size_t error_size)
{
    struct dataplane *dp = calloc(1, sizeof(*dp));
    if (!dp) {
        snprintf(error, error_size, "no memory");
        return NULL;
    }
    dp->config = *config;
    dp->workers = rte_calloc("workers", config->n_workers, sizeof(*dp->workers), 64);
    if (!dp->workers || !make_pools(dp) || !make_channels(dp)) {
        snprintf(error, error_size,
                 "no memory for packet, cell and message pools: raise dataplane.memory_mb or lower "
                 "the pool sizes");
    } else if ((dp->net = net_create(config, dp->packets, error, error_size)) &&
               make_workers(dp, error, error_size) && launch(dp, error, error_size)) {
        return dp;
    }
    release(dp);
    return NULL;
}

void dataplane_stop(struct dataplane *dp)
{
    for (unsigned i = 0; i < dp->config.n_workers; i++)
        channel_send_down(&dp->channels[i], channel_message_down(&dp->channels[i], MSG_STOP));
    for (unsigned i = 0; i < dp->config.n_workers; i++)
        rte_eal_wait_lcore(dp->workers[i].lcore);
    release(dp);
}

unsigned dataplane_workers(const struct dataplane *dp)
{
    return dp->config.n_workers;
}

struct channel *dataplane_channel(struct dataplane *dp, unsigned worker)
{
    return &dp->channels[worker];
}

const struct counters *dataplane_counters(const struct dataplane *dp, unsigned worker)
{
    return &dp->workers[worker].counters;
}
