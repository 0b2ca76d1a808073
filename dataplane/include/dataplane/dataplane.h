// SPDX-License-Identifier: BSD-3-Clause
// The dataplane as the rest of the program sees it: workers that are started, stopped, and
// otherwise only spoken to through their channels (base/message.h).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/channel.h"
#include "base/counters.h"

enum {
    DATAPLANE_WORKERS_MAX = 32,
    DATAPLANE_INTERFACES_MAX = 8,
    DATAPLANE_INTERFACE_ADDRESSES_MAX = 8,
};

struct dataplane_interface {
    uint16_t port; // ethdev port id; the EAL has probed the device
    unsigned n_addresses;
    struct {
        struct address address; // port 0
        uint8_t prefix_bits;
    } addresses[DATAPLANE_INTERFACE_ADDRESSES_MAX];
    struct address gateway; // family ADDRESS_NONE: none
    uint16_t mtu;
};

struct dataplane_config {
    unsigned n_workers;
    unsigned lcores[DATAPLANE_WORKERS_MAX]; // EAL lcore ids, one per worker
    unsigned n_interfaces;
    struct dataplane_interface interfaces[DATAPLANE_INTERFACES_MAX];
    bool adaptive_poll; // sleep when there is nothing to do
    // The cycles_* counters are of CPU time, which takes system calls: to measure workers that
    // don't have a CPU each.
    bool cpu_time_cycles;
    // Pool sizes, for all workers together.
    uint32_t max_links;
    uint32_t max_circuits;
    uint32_t max_cells;
    uint32_t max_packets;
    uint32_t circuit_queue_max_cells; // 0: as the consensus says, else 2500
};

struct dataplane;

// Takes ports and memory and starts the workers on their lcores. The EAL must be initialised; call
// on the main lcore. NULL on failure, with one line in `error` that says what to do about it.
struct dataplane *dataplane_start(const struct dataplane_config *config, char *error,
                                  size_t error_size);
// Sends MSG_STOP to every worker, waits for them, releases everything.
void dataplane_stop(struct dataplane *dp);

unsigned dataplane_workers(const struct dataplane *dp);
struct channel *dataplane_channel(struct dataplane *dp, unsigned worker);
const struct counters *dataplane_counters(const struct dataplane *dp, unsigned worker);
