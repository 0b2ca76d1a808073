// SPDX-License-Identifier: BSD-3-Clause
// Record encryption in pieces against OpenSSL's EVP in one piece: all ciphers, sizes and splits.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/message.h"
#include "crypto/record_aead.h"

enum { LENGTH_MAX = 16384 + 256 };

static const struct {
    uint16_t suite;
    const char *name;
} ciphers[] = {
    {TLS_AES_128_GCM_SHA256_ID, "AES-128-GCM"},
    {TLS_AES_256_GCM_SHA384_ID, "AES-256-GCM"},
    {TLS_CHACHA20_POLY1305_SHA256_ID, "ChaCha20-Poly1305"},
};

struct fixture {
    struct record_aead *ra;
    struct record_key key;
    uint8_t plain[LENGTH_MAX], cipher[LENGTH_MAX], out[LENGTH_MAX];
};

static uint64_t random_state = 0x2545f4914f6cdd1d;

static uint32_t below(uint32_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 24) % limit;
}

static void reference_seal(const char *name, const uint8_t *key, const uint8_t iv[12],
                           uint64_t sequence, const uint8_t *aad, const uint8_t *src, int length,
                           uint8_t *dst, uint8_t tag[16])
{
    uint8_t nonce[12];
    int n = 0;
    memcpy(nonce, iv, 12);
    for (unsigned i = 0; i < 8; i++)
        nonce[11 - i] ^= (uint8_t)(sequence >> (8 * i));
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_EncryptInit_ex(ctx, cipher, NULL, key, nonce), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, NULL, &n, aad, RECORD_AAD_LEN), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, dst, &n, src, length), 1);
    assert_int_equal(EVP_EncryptFinal_ex(ctx, dst + length, &n), 1);
    assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag), 1);
    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
}

typedef void piece_fn(const struct record_aead *, struct record_op *, const struct record_key *,
                      uint8_t *, const uint8_t *, size_t);

// Feeds `length` bytes in random pieces of at most `piece_max`, some of them empty.
static void in_pieces(struct fixture *f, piece_fn *piece, struct record_op *op, uint8_t *dst,
                      const uint8_t *src, size_t length, uint32_t piece_max)
{
    size_t done = 0;
    while (done < length) {
        size_t n = below(piece_max + 1);
        if (n > length - done)
            n = length - done;
        piece(f->ra, op, &f->key, dst + done, src + done, n);
        done += n;
    }
}

static size_t pick_length(unsigned i)
{
    static const uint16_t edges[] = {0,   1,   15,  16,  17,    127,   128,
                                     129, 255, 256, 514, 16383, 16384, 16385};
    if (i < sizeof(edges) / sizeof(edges[0]))
        return edges[i];
    return i % 4 == 0 ? below(LENGTH_MAX + 1) : below(1200);
}

static void check_one(struct fixture *f, unsigned which, size_t length, uint32_t piece_max)
{
    uint8_t secret[32], iv[12], aad[RECORD_AAD_LEN], tag[16], expected_tag[16];
    static uint8_t expected[LENGTH_MAX + 16];
    struct record_op op;
    uint64_t sequence = ((uint64_t)below(UINT32_MAX) << 32) + below(UINT32_MAX);
    RAND_bytes(secret, sizeof(secret));
    RAND_bytes(iv, sizeof(iv));
    RAND_bytes(aad, sizeof(aad));
    RAND_bytes(f->plain, (int)length);
    assert_true(record_key_init(f->ra, &f->key, ciphers[which].suite, secret, iv, sequence));
    reference_seal(ciphers[which].name, secret, iv, sequence, aad, f->plain, (int)length, expected,
                   expected_tag);

    record_aead_begin(f->ra, &op, &f->key, aad);
    in_pieces(f, record_aead_seal, &op, f->cipher, f->plain, length, piece_max);
    record_aead_seal_end(f->ra, &op, &f->key, tag);
    assert_memory_equal(f->cipher, expected, length);
    assert_memory_equal(tag, expected_tag, 16);
    assert_int_equal(f->key.sequence, sequence + 1);

    f->key.sequence = sequence;
    record_aead_begin(f->ra, &op, &f->key, aad);
    in_pieces(f, record_aead_open, &op, f->out, f->cipher, length, piece_max);
    assert_true(record_aead_open_end(f->ra, &op, &f->key, tag));
    assert_memory_equal(f->out, f->plain, length);
    assert_int_equal(f->key.sequence, sequence + 1);

    // One wrong bit: in the tag, the header or the content.
    unsigned what = below(3);
    if (what == 2 && length == 0)
        what = 0;
    uint8_t *victim = what == 0   ? tag + below(16)
                      : what == 1 ? aad + below(5)
                                  : f->cipher + below((uint32_t)length);
    *victim ^= (uint8_t)(1 << below(8));
    f->key.sequence = sequence;
    record_aead_begin(f->ra, &op, &f->key, aad);
    in_pieces(f, record_aead_open, &op, f->out, f->cipher, length, piece_max);
    assert_false(record_aead_open_end(f->ra, &op, &f->key, tag));
    assert_int_equal(f->key.sequence, sequence);
    record_key_clear(&f->key);
}

