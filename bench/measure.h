// SPDX-License-Identifier: BSD-3-Clause
// Times pairs of functions that do the same thing: ours, and another implementation's.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Does the measured thing `times` times.
typedef void measure_fn(void *ctx, unsigned times);

struct measurement {
    char group[32]; // what is measured: "tor1", "CGO", "seal", "open"
    char name[64];  // and in which variant
    size_t bytes;   // of one unit (cell or record)
    unsigned units; // in one call's worth of work: a burst of cells, or 1
    measure_fn *ours;
    measure_fn *openssl; // may be NULL
    void *ctx;
    // Results, nanoseconds of CPU time per unit: medians over the rounds.
    double ours_ns;
    double openssl_ns;
};

enum { MEASURE_ROUNDS_MAX = 101 };

// Every round takes one short sample of each function of each measurement, so that what disturbs
// the machine for a while disturbs all of them. `rounds` is odd and at most MEASURE_ROUNDS_MAX.
// 0, or -ENOMEM.
int measure_all(struct measurement *list, size_t n, unsigned rounds, uint64_t sample_ns);
