// SPDX-License-Identifier: BSD-3-Clause
// Many X25519 at a time, in the lanes of vector registers where the CPU has good ones.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct curve25519_exchange {
    const uint8_t *secret; // 32 bytes, clamped here
    const uint8_t *peer;   // 32 bytes, or NULL: `out` becomes the public key of `secret`
    uint8_t *out;          // 32 bytes; may not be any other exchange's input
    bool good;             // set: false when `out` is all zeros (a point of small order)
};

// The multiples of the base point, and which code this CPU gets. Never changes once made: any
// number of threads may use one.
struct curve25519_batch;

// Takes about a millisecond. NULL without memory.
struct curve25519_batch *curve25519_batch_create(void);
void curve25519_batch_free(struct curve25519_batch *batch);
// "avx512-ifma", "avx2", or "one by one".
const char *curve25519_batch_implementation(const struct curve25519_batch *batch);

// All of `list`; the time does not depend on secrets. One exchange's failure is its own. NULL for
// `batch`: one after the other.
void curve25519_many(const struct curve25519_batch *batch, struct curve25519_exchange *list,
                     size_t n);
