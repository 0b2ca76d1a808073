// SPDX-License-Identifier: BSD-3-Clause
// What a relay needs to answer ntor and ntor-v3 onion skins.
#pragma once

#include <stdint.h>

#include "crypto/curve25519.h"

enum { ONION_KEYS_MAX = 2 };

// Plain data, copied by value (a batch takes its own copy, so that keys may rotate meanwhile);
// wiped by its holder.
struct onion_keys {
    uint8_t rsa_id[20];
    uint8_t ed25519_id[32];
    struct curve25519_key keys[ONION_KEYS_MAX]; // current, then previous within its grace period
    unsigned key_count;                         // 1 or 2
    struct curve25519_key junk; // random; stands in for an onion key that we do not have
};

// The key whose public half is `wanted`, or junk; in the same time whichever it is.
void onion_keys_select(const struct onion_keys *keys, const uint8_t wanted[32],
                       struct curve25519_key *out);
void onion_keys_wipe(struct onion_keys *keys);
