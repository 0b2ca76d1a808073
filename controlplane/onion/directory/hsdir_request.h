// SPDX-License-Identifier: BSD-3-Clause
// One request to an HSDir over a circuit of four hops of its own, by BEGIN_DIR: a descriptor
// fetched or published (protocol 7.01–7.06, 8.12, 9.33). Control thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"

struct node;
struct origin;
struct hsdir_request;

enum hsdir_result {
    HSDIR_REQUEST_DONE,      // fetched: with the text; published: 200
    HSDIR_REQUEST_NOT_FOUND, // 404
    HSDIR_REQUEST_REFUSED,   // another status: 400 for a descriptor that is not liked
    HSDIR_REQUEST_FAILED,    // no circuit, no stream, or broken off
};

typedef void (*hsdir_done_fn)(void *user, enum hsdir_result result, struct blob *text);

// `done` never comes from inside; the text is dropped after it: who keeps it holds it. NULL: no
// memory, or no path (`why`).
struct hsdir_request *hsdir_request_fetch(struct origin *origin, const struct node *dir,
                                          const uint8_t blinded[32], hsdir_done_fn done, void *user,
                                          const char **why);
// `text` is held until the end. `single_onion`: over one hop.
struct hsdir_request *hsdir_request_publish(struct origin *origin, const struct node *dir,
                                            struct blob *text, bool single_onion,
                                            hsdir_done_fn done, void *user, const char **why);
void hsdir_request_cancel(struct hsdir_request *r); // NULL is fine
