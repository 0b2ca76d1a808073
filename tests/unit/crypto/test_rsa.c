// SPDX-License-Identifier: BSD-3-Clause
// RSA keys: forms, fingerprints, signatures without DigestInfo, bad and random input.
#include <errno.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/digest.h"
#include "crypto/random.h"
#include "crypto/rsa.h"
#include "descriptor_parts.h"
#include "descriptor_vector.h"
#include "hex.h"

static void test_forms(void **state)
{
    (void)state;
    char pem[RSA_PEM_MAX], again_pem[RSA_PEM_MAX];
    uint8_t der[RSA_DER_MAX], again_der[RSA_DER_MAX];

    struct rsa_key *key = rsa_generate(1024);
    assert_non_null(key);
    assert_int_equal(rsa_bits(key), 1024);
    assert_true(rsa_is_private(key));
    assert_true(rsa_exponent_is_65537(key));

    int length = rsa_to_pem(key, pem, sizeof(pem));
    assert_int_equal(length, strlen(pem));
    assert_memory_equal(pem, "-----BEGIN RSA PRIVATE KEY-----\n", 32);
    struct rsa_key *again = rsa_from_pem(pem, (size_t)length);
    assert_non_null(again);
    assert_true(rsa_equal(key, again));
    assert_int_equal(rsa_to_pem(again, again_pem, sizeof(again_pem)), length);
    assert_string_equal(pem, again_pem);
    assert_int_equal(rsa_to_pem(key, again_pem, (size_t)length), -EMSGSIZE);
    rsa_free(again);

    int der_length = rsa_public_to_der(key, der, sizeof(der));
    assert_int_equal(der_length, 140);
    assert_int_equal(rsa_public_to_der(key, again_der, 139), -EMSGSIZE);
    again = rsa_public_from_der(der, (size_t)der_length);
    assert_non_null(again);
    assert_true(rsa_equal(key, again));
    assert_false(rsa_is_private(again));
    assert_int_equal(rsa_to_pem(again, again_pem, sizeof(again_pem)), -EINVAL);
    assert_int_equal(rsa_sign(again, "x", 1, again_der, sizeof(again_der)), -EINVAL);
    rsa_free(again);

    length = rsa_public_to_pem(key, pem, sizeof(pem));
    assert_int_equal(length, strlen(pem));
    assert_int_equal(rsa_public_to_pem(key, again_pem, (size_t)length), -EMSGSIZE);
    again = rsa_public_from_pem(pem, (size_t)length);
    assert_non_null(again);
    assert_true(rsa_equal(key, again));
    rsa_free(again);
    assert_null(rsa_from_pem(pem, (size_t)length));

    again = rsa_public_from_evp(rsa_evp(key));
    assert_non_null(again);
    rsa_free(key);
    assert_int_equal(rsa_public_to_der(again, again_der, sizeof(again_der)), der_length);
    assert_memory_equal(der, again_der, (size_t)der_length);
    rsa_free(again);
    rsa_free(NULL);
}

