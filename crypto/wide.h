// SPDX-License-Identifier: BSD-3-Clause
// Registers of WIDE_LANES 128-bit lanes, so that a cipher is written once for all widths. Internal
// to crypto. The including file defines WIDE_LANES before:
//
//   1: AES-NI and PCLMULQDQ      2: VAES and VPCLMULQDQ on AVX2      4: the same on AVX-512
//
// WIDE_EMULATED with 4 lanes makes a register of two halves: by that tests see code for AVX-512 run
// on CPUs that have none.
//
// All operations work on each lane by itself unless they say otherwise.
#pragma once

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#if WIDE_LANES == 4 && !defined(WIDE_EMULATED)
#define WIDE_TARGET "avx512f,avx512bw,avx512vl,avx2,aes,pclmul,vaes,vpclmulqdq"
#elif WIDE_LANES >= 2
#define WIDE_TARGET "avx2,aes,pclmul,vaes,vpclmulqdq"
#else
#define WIDE_TARGET "avx,aes,pclmul"
#endif

// The tuning matters: that of older CPUs splits each access to memory that may be unaligned in two.
#define TARGET __attribute__((target(WIDE_TARGET ",tune=haswell")))
#define TARGET_INLINE TARGET static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 64")
// The value is needed here and now. Without it the compiler gathers the terms of a long sum before
// it adds them, for which there are not enough registers.
#ifdef WIDE_EMULATED
#define WIDE_KEEP(value) (void)(value)
#elif WIDE_LANES == 4
#define WIDE_KEEP(value) __asm__("" : "+v"(value))
#else
#define WIDE_KEEP(value) __asm__("" : "+x"(value))
#endif

// __builtin_cpu_supports also asks whether the operating system saves the registers (XCR0).
static inline bool wide_usable(void)
{
    bool usable = __builtin_cpu_supports("avx") && __builtin_cpu_supports("aes") &&
                  __builtin_cpu_supports("pclmul");
#if WIDE_LANES >= 2
    usable = usable && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("vaes") &&
             __builtin_cpu_supports("vpclmulqdq");
#endif
#if WIDE_LANES == 4 && !defined(WIDE_EMULATED)
    usable = usable && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl");
#endif
    return usable;
}

// ---- one lane

TARGET_INLINE __m128i load_128(const uint8_t *at)
{
    return _mm_loadu_si128((const __m128i *)(const void *)at);
}

TARGET_INLINE void store_128(uint8_t *at, __m128i a)
{
    _mm_storeu_si128((__m128i *)(void *)at, a);
}

// ---- the register, and what differs by more than a name

#if WIDE_LANES == 1

typedef __m128i wide;
#define WIDE_OP(name) _mm_##name
#define WIDE_BITS(name) _mm_##name##_si128
#define WIDE_128(name) _mm_##name##_si128

TARGET_INLINE wide wide_load(const uint8_t *at)
{
    return load_128(at);
}

TARGET_INLINE void wide_store(uint8_t *at, wide a)
{
    store_128(at, a);
}

TARGET_INLINE wide wide_broadcast(__m128i a)
{
    return a;
}

TARGET_INLINE __m128i wide_lane(wide a, int lane)
{
    (void)lane;
    return a;
}

TARGET_INLINE wide wide_of(const __m128i lanes[WIDE_LANES])
{
    return lanes[0];
}

#elif WIDE_LANES == 2

typedef __m256i wide;
#define WIDE_OP(name) _mm256_##name
#define WIDE_BITS(name) _mm256_##name##_si256
#define WIDE_128(name) _mm256_##name##_epi128

TARGET_INLINE wide wide_load(const uint8_t *at)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)at);
}

TARGET_INLINE void wide_store(uint8_t *at, wide a)
{
    _mm256_storeu_si256((__m256i *)(void *)at, a);
}

TARGET_INLINE wide wide_broadcast(__m128i a)
{
    return _mm256_broadcastsi128_si256(a);
}

// `lane` has to be a constant when inlined.
TARGET_INLINE __m128i wide_lane(wide a, int lane)
{
    return lane == 0 ? _mm256_castsi256_si128(a) : _mm256_extracti128_si256(a, 1);
}

