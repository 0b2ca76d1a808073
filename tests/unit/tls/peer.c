// SPDX-License-Identifier: BSD-3-Clause
// The other end of a record layer, made with OpenSSL's EVP.
#include "peer.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

static uint64_t random_state = 0x853c49e6748fea9b;

uint32_t random_below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 24) % limit;
}

void random_fill(void *bytes, size_t length)
{
    uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++)
        at[i] = (uint8_t)random_below(256);
}

struct tls_keys random_keys(uint16_t cipher)
{
    struct tls_keys keys = {.cipher = cipher};
    random_fill(keys.key, sizeof(keys.key));
    random_fill(keys.iv, sizeof(keys.iv));
    return keys;
}

static const EVP_CIPHER *evp_of(uint16_t cipher)
{
    switch (cipher) {
    case TLS_AES_128_GCM_SHA256_ID:
        return EVP_aes_128_gcm();
    case TLS_AES_256_GCM_SHA384_ID:
        return EVP_aes_256_gcm();
    default:
        return EVP_chacha20_poly1305();
    }
}

static void must(int result)
{
    if (result != 1)
        abort();
}

size_t peer_seal_inner(struct peer *peer, uint8_t *out, const void *inner, size_t length)
{
    uint8_t nonce[12];
    memcpy(nonce, peer->keys.iv, sizeof(nonce));
    for (unsigned i = 0; i < 8; i++)
        nonce[11 - i] ^= (uint8_t)(peer->keys.sequence >> (8 * i));
    peer->keys.sequence++;
    size_t sealed = length + 16;
    out[0] = 23;
    out[1] = out[2] = 3;
    out[3] = (uint8_t)(sealed >> 8);
    out[4] = (uint8_t)sealed;

    int n = 0;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    must(EVP_EncryptInit_ex(ctx, evp_of(peer->keys.cipher), NULL, peer->keys.key, nonce));
    must(EVP_EncryptUpdate(ctx, NULL, &n, out, 5));
    if (length)
        must(EVP_EncryptUpdate(ctx, out + 5, &n, inner, (int)length));
    must(EVP_EncryptFinal_ex(ctx, out + 5 + length, &n));
    must(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, out + 5 + length));
    EVP_CIPHER_CTX_free(ctx);
    return 5 + sealed;
}

size_t peer_seal(struct peer *peer, uint8_t *out, uint8_t type, const void *content, size_t length,
                 size_t padding)
{
    uint8_t *inner = calloc(1, length + 1 + padding);
    if (!inner)
        abort();
    if (length)
        memcpy(inner, content, length);
    inner[length] = type;
    size_t total = peer_seal_inner(peer, out, inner, length + 1 + padding);
    free(inner);
    return total;
}
