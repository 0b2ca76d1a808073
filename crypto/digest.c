// SPDX-License-Identifier: BSD-3-Clause
// Hashes, HMAC and key derivation over OpenSSL and libsodium.
// SHA256_CTX, which OpenSSL 3 would rather have behind EVP, is the only one that uses the CPU's SHA
// instructions, can be copied, and costs nothing to make.
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/digest.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
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
    SHA256_CTX hash;

    SHA256_Init(&hash);
    SHA256_Update(&hash, bytes, length);
    SHA256_Final(out, &hash);
    explicit_bzero(&hash, sizeof(hash));
}

void sha512(const void *bytes, size_t length, uint8_t out[SHA512_LEN])
{
    digest_or_random(EVP_sha512(), bytes, length, out, SHA512_LEN);
}

void sha3_256(const void *bytes, size_t length, uint8_t out[SHA3_256_LEN])
{
    digest_or_random(EVP_sha3_256(), bytes, length, out, SHA3_256_LEN);
}

void sha3_256_both(const void *bytes, size_t part, size_t length, uint8_t part_out[SHA3_256_LEN],
                   uint8_t out[SHA3_256_LEN])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new(), *copy = EVP_MD_CTX_new();

    if (ctx == NULL || copy == NULL || EVP_DigestInit_ex(ctx, EVP_sha3_256(), NULL) != 1 ||
        EVP_DigestUpdate(ctx, bytes, part) != 1 || EVP_MD_CTX_copy_ex(copy, ctx) != 1 ||
        EVP_DigestUpdate(ctx, (const uint8_t *)bytes + part, length - part) != 1 ||
        EVP_DigestFinal_ex(copy, part_out, NULL) != 1 || EVP_DigestFinal_ex(ctx, out, NULL) != 1) {
        ERR_clear_error();
        random_bytes(part_out, SHA3_256_LEN);
        random_bytes(out, SHA3_256_LEN);
    }
    EVP_MD_CTX_free(copy);
    EVP_MD_CTX_free(ctx);
}

void sha3_256_mac(const void *key, size_t key_length, const void *bytes, size_t length,
                  uint8_t out[SHA3_256_LEN])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const uint64_t prefix = __builtin_bswap64(key_length);

    if (ctx == NULL || EVP_DigestInit_ex(ctx, EVP_sha3_256(), NULL) != 1 ||
        EVP_DigestUpdate(ctx, &prefix, sizeof(prefix)) != 1 ||
        EVP_DigestUpdate(ctx, key, key_length) != 1 || EVP_DigestUpdate(ctx, bytes, length) != 1 ||
        EVP_DigestFinal_ex(ctx, out, NULL) != 1) {
        ERR_clear_error();
        random_bytes(out, SHA3_256_LEN);
    }
    EVP_MD_CTX_free(ctx);
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

// HMAC after its key: where the inner and the outer hash begin.
struct hmac {
    SHA256_CTX inner, outer;
};

static void hmac_start(struct hmac *h, const void *key, size_t key_length)
{
    uint8_t pad[SHA256_CBLOCK] = {0};

    if (key_length > sizeof(pad))
        sha256(key, key_length, pad);
    else if (key_length > 0)
        memcpy(pad, key, key_length);
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36;
    SHA256_Init(&h->inner);
    SHA256_Update(&h->inner, pad, sizeof(pad));
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] ^= 0x36 ^ 0x5c;
    SHA256_Init(&h->outer);
    SHA256_Update(&h->outer, pad, sizeof(pad));
    explicit_bzero(pad, sizeof(pad));
}

// `h` stays as it is, for another message.
static void hmac_finish(const struct hmac *h, const void *bytes, size_t length,
                        uint8_t out[SHA256_LEN])
{
    SHA256_CTX hash = h->inner;
    uint8_t inner[SHA256_LEN];

    SHA256_Update(&hash, bytes, length);
    SHA256_Final(inner, &hash);
    hash = h->outer;
    SHA256_Update(&hash, inner, sizeof(inner));
    SHA256_Final(out, &hash);
    explicit_bzero(&hash, sizeof(hash));
    explicit_bzero(inner, sizeof(inner));
}

void hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length,
                 uint8_t out[SHA256_LEN])
{
    struct hmac h;

    hmac_start(&h, key, key_length);
    hmac_finish(&h, bytes, length, out);
    explicit_bzero(&h, sizeof(h));
}

int hkdf_sha256(const void *secret, size_t secret_length, const void *salt, size_t salt_length,
                const void *info, size_t info_length, void *out, size_t out_length)
{
    uint8_t prk[SHA256_LEN];
    uint8_t block[SHA256_LEN + HKDF_INFO_MAX + 1]; // T(i-1) | info | i
    uint8_t t[SHA256_LEN];
    struct hmac h;
    uint8_t *at = out;

    if (info_length > HKDF_INFO_MAX || out_length > HKDF_OUT_MAX)
        return -EINVAL;

    hmac_sha256(salt, salt_length, secret, secret_length, prk);
    hmac_start(&h, prk, sizeof(prk));
    size_t chained = 0; // T(0) is empty
    for (unsigned i = 1; out_length > 0; i++) {
        memcpy(block, t, chained);
        if (info_length > 0)
            memcpy(block + chained, info, info_length);
        block[chained + info_length] = (uint8_t)i;
        hmac_finish(&h, block, chained + info_length + 1, t);
        chained = SHA256_LEN;

        size_t part = out_length < SHA256_LEN ? out_length : SHA256_LEN;
        memcpy(at, t, part);
        at += part;
        out_length -= part;
    }
    explicit_bzero(&h, sizeof(h));
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
