// SPDX-License-Identifier: BSD-3-Clause
// Counter Galois Onion without special instructions of our own: AES is OpenSSL's, POLYVAL is plain
// C. For CPUs that have no better, and for tests to compare with.
#include "cgo_internal.h"

#include <openssl/crypto.h>
#include <string.h>

#include "polyval.h"

enum {
    BLOCK_LEN = 16,
    T0_BLOCKS = CGO_T1_BLOCK,
    T1_BLOCKS = CGO_KEYS_LEN / BLOCK_LEN,
    COUNTER_MASK = 0xc0, // what the PRF keeps of the last byte
};

static bool usable(void)
{
    return true;
}

static bool encrypt_blocks(struct cgo_cipher *cc, const uint8_t *key, uint8_t *blocks, int length)
{
    int n = 0;
    return EVP_EncryptInit_ex2(cc->forward_aes, NULL, key, NULL, NULL) == 1 &&
           EVP_EncryptUpdate(cc->forward_aes, blocks, &n, blocks, length) == 1 && n == length;
}

static bool decrypt_block(struct cgo_cipher *cc, const uint8_t *key, uint8_t *block)
{
    int n = 0;
    return EVP_DecryptInit_ex2(cc->inverse_aes, NULL, key, NULL, NULL) == 1 &&
           EVP_DecryptUpdate(cc->inverse_aes, block, &n, block, BLOCK_LEN) == 1 && n == BLOCK_LEN;
}

static void xor_bytes(uint8_t *to, const uint8_t *with, size_t length)
{
    for (size_t i = 0; i < length; i++)
        to[i] ^= with[i];
}

static void et_mask(const struct cgo_layer *layer, uint8_t command, const uint8_t *right,
                    uint8_t mask[BLOCK_LEN])
{
    struct polyval p;
    uint8_t second[BLOCK_LEN] = {command};
    memcpy(second + 1, right, BLOCK_LEN - 1);
    polyval_init(&p, layer->ku);
    polyval_add(&p, layer->tag, BLOCK_LEN);
    polyval_add(&p, second, BLOCK_LEN);
    polyval_add(&p, right + BLOCK_LEN - 1, CGO_RIGHT_LEN - (BLOCK_LEN - 1));
    polyval_tag(&p, mask);
    OPENSSL_cleanse(&p, sizeof(p));
}

// n blocks of the key stream that `input` selects, from the block `first` on.
static bool prf(struct cgo_cipher *cc, const struct cgo_layer *layer,
                const uint8_t input[BLOCK_LEN], unsigned first, unsigned n, uint8_t *out)
{
    struct polyval p;
    uint8_t start[BLOCK_LEN];
    polyval_init(&p, layer->b);
    polyval_add(&p, input, BLOCK_LEN);
    polyval_tag(&p, start);
    OPENSSL_cleanse(&p, sizeof(p));
    for (unsigned i = 0; i < n; i++) {
        memcpy(out + (size_t)i * BLOCK_LEN, start, BLOCK_LEN);
        uint8_t *counter = &out[(size_t)i * BLOCK_LEN + BLOCK_LEN - 1];
        *counter = (uint8_t)((*counter & COUNTER_MASK) + first + i);
    }
    return encrypt_blocks(cc, layer->k, out, (int)(n * BLOCK_LEN));
}

static bool prf_t0(struct cgo_cipher *cc, const struct cgo_layer *layer,
                   const uint8_t input[BLOCK_LEN], uint8_t *right)
{
    uint8_t stream[T0_BLOCKS * BLOCK_LEN];
    bool ok = prf(cc, layer, input, 0, T0_BLOCKS, stream);
    if (ok)
        xor_bytes(right, stream, CGO_RIGHT_LEN);
    OPENSSL_cleanse(stream, sizeof(stream));
    return ok;
}

