// SPDX-License-Identifier: BSD-3-Clause
// Ports and what lies between them and TCP: Ethernet, ARP, IPv4, ICMP echo, checksums, and the
// steering of packets to the worker that owns their connection.
//
// `struct net` is set up once, before the workers run, and then only read. `struct net_worker` is
// one worker's share of it (its queues, its neighbour table, its transmit buffers) and belongs to
// that worker's thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/dataplane.h"

struct rte_mbuf;
struct rte_mempool;
struct net;
struct net_worker;

enum { NET_BURST = 64 };

// Called for an ICMP "destination unreachable" about a TCP packet of ours (from net_receive), and
// for a TCP packet that had no route or whose neighbour did not answer (from net_advance, so never
// while TCP is sending).
typedef void (*net_unreachable_fn)(void *ctx, const struct address *local,
                                   const struct address *remote);

// Configures, by each driver's capability flags, one rx and tx queue per worker where the port has
// them (RSS with a known key and table, else software steering), checksum offloads, MTU, RX
// interrupts; starts the ports. NULL on failure, with one line in `error`.
// `packets` is where received packets are put; made by the caller with data room for the MTU.
struct net *net_create(const struct dataplane_config *config, struct rte_mempool *packets,
                       char *error, size_t error_size);
void net_destroy(struct net *net); // stops and closes the ports

struct net_worker *net_worker(struct net *net, unsigned worker);
// Before the worker starts.
void net_worker_set_counters(struct net_worker *w, struct counters *counters);
void net_worker_set_unreachable(struct net_worker *w, net_unreachable_fn fn, void *ctx);

// One receive burst over all ports' queues of this worker and the ring of packets that other
// workers steered to it. Answers ARP and ICMP echo itself. Gives up to `max` (>= NET_BURST) TCP
// packets that this worker owns: IPv4 header checked, trimmed to the IP length, checksum of TCP
// verified, in one segment, data beginning at the IP header, l3_len set. `now_us` is monotonic.
unsigned net_receive(struct net_worker *w, uint64_t now_us, struct rte_mbuf **tcp, unsigned max);
// True when the last net_receive saw any packet at all.
bool net_was_busy(const struct net_worker *w);

// Takes an IPv4 packet whose data begins at its IP header (see tcp/tcp.h), finds interface and
// neighbour (holding back a few packets while ARP asks), does checksums, and queues it.
void net_transmit(struct net_worker *w, struct rte_mbuf *packet);
// The transmit burst.
void net_flush(struct net_worker *w);
// ARP retries, expiry. Once per loop.
void net_advance(struct net_worker *w, uint64_t now_us);

// The address of ours that packets to `remote` leave from; false without a route.
bool net_source_for(const struct net *net, const struct address *remote, struct address *local);
// True when packets from `remote` to `local` reach this worker (RSS or software hash).
bool net_owns(const struct net_worker *w, const struct address *local,
              const struct address *remote);

// Sleeps until a packet comes (where the driver has RX interrupts), `wake_fd` is readable, or
// `timeout_us` is over; where some port has no RX interrupt, at most a short time. Clears wake_fd.
void net_sleep(struct net_worker *w, int wake_fd, uint64_t timeout_us);
