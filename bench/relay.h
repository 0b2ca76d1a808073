// SPDX-License-Identifier: BSD-3-Clause
// `ramson-bench relay`: a worker with its whole stack between generators that play its neighbours.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { RELAY_MTUS_MAX = 4 };

struct relay_options {
    unsigned links, circuits; // 0: the benchmark's own choice
    unsigned workers;
    unsigned mtus[RELAY_MTUS_MAX], n_mtus; // each of them is a run of its own
    unsigned mtu;                          // of this run
    unsigned forward_percent;              // of the cells: away from their circuits' origins
    uint16_t cipher;                       // TLS cipher suite
    bool cgo;                              // the circuits' relay crypto; else tor1
    bool joined; // half of the circuits are two that the relay joins; both kinds are measured
    unsigned record_cells; // in the records that the neighbours send
    unsigned run_cells;    // of one circuit in a row
    unsigned window_cells; // per link: what the neighbours let wait in the relay
    double loss_percent;
    double seconds;  // of each measurement
    unsigned rounds; // of `scale`, of `handshake`; 0: its own choice
    bool latency;
    bool nic_checksums;
    bool cpu_time;   // is counted, not time
    bool wrong_keys; // compare with keys that the relay doesn't have, so that the check must fail
    bool hugepages;
    unsigned memory_mb; // 0: as much as that takes
    // Circuits from worker to worker. HALF: both are measured, in turns. Not with `joined`.
    enum relay_cross { CROSS_ANY, CROSS_NONE, CROSS_ALL, CROSS_HALF, CROSS_UNSET } cross;
    int cpus[2]; // the generators', the first worker's
    bool json;
    const char *report; // folder, or NULL
};

extern const struct relay_options relay_defaults;

// Exit status of the program.
int bench_relay(const struct relay_options *options);
