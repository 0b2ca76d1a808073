// SPDX-License-Identifier: BSD-3-Clause
// POLYVAL (RFC 8452, section 3) without special instructions, in constant time. Internal to crypto.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { POLYVAL_BLOCK_LEN = 16 };

// Secret: wiped by its owner.
struct polyval {
    uint64_t key[2]; // least significant first
    uint64_t sum[2];
};

void polyval_init(struct polyval *p, const uint8_t key[POLYVAL_BLOCK_LEN]);
// A last piece that is no whole block is filled up with zeros.
void polyval_add(struct polyval *p, const uint8_t *bytes, size_t length);
// In the field that POLYVAL works in: a = a a x^-128.
void polyval_square(uint8_t a[POLYVAL_BLOCK_LEN]);
void polyval_tag(const struct polyval *p, uint8_t tag[POLYVAL_BLOCK_LEN]);
