// SPDX-License-Identifier: BSD-3-Clause
// Numbers modulo p = 2^255 - 19 in ten limbs of 26 and 25 bits by turns, over 32-bit
// multiplication. Needs a header of vector operations before it.
//
// Two types keep the bounds of limbs apart:
//
//   fe    even limbs below 2^26, odd ones below 2^25 + 2^15: what may be multiplied.
//   wide  products, before the carry, and sums of such. fe_mul and fe_square give at most
//         125 * 2^52 in even limbs and 78 * 2^52 in odd ones ("a product" below); a carry takes
//         whatever is below 2^61 + 2^60.
//
// A product's column k is the sum of a_i * b_j with i + j = k, and 19 times those with
// i + j = k + 10, all doubled where i and j are odd (their weights are half a bit more than their
// place). Column 0 is the largest: a_0 b_0 of 2^52, four even pairs 19 * 2^52, five odd pairs
// 38 * 2^50: 124.5 * 2^52, and little for what the factors have above 2^26 and 2^25. Column 1:
// (2 + 8 * 19) * 2^51 = 77 * 2^52. 19 b_j fits into the 32 bits that are multiplied.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define UNROLL _Pragma("GCC unroll 16")
#define EACH_LIMB UNROLL for (int i = 0; i < LIMBS; i++)

enum { LIMBS = 10 };
#define LIMB_BITS(i) ((i) % 2 ? 25u : 26u)
#define LIMB_MASK(i) ((UINT64_C(1) << LIMB_BITS(i)) - 1)

struct fe {
    vec v[LIMBS];
};

struct wide {
    vec v[LIMBS];
};

// The five rows are limbs of 51 bits, one exchange to a column.
INLINE void fe_load(struct fe *r, uint64_t rows[5][LANES])
{
    UNROLL
    for (int i = 0; i < 5; i++) {
        vec both = vec_load(rows[i]);
        r->v[2 * i] = vec_and(both, vec_splat(LIMB_MASK(0)));
        r->v[2 * i + 1] = vec_shift_right(both, LIMB_BITS(0));
    }
}

INLINE void fe_store(uint64_t rows[5][LANES], const struct fe *a)
{
    UNROLL
    for (int i = 0; i < 5; i++)
        vec_store(rows[i], vec_add(a->v[2 * i], vec_shift_left(a->v[2 * i + 1], LIMB_BITS(0))));
}

INLINE void fe_splat(struct fe *r, const uint64_t limbs[5])
{
    UNROLL
    for (int i = 0; i < 5; i++) {
        r->v[2 * i] = vec_splat(limbs[i] & LIMB_MASK(0));
        r->v[2 * i + 1] = vec_splat(limbs[i] >> LIMB_BITS(0));
    }
}

INLINE void fe_widen(struct wide *r, const struct fe *a)
{
    EACH_LIMB r->v[i] = a->v[i];
}

INLINE void wide_add(struct wide *r, const struct wide *a, const struct wide *b)
{
    EACH_LIMB r->v[i] = vec_add(a->v[i], b->v[i]);
}

// b: at most a product. Adds 2^34 p, which is more than that in every limb (2^60 - 19 * 2^34 and
// more in even ones, 2^59 - 2^34 in odd ones), so nothing goes below zero.
INLINE void wide_sub(struct wide *r, const struct wide *a, const struct wide *b)
{
    EACH_LIMB
    {
        vec bias = vec_splat((LIMB_MASK(i) - (i == 0 ? 18 : 0)) << 34);
        r->v[i] = vec_sub(vec_add(a->v[i], bias), b->v[i]);
    }
}

INLINE void carry_limb(struct fe *r, int i)
{
    vec up = vec_shift_right(r->v[i], LIMB_BITS(i));
    r->v[i] = vec_and(r->v[i], vec_splat(LIMB_MASK(i)));
    if (i == 9) // 19 of it; more than 32 bits
        up = vec_add(vec_add(up, vec_shift_left(up, 1)), vec_shift_left(up, 4));
    r->v[(i + 1) % LIMBS] = vec_add(r->v[(i + 1) % LIMBS], up);
}

