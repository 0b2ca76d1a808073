// SPDX-License-Identifier: BSD-3-Clause
// What `ramson-bench relay` found, and its three forms: a table, JSON, a page with charts.
#pragma once

#include "floor.h"
#include "machine.h"
#include "relay_measure.h"

enum { RELAY_LOADS = 5 };

extern const double relay_loads[RELAY_LOADS]; // shares of the maximum

struct relay_report { // of one run
    struct relay_options options;
    struct floor_result floors[2]; // before and after
    struct relay_result most;      // as much as goes
    struct relay_result loads[RELAY_LOADS];
    bool has_loads;
    // Circuits on one worker, and from worker to worker; or with `joined` circuits that are
    // extended, and those.
    struct relay_result kinds[2];
    bool has_kinds;
    uint64_t checked, wrong;
    uint64_t followed;    // with CGO: of the checked, those that were compared whole
    uint64_t lost;        // cells that did not come out, or came twice
    uint64_t relay_bytes; // of DPDK's memory, for pools and tables
    double hz;            // of the time-stamp counter
};

// A reading of all the runs, and of the machine.
struct relay_reports {
    struct machine machine;
    struct relay_report *runs;
    unsigned n;
};

struct relay_floor {
    double open_ns, cell_ns, seal_ns, all_ns; // per cell, in the sizes that went
    double before_ns, after_ns;               // all of it, in each of the two readings
};
struct relay_floor relay_floor(const struct relay_report *r);
double relay_ratio(const struct relay_report *r);
// Cycles of a cell of the second kind to those of one of the first.
double relay_kinds_ratio(const struct relay_report *r);
// The name of the circuits' relay crypto.
const char *relay_cell_cipher(const struct relay_options *o);
// The generators could not keep the workers busy.
bool relay_neighbours_limit(const struct relay_report *r);

void relay_print_text(const struct relay_reports *all);
int relay_print_json(const struct relay_reports *all);
// Writes relay.html into the folder, and its charts as files of their own. 0 or a negative errno.
int relay_write_page(const struct relay_reports *all, const char *folder);
