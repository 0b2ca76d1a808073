// SPDX-License-Identifier: BSD-3-Clause
// The TLS 1.3 key schedule after the handshake (RFC 8446, 7.1–7.5).
#include "link/tls_keys.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <string.h>

#include "base/cursor.h"

enum { LABEL_MAX = 2 + 1 + 255 + 1 + 255 };

static const char *hash_name(uint16_t cipher)
{
    return cipher == TLS_AES_256_GCM_SHA384_ID ? "SHA384" : "SHA256";
}

size_t tls_secret_length(uint16_t cipher)
{
    switch (cipher) {
    case TLS_AES_128_GCM_SHA256_ID:
    case TLS_CHACHA20_POLY1305_SHA256_ID:
        return 32;
    case TLS_AES_256_GCM_SHA384_ID:
        return 48;
    default:
        return 0;
    }
}

size_t tls_key_length(uint16_t cipher)
{
    switch (cipher) {
    case TLS_AES_128_GCM_SHA256_ID:
        return 16;
    case TLS_CHACHA20_POLY1305_SHA256_ID:
    case TLS_AES_256_GCM_SHA384_ID:
        return 32;
    default:
        return 0;
    }
}

void tls_secret_wipe(struct tls_secret *s)
{
    OPENSSL_cleanse(s, sizeof *s);
}

static int hkdf_expand(uint16_t cipher, const uint8_t *secret, const uint8_t *info,
                       size_t info_length, void *out, size_t length)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    EVP_KDF_free(kdf);
    if (!ctx)
        return -EIO;
    // The library takes these as pointers to what it does not change.
    int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                         (char *)(uintptr_t)hash_name(cipher), 0),
        OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)secret,
                                          tls_secret_length(cipher)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info,
                                          info_length),
        OSSL_PARAM_construct_end(),
    };
    int rc = EVP_KDF_derive(ctx, out, length, params) == 1 ? 0 : -EIO;
    EVP_KDF_CTX_free(ctx);
    return rc;
}

// HKDF-Expand-Label (RFC 8446, 7.1).
static int expand_label(uint16_t cipher, const uint8_t *secret, const char *label,
                        const uint8_t *context, size_t context_length, void *out, size_t length)
{
    static const char prefix[] = "tls13 ";
    uint8_t info[LABEL_MAX];
    size_t label_length = strlen(label);
    if (tls_secret_length(cipher) == 0 || label_length > 255 - (sizeof prefix - 1) ||
        context_length > 255)
        return -EINVAL;
    struct writer w = writer_of(info, sizeof info);
    write_u16(&w, (uint16_t)length);
    write_u8(&w, (uint8_t)(sizeof prefix - 1 + label_length));
    write_bytes(&w, prefix, sizeof prefix - 1);
    write_bytes(&w, label, label_length);
    write_u8(&w, (uint8_t)context_length);
    write_bytes(&w, context, context_length);
    return hkdf_expand(cipher, secret, info, writer_length(&w), out, length);
}

int tls_keys_derive(const struct tls_secret *secret, struct tls_keys *out)
{
    *out = (struct tls_keys){.cipher = secret->cipher};
    int rc = expand_label(secret->cipher, secret->bytes, "key", NULL, 0, out->key,
                          tls_key_length(secret->cipher));
    if (rc == 0)
        rc = expand_label(secret->cipher, secret->bytes, "iv", NULL, 0, out->iv, sizeof out->iv);
    if (rc != 0)
        OPENSSL_cleanse(out, sizeof *out);
    return rc;
}

int tls_secret_update(struct tls_secret *secret)
{
    uint8_t next[TLS_SECRET_MAX] = {0};
    int rc = expand_label(secret->cipher, secret->bytes, "traffic upd", NULL, 0, next,
                          tls_secret_length(secret->cipher));
    if (rc == 0)
        memcpy(secret->bytes, next, sizeof next);
    OPENSSL_cleanse(next, sizeof next);
    return rc;
}

int tls_export(const struct tls_secret *exporter, const char *label, const void *context,
               size_t context_length, void *out, size_t length)
{
    uint8_t derived[TLS_SECRET_MAX], hash[TLS_SECRET_MAX];
    size_t hash_length = tls_secret_length(exporter->cipher);
    if (hash_length == 0 || length > TLS_EXPORTER_MAX)
        return -EINVAL;
    const char *name = hash_name(exporter->cipher);
    if (!EVP_Q_digest(NULL, name, NULL, "", 0, hash, NULL))
        return -EIO;
    int rc = expand_label(exporter->cipher, exporter->bytes, label, hash, hash_length, derived,
                          hash_length);
    if (rc == 0 && !EVP_Q_digest(NULL, name, NULL, context, context_length, hash, NULL))
        rc = -EIO;
    if (rc == 0)
        rc = expand_label(exporter->cipher, derived, "exporter", hash, hash_length, out, length);
    OPENSSL_cleanse(derived, sizeof derived);
    return rc;
}
