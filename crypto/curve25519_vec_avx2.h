// SPDX-License-Identifier: BSD-3-Clause
// Vectors of four 64-bit lanes: AVX2.
#pragma once

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

// The tuning counts: for the build's own baseline GCC splits every unaligned 256-bit access in two.
#define TARGET __attribute__((target("avx2,tune=haswell")))
#define INLINE TARGET static inline __attribute__((always_inline))
#define CALLED TARGET static __attribute__((noinline))

enum { LANES = 4 };

typedef __m256i vec;
typedef __m256i vec_mask; // all ones or all zeros in a lane

INLINE vec vec_splat(uint64_t a)
{
    return _mm256_set1_epi64x((long long)a);
}

INLINE vec vec_load(const uint64_t aligned[LANES])
{
    return _mm256_load_si256((const __m256i *)(const void *)aligned);
}

INLINE void vec_store(uint64_t aligned[LANES], vec a)
{
    _mm256_store_si256((__m256i *)(void *)aligned, a);
}

// One byte to a lane.
INLINE vec vec_load_bytes(const uint8_t bytes[LANES])
{
    int four;
    memcpy(&four, bytes, sizeof(four));
    return _mm256_cvtepu8_epi64(_mm_cvtsi32_si128(four));
}

INLINE vec vec_add(vec a, vec b)
{
    return _mm256_add_epi64(a, b);
}

INLINE vec vec_sub(vec a, vec b)
{
    return _mm256_sub_epi64(a, b);
}

INLINE vec vec_and(vec a, vec b)
{
    return _mm256_and_si256(a, b);
}

INLINE vec vec_shift_left(vec a, unsigned bits)
{
    return _mm256_slli_epi64(a, (int)bits);
}

INLINE vec vec_shift_right(vec a, unsigned bits)
{
    return _mm256_srli_epi64(a, (int)bits);
}

// The product of the low 32 bits.
INLINE vec vec_mul_32(vec a, vec b)
{
    return _mm256_mul_epu32(a, b);
}

// sum + that. The empty statement keeps GCC from sorting long sums anew, which takes far more
// registers than there are: 23 us for an exchange, and 34 without it.
INLINE vec vec_madd_32(vec sum, vec a, vec b)
{
    sum = vec_add(sum, vec_mul_32(a, b));
    __asm__("" : "+x"(sum));
    return sum;
}

// The lanes in which that bit is set.
INLINE vec_mask vec_bit(vec a, unsigned bit)
{
    vec one = _mm256_and_si256(_mm256_srl_epi64(a, _mm_cvtsi32_si128((int)bit)), vec_splat(1));
    return _mm256_sub_epi64(_mm256_setzero_si256(), one);
}

INLINE vec_mask mask_xor(vec_mask a, vec_mask b)
{
    return _mm256_xor_si256(a, b);
}

// b where the mask is set, else a.
INLINE vec vec_select(vec_mask mask, vec a, vec b)
{
    return _mm256_blendv_epi8(a, b, mask);
}

// table[index] of eight numbers of 32 bits in each lane; no memory is read but all of the table.
INLINE vec vec_look_up_32(const uint32_t aligned[8], vec index)
{
    __m256i table = _mm256_load_si256((const __m256i *)(const void *)aligned);
    return vec_and(_mm256_permutevar8x32_epi32(table, index), vec_splat(UINT32_MAX));
}
