// SPDX-License-Identifier: BSD-3-Clause
// A world for guards: a clock that tests turn, relays that come and go (doubles of node.h and of
// path_draw), and a state that outlives a restart. One at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <uv.h>

#include "origin/guard/guard.h"
#include "origin/guard/guard_internal.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "origin/state/state_file.h"
#include "relay.h"

#include "../dir/temp_dir.h"

enum { WORLD_RELAYS_MAX = 2048 };

struct world_relay {
    struct router_status status;
    bool listed, excluded, has_keys;
    unsigned family; // 0: none
    bool up;         // whoever asks gets an answer
};

struct world {
    struct temp_dir dir;
    struct config config;
    uv_loop_t loop;
    struct relay relay;
    struct origin origin;
    struct world_relay relays[WORLD_RELAYS_MAX]; // sorted by rsa_id
    size_t n_relays;
};

extern time_t world_now;

// So many relays that can be guards, and nothing else; all up. Guards have begun.
struct world *world_create(size_t n_relays);
// With the whole of its directory.
void world_free(struct world *w);
void world_begin(struct world *w); // as a process does
// With this text for a state file, which is never written.
void world_begin_of(struct world *w, const char *text, size_t length);
void world_end(struct world *w); // written to disk
void world_restart(struct world *w);
// A new consensus, in which is who is `listed`.
void world_publish(struct world *w);
// Time passes, by the minute.
void world_pass(struct world *w, time_t s);
void world_all_up(struct world *w, bool up);

struct world_relay *world_find(struct world *w, const uint8_t rsa_id[20]);
// The consensus has this parameter from now on; it is published.
void world_set_parameter(struct world *w, const char *name, int32_t value);

struct world_guards {
    struct guard_info all[GUARD_SAMPLE_MAX];
    size_t n, primary, confirmed, filtered;
};
// In their order of preference.
struct world_guards *world_look(const struct world *w); // the next call overwrites it
struct guard_use *world_choose(struct world *w);
struct world_relay *world_guard_of(struct world *w, const struct guard_use *use);
// A circuit is tried: its guard answers if it is up. The relay, or NULL: there was no guard.
struct world_relay *world_try(struct world *w, enum guard_verdict *verdict);
