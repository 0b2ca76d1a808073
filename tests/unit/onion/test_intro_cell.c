// SPDX-License-Identifier: BSD-3-Clause
// ESTABLISH_INTRO and INTRODUCE1 as bytes. The vectors are data/make.py's: Python's hashlib and
// python3-cryptography.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../crypto/hex.h"
#include "crypto/random.h"
#include "onion/message/intro_cell.h"

enum { PLAIN_LEN = 134, LIMITED_LEN = 155 };

static const char plain[] =
    "02002099f7726420e033648a9144193d10e1e701c58a81fd7e5449dbc63379e6bfd5cf00e5cf4a3d9b06c42b31aa77"
    "420f38df4cbff7094c75fa2d04273c67b16c387604004041086cc8348e663e1ad6f1615340cb26d6a22ca7dcc969fe"
    "ae450217bd6e56c3bcf3c78a056ffa5dff4d96ea7782b306d67b6e798823f6f58b517b488f115e0b";
static const char limited[] =
    "02002099f7726420e033648a9144193d10e1e701c58a81fd7e5449dbc63379e6bfd5cf010113020100000000000000"
    "1e02000000000000012c508c2ad4aa8db9b02444b4d3c9e6e2424c250f1cd594363b037ab7d838fe7f3e0040b32fdf"
    "c2effb8c065c75040613f4661e3dd5503cd36c3e31c6d96ff53f62f8d0a9528f5a66ff0053611c2c7a97f377fa410b"
    "7f80bbb4f37ea829466d1aa4d109";

static void nonce_of_vectors(uint8_t nonce[20])
{
    for (uint8_t i = 0; i < 20; i++)
        nonce[i] = i;
}

static bool is_good(const uint8_t *body, size_t length, struct establish_intro *e)
{
    uint8_t nonce[20];
    nonce_of_vectors(nonce);
    return establish_intro_parse(body, length, e) && establish_intro_verify(e, nonce);
}

static void test_establish_intro(void **state)
{
    (void)state;
    struct establish_intro e;
    uint8_t body[LIMITED_LEN + 1], nonce[20];
    unhex(plain, body, PLAIN_LEN);
    assert_true(is_good(body, PLAIN_LEN, &e));
    assert_false(e.has_limit);
    assert_hex(e.auth_key, "99f7726420e033648a9144193d10e1e701c58a81fd7e5449dbc63379e6bfd5cf");
    nonce_of_vectors(nonce);
    nonce[19]++;
    assert_false(establish_intro_verify(&e, nonce)); // another circuit's
    unhex(limited, body, LIMITED_LEN);
    assert_true(is_good(body, LIMITED_LEN, &e));
    assert_true(e.has_limit);
    assert_int_equal(e.rate_per_s, 30);
    assert_int_equal(e.burst, 300);
    body[LIMITED_LEN] = 1; // what a later version may add
    assert_true(is_good(body, LIMITED_LEN + 1, &e));
}

static void test_every_byte_counts(void **state)
{
    (void)state;
    struct establish_intro e;
    uint8_t body[LIMITED_LEN];
    unhex(limited, body, LIMITED_LEN);
    for (size_t i = 0; i < LIMITED_LEN; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            body[i] ^= (uint8_t)(1 << bit);
            assert_false(is_good(body, LIMITED_LEN, &e));
            body[i] ^= (uint8_t)(1 << bit);
        }
        uint8_t *shorter = exact_copy(body, i);
        assert_false(is_good(shorter, i, &e));
        free(shorter);
    }
}

// Only reads: what there is of extensions, and the rest is zeros.
static bool parse_with(const char *extensions, struct establish_intro *e)
{
    uint8_t body[512] = {2, 0, 32};
    size_t n = strlen(extensions) / 2;
    unhex(extensions, body + 35, n);
    body[35 + n + 32 + 1] = 64;
    return establish_intro_parse(body, 35 + n + 32 + 2 + 64, e);
}

static void test_extensions(void **state)
{
    (void)state;
    static const struct {
        const char *block;
        bool good, has_limit;
        uint32_t rate, burst;
    } cases[] = {
        {"00", true, false, 0, 0},
        {"01"
         "0100",
         true, false, 0, 0}, // no number of parameters: malformed, so ignored
        {"01"
         "010100",
         true, true, 0, 0},
        {"01"
         "0113"
         "02"
         "010000000000000005"
         "020000000000000007",
         true, true, 5, 7},
        {"01"
         "0113"
         "02"
         "010000000000000007"
         "020000000000000007",
         true, true, 7, 7},
        {"01"
         "0113"
         "02"
         "010000000000000008"
         "020000000000000007",
         true, true, 0, 0},
        {"01"
         "0113"
         "02"
         "01000000000000000000"
         "0000000000000007" +
             0,
         true, false, 0, 0},
        {"01"
         "0113"
         "02"
         "010000000000000005"
         "02000000007fffffff",
         true, true, 5, 0x7fffffff},
        {"01"
         "0113"
         "02"
         "010000000000000005"
         "020000000080000000",
         true, true, 0, 0},
        {"01"
         "0113"
         "02"
         "010000000000000005"
         "030000000000000007",
         true, false, 0, 0}, // unknown
        {"01"
         "0113"
         "03"
         "010000000000000005"
         "020000000000000007",
         true, false, 0, 0}, // too short
        {"02"
         "0500"
         "0113"
         "02"
         "010000000000000005"
         "020000000000000007",
         true, true, 5, 7},
        {"02"
         "0113"
         "02"
         "010000000000000005"
         "020000000000000007"
         "0113"
         "02"
         "010000000000000001"
         "020000000000000002",
         true, true, 1, 2},
        {"03"
         "0500"
         "0600",
         false, false, 0, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct establish_intro e;
        assert_int_equal(parse_with(cases[i].block, &e), cases[i].good);
        if (!cases[i].good)
            continue;
        assert_int_equal(e.has_limit, cases[i].has_limit);
        assert_int_equal(e.rate_per_s, cases[i].rate);
        assert_int_equal(e.burst, cases[i].burst);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_establish_intro),
        cmocka_unit_test(test_every_byte_counts),
        cmocka_unit_test(test_extensions),
    };
    assert_int_equal(crypto_init(), 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
