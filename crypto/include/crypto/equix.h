// SPDX-License-Identifier: BSD-3-Clause
// Equi-X, the puzzle of onion services' proof of work (proposal 327; hspow-spec/v1-equix), over
// HashX. Costly to solve, cheap to check. Any thread; a context belongs to one at a time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EQUIX_SOLUTION_WORDS = 8,
    EQUIX_SOLUTION_LEN = 16, // on the wire: the words in little-endian
    EQUIX_SOLUTIONS_MAX = 8,
};

struct equix_solution {
    uint16_t words[EQUIX_SOLUTION_WORDS];
};

enum equix_result {
    EQUIX_OK,
    EQUIX_CHALLENGE, // no hash function can be made of it: another nonce is to be tried
    EQUIX_ORDER,     // the words are not in the order that is asked for
    EQUIX_PARTIAL_SUM,
    EQUIX_FINAL_SUM,
};

struct equix;

// For a solver 1.6 MB; for one that only checks, little. `compile`: HashX as machine code where
// this build can (else, and if the system allows no such memory, it is interpreted). NULL: no
// memory.
struct equix *equix_create(bool solver, bool compile);
void equix_free(struct equix *e);              // NULL is fine
bool equix_is_compiled(const struct equix *e); // now; a system may cease to allow it

// How many solutions, which may be none; -1: EQUIX_CHALLENGE.
int equix_solve(struct equix *e, const void *challenge, size_t length,
                struct equix_solution out[EQUIX_SOLUTIONS_MAX]);
enum equix_result equix_verify(struct equix *e, const void *challenge, size_t length,
                               const struct equix_solution *solution);
