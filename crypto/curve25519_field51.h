// SPDX-License-Identifier: BSD-3-Clause
// Numbers modulo p = 2^255 - 19 in five limbs of 51 bits, over 52-bit multiply-add. Needs a header
// of vector operations before it.
//
// Two types keep the bounds of limbs apart:
//
//   fe    below 2^51 + 2^14: what may be multiplied. The instruction reads 52 bits and drops the
//         rest without a word, so every factor must be one.
//   wide  products, before the carry, and sums of such. fe_mul and fe_square give at most
//         250 * 2^51 ("a product" below); a carry takes whatever is below 862 * 2^51.
//
// A product's column k is the sum of the low halves of a_i * b_j with i + j = k (weight 2^(51 k)),
// and twice the high halves with i + j = k - 1 (their weight is 2^(51 (k - 1) + 52)); columns from
// 5 on come back as 19 times themselves, since 2^255 = 19. With factors below 2^51 + 2^14 a low
// half is below 2^52 and a high half below 2^50 + 2^14. Column 0 is the largest: low halves
// 1 + 19 * 4, high halves 2 * 19 * 5, together (77 * 2 + 190 / 2) * 2^51 = 249 * 2^51, and less
// than 2^51 for what a factor has above 2^51.
#pragma once

#include <stdint.h>

#define UNROLL _Pragma("GCC unroll 16")
#define EACH_LIMB UNROLL for (int i = 0; i < LIMBS; i++)
#define EACH_PAIR UNROLL for (int i = 0; i < LIMBS; i++) UNROLL for (int j = 0; j < LIMBS; j++)

enum { LIMBS = 5, LIMB_BITS = 51 };
#define LIMB_MASK ((UINT64_C(1) << LIMB_BITS) - 1)

struct fe {
    vec v[LIMBS];
};

struct wide {
    vec v[LIMBS];
};

// The five rows are limbs of 51 bits, one exchange to a column.
INLINE void fe_load(struct fe *r, uint64_t rows[5][LANES])
{
    EACH_LIMB r->v[i] = vec_load(rows[i]);
}

INLINE void fe_store(uint64_t rows[5][LANES], const struct fe *a)
{
    EACH_LIMB vec_store(rows[i], a->v[i]);
}

INLINE void fe_splat(struct fe *r, const uint64_t limbs[5])
{
    EACH_LIMB r->v[i] = vec_splat(limbs[i]);
}

INLINE void fe_widen(struct wide *r, const struct fe *a)
{
    EACH_LIMB r->v[i] = a->v[i];
}

INLINE void wide_add(struct wide *r, const struct wide *a, const struct wide *b)
{
    EACH_LIMB r->v[i] = vec_add(a->v[i], b->v[i]);
}

// b: at most a product. Adds 2^8 p, which is more than that in every limb (2^59 - 19 * 2^8 and
// more, against 2^59 - 6 * 2^51), so nothing goes below zero.
INLINE void wide_sub(struct wide *r, const struct wide *a, const struct wide *b)
{
    const vec bias_0 = vec_splat((LIMB_MASK - 18) << 8), bias = vec_splat(LIMB_MASK << 8);
    EACH_LIMB r->v[i] = vec_sub(vec_add(a->v[i], i == 0 ? bias_0 : bias), b->v[i]);
}

// What goes up from a limb is at most 861, so limb 0 gets at most 19 * 861 < 2^14.
INLINE void fe_carry(struct fe *r, const struct wide *a)
{
    const vec mask = vec_splat(LIMB_MASK);
    vec up[LIMBS];
    EACH_LIMB up[i] = vec_shift_right(a->v[i], LIMB_BITS);
    r->v[0] = vec_madd_low(vec_and(a->v[0], mask), up[4], vec_splat(19));
    UNROLL
    for (int i = 1; i < LIMBS; i++)
        r->v[i] = vec_add(vec_and(a->v[i], mask), up[i - 1]);
}

// 9 u, to which the high halves of the columns below are added before all is doubled: 18 of the
// 19 u that a column gets from above.
INLINE vec nine(vec u)
{
    return vec_add(u, vec_shift_left(u, 3));
}

