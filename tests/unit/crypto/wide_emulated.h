// SPDX-License-Identifier: BSD-3-Clause
// Registers of four lanes made of two halves, for crypto/wide.h with WIDE_EMULATED: the code for
// AVX-512 on CPUs that have AVX2 and VAES only. Operations are named and meant as in wide.h.
#pragma once

typedef struct {
    __m256i half[2];
} wide;

#define BOTH(operation, ...)                                                                       \
    (wide)                                                                                         \
    {                                                                                              \
        {                                                                                          \
            operation(a.half[0], ##__VA_ARGS__), operation(a.half[1], ##__VA_ARGS__)               \
        }                                                                                          \
    }
#define PAIRWISE(name, operation)                                                                  \
    TARGET_INLINE wide name(wide a, wide b)                                                        \
    {                                                                                              \
        return (wide){{operation(a.half[0], b.half[0]), operation(a.half[1], b.half[1])}};         \
    }

TARGET_INLINE wide wide_load(const uint8_t *at)
{
    return (wide){{_mm256_loadu_si256((const __m256i *)(const void *)at),
                   _mm256_loadu_si256((const __m256i *)(const void *)(at + 32))}};
}

TARGET_INLINE void wide_store(uint8_t *at, wide a)
{
    _mm256_storeu_si256((__m256i *)(void *)at, a.half[0]);
    _mm256_storeu_si256((__m256i *)(void *)(at + 32), a.half[1]);
}

TARGET_INLINE wide wide_broadcast(__m128i a)
{
    return (wide){{_mm256_broadcastsi128_si256(a), _mm256_broadcastsi128_si256(a)}};
}

TARGET_INLINE __m128i wide_lane(wide a, int lane)
{
    __m256i half = a.half[lane / 2];
    return lane % 2 == 0 ? _mm256_castsi256_si128(half) : _mm256_extracti128_si256(half, 1);
}

TARGET_INLINE wide wide_of(const __m128i lanes[WIDE_LANES])
{
    return (wide){{_mm256_set_m128i(lanes[1], lanes[0]), _mm256_set_m128i(lanes[3], lanes[2])}};
}

TARGET_INLINE wide wide_swap_halves(wide a)
{
    return BOTH(_mm256_shuffle_epi32, 0x4e);
}

TARGET_INLINE wide wide_set_32(uint32_t value)
{
    return (wide){{_mm256_set1_epi32((int)value), _mm256_set1_epi32((int)value)}};
}

#define CLMUL_LL(a, b) _mm256_clmulepi64_epi128(a, b, 0x00)
#define CLMUL_HL(a, b) _mm256_clmulepi64_epi128(a, b, 0x01)
#define CLMUL_LH(a, b) _mm256_clmulepi64_epi128(a, b, 0x10)
#define CLMUL_HH(a, b) _mm256_clmulepi64_epi128(a, b, 0x11)

PAIRWISE(wide_xor, _mm256_xor_si256)
PAIRWISE(wide_and, _mm256_and_si256)
PAIRWISE(wide_add_64, _mm256_add_epi64)
PAIRWISE(wide_shuffle_8, _mm256_shuffle_epi8)
PAIRWISE(wide_low_32, _mm256_unpacklo_epi32)
PAIRWISE(wide_high_32, _mm256_unpackhi_epi32)
PAIRWISE(wide_low_64, _mm256_unpacklo_epi64)
PAIRWISE(wide_high_64, _mm256_unpackhi_epi64)
PAIRWISE(wide_aesenc, _mm256_aesenc_epi128)
PAIRWISE(wide_aesenclast, _mm256_aesenclast_epi128)
PAIRWISE(wide_aesdec, _mm256_aesdec_epi128)
PAIRWISE(wide_aesdeclast, _mm256_aesdeclast_epi128)
PAIRWISE(wide_clmul_low_low, CLMUL_LL)
PAIRWISE(wide_clmul_high_low, CLMUL_HL)
PAIRWISE(wide_clmul_low_high, CLMUL_LH)
PAIRWISE(wide_clmul_high_high, CLMUL_HH)
