// SPDX-License-Identifier: BSD-3-Clause
// What curve25519_batch_create chooses from. Seen by crypto and by its tests.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/curve25519_batch.h"

// One X25519 to a lane of a vector register.
struct curve25519_kernel {
    const char *name;
    unsigned lanes;
    unsigned worth;     // from how many exchanges on a vector is faster than one after the other
    size_t table_bytes; // multiples of the base point, 64-byte aligned
    bool (*usable)(void);
    void (*make_table)(void *table);
    // At most CURVE25519_VECTORS_MAX vectors: the exchanges that have a peer, and those with the
    // base point. A vector that isn't full costs as much as a full one.
    void (*run)(const void *table, struct curve25519_exchange *const *points, size_t n_points,
                struct curve25519_exchange *const *bases, size_t n_bases);
};

enum { CURVE25519_VECTORS_MAX = 12 };

extern const struct curve25519_kernel curve25519_ifma, curve25519_avx2;

// NULL for a CPU that can't, or without memory. With NULL for `kernel`: one after the other.
struct curve25519_batch *curve25519_batch_create_choice(const struct curve25519_kernel *kernel);
