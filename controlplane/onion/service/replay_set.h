// SPDX-License-Identifier: BSD-3-Clause
// Remembers all that it has seen, for as long as its user wants: a service must not be made to do
// the same thing twice (protocol 8.31). It grows with what is in it, up to a limit; something new
// is taken for something old once in 2^64 / entries times.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replay_generation {
    uint64_t *slots; // keyed hashes; 0: none. NULL before the first
    size_t n_slots;  // a power of two
    size_t n;
};

// Two generations, of which the older one goes at a turn: what has come is known for one turn at
// least. A set that is never turned forgets nothing.
struct replay_set {
    struct replay_generation now, before;
    size_t most; // of each generation
    uint8_t secret[16];
};

void replay_set_init(struct replay_set *set, size_t most);
void replay_set_release(struct replay_set *set);
enum replay_answer { REPLAY_NEW, REPLAY_SEEN, REPLAY_FULL };
// REPLAY_NEW: it has been seen from now on. REPLAY_FULL: no room, or no memory.
enum replay_answer replay_set_add(struct replay_set *set, const void *bytes, size_t length);
bool replay_set_has(const struct replay_set *set, const void *bytes, size_t length);
void replay_set_turn(struct replay_set *set);
