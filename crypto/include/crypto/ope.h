// SPDX-License-Identifier: BSD-3-Clause
// Order-preserving encryption of small numbers, as C tor makes revision counters of descriptors
// (protocol 8.13). Not in constant time. Any thread.
#pragma once

#include <stdint.h>

enum { OPE_PLAIN_MAX = 1 << 18 };

// Grows with `plain`, which is brought into 1 … OPE_PLAIN_MAX. Takes about 2 bytes of AES-256-CTR
// for each unit. 0: the library has no memory.
uint64_t ope_encrypt(const uint8_t key[32], uint64_t plain);
