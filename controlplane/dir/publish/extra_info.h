// SPDX-License-Identifier: BSD-3-Clause
// The extra-info document (6.12): statistics that go with a server descriptor.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct identity;

enum { EXTRA_INFO_MAX = 50000 }; // larger ones are refused (6.11)

struct extra_info {
    const struct identity *identity;
    const char *nickname;
    time_t published;  // the descriptor's
    const char *lines; // whole lines of statistics, each with its newline; may be ""
};

// How the descriptor refers to it (6.06).
struct extra_info_digest {
    uint8_t sha1[20];   // of what is signed
    uint8_t sha256[32]; // of all
};

// The length of the text, which no NUL ends, or -EMSGSIZE, -EINVAL. Pure: no I/O, no state.
int extra_info_build(const struct extra_info *in, char *out, size_t capacity,
                     struct extra_info_digest *digest);