static bool update(struct cgo_cipher *cc, struct cgo_layer *layer, const uint8_t nonce[BLOCK_LEN])
{
    uint8_t keys[CGO_KEYS_LEN];
    bool ok = prf(cc, layer, nonce, CGO_T1_BLOCK, T1_BLOCKS, keys);
    if (ok)
        cgo_layer_set_keys(layer, keys);
    OPENSSL_cleanse(keys, sizeof(keys));
    return ok;
}

static bool encrypt_one(struct cgo_cipher *cc, struct cgo_job *job)
{
    struct cgo_layer *layer = job->layer;
    bool originated = job->operation == CGO_RELAY_ORIGINATE;
    uint8_t *left = job->dst, *right = job->dst + CGO_LEFT_LEN;
    uint8_t mask[BLOCK_LEN];

    memmove(job->dst, job->src, CGO_LEFT_LEN + CGO_RIGHT_LEN);
    if (originated)
        memcpy(left, layer->nonce, CGO_LEFT_LEN);
    memcpy(job->tag, left, CGO_TAG_LEN);
    et_mask(layer, job->command, right, mask);
    xor_bytes(left, mask, BLOCK_LEN);
    if (!encrypt_blocks(cc, layer->kb, left, BLOCK_LEN))
        return false;
    xor_bytes(left, mask, BLOCK_LEN);
    if (!prf_t0(cc, layer, left, right))
        return false;
    memcpy(layer->tag, left, CGO_TAG_LEN);
    if (originated)
        memcpy(job->tag, left, CGO_TAG_LEN);
    bool recognised =
        job->operation == CGO_RELAY_FORWARD && CRYPTO_memcmp(left, layer->nonce, CGO_TAG_LEN) == 0;
    if ((originated || recognised) && !update(cc, layer, left))
        return false;
    job->recognised = recognised;
    return true;
}

static bool decrypt_one(struct cgo_cipher *cc, struct cgo_job *job)
{
    struct cgo_layer *layer = job->layer;
    bool originated = job->operation == CGO_CLIENT_ORIGINATE;
    uint8_t *left = job->dst, *right = job->dst + CGO_LEFT_LEN;
    uint8_t mask[BLOCK_LEN], before[CGO_TAG_LEN];

    memmove(job->dst, job->src, CGO_LEFT_LEN + CGO_RIGHT_LEN);
    if (originated)
        memcpy(left, layer->nonce, CGO_LEFT_LEN);
    memcpy(before, left, CGO_TAG_LEN);
    if (!prf_t0(cc, layer, left, right))
        return false;
    et_mask(layer, job->command, right, mask);
    xor_bytes(left, mask, BLOCK_LEN);
    if (!decrypt_block(cc, layer->kb, left))
        return false;
    xor_bytes(left, mask, BLOCK_LEN);
    memcpy(layer->tag, before, CGO_TAG_LEN);
    memcpy(job->tag, originated ? left : before, CGO_TAG_LEN);
    bool recognised = job->operation == CGO_CLIENT_BACKWARD &&
                      CRYPTO_memcmp(left, layer->nonce, CGO_TAG_LEN) == 0;
    if ((originated || recognised) && !update(cc, layer, before))
        return false;
    job->recognised = recognised;
    return true;
}

// Should OpenSSL fail, the body must not go on half done: as zeros it ends the circuit at the next
// hop.
static void fail(struct cgo_job *job)
{
    memset(job->dst, 0, CGO_LEFT_LEN + CGO_RIGHT_LEN);
    job->recognised = false;
}

static void encrypt(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (!encrypt_one(cc, &jobs[i]))
            fail(&jobs[i]);
    }
}

static void decrypt(struct cgo_cipher *cc, struct cgo_job *jobs, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (!decrypt_one(cc, &jobs[i]))
            fail(&jobs[i]);
    }
}

const struct cgo_implementation cgo_portable = {
    .name = "portable",
    .usable = usable,
    .encrypt = encrypt,
    .decrypt = decrypt,
};
