// SPDX-License-Identifier: BSD-3-Clause
// SHA3-256 as a running digest against OpenSSL's (FIPS 202): every length, any split, and what
// comes after a look at it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/keccak.h"
#include "hex.h"

enum { LENGTH_MAX = 6 * SHA3_256_RATE + 3 };

static void reference(const uint8_t *bytes, size_t length, uint8_t out[32])
{
    unsigned n = 0;
    assert_int_equal(EVP_Digest(bytes, length, out, &n, EVP_sha3_256(), NULL), 1);
    assert_int_equal(n, 32);
}

static void fill(uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)rand();
}

// FIPS 202's example of a message of no bits, and NIST's vector SHA3_256ShortMsg of length 24.
static void test_vectors(void **state)
{
    static const struct {
        const char *message, *digest;
    } vectors[] = {
        {"", "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"},
        {"\x61\x62\x63", "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532"},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        struct sha3_256_run h;
        uint8_t out[32], expected[32];
        unhex(vectors[i].digest, expected, sizeof(expected));
        sha3_256_run_init(&h);
        sha3_256_run_update(&h, vectors[i].message, strlen(vectors[i].message));
        sha3_256_run_peek(&h, out);
        assert_memory_equal(out, expected, sizeof(out));
    }
}

static void test_every_length(void **state)
{
    (void)state;
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        struct sha3_256_run h;
        uint8_t *bytes = malloc(length + 1), out[32], expected[32]; // its end is watched
        fill(bytes + 1, length);
        reference(bytes + 1, length, expected);
        sha3_256_run_init(&h);
        sha3_256_run_update(&h, bytes + 1, length);
        sha3_256_run_peek(&h, out);
        assert_memory_equal(out, expected, sizeof(out));
        free(bytes);
    }
}

// Pieces of any length, and a look after each.
static void test_any_split(void **state)
{
    (void)state;
    static uint8_t bytes[40000];
    srand(1);
    fill(bytes, sizeof(bytes));
    for (unsigned round = 0; round < 60; round++) {
        struct sha3_256_run h;
        size_t at = 0, piece_max = round < 20 ? 20 : round < 40 ? 600 : 3000;
        sha3_256_run_init(&h);
        while (at < sizeof(bytes) && at < 100 * piece_max) {
            size_t n = (size_t)rand() % piece_max;
            uint8_t out[32], expected[32];
            n = n < sizeof(bytes) - at ? n : sizeof(bytes) - at;
            sha3_256_run_update(&h, bytes + at, n);
            at += n;
            reference(bytes, at, expected);
            sha3_256_run_peek(&h, out);
            assert_memory_equal(out, expected, sizeof(out));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_any_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
