// SPDX-License-Identifier: BSD-3-Clause
// Build times in the state file, as C tor writes them: a histogram, and how many there are in all
// (TotalBuildTimes, CircuitBuildAbandonedCount, CircuitBuildTimeBin).
#pragma once

#include <stdint.h>

#include "origin/circuit/build_time.h"

struct build_time_lines;

enum { BUILD_TIME_BIN_MS = 10 };

struct build_time_bin {
    uint32_t middle_ms;
    uint32_t count;
};

// Ascending bins that are not empty, how many; and how many circuits were abandoned.
unsigned build_times_histogram(const struct build_times *b,
                               struct build_time_bin bins[BUILD_TIMES_MAX], unsigned *abandoned);

// Registers, and adds what the file has in random order. Lines that don't fit together count for
// nothing. NULL: no memory.
struct build_time_lines *build_time_lines_load(struct state_file *file, struct build_times *b);
void build_time_lines_free(struct build_time_lines *lines); // NULL is fine