INLINE void fe_mul(struct wide *r, const struct fe *a, const struct fe *b)
{
    const vec zero = vec_splat(0);
    vec up[LIMBS] = {zero, zero, zero, zero, zero}; // columns 5 to 9

    EACH_PAIR if (i + j >= 4) up[i + j - 4] = vec_madd_high(up[i + j - 4], a->v[i], b->v[j]);
    EACH_LIMB up[i] = vec_add(up[i], up[i]);
    EACH_PAIR if (i + j >= 5) up[i + j - 5] = vec_madd_low(up[i + j - 5], a->v[i], b->v[j]);

    EACH_LIMB r->v[i] = nine(up[i]);
    EACH_PAIR if (i + j <= 3) r->v[i + j + 1] = vec_madd_high(r->v[i + j + 1], a->v[i], b->v[j]);
    EACH_LIMB r->v[i] = vec_add(vec_add(r->v[i], r->v[i]), up[i]);
    EACH_PAIR if (i + j <= 4) r->v[i + j] = vec_madd_low(r->v[i + j], a->v[i], b->v[j]);
}

// The same columns. What stands twice in one (a_i a_j and a_j a_i) is multiplied once, and doubled
// with the sum: high halves of such products twice, their low halves and the high halves of
// squares once, low halves of squares not at all.
INLINE void fe_square(struct wide *r, const struct fe *a)
{
    const vec zero = vec_splat(0);
    vec up[LIMBS] = {zero, zero, zero, zero, zero};

    EACH_PAIR if (i < j && i + j >= 4) up[i + j - 4] =
        vec_madd_high(up[i + j - 4], a->v[i], a->v[j]);
    EACH_LIMB up[i] = vec_add(up[i], up[i]);
    EACH_PAIR if (i < j && i + j >= 5) up[i + j - 5] =
        vec_madd_low(up[i + j - 5], a->v[i], a->v[j]);
    EACH_LIMB if (2 * i >= 4) up[2 * i - 4] = vec_madd_high(up[2 * i - 4], a->v[i], a->v[i]);
    EACH_LIMB up[i] = vec_add(up[i], up[i]);
    EACH_LIMB if (2 * i >= 5) up[2 * i - 5] = vec_madd_low(up[2 * i - 5], a->v[i], a->v[i]);

    EACH_LIMB r->v[i] = zero;
    EACH_PAIR if (i < j && i + j <= 3) r->v[i + j + 1] =
        vec_madd_high(r->v[i + j + 1], a->v[i], a->v[j]);
    EACH_LIMB r->v[i] = vec_add(vec_add(r->v[i], r->v[i]), nine(up[i]));
    EACH_PAIR if (i < j && i + j <= 4) r->v[i + j] = vec_madd_low(r->v[i + j], a->v[i], a->v[j]);
    EACH_LIMB if (2 * i <= 3) r->v[2 * i + 1] = vec_madd_high(r->v[2 * i + 1], a->v[i], a->v[i]);
    EACH_LIMB r->v[i] = vec_add(vec_add(r->v[i], r->v[i]), up[i]);
    EACH_LIMB if (2 * i <= 4) r->v[2 * i] = vec_madd_low(r->v[2 * i], a->v[i], a->v[i]);
}

// sum + small * a, for small < 2^17: adds below 2^52 + 38 * 2^17 to a limb.
INLINE void fe_mul_small_add(struct wide *r, const struct wide *sum, const struct fe *a,
                             uint64_t small)
{
    const vec factor = vec_splat(small), zero = vec_splat(0);
    vec up[LIMBS];
    EACH_LIMB up[i] = vec_madd_high(zero, a->v[i], factor);
    EACH_LIMB r->v[i] = vec_madd_low(sum->v[i], a->v[i], factor);
    r->v[0] = vec_madd_low(r->v[0], up[4], vec_splat(38));
    UNROLL
    for (int i = 1; i < LIMBS; i++)
        r->v[i] = vec_add(r->v[i], vec_add(up[i - 1], up[i - 1]));
}

// A row of the table of multiples of the base point: eight numbers, the lanes of five vectors.
struct table_row {
    _Alignas(64) uint64_t limbs[LIMBS][8];
};

static inline void table_put(struct table_row *row, unsigned at, const uint64_t limbs[5])
{
    for (int i = 0; i < LIMBS; i++)
        row->limbs[i][at] = limbs[i];
}

INLINE void table_get(struct fe *r, const struct table_row *row, vec index)
{
    EACH_LIMB r->v[i] = vec_look_up(vec_load(row->limbs[i]), index);
}
