// SPDX-License-Identifier: BSD-3-Clause
// Whether words are a solution: their order first, which costs nothing, then eight hashes.
#include <stdlib.h>

#include "equix/equix_internal.h"

struct equix *equix_create(bool solver, bool compile)
{
    struct equix *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->tables = solver ? equix_tables_create() : NULL;
    if (solver && !e->tables) {
        free(e);
        return NULL;
    }
    hashx_init(&e->hash, compile);
    return e;
}

void equix_free(struct equix *e)
{
    if (!e)
        return;
    hashx_release(&e->hash);
    equix_tables_free(e->tables);
    free(e);
}

bool equix_is_compiled(const struct equix *e)
{
    return e->hash.code != NULL && !e->hash.broken;
}

static bool ordered(const uint16_t *words)
{
    for (unsigned half = 1; half < EQUIX_SOLUTION_WORDS; half *= 2)
        for (unsigned i = 0; i < EQUIX_SOLUTION_WORDS; i += 2 * half)
            if (!equix_in_order(words + i, half))
                return false;
    return true;
}

static bool low_bits_zero(uint64_t sum, unsigned bits)
{
    return (sum & ((UINT64_C(1) << bits) - 1)) == 0;
}

enum equix_result equix_verify(struct equix *e, const void *challenge, size_t length,
                               const struct equix_solution *solution)
{
    if (!ordered(solution->words))
        return EQUIX_ORDER;
    if (!hashx_make(&e->hash, challenge, length))
        return EQUIX_CHALLENGE;
    uint64_t in[HASHX_LANES], sums[HASHX_LANES];
    _Static_assert((int)HASHX_LANES == (int)EQUIX_SOLUTION_WORDS, "all words at once");
    for (unsigned i = 0; i < HASHX_LANES; i++)
        in[i] = solution->words[i];
    hashx_hash(&e->hash, in, sums);
    unsigned bits = EQUIX_STAGE_BITS;
    for (unsigned n = EQUIX_SOLUTION_WORDS / 2; n > 1; n /= 2, bits *= 2)
        for (unsigned i = 0; i < n; i++) {
            sums[i] = sums[2 * i] + sums[2 * i + 1];
            if (!low_bits_zero(sums[i], bits))
                return EQUIX_PARTIAL_SUM;
        }
    return low_bits_zero(sums[0] + sums[1], EQUIX_BITS) ? EQUIX_OK : EQUIX_FINAL_SUM;
}
