// SPDX-License-Identifier: BSD-3-Clause
// AES-128-CTR of one cell with 256-bit AES instructions, for CPUs that have those but no AVX-512:
// there the multi-buffer library (1.3) still does one block to an instruction.
#include "cell_cipher_internal.h"

#include <immintrin.h>

enum {
    ROUNDS = 10,
    PAIRS = 8,                  // registers of two blocks each: what is under way at a time
    GROUP_LEN = PAIRS * 2 * 16, // bytes
    TAIL_AT = 2 * GROUP_LEN - 32,
};

// The tuning counts: for the build's own baseline GCC splits every unaligned 256-bit access in two.
#define TARGET __attribute__((target("avx2,aes,vaes,tune=haswell")))
#define TARGET_INLINE TARGET static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 8")

bool ctr_vaes256_usable(void)
{
    return __builtin_cpu_supports("vaes") && __builtin_cpu_supports("avx2");
}

TARGET_INLINE __m256i round_key(const __m128i *keys, int i)
{
    return _mm256_broadcastsi128_si256(_mm_load_si128(keys + i));
}

TARGET_INLINE __m128i load_128(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

TARGET_INLINE void store_128(uint8_t *at, __m128i a)
{
    _mm_storeu_si128((__m128i *)(void *)at, a);
}

TARGET_INLINE void crypt_256(uint8_t *dst, const uint8_t *src, __m256i key_stream)
{
    __m256i plain = _mm256_loadu_si256((const __m256i *)(const void *)src);
    _mm256_storeu_si256((__m256i *)(void *)dst, _mm256_xor_si256(plain, key_stream));
}

// Counters are kept as integers and turned to big-endian on use.
TARGET_INLINE __m256i counter_blocks(__m256i counter)
{
    const __m256i reverse = _mm256_broadcastsi128_si256(
        _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
    return _mm256_shuffle_epi8(counter, reverse);
}

// The next 16 blocks of key stream.
TARGET_INLINE void next_group(const __m128i *keys, __m256i *counter, __m256i out[PAIRS])
{
    const __m256i two = _mm256_set_epi64x(0, 2, 0, 2);
    __m256i key = round_key(keys, 0);
    UNROLL
    for (int i = 0; i < PAIRS; i++) {
        out[i] = _mm256_xor_si256(counter_blocks(*counter), key);
        *counter = _mm256_add_epi64(*counter, two);
    }
    UNROLL
    for (int r = 1; r < ROUNDS; r++) {
        key = round_key(keys, r);
        UNROLL
        for (int i = 0; i < PAIRS; i++)
            out[i] = _mm256_aesenc_epi128(out[i], key);
    }
    key = round_key(keys, ROUNDS);
    UNROLL
    for (int i = 0; i < PAIRS; i++)
        out[i] = _mm256_aesenclast_epi128(out[i], key);
}

TARGET_INLINE __m128i one_block(const __m128i *keys, __m128i block)
{
    block = _mm_xor_si128(block, _mm_load_si128(keys));
    UNROLL
    for (int r = 1; r < ROUNDS; r++)
        block = _mm_aesenc_si128(block, _mm_load_si128(keys + r));
    return _mm_aesenclast_si128(block, _mm_load_si128(keys + ROUNDS));
}

TARGET static void crypt_cell(const struct ctr_job *job)
{
    const __m128i *keys = (const __m128i *)(const void *)job->keys;
    const uint8_t *src = job->src;
    uint8_t *dst = job->dst;
    __m256i counter = _mm256_set_epi64x(0, (long long)(job->block + 1), 0, (long long)job->block);
    __m256i stream[PAIRS];

    // The tail, from byte 480 on, has 29 to 44 bytes. It is done as three 16-byte pieces that may
    // overlap, so that nothing behind the body is touched; read first, since src may be dst.
    size_t last_at = job->length - 16;
    size_t middle_at = last_at < TAIL_AT + 16 ? last_at : TAIL_AT + 16;
    __m128i first = load_128(src + TAIL_AT);
    __m128i middle = load_128(src + middle_at);
    __m128i last = load_128(src + last_at);

    next_group(keys, &counter, stream);
    UNROLL
    for (int i = 0; i < PAIRS; i++)
        crypt_256(dst + 32 * i, src + 32 * i, stream[i]);
    next_group(keys, &counter, stream);
    UNROLL
    for (int i = 0; i < PAIRS - 1; i++)
        crypt_256(dst + GROUP_LEN + 32 * i, src + GROUP_LEN + 32 * i, stream[i]);

    uint8_t tail[48] __attribute__((aligned(32)));
    _mm256_store_si256((__m256i *)(void *)tail, stream[PAIRS - 1]);
    store_128(tail + 32, one_block(keys, _mm256_castsi256_si128(counter_blocks(counter))));
    store_128(dst + TAIL_AT, _mm_xor_si128(first, load_128(tail)));
    store_128(dst + middle_at, _mm_xor_si128(middle, load_128(tail + middle_at - TAIL_AT)));
    store_128(dst + last_at, _mm_xor_si128(last, load_128(tail + last_at - TAIL_AT)));
}

void ctr_vaes256_run(const struct ctr_job *jobs, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        crypt_cell(&jobs[i]);
}
