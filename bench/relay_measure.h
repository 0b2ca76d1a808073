// SPDX-License-Identifier: BSD-3-Clause
// Measuring a running relay on a machine that others use too: time is cut into short windows, and
// only those count in which neither the workers nor the generators had to give their CPU away.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "relay_control.h"

enum relay_stage {
    STAGE_RX,
    STAGE_TCP_IN,
    STAGE_TLS_OPEN,
    STAGE_CELLS,
    STAGE_TLS_SEAL,
    STAGE_TX,
    STAGES
};

extern const char *const relay_stage_names[STAGES]; // for people
extern const char *const relay_stage_keys[STAGES];  // for JSON

struct relay_bench {
    const struct relay_options *options;
    struct wire wire;
    struct dataplane *dp;
    struct neighbours *neighbours;
    clockid_t clocks[DATAPLANE_WORKERS_MAX]; // CPU time of the workers' threads
    bool cpu_time;                           // is what the workers count
};

struct relay_result {
    double seconds;         // in all
    unsigned windows;       // that count
    unsigned windows_all;   //
    unsigned windows_taken; // in which a thread had lost its CPU
    double cpu_share;       // of the time, that the workers had their CPUs
    double cells_per_s;     // as it went, all workers
    double busy_share;      // of the workers' time, 0 … 1
    double cycles_per_cell;
    double stages[STAGES]; // cycles per cell
    double gbit_per_core;  // of cells, at the workers' busy cycles
    double in_record_cells, out_record_cells, in_packets, out_packets; // packets per cell
    double waiting_share; // of the generators' turns: they waited for the relay
    uint64_t drops, retransmits, frames_lost;
    char drop_names[160];
    double latency_us[3]; // p50, p99, p99.9 in the windows that count; 0: not known
    unsigned latencies;
    double all_latency_us[3]; // in all windows
    uint64_t all_latencies;
    double generator_busy; // its share of time with something to do, in windows that count
    double worker_turn_us[3], generator_turn_us[3]; // p50, p99, longest, in windows that count
};

// Goes on sending for `seconds`, `cells_per_s` in all (0: as much as goes), after a warm-up.
// False when something broke.
bool relay_measure(struct relay_bench *b, double seconds, double cells_per_s,
                   struct relay_result *out);
// Sends no more, and waits for what is on its way. Returns how many cells did not come out.
uint64_t relay_drain(struct relay_bench *b);
