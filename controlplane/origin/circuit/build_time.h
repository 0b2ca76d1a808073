// SPDX-License-Identifier: BSD-3-Clause
// How long circuits take to be built, and from that: after how long one is too slow to be used, and
// when it is not even worth measuring any more (protocol 9.22; path-spec, "Learning when to give
// up"). Control thread only.
//
// What is counted is the time from the first hop's CREATE to the third hop's answer. The times have
// roughly a Pareto distribution: its parameters are estimated from the last thousand.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct build_times;
struct relay;
struct state_file;

enum { BUILD_TIMES_MAX = 1000, BUILD_TIME_COUNTED_HOPS = 3 };

// By the relay's parameters. Registers with the state file (NULL: nothing is kept), whose lines are
// C tor's. NULL: no memory.
struct build_times *build_times_create(struct relay *relay, struct state_file *file);
void build_times_free(struct build_times *b); // before the state file; NULL is fine

// A circuit that takes longer is used for nothing; one that takes this long is closed.
uint64_t build_times_timeout_ms(const struct build_times *b);
uint64_t build_times_close_ms(const struct build_times *b);
bool build_times_is_learning(const struct build_times *b); // false: the network does not want it
// So many circuits were measured that the time-out is learned.
bool build_times_enough(const struct build_times *b);
unsigned build_times_count(const struct build_times *b);
// A circuit should be built now only to be measured, if there was none since `last_ms`
// (cbttestfreq).
bool build_times_want_circuit(const struct build_times *b, uint64_t last_ms, uint64_t now_ms);

// A circuit of at least three hops has its third one, so long after its beginning. `usable`: it had
// not been given up before.
void build_times_built(struct build_times *b, uint64_t ms, bool usable);
// One has timed out. When most of the last ones did after their first hop had answered, the network
// is another than the one that was learned, and all is begun anew.
void build_times_timed_out(struct build_times *b, bool first_hop_stood);
// One was closed that had been built on after it timed out. While nothing at all comes from the
// network, that means nothing.
void build_times_abandoned(struct build_times *b, uint64_t launched_ms);
// Something came from the network.
void build_times_heard(struct build_times *b, uint64_t now_ms);

// ---- for tests: what was estimated
struct build_time_fit {
    uint32_t xm_ms; // 0: there is none
    double alpha;
};
struct build_time_fit build_times_fit(const struct build_times *b);
double build_time_quantile_ms(const struct build_time_fit *fit, double quantile);
// As measured; abandoned ones have BUILD_TIME_ABANDONED_MS.
enum { BUILD_TIME_ABANDONED_MS = INT32_MAX - 1 };
void build_times_add(struct build_times *b, uint32_t ms);
