// SPDX-License-Identifier: BSD-3-Clause
// The directory documents that this relay has: in memory for those who ask, on disk for its next
// start. Everything in it has been verified. Control thread only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/blob.h"
#include "netdoc/consensus.h"

struct relay;
struct directory_store;

enum {
    STORE_CONSENSUSES_MAX = 24, // of a flavour: the newest, and those that a diff may start from
    STORE_DIGEST_LEN = 32,
};

// Reads what is on disk; what is damaged or too old there is dropped. NULL: no memory.
struct directory_store *directory_store_create(struct relay *relay);
void directory_store_free(struct directory_store *store); // NULL is fine

// ---- consensuses, newest first; `index` 0 is the one in force

struct stored_consensus {
    struct blob *text;
    const struct consensus *parsed; // only of index 0, else NULL
    time_t valid_after, fresh_until, valid_until;
    uint8_t sha3[STORE_DIGEST_LEN];        // of the whole text
    uint8_t sha3_signed[STORE_DIGEST_LEN]; // of its signed part: how a diff's base is named (6.30)
};
const struct stored_consensus *store_consensus(const struct directory_store *store,
                                               enum consensus_flavour flavour, unsigned index);
// Changes whenever index 0 of either flavour does.
uint64_t store_generation(const struct directory_store *store);

// ---- documents by what they are asked for by; NULL if there is none. The store keeps the hold.

enum store_kind {
    STORE_MICRODESCRIPTOR,            // by SHA-256 (32 bytes)
    STORE_DESCRIPTOR,                 // by SHA-1 of its signed part (20)
    STORE_DESCRIPTOR_BY_IDENTITY,     // by SHA-1 of its identity key (20)
    STORE_EXTRA_INFO,                 // by SHA-1 of its signed part (20)
    STORE_EXTRA_INFO_BY_IDENTITY,     // (20)
    STORE_CERTIFICATE,                // by SHA-1 of the authority's identity key (20): the newest
    STORE_CERTIFICATE_BY_SIGNING_KEY, // by SHA-1 of its signing key (20)
};
struct blob *store_get(const struct directory_store *store, enum store_kind kind,
                       const uint8_t *digest);
// Calls `each` for every one of the kind (by identity: the newest of each relay or authority).
void store_each(const struct directory_store *store, enum store_kind kind,
                void (*each)(void *user, struct blob *text), void *user);
// Our own, as published: served under all four kinds.
void store_set_own(struct directory_store *store, struct blob *descriptor, struct blob *extra_info);
