// SPDX-License-Identifier: BSD-3-Clause
// Certificates between a relay's keys: those of a descriptor made by C tor, our own, broken ones.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/cross_cert.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "descriptor_parts.h"
#include "hex.h"

enum { NOW_S = 1602595629 }; // when the descriptor was published

static void test_descriptor(void **state)
{
    (void)state;
    uint8_t bytes[200], ed25519_id[32], rsa_id[20], onion_key[32];

    assert_int_equal(descriptor_argument("\nmaster-key-ed25519 ", ed25519_id, 32), 32);
    assert_int_equal(descriptor_argument("\nntor-onion-key ", onion_key, 32), 32);
    struct rsa_key *identity = descriptor_rsa_key("\nsigning-key\n");
    struct rsa_key *tap = descriptor_rsa_key("\nonion-key\n");
    assert_non_null(identity);
    assert_non_null(tap);
    rsa_fingerprint_sha1(identity, rsa_id);

    assert_int_equal(descriptor_object("\nonion-key-crosscert\n", bytes, sizeof(bytes)), 128);
    assert_int_equal(tap_cross_cert_check(bytes, 128, tap, rsa_id, ed25519_id), 0);
    assert_int_equal(tap_cross_cert_check(bytes, 127, tap, rsa_id, ed25519_id), -EBADMSG);
    assert_int_equal(tap_cross_cert_check(bytes, 128, identity, rsa_id, ed25519_id), -EBADMSG);
    assert_int_equal(tap_cross_cert_check(bytes, 128, tap, rsa_id, onion_key), -EBADMSG);

    int length = descriptor_object("\nntor-onion-key-crosscert 0\n", bytes, sizeof(bytes));
    assert_int_equal(length, ED_CERT_LEN);
    assert_int_equal(ntor_cross_cert_check(bytes, ED_CERT_LEN, onion_key, 0, ed25519_id, NOW_S), 0);
    assert_int_equal(ntor_cross_cert_check(bytes, ED_CERT_LEN, onion_key, 1, ed25519_id, NOW_S),
                     -EBADMSG);
    assert_int_equal(ntor_cross_cert_check(bytes, ED_CERT_LEN, onion_key, 2, ed25519_id, NOW_S),
                     -EPROTO);
    assert_int_equal(ntor_cross_cert_check(bytes, ED_CERT_LEN, onion_key, 0, onion_key, NOW_S),
                     -ENOKEY);
    assert_int_equal(ntor_cross_cert_check(bytes, ED_CERT_LEN, ed25519_id, 0, ed25519_id, NOW_S),
                     -EBADMSG);
    assert_int_equal(
        ntor_cross_cert_check(bytes, ED_CERT_LEN, onion_key, 0, ed25519_id, UINT64_C(4000000000)),
        -EKEYEXPIRED);
    rsa_free(identity);
    rsa_free(tap);
}

