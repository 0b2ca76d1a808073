// SPDX-License-Identifier: BSD-3-Clause
// The choice of an onion key without a trace in time of which it was.
#include "crypto/onion_keys.h"

#include <sodium.h>
#include <stddef.h>
#include <string.h>

void onion_keys_select(const struct onion_keys *keys, const uint8_t wanted[32],
                       struct curve25519_key *out)
{
    unsigned count = keys->key_count < ONION_KEYS_MAX ? keys->key_count : ONION_KEYS_MAX;

    *out = keys->junk;
    for (unsigned i = 0; i < count; i++) {
        const struct curve25519_key *key = &keys->keys[i];
        // 0 if equal, else -1: so all ones where this is the key.
        uint8_t mask = (uint8_t)~sodium_memcmp(key->public_key, wanted, 32);
        for (size_t j = 0; j < 32; j++) {
            out->secret[j] ^= (uint8_t)((out->secret[j] ^ key->secret[j]) & mask);
            out->public_key[j] ^= (uint8_t)((out->public_key[j] ^ key->public_key[j]) & mask);
        }
    }
}

void onion_keys_wipe(struct onion_keys *keys)
{
    explicit_bzero(keys, sizeof(*keys));
}
