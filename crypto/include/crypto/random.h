// SPDX-License-Identifier: BSD-3-Clause
// Start of the crypto libraries, and random bytes for keys, nonces and challenges.
#pragma once

#include <stddef.h>
#include <stdint.h>

// Once per process, before other threads start; further calls do nothing. Chooses libsodium's
// fastest code for this CPU. 0, or -EIO.
int crypto_init(void);

// Fills `out` from the kernel's generator. Any thread but a worker inside its loop (it is a system
// call). Never fails: a kernel without randomness ends the process.
void random_bytes(void *out, size_t length);
// 0 to bound - 1, each as likely as the others; 0 for a bound of 0. As random_bytes.
uint32_t random_uniform(uint32_t bound);
