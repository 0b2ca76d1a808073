// SPDX-License-Identifier: BSD-3-Clause
// Ed25519 with expanded keys: C tor's vectors, and OpenSSL on random input.
#include <errno.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/ed25519.h"
#include "crypto/random.h"
#include "ed25519_vectors.h"
#include "hex.h"

enum { VECTORS = sizeof(ed25519_vectors) / sizeof(ed25519_vectors[0]) };

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        const struct ed25519_vector *v = &ed25519_vectors[i];
        uint8_t seed[32], signature[64];
        struct ed25519_key key, again;

        unhex(v->seed, seed, 32);
        ed25519_from_seed(seed, &key);
        assert_hex(key.expanded, v->expanded);
        assert_hex(key.public_key, v->public_key);
        assert_int_equal(ed25519_from_expanded(key.expanded, &again), 0);
        assert_memory_equal(&again, &key, sizeof(key));
        ed25519_sign(&key, key.public_key, 32, signature);
        assert_hex(signature, v->self_signature);
        assert_true(ed25519_verify(key.public_key, key.public_key, 32, signature));
    }
}

static void test_blinding_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        const struct ed25519_vector *v = &ed25519_vectors[i];
        uint8_t seed[32], param[32], public_key[32], signature[64];
        struct ed25519_key key, blinded;

        unhex(v->seed, seed, 32);
        unhex(v->blinding_param, param, 32);
        ed25519_from_seed(seed, &key);
        assert_int_equal(ed25519_blind(&key, param, &blinded), 0);
        assert_hex(blinded.expanded, v->blinded_secret);
        assert_hex(blinded.public_key, v->blinded_public);
        assert_int_equal(ed25519_public_blind(key.public_key, param, public_key), 0);
        assert_hex(public_key, v->blinded_public);
        ed25519_sign(&blinded, "x", 1, signature);
        assert_true(ed25519_verify(public_key, "x", 1, signature));
    }
    uint8_t zero[32] = {0}, out[32];
    assert_int_equal(ed25519_public_blind(zero, zero, out), -EINVAL);
}

static void test_curve25519_conversion(void **state)
{
    (void)state;
    unsigned signs = 0;

    for (size_t i = 0; i < VECTORS; i++) {
        const struct ed25519_vector *v = &ed25519_vectors[i];
        uint8_t expanded[64], public_key[32], sign_bit = 9;
        struct curve25519_key curve;
        struct ed25519_key key;

        unhex(v->expanded, expanded, 64);
        curve25519_from_secret(expanded, &curve);
        assert_hex(curve.public_key, v->curve25519_public);
        assert_int_equal(ed25519_from_curve25519(&curve, &key, &sign_bit), 0);
        assert_hex(key.public_key, v->public_key); // the scalar is the same
        assert_int_equal(ed25519_public_from_curve25519(curve.public_key, sign_bit, public_key), 0);
        assert_memory_equal(public_key, key.public_key, 32);
    }
    for (int i = 0; i < 100; i++) {
        uint8_t public_key[32], signature[64], sign_bit = 9;
        struct curve25519_key curve;
        struct ed25519_key key;

        curve25519_generate(&curve);
        assert_int_equal(ed25519_from_curve25519(&curve, &key, &sign_bit), 0);
        assert_true(sign_bit <= 1);
        signs |= 1u << sign_bit;
        curve.public_key[31] |= 0x80; // ignored, as by X25519
        assert_int_equal(ed25519_public_from_curve25519(curve.public_key, sign_bit, public_key), 0);
        assert_memory_equal(public_key, key.public_key, 32);
        ed25519_sign(&key, "message", 7, signature);
        assert_true(ed25519_verify(public_key, "message", 7, signature));
        public_key[31] ^= 0x80;
        assert_false(ed25519_verify(public_key, "message", 7, signature));
    }
    assert_int_equal(signs, 3);

    uint8_t minus_one[32], out[32]; // p - 1
    memset(minus_one, 0xff, 32);
    minus_one[0] = 0xec;
    minus_one[31] = 0x7f;
    assert_int_equal(ed25519_public_from_curve25519(minus_one, 0, out), -EINVAL);
}

static void test_matches_openssl(void **state)
{
    (void)state;
    uint8_t message[300];

    for (size_t n = 0; n < 150; n++) {
        uint8_t seed[32], ours[64], theirs[64], public_key[32];
        size_t length = 32;
        struct ed25519_key key;

        random_bytes(seed, sizeof(seed));
        random_bytes(message, sizeof(message));
        ed25519_from_seed(seed, &key);
        EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
        assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, public_key, &length), 1);
        assert_memory_equal(public_key, key.public_key, 32);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        length = 64;
        assert_int_equal(EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey), 1);
        assert_int_equal(EVP_DigestSign(ctx, theirs, &length, message, 2 * n), 1);
        ed25519_sign(&key, message, 2 * n, ours);
        assert_memory_equal(ours, theirs, 64);
        assert_true(ed25519_verify(public_key, message, 2 * n, theirs));
        EVP_MD_CTX_free(ctx);
        EVP_PKEY_free(pkey);
    }
}

static void test_every_bit_counts(void **state)
{
    (void)state;
    uint8_t message[20], signature[64];
    struct ed25519_key key;

    ed25519_generate(&key);
    random_bytes(message, sizeof(message));
    ed25519_sign(&key, message, sizeof(message), signature);
    for (unsigned bit = 0; bit < 64 * 8; bit++) {
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(ed25519_verify(key.public_key, message, sizeof(message), signature));
        signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (unsigned bit = 0; bit < sizeof(message) * 8; bit++) {
        message[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(ed25519_verify(key.public_key, message, sizeof(message), signature));
        message[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_false(ed25519_verify(key.public_key, message, sizeof(message) - 1, signature));
    assert_true(ed25519_verify(key.public_key, message, sizeof(message), signature));
}

static void test_refuses(void **state)
{
    (void)state;
    uint8_t zero[64] = {0}, identity[32] = {1}, signature[64] = {1};
    struct ed25519_key key;

    assert_int_equal(ed25519_from_expanded(zero, &key), -EINVAL);
    // The identity as key verifies R = identity, S = 0 for every message, unless it is refused.
    assert_false(ed25519_verify(identity, "x", 1, signature));
    assert_false(ed25519_verify(zero, "x", 1, zero));
    for (int i = 0; i < 200; i++) {
        uint8_t public_key[32], random[64];
        random_bytes(public_key, sizeof(public_key));
        random_bytes(random, sizeof(random));
        assert_false(ed25519_verify(public_key, "x", 1, random));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_blinding_vectors),
        cmocka_unit_test(test_curve25519_conversion),
        cmocka_unit_test(test_matches_openssl),
        cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_refuses),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
