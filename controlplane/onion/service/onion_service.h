// SPDX-License-Identifier: BSD-3-Clause
// Onion services of this process: introduction points, descriptors, introductions, rendezvous,
// streams to targets (protocol section 8). Control thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct origin;
struct onion_services;
struct config_onion_service;

// Loads the keys of all that the configuration says. NULL: with one line in `error`.
struct onion_services *onion_services_create(struct origin *origin, char *error,
                                             unsigned long error_size);
// Before streams, circuits and guards. NULL is fine.
void onion_services_free(struct onion_services *all);
void onion_services_tick(struct onion_services *all); // each second
void onion_services_network_changed(struct onion_services *all);

// ---- for `ramson status`

enum onion_intro_state { ONION_INTRO_BUILDING, ONION_INTRO_ESTABLISHING, ONION_INTRO_READY };
struct onion_intro_info {
    uint8_t rsa_id[20];
    enum onion_intro_state state;
    uint64_t introductions;
};
struct onion_service_info {
    const struct config_onion_service *config;
    const char *hostname;
    unsigned n_intro_points;
    struct onion_intro_info intro_points[20];
    // Of the descriptors of both periods: to how many directories they went, of how many.
    struct {
        uint64_t period;
        unsigned uploaded, wanted;
    } descriptors[2];
    unsigned n_rendezvous, n_streams;
    uint64_t introductions, replays, refused;
    uint32_t suggested_effort;
};
void onion_services_each(const struct onion_services *all,
                         void (*each)(void *user, const struct onion_service_info *info),
                         void *user);
