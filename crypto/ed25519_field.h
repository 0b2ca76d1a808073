// SPDX-License-Identifier: BSD-3-Clause
// Numbers modulo p = 2^255 - 19 in five limbs of 51 bits, over 128-bit products; points of Ed25519
// from their encoding. Not constant time.
//
// Limbs are below 2^54 where they are multiplied: products are below 2^52, a sum of two of them
// below 2^53, and so is a difference, to which 2 p is added before.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct fe {
    uint64_t v[5];
};

#define FE_MASK ((UINT64_C(1) << 51) - 1)

static const struct fe fe_one = {{1}};
// d of the curve -x^2 + y^2 = 1 + d x^2 y^2, and a square root of -1.
static const struct fe fe_d = {
    {0x34dca135978a3, 0x1a8283b156ebd, 0x5e7a26001c029, 0x739c663a03cbb, 0x52036cee2b6ff}};
static const struct fe fe_root_of_minus_one = {
    {0x61b274a0ea0b0, 0x0d5a5fc8f189d, 0x7ef5e9cbd0c60, 0x78595a6804c9e, 0x2b8324804fc1d}};

static inline void fe_add(struct fe *r, const struct fe *a, const struct fe *b)
{
    for (int i = 0; i < 5; i++)
        r->v[i] = a->v[i] + b->v[i];
}

// b: at most a product.
static inline void fe_sub(struct fe *r, const struct fe *a, const struct fe *b)
{
    r->v[0] = a->v[0] + 2 * (FE_MASK - 18) - b->v[0];
    for (int i = 1; i < 5; i++)
        r->v[i] = a->v[i] + 2 * FE_MASK - b->v[i];
}

static inline void fe_carry(struct fe *r, const unsigned __int128 wide[5])
{
    unsigned __int128 w = wide[0];
    for (int i = 0; i < 4; i++) {
        r->v[i] = (uint64_t)w & FE_MASK;
        w = wide[i + 1] + (uint64_t)(w >> 51);
    }
    r->v[4] = (uint64_t)w & FE_MASK;
    r->v[0] += 19 * (uint64_t)(w >> 51);
    r->v[1] += r->v[0] >> 51;
    r->v[0] &= FE_MASK;
}

static inline void fe_mul(struct fe *r, const struct fe *f, const struct fe *g)
{
    typedef unsigned __int128 u128;
    const uint64_t *a = f->v, *b = g->v;
    const uint64_t b1 = 19 * b[1], b2 = 19 * b[2], b3 = 19 * b[3], b4 = 19 * b[4];
    const u128 wide[5] = {
        (u128)a[0] * b[0] + (u128)a[1] * b4 + (u128)a[2] * b3 + (u128)a[3] * b2 + (u128)a[4] * b1,
        (u128)a[0] * b[1] + (u128)a[1] * b[0] + (u128)a[2] * b4 + (u128)a[3] * b3 + (u128)a[4] * b2,
        (u128)a[0] * b[2] + (u128)a[1] * b[1] + (u128)a[2] * b[0] + (u128)a[3] * b4 +
            (u128)a[4] * b3,
        (u128)a[0] * b[3] + (u128)a[1] * b[2] + (u128)a[2] * b[1] + (u128)a[3] * b[0] +
            (u128)a[4] * b4,
        (u128)a[0] * b[4] + (u128)a[1] * b[3] + (u128)a[2] * b[2] + (u128)a[3] * b[1] +
            (u128)a[4] * b[0],
    };
    fe_carry(r, wide);
}

static inline void fe_square(struct fe *r, const struct fe *f)
{
    typedef unsigned __int128 u128;
    const uint64_t *a = f->v;
    const uint64_t a0 = 2 * a[0], a1 = 2 * a[1], a3 = 19 * a[3], a4 = 19 * a[4];
    const u128 wide[5] = {
        (u128)a[0] * a[0] + (u128)a1 * a4 + (u128)(2 * a[2]) * a3,
        (u128)a0 * a[1] + (u128)(2 * a[2]) * a4 + (u128)a[3] * a3,
        (u128)a0 * a[2] + (u128)a[1] * a[1] + (u128)(2 * a[3]) * a4,
        (u128)a0 * a[3] + (u128)a1 * a[2] + (u128)a[4] * a4,
        (u128)a0 * a[4] + (u128)a1 * a[3] + (u128)a[2] * a[2],
    };
    fe_carry(r, wide);
}

static inline void fe_square_times(struct fe *r, const struct fe *a, unsigned times)
{
    *r = *a;
    while (times-- > 0)
        fe_square(r, r);
}