// Two chains at a time, from 0 to 4 and from 4 to 0. At most 3 * 2^35 goes up from a limb, and 19
// times that from 9 to 0: hence below 2^15 from 0 to 1 at the end, and below 2^12 from 4 to 5.
INLINE void fe_carry(struct fe *r, const struct wide *a)
{
    EACH_LIMB r->v[i] = a->v[i];
    UNROLL
    for (int i = 0; i < 4; i++) {
        carry_limb(r, i);
        carry_limb(r, i + 4);
    }
    carry_limb(r, 4);
    carry_limb(r, 8);
    carry_limb(r, 9);
    carry_limb(r, 0);
}

// By rows, so that the ten sums and one factor stay in registers, and the other is read where it is
// multiplied. Called and not inlined: 15 us for an exchange, and 23 otherwise.
CALLED void fe_mul(struct wide *r, const struct fe *a, const struct fe *b)
{
    vec sums[LIMBS], b_19[LIMBS];
    UNROLL
    for (int j = 1; j < LIMBS; j++)
        b_19[j] = vec_mul_32(b->v[j], vec_splat(19));
    EACH_LIMB
    {
        const vec once = a->v[i], twice = vec_add(once, once);
        UNROLL
        for (int j = 0; j < LIMBS; j++) {
            int k = (i + j) % LIMBS;
            vec left = i % 2 && j % 2 ? twice : once;
            vec right = i > k ? b_19[j] : b->v[j];
            sums[k] = i == 0 ? vec_mul_32(left, right) : vec_madd_32(sums[k], left, right);
        }
    }
    EACH_LIMB r->v[i] = sums[i];
}

// The same columns, with what stands twice in one multiplied once.
CALLED void fe_square(struct wide *r, const struct fe *a)
{
    vec sums[LIMBS], twice[LIMBS], a_19[LIMBS];
    UNROLL
    for (int j = 1; j < LIMBS; j += 2)
        twice[j] = vec_add(a->v[j], a->v[j]);
    UNROLL
    for (int j = 5; j < LIMBS; j++)
        a_19[j] = vec_mul_32(j % 2 ? twice[j] : a->v[j], vec_splat(19)); // 38 of odd ones
    EACH_LIMB
    {
        const vec once = a->v[i], both = vec_add(once, once);
        UNROLL
        for (int j = i; j < LIMBS; j++) {
            int k = (i + j) % LIMBS;
            bool odd = i % 2 && j % 2, above = i + j >= LIMBS;
            // With 38 a_j the doubling for two odd places is done, or the one of an even a_i.
            vec left = i == j || (above && j % 2 && !odd) ? once : both;
            vec right = above ? a_19[j] : odd ? twice[j] : a->v[j];
            sums[k] = i == 0 ? vec_mul_32(left, right) : vec_madd_32(sums[k], left, right);
        }
    }
    EACH_LIMB r->v[i] = sums[i];
}

// sum + small * a, for small < 2^17: adds below 2^44 to a limb.
INLINE void fe_mul_small_add(struct wide *r, const struct wide *sum, const struct fe *a,
                             uint64_t small)
{
    EACH_LIMB r->v[i] = vec_add(sum->v[i], vec_mul_32(a->v[i], vec_splat(small)));
}

// A row of the table of multiples of the base point: eight numbers, the lanes of ten vectors.
struct table_row {
    _Alignas(64) uint32_t limbs[LIMBS][8];
};

static inline void table_put(struct table_row *row, unsigned at, const uint64_t limbs[5])
{
    for (int i = 0; i < 5; i++) {
        row->limbs[2 * i][at] = (uint32_t)(limbs[i] & LIMB_MASK(0));
        row->limbs[2 * i + 1][at] = (uint32_t)(limbs[i] >> LIMB_BITS(0));
    }
}

INLINE void table_get(struct fe *r, const struct table_row *row, vec index)
{
    EACH_LIMB r->v[i] = vec_look_up_32(row->limbs[i], index);
}
