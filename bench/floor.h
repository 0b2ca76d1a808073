// SPDX-License-Identifier: BSD-3-Clause
// The crypto floor: what a forwarded cell costs when nothing is done but its ciphers, in the sizes
// that the relay has them. Both of its parts, records and cells, in memory that the caches hold.
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { FLOOR_ROUNDS_MAX = 61 };

struct floor_result {
    double open_ns, cell_ns; // per cell, CPU time; medians over the rounds
    // Sealing a record is one part for the record and one for each of its cells: so it is known for
    // every size that the relay chooses.
    double seal_record_ns, seal_cell_ns;
};

// Per cell, in records of so many cells.
static inline double floor_seal_ns(const struct floor_result *f, double cells)
{
    return f->seal_cell_ns + f->seal_record_ns / (cells > 1 ? cells : 1);
}

struct floor_request {
    uint16_t cipher; // TLS cipher suite
    bool cgo;        // cells; else tor1
    unsigned record_cells;
    unsigned rounds; // at most FLOOR_ROUNDS_MAX
    struct floor_result result;
    bool good;
};

// Fits rte_eal_remote_launch: `arg` is a struct floor_request.
int floor_run(void *arg);
