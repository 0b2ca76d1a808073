// SPDX-License-Identifier: BSD-3-Clause
// RSA keys over OpenSSL's EVP_PKEY. The public key's DER is kept beside it: every use of an
// identity key needs its digest.
#include "crypto/rsa.h"

#include <errno.h>
#include <limits.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"
#include "crypto/encoding.h"

enum { RSA_BITS_MIN = 512 };

#define PUBLIC_PEM_BEGIN "-----BEGIN RSA PUBLIC KEY-----\n"
#define PUBLIC_PEM_END "-----END RSA PUBLIC KEY-----\n"

struct rsa_key {
    EVP_PKEY *pkey;
    bool is_private;
    unsigned bits;
    size_t der_length;
    uint8_t der[RSA_DER_MAX]; // PKCS#1 RSAPublicKey
};

// Takes `pkey` (freed on failure; NULL is fine).
static struct rsa_key *rsa_wrap(EVP_PKEY *pkey, bool is_private)
{
    struct rsa_key *key = NULL;
    unsigned char *der = NULL;

    if (pkey == NULL || !EVP_PKEY_is_a(pkey, "RSA"))
        goto fail;
    int bits = EVP_PKEY_get_bits(pkey);
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
        goto fail;
    int length = i2d_PublicKey(pkey, &der);
    if (length <= 0 || length > RSA_DER_MAX)
        goto fail;
    key = calloc(1, sizeof(*key));
    if (key == NULL)
        goto fail;
    key->pkey = pkey;
    key->is_private = is_private;
    key->bits = (unsigned)bits;
    key->der_length = (size_t)length;
    memcpy(key->der, der, (size_t)length);
    OPENSSL_free(der);
    return key;
fail:
    OPENSSL_free(der);
    EVP_PKEY_free(pkey);
    ERR_clear_error(); // the error queue is shared with the thread's TLS code
    return NULL;
}

struct rsa_key *rsa_generate(unsigned bits)
{
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
        return NULL;
    return rsa_wrap(EVP_RSA_gen(bits), true);
}

void rsa_free(struct rsa_key *key)
{
    if (key == NULL)
        return;
    EVP_PKEY_free(key->pkey);
    free(key);
}

// Without this, OpenSSL would ask for a password on the terminal.
static int no_password(char *buffer, int size, int for_writing, void *user)
{
    (void)buffer, (void)size, (void)for_writing, (void)user;
    return -1;
}

static BIO *bio_over(const char *text, size_t length)
{
    return length > INT_MAX ? NULL : BIO_new_mem_buf(text, (int)length);
}

struct rsa_key *rsa_from_pem(const char *pem, size_t length)
{
    BIO *bio = bio_over(pem, length);
    EVP_PKEY *pkey = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);

    BIO_free(bio);
    return rsa_wrap(pkey, true);
}

int rsa_to_pem(const struct rsa_key *key, char *out, size_t capacity)
{
    char *text = NULL;
    int result = -EINVAL;

    if (!key->is_private)
        return -EINVAL;
    BIO *bio = BIO_new(BIO_s_secmem());
    if (bio != NULL && PEM_write_bio_PrivateKey_traditional(bio, key->pkey, NULL, NULL, 0,
                                                            no_password, NULL) == 1) {
        long length = BIO_get_mem_data(bio, &text);
        if (length > 0 && (size_t)length < capacity) {
            memcpy(out, text, (size_t)length);
            out[length] = '\0';
            result = (int)length;
        } else {
            result = -EMSGSIZE;
        }
    }
    BIO_free(bio); // wipes
    ERR_clear_error();
    return result;
}

struct rsa_key *rsa_public_from_pem(const char *pem, size_t length)
{
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long der_length = 0;
    struct rsa_key *key = NULL;

    BIO *bio = bio_over(pem, length);
    if (bio != NULL && PEM_read_bio(bio, &name, &header, &der, &der_length) == 1 &&
        strcmp(name, PEM_STRING_RSA_PUBLIC) == 0 && header[0] == '\0' && der_length > 0)
        key = rsa_public_from_der(der, (size_t)der_length);
    BIO_free(bio);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    ERR_clear_error();
    return key;
}

