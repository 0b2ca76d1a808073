// SPDX-License-Identifier: BSD-3-Clause
// A token bucket that is filled once a second.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// All zeros: not yet used, which is full.
struct token_bucket {
    uint32_t tokens;
    uint32_t filled_s; // when it was last filled; 0: never
};

// `now_s` counts from 1 and never goes back. Rate and burst may differ from call to call.
static inline void token_bucket_fill(struct token_bucket *b, uint32_t rate_per_s, uint32_t burst,
                                     uint32_t now_s)
{
    uint64_t tokens =
        b->filled_s == 0 ? burst : b->tokens + (uint64_t)(now_s - b->filled_s) * rate_per_s;
    b->tokens = tokens < burst ? (uint32_t)tokens : burst;
    b->filled_s = now_s;
}

// Fills it, then takes one; false if there is none.
static inline bool token_bucket_take(struct token_bucket *b, uint32_t rate_per_s, uint32_t burst,
                                     uint32_t now_s)
{
    token_bucket_fill(b, rate_per_s, burst, now_s);
    if (b->tokens == 0)
        return false;
    b->tokens--;
    return true;
}