TARGET_INLINE wide wide_of(const __m128i lanes[WIDE_LANES])
{
    return _mm256_set_m128i(lanes[1], lanes[0]);
}

#elif !defined(WIDE_EMULATED)

typedef __m512i wide;
#define WIDE_OP(name) _mm512_##name
#define WIDE_BITS(name) _mm512_##name##_si512
#define WIDE_128(name) _mm512_##name##_epi128

TARGET_INLINE wide wide_load(const uint8_t *at)
{
    return _mm512_loadu_si512(at);
}

TARGET_INLINE void wide_store(uint8_t *at, wide a)
{
    _mm512_storeu_si512(at, a);
}

TARGET_INLINE wide wide_broadcast(__m128i a)
{
    return _mm512_broadcast_i32x4(a);
}

// `lane` has to be a constant when inlined.
TARGET_INLINE __m128i wide_lane(wide a, int lane)
{
    switch (lane) {
    case 0:
        return _mm512_castsi512_si128(a);
    case 1:
        return _mm512_extracti32x4_epi32(a, 1);
    case 2:
        return _mm512_extracti32x4_epi32(a, 2);
    default:
        return _mm512_extracti32x4_epi32(a, 3);
    }
}

TARGET_INLINE wide wide_of(const __m128i lanes[WIDE_LANES])
{
    __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(lanes[0]), lanes[1], 1);
    __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(lanes[2]), lanes[3], 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

#endif

#ifdef WIDE_EMULATED
#include "wide_emulated.h" // of the tests
#else

// ---- what differs by its name only

TARGET_INLINE wide wide_xor(wide a, wide b)
{
    return WIDE_BITS(xor)(a, b);
}

TARGET_INLINE wide wide_and(wide a, wide b)
{
    return WIDE_BITS(and)(a, b);
}

TARGET_INLINE wide wide_add_64(wide a, wide b)
{
    return WIDE_OP(add_epi64)(a, b);
}

TARGET_INLINE wide wide_shuffle_8(wide a, wide order)
{
    return WIDE_OP(shuffle_epi8)(a, order);
}

TARGET_INLINE wide wide_swap_halves(wide a)
{
    return WIDE_OP(shuffle_epi32)(a, 0x4e);
}

TARGET_INLINE wide wide_low_32(wide a, wide b)
{
    return WIDE_OP(unpacklo_epi32)(a, b);
}

TARGET_INLINE wide wide_high_32(wide a, wide b)
{
    return WIDE_OP(unpackhi_epi32)(a, b);
}

TARGET_INLINE wide wide_low_64(wide a, wide b)
{
    return WIDE_OP(unpacklo_epi64)(a, b);
}

TARGET_INLINE wide wide_high_64(wide a, wide b)
{
    return WIDE_OP(unpackhi_epi64)(a, b);
}

TARGET_INLINE wide wide_set_32(uint32_t a)
{
    return WIDE_OP(set1_epi32)((int)a);
}

TARGET_INLINE wide wide_aesenc(wide a, wide key)
{
    return WIDE_128(aesenc)(a, key);
}

TARGET_INLINE wide wide_aesenclast(wide a, wide key)
{
    return WIDE_128(aesenclast)(a, key);
}

TARGET_INLINE wide wide_aesdec(wide a, wide key)
{
    return WIDE_128(aesdec)(a, key);
}

TARGET_INLINE wide wide_aesdeclast(wide a, wide key)
{
    return WIDE_128(aesdeclast)(a, key);
}

// Carry-less products of 64-bit halves: which of `a` (low, high) by which of `b`.
TARGET_INLINE wide wide_clmul_low_low(wide a, wide b)
{
    return WIDE_128(clmulepi64)(a, b, 0x00);
}

TARGET_INLINE wide wide_clmul_high_low(wide a, wide b)
{
    return WIDE_128(clmulepi64)(a, b, 0x01);
}

TARGET_INLINE wide wide_clmul_low_high(wide a, wide b)
{
    return WIDE_128(clmulepi64)(a, b, 0x10);
}

TARGET_INLINE wide wide_clmul_high_high(wide a, wide b)
{
    return WIDE_128(clmulepi64)(a, b, 0x11);
}

#endif
