// SPDX-License-Identifier: BSD-3-Clause
// A network for the directory client: authorities with keys, a consensus an hour, relays whose
// documents change now and then, and the doubles of dir_connection.h that ask it. Server
// descriptors and extra-infos are texts of its own, read by doubles of netdoc/router.h.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "config/config.h"
#include "netdoc/consensus.h"

enum {
    FAKE_AUTHORITIES = 3,
    FAKE_RELAYS = 130,
    FAKE_CACHES = 5,
    FAKE_FALLBACKS = 4,
    FAKE_REQUESTS_MAX = 64,
};

enum behaviour {
    ANSWERS,
    UNREACHABLE,
    NOT_FOUND,
    BUSY,              // 503
    GARBAGE,           // with status 200
    ENDLESS,           // more than it may be
    FORGES,            // consensuses with bad signatures, documents that nobody asked for
    LAGS,              // an hour behind
    LEAVES_OUT,        // every second document
    SPEAKS_IN_TONGUES, // an encoding that nobody asked for
    SILENT,            // never answers
    STALLS,            // begins to answer, and goes no further
};

struct fake_network {
    time_t now;
    time_t interval; // between consensuses
    time_t behind_s; // its clock, compared with ours
    bool testing;    // valid for 6 intervals, else 3
    bool with_diffs;
    bool without_certificates; // answers 404 for them
    const char *required;      // of relays' protocols; NULL: no line
    unsigned key;              // which signing key authorities use: 0 or 1
    enum behaviour authorities[FAKE_AUTHORITIES], caches, fallbacks[FAKE_FALLBACKS];
    // ---- what was asked
    unsigned requests, consensus_requests, diffs_sent, certificate_requests;
    unsigned by_authorities, by_caches;               // requests for documents but extra-infos
    unsigned extra_infos_of_caches;                   // requests
    unsigned documents;                               // asked for, one by one
    unsigned of_authorities, of_fallbacks, of_caches; // requests of any kind
    unsigned in_clear;                                // by a directory port
    size_t longest_path;
    char last_path[8192], first_documents_path[8192];
    time_t last_consensus_request;
};
extern struct fake_network fake;

void fake_network_make(void); // keys; once
void fake_network_drop(void);
void fake_network_reset(time_t now);
void fake_network_forget(void);                     // makes what it says of the present anew
void fake_network_configure(struct config *config); // its authorities
void fake_network_add_fallbacks(struct config *config);
// Answers all requests that are open. How many.
unsigned fake_network_answer(void);
unsigned fake_network_open(void);
time_t fake_valid_after(time_t when);
// The text of a consensus; the network's.
const char *fake_consensus(enum consensus_flavour flavour, time_t valid_after, size_t *length);
