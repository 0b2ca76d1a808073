// SPDX-License-Identifier: BSD-3-Clause
// The subprotocol versions of the descriptor's `proto` line (section 11).
#pragma once

#include <stdbool.h>
#include <stddef.h>

// "Cons=2 Desc=2 …". Returns the length, or -EMSGSIZE.
int protocols_line(char *out, size_t capacity);

// Whether this relay speaks all that a list in the consensus requires (6.34; NULL requires
// nothing). If not, `missing` (may be NULL) gets the first that it lacks, as "HSDir=2".
bool protocols_satisfy(const char *required, char *missing, size_t capacity);
