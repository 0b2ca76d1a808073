// SPDX-License-Identifier: BSD-3-Clause
// The HSDir's descriptors of onion services, version 3: in memory only, within a bound (protocol
// 7.01–7.07, 13.32). Control thread only.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"

struct relay;
struct hsdir;

enum { HSDIR_BLINDED_KEY_LEN = 32 };

struct hsdir *hsdir_create(struct relay *relay); // NULL: no memory
void hsdir_free(struct hsdir *hsdir);            // NULL is fine

enum hsdir_answer {
    HSDIR_STORED,
    HSDIR_REFUSED, // malformed, stale, too large, a bad signature, or not newer than what is there
};
enum hsdir_answer hsdir_publish(struct hsdir *hsdir, const uint8_t *text, size_t length);
// The descriptor's text, which the caller drops; NULL if there is none. Counts as a fetch.
struct blob *hsdir_fetch(struct hsdir *hsdir, const uint8_t blinded_key[HSDIR_BLINDED_KEY_LEN]);
