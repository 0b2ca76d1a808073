// SPDX-License-Identifier: BSD-3-Clause
// The layer between a client and an onion service against the same thing done with OpenSSL's EVP:
// SHA3-256 over all that was sent, in one piece, and AES-256-CTR (rend-spec-v3, 4.2.1).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "base/cell.h"
#include "crypto/onion_layer.h"

// One direction, at the other side.
struct reference {
    EVP_MD_CTX *digest;
    EVP_CIPHER_CTX *cipher;
};

static void reference_init(struct reference *r, const uint8_t *seed, const uint8_t *key)
{
    uint8_t iv[16] = {0};
    r->digest = EVP_MD_CTX_new();
    r->cipher = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_DigestInit_ex(r->digest, EVP_sha3_256(), NULL), 1);
    assert_int_equal(EVP_DigestUpdate(r->digest, seed, 32), 1);
    assert_int_equal(EVP_EncryptInit_ex(r->cipher, EVP_aes_256_ctr(), NULL, key, iv), 1);
}

static void reference_free(struct reference *r)
{
    EVP_MD_CTX_free(r->digest);
    EVP_CIPHER_CTX_free(r->cipher);
}

static void reference_mark(struct reference *r, uint8_t *body, uint8_t digest[32])
{
    memset(body + 1, 0, 2);
    memset(body + 5, 0, 4);
    assert_int_equal(EVP_DigestUpdate(r->digest, body, CELL_BODY_LEN), 1);
    EVP_MD_CTX *now = EVP_MD_CTX_new();
    assert_int_equal(EVP_MD_CTX_copy_ex(now, r->digest), 1);
    assert_int_equal(EVP_DigestFinal_ex(now, digest, NULL), 1);
    EVP_MD_CTX_free(now);
    memcpy(body + 5, digest, 4);
}

static void reference_crypt(struct reference *r, uint8_t *body)
{
    int n = 0;
    assert_int_equal(EVP_EncryptUpdate(r->cipher, body, &n, body, CELL_BODY_LEN), 1);
}

struct side {
    struct cell_cipher *cc;
    struct onion_layer send, receive;
    struct reference to_us, from_us; // of the other side
    uint8_t buffer[CELL_CIPHER_SCRATCH + CELL_BODY_LEN];
    uint8_t *body;
};

static void side_init(struct side *s)
{
    uint8_t material[ONION_MATERIAL_LEN];
    RAND_bytes(material, sizeof(material));
    s->body = s->buffer + CELL_CIPHER_SCRATCH;
    onion_layers_init(&s->send, &s->receive, material);
    reference_init(&s->from_us, material, material + 64);
    reference_init(&s->to_us, material + 32, material + 96);
}

static void side_free(struct side *s)
{
    reference_free(&s->to_us);
    reference_free(&s->from_us);
}

static void crypt(struct side *s, struct onion_layer *layer)
{
    cell_cipher_add_long(s->cc, &layer->cipher, s->body, s->body);
    cell_cipher_run(s->cc);
}

static void test_sends(void **state)
{
    struct side *s = *state;
    side_init(s);
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t expected[CELL_BODY_LEN], digest[32], tag[ONION_TAG_LEN];
        RAND_bytes(s->body, CELL_BODY_LEN);
        memset(s->body + 5, 0, 4);
        memcpy(expected, s->body, sizeof(expected));
        reference_mark(&s->from_us, expected, digest);
        reference_crypt(&s->from_us, expected);
        onion_originate(&s->send, s->body, tag);
        crypt(s, &s->send);
        assert_memory_equal(s->body, expected, CELL_BODY_LEN);
        assert_memory_equal(tag, digest, sizeof(tag));
    }
    side_free(s);
}

static void test_receives(void **state)
{
    struct side *s = *state;
    side_init(s);
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t plain[CELL_BODY_LEN], digest[32], tag[ONION_TAG_LEN];
        RAND_bytes(plain, sizeof(plain));
        reference_mark(&s->to_us, plain, digest);
        memcpy(s->body, plain, sizeof(plain));
        reference_crypt(&s->to_us, s->body);
        crypt(s, &s->receive);
        assert_memory_equal(s->body, plain, sizeof(plain));
        assert_true(onion_recognise(&s->receive, s->body, tag));
        assert_memory_equal(tag, digest, sizeof(tag));
    }
    side_free(s);
}

// One wrong bit anywhere, or a cell seen twice, is not recognised, and the digest stays.
static void test_mismatch_keeps_digest(void **state)
{
    struct side *s = *state;
    side_init(s);
    uint8_t cell[CELL_BODY_LEN] = {2}, digest[32], tag[ONION_TAG_LEN], untouched[ONION_TAG_LEN];
    memset(tag, 0x77, sizeof(tag));
    memset(untouched, 0x77, sizeof(untouched));
    reference_mark(&s->to_us, cell, digest);
    for (unsigned bit = 0; bit < CELL_BODY_LEN * 8; bit++) {
        cell[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(onion_recognise(&s->receive, cell, tag));
        cell[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_memory_equal(tag, untouched, sizeof(tag));
    assert_true(onion_recognise(&s->receive, cell, tag));
    assert_memory_equal(tag, digest, sizeof(tag));
    assert_false(onion_recognise(&s->receive, cell, tag));
    side_free(s);
}

static int setup(void **state)
{
    struct side *s = calloc(1, sizeof(*s));
    s->cc = cell_cipher_create();
    *state = s;
    return s->cc ? 0 : -1;
}

static int teardown(void **state)
{
    struct side *s = *state;
    cell_cipher_destroy(s->cc);
    free(s);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sends),
        cmocka_unit_test(test_receives),
        cmocka_unit_test(test_mismatch_keeps_digest),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
