// SPDX-License-Identifier: BSD-3-Clause
// TLS 1.3 record encryption in pieces, over the multi-buffer library's direct calls; AES-GCM by our
// own code where that uses instructions which the library leaves out.
#include "crypto/record_aead.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "base/message.h"
#include "gcm.h"
#include "mb_manager.h"

_Static_assert(sizeof(struct gcm_key) <= RECORD_GCM_KEY_LEN &&
                   sizeof(struct gcm_key) <= sizeof(struct gcm_key_data),
               "no key gets longer by it");
_Static_assert(sizeof(struct gcm_context) <= RECORD_GCM_CONTEXT_LEN, "must fit");

struct record_aead {
    IMB_MGR *mgr;
    const char *implementation;
    const struct gcm_implementation *gcm; // NULL: the library's
};

struct record_aead *record_aead_create_library(void)
{
    struct record_aead *ra = calloc(1, sizeof(*ra));
    if (!ra)
        return NULL;
    ra->mgr = mb_manager_create(&ra->implementation);
    if (!ra->mgr) {
        free(ra);
        return NULL;
    }
    return ra;
}

struct record_aead *record_aead_create(void)
{
    struct record_aead *ra = record_aead_create_library();
    // With AVX-512 the library has all lanes that there are.
    if (ra && ra->mgr->used_arch < IMB_ARCH_AVX512 && gcm_vaes256.usable()) {
        ra->gcm = &gcm_vaes256;
        ra->implementation = "vaes256";
    }
    return ra;
}

static struct gcm_key *own_key(struct record_key *key)
{
    return (struct gcm_key *)(void *)key->own_gcm;
}

static const struct gcm_key *own_key_of(const struct record_key *key)
{
    return (const struct gcm_key *)(const void *)key->own_gcm;
}

static struct gcm_context *own_context(struct record_op *op)
{
    return (struct gcm_context *)(void *)op->own_gcm;
}

static bool is_own(const struct record_aead *ra, const struct record_key *key)
{
    return ra->gcm &&
           (key->cipher == TLS_AES_128_GCM_SHA256_ID || key->cipher == TLS_AES_256_GCM_SHA384_ID);
}

static void own_key_init(const struct record_aead *ra, struct record_key *key, uint16_t cipher,
                         const uint8_t *secret)
{
    uint8_t unused[GCM_ROUND_KEYS_MAX * 16] __attribute__((aligned(16)));
    uint8_t round_keys[GCM_ROUND_KEYS_MAX * 16] __attribute__((aligned(16)));
    struct gcm_key *own = own_key(key);
    if (cipher == TLS_AES_128_GCM_SHA256_ID)
        IMB_AES_KEYEXP_128(ra->mgr, secret, round_keys, unused);
    else
        IMB_AES_KEYEXP_256(ra->mgr, secret, round_keys, unused);
    own->rounds = cipher == TLS_AES_128_GCM_SHA256_ID ? 10 : 14;
    memcpy(own->round_keys, round_keys, 16 * (own->rounds + 1));
    ra->gcm->key_init(own);
    explicit_bzero(round_keys, sizeof(round_keys));
    explicit_bzero(unused, sizeof(unused));
}

void record_aead_destroy(struct record_aead *ra)
{
    if (!ra)
        return;
    mb_manager_destroy(ra->mgr);
    free(ra);
}

const char *record_aead_implementation(const struct record_aead *ra)
{
    return ra->implementation;
}

bool record_key_init(const struct record_aead *ra, struct record_key *key, uint16_t cipher,
                     const uint8_t *secret, const uint8_t iv[12], uint64_t sequence)
{
    memset(key, 0, sizeof(*key));
    switch (cipher) {
    case TLS_AES_128_GCM_SHA256_ID:
    case TLS_AES_256_GCM_SHA384_ID:
        if (ra->gcm)
            own_key_init(ra, key, cipher, secret);
        else if (cipher == TLS_AES_128_GCM_SHA256_ID)
            IMB_AES128_GCM_PRE(ra->mgr, secret, &key->gcm);
        else
            IMB_AES256_GCM_PRE(ra->mgr, secret, &key->gcm);
        break;
    case TLS_CHACHA20_POLY1305_SHA256_ID:
        memcpy(key->chacha, secret, sizeof(key->chacha));
        break;
    default:
        return false;
    }
    key->cipher = cipher;
    memcpy(key->iv, iv, sizeof(key->iv));
    key->sequence = sequence;
    return true;
}

void record_key_clear(struct record_key *key)
{
    explicit_bzero(key, sizeof(*key));
}

