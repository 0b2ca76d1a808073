// SPDX-License-Identifier: BSD-3-Clause
// The subprotocol versions of the descriptor's `proto` line (section 11).
#pragma once

#include <stddef.h>

// "Cons=2 Desc=2 …". Returns the length, or -EMSGSIZE.
int protocols_line(char *out, size_t capacity);
