// SPDX-License-Identifier: BSD-3-Clause
// What `ramson-bench relay` found, and its three forms: a table, JSON, a page with charts.
#pragma once

#include "floor.h"
#include "machine.h"
#include "relay_measure.h"

enum { RELAY_LOADS = 5 };

extern const double relay_loads[RELAY_LOADS]; // shares of the maximum

struct relay_report {
    const struct relay_options *options;
    struct machine machine;
    struct floor_result floors[2]; // before and after
    struct relay_result most;      // as much as goes
    struct relay_result loads[RELAY_LOADS];
    bool has_loads;
    uint64_t checked, wrong, followed;
    uint64_t relay_bytes; // of DPDK's memory, for pools and tables
    double hz;            // of the time-stamp counter
};

double relay_floor_ns(const struct relay_report *r);
double relay_ratio(const struct relay_report *r);
// The name of the circuits' relay crypto.
const char *relay_cell_cipher(const struct relay_report *r);
// The generators could not keep the workers busy.
bool relay_neighbours_limit(const struct relay_report *r);

void relay_print_text(const struct relay_report *r);
int relay_print_json(const struct relay_report *r);
// Writes relay.html into the folder, and its charts as files of their own. 0 or a negative errno.
int relay_write_page(const struct relay_report *r, const char *folder);
