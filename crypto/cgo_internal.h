// SPDX-License-Identifier: BSD-3-Clause
// What cgo_cipher_create chooses from. Seen by crypto and by its tests.
#pragma once

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "crypto/cgo.h"

enum {
    CGO_LEFT_LEN = 16,   // X_L, of the 509-byte body
    CGO_RIGHT_LEN = 493, // X_R
    CGO_KEYS_LEN = 80,   // KB, KU, K, B, nonce: one direction's material, or an Update's output
    CGO_T1_BLOCK = 31,   // where the PRF's second output begins: after the blocks of the first
    CGO_AES_ROUND_KEYS = 11,
};

struct cgo_implementation {
    const char *name;
    bool (*usable)(void);
    void (*encrypt)(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n); // relay's operations
    void (*decrypt)(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n); // client's
};

// A layer with what follows from its keys. ku_sums is laid out for registers of two lanes: with the
// powers taken two by two, 8 7 | 6 5 | 4 3 | 2 1, it is 8 6 7 5 4 2 3 1, the sum of the halves of
// each in 8 bytes.
struct cgo_expanded {
    uint8_t et_keys[CGO_AES_ROUND_KEYS * 16] __attribute__((aligned(32))); // in the order of use
    uint8_t prf_keys[CGO_AES_ROUND_KEYS * 16];
    uint8_t ku_powers[8 * 16]; // KU^8 … KU^1, as POLYVAL multiplies
    uint8_t ku_sums[4 * 16];
    uint8_t ku_32[16]; // KU^32, for the block that is T'
    struct cgo_layer *stored;
};

enum { CGO_BLOCK_JOBS = 32 }; // whose layers are expanded at a time

struct cgo_cipher {
    const struct cgo_implementation *implementation;
    struct cgo_expanded expanded[CGO_BLOCK_JOBS]; // secret; wiped after each run
    // For the portable implementation only.
    EVP_CIPHER *aes;
    EVP_CIPHER_CTX *forward_aes, *inverse_aes;
};

extern const struct cgo_implementation cgo_portable, cgo_aesni, cgo_vaes256;

void cgo_layer_set_keys(struct cgo_layer *layer, const uint8_t keys[CGO_KEYS_LEN]);
// NULL if the CPU cannot do it, too.
struct cgo_cipher *cgo_cipher_create_choice(const struct cgo_implementation *choice);
