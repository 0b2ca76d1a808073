// SPDX-License-Identifier: BSD-3-Clause
// What a directory answered: unpacked, read and checked as far as that needs no state of the
// relay's, so that a helper thread does it. Pure functions; any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "netdoc/certificate.h"
#include "netdoc/consensus.h"
#include "netdoc/microdescriptor.h"
#include "netdoc/router.h"

enum fetch_kind {
    FETCH_CERTIFICATES,
    FETCH_CONSENSUS,
    FETCH_MICRODESCRIPTORS,
    FETCH_DESCRIPTORS,
    FETCH_EXTRA_INFOS,
    FETCH_KINDS,
};

enum {
    // Of an answer as it comes, and unpacked.
    ANSWER_CONSENSUS_MAX = 32 << 20,
    ANSWER_DOCUMENTS_MAX = 8 << 20,
    ANSWER_DOCUMENT_COUNT_MAX = 1024, // ten times what is asked for at once; the rest is not read
    ANSWER_ENCODING_MAX = 32,
};

// What we can unpack, as a line of a request's head: the smallest first.
#define ANSWER_ENCODINGS "Accept-Encoding: x-tor-lzma, x-zstd, deflate, gzip, identity\r\n"

struct answer_document {
    size_t at; // in the text
    union {
        struct certificate *certificate; // the answer's, until somebody sets it to NULL
        struct microdescriptor microdescriptor;
        struct router_document router;
    };
};

struct answer {
    // ---- in
    enum fetch_kind kind;
    enum consensus_flavour flavour;
    struct blob *body;
    char encoding[ANSWER_ENCODING_MAX]; // of Content-Encoding; "": none
    struct blob *base;                  // the consensus that a diff may begin from; or NULL
    // ---- out
    struct blob *text;           // NULL: nothing could be made of it
    const char *wrong;           // constant text; NULL: nothing was
    struct consensus *consensus; // the answer's, until somebody sets it to NULL
    bool was_diff;
    struct answer_document *documents;
    size_t n_documents;
    size_t n_malformed; // documents, or with bad signatures
};

// Fills in what comes out. `body` and `base` are held by the caller.
void answer_read(struct answer *a);
// Drops what came out; not `body`, `base`.
void answer_release(struct answer *a);
