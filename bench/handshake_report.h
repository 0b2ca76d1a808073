// SPDX-License-Identifier: BSD-3-Clause
// What `ramson-bench handshake` finds out, and who writes it down.
#pragma once

#include <stdbool.h>

#include "handshake_latency.h"
#include "machine.h"

enum { HANDSHAKE_ROWS = 12 };

struct handshake_row {
    const char *name;
    unsigned batch;      // how many at a time
    bool compared;       // not ours
    double us, least_us; // CPU time of one: the median of the rounds, and the least
};

struct handshake_report {
    struct machine machine;
    const char *x25519; // the implementation that this CPU gets
    struct handshake_row rows[HANDSHAKE_ROWS];
    unsigned n_rows, rounds;
    struct handshake_latency latency;
};

// 0 or a negative errno.
int handshake_write_page(const struct handshake_report *r, const char *folder);
