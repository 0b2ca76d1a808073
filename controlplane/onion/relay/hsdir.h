// SPDX-License-Identifier: BSD-3-Clause
// The HSDir's descriptors of onion services, version 3: in memory only, within a bound (protocol
// 7.01–7.07, 13.32). Control thread only.
//
// When the bound is reached, those that were fetched least give way; among equals chance decides,
// never age, so that a flood of descriptors that nobody wants does not push out what people use.
// How often one was fetched is kept when a newer one takes its place.
//
// Blinded keys are never written nor logged: who has one can ask other directories for more.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"

struct relay;
struct hsdir;

enum { HSDIR_BLINDED_KEY_LEN = 32 };

// The bound is the configuration's (hsdir_cache_mb). NULL: no memory.
struct hsdir *hsdir_create(struct relay *relay);
void hsdir_free(struct hsdir *hsdir); // NULL is fine

enum hsdir_answer {
    HSDIR_STORED,
    HSDIR_REFUSED, // malformed, stale, too large, a bad signature, or not newer than what is there
};
// The text is copied.
enum hsdir_answer hsdir_publish(struct hsdir *hsdir, const uint8_t *text, size_t length);
// The descriptor's text, which the caller drops; NULL if there is none. Counts as a fetch.
struct blob *hsdir_fetch(struct hsdir *hsdir, const uint8_t blinded_key[HSDIR_BLINDED_KEY_LEN]);
// Forgets those whose lifetime has passed; once a second. NULL is fine.
void hsdir_tick(struct hsdir *hsdir);
