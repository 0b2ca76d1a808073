// SPDX-License-Identifier: BSD-3-Clause
// What the files of a service's descriptors share: when their texts are made (publish.c), what of
// (service_descriptor.c), where they go (publish_upload.c), whom they let in (publish_clients.c).
//
// A service has two descriptors (8.10), and a slot for each: the first is stored by the shared
// random value before the current one, the second by the current one. Which time periods these are
// follows from the consensus alone, so a restart changes nothing. When a new value appears, what
// was in the second slot moves to the first with its keys and stays where it is stored.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/blob.h"
#include "onion/service/service_internal.h"

struct hsdir_request;
struct node;

enum {
    PUBLISH_SLOTS = 2,
    PUBLISH_INTERVAL_MIN_S = 60 * 60, // a new text, at random between these (8.12)
    PUBLISH_INTERVAL_MAX_S = 120 * 60,
    // Texts that were changed before their time: so many at once, and one more for each of these.
    PUBLISH_CHANGES_MAX = 8,
    PUBLISH_CHANGE_MS = 60 * 1000,
    PUBLISH_UPLOADS_MAX = 16,     // of a service at once
    PUBLISH_CIRCUITS_LEFT = 8,    // are always left to others to be built
    PUBLISH_TRIES_MAX = 6,        // of one text with one directory
    PUBLISH_RETRY_MS = 30 * 1000, // after the first failure; each doubles it, give or take
    PUBLISH_RETRY_MAX_MS = 10 * 60 * 1000,
    PUBLISH_CLIENTS_MS = 60 * 1000,    // between looks at the files
    PUBLISH_KEYS_FEW = 5,              // of those made ahead, the operator hears of it
    PUBLISH_RUN_SECONDS_MAX = 1 << 18, // that a revision counter can count
};

enum upload_state {
    UPLOAD_WAITING, // for its turn, or for the next try
    UPLOAD_UNDER_WAY,
    UPLOAD_DONE,
    UPLOAD_OVER, // refused, or tried often enough: until there is another text
};

// The newest text to one of the responsible directories.
struct upload {
    struct publish_slot *slot;
    uint8_t rsa_id[20];
    bool responsible; // while that is looked at
    enum upload_state state;
    unsigned tries;
    uint64_t not_before_ms;
    struct hsdir_request *request; // under way
};

struct publish_slot {
    struct onion_service *service;
    struct service_descriptor *descriptor;
    uint8_t srv[32];
    time_t run_start; // of the shared random value's
    bool changed;     // what a text would say
    time_t due;       // the next text, changed or not; by the clock, which goes on in sleep
    uint64_t revision_seconds; // of the newest text; 0: there was none
    struct blob *text;         // the newest; NULL: none yet
    struct upload **uploads;   // of it
    unsigned n_uploads;
};

struct service_publish {
    struct publish_slot *slots[PUBLISH_SLOTS];
    bool network_changed;                        // since the last look
    uint64_t changes_left_ms, changes_filled_ms; // see PUBLISH_CHANGES_MAX
    bool told_too_long;
    uint64_t told_keys_at; // which period, and one: that keys made ahead run out
    struct onion_pow_params pow;
    struct service_credential credentials[SERVICE_SUBCREDENTIALS_MAX];
    unsigned n_credentials;
    uint64_t clients_looked_ms;
    uint64_t clients_mark; // of the files, as they were last
};

// ---- service_descriptor.c
// Keys for this period. False: there are none (an offline master key's that were not made ahead).
bool service_descriptor_make(struct service_descriptor *d, const struct onion_service *s,
                             struct time_period period);
void service_descriptor_wipe(struct service_descriptor *d);
// The text at this second of its run, of which the first is 1. NULL: no memory.
struct blob *service_descriptor_text(const struct publish_slot *slot, uint64_t run_seconds,
                                     time_t now);
// After descriptors or masters have changed.
void service_credentials_refresh(struct onion_service *s, struct time_period now);

// ---- publish_upload.c
// Finds the responsible directories: new ones get the newest text, of those that are not any more
// nothing is kept.
void publish_look_at_ring(struct publish_slot *slot);
// There is another text: it goes to all of them.
void publish_restart(struct publish_slot *slot);
// Begins what is due.
void publish_uploads_tick(struct publish_slot *slot);
void publish_uploads_free(struct publish_slot *slot);
unsigned publish_under_way(const struct onion_service *s);

// ---- publish_clients.c
uint64_t publish_clients_mark(const struct onion_service *s); // of the files as they are now
// The operator has changed who may come, or whose backend this is: it is read again. True: so it
// was.
bool publish_clients_changed(struct onion_service *s);
