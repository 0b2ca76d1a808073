// SPDX-License-Identifier: BSD-3-Clause
// Start of libsodium, and the kernel's random bytes.
#include "crypto/random.h"

#include <errno.h>
#include <sodium.h>

int crypto_init(void)
{
    return sodium_init() < 0 ? -EIO : 0;
}

void random_bytes(void *out, size_t length)
{
    randombytes_buf(out, length);
}

uint32_t random_uniform(uint32_t bound)
{
    return randombytes_uniform(bound);
}