static void test_signatures(void **state)
{
    (void)state;
    uint8_t message[118], signature[128], raw[128];

    struct rsa_key *key = rsa_generate(1024), *other = rsa_generate(1024);
    random_bytes(message, sizeof(message));
    for (size_t n = 1; n <= 117; n += 29) {
        assert_int_equal(rsa_sign(key, message, n, signature, sizeof(signature)), 128);
        assert_true(rsa_verify(key, message, n, signature, 128));
        assert_false(rsa_verify(key, message, n - 1, signature, 128));
        assert_false(rsa_verify(key, message, n + 1, signature, 128));
        assert_false(rsa_verify(key, message, n, signature, 127));
        assert_false(rsa_verify(other, message, n, signature, 128));
        for (unsigned bit = 0; bit < 1024; bit += 37) {
            signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(rsa_verify(key, message, n, signature, 128));
            signature[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    assert_int_equal(rsa_sign(key, message, 118, signature, sizeof(signature)), -EINVAL);
    assert_int_equal(rsa_sign(key, message, 20, signature, 127), -EMSGSIZE);

    // What is under the signature is 00 01 FF … FF 00 and the bytes themselves.
    size_t length = sizeof(raw);
    assert_int_equal(rsa_sign(key, message, 20, signature, sizeof(signature)), 128);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(rsa_evp(key), NULL);
    assert_int_equal(EVP_PKEY_verify_recover_init(ctx), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING), 1);
    assert_int_equal(EVP_PKEY_verify_recover(ctx, raw, &length, signature, 128), 1);
    assert_int_equal(raw[0], 0);
    assert_int_equal(raw[1], 1);
    for (int i = 2; i < 107; i++)
        assert_int_equal(raw[i], 0xff);
    assert_int_equal(raw[107], 0);
    assert_memory_equal(raw + 108, message, 20);
    EVP_PKEY_CTX_free(ctx);
    rsa_free(key);
    rsa_free(other);
}

// The descriptor's fingerprint and its RSA signature were made by C tor.
static void test_descriptor(void **state)
{
    (void)state;
    uint8_t signature[128], digest[20], fingerprint[20];

    struct rsa_key *key = descriptor_rsa_key("\nsigning-key\n");
    assert_non_null(key);
    rsa_fingerprint_sha1(key, fingerprint);
    assert_hex(fingerprint, "240320ecf589c1f4dc0b864b28af811359cefd86");
    assert_true(rsa_exponent_is_65537(key));

    static const char marker[] = "\nrouter-signature\n";
    const char *end = strstr(router_descriptor, marker) + strlen(marker);
    sha1(router_descriptor, (size_t)(end - router_descriptor), digest);
    assert_int_equal(descriptor_object("\nrouter-signature\n", signature, sizeof(signature)), 128);
    assert_true(rsa_verify(key, digest, sizeof(digest), signature, sizeof(signature)));
    digest[0] ^= 1;
    assert_false(rsa_verify(key, digest, sizeof(digest), signature, sizeof(signature)));
    rsa_free(key);
}

static void test_bad_forms(void **state)
{
    (void)state;
    uint8_t der[RSA_DER_MAX];

    struct rsa_key *key = rsa_generate(1024);
    int length = rsa_public_to_der(key, der, sizeof(der) - 1);
    for (int n = 0; n < length; n++) {
        uint8_t *copy = exact_copy(der, (size_t)n);
        assert_null(rsa_public_from_der(copy, (size_t)n));
        free(copy);
    }
    der[length] = 0;
    assert_null(rsa_public_from_der(der, (size_t)length + 1));
    rsa_free(key);

    assert_null(rsa_generate(256));
    assert_null(rsa_generate(8192));
    assert_null(rsa_from_pem("", 0));
    assert_null(rsa_public_from_pem("", 0));
    EVP_PKEY *ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    assert_null(rsa_public_from_evp(ed25519));
    assert_null(rsa_public_from_evp(NULL));
    EVP_PKEY_free(ed25519);

    // An encrypted key must not make OpenSSL ask on the terminal.
    static const char encrypted[] = "-----BEGIN RSA PRIVATE KEY-----\n"
                                    "Proc-Type: 4,ENCRYPTED\n"
                                    "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
                                    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"
                                    "-----END RSA PRIVATE KEY-----\n";
    assert_null(rsa_from_pem(encrypted, strlen(encrypted)));
}

static void test_random_input(void **state)
{
    (void)state;
    uint8_t der[RSA_DER_MAX], signature[RSA_SIG_MAX], random[8];
    char pem[RSA_PUBLIC_PEM_MAX];

    struct rsa_key *key = rsa_generate(1024);
    int der_length = rsa_public_to_der(key, der, sizeof(der));
    int pem_length = rsa_public_to_pem(key, pem, sizeof(pem));
    for (int i = 0; i < 400; i++) {
        random_bytes(random, sizeof(random));
        uint8_t *copy = exact_copy(der, (size_t)der_length);
        copy[random[0] % (i % 2 == 0 ? 8 : der_length)] ^= (uint8_t)(random[1] | 1);
        struct rsa_key *parsed = rsa_public_from_der(copy, (size_t)der_length);
        if (parsed != NULL) {
            random_bytes(signature, sizeof(signature));
            assert_false(rsa_verify(parsed, "x", 1, signature, (rsa_bits(parsed) + 7) / 8));
        }
        rsa_free(parsed);
        free(copy);

        copy = exact_copy(pem, (size_t)pem_length);
        copy[(random[2] | random[3] << 8) % pem_length] ^= random[4];
        rsa_free(rsa_public_from_pem((char *)copy, random[5] % 2 ? (size_t)pem_length
                                                                 : random[6] % (size_t)pem_length));
        rsa_free(rsa_from_pem((char *)copy, (size_t)pem_length));
        free(copy);
    }
    rsa_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_descriptor),   cmocka_unit_test(test_bad_forms),
        cmocka_unit_test(test_random_input),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
