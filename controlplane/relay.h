// SPDX-License-Identifier: BSD-3-Clause
// The relay's context on the control thread: what its parts find each other by.
//
// Everything here belongs to the control thread. Parts are opaque to each other but for their
// headers (link/link.h, circuit/circuit.h, identity/identity.h, dir/publish.h).
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/channel.h"
#include "base/counters.h"
#include "config/config.h"

struct uv_loop_s;
struct connection_table;
struct link_table;
struct circuit_table;
struct identity;
struct publisher;
struct directory_store;
struct directory_client;
struct directory_server;
struct parameter_store;
struct hsdir;
struct onion_table;
struct dos;
struct origin;
struct bootstrap;
struct status_server;
struct pow_solvers;

struct relay {
    struct uv_loop_s *loop;
    const struct config *config;
    struct channel **channels; // one per worker
    unsigned n_workers;
    unsigned n_helpers;   // helper threads that may be busy with onion skins
    unsigned next_worker; // round robin for connections that we make
    struct counters counters;
    // The workers', which only the program knows: adds them up. May be NULL.
    void (*sum_counters)(void *user, struct counters *sum);
    void *sum_counters_user;
    time_t (*wall_clock)(void); // seconds since the epoch; a test may turn it
    uint32_t uptime_s;          // counts from 1 and never jumps: for rates and time-outs

    struct identity *identity; // NULL: no relay, but a pure client (config_is_relay)
    struct connection_table *connections;
    struct link_table *links;
    struct circuit_table *circuits;
    struct publisher *publisher;
    struct parameter_store *parameters; // NULL: all defaults (dir/parameters.h)
    struct directory_store *store;
    struct directory_client *directory_client;
    struct directory_server *directory_server;
    struct hsdir *hsdir;
    struct onion_table *onion;
    struct dos *dos;
    struct origin *origin;       // NULL: a relay that is nobody's client
    struct bootstrap *bootstrap; // of a client (bootstrap.h); else NULL
    struct status_server *status;
    struct pow_solvers *pow_solvers; // NULL: no proof of work is being solved
    bool stopping; // refuses new links and circuits
};

static inline time_t relay_now(const struct relay *relay)
{
    return relay->wall_clock();
}