int rsa_public_to_pem(const struct rsa_key *key, char *out, size_t capacity)
{
    char body[BASE64_LINES_SIZE(RSA_DER_MAX)];

    int length = base64_encode_lines(key->der, key->der_length, body, sizeof(body));
    if (length < 0)
        return length;
    length = snprintf(out, capacity, "%s%s%s", PUBLIC_PEM_BEGIN, body, PUBLIC_PEM_END);
    return length < 0 || (size_t)length >= capacity ? -EMSGSIZE : length;
}

struct rsa_key *rsa_public_from_der(const uint8_t *der, size_t length)
{
    const unsigned char *at = der;

    if (length == 0 || length > RSA_DER_MAX)
        return NULL;
    EVP_PKEY *pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &at, (long)length);
    if (pkey != NULL && at != der + length) {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    return rsa_wrap(pkey, false);
}

int rsa_public_to_der(const struct rsa_key *key, uint8_t *out, size_t capacity)
{
    if (capacity < key->der_length)
        return -EMSGSIZE;
    memcpy(out, key->der, key->der_length);
    return (int)key->der_length;
}

struct rsa_key *rsa_public_from_evp(EVP_PKEY *pkey)
{
    if (pkey == NULL || EVP_PKEY_up_ref(pkey) != 1)
        return NULL;
    return rsa_wrap(pkey, false);
}

void rsa_fingerprint_sha1(const struct rsa_key *key, uint8_t out[20])
{
    sha1(key->der, key->der_length, out);
}

void rsa_fingerprint_sha256(const struct rsa_key *key, uint8_t out[32])
{
    sha256(key->der, key->der_length, out);
}

int rsa_sign(const struct rsa_key *key, const void *bytes, size_t length, uint8_t *signature,
             size_t capacity)
{
    size_t signature_length = capacity;
    size_t key_length = (key->bits + 7) / 8;

    // PKCS#1 v1.5 takes 11 bytes for itself.
    if (!key->is_private || length + 11 > key_length)
        return -EINVAL;
    if (capacity < key_length)
        return -EMSGSIZE;
    // No digest is set, so OpenSSL adds no DigestInfo.
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
    bool ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
              EVP_PKEY_sign(ctx, signature, &signature_length, bytes, length) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!ok) {
        ERR_clear_error();
        return -EINVAL;
    }
    return (int)signature_length;
}

bool rsa_verify(const struct rsa_key *key, const void *bytes, size_t length,
                const uint8_t *signature, size_t signature_length)
{
    uint8_t recovered[RSA_SIG_MAX];
    size_t recovered_length = sizeof(recovered);

    if (signature_length != (key->bits + 7) / 8)
        return false;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->pkey, NULL);
    bool ok = ctx != NULL && EVP_PKEY_verify_recover_init(ctx) == 1 &&
              EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
              EVP_PKEY_verify_recover(ctx, recovered, &recovered_length, signature,
                                      signature_length) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!ok) {
        ERR_clear_error();
        return false;
    }
    return recovered_length == length && CRYPTO_memcmp(recovered, bytes, length) == 0;
}

bool rsa_equal(const struct rsa_key *a, const struct rsa_key *b)
{
    return a->der_length == b->der_length && memcmp(a->der, b->der, a->der_length) == 0;
}

bool rsa_is_private(const struct rsa_key *key)
{
    return key->is_private;
}

bool rsa_exponent_is_65537(const struct rsa_key *key)
{
    BIGNUM *e = NULL;

    bool is = EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1 &&
              BN_is_word(e, RSA_F4) == 1;
    BN_free(e);
    return is;
}

unsigned rsa_bits(const struct rsa_key *key)
{
    return key->bits;
}

EVP_PKEY *rsa_evp(const struct rsa_key *key)
{
    return key->pkey;
}
