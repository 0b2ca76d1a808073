// SPDX-License-Identifier: BSD-3-Clause
// Remembers what has been seen, in fixed memory: the newest of what falls on the same slot. It may
// forget what it has seen, and mistakes something new for it once in 2^64 times.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPLAY_FILTER_SLOTS = 1 << 16 };

struct replay_filter {
    uint64_t *slots; // hashes; 0: none
    uint8_t secret[16];
};

bool replay_filter_init(struct replay_filter *f); // false: no memory
void replay_filter_release(struct replay_filter *f);
// True if it has been seen; it has been, from now on.
bool replay_filter_seen(struct replay_filter *f, const void *bytes, size_t length);
