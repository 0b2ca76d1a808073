// SPDX-License-Identifier: BSD-3-Clause
// The crypto floor: what a forwarded cell costs when nothing is done but its ciphers, in the sizes
// that the relay has them. Both of its parts, records and cells, in memory that the caches hold.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct floor_result {
    double open_ns, cell_ns, seal_ns; // per cell, CPU time; medians over the rounds
};

struct floor_request {
    uint16_t cipher; // TLS cipher suite
    bool cgo;        // cells; else tor1
    unsigned record_cells;
    struct floor_result result;
    bool good;
};

// Fits rte_eal_remote_launch: `arg` is a struct floor_request.
int floor_run(void *arg);
