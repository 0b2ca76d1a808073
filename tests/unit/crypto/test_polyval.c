// SPDX-License-Identifier: BSD-3-Clause
// POLYVAL against RFC 8452's example, and against its definition bit by bit.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include "hex.h"
#include "polyval.h"

// RFC 8452, appendix A.
static void test_rfc_8452(void **state)
{
    (void)state;
    uint8_t key[16], blocks[32], tag[16];
    struct polyval p;
    unhex("25629347589242761d31f826ba4b757b", key, sizeof(key));
    unhex("4f4f95668c83dfb6401762bb2d01a262d1a24ddd2721d006bbe45f20d3c9f362", blocks,
          sizeof(blocks));
    polyval_init(&p, key);
    polyval_add(&p, blocks, sizeof(blocks));
    polyval_tag(&p, tag);
    assert_hex(tag, "f7a3b47b846119fae5b7866cf5e5b77e");

    polyval_init(&p, key);
    polyval_add(&p, blocks, 16);
    polyval_add(&p, blocks + 16, 16);
    polyval_tag(&p, tag);
    assert_hex(tag, "f7a3b47b846119fae5b7866cf5e5b77e");
}

static void test_zero_padding(void **state)
{
    (void)state;
    uint8_t key[16] = {0x80, 7}, whole[16], padded[16], block[16] = {77, 1, 2};
    struct polyval p;
    uint8_t *piece = exact_copy(block, 3);
    polyval_init(&p, key);
    polyval_add(&p, block, sizeof(block));
    polyval_tag(&p, whole);
    polyval_init(&p, key);
    polyval_add(&p, piece, 3);
    polyval_tag(&p, padded);
    assert_memory_equal(whole, padded, sizeof(whole));
    free(piece);
}

static unsigned bit(const uint8_t *a, unsigned i)
{
    return a[i / 8] >> (i % 8) & 1;
}

static void flip(uint8_t *a, unsigned i)
{
    a[i / 8] ^= (uint8_t)(1 << (i % 8));
}

// a * b * x^-128: the definition of "dot" in RFC 8452, section 3. Dividing by x: when the constant
// term is set, the modulus, which has one, is added first.
static void dot(uint8_t a[16], const uint8_t b[16])
{
    uint8_t product[33] = {0};
    for (unsigned i = 0; i < 128; i++)
        for (unsigned j = 0; j < 128; j++)
            if (bit(a, i) && bit(b, j))
                flip(product, i + j);
    for (unsigned i = 0; i < 128; i++) {
        if (!bit(product, i))
            continue;
        flip(product, i);
        flip(product, i + 121);
        flip(product, i + 126);
        flip(product, i + 127);
        flip(product, i + 128);
    }
    memcpy(a, product + 16, 16);
}

static void check_definition(const uint8_t key[16], const uint8_t block[16])
{
    uint8_t expected[16], tag[16];
    struct polyval p;
    memcpy(expected, block, sizeof(expected));
    dot(expected, key);
    polyval_init(&p, key);
    polyval_add(&p, block, 16);
    polyval_tag(&p, tag);
    assert_memory_equal(tag, expected, sizeof(tag));
}

static void test_definition(void **state)
{
    (void)state;
    uint8_t key[16], block[16], ones[16], zeros[16] = {0};
    memset(ones, 0xff, sizeof(ones));
    check_definition(ones, ones);
    check_definition(ones, zeros);
    check_definition(zeros, ones);
    for (unsigned i = 0; i < 300; i++) {
        assert_int_equal(RAND_bytes(key, sizeof(key)), 1);
        assert_int_equal(RAND_bytes(block, sizeof(block)), 1);
        check_definition(key, block);
        check_definition(key, ones);
    }
    for (unsigned i = 0; i < 128; i++) {
        uint8_t one_bit[16] = {0};
        flip(one_bit, i);
        check_definition(one_bit, ones);
        check_definition(one_bit, block);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_8452),
        cmocka_unit_test(test_zero_padding),
        cmocka_unit_test(test_definition),
    };
    return cmocka_run_group_tests_name("polyval", tests, NULL, NULL);
}
