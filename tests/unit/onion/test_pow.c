// SPDX-License-Identifier: BSD-3-Clause
// Proofs of work: C tor's vectors, solved and checked; whatever is changed in a proof makes it
// none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "../crypto/hex.h"
#include "crypto/equix.h"
#include "crypto/random.h"
#include "onion/pow/pow.h"
#include "pow_vectors.h"

static void test_challenge(void **state)
{
    (void)state;
    uint8_t blinded[32], seed[32], nonce[16], challenge[POW_CHALLENGE_LEN];
    memset(blinded, 0x11, sizeof(blinded));
    memset(seed, 0xaa, sizeof(seed));
    memset(nonce, 0x55, sizeof(nonce));
    pow_challenge(blinded, seed, nonce, 0x01020304, challenge);
    assert_hex(challenge, "546f7220687320696e74726f20763100"
                          "1111111111111111111111111111111111111111111111111111111111111111"
                          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                          "5555555555555555555555555555555501020304");
}

// Digests of four bytes, which libsodium's manual does not promise. From Python's hashlib.
static void test_short_digest(void **state)
{
    (void)state;
    uint8_t out[4];
    assert_int_equal(crypto_generichash_blake2b(out, 4, (const uint8_t *)"abc", 3, NULL, 0), 0);
    assert_hex(out, "63906248");
}

static void test_next_nonce(void **state)
{
    (void)state;
    uint8_t nonce[POW_NONCE_LEN];
    unhex("fe000000000000000000000000000000", nonce, sizeof(nonce));
    pow_next_nonce(nonce);
    assert_hex(nonce, "ff000000000000000000000000000000");
    pow_next_nonce(nonce);
    assert_hex(nonce, "00010000000000000000000000000000");
    memset(nonce, 0xff, sizeof(nonce));
    pow_next_nonce(nonce);
    assert_hex(nonce, "00000000000000000000000000000000");
}

static void test_solve(void **state)
{
    (void)state;
    struct equix *e = equix_create(true, true);
    for (unsigned i = 0; i < sizeof(pow_solved) / sizeof(pow_solved[0]); i++) {
        uint8_t blinded[32], seed[32];
        struct pow_proof proof = {.effort = pow_solved[i].effort};
        unhex(pow_solved[i].blinded, blinded, sizeof(blinded));
        unhex(pow_solved[i].seed, seed, sizeof(seed));
        unhex(pow_solved[i].first_nonce, proof.nonce, sizeof(proof.nonce));
        while (!pow_try(e, blinded, seed, &proof))
            pow_next_nonce(proof.nonce);
        assert_true(proof.present);
        assert_hex(proof.nonce, pow_solved[i].nonce);
        assert_hex(proof.solution, pow_solved[i].solution);
        assert_memory_equal(proof.seed_head, seed, sizeof(proof.seed_head));
        assert_true(pow_check(e, blinded, seed, &proof));
    }
    equix_free(e);
}

static void test_check(void **state)
{
    (void)state;
    struct equix *e = equix_create(false, true);
    for (unsigned i = 0; i < sizeof(pow_checked) / sizeof(pow_checked[0]); i++) {
        uint8_t blinded[32], seed[32];
        struct pow_proof proof = {.effort = pow_checked[i].effort};
        unhex(pow_checked[i].blinded, blinded, sizeof(blinded));
        unhex(pow_checked[i].seed, seed, sizeof(seed));
        unhex(pow_checked[i].nonce, proof.nonce, sizeof(proof.nonce));
        unhex(pow_checked[i].solution, proof.solution, sizeof(proof.solution));
        assert_int_equal(pow_check(e, blinded, seed, &proof), pow_checked[i].good);
    }
    equix_free(e);
}

static void test_changed(void **state)
{
    (void)state;
    struct equix *e = equix_create(false, true);
    uint8_t blinded[32], seed[32];
    struct pow_proof good = {.effort = 1000000}, bad;
    unhex(pow_checked[2].blinded, blinded, sizeof(blinded));
    unhex(pow_checked[2].seed, seed, sizeof(seed));
    unhex(pow_checked[2].nonce, good.nonce, sizeof(good.nonce));
    unhex(pow_checked[2].solution, good.solution, sizeof(good.solution));
    assert_true(pow_check(e, blinded, seed, &good));
    for (unsigned bit = 0; bit < 128; bit++) {
        bad = good;
        bad.nonce[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(pow_check(e, blinded, seed, &bad));
        bad = good;
        bad.solution[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(pow_check(e, blinded, seed, &bad));
        bad = good;
        bad.effort ^= 1u << bit % 32;
        assert_false(pow_check(e, blinded, seed, &bad));
        blinded[bit / 8] ^= 1;
        assert_false(pow_check(e, blinded, seed, &good));
        blinded[bit / 8] ^= 1;
        seed[bit / 8] ^= 0x80;
        assert_false(pow_check(e, blinded, seed, &good));
        seed[bit / 8] ^= 0x80;
    }
    equix_free(e);
}

int main(void)
{
    if (crypto_init() != 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_challenge),  cmocka_unit_test(test_short_digest),
        cmocka_unit_test(test_next_nonce), cmocka_unit_test(test_solve),
        cmocka_unit_test(test_check),      cmocka_unit_test(test_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
