// SPDX-License-Identifier: BSD-3-Clause
// Sets a port up by what its driver says it can do, never by which driver it is.
#include "net/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>

enum {
    DESCRIPTORS = 1024,
    DESCRIPTORS_MIN = 64,
    RETA_MAX = 4096,
};

static int take_addresses(struct net_port *p, const struct dataplane_interface *config)
{
    for (unsigned i = 0; i < config->n_addresses; i++) {
        const struct address *a = &config->addresses[i].address;
        unsigned bits = config->addresses[i].prefix_bits;
        if (a->family != ADDRESS_IPV4)
            continue;
        if (bits > 32)
            return -EINVAL;
        p->addresses[p->n_addresses++] = (struct net_address){
            .address = address_ipv4_host(a),
            .mask = bits ? UINT32_MAX << (32 - bits) : 0,
        };
    }
    if (config->gateway.family == ADDRESS_IPV4)
        p->gateway = address_ipv4_host(&config->gateway);
    return p->n_addresses ? 0 : -EINVAL;
}

// Several queues are of use when the port spreads flows over all workers by a hash that we can
// compute too, which takes its key and its table.
static void choose_rss(const struct net *net, struct net_port *p,
                       const struct rte_eth_dev_info *info)
{
    unsigned n = net->n_workers;
    p->n_queues = (uint16_t)RTE_MIN(n, RTE_MIN(info->max_rx_queues, info->max_tx_queues));
    p->reta_size = info->reta_size;
    p->key_length = info->hash_key_size;
    bool power_of_two = p->reta_size && (p->reta_size & (p->reta_size - 1)) == 0;
    p->rss = n > 1 && p->n_queues == n && power_of_two && p->reta_size >= n &&
             p->reta_size <= RETA_MAX && p->key_length >= 40 &&
             (info->flow_type_rss_offloads & RTE_ETH_RSS_NONFRAG_IPV4_TCP);
}

static void choose_checksums(struct net_port *p, const struct rte_eth_dev_info *info,
                             struct rte_eth_conf *conf)
{
    uint64_t rx = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
    p->rx_checksum = (info->rx_offload_capa & rx) == rx;
    if (p->rx_checksum)
        conf->rxmode.offloads |= rx;
    p->tx_ip_checksum = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
    p->tx_tcp_checksum = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
    if (p->tx_ip_checksum)
        conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
    if (p->tx_tcp_checksum)
        conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
}

// Receive rings must leave most of the pool to connections.
static uint16_t receive_descriptors(const struct net *net, const struct net_port *p)
{
    uint32_t share = net->packets->size / (4 * net->n_ports * p->n_queues);
    return (uint16_t)RTE_MAX(RTE_MIN(rte_align32prevpow2(share | 1), (uint32_t)DESCRIPTORS),
                             (uint32_t)DESCRIPTORS_MIN);
}

