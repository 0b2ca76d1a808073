// SPDX-License-Identifier: BSD-3-Clause
// What the files of the store share.
#pragma once

#include "dir/store/digest_table.h"
#include "dir/store/disk.h"
#include "dir/store/store.h"
#include "netdoc/certificate.h"

enum {
    STORE_CERTIFICATES_PER_AUTHORITY = 8,
    STORE_CONSENSUS_LOADED_AFTER_S = 5 * 86400, // an expired one on disk is a diff's base that long
};

enum document_kind {
    DOCUMENT_MICRODESCRIPTOR,
    DOCUMENT_DESCRIPTOR,
    DOCUMENT_EXTRA_INFO,
    DOCUMENT_KINDS,
};

struct stored_document {
    struct blob *text;
    uint8_t digest[STORE_DIGEST_LEN]; // what it is asked for by; 20 or 32 bytes
    struct router_document info;      // of microdescriptors: ed_id only
    uint8_t ntor_key[32];             // of microdescriptors
    time_t listed;                    // when a consensus last did; of an extra-info: a descriptor
    time_t downloaded;
    bool own;
};

struct document_set {
    struct digest_table by_digest;
    struct digest_table by_identity; // the newest of each relay; not of microdescriptors
    size_t bytes;
    size_t dropped_bytes; // that are still in the file
    struct disk_piece *unsaved;
    size_t n_unsaved, unsaved_capacity;
};

struct stored_certificate {
    struct certificate *parsed;
    struct blob *text;
};

struct directory_store {
    struct relay *relay;
    struct disk *disk;
    bool loading; // nothing is written back
    uint64_t generation;
    struct stored_consensus consensuses[CONSENSUS_FLAVOURS][STORE_CONSENSUSES_MAX];
    unsigned n_consensuses[CONSENSUS_FLAVOURS];
    struct document_set sets[DOCUMENT_KINDS];
    struct stored_certificate certificates[STORE_CERTIFICATES_MAX];
    const struct certificate *parsed_certificates[STORE_CERTIFICATES_MAX];
    unsigned n_certificates;
    bool certificates_changed; // since they were written
};

static inline size_t document_digest_length(enum document_kind kind)
{
    return kind == DOCUMENT_MICRODESCRIPTOR ? 32 : 20;
}

// ---- store_documents.c
// Adds one (fields of `d` but `text` are set; copies). 0, -EEXIST, -ENOMEM, -ENOSPC.
int store_add_document(struct directory_store *store, enum document_kind kind,
                       const struct stored_document *d, const uint8_t *text, size_t length);
void store_document_of_microdescriptor(const struct microdescriptor *m, struct stored_document *d);
struct stored_document *store_find_document(const struct directory_store *store,
                                            enum document_kind kind, const uint8_t *digest);
// The documents that the consensus lists are so as of now.
void store_mark_listed(struct directory_store *store, const struct consensus *consensus);
void store_expire_documents(struct directory_store *store, time_t now);
void store_free_documents(struct directory_store *store);

// ---- store_consensus.c
void store_expire_consensuses(struct directory_store *store, time_t now);
void store_free_consensuses(struct directory_store *store);

// ---- store_certificates.c
struct blob *store_find_certificate(const struct directory_store *store, enum store_kind kind,
                                    const uint8_t *digest);
void store_each_certificate(const struct directory_store *store, enum store_kind kind,
                            void (*each)(void *user, struct blob *text), void *user);
void store_expire_certificates(struct directory_store *store, time_t now);
void store_free_certificates(struct directory_store *store);

// ---- store_save.c
void store_save_consensus(struct directory_store *store, enum consensus_flavour flavour);
void store_save_certificates(struct directory_store *store);
void store_save_later(struct directory_store *store, enum document_kind kind,
                      const struct stored_document *d);
// Rewrites the file if its journal has grown long, or much in it was dropped.
void store_save_compact(struct directory_store *store, enum document_kind kind);

// ---- store_load.c
void store_load(struct directory_store *store);
