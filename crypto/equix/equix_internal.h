// SPDX-License-Identifier: BSD-3-Clause
// What solver and verifier share.
#pragma once

#include "crypto/equix.h"
#include "equix/hashx.h"

enum {
    EQUIX_INDICES = 1 << 16,
    EQUIX_STAGE_BITS = 15, // that each of the first two sums makes zero; the last one the rest
    EQUIX_BITS = 60,       // of a hash that count
};

struct equix_tables; // the solver's

struct equix {
    struct hashx hash;
    struct equix_tables *tables; // NULL: it only verifies
};

struct equix_tables *equix_tables_create(void);
void equix_tables_free(struct equix_tables *t);
unsigned equix_find(struct equix_tables *t, const struct hashx *hash,
                    struct equix_solution out[EQUIX_SOLUTIONS_MAX]);

// The order of words that there has to be, so that a solution has one form: of the two halves of
// every piece the first is not the greater, as little-endian numbers.
static inline uint64_t equix_piece(const uint16_t *words, unsigned n)
{
    uint64_t value = 0;
    while (n-- > 0)
        value = value << 16 | words[n];
    return value;
}

static inline bool equix_in_order(const uint16_t *words, unsigned half)
{
    return equix_piece(words, half) <= equix_piece(words + half, half);
}
