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

enum { CGO_SCRATCH_LEN = 24 * 1024 };

struct cgo_cipher {
    const struct cgo_implementation *implementation;
    // Of cgo_wide.h: what follows from the keys of the jobs at hand. Secret, and wiped after each
    // run.
    uint8_t scratch[CGO_SCRATCH_LEN] __attribute__((aligned(64)));
    // For the portable implementation only.
    EVP_CIPHER *aes;
    EVP_CIPHER_CTX *forward_aes, *inverse_aes;
};

extern const struct cgo_implementation cgo_portable, cgo_aesni, cgo_vaes256, cgo_vaes512;

void cgo_layer_set_keys(struct cgo_layer *layer, const uint8_t keys[CGO_KEYS_LEN]);
// NULL if the CPU cannot do it, too.
struct cgo_cipher *cgo_cipher_create_choice(const struct cgo_implementation *choice);
