// SPDX-License-Identifier: BSD-3-Clause
// One request to an HSDir over a circuit of four hops of its own, by BEGIN_DIR: a descriptor
// fetched or published (protocol 7.01–7.06, 8.12, 9.33). Of services that do not hide, too: an
// HSDir takes nothing over one hop. Control thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"

struct node;
struct origin;
struct hsdir_request;

enum {
    HSDIR_REQUEST_TRIES = 3,
    HSDIR_REQUEST_BEGIN_S = 120, // C tor's SocksTimeout: no circuit is begun after that
    HSDIR_REQUEST_CONNECT_S = 10,
    HSDIR_REQUEST_IDLE_S = 30,
    HSDIR_REQUEST_MAX_S = 120, // from BEGIN_DIR on
};

enum hsdir_result {
    HSDIR_REQUEST_DONE,      // fetched: with the text; published: 200
    HSDIR_REQUEST_NOT_FOUND, // 404
    HSDIR_REQUEST_REFUSED,   // another status: 400 for a descriptor that is not liked
    HSDIR_REQUEST_FAILED,    // no circuit, no stream, broken off, or it is too busy (503)
};

typedef void (*hsdir_done_fn)(void *user, enum hsdir_result result, struct blob *text);

// `done` never comes from inside, and is the end of the request; the text is dropped after it: who
// keeps it holds it. A circuit that fails before the directory has answered to BEGIN_DIR is
// replaced by another, HSDIR_REQUEST_TRIES in all. NULL: no memory, no path, too many circuits are
// being built, or its keys are not known (`why`, which may be NULL, gets a constant text).
struct hsdir_request *hsdir_request_fetch(struct origin *origin, const struct node *dir,
                                          const uint8_t blinded[32], hsdir_done_fn done, void *user,
                                          const char **why);
// `text` is held until the end.
struct hsdir_request *hsdir_request_publish(struct origin *origin, const struct node *dir,
                                            struct blob *text, hsdir_done_fn done, void *user,
                                            const char **why);
void hsdir_request_cancel(struct hsdir_request *r); // NULL is fine
