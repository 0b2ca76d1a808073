// SPDX-License-Identifier: BSD-3-Clause
// AES-CTR over cell bodies, gathered into bursts: our own for CPUs with AES instructions, else
// the multi-buffer library's.
#include "cell_cipher_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/cell.h"
#include "mb_manager.h"

enum {
    BLOCK_LEN = 16,
    ROUND_KEYS_LEN = 15 * 16,
    IMB_JOBS_MAX = 2 * CELL_CIPHER_BURST_MAX, // a cell may need two: see run_ipsec_mb
};

struct cell_cipher {
    const struct ctr_implementation *implementation; // NULL: the library's
    unsigned n, n_long;
    struct ctr_job jobs[CELL_CIPHER_BURST_MAX], long_jobs[CELL_CIPHER_BURST_MAX];
    // For the library only.
    IMB_MGR *mgr;
    const char *library_name;
    uint8_t iv[IMB_JOBS_MAX][BLOCK_LEN];
    IMB_JOB imb_jobs[IMB_JOBS_MAX];
    // Secret, and so wiped after each run. Of all jobs, since the library takes them all at once.
    uint8_t keys[CELL_CIPHER_BURST_MAX][ROUND_KEYS_LEN] __attribute__((aligned(16)));
    uint8_t unused_decryption_keys[ROUND_KEYS_LEN] __attribute__((aligned(16)));
};

static bool init_ipsec_mb(struct cell_cipher *cc)
{
    cc->mgr = mb_manager_create(&cc->library_name);
    if (!cc->mgr)
        return false;
    for (unsigned i = 0; i < IMB_JOBS_MAX; i++) {
        IMB_JOB *job = &cc->imb_jobs[i];
        job->iv = cc->iv[i];
        job->iv_len_in_bytes = BLOCK_LEN;
        job->cipher_mode = IMB_CIPHER_CNTR;
        job->cipher_direction = IMB_DIR_ENCRYPT;
        job->hash_alg = IMB_AUTH_NULL;
        job->chain_order = IMB_ORDER_CIPHER_HASH;
    }
    return true;
}

struct cell_cipher *cell_cipher_create_choice(const struct ctr_implementation *choice)
{
    if (choice && !choice->usable())
        return NULL;
    struct cell_cipher *cc = aligned_alloc(64, (sizeof(*cc) + 63) / 64 * 64);
    if (!cc)
        return NULL;
    memset(cc, 0, sizeof(*cc));
    cc->implementation = choice;
    if (!choice && !init_ipsec_mb(cc)) {
        free(cc);
        return NULL;
    }
    return cc;
}

struct cell_cipher *cell_cipher_create(void)
{
    static const struct ctr_implementation *const order[] = {&ctr_vaes512, &ctr_vaes256,
                                                             &ctr_aesni};
    for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (order[i]->usable())
            return cell_cipher_create_choice(order[i]);
    return cell_cipher_create_choice(NULL);
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
    return cc->implementation ? cc->implementation->name : cc->library_name;
}

void ctr_stream_init(struct cell_cipher *cc, struct ctr_stream *stream, const uint8_t key[16])
{
    (void)cc;
    memcpy(stream->key, key, sizeof(stream->key));
    stream->position_bytes = 0;
}

void ctr_stream_clear(struct ctr_stream *stream)
{
    explicit_bzero(stream, sizeof(*stream));
}

void ctr_long_stream_init(struct ctr_long_stream *stream, const uint8_t key[32])
{
    memcpy(stream->key, key, sizeof(stream->key));
    stream->position_bytes = 0;
}

static struct ctr_job next_job(const uint8_t *key, uint64_t *position_bytes, const uint8_t *src,
                               uint8_t *dst)
{
    size_t before = *position_bytes % BLOCK_LEN;
    struct ctr_job job = {
        .key = key,
        .block = *position_bytes / BLOCK_LEN,
        .src = src - before,
        .dst = dst - before,
        .length = (uint32_t)(before + CELL_BODY_LEN),
    };
    *position_bytes += CELL_BODY_LEN;
    return job;
}

