// SPDX-License-Identifier: BSD-3-Clause
// Vectors of eight 64-bit lanes: AVX-512. curve25519_vec_emulated.h has the same in plain C.
#pragma once

#include <immintrin.h>
#include <stdint.h>

#define TARGET __attribute__((target("avx512f,avx512dq,avx512ifma")))
#define INLINE TARGET static inline __attribute__((always_inline))
#define CALLED TARGET static __attribute__((noinline))

enum { LANES = 8 };

typedef __m512i vec;
typedef __mmask8 vec_mask;

INLINE vec vec_splat(uint64_t a)
{
    return _mm512_set1_epi64((long long)a);
}

INLINE vec vec_load(const uint64_t aligned[LANES])
{
    return _mm512_load_si512(aligned);
}

INLINE void vec_store(uint64_t aligned[LANES], vec a)
{
    _mm512_store_si512(aligned, a);
}

// One byte to a lane.
INLINE vec vec_load_bytes(const uint8_t bytes[LANES])
{
    return _mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(const void *)bytes));
}

INLINE vec vec_add(vec a, vec b)
{
    return _mm512_add_epi64(a, b);
}

INLINE vec vec_sub(vec a, vec b)
{
    return _mm512_sub_epi64(a, b);
}

INLINE vec vec_and(vec a, vec b)
{
    return _mm512_and_si512(a, b);
}

INLINE vec vec_shift_left(vec a, unsigned bits)
{
    return _mm512_slli_epi64(a, bits);
}

INLINE vec vec_shift_right(vec a, unsigned bits)
{
    return _mm512_srli_epi64(a, bits);
}

// sum + the low 52 bits of the product of the low 52 bits of a and b.
INLINE vec vec_madd_low(vec sum, vec a, vec b)
{
    return _mm512_madd52lo_epu64(sum, a, b);
}

// sum + the high 52 bits of that product.
INLINE vec vec_madd_high(vec sum, vec a, vec b)
{
    return _mm512_madd52hi_epu64(sum, a, b);
}

// The lanes in which that bit is set.
INLINE vec_mask vec_bit(vec a, unsigned bit)
{
    return _mm512_test_epi64_mask(a, vec_splat(UINT64_C(1) << bit));
}

INLINE vec_mask mask_xor(vec_mask a, vec_mask b)
{
    return (vec_mask)(a ^ b);
}

// b where the mask is set, else a.
INLINE vec vec_select(vec_mask mask, vec a, vec b)
{
    return _mm512_mask_blend_epi64(mask, a, b);
}

// table[index % 8] in each lane; no memory is read.
INLINE vec vec_look_up(vec table, vec index)
{
    return _mm512_permutexvar_epi64(index, table);
}
