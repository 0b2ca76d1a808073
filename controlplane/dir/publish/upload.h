// SPDX-License-Identifier: BSD-3-Clause
// One authority's upload: a request at a time, its answer, and when to try again.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "config/config.h"
#include "dir/client/http.h"

struct dir_connection;
struct relay;
struct upload;

// What is to be uploaded. The bytes stay valid as long as an upload may be under way.
struct upload_document {
    uint64_t serial; // 0: nothing yet
    const char *bytes;
    size_t length;
};

struct upload {
    struct relay *relay;
    const struct config_authority *authority;
    const struct upload_document *document;
    // An upload has ended, well or not, and upload_tick has a new answer. `declined`: the authority
    // keeps an older descriptor, which it takes to be as good.
    void (*ended)(struct upload *u, bool declined);
    void *user;
    // ---- private
    struct dir_connection *connection; // NULL: none under way
    uint64_t uploading;                // serial of the document under way
    uint64_t answered;                 // serial of the last document that was taken
    time_t begun;
    time_t next_try;
    unsigned failures;                 // in a row
    char refusal[HTTP_REASON_MAX + 1]; // the last one that was logged
};

// There is a new document: gives up the old one and begins at `when`.
void upload_renew(struct upload *u, time_t when);
// Begins, or gives up what takes too long. Returns when it wants to be called again; 0: not before
// there is a new document.
time_t upload_tick(struct upload *u, time_t now);
// Closes what is under way and forgets it.
void upload_cancel(struct upload *u);