static void test_rsa_to_ed25519(void **state)
{
    (void)state;
    uint8_t bytes[CROSS_CERT_MAX], ed25519_id[32], other_id[32];

    struct rsa_key *key = rsa_generate(1024), *large = rsa_generate(2048);
    random_bytes(ed25519_id, sizeof(ed25519_id));
    random_bytes(other_id, sizeof(other_id));
    uint32_t hours = ed_cert_hours(NOW_S);
    assert_int_equal(cross_cert_make(key, ed25519_id, hours, bytes, CROSS_CERT_1024_LEN - 1),
                     -EMSGSIZE);
    assert_int_equal(cross_cert_make(large, ed25519_id, hours, bytes, sizeof(bytes)), -EINVAL);
    assert_int_equal(cross_cert_make(key, ed25519_id, hours, bytes, sizeof(bytes)),
                     CROSS_CERT_1024_LEN);
    size_t n = CROSS_CERT_1024_LEN;
    assert_int_equal(cross_cert_check(bytes, n, key, ed25519_id, NOW_S), 0);
    assert_int_equal(cross_cert_check(bytes, n, key, ed25519_id, hours * UINT64_C(3600)), 0);
    assert_int_equal(cross_cert_check(bytes, n, key, ed25519_id, hours * UINT64_C(3600) + 1),
                     -EKEYEXPIRED);
    assert_int_equal(cross_cert_check(bytes, n, key, other_id, NOW_S), -ENOKEY);
    assert_int_equal(cross_cert_check(bytes, n, large, ed25519_id, NOW_S), -EBADMSG);

    // The layout and what is signed, put together by hand (cert-spec 2.3).
    uint8_t text[] = "Tor TLS RSA/Ed25519 cross-certificate....................................";
    uint8_t digest[32];
    memcpy(text + 37, ed25519_id, 32);
    text[69] = (uint8_t)(hours >> 24), text[70] = (uint8_t)(hours >> 16);
    text[71] = (uint8_t)(hours >> 8), text[72] = (uint8_t)hours;
    sha256(text, 73, digest);
    assert_memory_equal(bytes, text + 37, 36);
    assert_int_equal(bytes[36], 128);
    assert_true(rsa_verify(key, digest, 32, bytes + 37, 128));

    for (size_t i = 0; i < n; i++) {
        uint8_t *copy = exact_copy(bytes, i);
        assert_int_equal(cross_cert_check(copy, i, key, ed25519_id, NOW_S), -EPROTO);
        free(copy);
        bytes[i] ^= 0x40;
        assert_true(cross_cert_check(bytes, n, key, ed25519_id, NOW_S) != 0);
        bytes[i] ^= 0x40;
    }
    bytes[n] = 0;
    assert_int_equal(cross_cert_check(bytes, n + 1, key, ed25519_id, NOW_S), -EPROTO);
    rsa_free(key);
    rsa_free(large);
}

static void test_onion_keys(void **state)
{
    (void)state;
    uint8_t bytes[128], ed25519_id[32], rsa_id[20], sign_bit;

    struct rsa_key *tap = rsa_generate(1024);
    random_bytes(ed25519_id, sizeof(ed25519_id));
    random_bytes(rsa_id, sizeof(rsa_id));
    assert_int_equal(tap_cross_cert_make(tap, rsa_id, ed25519_id, bytes, 127), -EMSGSIZE);
    assert_int_equal(tap_cross_cert_make(tap, rsa_id, ed25519_id, bytes, 128), 128);
    assert_int_equal(tap_cross_cert_check(bytes, 128, tap, rsa_id, ed25519_id), 0);
    rsa_id[0] ^= 1;
    assert_int_equal(tap_cross_cert_check(bytes, 128, tap, rsa_id, ed25519_id), -EBADMSG);
    rsa_free(tap);

    uint32_t hours = ed_cert_hours(NOW_S);
    for (int i = 0; i < 20; i++) {
        struct curve25519_key onion;
        curve25519_generate(&onion);
        assert_int_equal(ntor_cross_cert_make(&onion, ed25519_id, hours, bytes, &sign_bit),
                         ED_CERT_LEN);
        assert_int_equal(ntor_cross_cert_check(bytes, ED_CERT_LEN, onion.public_key, sign_bit,
                                               ed25519_id, NOW_S),
                         0);
        assert_int_equal(ntor_cross_cert_check(bytes, ED_CERT_LEN, onion.public_key, !sign_bit,
                                               ed25519_id, NOW_S),
                         -EBADMSG);
        bytes[i * 5] ^= 1;
        assert_true(ntor_cross_cert_check(bytes, ED_CERT_LEN, onion.public_key, sign_bit,
                                          ed25519_id, NOW_S) != 0);
    }
}

static void test_random_input(void **state)
{
    (void)state;
    uint8_t random[300], id[32];

    struct rsa_key *key = rsa_generate(1024);
    for (int i = 0; i < 500; i++) {
        random_bytes(random, sizeof(random));
        size_t length = i % 2 ? 165 : (random[298] | random[299] << 8) % 298;
        random[36] = i % 4 ? 128 : random[36];
        memcpy(id, random, 32);
        uint8_t *copy = exact_copy(random, length);
        assert_true(cross_cert_check(copy, length, key, id, 0) != 0);
        assert_true(tap_cross_cert_check(copy, length, key, id, id) != 0);
        copy[0] = 1; // at least one byte is there
        assert_true(ntor_cross_cert_check(copy, length, id, 1, id, 0) != 0);
        free(copy);
    }
    rsa_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptor),
        cmocka_unit_test(test_rsa_to_ed25519),
        cmocka_unit_test(test_onion_keys),
        cmocka_unit_test(test_random_input),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
