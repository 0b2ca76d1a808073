// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder share: the shape of a port, of a worker's share of the network, and
// the steps that a packet takes from one file to the next.
//
// Addresses are host-order integers here; `struct address` is for the outside. A step that takes a
// packet either passes it on or frees it under a counter of its own.
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_spinlock.h>

#include "dataplane/dataplane.h"
#include "net/net.h"

enum {
    NET_TX_MAX = 256,           // frames a worker may have waiting for one port
    NET_RING_PACKETS = 512,     // between two workers, in one direction
    NET_NEIGHBOUR_SETS = 64,    // of a worker's neighbour table
    NET_NEIGHBOUR_WAYS = 8,     // entries in a set
    NET_NEIGHBOUR_HELD = 4,     // packets that wait for one neighbour's address
    NET_HELD_MAX = 128,         // … and for all of a worker's neighbours
    NET_FAILED_MAX = 32,        // connections without a way out, until TCP is told
    NET_RSS_KEY_MAX = 256,      // hash_key_size is a byte
    NET_IDLE_MIN_US = 250,      // first sleep where there is no interrupt
    NET_TX_STUCK_US = 10000,    // a port that took nothing for so long loses its frames
    NET_ETHER_OVERHEAD = 14 + 4 // a header, and a VLAN tag or CRC some drivers leave in
};

struct net_address {
    uint32_t address;
    uint32_t mask;
};

// Written by net_create, then read by every worker.
struct net_port {
    uint16_t id; // ethdev's
    uint16_t mtu;
    uint16_t n_queues;   // receive and transmit; worker i < n_queues has queue i
    bool rss;            // the receiving queue says whose packet it is
    bool rx_interrupts;  // the queues' descriptors are in their workers' epoll sets
    bool rx_intr_switch; // … and have to be enabled before each sleep
    bool rx_checksum;    // the driver's verdicts on received checksums can be believed
    bool tx_ip_checksum; // the driver fills these in
    bool tx_tcp_checksum;
    uint16_t reta_size;
    uint16_t key_length;
    uint8_t key[NET_RSS_KEY_MAX]; // of the RSS hash
    struct rte_ether_addr mac;
    unsigned n_addresses;
    struct net_address addresses[DATAPLANE_INTERFACE_ADDRESSES_MAX];
    uint32_t gateway;              // 0: none
    rte_spinlock_t interrupt_lock; // drivers share a register between queues
    bool configured;
};

struct net {
    unsigned n_workers;
    unsigned n_ports;
    uint32_t steer_key; // of the software hash
    struct rte_mempool *packets;
    struct net_port ports[DATAPLANE_INTERFACES_MAX];
    struct net_worker *workers[DATAPLANE_WORKERS_MAX];
};

enum neighbour_state {
    NEIGHBOUR_FREE,
    NEIGHBOUR_ASKING,     // no address yet; packets may wait
    NEIGHBOUR_KNOWN,      // until deadline_us
    NEIGHBOUR_REFRESHING, // still used while it is asked again
    NEIGHBOUR_FAILED,     // did not answer; packets to it are dropped until deadline_us
};

struct neighbour {
    uint32_t address;
    uint8_t port;  // index in net->ports
    uint8_t state; // enum neighbour_state
    uint8_t tries;
    uint8_t n_held;
    struct rte_ether_addr mac;
    uint64_t deadline_us; // when its state has to change
    uint64_t used_us;     // a packet was last sent to it
    struct rte_mbuf *held[NET_NEIGHBOUR_HELD];
};

// Lets `burst` through at once, and one each interval in the long run.
struct net_rate {
    uint64_t next_us;
};

static inline bool net_rate_take(struct net_rate *r, uint64_t now_us, uint64_t interval_us,
                                 unsigned burst)
{
    if (r->next_us < now_us)
        r->next_us = now_us;
    if (r->next_us - now_us >= burst * interval_us)
        return false;
    r->next_us += interval_us;
    return true;
}

struct net_pair {
    struct address local, remote;
};

struct net_tx_buffer {
    unsigned n;
    uint64_t stuck_since_us; // 0: not stuck
    struct rte_mbuf *frames[NET_TX_MAX];
};

// One worker's. Only `sleeps`, `wake_fd` and the rings are touched by other threads.
struct net_worker {
    struct net *net;
    unsigned index;
    uint64_t now_us; // of the last net_receive or net_advance
    struct counters *counters;
    net_unreachable_fn unreachable;
    void *unreachable_ctx;
    bool busy;
    unsigned turn;         // which source net_receive begins with
    uint32_t wake_mask;    // workers that were given packets since the last wake-ups
    unsigned held;         // packets in the neighbour table
    uint64_t next_scan_us; // of the neighbour table: the earliest deadline there
    // Connections whose packets had no way out. TCP hears of it in net_advance: it is in the middle
    // of sending when this is found out.
    unsigned n_failed;
    struct net_pair failed[NET_FAILED_MAX];
    struct net_rate arp_ask, arp_answer, arp_share, echo;
    // Received by net_sleep's last look at the queues.
    unsigned n_stash;
    struct rte_mbuf *stash[NET_BURST];
    uint8_t stash_port[NET_BURST];
    // From worker i; NULL for itself. One producer, one consumer.
    struct rte_ring *steered[DATAPLANE_WORKERS_MAX]; // received packets, data at IP or ARP header
    struct rte_ring *handed[DATAPLANE_WORKERS_MAX];  // frames to be sent on this worker's queue
    // Sleeping.
    int epoll_fd;
    unsigned idle_us;        // how long to sleep where there is no interrupt
    unsigned expect_packets; // an interrupt came whose packet was not there yet
    int wake_fd;             // eventfd
    struct net_tx_buffer tx[DATAPLANE_INTERFACES_MAX];
    struct neighbour neighbours[NET_NEIGHBOUR_SETS][NET_NEIGHBOUR_WAYS];
    struct counters unheard; // where counts go before net_worker_set_counters
    _Atomic int sleeps __attribute__((aligned(64))); // cleared by whoever wakes it
};

