// SPDX-License-Identifier: BSD-3-Clause
// Two TCP stacks on a simulated link, in virtual time: loss, delay, reordering and duplication come
// from a seeded generator, so that a run can be repeated.
//
//   hosts[0] 10.0.0.1 ──► paths[0] ──► hosts[1] 10.0.0.2
//                     ◄── paths[1] ◄──
//
// Every packet that a stack hands down is checked, copied as a NIC would, and freed after a while.
// After every step the stacks' books are audited (sim_audit).
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <rte_mbuf.h>

#include "tcp/internal.h"

enum {
    SIM_PACKET_MAX = 1600,
    SIM_FLIGHT_MAX = 16384,
    SIM_HELD_MAX = 8192,
    SIM_PORT = 9001,
    SIM_POOL = 8191,
};

#define SIM_IP(host) (UINT32_C(0x0a000001) + (host))
#define SIM_MS UINT64_C(1000)
#define SIM_SECOND UINT64_C(1000000)

struct sim;

// One direction of the link.
struct sim_path {
    uint32_t loss_ppm;
    uint32_t duplicate_ppm;
    uint32_t reorder_ppm; // of the packets that take reorder_us longer
    uint64_t reorder_us;
    uint64_t delay_us;
    uint64_t jitter_us;   // uniform; reorders too when larger than the packets' distance
    uint64_t rate;        // bytes/s, 0: no limit
    uint32_t queue_bytes; // in front of the rate limit; what does not fit is lost
    uint64_t free_at;
    // True: drop this packet. May change it, too. For tests that aim.
    bool (*drop)(struct sim *sim, unsigned from, uint8_t *packet, size_t length);
    uint64_t packets, lost;
};

struct sim_flight {
    uint64_t due;
    uint64_t order;
    uint8_t to;
    uint16_t length;
    uint8_t *bytes;
};

struct sim_held {
    uint64_t until;
    struct rte_mbuf *packet;
    uint64_t sum; // of what was handed over: it must not change meanwhile
};

struct sim_host {
    struct sim *sim;
    unsigned index;
    struct tcp_stack *stack;
    struct counters counters;
    struct rte_mempool *pool;
    uint64_t sent, received; // packets
};

struct sim {
    uint64_t now_us;
    uint64_t seed;
    uint64_t hold_us; // how long the driver keeps a packet after it was handed over
    uint32_t iss;     // if not 0: what the first calls of random() give
    bool audit;
    struct rte_mempool *rx_pool;
    struct sim_host hosts[2];
    struct sim_path paths[2];  // [from]
    struct sim_flight *flight; // a heap
    unsigned n_flight;
    uint64_t order;
    struct sim_held *held; // a ring
    unsigned held_first, n_held;
    void (*app)(struct sim *sim, void *arg); // runs whenever something may have happened
    void *app_arg;
    // What a host without a stack received: tests that play the peer themselves.
    void (*take)(struct sim *sim, unsigned host, const uint8_t *packet, size_t length);
    void *take_arg;
};

struct sim_options {
    uint32_t max_connections;
    uint32_t receive_window_bytes;
    uint32_t send_buffer_bytes;
    uint16_t mtu;
    uint32_t ack_gather_us;
    uint64_t seed;
    bool only_first; // hosts[1] is the test's
};

extern const struct sim_options sim_defaults;

void sim_init_eal(void);
struct sim *sim_open(const struct sim_options *options);
// Fails the test if a packet has not come back.
void sim_close(struct sim *sim);
uint32_t sim_random(struct sim *sim);

// One turn of both workers' loops, at the next moment at which something is due. False: nothing is.
bool sim_step(struct sim *sim, uint64_t until_us);
void sim_run(struct sim *sim, uint64_t us);
// … until `done` says so; fails the test after `us`.
void sim_run_until(struct sim *sim, bool (*done)(void *arg), void *arg, uint64_t us);
// Time passes while nobody runs.
void sim_pass(struct sim *sim, uint64_t us);

struct address sim_address(unsigned host, uint16_t port);
// Gives a packet to a host as if it had come in now, and lets it act.
void sim_inject(struct sim *sim, unsigned host, const uint8_t *packet, size_t length);

// Fails the test where the stack contradicts itself.
void sim_audit(const struct tcp_stack *stack);
// Packets that are in use in both stacks and on the way to their drivers.
unsigned sim_packets_used(const struct sim *sim);

// ---- segments made and read by hand
struct sim_segment {
    uint32_t from_ip, to_ip;
    uint16_t from_port, to_port;
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t window;
    uint8_t options[40];
    uint8_t options_length; // padded to a multiple of 4 with zeros
    const void *payload;
    uint16_t payload_length;
};

size_t sim_write(uint8_t *packet, const struct sim_segment *segment);
