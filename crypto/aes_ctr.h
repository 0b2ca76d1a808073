// SPDX-License-Identifier: BSD-3-Clause
// AES-256-CTR from a zero counter, for the messages inside handshakes. Not for cells.
#pragma once

#include <stddef.h>
#include <stdint.h>

// `out` may be `in`. 0, or -EIO (the library has no memory), after which `out` is zeros.
__attribute__((warn_unused_result)) int aes256_ctr_zero_iv(const uint8_t key[32], const uint8_t *in,
                                                           size_t length, uint8_t *out);