void record_aead_begin(const struct record_aead *ra, struct record_op *op,
                       const struct record_key *key, const uint8_t aad[RECORD_AAD_LEN])
{
    uint8_t nonce[12];
    uint64_t tail;
    memcpy(nonce, key->iv, sizeof(nonce));
    memcpy(&tail, nonce + 4, 8);
    tail ^= __builtin_bswap64(key->sequence);
    memcpy(nonce + 4, &tail, 8);

    if (is_own(ra, key)) {
        ra->gcm->begin(own_key_of(key), own_context(op), nonce, aad, RECORD_AAD_LEN);
        return;
    }
    switch (key->cipher) {
    case TLS_AES_128_GCM_SHA256_ID:
        IMB_AES128_GCM_INIT(ra->mgr, &key->gcm, &op->gcm, nonce, aad, RECORD_AAD_LEN);
        break;
    case TLS_AES_256_GCM_SHA384_ID:
        IMB_AES256_GCM_INIT(ra->mgr, &key->gcm, &op->gcm, nonce, aad, RECORD_AAD_LEN);
        break;
    case TLS_CHACHA20_POLY1305_SHA256_ID:
        IMB_CHACHA20_POLY1305_INIT(ra->mgr, key->chacha, &op->chacha, nonce, aad, RECORD_AAD_LEN);
        break;
    }
}

void record_aead_seal(const struct record_aead *ra, struct record_op *op,
                      const struct record_key *key, uint8_t *dst, const uint8_t *src, size_t length)
{
    if (length == 0)
        return;
    if (is_own(ra, key)) {
        ra->gcm->encrypt(own_key_of(key), own_context(op), dst, src, length);
        return;
    }
    switch (key->cipher) {
    case TLS_AES_128_GCM_SHA256_ID:
        IMB_AES128_GCM_ENC_UPDATE(ra->mgr, &key->gcm, &op->gcm, dst, src, length);
        break;
    case TLS_AES_256_GCM_SHA384_ID:
        IMB_AES256_GCM_ENC_UPDATE(ra->mgr, &key->gcm, &op->gcm, dst, src, length);
        break;
    case TLS_CHACHA20_POLY1305_SHA256_ID:
        IMB_CHACHA20_POLY1305_ENC_UPDATE(ra->mgr, key->chacha, &op->chacha, dst, src, length);
        break;
    }
}

void record_aead_open(const struct record_aead *ra, struct record_op *op,
                      const struct record_key *key, uint8_t *dst, const uint8_t *src, size_t length)
{
    if (length == 0)
        return;
    if (is_own(ra, key)) {
        ra->gcm->decrypt(own_key_of(key), own_context(op), dst, src, length);
        return;
    }
    switch (key->cipher) {
    case TLS_AES_128_GCM_SHA256_ID:
        IMB_AES128_GCM_DEC_UPDATE(ra->mgr, &key->gcm, &op->gcm, dst, src, length);
        break;
    case TLS_AES_256_GCM_SHA384_ID:
        IMB_AES256_GCM_DEC_UPDATE(ra->mgr, &key->gcm, &op->gcm, dst, src, length);
        break;
    case TLS_CHACHA20_POLY1305_SHA256_ID:
        IMB_CHACHA20_POLY1305_DEC_UPDATE(ra->mgr, key->chacha, &op->chacha, dst, src, length);
        break;
    }
}

// The tag is the same function of the ciphertext in both directions.
static void finalize(const struct record_aead *ra, struct record_op *op,
                     const struct record_key *key, uint8_t tag[RECORD_TAG_LEN])
{
    if (is_own(ra, key)) {
        ra->gcm->end(own_key_of(key), own_context(op), RECORD_AAD_LEN, tag);
        explicit_bzero(op->own_gcm, sizeof(op->own_gcm));
        return;
    }
    switch (key->cipher) {
    case TLS_AES_128_GCM_SHA256_ID:
        IMB_AES128_GCM_ENC_FINALIZE(ra->mgr, &key->gcm, &op->gcm, tag, RECORD_TAG_LEN);
        explicit_bzero(&op->gcm, sizeof(op->gcm));
        break;
    case TLS_AES_256_GCM_SHA384_ID:
        IMB_AES256_GCM_ENC_FINALIZE(ra->mgr, &key->gcm, &op->gcm, tag, RECORD_TAG_LEN);
        explicit_bzero(&op->gcm, sizeof(op->gcm));
        break;
    case TLS_CHACHA20_POLY1305_SHA256_ID:
        IMB_CHACHA20_POLY1305_ENC_FINALIZE(ra->mgr, &op->chacha, tag, RECORD_TAG_LEN);
        explicit_bzero(&op->chacha, sizeof(op->chacha));
        break;
    }
}

void record_aead_seal_end(const struct record_aead *ra, struct record_op *op,
                          struct record_key *key, uint8_t tag[RECORD_TAG_LEN])
{
    finalize(ra, op, key, tag);
    key->sequence++;
}

bool record_aead_open_end(const struct record_aead *ra, struct record_op *op,
                          struct record_key *key, const uint8_t tag[RECORD_TAG_LEN])
{
    uint8_t expected[RECORD_TAG_LEN] = {0};
    finalize(ra, op, key, expected);
    if (key->cipher == 0 || CRYPTO_memcmp(expected, tag, sizeof(expected)) != 0)
        return false;
    key->sequence++;
    return true;
}
