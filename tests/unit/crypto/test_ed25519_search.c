// SPDX-License-Identifier: BSD-3-Clause
// The search for a key: what it finds is a key like any other and begins as was asked; and its
// arithmetic is libsodium's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <sodium.h>

#include "crypto/ed25519_search.h"
#include "crypto/random.h"
#include "ed25519_field.h"

static uint64_t beginning_of(const uint8_t key[32])
{
    uint64_t begins;
    memcpy(&begins, key, sizeof(begins));
    return __builtin_bswap64(begins);
}

static void test_finds(void **state)
{
    (void)state;
    // From one bit to as many as make several steps likely; bits that are not the first.
    static const uint64_t masks[] = {UINT64_C(1) << 63, UINT64_C(0xff) << 56,
                                     UINT64_C(0x3fff) << 50, UINT64_C(0x3ff) << 7};
    for (unsigned i = 0; i < 4; i++) {
        struct ed25519_search *s = ed25519_search_create();
        struct ed25519_key key, again;
        uint8_t signature[64];
        assert_non_null(s);
        while (!ed25519_search_step(s, masks[i], UINT64_C(0xa5a5a5a5a5a5a5a5), &key))
            ;
        ed25519_search_free(s);
        assert_true((beginning_of(key.public_key) & masks[i]) ==
                    (UINT64_C(0xa5a5a5a5a5a5a5a5) & masks[i]));
        assert_int_equal(key.expanded[0] & 7, 0);
        assert_int_equal(key.expanded[31] >> 6, 1);
        assert_int_equal(ed25519_from_expanded(key.expanded, &again), 0);
        assert_memory_equal(again.public_key, key.public_key, 32);
        ed25519_sign(&key, "x", 1, signature);
        assert_true(ed25519_verify(key.public_key, "x", 1, signature));
    }
}

static void test_no_two_alike(void **state)
{
    (void)state;
    struct ed25519_key a, b;
    struct ed25519_search *s = ed25519_search_create(), *t = ed25519_search_create();
    assert_true(ed25519_search_step(s, 0, 0, &a) && ed25519_search_step(t, 0, 0, &b));
    assert_memory_not_equal(a.public_key, b.public_key, 32);
    assert_memory_not_equal(a.expanded + 32, b.expanded + 32, 32);
    ed25519_search_free(s);
    ed25519_search_free(t);
}

static void add(uint8_t scalar[32], int value)
{
    for (unsigned i = 0; i < 32; i++) {
        value += scalar[i];
        scalar[i] = (uint8_t)value;
        value >>= 8;
    }
}

// A step looks where it should: what libsodium says is there is found, to both sides of the middle,
// in the first step and in those that follow.
static void test_where_it_looks(void **state)
{
    (void)state;
    static const int places[] = {
        1, -1, 17, -17, 511, -511, ED25519_SEARCH_PAIRS, -ED25519_SEARCH_PAIRS};
    struct ed25519_search *s = ed25519_search_create();
    struct ed25519_key middle, key;
    for (unsigned step = 0; step < 3; step++) {
        assert_true(ed25519_search_step(s, 0, 0, &middle)); // the middle is the first to be tried
        for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
            uint8_t scalar[32], expected[32];
            memcpy(scalar, middle.expanded, 32);
            add(scalar, 8 * places[i]);
            assert_int_equal(crypto_scalarmult_ed25519_base_noclamp(expected, scalar), 0);
            assert_true(ed25519_search_step(s, UINT64_MAX, beginning_of(expected), &key));
            assert_memory_equal(key.public_key, expected, 32);
            assert_memory_equal(key.expanded, scalar, 32);
        }
        assert_false(ed25519_search_step(s, UINT64_MAX, 0, &key));
    }
    ed25519_search_free(s);
}

static void test_points(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 50; i++) {
        struct ed25519_key key;
        struct fe x, y, xx, yy, left, right, d;
        ed25519_generate(&key);
        assert_true(fe_decode_point(&x, &y, key.public_key));
        // On the curve, on the right side.
        fe_square(&xx, &x);
        fe_square(&yy, &y);
        fe_sub(&left, &yy, &xx);
        fe_mul(&d, &xx, &yy);
        fe_mul(&d, &d, &fe_d);
        fe_add(&right, &d, &fe_one);
        assert_true(fe_equal(&left, &right));
        uint64_t low = fe_low_64(&x);
        assert_int_equal(low & 1, key.public_key[31] >> 7);
        low = fe_low_64(&y);
        assert_memory_equal(&low, key.public_key, 8);
        struct fe inverse;
        fe_invert(&inverse, &x);
        fe_mul(&inverse, &inverse, &x);
        assert_true(fe_equal(&inverse, &fe_one));
    }
}

static void test_no_points(void **state)
{
    (void)state;
    struct ed25519_key key;
    unsigned refused = 0;
    ed25519_generate(&key);
    for (uint8_t i = 2; i < 100; i++) {
        uint8_t encoded[32] = {i}, sum[32];
        struct fe x, y;
        bool is_point = crypto_core_ed25519_add(sum, key.public_key, encoded) == 0;
        assert_int_equal(fe_decode_point(&x, &y, encoded), is_point);
        refused += !is_point;
    }
    assert_in_range(refused, 20, 80);
}

// Numbers at the edges of what limbs hold are reduced to the one below p.
static void test_reduced(void **state)
{
    (void)state;
    static const struct {
        struct fe a;
        uint64_t low;
    } cases[] = {
        {{{0}}, 0},
        {{{FE_MASK - 18, FE_MASK, FE_MASK, FE_MASK, FE_MASK}}, 0}, // p
        {{{FE_MASK - 17, FE_MASK, FE_MASK, FE_MASK, FE_MASK}}, 1},
        {{{FE_MASK - 19, FE_MASK, FE_MASK, FE_MASK, FE_MASK}}, UINT64_MAX - 19},
        {{{FE_MASK, FE_MASK, FE_MASK, FE_MASK, FE_MASK}}, 18},
        {{{2 * (FE_MASK - 18), 2 * FE_MASK, 2 * FE_MASK, 2 * FE_MASK, 2 * FE_MASK}}, 0},
        {{{FE_MASK + 1, FE_MASK, FE_MASK, FE_MASK, FE_MASK}}, 19},
        {{{0, 0, 0, 0, FE_MASK + 1}}, 19},
        {{{5, 0, 0, 0, 7 * (FE_MASK + 1)}}, 138},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        // -20 in the lowest limb is p - 20 all over: the low 64 bits of it.
        uint64_t low = i == 3 ? (FE_MASK - 19) | FE_MASK << 51 : cases[i].low;
        assert_true(fe_low_64(&cases[i].a) == low);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds),          cmocka_unit_test(test_no_two_alike),
        cmocka_unit_test(test_where_it_looks), cmocka_unit_test(test_points),
        cmocka_unit_test(test_no_points),      cmocka_unit_test(test_reduced),
    };
    if (crypto_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
