// SPDX-License-Identifier: BSD-3-Clause
// POLYVAL's field (RFC 8452, section 3), each lane by itself. For the including file, see wide.h.
#pragma once

#include "wide.h"

// A product before its reduction: lo + mid x^64 + hi x^128.
struct wide_product {
    wide lo, mid, hi;
};

// Bits 121 + 126 + 127 of the modulus, as seen from bit 64.
TARGET_INLINE wide wide_modulus_top(void)
{
    return wide_broadcast(_mm_set1_epi64x((long long)0xc200000000000000));
}

TARGET_INLINE struct wide_product wide_multiply(wide a, wide b)
{
    return (struct wide_product){
        .lo = wide_clmul_low_low(a, b),
        .mid = wide_xor(wide_clmul_high_low(a, b), wide_clmul_low_high(a, b)),
        .hi = wide_clmul_high_high(a, b),
    };
}

// Reduction over x^128, as Montgomery does it: the two lowest words are cleared by multiples of the
// modulus, one in each half of the work.
TARGET_INLINE wide wide_reduce_low(struct wide_product p)
{
    wide carried = wide_xor(wide_swap_halves(p.lo), p.mid);
    return wide_xor(carried, wide_clmul_low_low(p.lo, wide_modulus_top()));
}

TARGET_INLINE wide wide_reduce_high(struct wide_product p, wide carried)
{
    wide result = wide_xor(wide_swap_halves(carried), p.hi);
    return wide_xor(result, wide_clmul_low_low(carried, wide_modulus_top()));
}

TARGET_INLINE wide wide_reduce(struct wide_product p)
{
    return wide_reduce_high(p, wide_reduce_low(p));
}

// In a square the two middle products are the same and cancel.
TARGET_INLINE wide wide_square(wide a)
{
    wide lo = wide_clmul_low_low(a, a);
    wide carried = wide_xor(wide_swap_halves(lo), wide_clmul_low_low(lo, wide_modulus_top()));
    struct wide_product p = {.hi = wide_clmul_high_high(a, a)};
    return wide_reduce_high(p, carried);
}

TARGET_INLINE wide wide_sum_of_halves(wide a)
{
    return wide_xor(a, wide_swap_halves(a));
}
