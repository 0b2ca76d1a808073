// SPDX-License-Identifier: BSD-3-Clause
// SHA3-256 as a running digest in memory of its own: OpenSSL's needs the heap for each look at it,
// which a worker may not use (FIPS 202). Any thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SHA3_256_RATE = 136 };

struct sha3_256_run {
    uint64_t state[25];
    uint8_t at; // bytes absorbed in this block
};

void sha3_256_run_init(struct sha3_256_run *h);
void sha3_256_run_update(struct sha3_256_run *h, const void *bytes, size_t length);
// The digest of all so far; the run goes on.
void sha3_256_run_peek(const struct sha3_256_run *h, uint8_t out[32]);