static int set_up_queues(const struct net *net, struct net_port *p,
                         const struct rte_eth_dev_info *info, const struct rte_eth_conf *conf)
{
    uint16_t n_rx = receive_descriptors(net, p), n_tx = DESCRIPTORS;
    int rc = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &n_rx, &n_tx);
    if (rc != 0)
        return rc;
    struct rte_eth_rxconf rx_conf = info->default_rxconf;
    struct rte_eth_txconf tx_conf = info->default_txconf;
    rx_conf.offloads = conf->rxmode.offloads;
    tx_conf.offloads = conf->txmode.offloads;
    int socket = rte_eth_dev_socket_id(p->id);
    for (uint16_t q = 0; q < p->n_queues; q++) {
        rc = rte_eth_rx_queue_setup(p->id, q, n_rx, (unsigned)socket, &rx_conf, net->packets);
        if (rc == 0)
            rc = rte_eth_tx_queue_setup(p->id, q, n_tx, (unsigned)socket, &tx_conf);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int start(const struct net *net, struct net_port *p, const struct rte_eth_dev_info *info,
                 const struct rte_eth_conf *conf, const char **step)
{
    *step = "configure";
    int rc = rte_eth_dev_configure(p->id, p->n_queues, p->n_queues, conf);
    if (rc != 0)
        return rc;
    p->configured = true;
    *step = "set up the queues of";
    rc = set_up_queues(net, p, info, conf);
    if (rc != 0)
        return rc;
    *step = "set the MTU of";
    rc = rte_eth_dev_set_mtu(p->id, p->mtu);
    if (rc != 0 && rc != -ENOTSUP)
        return rc;
    *step = "start";
    return rte_eth_dev_start(p->id);
}

// Points the table at the queues in turn, and makes sure that the key is in force. Without either,
// packets are steered by software from wherever they arrive.
static bool program_rss(const struct net *net, struct net_port *p)
{
    struct rte_eth_rss_reta_entry64 table[RETA_MAX / RTE_ETH_RETA_GROUP_SIZE] = {0};
    for (unsigned i = 0; i < p->reta_size; i++) {
        struct rte_eth_rss_reta_entry64 *group = &table[i / RTE_ETH_RETA_GROUP_SIZE];
        group->mask |= UINT64_C(1) << i % RTE_ETH_RETA_GROUP_SIZE;
        group->reta[i % RTE_ETH_RETA_GROUP_SIZE] = (uint16_t)(i % net->n_workers);
    }
    if (rte_eth_dev_rss_reta_update(p->id, table, p->reta_size) != 0)
        return false;
    uint8_t key[NET_RSS_KEY_MAX] = {0};
    struct rte_eth_rss_conf in_force = {.rss_key = key, .rss_key_len = (uint8_t)p->key_length};
    if (rte_eth_dev_rss_hash_conf_get(p->id, &in_force) != 0)
        return false;
    return memcmp(key, p->key, p->key_length) == 0 &&
           (in_force.rss_hf & RTE_ETH_RSS_NONFRAG_IPV4_TCP);
}

static int check(const struct net *net, struct net_port *p,
                 const struct dataplane_interface *config, struct rte_eth_dev_info *info,
                 char *error, size_t error_size)
{
    if (rte_eth_dev_info_get(config->port, info) != 0 ||
        rte_eth_macaddr_get(config->port, &p->mac) != 0) {
        snprintf(error, error_size, "there is no port %u", config->port);
        return -ENODEV;
    }
    if (take_addresses(p, config) != 0) {
        snprintf(error, error_size, "port %u has no valid IPv4 address", config->port);
        return -EINVAL;
    }
    unsigned room = rte_pktmbuf_data_room_size(net->packets);
    if (room < RTE_PKTMBUF_HEADROOM + p->mtu + (unsigned)NET_ETHER_OVERHEAD) {
        snprintf(error, error_size, "packet buffers of %u bytes are too small for an MTU of %u",
                 room, p->mtu);
        return -EINVAL;
    }
    if (p->mtu < info->min_mtu || p->mtu > info->max_mtu ||
        p->mtu + (uint32_t)RTE_ETHER_HDR_LEN > info->max_rx_pktlen) {
        snprintf(error, error_size, "port %u can't have an MTU of %u", config->port, p->mtu);
        return -EINVAL;
    }
    if (info->max_rx_queues == 0 || info->max_tx_queues == 0) {
        snprintf(error, error_size, "port %u can't both receive and send", config->port);
        return -EINVAL;
    }
    return 0;
}

int port_open(struct net *net, struct net_port *p, const struct dataplane_interface *config,
              bool want_interrupts, char *error, size_t error_size)
{
    struct rte_eth_dev_info info;
    p->id = config->port;
    p->mtu = config->mtu ? config->mtu : RTE_ETHER_MTU;
    rte_spinlock_init(&p->interrupt_lock);
    int rc = check(net, p, config, &info, error, error_size);
    if (rc != 0)
        return rc;

    struct rte_eth_conf conf = {
        .rxmode.mtu = p->mtu,
        .intr_conf.rxq = want_interrupts,
    };
    choose_rss(net, p, &info);
    choose_checksums(p, &info, &conf);
    if (p->rss) {
        if (getrandom(p->key, p->key_length, 0) != (ssize_t)p->key_length)
            p->rss = false;
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
            .rss_key = p->key,
            .rss_key_len = (uint8_t)p->key_length,
            .rss_hf = RTE_ETH_RSS_NONFRAG_IPV4_TCP,
        };
    }
    const char *step;
    rc = start(net, p, &info, &conf, &step);
    if (rc != 0 && want_interrupts) {
        conf.intr_conf.rxq = 0;
        rc = start(net, p, &info, &conf, &step);
    }
    if (rc != 0) {
        snprintf(error, error_size, "can't %s port %u: %s", step, p->id, rte_strerror(-rc));
        return rc;
    }
    p->rx_interrupts = conf.intr_conf.rxq;
    p->rss = p->rss && program_rss(net, p);
    // Some drivers know their address only now.
    return rte_eth_macaddr_get(p->id, &p->mac);
}

void port_close(struct net_port *p)
{
    if (!p->configured)
        return;
    rte_eth_dev_stop(p->id);
    rte_eth_dev_close(p->id);
    p->configured = false;
}