static void test_against_openssl(void **state)
{
    static const uint32_t piece_max[] = {1, 7, 16, 64, 514, 1448, LENGTH_MAX};
    for (unsigned which = 0; which < 3; which++) {
        for (unsigned i = 0; i < 1200; i++) {
            size_t length = pick_length(i);
            check_one(*state, which, length, piece_max[i % 7]);
        }
    }
}

// In place, as a receiver may do it.
static void test_in_place(void **state)
{
    struct fixture *f = *state;
    const uint8_t secret[32] = {1}, iv[12] = {2}, aad[5] = {23, 3, 3, 0, 0};
    struct record_op op;
    uint8_t tag[16];
    for (unsigned which = 0; which < 3; which++) {
        RAND_bytes(f->plain, 3000);
        memcpy(f->out, f->plain, 3000);
        assert_true(record_key_init(f->ra, &f->key, ciphers[which].suite, secret, iv, 9));
        record_aead_begin(f->ra, &op, &f->key, aad);
        in_pieces(f, record_aead_seal, &op, f->out, f->out, 3000, 100);
        record_aead_seal_end(f->ra, &op, &f->key, tag);
        assert_memory_not_equal(f->out, f->plain, 3000);
        f->key.sequence = 9;
        record_aead_begin(f->ra, &op, &f->key, aad);
        in_pieces(f, record_aead_open, &op, f->out, f->out, 3000, 333);
        assert_true(record_aead_open_end(f->ra, &op, &f->key, tag));
        assert_memory_equal(f->out, f->plain, 3000);
    }
}

static void test_keys(void **state)
{
    struct fixture *f = *state;
    const uint8_t secret[32] = {1}, iv[12] = {2}, aad[5] = {0}, tag[16] = {0};
    struct record_op op;
    assert_true(record_key_init(f->ra, &f->key, ciphers[0].suite, secret, iv, 0));
    record_key_clear(&f->key);
    const uint8_t *bytes = (const uint8_t *)&f->key;
    for (size_t i = 0; i < sizeof(f->key); i++)
        assert_int_equal(bytes[i], 0);
    assert_false(record_key_init(f->ra, &f->key, 0x1304, secret, iv, 0));
    assert_false(record_key_init(f->ra, &f->key, TLS_CIPHER_NONE, secret, iv, 0));
    // A key that is not set opens nothing.
    record_aead_begin(f->ra, &op, &f->key, aad);
    assert_false(record_aead_open_end(f->ra, &op, &f->key, tag));
}

static int setup_with(void **state, struct record_aead *ra)
{
    struct fixture *f = aligned_alloc(64, (sizeof(*f) + 63) / 64 * 64);
    memset(f, 0, sizeof(*f));
    f->ra = ra;
    *state = f;
    return f->ra ? 0 : -1;
}

static int setup(void **state)
{
    return setup_with(state, record_aead_create());
}

static int setup_library(void **state)
{
    return setup_with(state, record_aead_create_library());
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    record_aead_destroy(f->ra);
    free(f);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_openssl),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_keys),
    };
    int failed = cmocka_run_group_tests_name("chosen", tests, setup, teardown);
    return failed + cmocka_run_group_tests_name("the library's", tests, setup_library, teardown);
}
