// SPDX-License-Identifier: BSD-3-Clause
// When a cell must leave room for random bytes.
#include "stream/window.h"

#include "crypto/random.h"

enum { RESERVED = RANDOM_GAP_BYTES + RANDOM_BYTES_MIN };

void window_randomness_begin(struct window_randomness *r)
{
    r->had_one = false;
    r->cells_left = RANDOM_WITHIN_MIN + random_uniform(RANDOM_WITHIN_MIN);
}

unsigned window_randomness_room(const struct window_randomness *r, unsigned most)
{
    return r->cells_left == 0 && !r->had_one ? most - RESERVED : most;
}

void window_randomness_sent(struct window_randomness *r, unsigned length, unsigned most)
{
    r->had_one |= length <= most - RESERVED;
    if (r->cells_left == 0)
        window_randomness_begin(r);
    r->cells_left--;
}
