// SPDX-License-Identifier: BSD-3-Clause
// One HTTP request of ours to a directory: over a circuit of one hop with BEGIN_DIR, over one that
// its user has built, or over a plain connection to its directory port (protocol 6.13, 6.20, 8.12,
// 9.01). Control thread only.
//
// A request belongs to itself from dir_connection_start until `done` has returned, or until
// dir_connection_cancel, after which nothing is heard of it.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/blob.h"
#include "base/cell.h"
#include "dir/client/http.h"
#include "link/link.h"

struct circuit;
struct relay;
struct dir_connection;

// Whom to ask. The circuit is preferred; the directory port is used when there is no OR port.
struct dir_target {
    struct link_target relay; // its OR ports; n_addresses 0: none
    bool has_ntor_key;        // else CREATE_FAST (2.05)
    uint8_t ntor_key[32];
    struct address dir_port; // ADDRESS_NONE: none
};

enum dir_result {
    DIR_ANSWERED,    // HTTP, with whatever status, and the whole body
    DIR_UNREACHABLE, // no connection, no circuit, or no stream
    DIR_BROKEN,      // ended before the answer did
    DIR_MALFORMED,   // no HTTP
    DIR_TOO_LONG,    // more than body_max
    DIR_TIMEOUT,
    DIR_NO_MEMORY,
};

enum dir_stage {
    DIR_CIRCUIT,   // to the directory stands
    DIR_CONNECTED, // the directory has taken the stream
    DIR_ANSWERING, // the head of an answer came, with status 200
};

struct dir_answer {
    enum dir_result result;
    const char *why;         // of what is not DIR_ANSWERED, for the log
    unsigned status;         // HTTP's
    const char *reason;      // HTTP's, printable ASCII only
    bool descriptor_not_new; // X-Descriptor-Not-New
    const char *head;        // the whole head, for dir_answer_header
    size_t head_length;
    struct blob *body; // as it came, perhaps compressed; never NULL when DIR_ANSWERED. Dropped
                       // after `done`: who keeps it holds it
};

struct dir_request {
    struct dir_target target;
    struct circuit *circuit; // an open one whose last hop is the target, and which stays the
                             // user's; NULL: one is found
    const char *path;    // "/tor/…"; copied
    const char *headers; // more lines of the head, each with its CRLF; copied; NULL: none
    const void *body;    // of a POST, stays valid until the end; NULL: GET
    size_t body_length;
    size_t body_max;    // of the answer; 0: only its head is wanted, and is the end
    unsigned timeout_s; // for all of it
    unsigned idle_s;    // at most so long without a byte; 0: as long as timeout_s
    unsigned connect_s; // at most so long until the directory has taken it; 0: as long as timeout_s
    // How far it is; may be NULL. The request may be cancelled from inside.
    void (*progress)(void *user, enum dir_stage stage);
    // Never from inside dir_connection_start or dir_connection_cancel. It may start others.
    void (*done)(void *user, const struct dir_answer *answer);
    void *user;
};

// NULL: no memory, the target has nothing that can be connected to, or no stream can be begun on
// the circuit.
struct dir_connection *dir_connection_start(struct relay *relay, const struct dir_request *request);
void dir_connection_cancel(struct dir_connection *c); // NULL is fine
// The value of the first header of this name, or false if there is none or it does not fit.
bool dir_answer_header(const struct dir_answer *answer, const char *name, char *out,
                       size_t capacity);
