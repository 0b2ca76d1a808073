// SPDX-License-Identifier: BSD-3-Clause
// The directory documents that this relay has: in memory for those who ask, on disk for its next
// start. Everything in it has been verified. Control thread only.
//
// On disk they are as C tor keeps them, in data_directory: cached-consensus,
// cached-microdesc-consensus, cached-certs, cached-microdescs, cached-descriptors and
// cached-extrainfo; the last three each with a journal, ….new. Helper threads write.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/blob.h"
#include "netdoc/consensus.h"
#include "netdoc/microdescriptor.h"
#include "netdoc/router.h"

struct certificate;
struct relay;
struct directory_store;

enum {
    STORE_CONSENSUSES_MAX = 24, // of a flavour: the newest, and those that a diff may start from
    STORE_DIGEST_LEN = 32,
    // What nobody should ever see: the network has some ten thousand relays.
    STORE_DOCUMENTS_MAX = 100000, // of a kind
    STORE_CERTIFICATES_MAX = 256,
};

enum {
    STORE_OLD_CONSENSUS_BYTES_MAX = 96 << 20, // of both flavours, without those in force
    STORE_DOCUMENT_BYTES_MAX = 256 << 20,     // of a kind
};

// How long a document is kept that no consensus lists any more.
enum {
    STORE_MICRODESCRIPTOR_KEPT_S = 7 * 86400, // 9.11
    STORE_DESCRIPTOR_KEPT_S = 5 * 86400,
};

// Reads what is on disk and verifies it again; what is damaged or too old there is dropped. NULL:
// no memory.
struct directory_store *directory_store_create(struct relay *relay);
// Ends what is being written first. The loop must run once more. NULL is fine.
void directory_store_free(struct directory_store *store);

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
    STORE_KINDS,
};
struct blob *store_get(const struct directory_store *store, enum store_kind kind,
                       const uint8_t *digest);
// Calls `each` for every one of the kind (by identity: the newest of each relay or authority).
void store_each(const struct directory_store *store, enum store_kind kind,
                void (*each)(void *user, struct blob *text), void *user);
// Our own, as published: served under all four kinds. The store takes holds of its own.
void store_set_own(struct directory_store *store, struct blob *descriptor, struct blob *extra_info);

// ---- what the directory client puts in, and asks before

// The text was parsed and its signatures counted. 0; -EEXIST: one that is as new is there; -ENOMEM.
// Takes over `parsed` in any case, a hold of `text` of its own. Marks the documents that it lists.
int store_put_consensus(struct directory_store *store, struct blob *text, struct consensus *parsed);
// Of a configured authority, parsed; copies the text and takes over `c` in any case. 0; -EEXIST;
// -EPERM: another's, or expired; -ENOMEM.
int store_put_certificate(struct directory_store *store, struct certificate *c,
                          const uint8_t *text);
// 0, -EEXIST, -ENOMEM, -ENOSPC. The text (of the length that the second says) is copied.
int store_put_microdescriptor(struct directory_store *store, const struct microdescriptor *m,
                              const uint8_t *text);
int store_put_descriptor(struct directory_store *store, const struct router_document *d,
                         const uint8_t *text);
int store_put_extra_info(struct directory_store *store, const struct router_document *d,
                         const uint8_t *text);
// What was put since the last call goes to disk; in batches, as it came.
void store_flush(struct directory_store *store);
// Drops what the protocol's times say, and rewrites files that hold much of it. Hourly.
void store_expire(struct directory_store *store);

// All certificates that have not expired; valid until the next one is put or dropped.
const struct certificate *const *store_certificates(const struct directory_store *store,
                                                    unsigned *n);
// What a descriptor says that is in the store by its SHA-1; NULL if it is not.
const struct router_document *store_descriptor(const struct directory_store *store,
                                               const uint8_t sha1[20]);
// What is known of a relay of the consensus by its microdescriptor. False: it is not listed, or its
// microdescriptor is not there yet.
struct relay_keys {
    bool has_ed_id;
    uint8_t ed_id[32];
    uint8_t ntor_key[32];
};
bool store_relay_keys(const struct directory_store *store, const uint8_t rsa_id[20],
                      struct relay_keys *out);
// Bytes of all texts.
size_t store_bytes(const struct directory_store *store);
