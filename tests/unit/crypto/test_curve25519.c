// SPDX-License-Identifier: BSD-3-Clause
// X25519: RFC 7748, OpenSSL, and points of small order.
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/curve25519.h"
#include "crypto/random.h"
#include "hex.h"

static void test_rfc7748(void **state)
{
    (void)state;
    uint8_t secret[32], k[32];
    struct curve25519_key a, b;

    // RFC 7748, section 6.1.
    unhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a", secret, 32);
    curve25519_from_secret(secret, &a);
    assert_hex(a.public_key, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", secret, 32);
    curve25519_from_secret(secret, &b);
    assert_hex(b.public_key, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    assert_true(curve25519_shared(a.secret, b.public_key, k));
    assert_hex(k, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    assert_true(curve25519_shared(b.secret, a.public_key, k));
    assert_hex(k, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
}

// C tor's test_crypto.c (curve25519_impl), after D. J. Bernstein's test-curve25519.
static void test_chain(void **state)
{
    (void)state;
    uint8_t e1[32] = {3}, e2[32] = {5}, k[32] = {9};
    uint8_t e1k[32], e2k[32], e1e2k[32], e2e1k[32];

    for (int loop = 0; loop < 200; loop++) {
        assert_true(curve25519_shared(e1, k, e1k));
        assert_true(curve25519_shared(e2, e1k, e2e1k));
        assert_true(curve25519_shared(e2, k, e2k));
        e2k[31] |= 0x80; // must be ignored
        assert_true(curve25519_shared(e1, e2k, e1e2k));
        e2k[31] &= 0x7f;
        assert_memory_equal(e1e2k, e2e1k, 32);
        if (loop == 199)
            break;
        for (int i = 0; i < 32; i++) {
            e1[i] ^= e2k[i];
            e2[i] ^= e1k[i];
            k[i] ^= e1e2k[i];
        }
    }
    assert_hex(e1, "bc7112cde03f97ef7008cad1bdc56be3c6a1037d74cceb3712e9206871dcf654");
    assert_hex(e2k, "dd8fa254fb60bdb5142fe05b1f5de44d8e3ee1a63c7d14274ea5d4c67f065467");
    assert_hex(e1e2k, "7ddb98bd89025d2347776b33901b3e7ec0ee98cb2257a4545c0cfb2ca3e1812b");
}

static void test_matches_openssl(void **state)
{
    (void)state;

    for (int i = 0; i < 100; i++) {
        uint8_t peer[32], ours[32], theirs[32];
        size_t length = 32;
        struct curve25519_key key;
        curve25519_generate(&key);
        random_bytes(peer, sizeof(peer));
        EVP_PKEY *a = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, key.secret, 32);
        EVP_PKEY *b = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, peer, 32);
        assert_int_equal(EVP_PKEY_get_raw_public_key(a, theirs, &length), 1);
        assert_memory_equal(key.public_key, theirs, 32);
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(a, NULL);
        assert_int_equal(EVP_PKEY_derive_init(ctx), 1);
        assert_int_equal(EVP_PKEY_derive_set_peer(ctx, b), 1);
        assert_int_equal(EVP_PKEY_derive(ctx, theirs, &length), 1);
        assert_true(curve25519_shared(key.secret, peer, ours));
        assert_memory_equal(ours, theirs, 32);
        EVP_PKEY_CTX_free(ctx);
        EVP_PKEY_free(a);
        EVP_PKEY_free(b);
    }
}

// The points of small order of curve25519 and its twist (https://cr.yp.to/ecdh.html#validate), and
// the same with the high bit set, which is ignored.
static void test_small_order(void **state)
{
    (void)state;
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    struct curve25519_key key;
    uint8_t peer[32], out[32], zero[32] = {0};

    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
        for (int high = 0; high <= 1; high++) {
            curve25519_generate(&key);
            unhex(points[i], peer, 32);
            peer[31] |= (uint8_t)(high << 7);
            memset(out, 0xaa, sizeof(out));
            assert_false(curve25519_shared(key.secret, peer, out));
            assert_memory_equal(out, zero, 32);
        }
    }
}

static void test_clamps(void **state)
{
    (void)state;
    struct curve25519_key key, again;
    uint8_t secret[32];

    memset(secret, 0xff, sizeof(secret));
    curve25519_from_secret(secret, &key);
    assert_int_equal(key.secret[0], 0xf8);
    assert_int_equal(key.secret[31], 0x7f);
    curve25519_from_secret(key.secret, &again);
    assert_memory_equal(&key, &again, sizeof(key));
    curve25519_wipe(&key);
    memset(&again, 0, sizeof(again));
    assert_memory_equal(&key, &again, sizeof(key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc7748),         cmocka_unit_test(test_chain),
        cmocka_unit_test(test_matches_openssl), cmocka_unit_test(test_small_order),
        cmocka_unit_test(test_clamps),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
