// SPDX-License-Identifier: BSD-3-Clause
// The Montgomery ladder in the lanes of vectors, and what it is made of. Needs vector operations
// and a field before it. No branch and no address depends on a secret.
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// ---- numbers as bytes and as limbs of 51 bits

#define MASK_51 ((UINT64_C(1) << 51) - 1)

static inline void words_from_bytes(uint64_t words[4], const uint8_t bytes[32])
{
    memcpy(words, bytes, 32);
    for (int i = 0; i < 4; i++)
        words[i] = le64toh(words[i]);
}

// The top bit is ignored (RFC 7748, section 5); p and more are taken as they are.
static inline void limbs_from_bytes(uint64_t limbs[5], const uint8_t bytes[32])
{
    uint64_t w[4];
    words_from_bytes(w, bytes);
    limbs[0] = w[0] & MASK_51;
    limbs[1] = (w[0] >> 51 | w[1] << 13) & MASK_51;
    limbs[2] = (w[1] >> 38 | w[2] << 26) & MASK_51;
    limbs[3] = (w[2] >> 25 | w[3] << 39) & MASK_51;
    limbs[4] = w[3] >> 12 & MASK_51;
}

static inline void limbs_to_bytes(uint8_t bytes[32], const uint64_t limbs[5])
{
    const uint64_t w[4] = {
        htole64(limbs[0] | limbs[1] << 51), htole64(limbs[1] >> 13 | limbs[2] << 38),
        htole64(limbs[2] >> 26 | limbs[3] << 25), htole64(limbs[3] >> 39 | limbs[4] << 12)};
    memcpy(bytes, w, 32);
}

// To the one number below p. From limbs below 2^53.
static inline void limbs_freeze(uint64_t limbs[5])
{
    for (int round = 0; round < 2; round++) { // then below 2^255 + 19
        for (int i = 0; i < 4; i++) {
            limbs[i + 1] += limbs[i] >> 51;
            limbs[i] &= MASK_51;
        }
        limbs[0] += 19 * (limbs[4] >> 51);
        limbs[4] &= MASK_51;
    }
    uint64_t above = limbs[0] + 19; // 1 at the end if the number is p or more
    for (int i = 1; i < 5; i++)
        above = limbs[i] + (above >> 51);
    limbs[0] += 19 * (above >> 51);
    for (int i = 0; i < 4; i++) {
        limbs[i + 1] += limbs[i] >> 51;
        limbs[i] &= MASK_51;
    }
    limbs[4] &= MASK_51;
}

// ---- the field, once more: with the carry, and called, for what is not in the ladder

CALLED void fe_times(struct fe *r, const struct fe *a, const struct fe *b)
{
    struct wide product;
    fe_mul(&product, a, b);
    fe_carry(r, &product);
}

CALLED void fe_square_times(struct fe *r, const struct fe *a, unsigned times)
{
    struct wide product;
    *r = *a;
    for (unsigned i = 0; i < times; i++) {
        fe_square(&product, r);
        fe_carry(r, &product);
    }
}

// a^(2^255 - 21), which is 1 / a.
CALLED void fe_invert(struct fe *r, const struct fe *a)
{
    struct fe t, a_9, a_11, x_5, x_10, x_20, x_50, x_100; // x_n: a^(2^n - 1)
    fe_square_times(&t, a, 1);
    fe_square_times(&a_9, &t, 2);
    fe_times(&a_9, &a_9, a);
    fe_times(&a_11, &a_9, &t);
    fe_square_times(&t, &a_11, 1);
    fe_times(&x_5, &t, &a_9);
    fe_square_times(&t, &x_5, 5);
    fe_times(&x_10, &t, &x_5);
    fe_square_times(&t, &x_10, 10);
    fe_times(&x_20, &t, &x_10);
    fe_square_times(&t, &x_20, 20);
    fe_times(&t, &t, &x_20);
    fe_square_times(&t, &t, 10);
    fe_times(&x_50, &t, &x_10);
    fe_square_times(&t, &x_50, 50);
    fe_times(&x_100, &t, &x_50);
    fe_square_times(&t, &x_100, 100);
    fe_times(&t, &t, &x_100);
    fe_square_times(&t, &t, 50);
    fe_times(&t, &t, &x_50);
    fe_square_times(&t, &t, 5);
    fe_times(r, &t, &a_11);
}

INLINE void fe_number(struct fe *r, uint64_t small)
{
    const uint64_t limbs[5] = {small};
    fe_splat(r, limbs);
}

INLINE void fe_select(struct fe *r, vec_mask mask, const struct fe *a, const struct fe *b)
{
    EACH_LIMB r->v[i] = vec_select(mask, a->v[i], b->v[i]);
}

