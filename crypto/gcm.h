// SPDX-License-Identifier: BSD-3-Clause
// AES-GCM of our own (NIST SP 800-38D), fed in pieces, for CPUs with 256-bit AES and carry-less
// multiplication: the multi-buffer library's uses them on AVX-512 only. Internal to crypto;
// record_aead.h is the interface.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GCM_ROUND_KEYS_MAX = 15, GCM_POWERS = 16 };

// Secret: wiped by its owner.
struct gcm_key {
    uint8_t round_keys[GCM_ROUND_KEYS_MAX][16];
    uint8_t powers[GCM_POWERS][16]; // of the hash key, the highest first, as POLYVAL multiplies
    unsigned rounds;                // 10 or 14
};

// One message under way. Secret.
struct gcm_context {
    uint8_t sum[16];     // of the hash, as POLYVAL has it
    uint8_t mask[16];    // of the tag
    uint8_t counter[16]; // of the next block; its last word least significant byte first
    uint8_t stream[16];  // of the block that is only begun
    uint8_t begun[16];   // that block's ciphertext
    unsigned in_block;   // bytes of it
    uint64_t length_bytes;
};

struct gcm_implementation {
    bool (*usable)(void);
    // `key->round_keys` and `key->rounds` are set.
    void (*key_init)(struct gcm_key *key);
    // `aad` has at most 16 bytes.
    void (*begin)(const struct gcm_key *key, struct gcm_context *g, const uint8_t nonce[12],
                  const uint8_t *aad, size_t aad_length);
    // dst may be src.
    void (*encrypt)(const struct gcm_key *key, struct gcm_context *g, uint8_t *dst,
                    const uint8_t *src, size_t length);
    void (*decrypt)(const struct gcm_key *key, struct gcm_context *g, uint8_t *dst,
                    const uint8_t *src, size_t length);
    void (*end)(const struct gcm_key *key, const struct gcm_context *g, size_t aad_length,
                uint8_t tag[16]);
};

extern const struct gcm_implementation gcm_vaes256;
