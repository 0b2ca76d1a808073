// SPDX-License-Identifier: BSD-3-Clause
// AES-256-CTR over OpenSSL.
#include "crypto/aes_ctr.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <string.h>

int aes256_ctr(const uint8_t key[32], const uint8_t iv[16], const uint8_t *in, size_t length,
               uint8_t *out)
{
    int written = 0;

    if (length == 0)
        return 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = ctx != NULL && length <= INT_MAX &&
              EVP_EncryptInit_ex(ctx, EVP_aes_256_ctr(), NULL, key, iv) == 1 &&
              EVP_EncryptUpdate(ctx, out, &written, in, (int)length) == 1 &&
              (size_t)written == length;
    EVP_CIPHER_CTX_free(ctx);
    if (!ok) {
        ERR_clear_error();
        memset(out, 0, length);
        return -EIO;
    }
    return 0;
}

int aes256_ctr_zero_iv(const uint8_t key[32], const uint8_t *in, size_t length, uint8_t *out)
{
    static const uint8_t zero_iv[16];

    return aes256_ctr(key, zero_iv, in, length, out);
}
