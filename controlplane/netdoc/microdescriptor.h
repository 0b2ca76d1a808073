// SPDX-License-Identifier: BSD-3-Clause
// Microdescriptors (protocol 9.10, dir-spec 3.3). Pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "netdoc/tokens.h"

struct microdescriptor {
    uint8_t sha256[32]; // of its text
    size_t text_length;
    uint8_t ntor_key[32];
    bool has_ed_id;
    uint8_t ed_id[32];
    struct address ipv6; // the first `a` line's that is one, with its OR port; ADDRESS_NONE: none
    // What these lines say, no length without one. They point into the text; each has its own
    // reader (port_policy.h; a list of words), and is not looked at here: one that is malformed
    // says nothing, and the rest counts all the same.
    struct text family, family_ids;
    struct text policy, policy6; // `p`, `p6`
};

enum { MICRODESCRIPTOR_MAX = 64 * 1024 };

// Reads the first one of a text that may hold many. 0 or -EINVAL; `*length` (also when malformed)
// is where the next one begins, at least 1 for a text that is not empty. That it is one of those
// that were asked for, and so what the authorities agreed on, is told by its digest.
int microdescriptor_parse(const uint8_t *text, size_t size, struct microdescriptor *out,
                          size_t *length);
