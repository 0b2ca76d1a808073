// SPDX-License-Identifier: BSD-3-Clause
// What cell_cipher_create chooses from. Seen by crypto and by its tests.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/cell_cipher.h"

// A gathered cell: the body with the 0 to 15 bytes before it that belong to its first block.
struct ctr_job {
    const uint8_t *keys; // 11 round keys, aligned to 16 bytes
    uint64_t block;      // counter of the first block
    const uint8_t *src;
    uint8_t *dst;
    uint32_t length; // 509 to 524
};

enum cell_cipher_choice {
    CELL_CIPHER_BEST,
    CELL_CIPHER_IPSEC_MB, // the multi-buffer library's AES-CTR
    CELL_CIPHER_VAES256,  // ours, two blocks to an instruction
};

// NULL if the CPU cannot do it, too.
struct cell_cipher *cell_cipher_create_choice(enum cell_cipher_choice choice);

// ---- cell_cipher_vaes.c
bool ctr_vaes256_usable(void);
void ctr_vaes256_run(const struct ctr_job *jobs, unsigned n);
