// SPDX-License-Identifier: BSD-3-Clause
// Consensuses and their differences in every encoding: made once, on a helper thread, when somebody
// first asks, and kept until another consensus is in force. Control thread only.
//
// A helper thread works on one thing at a time, in turns of some ten milliseconds: others wait for
// the helper threads, too.
#pragma once

#include <stddef.h>

#include "base/blob.h"
#include "dir/compress.h"

struct uv_loop_s;
struct packed_texts;

enum {
    // 24 consensuses of each flavour in 5 encodings, and some that are no longer in force.
    PACKED_TEXTS_MAX = 320,
};

// `ready` is called whenever another one has been made, or could not be. NULL: no memory.
struct packed_texts *packed_texts_create(struct uv_loop_s *loop, void (*ready)(void *user),
                                         void *user);
// `ready` is not called any more. What a helper thread is at is freed by the loop's next turns.
void packed_texts_free(struct packed_texts *p); // NULL is fine

enum packed_state {
    PACKED_READY,
    PACKED_LATER, // it is being made: ask again when `ready` was called
    PACKED_NONE,  // it can't be made
};

// `text`, or the difference from `base` to it if that is not NULL. `*out` is held for the caller.
enum packed_state packed_get(struct packed_texts *p, struct blob *base, struct blob *text,
                             enum compression compression, struct blob **out);
// Forgets everything that is not made of one of these texts (NULL: none).
void packed_keep(struct packed_texts *p, struct blob *const *texts, size_t n);
