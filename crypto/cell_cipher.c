// SPDX-License-Identifier: BSD-3-Clause
// AES-128-CTR over cell bodies, gathered into bursts of the multi-buffer library.
#include "cell_cipher_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/cell.h"
#include "mb_manager.h"

enum {
    BLOCK_LEN = 16,
    IMB_JOBS_MAX = 2 * CELL_CIPHER_BURST_MAX, // a cell may need two: see run_ipsec_mb
};

struct cell_cipher {
    IMB_MGR *mgr;
    const char *implementation;
    bool vaes256;
    unsigned n;
    struct ctr_job jobs[CELL_CIPHER_BURST_MAX];
    uint8_t iv[IMB_JOBS_MAX][BLOCK_LEN];
    IMB_JOB imb_jobs[IMB_JOBS_MAX];
};

static void init_ipsec_mb_jobs(struct cell_cipher *cc)
{
    for (unsigned i = 0; i < IMB_JOBS_MAX; i++) {
        IMB_JOB *job = &cc->imb_jobs[i];
        job->iv = cc->iv[i];
        job->iv_len_in_bytes = BLOCK_LEN;
        job->key_len_in_bytes = IMB_KEY_128_BYTES;
        job->cipher_mode = IMB_CIPHER_CNTR;
        job->cipher_direction = IMB_DIR_ENCRYPT;
        job->hash_alg = IMB_AUTH_NULL;
        job->chain_order = IMB_ORDER_CIPHER_HASH;
    }
}

struct cell_cipher *cell_cipher_create_choice(enum cell_cipher_choice choice)
{
    if (choice == CELL_CIPHER_VAES256 && !ctr_vaes256_usable())
        return NULL;
    struct cell_cipher *cc = calloc(1, sizeof(*cc));
    if (!cc)
        return NULL;
    cc->mgr = mb_manager_create(&cc->implementation);
    if (!cc->mgr) {
        free(cc);
        return NULL;
    }
    init_ipsec_mb_jobs(cc);
    // With AVX-512 the library does four blocks to an instruction.
    bool library_is_best = cc->mgr->used_arch == IMB_ARCH_AVX512 || !ctr_vaes256_usable();
    cc->vaes256 = choice == CELL_CIPHER_VAES256 || (choice == CELL_CIPHER_BEST && !library_is_best);
    if (cc->vaes256)
        cc->implementation = "vaes256";
    return cc;
}

struct cell_cipher *cell_cipher_create(void)
{
    return cell_cipher_create_choice(CELL_CIPHER_BEST);
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

void cell_cipher_add(struct cell_cipher *cc, struct ctr_stream *stream, const uint8_t *src_body,
                     uint8_t *dst_body)
{
    size_t before = stream->position_bytes % BLOCK_LEN;
    // With many circuits the keys are not in the cache: the burst's other cells hide the wait.
    __builtin_prefetch(stream->keys);
    __builtin_prefetch(stream->keys + 64);
    __builtin_prefetch(stream->keys + 128);
    cc->jobs[cc->n++] = (struct ctr_job){
        .keys = stream->keys,
        .block = stream->position_bytes / BLOCK_LEN,
        .src = src_body - before,
        .dst = dst_body - before,
        .length = (uint32_t)(before + CELL_BODY_LEN),
    };
    stream->position_bytes += CELL_BODY_LEN;
    if (cc->n == CELL_CIPHER_BURST_MAX)
        cell_cipher_run(cc);
}

static void fill_ipsec_mb_job(struct cell_cipher *cc, unsigned i, const struct ctr_job *from)
{
    // The upper half of the counter stays zero: 2^64 blocks are never reached.
    uint64_t block_big_endian = __builtin_bswap64(from->block);
    memcpy(cc->iv[i] + 8, &block_big_endian, 8);
    IMB_JOB *job = &cc->imb_jobs[i];
    job->enc_keys = from->keys;
    job->dec_keys = from->keys;
    job->src = from->src;
    job->dst = from->dst;
    job->msg_len_to_cipher_in_bytes = from->length;
}

static void run_ipsec_mb(struct cell_cipher *cc)
{
    unsigned n = 0;
    for (unsigned i = 0; i < cc->n; i++) {
        struct ctr_job job = cc->jobs[i];
        // The library counts in the last 32 bits only, so a body that lies across a multiple of
        // 2^32 blocks is done in two parts.
        uint64_t to_wrap = ((UINT64_C(1) << 32) - (uint32_t)job.block) * BLOCK_LEN;
        if (to_wrap < job.length) {
            struct ctr_job part = job;
            part.length = (uint32_t)to_wrap;
            fill_ipsec_mb_job(cc, n++, &part);
            job.block += to_wrap / BLOCK_LEN;
            job.src += to_wrap;
            job.dst += to_wrap;
            job.length -= (uint32_t)to_wrap;
        }
        fill_ipsec_mb_job(cc, n++, &job);
    }
    IMB_SUBMIT_CIPHER_BURST_NOCHECK(cc->mgr, cc->imb_jobs, n, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT,
                                    IMB_KEY_128_BYTES);
}

void cell_cipher_run(struct cell_cipher *cc)
{
    if (cc->n == 0)
        return;
    if (cc->vaes256)
        ctr_vaes256_run(cc->jobs, cc->n);
    else
        run_ipsec_mb(cc);
    cc->n = 0;
}
