// SPDX-License-Identifier: BSD-3-Clause
// Differences between two consensuses (protocol 6.30, 6.31; dir-spec "Consensus diffs"). Pure
// functions; making one may take tens of milliseconds and is for a helper thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"

// The difference that turns `from` into `to`. NULL: no memory, or one of them is no consensus.
struct blob *consensus_diff_make(const uint8_t *from, size_t from_length, const uint8_t *to,
                                 size_t to_length);
// Applies it; both hashes are checked. NULL: malformed, not for this base, or no memory.
struct blob *consensus_diff_apply(const uint8_t *base, size_t base_length, const uint8_t *diff,
                                  size_t diff_length);
