// SPDX-License-Identifier: BSD-3-Clause
// Search for an Ed25519 key whose public half begins with given bits: for an onion address that
// begins as somebody likes it. One search belongs to one thread; several begin at random places.
//
// libsodium's addition of points takes and gives encoded ones, which costs three exponentiations
// for a try. Here a try costs five and a half multiplications: from a point in the middle to many
// around it, in pairs (it plus and minus a multiple of the base point) that share products, with
// one inversion for all.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/ed25519.h"

enum {
    ED25519_SEARCH_PAIRS = 512,
    ED25519_SEARCH_TRIES = 2 * ED25519_SEARCH_PAIRS + 1, // of a step
};

struct ed25519_search;

// Begins somewhere. NULL: no memory.
struct ed25519_search *ed25519_search_create(void);
void ed25519_search_free(struct ed25519_search *s); // wipes; NULL is fine
// Looks for a key whose first 8 public bytes, read as a number with the first byte on top, have
// `value` in the bits of `mask`. True: found one; another must come from another search, for who
// knows one secret of a search can find the others.
bool ed25519_search_step(struct ed25519_search *s, uint64_t mask, uint64_t value,
                         struct ed25519_key *out);
