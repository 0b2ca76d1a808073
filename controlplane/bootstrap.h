// SPDX-License-Identifier: BSD-3-Clause
// How far a client is on its way from nothing to its first circuit, in the steps and percents that
// C tor's users know. Whoever reaches a step says so; each is told once, at notice. Control thread
// only. A relay that is nobody's client has none (relay->bootstrap is NULL), which is fine
// everywhere here.
#pragma once

#include <stddef.h>

struct relay;
struct bootstrap;

enum bootstrap_step { // in percent
    BOOTSTRAP_STARTING = 0,
    BOOTSTRAP_CONNECTING = 5, // to a directory
    BOOTSTRAP_CONNECTED = 10,
    BOOTSTRAP_CIRCUIT_TO_DIRECTORY = 20,
    BOOTSTRAP_LOADING_CONSENSUS = 30,
    BOOTSTRAP_LOADING_CERTIFICATES = 40, // for it
    BOOTSTRAP_ASKING_MICRODESCRIPTORS = 45,
    BOOTSTRAP_LOADING_MICRODESCRIPTORS = 50, // to 74: see bootstrap_microdescriptors
    BOOTSTRAP_ENOUGH = 75,                   // is known to build circuits
    BOOTSTRAP_CONNECTING_TO_GUARD = 80,
    BOOTSTRAP_CONNECTED_TO_GUARD = 90,
    BOOTSTRAP_BUILDING = 95, // the first circuit
    BOOTSTRAP_DONE = 100,    // it stands
};

struct bootstrap *bootstrap_create(void); // NULL: no memory
void bootstrap_free(struct bootstrap *b); // NULL is fine
// It is as far as that. Does nothing when it has been further.
void bootstrap_reached(struct relay *relay, enum bootstrap_step step);
// So many of those that the consensus lists are here, and `paths_percent` of the paths (9.12).
void bootstrap_microdescriptors(struct relay *relay, size_t here, size_t total,
                                unsigned paths_percent);
// A link of ours is dialled, or has opened: what that means depends on how far it is.
void bootstrap_link_dialled(struct relay *relay);
void bootstrap_link_opened(struct relay *relay);
// `*text` stays valid until the next call of any of these. 100 and "done" without one.
void bootstrap_progress(const struct relay *relay, unsigned *percent, const char **text);