static inline void net_drop(struct rte_mbuf *m, uint64_t *counter)
{
    ++*counter;
    rte_pktmbuf_free(m);
}

static inline bool net_port_has(const struct net_port *p, uint32_t address)
{
    for (unsigned i = 0; i < p->n_addresses; i++)
        if (p->addresses[i].address == address)
            return true;
    return false;
}

static inline bool net_port_on_link(const struct net_port *p, uint32_t address)
{
    for (unsigned i = 0; i < p->n_addresses; i++)
        if (((p->addresses[i].address ^ address) & p->addresses[i].mask) == 0)
            return true;
    return false;
}

// ---- port.c: set-up only
int port_open(struct net *net, struct net_port *p, const struct dataplane_interface *config,
              bool want_interrupts, char *error, size_t error_size);
void port_close(struct net_port *p);

// ---- ethernet.c
// A received frame. True: it is an IPv4 packet to us whose data begins at the IP header; false: it
// was dealt with.
bool ethernet_input(struct net_worker *w, unsigned port, struct rte_mbuf *m);
// An IP packet, or an ARP packet with `type` ARP, to a neighbour: header, checksums, queue.
void ethernet_output(struct net_worker *w, unsigned port, struct rte_mbuf *m,
                     const struct rte_ether_addr *to, uint16_t type);
// Queues a complete frame.
void ethernet_queue(struct net_worker *w, unsigned port, struct rte_mbuf *frame);
void ethernet_flush(struct net_worker *w, unsigned port);

// ---- arp.c: data begins at the ARP header. `shared`: another worker received it.
void arp_input(struct net_worker *w, unsigned port, struct rte_mbuf *m, bool shared);
// `to` NULL: broadcast. False when it could not be sent now.
bool arp_ask(struct net_worker *w, unsigned port, uint32_t address,
             const struct rte_ether_addr *to);

// ---- neighbour.c
// Sends the packet to `next_hop` or holds it until its address is known.
void neighbour_send(struct net_worker *w, unsigned port, uint32_t next_hop, struct rte_mbuf *m);
// `answer`: it came as an answer; otherwise as the sender of a request to us.
void neighbour_heard(struct net_worker *w, unsigned port, uint32_t address,
                     const struct rte_ether_addr *mac, bool answer);
void neighbour_advance(struct net_worker *w);
void neighbour_clear(struct net_worker *w);

// ---- ipv4.c
// Checks and trims; true when it is a packet to us that goes on to ipv4_deliver (perhaps on another
// worker). l3_len is set.
bool ipv4_input(struct net_worker *w, const struct net_port *p, struct rte_mbuf *m);
// By its owner: true when it is a good TCP segment; else it was dealt with.
bool ipv4_deliver(struct net_worker *w, unsigned port, struct rte_mbuf *m);
// False without a route.
bool ipv4_route(const struct net *net, uint32_t source, uint32_t destination, unsigned *port,
                uint32_t *next_hop);
// Drops a packet of ours that has no way out; TCP is told in net_advance.
void ipv4_failed(struct net_worker *w, struct rte_mbuf *m);

// ---- icmp.c: data begins at the IP header, l3_len is set
void icmp_input(struct net_worker *w, unsigned port, struct rte_mbuf *m);

// ---- steer.c
// Who owns the TCP connection between these two, as seen on this port.
unsigned steer_owner(const struct net *net, const struct net_port *p, uint32_t local,
                     uint16_t local_port, uint32_t remote, uint16_t remote_port);
// A checked TCP packet: true when it is this worker's; else it was handed to its owner.
bool steer_keep(struct net_worker *w, unsigned port, struct rte_mbuf *m);
// Hands a packet (data at IP or ARP header) to another worker.
void steer_to(struct net_worker *w, unsigned owner, unsigned port, struct rte_mbuf *m);
// Lets every other worker see an ARP answer; they only read it.
void steer_share(struct net_worker *w, unsigned port, struct rte_mbuf *m);
// Wakes those who sleep and were given something since.
void steer_wake(struct net_worker *w);
bool steer_waiting(const struct net_worker *w); // something is in this worker's rings
int steer_open(struct net *net);
void steer_close(struct net *net);

// ---- sleep.c: set-up only
int sleep_open(struct net_worker *w);
void sleep_close(struct net_worker *w);

// ---- checksum.c
// The ones' complement sum of `length` bytes, not inverted, folded to 16 bits, in memory order.
// `sum` is that of what came before it, of even length.
uint16_t checksum_sum(const void *bytes, size_t length, uint16_t sum);
// What belongs in the header, or 0 over a header whose checksum is right.
uint16_t checksum_ipv4_header(const void *header, size_t length);
// The same for a TCP segment of `length` bytes; `ip` gives the pseudo-header (RFC 9293, 3.1).
uint16_t checksum_tcp(const struct rte_ipv4_hdr *ip, const void *segment, size_t length);
// The pseudo-header's sum, which drivers that fill in the rest start from.
uint16_t checksum_pseudo_header(const struct rte_ipv4_hdr *ip, size_t length);