void cell_cipher_add(struct cell_cipher *cc, struct ctr_stream *stream, const uint8_t *src_body,
                     uint8_t *dst_body)
{
    cc->jobs[cc->n++] = next_job(stream->key, &stream->position_bytes, src_body, dst_body);
    if (cc->n == CELL_CIPHER_BURST_MAX)
        cell_cipher_run(cc);
}

void cell_cipher_add_long(struct cell_cipher *cc, struct ctr_long_stream *stream,
                          const uint8_t *src_body, uint8_t *dst_body)
{
    cc->long_jobs[cc->n_long++] =
        next_job(stream->key, &stream->position_bytes, src_body, dst_body);
    if (cc->n_long == CELL_CIPHER_BURST_MAX)
        cell_cipher_run(cc);
}

static void fill_ipsec_mb_job(struct cell_cipher *cc, unsigned i, const struct ctr_job *from,
                              const uint8_t *keys, IMB_KEY_SIZE_BYTES key_length)
{
    // The upper half of the counter stays zero: 2^64 blocks are never reached.
    uint64_t block_big_endian = __builtin_bswap64(from->block);
    memcpy(cc->iv[i] + 8, &block_big_endian, 8);
    IMB_JOB *job = &cc->imb_jobs[i];
    job->enc_keys = keys;
    job->dec_keys = keys;
    job->key_len_in_bytes = key_length;
    job->src = from->src;
    job->dst = from->dst;
    job->msg_len_to_cipher_in_bytes = from->length;
}

static void run_ipsec_mb(struct cell_cipher *cc, const struct ctr_job *jobs, unsigned n_jobs,
                         IMB_KEY_SIZE_BYTES key_length)
{
    unsigned n = 0;
    for (unsigned i = 0; i < n_jobs; i++) {
        struct ctr_job job = jobs[i];
        if (key_length == IMB_KEY_128_BYTES)
            IMB_AES_KEYEXP_128(cc->mgr, job.key, cc->keys[i], cc->unused_decryption_keys);
        else
            IMB_AES_KEYEXP_256(cc->mgr, job.key, cc->keys[i], cc->unused_decryption_keys);
        // The library counts in the last 32 bits only, so a body that lies across a multiple of
        // 2^32 blocks is done in two parts.
        uint64_t to_wrap = ((UINT64_C(1) << 32) - (uint32_t)job.block) * BLOCK_LEN;
        if (to_wrap < job.length) {
            struct ctr_job part = job;
            part.length = (uint32_t)to_wrap;
            fill_ipsec_mb_job(cc, n++, &part, cc->keys[i], key_length);
            job.block += to_wrap / BLOCK_LEN;
            job.src += to_wrap;
            job.dst += to_wrap;
            job.length -= (uint32_t)to_wrap;
        }
        fill_ipsec_mb_job(cc, n++, &job, cc->keys[i], key_length);
    }
    IMB_SUBMIT_CIPHER_BURST_NOCHECK(cc->mgr, cc->imb_jobs, n, IMB_CIPHER_CNTR, IMB_DIR_ENCRYPT,
                                    key_length);
    explicit_bzero(cc->keys, n_jobs * sizeof(cc->keys[0]));
    explicit_bzero(cc->unused_decryption_keys, sizeof(cc->unused_decryption_keys));
}

void cell_cipher_run(struct cell_cipher *cc)
{
    const struct ctr_implementation *own = cc->implementation;
    if (cc->n > 0) {
        if (own)
            own->run(cc->jobs, cc->n);
        else
            run_ipsec_mb(cc, cc->jobs, cc->n, IMB_KEY_128_BYTES);
    }
    if (cc->n_long > 0) {
        if (own)
            own->run_long(cc->long_jobs, cc->n_long);
        else
            run_ipsec_mb(cc, cc->long_jobs, cc->n_long, IMB_KEY_256_BYTES);
    }
    cc->n = cc->n_long = 0;
}
