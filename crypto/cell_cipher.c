// SPDX-License-Identifier: BSD-3-Clause
// AES-128-CTR over cell bodies, gathered into bursts of the multi-buffer library.
#include "crypto/cell_cipher.h"

#include <stdlib.h>
#include <string.h>

#include "base/cell.h"
#include "mb_manager.h"

enum {
    BLOCK_LEN = 16,
    JOBS_MAX = CELL_CIPHER_BURST_MAX + 1, // the last one may need two: see cell_cipher_add
};

struct cell_cipher {
    IMB_MGR *mgr;
    const char *implementation;
    unsigned n;
    uint8_t iv[JOBS_MAX][BLOCK_LEN];
    IMB_JOB jobs[JOBS_MAX];
};

struct cell_cipher *cell_cipher_create(void)
{
    struct cell_cipher *cc = calloc(1, sizeof(*cc));
    if (!cc)
        return NULL;
    cc->mgr = mb_manager_create(&cc->implementation);
    if (!cc->mgr) {
        free(cc);
        return NULL;
    }
    for (unsigned i = 0; i < JOBS_MAX; i++) {
        IMB_JOB *job = &cc->jobs[i];
        job->iv = cc->iv[i];
        job->iv_len_in_bytes = BLOCK_LEN;
        job->key_len_in_bytes = 16;
        job->cipher_mode = IMB_CIPHER_CNTR;
        job->cipher_direction = IMB_DIR_ENCRYPT;
        job->hash_alg = IMB_AUTH_NULL;
        job->chain_order = IMB_ORDER_CIPHER_HASH;
    }
    return cc;
}

void cell_cipher_destroy(struct cell_cipher *cc)
{
    if (!cc)
        return;
    mb_manager_destroy(cc->mgr);
    free(cc);
}

const char *cell_cipher_implementation(const struct cell_cipher *cc)
{
    return cc->implementation;
}

void ctr_stream_init(struct cell_cipher *cc, struct ctr_stream *stream, const uint8_t key[16])
{
    uint8_t unused_decryption_keys[sizeof(stream->keys)] __attribute__((aligned(16)));
    IMB_AES_KEYEXP_128(cc->mgr, key, stream->keys, unused_decryption_keys);
    explicit_bzero(unused_decryption_keys, sizeof(unused_decryption_keys));
    stream->position_bytes = 0;
}

void ctr_stream_clear(struct ctr_stream *stream)
{
    explicit_bzero(stream, sizeof(*stream));
}

static void add_job(struct cell_cipher *cc, const struct ctr_stream *stream, uint64_t block,
                    const uint8_t *src, uint8_t *dst, size_t length)
{
    // The upper half of the counter stays zero: 2^64 blocks are never reached.
    uint64_t block_big_endian = __builtin_bswap64(block);
    memcpy(cc->iv[cc->n] + 8, &block_big_endian, 8);
    IMB_JOB *job = &cc->jobs[cc->n++];
    job->enc_keys = stream->keys;
    job->dec_keys = stream->keys;
    job->src = src;
    job->dst = dst;
    job->msg_len_to_cipher_in_bytes = length;
}

void cell_cipher_add(struct cell_cipher *cc, struct ctr_stream *stream, const uint8_t *src_body,
                     uint8_t *dst_body)
{
    size_t before = stream->position_bytes % BLOCK_LEN;
    uint64_t block = stream->position_bytes / BLOCK_LEN;
    const uint8_t *src = src_body - before;
    uint8_t *dst = dst_body - before;
    size_t length = before + CELL_BODY_LEN;
    stream->position_bytes += CELL_BODY_LEN;

    // The library counts in the last 32 bits only, so a body that lies across a multiple of 2^32
    // blocks is done in two parts.
    size_t to_wrap = ((UINT64_C(1) << 32) - (uint32_t)block) * BLOCK_LEN;
    if (to_wrap < length) {
        add_job(cc, stream, block, src, dst, to_wrap);
        block += to_wrap / BLOCK_LEN;
        src += to_wrap;
        dst += to_wrap;
        length -= to_wrap;
    }
    add_job(cc, stream, block, src, dst, length);
    if (cc->n >= CELL_CIPHER_BURST_MAX)
        cell_cipher_run(cc);
}

void cell_cipher_run(struct cell_cipher *cc)
{
    if (cc->n == 0)
        return;
    IMB_SUBMIT_CIPHER_BURST_NOCHECK(cc->mgr, cc->jobs, cc->n, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT,
                                    IMB_KEY_128_BYTES);
    cc->n = 0;
}
