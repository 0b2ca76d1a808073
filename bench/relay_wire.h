// SPDX-License-Identifier: BSD-3-Clause
// The wire between a worker's port and the traffic generators: two rings a queue, in the place of a
// NIC. The generators' core copies frames from and to the rings' mbufs, as a NIC's DMA does, so
// that every mbuf goes back to its pool on the core that took it from there.
//
// Generators' thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

enum {
    WIRE_QUEUES_MAX = 16,
    WIRE_BURST = 64,
    WIRE_RING_FRAMES = 8192,
    WIRE_FRAMES = 16384,
    WIRE_PACKETS = 32768
};

#define WIRE_RELAY_ADDRESS UINT32_C(0x0a000001)     // 10.0.0.1
#define WIRE_NEIGHBOUR_ADDRESS UINT32_C(0x0a000002) // 10.0.0.2

struct wire_queue {
    struct rte_ring *to_relay, *from_relay;
    struct rte_mbuf *frames[WIRE_BURST]; // still to be enqueued
    unsigned n;
};

struct wire {
    uint16_t port;
    unsigned n_queues;
    struct wire_queue queues[WIRE_QUEUES_MAX];
    struct rte_mempool *frames;  // what the relay receives into
    struct rte_mempool *packets; // the generators' own
    bool nic_checksums;
    uint32_t loss; // of 2^32
    uint64_t random_state;
    uint64_t lost, full; // frames
    uint8_t queue_of_port[UINT16_MAX + 1];
};

// Makes the rings and the port. 0 or a negative errno.
int wire_open(struct wire *wire, unsigned n_queues, uint16_t mtu, double loss_percent,
              bool nic_checksums);
// A TCP packet that begins at its IP header; takes it.
void wire_send(struct wire *wire, struct rte_mbuf *packet);
void wire_flush(struct wire *wire);
// TCP packets for the generators, beginning at their IP headers. Answers ARP.
unsigned wire_receive(struct wire *wire, struct rte_mbuf **packets, unsigned max);
// Throws away what is on the rings.
void wire_drain(struct wire *wire);
