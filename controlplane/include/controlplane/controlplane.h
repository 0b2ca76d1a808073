// SPDX-License-Identifier: BSD-3-Clause
// The control plane as the program sees it: started on a libuv loop, stopped in order.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/channel.h"
#include "base/counters.h"
#include "config/config.h"

struct uv_loop_s;
struct controlplane;

// Loads or makes the relay's keys, begins to listen, publishes. `channels` has one entry per worker
// and, like `config`, outlives the control plane. Everything runs on the loop's thread, but for
// what takes long, which is for libuv's; `n_helpers` of those may be busy with onion skins at a
// time. NULL on failure, with one line in `error` (what, where, what was expected).
struct controlplane *controlplane_start(struct uv_loop_s *loop, const struct config *config,
                                        struct channel **channels, unsigned n_workers,
                                        unsigned n_helpers, char *error, size_t error_size);
// Gives up uploads and closes links in order (circuits get DESTROY, peers a close_notify); calls
// `done` from the loop when everything is closed, or after 3 s at the latest. Then
// controlplane_free may be called.
void controlplane_stop(struct controlplane *cp, void (*done)(void *user), void *user);
void controlplane_free(struct controlplane *cp);

// What all workers received and sent since the start; to be told every second (dir/publish.h).
void controlplane_traffic(struct controlplane *cp, uint64_t read_bytes, uint64_t written_bytes);

// Who adds the workers' counters up when somebody asks for the status of all.
void controlplane_set_counters(struct controlplane *cp,
                               void (*sum)(void *user, struct counters *sum), void *user);
const struct counters *controlplane_counters(const struct controlplane *cp);
