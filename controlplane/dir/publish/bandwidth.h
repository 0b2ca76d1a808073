// SPDX-License-Identifier: BSD-3-Clause
// How much traffic the relay has been seen to carry: the best ten seconds of each of the last five
// days, the smaller of both directions (6.17), and bytes per day for the extra-info.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

enum { BANDWIDTH_SECONDS = 10, BANDWIDTH_DAYS = 5 };

struct bandwidth_day {
    uint64_t best; // bytes in the best BANDWIDTH_SECONDS
    uint64_t total;
};

// Plain data; all zero before bandwidth_begin.
struct bandwidth {
    time_t begun;        // of the current day (days are counted from the relay's start)
    time_t second;       // the second that is being filled
    unsigned whole_days; // of `days` that are over, at most BANDWIDTH_DAYS
    uint64_t last[2];    // totals at the last sample; [0] read, [1] written
    uint64_t ring[2][BANDWIDTH_SECONDS];
    struct bandwidth_day today[2];
    struct bandwidth_day days[2][BANDWIDTH_DAYS]; // the newest first
};

void bandwidth_begin(struct bandwidth *b, time_t now, uint64_t read_bytes, uint64_t written_bytes);
// Totals since the relay started. Meant to be called every second; after a longer pause the bytes
// are spread evenly, after a longer one than BANDWIDTH_SECONDS the peak is lost. A clock that was
// set back, or ahead by more than a day, costs the bytes since the last sample and nothing else.
void bandwidth_sample(struct bandwidth *b, time_t now, uint64_t read_bytes, uint64_t written_bytes);
uint32_t bandwidth_observed(const struct bandwidth *b); // bytes per second
// "write-history …\nread-history …\n", or "" before the first day is over. Returns the length.
int bandwidth_history(const struct bandwidth *b, char *out, size_t capacity);
