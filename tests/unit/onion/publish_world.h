// SPDX-License-Identifier: BSD-3-Clause
// The world around a service's descriptors: consensuses hour by hour with their shared random
// values, HSDirs that keep what they get, and a client that finds a descriptor by the letter of the
// specification. Time is the test's.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "../origin/network.h"
#include "config/config.h"
#include "onion/directory/hsdir_request.h"
#include "onion/service/publish_internal.h"

enum { WORLD_RELAYS = 60, WORLD_STORED_MAX = 4096, WORLD_REQUESTS_MAX = 256 };

// A descriptor that an HSDir holds.
struct world_stored {
    size_t relay;
    uint8_t blinded[32];
    uint64_t revision;
    time_t at;
    struct blob *text; // NULL: free
};

struct hsdir_request {
    bool used;
    size_t relay;
    struct blob *text;
    hsdir_done_fn done;
    void *user;
    uint64_t answers_ms;
};

struct publish_world {
    struct network *network;
    struct onion_services all;
    struct onion_service service;
    struct config_onion_service config;
    struct key_directory files; // what key_directory_load finds
    bool unreadable;            // it finds nothing that it can read
    uint64_t now_ms;
    bool may_build, ready, stopped;
    bool no_srv;
    uint64_t srv_key; // which values there are
    unsigned building;
    // HSDirs: how many of a hundred requests fail; one that always does.
    unsigned failing_pct;
    size_t dead;
    struct world_stored stored[WORLD_STORED_MAX];
    struct hsdir_request requests[WORLD_REQUESTS_MAX];
    unsigned n_requests, n_refused, n_stored, n_failed, n_to_dead; // ever
    unsigned under_way, most_under_way;
    struct onion_intro_point points[3];
    unsigned n_points;
    bool pow_changed;
    struct onion_pow_params pow;
};

extern struct publish_world *publish_world;

// Begins at this time, which counts from 00:00 of a day; a testing network if it has intervals
// shorter than an hour.
struct publish_world *publish_world_open(time_t offset_s, unsigned interval_s);
void publish_world_close(void);
void publish_world_start(void); // the service; again after it was stopped
void publish_world_stop(void);
// So many seconds pass, with a consensus at each interval's beginning.
void publish_world_pass(unsigned seconds);
// The network's clock and consensuses are elsewhere.
void publish_world_jump(time_t seconds);
// Of the directories that a client with the consensus of this time asks, so many have it; of so
// many. What the first said is read with `client` (may be NULL).
unsigned publish_world_find(time_t valid_after, const uint8_t *client, unsigned *of,
                            enum descriptor_result *result, struct onion_descriptor *out);
// All of them have it, and it can be read.
void publish_world_expect_found(void);
