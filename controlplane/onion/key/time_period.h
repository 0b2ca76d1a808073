// SPDX-License-Identifier: BSD-3-Clause
// Time periods of onion services, by the consensus' time and not the clock's (protocol 8.02, 8.05,
// 8.10, 8.11). Pure functions.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct consensus;
struct parameters;

struct time_period {
    uint64_t number;
    uint64_t length_minutes;
};

// The consensus' (which may not be NULL), and the length that the parameters say. In a testing
// network the offset and the shared random values' phases follow the voting interval.
struct time_period time_period_of(const struct consensus *c, const struct parameters *p);
struct time_period time_period_next(struct time_period t);
struct time_period time_period_previous(struct time_period t);
time_t time_period_start(struct time_period t, const struct consensus *c);
time_t time_period_end(struct time_period t, const struct consensus *c);
// Between a shared random value's first day and the next time period (00:00 to 12:00 UTC in the
// public network).
bool time_period_is_between_srv_and_tp(const struct consensus *c, const struct parameters *p);
// When the shared random value that is now the current one began.
time_t srv_run_start(const struct consensus *c);
// The values, or what stands in for one that is missing (8.08).
void srv_current(const struct consensus *c, struct time_period t, uint8_t out[32]);
void srv_previous(const struct consensus *c, struct time_period t, uint8_t out[32]);
