// SPDX-License-Identifier: BSD-3-Clause
// Tor's fixed windows (protocol 4.08), and what makes acknowledgements unpredictable (4.12). Pure.
#pragma once

#include <stdbool.h>

enum {
    WINDOW_CIRCUIT_CELLS = 1000,
    WINDOW_CIRCUIT_INC_CELLS = 100,
    WINDOW_STREAM_CELLS = 500,
    WINDOW_STREAM_INC_CELLS = 50,
};

// A SENDME of ours or the peer's came for `increment` cells. False if that is more than the window
// had at its start: the circuit must be closed.
static inline bool window_open(unsigned *window, unsigned increment, unsigned start)
{
    if (*window + increment > start)
        return false;
    *window += increment;
    return true;
}

// A receiver that has not read our cells must not be able to tell their tags: once in a while
// one of them carries random bytes at its end.
enum {
    RANDOM_BYTES_MIN = 16,
    RANDOM_GAP_BYTES = 4, // zeros, before the random ones
    RANDOM_WITHIN_MIN = WINDOW_CIRCUIT_INC_CELLS / 2,
};

struct window_randomness {
    unsigned cells_left; // until there must have been one
    bool had_one;
};

void window_randomness_begin(struct window_randomness *r);
// The most bytes for the next cell, out of the `most` that fit.
unsigned window_randomness_room(const struct window_randomness *r, unsigned most);
// That cell carries so many.
void window_randomness_sent(struct window_randomness *r, unsigned length, unsigned most);
