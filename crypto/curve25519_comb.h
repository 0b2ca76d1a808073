// SPDX-License-Identifier: BSD-3-Clause
// Multiples of the base point in the lanes of vectors, on the twisted Edwards curve (RFC 8032) that
// is the same curve, with a table of multiples. Needs curve25519_ladder.h before it.
#pragma once

#include <stdint.h>

// With x = X / Z, y = Y / Z, x y = T / Z.
struct edwards {
    struct wide x, y, z, t;
};

// A point as it is added: y + x, y - x, 2 d x y.
struct addend {
    struct fe plus, minus, xy2d;
};

// h + a, or h - a where `negative`.
CALLED void edwards_add(struct edwards *h, const struct addend *a, vec_mask negative)
{
    struct wide left, right, third, twice;
    struct fe sum, difference, t, plus, minus, e, f, g, hh;
    fe_select(&plus, negative, &a->plus, &a->minus);
    fe_select(&minus, negative, &a->minus, &a->plus);
    fe_difference(&difference, &h->y, &h->x);
    fe_sum(&sum, &h->y, &h->x);
    fe_carry(&t, &h->t);
    fe_mul(&left, &difference, &minus);
    fe_mul(&right, &sum, &plus);
    fe_mul(&third, &t, &a->xy2d);
    wide_add(&twice, &h->z, &h->z);
    fe_difference(&e, &right, &left);
    fe_sum(&hh, &right, &left);
    fe_difference(&f, &twice, &third);
    fe_sum(&g, &twice, &third);
    fe_swap(negative, &f, &g);
    fe_mul(&h->x, &e, &f);
    fe_mul(&h->y, &g, &hh);
    fe_mul(&h->z, &f, &g);
    fe_mul(&h->t, &e, &hh);
}

CALLED void edwards_double(struct edwards *h)
{
    struct wide xx, yy, zz, wide;
    struct fe x, y, z, sum, e, f, g, hh;
    fe_carry(&x, &h->x);
    fe_carry(&y, &h->y);
    fe_carry(&z, &h->z);
    fe_sum(&sum, &h->x, &h->y);
    fe_square(&xx, &x);
    fe_square(&yy, &y);
    fe_square(&zz, &z);
    wide_add(&zz, &zz, &zz);
    fe_sum(&hh, &xx, &yy);
    fe_difference(&g, &yy, &xx);
    fe_square(&xx, &sum);
    fe_widen(&wide, &hh);
    fe_difference(&e, &xx, &wide); // (x + y)^2 - x^2 - y^2
    fe_widen(&wide, &g);
    fe_difference(&f, &zz, &wide);
    fe_mul(&h->x, &e, &f);
    fe_mul(&h->y, &g, &hh);
    fe_mul(&h->z, &f, &g);
    fe_mul(&h->t, &e, &hh);
}

INLINE void edwards_identity(struct edwards *h)
{
    struct fe zero, one;
    fe_number(&zero, 0);
    fe_number(&one, 1);
    fe_widen(&h->x, &zero);
    fe_widen(&h->y, &one);
    fe_widen(&h->z, &one);
    fe_widen(&h->t, &zero);
}

CALLED void edwards_addend(struct addend *r, const struct edwards *h)
{
    static const uint64_t d_2[5] = {0x69b9426b2f159, 0x35050762add7a, 0x3cf44c0038052,
                                    0x6738cc7407977, 0x2406d9dc56dff};
    struct wide wide_x, wide_y;
    struct fe x, y, z, d;
    fe_carry(&x, &h->x);
    fe_carry(&y, &h->y);
    fe_carry(&z, &h->z);
    fe_invert(&z, &z);
    fe_times(&x, &x, &z);
    fe_times(&y, &y, &z);
    fe_widen(&wide_x, &x);
    fe_widen(&wide_y, &y);
    fe_sum(&r->plus, &wide_y, &wide_x);
    fe_difference(&r->minus, &wide_y, &wide_x);
    fe_splat(&d, d_2);
    fe_times(&r->xy2d, &x, &y);
    fe_times(&r->xy2d, &r->xy2d, &d);
}

// Multiples 1, 3 … 15 of 256^i times the base point.
enum { TABLE_POSITIONS = 32, TABLE_MULTIPLES = 8, COORDINATES = 3 };

struct table {
    struct table_row rows[TABLE_POSITIONS][COORDINATES];
};

TARGET static void table_fill(struct table_row row[COORDINATES], const struct addend *a,
                              unsigned first)
{
    const struct fe *const numbers[COORDINATES] = {&a->plus, &a->minus, &a->xy2d};
    for (unsigned c = 0; c < COORDINATES; c++) {
        _Alignas(64) uint64_t rows[5][LANES];
        fe_store(rows, numbers[c]);
        for (unsigned lane = 0; lane < LANES; lane++) {
            uint64_t limbs[5];
            for (int i = 0; i < 5; i++)
                limbs[i] = rows[i][lane];
            limbs_freeze(limbs);
            table_put(&row[c], first + lane, limbs);
        }
    }
}