// a^(2^250 - 1); `a11` gets a^11.
static inline void fe_power_250(struct fe *r, const struct fe *a, struct fe *a11)
{
    struct fe t, a9, p5, p10, p20, p50, p100;
    fe_square(&t, a); // 2
    fe_square_times(&a9, &t, 2);
    fe_mul(&a9, &a9, a);
    fe_mul(a11, &a9, &t);
    fe_square(&t, a11);
    fe_mul(&p5, &t, &a9); // 2^5 - 1
    fe_square_times(&t, &p5, 5);
    fe_mul(&p10, &t, &p5);
    fe_square_times(&t, &p10, 10);
    fe_mul(&p20, &t, &p10);
    fe_square_times(&t, &p20, 20);
    fe_mul(&t, &t, &p20); // 2^40 - 1
    fe_square_times(&t, &t, 10);
    fe_mul(&p50, &t, &p10);
    fe_square_times(&t, &p50, 50);
    fe_mul(&p100, &t, &p50);
    fe_square_times(&t, &p100, 100);
    fe_mul(&t, &t, &p100); // 2^200 - 1
    fe_square_times(&t, &t, 50);
    fe_mul(r, &t, &p50);
}

// a^(p - 2)
static inline void fe_invert(struct fe *r, const struct fe *a)
{
    struct fe t, a11;
    fe_power_250(&t, a, &a11);
    fe_square_times(&t, &t, 5);
    fe_mul(r, &t, &a11);
}

// The one number below p that this is: its limbs, all below 2^51.
static inline void fe_reduce(uint64_t out[5], const struct fe *a)
{
    uint64_t carry = 0, v[5];
    memcpy(v, a->v, sizeof(v));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 5; i++) {
            v[i] += carry;
            carry = v[i] >> 51;
            v[i] &= FE_MASK;
        }
        carry *= 19;
    }
    v[0] += carry; // a few at most: now below 2^255 + some
    carry = 19;    // what is p or more gets a bit 255 when 19 is added
    for (int i = 0; i < 5; i++)
        carry = (v[i] + carry) >> 51;
    carry *= 19;
    for (int i = 0; i < 5; i++) {
        v[i] += carry;
        carry = v[i] >> 51;
        out[i] = v[i] & FE_MASK;
    }
}

// The first 8 bytes of its encoding, least significant first.
static inline uint64_t fe_low_64(const struct fe *a)
{
    uint64_t v[5];
    fe_reduce(v, a);
    return v[0] | v[1] << 51;
}

static inline bool fe_equal(const struct fe *a, const struct fe *b)
{
    uint64_t v[5], w[5];
    fe_reduce(v, a);
    fe_reduce(w, b);
    return memcmp(v, w, sizeof(v)) == 0;
}

// Of 32 bytes; their highest bit does not count.
static inline void fe_decode(struct fe *r, const uint8_t bytes[32])
{
    uint64_t w[4];
    memcpy(w, bytes, sizeof(w));
    r->v[0] = w[0] & FE_MASK;
    r->v[1] = (w[0] >> 51 | w[1] << 13) & FE_MASK;
    r->v[2] = (w[1] >> 38 | w[2] << 26) & FE_MASK;
    r->v[3] = (w[2] >> 25 | w[3] << 39) & FE_MASK;
    r->v[4] = w[3] >> 12 & FE_MASK;
}

// RFC 8032, 5.1.3: x^2 = (y^2 - 1) / (d y^2 + 1). False: it is no point.
static inline bool fe_decode_point(struct fe *x, struct fe *y, const uint8_t encoded[32])
{
    static const struct fe zero = {{0}};
    struct fe u, v, v3, t, a11, check;
    uint64_t reduced[5];
    fe_decode(y, encoded);
    fe_square(&t, y);
    fe_mul(&v, &t, &fe_d);
    fe_add(&v, &v, &fe_one);
    fe_sub(&u, &t, &fe_one);
    fe_square(&v3, &v);
    fe_mul(&v3, &v3, &v);
    fe_square(&t, &v3);
    fe_mul(&t, &t, &v);
    fe_mul(&t, &t, &u); // u v^7, to the power of (p - 5) / 8 = 2^252 - 3
    fe_power_250(x, &t, &a11);
    fe_square_times(x, x, 2);
    fe_mul(x, x, &t);
    fe_mul(x, x, &v3);
    fe_mul(x, x, &u);
    fe_square(&check, x);
    fe_mul(&check, &check, &v);
    if (!fe_equal(&check, &u)) {
        fe_mul(x, x, &fe_root_of_minus_one);
        fe_square(&check, x);
        fe_mul(&check, &check, &v);
        if (!fe_equal(&check, &u))
            return false;
    }
    fe_reduce(reduced, x);
    if ((reduced[0] & 1) != encoded[31] >> 7) {
        fe_sub(&t, &zero, x);
        fe_mul(x, &t, &fe_one);
    }
    return true;
}
