// SPDX-License-Identifier: BSD-3-Clause
// AES-256-CTR for messages inside handshakes and descriptors. Not for cells.
#pragma once

#include <stddef.h>
#include <stdint.h>

// `iv` is the first block of the counter. `out` may be `in`. 0, or -EIO (the library has no
// memory), after which `out` is zeros. Any thread.
__attribute__((warn_unused_result)) int aes256_ctr(const uint8_t key[32], const uint8_t iv[16],
                                                   const uint8_t *in, size_t length, uint8_t *out);
// The same from a counter of zero.
__attribute__((warn_unused_result)) int aes256_ctr_zero_iv(const uint8_t key[32], const uint8_t *in,
                                                           size_t length, uint8_t *out);
