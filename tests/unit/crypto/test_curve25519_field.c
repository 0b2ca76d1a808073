// SPDX-License-Identifier: BSD-3-Clause
// Arithmetic modulo 2^255 - 19 in lanes, at the bounds that its headers promise: no limb grows out
// of them, and the numbers are OpenSSL's. Compiled once for each field.
#include <openssl/bn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/random.h"
#ifdef TEST_FIELD25
#include "curve25519_vec_avx2.h"

#include "curve25519_field25.h"
#else
#include "curve25519_vec_emulated.h"

#include "curve25519_field51.h"
#endif

#ifdef TEST_FIELD25
#define BITS(i) LIMB_BITS(i)
static uint64_t fe_most(int i)
{
    return i % 2 ? (1u << 25) + (1u << 15) - 1 : (1u << 26) - 1;
}
static uint64_t product_most(int i)
{
    return (i % 2 ? UINT64_C(78) : UINT64_C(125)) << 52;
}
static uint64_t wide_most(int i)
{
    (void)i;
    return (UINT64_C(3) << 60) - 1;
}
static bool usable(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
#define BITS(i) ((void)(i), LIMB_BITS)
static uint64_t fe_most(int i)
{
    (void)i;
    return (UINT64_C(1) << 51) + (1 << 14) - 1;
}
static uint64_t product_most(int i)
{
    (void)i;
    return UINT64_C(250) << 51;
}
static uint64_t wide_most(int i)
{
    (void)i;
    return (UINT64_C(862) << 51) - 1;
}
static bool usable(void)
{
    return true;
}
#endif

static BIGNUM *p;
static BN_CTX *ctx;

// One lane's number modulo p.
static BIGNUM *number(const vec v[LIMBS], unsigned lane)
{
    BIGNUM *sum = BN_new(), *limb = BN_new();
    for (int i = LIMBS; i-- > 0;) {
        uint8_t bytes[8];
        uint64_t lanes[LANES];
        memcpy(lanes, &v[i], sizeof(lanes));
        for (int j = 0; j < 8; j++)
            bytes[j] = (uint8_t)(lanes[lane] >> 8 * (7 - j));
        BN_bin2bn(bytes, 8, limb);
        BN_lshift(sum, sum, (int)BITS(i));
        BN_add(sum, sum, limb);
    }
    BN_nnmod(sum, sum, p, ctx);
    BN_free(limb);
    return sum;
}

static void assert_same(const vec v[LIMBS], unsigned lane, BIGNUM *expected)
{
    BIGNUM *n = number(v, lane);
    assert_int_equal(BN_cmp(n, expected), 0);
    BN_free(n);
}

static void assert_below(const vec v[LIMBS], uint64_t (*most)(int))
{
    for (int i = 0; i < LIMBS; i++) {
        uint64_t lanes[LANES];
        memcpy(lanes, &v[i], sizeof(lanes));
        for (unsigned lane = 0; lane < LANES; lane++)
            assert_in_range(lanes[lane], 0, most(i));
    }
}

// The most, nothing, or anything, in each limb; the first round has the most in all.
TARGET static void fill(vec v[LIMBS], uint64_t (*most)(int), unsigned round)
{
    for (int i = 0; i < LIMBS; i++) {
        _Alignas(64) uint64_t lanes[LANES];
        for (unsigned lane = 0; lane < LANES; lane++) {
            uint64_t random;
            random_bytes(&random, sizeof(random));
            unsigned how = round == 0 ? 0 : random_uniform(4);
            lanes[lane] = how == 0 ? most(i) : how == 1 ? 0 : random % (most(i) + 1);
        }
        v[i] = vec_load(lanes);
    }
}

TARGET static void test_products(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct fe a, b;
        struct wide product, square, sum, small;
        fill(a.v, fe_most, round);
        fill(b.v, fe_most, round);
        fill(sum.v, product_most, round);
        fe_mul(&product, &a, &b);
        fe_square(&square, &a);
        fe_mul_small_add(&small, &sum, &a, 121665);
        assert_below(product.v, product_most);
        assert_below(square.v, product_most);
        assert_below(small.v, wide_most);
        for (unsigned lane = 0; lane < LANES; lane++) {
            BIGNUM *x = number(a.v, lane), *y = number(b.v, lane), *z = BN_new();
            BN_mod_mul(z, x, y, p, ctx);
            assert_same(product.v, lane, z);
            BN_mod_sqr(z, x, p, ctx);
            assert_same(square.v, lane, z);
            BN_mul_word(x, 121665);
            BIGNUM *s = number(sum.v, lane);
            BN_mod_add(z, x, s, p, ctx);
            assert_same(small.v, lane, z);
            BN_free(x);
            BN_free(y);
            BN_free(z);
            BN_free(s);
        }
    }
}

TARGET static void test_sums(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 300; round++) {
        struct wide a, b, any, sum, difference;
        struct fe carried, carried_any;
        fill(a.v, product_most, round);
        fill(b.v, product_most, round);
        if (round == 1)
            memset(&a, 0, sizeof(a)); // 0 minus the most
        if (round == 1)
            fill(b.v, product_most, 0);
        fill(any.v, wide_most, round);
        wide_add(&sum, &a, &b);
        wide_sub(&difference, &a, &b);
        assert_below(sum.v, wide_most);
        assert_below(difference.v, wide_most);
        fe_carry(&carried, &difference);
        fe_carry(&carried_any, &any);
        assert_below(carried.v, fe_most);
        assert_below(carried_any.v, fe_most);
        for (unsigned lane = 0; lane < LANES; lane++) {
            BIGNUM *x = number(a.v, lane), *y = number(b.v, lane), *z = BN_new();
            BN_mod_add(z, x, y, p, ctx);
            assert_same(sum.v, lane, z);
            BN_mod_sub(z, x, y, p, ctx);
            assert_same(difference.v, lane, z);
            assert_same(carried.v, lane, z);
            BIGNUM *w = number(any.v, lane);
            assert_same(carried_any.v, lane, w);
            BN_free(x);
            BN_free(y);
            BN_free(z);
            BN_free(w);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products),
                                       cmocka_unit_test(test_sums)};
    if (!usable())
        return 77; // skipped
    ctx = BN_CTX_new();
    BN_hex2bn(&p, "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed");
    int failed = crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
    BN_free(p);
    BN_CTX_free(ctx);
    return failed;
}
