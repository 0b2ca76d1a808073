// SPDX-License-Identifier: BSD-3-Clause
// The documents in data/, and changed copies of them.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Its bytes and no more, so that a sanitizer sees a reader that goes too far.
struct document {
    uint8_t *bytes;
    size_t length;
};

struct document document_load(const char *name); // ends the test if there is none
struct document document_of(const char *text);
struct document document_copy(const struct document *d, size_t length);
// A copy whose first `what` is `with` instead; ends the test if it has none. Later ones with
// `skip`.
struct document document_replace(const struct document *d, const char *what, const char *with,
                                 unsigned skip);
// Where the text `what` is; ends the test if it is nowhere.
size_t document_find(const struct document *d, const char *what, unsigned skip);
void document_drop(struct document *d);
