// SPDX-License-Identifier: BSD-3-Clause
// Onion addresses: vectors, and every way in which one can be wrong.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sodium.h>

#include "../crypto/hex.h"
#include "crypto/encoding.h"
#include "crypto/random.h"
#include "key_vectors.h"
#include "onion/key/onion_address.h"

// C tor, src/test/hs_build_address.py.
#define TOR_KEY "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define TOR_LABEL "25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid"

static enum onion_address_fault fault_of(const char *name)
{
    uint8_t key[ONION_KEY_LEN];
    enum onion_address_fault fault = onion_address_parse(name, key);
    assert_true(strlen(onion_address_fault_text(fault)) > 0);
    return fault;
}

static void test_vectors(void **state)
{
    (void)state;
    uint8_t key[ONION_KEY_LEN];
    char text[ONION_ADDRESS_LEN + 1];
    unhex(TOR_KEY, key, 32);
    onion_address_format(key, text);
    assert_string_equal(text, TOR_LABEL ".onion");
    memset(key, 0, sizeof(key));
    assert_int_equal(onion_address_parse(TOR_LABEL ".onion", key), ONION_ADDRESS_GOOD);
    assert_hex(key, TOR_KEY);
    for (size_t i = 0; i < sizeof(key_vectors) / sizeof(*key_vectors); i++) {
        unhex(key_vectors[i].identity, key, 32);
        onion_address_format(key, text);
        assert_string_equal(text, key_vectors[i].address);
        memset(key, 0, sizeof(key));
        assert_int_equal(onion_address_parse(text, key), ONION_ADDRESS_GOOD);
        assert_hex(key, key_vectors[i].identity);
    }
}

static void test_what_is_around_it(void **state)
{
    (void)state;
    assert_int_equal(fault_of("www." TOR_LABEL ".onion"), ONION_ADDRESS_GOOD);
    assert_int_equal(fault_of("a.b.www." TOR_LABEL ".onion"), ONION_ADDRESS_GOOD);
    assert_int_equal(fault_of(TOR_LABEL ".onion."), ONION_ADDRESS_GOOD);
    assert_int_equal(fault_of(TOR_LABEL ".OnIoN"), ONION_ADDRESS_GOOD);
    char upper[ONION_ADDRESS_LEN + 1] = TOR_LABEL ".onion";
    for (unsigned i = 0; i < ONION_ADDRESS_LEN; i++)
        if (upper[i] >= 'a' && upper[i] <= 'z')
            upper[i] = (char)(upper[i] - 'a' + 'A');
    assert_int_equal(fault_of(upper), ONION_ADDRESS_GOOD);
}

// C tor, src/test/test_hs_common.c, validate_address and parse_extended_hostname; and more.
static void test_faults(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum onion_address_fault fault;
    } cases[] = {
        {"", ONION_ADDRESS_NONE},
        {".", ONION_ADDRESS_NONE},
        {"onion", ONION_ADDRESS_NONE},
        {"www.torproject.org", ONION_ADDRESS_NONE},
        {TOR_LABEL, ONION_ADDRESS_NONE},
        {TOR_LABEL "onion", ONION_ADDRESS_NONE},
        {TOR_LABEL ".onion.org", ONION_ADDRESS_NONE},
        {TOR_LABEL ".onion..", ONION_ADDRESS_NONE},
        {".onion", ONION_ADDRESS_LENGTH},
        {".onion.", ONION_ADDRESS_LENGTH},
        {"..onion", ONION_ADDRESS_LENGTH},
        {"." TOR_LABEL ".onion", ONION_ADDRESS_LENGTH},
        {TOR_LABEL "..onion", ONION_ADDRESS_LENGTH},
        {"blah.onion", ONION_ADDRESS_LENGTH},
        {"fooaddress.onion", ONION_ADDRESS_LENGTH},
        {"foo.abcdefghijklmnop.onion", ONION_ADDRESS_LENGTH}, // version 2
        {"foo.bar.abcdefghijklmnop.onion", ONION_ADDRESS_LENGTH},
        {".abcdefghijklmnop.onion", ONION_ADDRESS_LENGTH},
        {"p3xnclpu4mu22dwaurjtsybyqk4xfjmcfz6z62yl24uwmhjatiwnlnadb.onion", ONION_ADDRESS_LENGTH},
        {"15njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid7jdl.onion",
         ONION_ADDRESS_LENGTH},
        {"????????????????????????????????????????????????????????.onion", ONION_ADDRESS_ALPHABET},
        {"www.15njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sid.onion",
         ONION_ADDRESS_ALPHABET},
        {"l5satjgud6gucryazcyvyvhuxhr74u6ygigiuyixe3a6ysis67ororad.onion", ONION_ADDRESS_CHECKSUM},
        {"btojiu7nu5y5iwut64eufevogqdw4wmqzugnoluw232r4t3ecsfv37ad.onion", ONION_ADDRESS_CHECKSUM},
        {"25njqamcweflpvkl73j4szahhihoc4xt3ktcgjnpaingr5yhkenl5sie.onion", ONION_ADDRESS_VERSION},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        if (fault_of(cases[i].name) != cases[i].fault)
            fail_msg("%s: %s", cases[i].name, onion_address_fault_text(fault_of(cases[i].name)));
}

// A slip of one character is always found but for one in 65536: here are all slips of one address.
static void test_slips(void **state)
{
    (void)state;
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    char name[] = TOR_LABEL ".onion";
    unsigned taken = 0;
    for (unsigned i = 0; i < ONION_LABEL_LEN; i++) {
        char right = name[i];
        for (unsigned j = 0; j < 32; j++) {
            name[i] = alphabet[j];
            taken += name[i] != right && fault_of(name) == ONION_ADDRESS_GOOD;
        }
        name[i] = right;
    }
    assert_int_equal(taken, 0);
}

// Keys that would give one service many addresses, or that are no keys (8.01).
static void test_keys(void **state)
{
    (void)state;
    static const char *const no_keys[] = {
        "0000000000000000000000000000000000000000000000000000000000000000", // of order 4
        "0100000000000000000000000000000000000000000000000000000000000000", // neutral
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // of order 2
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // of order 8
        "0200000000000000000000000000000000000000000000000000000000000000", // no point
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    };
    uint8_t key[32], torsion[32], sum[32], order_8[32];
    char name[ONION_ADDRESS_LEN + 1];
    for (size_t i = 0; i < sizeof(no_keys) / sizeof(*no_keys); i++) {
        unhex(no_keys[i], key, 32);
        onion_address_format(key, name);
        assert_int_equal(fault_of(name), ONION_ADDRESS_KEY);
    }
    unhex(TOR_KEY, key, 32);
    unhex(no_keys[3], order_8, 32);
    memcpy(torsion, order_8, 32);
    for (unsigned i = 1; i < 8; i++) { // i times the point of order 8
        assert_int_equal(crypto_core_ed25519_add(sum, key, torsion), 0);
        onion_address_format(sum, name);
        assert_int_equal(fault_of(name), ONION_ADDRESS_KEY);
        assert_int_equal(crypto_core_ed25519_add(torsion, torsion, order_8), 0);
    }
    assert_int_equal(crypto_core_ed25519_add(sum, key, torsion), 0);
    assert_memory_equal(sum, key, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors), cmocka_unit_test(test_what_is_around_it),
        cmocka_unit_test(test_faults),  cmocka_unit_test(test_slips),
        cmocka_unit_test(test_keys),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