// One position: p is the same point in all lanes, and goes on to 256 of itself.
TARGET static void table_position(struct table_row row[COORDINATES], struct addend *p)
{
    const vec_mask none = vec_bit(vec_splat(0), 0);
    struct addend twice, multiple, nothing;
    struct edwards h;
    edwards_identity(&h);
    edwards_addend(&nothing, &h);
    edwards_add(&h, p, none);
    edwards_double(&h);
    edwards_addend(&twice, &h);
    for (unsigned first = 0; first < TABLE_MULTIPLES; first += LANES) {
        edwards_identity(&h);
        edwards_add(&h, p, none);
        for (unsigned m = 1; m < TABLE_MULTIPLES; m++) { // in the lanes of m and more
            _Alignas(64) uint64_t wanted[LANES];
            for (unsigned lane = 0; lane < LANES; lane++)
                wanted[lane] = first + lane >= m;
            vec_mask mask = vec_bit(vec_load(wanted), 0);
            fe_select(&multiple.plus, mask, &nothing.plus, &twice.plus);
            fe_select(&multiple.minus, mask, &nothing.minus, &twice.minus);
            fe_select(&multiple.xy2d, mask, &nothing.xy2d, &twice.xy2d);
            edwards_add(&h, &multiple, none);
        }
        edwards_addend(&multiple, &h);
        table_fill(row, &multiple, first);
    }
    edwards_identity(&h);
    edwards_add(&h, p, none);
    for (unsigned i = 0; i < 8; i++)
        edwards_double(&h);
    edwards_addend(p, &h);
}

TARGET static void curve25519_lanes_table(void *table)
{
    static const uint64_t x[5] = {0x62d608f25d51a, 0x412a4b4f6592a, 0x75b7171a4b31d,
                                  0x1ff60527118fe, 0x216936d3cd6e5};
    static const uint64_t y[5] = {0x6666666666658, 0x4cccccccccccc, 0x1999999999999,
                                  0x3333333333333, 0x6666666666666};
    struct table *t = table;
    struct edwards base;
    struct addend p;
    struct fe number, other;
    edwards_identity(&base);
    fe_splat(&number, x);
    fe_widen(&base.x, &number);
    fe_splat(&other, y);
    fe_widen(&base.y, &other);
    fe_times(&number, &number, &other);
    fe_widen(&base.t, &number);
    edwards_addend(&p, &base);
    for (unsigned i = 0; i < TABLE_POSITIONS; i++)
        table_position(t->rows[i], &p);
}

enum { DIGITS = 64 };

// Digits of k in radix 16, each odd: 16 more is the odd number below 32 that k ends with, and
// what is left is k / 16 with its last bit set. In a byte: half of the digit's size, and bit 3 for
// a negative one. The base point's order is added first if k is even, which a clamped one always
// is.
static inline void digits_of(uint8_t digits[DIGITS][LANES], unsigned lane, const uint64_t k[4])
{
    static const uint64_t order[4] = {UINT64_C(0x5812631a5cf5d3ed), UINT64_C(0x14def9dea2f79cd6), 0,
                                      UINT64_C(0x1000000000000000)};
    uint64_t sum[5] = {0};
    unsigned __int128 carry = 0;
    for (int i = 0; i < 4; i++) {
        carry += (unsigned __int128)k[i] + order[i];
        sum[i] = (uint64_t)carry;
        carry >>= 64; // 0 at the end: the sum is below 2^256
    }
    for (unsigned i = 0; i < DIGITS; i++) {
        unsigned at = 4 * i % 64;
        uint64_t five = sum[i / 16] >> at | (at == 60 ? sum[i / 16 + 1] << 4 : 0);
        unsigned half = (unsigned)five >> 1 & 15; // the digit is 2 half + 1 - 16
        if (i == DIGITS - 1)
            half += 8; // and the last one 2 half + 1
        unsigned negative = 1 - (half >> 3);
        digits[i][lane] = (uint8_t)(((half ^ (0 - negative)) & 7) | negative << 3);
    }
    explicit_bzero(sum, sizeof(sum));
    explicit_bzero(&carry, sizeof(carry));
}

TARGET static void base_add_digit(struct edwards *h, const struct table *t, unsigned i,
                                  uint8_t digits[DIGITS][LANES])
{
    const struct table_row *row = t->rows[i / 2];
    struct addend a;
    vec digit = vec_load_bytes(digits[i]);
    vec index = vec_and(digit, vec_splat(7));
    table_get(&a.plus, &row[0], index);
    table_get(&a.minus, &row[1], index);
    table_get(&a.xy2d, &row[2], index);
    edwards_add(h, &a, vec_bit(digit, 3));
}

// x : z on the Montgomery curve: (1 + y) / (1 - y) on the other. Never 0: a clamped number is no
// multiple of the order.
CALLED void base_run(struct fe *x, struct fe *z, const struct table *t,
                     uint8_t digits[DIGITS][LANES])
{
    struct edwards h;
    edwards_identity(&h);
    for (unsigned i = 1; i < DIGITS; i += 2)
        base_add_digit(&h, t, i, digits);
    for (unsigned i = 0; i < 4; i++)
        edwards_double(&h);
    for (unsigned i = 0; i < DIGITS; i += 2)
        base_add_digit(&h, t, i, digits);
    fe_sum(x, &h.z, &h.y);
    fe_difference(z, &h.z, &h.y);
}
