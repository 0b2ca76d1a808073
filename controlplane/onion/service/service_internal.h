// SPDX-License-Identifier: BSD-3-Clause
// A service's own parts: its introduction points (intro_point*.c), introductions that came by them
// (introduction.c), rendezvous (rendezvous.c) with their streams (target*.c), and the descriptors
// that tell the world of them (publish*.c). Control thread only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

#include "circuit/own_circuit.h"
#include "crypto/curve25519.h"
#include "crypto/ed25519.h"
#include "onion/descriptor/onion_descriptor.h"
#include "onion/key/key_directory.h"
#include "onion/key/time_period.h"
#include "onion/message/introduce.h"
#include "onion/relay/replay_filter.h"
#include "onion/service/onion_service.h"

struct intro_point;
struct onion_service;
struct origin;
struct origin_circuit;
struct pow_defence;
struct rendezvous;
struct service_publish;
struct target;

enum {
    SERVICE_SUBCREDENTIALS_MAX = 64, // both periods', each of us and of our masters
};

// ---- descriptors (publish*.c)

// What a service says in one time period. There are two, for the two periods that visitors may
// think it is (8.10); which of them is which, publish*.c knows.
struct service_descriptor {
    bool in_force; // else nothing else counts
    struct time_period period;
    uint8_t blinded_public[32];
    bool has_blinded; // false: an offline master key, `signing_cert` was made ahead
    struct ed25519_key blinded;
    struct ed25519_key signing;
    uint8_t signing_cert[256];
    size_t signing_cert_length;
    uint8_t subcredential[32];
    // For the operator: to how many directories the newest text went, of how many.
    unsigned uploaded, wanted;
};

// False: no memory.
bool service_publish_create(struct onion_service *s);
void service_publish_free(struct onion_service *s); // wipes; NULL members are fine
void service_publish_tick(struct onion_service *s); // each second
void service_publish_network_changed(struct onion_service *s);
// The introduction points that are established, or the proof of work, have changed: new texts,
// soon.
void service_descriptors_changed(struct onion_service *s);

// What an introduction may have been made with (8.30): of each descriptor in force our own
// subcredential, and with onionbalance that of each master for the same period.
struct service_credential {
    uint8_t subcredential[32];
    uint8_t blinded_public[32]; // whose, for proofs of work
};
// How many. Cheap enough for every introduction.
unsigned service_credentials(const struct onion_service *s, struct service_credential *out,
                             unsigned capacity);

// ---- introduction points (intro_point*.c)

// Established ones, as the descriptor says them; the same order each time. How many.
unsigned service_intro_points(const struct onion_service *s, struct onion_intro_point *out,
                              unsigned capacity);
// All are established that are wanted (or can be had): a first descriptor may go out.
bool service_intro_points_ready(const struct onion_service *s);

// ---- the service

struct onion_service {
    struct onion_services *all;
    struct origin *origin;
    const struct config_onion_service *config;
    struct key_directory keys;
    struct service_descriptor descriptors[2];
    struct service_publish *publish; // publish*.c's own
    struct pow_defence *pow;         // NULL: none
    uint64_t introductions, replays, refused;
};
