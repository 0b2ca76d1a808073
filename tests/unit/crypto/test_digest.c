// SPDX-License-Identifier: BSD-3-Clause
// Hashes, HMAC and key derivation against published vectors and against OpenSSL.
#include <errno.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/digest.h"
#include "crypto/random.h"
#include "hex.h"

static void test_hash_vectors(void **state)
{
    (void)state;
    uint8_t out[64];

    // FIPS 180 examples, "abc".
    sha1("abc", 3, out);
    assert_hex(out, "a9993e364706816aba3e25717850c26c9cd0d89d");
    sha256("abc", 3, out);
    assert_hex(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha512("abc", 3, out);
    assert_hex(out, "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    sha256(NULL, 0, out);
    assert_hex(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    // Keccak Code Package, as in C tor's test_crypto.c (sha3).
    sha3_256("\xcc", 1, out);
    assert_hex(out, "677035391cd3701293d385f037ba32796252bb7ce180b00b582dd9b20aaad7f0");
    uint8_t part[32], whole[32];
    for (size_t n = 0; n <= 3; n++) {
        sha3_256_both("abc", n, 3, part, out);
        sha3_256("abc", n, whole);
        assert_memory_equal(part, whole, 32);
        sha3_256("abc", 3, whole);
        assert_memory_equal(out, whole, 32);
    }
    // NIST's SHAKE256 example of the empty message.
    shake256(NULL, 0, out, 32);
    assert_hex(out, "46b9dd2b0ba88d13233b3feb743eeb243fcd52ea62b81b82b50c27646ed5762f");
}

static void test_shake256_vector(void **state)
{
    (void)state;
    // Keccak Code Package, Len = 2040, as in C tor's test_crypto.c (sha3_xof); the output's first
    // 180 bytes.
    static const char message_hex[] = "3a3a819c48efde2ad914fbf00e18ab6bc4f14513ab27d0c178a188b61431"
                                      "e7f5623cb66b23346775d386b50e982c493adbbfc54b9a3cd383382336a1"
                                      "a0b2150a15358f336d03ae18f666c7573d55c4fd181c29e6ccfde63ea35f"
                                      "0adf5885cfc0a3d84a2b2e4dd24496db789e663170cef74798aa1bbcd457"
                                      "4ea0bba40489d764b2f83aadc66b148b4a0cd95246c127d5871c4f114186"
                                      "90a5ddf01246a0c80a43c70088b6183639dcfda4125bd113a8f49ee23ed3"
                                      "06faac576c3fb0c1e256671d817fc2534a52f5b439f72e424de376f4c565"
                                      "cca82307dd9ef76da5b7c4eb7e085172e328807c02d011ffbf33785378d7"
                                      "9dc266f6a5be6bb0e4a92eceebaeb1";
    uint8_t message[255], out[180], shorter[7];

    unhex(message_hex, message, sizeof(message));
    shake256(message, sizeof(message), out, sizeof(out));
    assert_hex(out, "8a5199b4a7e133e264a86202720655894d48cff344a928cf8347f48379ce"
                    "f347dfc5bcffab99b27b1f89aa2735e23d30088ffa03b9edb02b9635470a"
                    "b9f1038985d55f9ca774572dd006470ea65145469609f9fa0831bf1ffd84"
                    "2dc24acade27bd9816e3b5bf2876cb112232a0eb4475f1dff9f5c713d9ff"
                    "d4ccb89ae5607fe35731df06317949eef646e9591cf3be53add6b7dd2b60"
                    "96e2b3fb06e662ec8b2d77422daad9463cd155204acdbd38e319613f39f9");
    shake256(message, sizeof(message), shorter, sizeof(shorter));
    assert_memory_equal(shorter, out, sizeof(shorter));
}

static void test_hkdf_vectors(void **state)
{
    (void)state;
    uint8_t ikm[80], salt[80], info[80], out[100];

    // RFC 5869, A.1.
    memset(ikm, 0x0b, 22);
    unhex("000102030405060708090a0b0c", salt, 13);
    unhex("f0f1f2f3f4f5f6f7f8f9", info, 10);
    assert_int_equal(hkdf_sha256(ikm, 22, salt, 13, info, 10, out, 42), 0);
    assert_hex(out, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
                    "34007208d5b887185865");
    // A.2.
    for (unsigned i = 0; i < 80; i++) {
        ikm[i] = (uint8_t)i;
        salt[i] = (uint8_t)(0x60 + i);
        info[i] = (uint8_t)(0xb0 + i);
    }
    assert_int_equal(hkdf_sha256(ikm, 80, salt, 80, info, 80, out, 82), 0);
    assert_hex(out, "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
                    "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
                    "cc30c58179ec3e87c14c01d5c1f3434f1d87");
    // A.3.
    memset(ikm, 0x0b, 22);
    assert_int_equal(hkdf_sha256(ikm, 22, "", 0, "", 0, out, 42), 0);
    assert_hex(out, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
                    "9d201395faa4b61a96c8");
    // C tor's test_crypto.c (hkdf_sha256), which has it from ntor_ref.py.
    static const char extract[] = "ntor-curve25519-sha256-1:key_extract";
    static const char expand[] = "ntor-curve25519-sha256-1:key_expand";
    assert_int_equal(
        hkdf_sha256("Tor", 3, extract, strlen(extract), expand, strlen(expand), out, 100), 0);
    assert_hex(out, "5521492a85139a8d9107a2d5c0d9c91610d0f95989975ebee6"
                    "c02a4f8d622a6cfdf9b7c7edd3832e2760ded1eac309b76f8d"
                    "66c4a3c4d6225429b3a016e3c3d45911152fc87bc2de9630c3"
                    "961be9fdb9f93197ea8e5977180801926d3321fa21513e59ac");
}

static void test_kdf_tor_vectors(void **state)
{
    (void)state;
    uint8_t out[100];

    // C tor's test_crypto.c (kdf_TAP).
    assert_int_equal(kdf_tor("", 0, out, sizeof(out)), 0);
    assert_hex(out, "5ba93c9db0cff93f52b521d7420e43f6eda2784fbf8b4530d8"
                    "d246dd74ac53a13471bba17941dff7c4ea21bb365bbeeaf5f2"
                    "c654883e56d11e43c44e9842926af7ca0a8cca12604f945414"
                    "f07b01e13da42c6cf1de3abfdea9b95f34687cbbe92b9a7383");
    assert_int_equal(kdf_tor("Tor", 3, out, sizeof(out)), 0);
    assert_hex(out, "776c6214fc647aaa5f683c737ee66ec44f03d0372e1cce6922"
                    "7950f236ddf1e329a7ce7c227903303f525a8c6662426e8034"
                    "870642a6dabbd41b5d97ec9bf2312ea729992f48f8ea2d0ba8"
                    "3f45dfda1a80bdc8b80de01b23e3e0ffae099b3e4ccf28dc28");
}

static void test_limits(void **state)
{
    (void)state;
    uint8_t big[256] = {0};
    uint8_t *out = malloc(KDF_TOR_OUT_MAX + HKDF_OUT_MAX);

    assert_non_null(out);
    assert_int_equal(kdf_tor(big, 65, out, 20), -EINVAL);
    assert_int_equal(kdf_tor(big, 64, out, KDF_TOR_OUT_MAX + 1), -EINVAL);
    assert_int_equal(kdf_tor(big, 64, out, KDF_TOR_OUT_MAX), 0);
    assert_int_equal(hkdf_sha256(big, 9, big, 9, big, HKDF_INFO_MAX + 1, out, 20), -EINVAL);
    assert_int_equal(hkdf_sha256(big, 9, big, 9, big, HKDF_INFO_MAX, out, HKDF_OUT_MAX + 1),
                     -EINVAL);
    assert_int_equal(hkdf_sha256(big, 9, big, 9, big, HKDF_INFO_MAX, out, HKDF_OUT_MAX), 0);
    free(out);
}

static void test_hmac_matches_openssl(void **state)
{
    (void)state;
    uint8_t key[200], message[300], ours[32], theirs[32];
    unsigned length = 0;

    for (size_t i = 0; i < 300; i++) {
        size_t key_length = i * 2 / 3;
        random_bytes(key, sizeof(key));
        random_bytes(message, sizeof(message));
        hmac_sha256(key, key_length, message, i, ours);
        HMAC(EVP_sha256(), key, (int)key_length, message, i, theirs, &length);
        assert_memory_equal(ours, theirs, 32);
    }
}

// Pieces of any size give the digest of the whole, and peeking changes nothing.
static void test_incremental(void **state)
{
    (void)state;
    uint8_t message[1000], peeked[32], whole[32];
    struct sha256 h, copy;

    random_bytes(message, sizeof(message));
    for (size_t step = 1; step < 200; step += 13) {
        sha256_init(&h);
        for (size_t at = 0; at < sizeof(message); at += step) {
            size_t part = sizeof(message) - at < step ? sizeof(message) - at : step;
            sha256_update(&h, message + at, part);
            copy = h;
            sha256_peek(&copy, peeked);
            SHA256(message, at + part, whole);
            assert_memory_equal(peeked, whole, 32);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_vectors), cmocka_unit_test(test_shake256_vector),
        cmocka_unit_test(test_hkdf_vectors), cmocka_unit_test(test_kdf_tor_vectors),
        cmocka_unit_test(test_limits),       cmocka_unit_test(test_hmac_matches_openssl),
        cmocka_unit_test(test_incremental),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
