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

// The functions that differ. ku_sums is laid out for registers of two lanes: with the powers taken
// two by two, 8 7 | 6 5 | 4 3 | 2 1, it is 8 6 7 5 4 2 3 1, the sum of the halves of each in 8
// bytes.
//
// In all of them a layer keeps KU^1 and B as they are, and K and KB as
// the first round key of an encryption schedule or the last of a decryption schedule.
struct cgo_implementation {
    const char *name;
    bool (*usable)(void);
    // Sets all but the tag. `decrypt`: the layer's block cipher runs backwards (the client's).
    void (*set_keys)(struct cgo_layer *layer, const uint8_t keys[CGO_KEYS_LEN], bool decrypt);
    void (*encrypt)(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n); // relay's operations
    void (*decrypt)(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n); // client's
};

struct cgo_cipher {
    const struct cgo_implementation *implementation;
    // For the portable implementation only.
    EVP_CIPHER *aes;
    EVP_CIPHER_CTX *forward_aes, *inverse_aes;
};

extern const struct cgo_implementation cgo_portable, cgo_aesni, cgo_vaes256;

// NULL if the CPU cannot do it, too.
struct cgo_cipher *cgo_cipher_create_choice(const struct cgo_implementation *choice);
