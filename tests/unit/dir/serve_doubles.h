// SPDX-License-Identifier: BSD-3-Clause
// What the directory server meets in its tests: streams, a store and onion services' descriptors
// that are as the test wants them. Stands in for stream/stream.h, dir/store.h and onion/hsdir.h.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dir/store/store.h"
#include "stream/stream.h"

struct stream {
    const struct stream_ops *ops;
    void *user;
    bool from_client;
    struct address peer;
    bool wakes;         // there was a wake since produce gave nothing
    bool ended, closed; // END was sent; `closed` was called
    enum end_reason reason;
    uint8_t *got; // all that was produced
    size_t length, capacity;
};

struct stream *fake_stream_new(bool from_client);
void fake_stream_free(struct stream *s); // its circuit goes, if it has not ended
// Gives it bytes, in pieces of this size.
void fake_stream_send(struct stream *s, const void *bytes, size_t length, size_t piece);
// Has it produce until it ends or waits, at most `most` bytes; in cells' pieces.
void fake_stream_pull(struct stream *s, size_t most);

enum { FAKE_DOCUMENTS_MAX = 2048 };

struct fake_document {
    enum store_kind kind;
    uint8_t digest[32];
    struct blob *text;
};

extern struct fake_store {
    struct stored_consensus consensuses[CONSENSUS_FLAVOURS][3];
    unsigned n_consensuses[CONSENSUS_FLAVOURS];
    uint64_t generation;
    struct fake_document documents[FAKE_DOCUMENTS_MAX];
    unsigned n_documents;
} fake_store;

// A document named by 20 or 32 bytes of this value.
struct blob *fake_store_add(enum store_kind kind, uint8_t name, const char *text);
void fake_store_clear(void);

extern struct fake_hsdir {
    struct blob *descriptor; // under the key of 32 bytes 7; NULL: none
    bool refuse;
    char published[1000];
    size_t published_length;
} fake_hsdir;
