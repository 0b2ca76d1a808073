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

// A consensus may not be NULL here. Phases and runs of the shared random value are 12 and 24 times
// its voting interval (fresh-until - valid-after), an hour in the public network.
//
// A time period begins with a run's second half. It is as long as the parameters say; in a testing
// network, as a run.
struct time_period time_period_of(const struct consensus *c, const struct parameters *p,
                                  bool testing_network);
struct time_period time_period_next(struct time_period t);
struct time_period time_period_previous(struct time_period t);
time_t time_period_start(struct time_period t, const struct consensus *c);
time_t time_period_end(struct time_period t, const struct consensus *c);

// Which value goes with which period (8.10, 8.11). After a run has begun and until the next time
// period begins (00:00 to 12:00 in the public network): false; the current period goes with the
// previous value. After that, until the next run begins: true; the current period goes with the
// current value.
bool time_period_is_new(struct time_period now, const struct consensus *c);
// When the value that is now the current one was new: the run of the consensus' time began.
time_t srv_run_start(const struct consensus *c);
unsigned srv_run_length_s(const struct consensus *c);

// Where descriptors are: a time period, the value that its ring is made with, and when that value
// was new (for the revision counter, 8.13).
struct onion_epoch {
    struct time_period period;
    uint8_t srv[32];
    time_t run_start;
};

// What a client asks for.
struct onion_epoch onion_epoch_of_client(const struct consensus *c, const struct parameters *p,
                                         bool testing_network);
// Which two a service publishes; the second becomes the first when a new run begins.
void onion_epochs_of_service(const struct consensus *c, const struct parameters *p,
                             bool testing_network, struct onion_epoch out[2]);
// The shared random values, or what stands in for one that is missing in this period (8.08).
void srv_current(const struct consensus *c, struct time_period t, uint8_t out[32]);
void srv_previous(const struct consensus *c, struct time_period t, uint8_t out[32]);
