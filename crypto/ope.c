// SPDX-License-Identifier: BSD-3-Clause
// The sum of the first numbers of a stream that the key makes.
#include "crypto/ope.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

enum { CHUNK_NUMBERS = 512, NUMBER_BYTES = 2 };

uint64_t ope_encrypt(const uint8_t key[32], uint64_t plain)
{
    static const uint8_t zeros[CHUNK_NUMBERS * NUMBER_BYTES];
    uint8_t stream[CHUNK_NUMBERS * NUMBER_BYTES];
    uint64_t left = plain < 1 ? 1 : plain > OPE_PLAIN_MAX ? OPE_PLAIN_MAX : plain;
    uint64_t sum = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool good = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_256_ctr(), NULL, key, zeros) == 1;

    while (good && left > 0) {
        unsigned n = left < CHUNK_NUMBERS ? (unsigned)left : CHUNK_NUMBERS;
        int written = 0;
        good = EVP_EncryptUpdate(ctx, stream, &written, zeros, (int)(n * NUMBER_BYTES)) == 1;
        for (unsigned i = 0; i < n; i++) // little-endian, and each counts for at least 1
            sum += (uint64_t)(stream[2 * i] | stream[2 * i + 1] << 8) + 1;
        left -= n;
    }
    if (!good)
        ERR_clear_error();
    EVP_CIPHER_CTX_free(ctx);
    explicit_bzero(stream, sizeof(stream));
    return good ? sum : 0;
}
