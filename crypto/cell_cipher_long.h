// SPDX-License-Identifier: BSD-3-Clause
// AES-256-CTR of cells: a key stream into a buffer, then the body. For the including file, see
// wide.h.
//
// Only cells between a client and an onion service come here, which are mostly of a few circuits
// in long runs: so a schedule is computed for a run of cells of one key, and not for many keys at
// once (aes_wide.h).
#pragma once

#include "cell_cipher_internal.h"
#include "wide.h"

#include <string.h>

enum {
    LONG_ROUNDS = 14,
    LONG_BLOCKS = 33, // that a body may touch
    LONG_CHAINS = (LONG_BLOCKS + WIDE_LANES - 1) / WIDE_LANES,
    LONG_CHAIN_LEN = 16 * WIDE_LANES,
    LONG_GROUP = 11, // chains under way at a time
    LONG_BODY_LEN = 509,
};

// The same in all lanes.
struct long_schedule {
    wide round[LONG_ROUNDS + 1];
};

// Each word with those before it.
TARGET_INLINE __m128i long_sums(__m128i a)
{
    a = _mm_xor_si128(a, _mm_slli_si128(a, 4));
    return _mm_xor_si128(a, _mm_slli_si128(a, 8));
}

// AESENCLAST of a word in all four places is SubWord.
TARGET_INLINE __m128i long_step(__m128i before, __m128i last, __m128i order, int constant)
{
    __m128i word = _mm_shuffle_epi8(last, order);
    return _mm_xor_si128(long_sums(before), _mm_aesenclast_si128(word, _mm_set1_epi32(constant)));
}

// FIPS 197, 5.2
TARGET static void long_expand(const uint8_t key[32], struct long_schedule *out)
{
    const __m128i rotated = _mm_set1_epi32(0x0c0f0e0d), straight = _mm_set1_epi32(0x0f0e0d0c);
    __m128i even = load_128(key), odd = load_128(key + 16);
    out->round[0] = wide_broadcast(even);
    out->round[1] = wide_broadcast(odd);
    for (int i = 2; i <= LONG_ROUNDS; i += 2) {
        even = long_step(even, odd, rotated, 1 << (i / 2 - 1));
        out->round[i] = wide_broadcast(even);
        if (i == LONG_ROUNDS)
            break;
        odd = long_step(odd, even, straight, 0);
        out->round[i + 1] = wide_broadcast(odd);
    }
}

TARGET_INLINE void long_group(const struct long_schedule *keys, wide *counter, int n, uint8_t *out)
{
    const wide reverse =
        wide_broadcast(_mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    const wide step = wide_broadcast(_mm_set_epi64x(0, WIDE_LANES));
    wide stream[LONG_GROUP];
    UNROLL
    for (int i = 0; i < n; i++) {
        stream[i] = wide_xor(wide_shuffle_8(*counter, reverse), keys->round[0]);
        *counter = wide_add_64(*counter, step);
    }
    UNROLL
    for (int r = 1; r < LONG_ROUNDS; r++) {
        UNROLL
        for (int i = 0; i < n; i++)
            stream[i] = wide_aesenc(stream[i], keys->round[r]);
    }
    UNROLL
    for (int i = 0; i < n; i++)
        wide_store(out + LONG_CHAIN_LEN * i, wide_aesenclast(stream[i], keys->round[LONG_ROUNDS]));
}

// The last piece overlaps the one before it, and is read first, since src may be dst.
TARGET_INLINE void long_xor(uint8_t *dst, const uint8_t *src, const uint8_t *stream)
{
    enum { LAST = LONG_BODY_LEN - LONG_CHAIN_LEN };
    wide last = wide_xor(wide_load(src + LAST), wide_load(stream + LAST));
    for (int i = 0; i + LONG_CHAIN_LEN <= LONG_BODY_LEN; i += LONG_CHAIN_LEN)
        wide_store(dst + i, wide_xor(wide_load(src + i), wide_load(stream + i)));
    wide_store(dst + LAST, last);
}

TARGET static void long_crypt(const struct long_schedule *keys, const struct ctr_job *job,
                              uint8_t stream[LONG_CHAINS * LONG_CHAIN_LEN])
{
    size_t before = job->length - LONG_BODY_LEN;
    __m128i lanes[WIDE_LANES];
    UNROLL
    for (unsigned lane = 0; lane < WIDE_LANES; lane++)
        lanes[lane] = _mm_set_epi64x(0, (long long)(job->block + lane));
    wide counter = wide_of(lanes);
    UNROLL
    for (int first = 0; first < LONG_CHAINS; first += LONG_GROUP)
        long_group(keys, &counter,
                   first + LONG_GROUP < LONG_CHAINS ? LONG_GROUP : LONG_CHAINS - first,
                   stream + LONG_CHAIN_LEN * first);
    long_xor(job->dst + before, job->src + before, stream + before);
}

TARGET static void ctr_run_long(const struct ctr_job *jobs, unsigned n)
{
    struct long_schedule keys;
    uint8_t stream[LONG_CHAINS * LONG_CHAIN_LEN] __attribute__((aligned(64)));
    for (unsigned i = 0; i < n; i++) {
        if (i == 0 || jobs[i].key != jobs[i - 1].key)
            long_expand(jobs[i].key, &keys);
        long_crypt(&keys, &jobs[i], stream);
    }
    explicit_bzero(&keys, sizeof(keys));
    explicit_bzero(stream, sizeof(stream));
}
