// SPDX-License-Identifier: BSD-3-Clause
// Hashes, HMAC and key derivation over OpenSSL and libsodium.
#include "crypto/digest.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

#include "crypto/random.h"

// OpenSSL fails only for want of memory. Random output then makes whatever depends on it fail,
// which a constant would not.
static void digest_or_random(const EVP_MD *md, const void *bytes, size_t length, uint8_t *out,
                             size_t out_length)
{
    if (EVP_Digest(bytes, length, out, NULL, md, NULL) != 1) {
        ERR_clear_error();
        random_bytes(out, out_length);
    }
}

void sha1(const void *bytes, size_t length, uint8_t out[SHA1_LEN])
{
    digest_or_random(EVP_sha1(), bytes, length, out, SHA1_LEN);
}

void sha256(const void *bytes, size_t length, uint8_t out[SHA256_LEN])
{
    digest_or_random(EVP_sha256(), bytes, length, out, SHA256_LEN);
}

void sha512(const void *bytes, size_t length, uint8_t out[SHA512_LEN])
{
    digest_or_random(EVP_sha512(), bytes, length, out, SHA512_LEN);
}

void sha3_256(const void *bytes, size_t length, uint8_t out[SHA3_256_LEN])
{
    digest_or_random(EVP_sha3_256(), bytes, length, out, SHA3_256_LEN);
}

void shake256(const void *bytes, size_t length, void *out, size_t out_length)
{
    if (out_length == 0)
        return;

    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_shake256(), NULL) != 1 ||
        EVP_DigestUpdate(ctx, bytes, length) != 1 ||
        EVP_DigestFinalXOF(ctx, out, out_length) != 1) {
        ERR_clear_error();
        random_bytes(out, out_length);
    }
    EVP_MD_CTX_free(ctx);
}

void hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length,
                 uint8_t out[SHA256_LEN])
{
    crypto_auth_hmacsha256_state state;

    crypto_auth_hmacsha256_init(&state, key, key_length);
    crypto_auth_hmacsha256_update(&state, bytes, length);
    crypto_auth_hmacsha256_final(&state, out);
    explicit_bzero(&state, sizeof(state));
}

int hkdf_sha256(const void *secret, size_t secret_length, const void *salt, size_t salt_length,
                const void *info, size_t info_length, void *out, size_t out_length)
{
    uint8_t prk[SHA256_LEN];
    uint8_t block[SHA256_LEN + HKDF_INFO_MAX + 1]; // T(i-1) | info | i
    uint8_t t[SHA256_LEN];
    uint8_t *at = out;

    if (info_length > HKDF_INFO_MAX || out_length > HKDF_OUT_MAX)
        return -EINVAL;

    hmac_sha256(salt, salt_length, secret, secret_length, prk);
    size_t chained = 0; // T(0) is empty
    for (unsigned i = 1; out_length > 0; i++) {
        memcpy(block, t, chained);
        if (info_length > 0)
            memcpy(block + chained, info, info_length);
        block[chained + info_length] = (uint8_t)i;
        hmac_sha256(prk, sizeof(prk), block, chained + info_length + 1, t);
        chained = SHA256_LEN;

        size_t part = out_length < SHA256_LEN ? out_length : SHA256_LEN;
        memcpy(at, t, part);
        at += part;
        out_length -= part;
    }
    explicit_bzero(prk, sizeof(prk));
    explicit_bzero(block, sizeof(block));
    explicit_bzero(t, sizeof(t));
    return 0;
}

int kdf_tor(const void *secret, size_t secret_length, void *out, size_t out_length)
{
    uint8_t block[64 + 1];
    uint8_t digest[SHA1_LEN];
    uint8_t *at = out;

    if (secret_length > 64 || out_length > KDF_TOR_OUT_MAX)
        return -EINVAL;

    if (secret_length > 0)
        memcpy(block, secret, secret_length);
    for (unsigned i = 0; out_length > 0; i++) {
        size_t part = out_length < SHA1_LEN ? out_length : SHA1_LEN;
        block[secret_length] = (uint8_t)i;
        sha1(block, secret_length + 1, digest);
        memcpy(at, digest, part);
        at += part;
        out_length -= part;
    }
    explicit_bzero(block, sizeof(block));
    explicit_bzero(digest, sizeof(digest));
    return 0;
}

_Static_assert(sizeof(crypto_hash_sha256_state) == sizeof(struct sha256), "libsodium's state");
_Static_assert(_Alignof(crypto_hash_sha256_state) <= _Alignof(struct sha256), "libsodium's state");

void sha256_init(struct sha256 *h)
{
    crypto_hash_sha256_init((crypto_hash_sha256_state *)h->state);
}

void sha256_update(struct sha256 *h, const void *bytes, size_t length)
{
    crypto_hash_sha256_update((crypto_hash_sha256_state *)h->state, bytes, length);
}

void sha256_peek(const struct sha256 *h, uint8_t out[SHA256_LEN])
{
    struct sha256 copy = *h;

    crypto_hash_sha256_final((crypto_hash_sha256_state *)copy.state, out);
}
