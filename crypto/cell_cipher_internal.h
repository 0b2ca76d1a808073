// SPDX-License-Identifier: BSD-3-Clause
// What cell_cipher_create chooses from. Seen by crypto and by its tests.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "crypto/cell_cipher.h"

// A gathered cell: the body with the 0 to 15 bytes before it that belong to its first block.
struct ctr_job {
    const uint8_t *key; // 16 bytes, or 32
    uint64_t block;     // counter of the first block
    const uint8_t *src;
    uint8_t *dst;
    uint32_t length; // 509 to 524
};

struct ctr_implementation {
    const char *name;
    bool (*usable)(void);
    void (*run)(const struct ctr_job *jobs, unsigned n);
    void (*run_long)(const struct ctr_job *jobs, unsigned n); // with keys of 32 bytes
};

extern const struct ctr_implementation ctr_aesni, ctr_vaes256, ctr_vaes512;

// `choice` NULL: the multi-buffer library's. NULL is returned if the CPU cannot do it, too.
struct cell_cipher *cell_cipher_create_choice(const struct ctr_implementation *choice);
