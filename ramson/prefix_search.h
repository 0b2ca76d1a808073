// SPDX-License-Identifier: BSD-3-Clause
// Keys for an onion service whose address begins as its operator likes it, searched on all CPUs
// that this process may use.
#pragma once

#include "crypto/ed25519.h"

enum { ADDRESS_PREFIX_MAX = 12 };

// What is wrong with it, in a few words, or NULL: nothing. Capitals are as good.
const char *prefix_fault(const char *prefix);
// Says on standard error how fast it is and how long it may take. 0, or -ENOMEM, -EAGAIN (no
// threads).
int prefix_search(const char *prefix, struct ed25519_key *out);