INLINE void fe_swap(vec_mask mask, struct fe *a, struct fe *b)
{
    struct fe was = *a;
    fe_select(a, mask, a, b);
    fe_select(b, mask, b, &was);
}

// A carry behind a sum or a difference.
INLINE void fe_sum(struct fe *r, const struct wide *a, const struct wide *b)
{
    struct wide sum;
    wide_add(&sum, a, b);
    fe_carry(r, &sum);
}

INLINE void fe_difference(struct fe *r, const struct wide *a, const struct wide *b)
{
    struct wide difference;
    wide_sub(&difference, a, b);
    fe_carry(r, &difference);
}

// ---- the ladder (RFC 7748, section 5)

// x_2, z_2, x_3, z_3 are never needed alone, only their sums and differences: so the products that
// they are have no carry of their own.
struct ladder {
    struct fe sum_2, difference_2; // x_2 + z_2, x_2 - z_2
    struct fe sum_3, difference_3;
};

// A doubling of x_2 : z_2.
INLINE void ladder_double(struct wide *x_2, struct wide *z_2, const struct ladder *l)
{
    struct wide aa_wide, bb_wide, wide;
    struct fe aa, bb, e, right;
    fe_square(&aa_wide, &l->sum_2);
    fe_square(&bb_wide, &l->difference_2);
    fe_difference(&e, &aa_wide, &bb_wide);
    fe_carry(&aa, &aa_wide);
    fe_carry(&bb, &bb_wide);
    fe_mul_small_add(&wide, &aa_wide, &e, 121665);
    fe_carry(&right, &wide);
    fe_mul(x_2, &aa, &bb);
    fe_mul(z_2, &e, &right);
}

// The differential addition into x_3 : z_3.
INLINE void ladder_add(struct wide *x_3, struct wide *z_3, const struct ladder *l,
                       const struct fe *x_1)
{
    struct wide da, cb, wide;
    struct fe sum, difference, square;
    fe_mul(&da, &l->difference_3, &l->sum_2);
    fe_mul(&cb, &l->sum_3, &l->difference_2);
    fe_sum(&sum, &da, &cb);
    fe_difference(&difference, &da, &cb);
    fe_square(x_3, &sum);
    fe_square(&wide, &difference);
    fe_carry(&square, &wide);
    fe_mul(z_3, x_1, &square);
}

INLINE void ladder_swap(struct ladder *l, vec_mask mask)
{
    fe_swap(mask, &l->sum_2, &l->sum_3);
    fe_swap(mask, &l->difference_2, &l->difference_3);
}

CALLED void ladder_step(struct ladder *l, const struct fe *x_1, vec_mask swap)
{
    struct wide x_2, z_2, x_3, z_3;
    ladder_swap(l, swap);
    ladder_double(&x_2, &z_2, l);
    ladder_add(&x_3, &z_3, l, x_1);
    fe_sum(&l->sum_2, &x_2, &z_2);
    fe_difference(&l->difference_2, &x_2, &z_2);
    fe_sum(&l->sum_3, &x_3, &z_3);
    fe_difference(&l->difference_3, &x_3, &z_3);
}

// Secrets, one to a lane, by words of 64 bits.
struct lane_words {
    _Alignas(64) uint64_t words[4][LANES];
};

INLINE vec_mask words_bit(const struct lane_words *k, unsigned bit)
{
    return vec_bit(vec_load(k->words[bit / 64]), bit % 64);
}

// x : z, the multiple `k` of the point at x_1; k is clamped, so bit 254 is set and the last three
// are not: there nothing but doublings is left to do.
CALLED void ladder_run(struct fe *x, struct fe *z, const struct fe *x_1, const struct lane_words *k)
{
    struct ladder l;
    struct wide x_2, z_2, one;
    struct fe number;
    vec_mask before = vec_bit(vec_splat(0), 0);
    fe_number(&number, 1);
    fe_widen(&one, &number);
    fe_widen(&x_2, x_1);
    l.sum_2 = l.difference_2 = number; // 1 : 0
    fe_sum(&l.sum_3, &x_2, &one);      // x_1 : 1
    fe_difference(&l.difference_3, &x_2, &one);
    for (unsigned bit = 255; bit-- > 3;) {
        vec_mask now = words_bit(k, bit);
        ladder_step(&l, x_1, mask_xor(before, now));
        before = now;
    }
    ladder_swap(&l, before);
    for (unsigned i = 0; i < 3; i++) {
        ladder_double(&x_2, &z_2, &l);
        fe_sum(&l.sum_2, &x_2, &z_2);
        fe_difference(&l.difference_2, &x_2, &z_2);
    }
    fe_carry(x, &x_2);
    fe_carry(z, &z_2);
}
