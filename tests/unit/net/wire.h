// SPDX-License-Identifier: BSD-3-Clause
// A network of one or more workers on a port made of rings, whose other end is the test's: it
// builds frames byte by byte, and checks what comes out with arithmetic of its own.
//
//   test ── wire_send ──► rx ring ──► net_receive ──► TCP packets
//        ◄─ wire_take ─── tx ring ◄── net_flush ◄──── net_transmit
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "net/net.h"

enum {
    WIRE_QUEUES_MAX = 4,
    WIRE_FRAME_MAX = 1600,
    WIRE_POOL = 4095,
    WIRE_TCP = 6,
    WIRE_ICMP = 1,
    WIRE_ETHER = 14,
    WIRE_IP = 20,
};

#define WIRE_OURS UINT32_C(0x0a000001)    // 10.0.0.1/24
#define WIRE_OTHER UINT32_C(0x0a000003)   // ours too
#define WIRE_PEER UINT32_C(0x0a000002)    // on the link
#define WIRE_GATEWAY UINT32_C(0x0a0000fe) // 10.0.0.254
#define WIRE_FAR UINT32_C(0xc6336407)     // behind the gateway

struct wire {
    struct rte_mempool *pool;
    struct rte_ring *in[WIRE_QUEUES_MAX], *out[WIRE_QUEUES_MAX];
    unsigned n_queues, n_workers;
    struct net *net;
    struct counters counters[WIRE_QUEUES_MAX];
    uint8_t mac[6]; // the port's
    uint64_t now_us;
    // Of the unreachable callback.
    unsigned n_unreachable;
    struct address local, remote;
};

struct frame {
    size_t length;
    uint8_t bytes[WIRE_FRAME_MAX];
};

extern const uint8_t wire_peer_mac[6];

void wire_init_eal(void);
void wire_open(struct wire *w, unsigned n_workers, unsigned n_queues);
// Fails the test when a packet is lost: everything that was taken from the pool has to be back.
void wire_close(struct wire *w);

void wire_send(struct wire *w, unsigned queue, const struct frame *f);
bool wire_take(struct wire *w, unsigned queue, struct frame *f);
// One turn of a worker's loop: receive, advance, flush. Returns the number of TCP packets.
unsigned wire_turn(struct wire *w, unsigned worker, struct rte_mbuf **tcp);
// … which are freed; for when only the number counts.
unsigned wire_turn_count(struct wire *w, unsigned worker);
// wire_turn_count of each worker, twice, so that what was handed on arrives.
unsigned wire_turn_all(struct wire *w);

// An Ethernet and IP header, then `length` bytes, with a good header checksum.
void frame_ipv4(const struct wire *w, struct frame *f, uint32_t from, uint32_t to, uint8_t protocol,
                const void *body, size_t length);
void frame_tcp(const struct wire *w, struct frame *f, uint32_t from, uint16_t from_port,
               uint32_t to, uint16_t to_port, size_t payload);
void frame_icmp(const struct wire *w, struct frame *f, uint32_t from, uint32_t to, uint8_t type,
                uint8_t code, const void *rest, size_t length);
void frame_arp(const struct wire *w, struct frame *f, uint16_t operation, const uint8_t *from_mac,
               uint32_t from, uint32_t to);
// Sets an IP header's checksum anew after the test changed it.
void frame_fix_ip(struct frame *f);

uint16_t get16(const uint8_t *at);
uint32_t get32(const uint8_t *at);
void put16(uint8_t *at, uint16_t value);
void put32(uint8_t *at, uint32_t value);
// RFC 1071, byte by byte; 0 over what holds a good checksum.
uint16_t naive_checksum(const uint8_t *bytes, size_t length, uint32_t sum);
// … of a TCP segment in a frame, with its pseudo-header.
uint16_t naive_tcp_checksum(const struct frame *f);

// A TCP packet as the stack would give it to net_transmit.
struct rte_mbuf *wire_tcp_packet(struct wire *w, uint32_t from, uint16_t from_port, uint32_t to,
                                 uint16_t to_port, size_t payload);
