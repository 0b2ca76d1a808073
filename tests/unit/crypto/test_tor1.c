// SPDX-License-Identifier: BSD-3-Clause
// tor1 layers against the same thing done with OpenSSL's EVP (tor-spec: "Relay cells").
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cell.h"
#include "crypto/tor1.h"

// One direction at the other end of a hop: hashes all it has sent, in one piece.
struct reference {
    EVP_MD_CTX *digest;
    EVP_CIPHER_CTX *cipher;
};

static void reference_init(struct reference *r, const uint8_t *seed, const uint8_t *key)
{
    uint8_t iv[16] = {0};
    r->digest = EVP_MD_CTX_new();
    r->cipher = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_DigestInit_ex(r->digest, EVP_sha1(), NULL), 1);
    assert_int_equal(EVP_DigestUpdate(r->digest, seed, 20), 1);
    assert_int_equal(EVP_EncryptInit_ex(r->cipher, EVP_aes_128_ctr(), NULL, key, iv), 1);
}

static void reference_free(struct reference *r)
{
    EVP_MD_CTX_free(r->digest);
    EVP_CIPHER_CTX_free(r->cipher);
}

// Digest of `body` with its digest field zero; moves the running digest on.
static void reference_digest(struct reference *r, const uint8_t *body, uint8_t tag[20])
{
    uint8_t copy[CELL_BODY_LEN];
    memcpy(copy, body, sizeof(copy));
    memset(copy + 5, 0, 4);
    assert_int_equal(EVP_DigestUpdate(r->digest, copy, sizeof(copy)), 1);
    EVP_MD_CTX *now = EVP_MD_CTX_new();
    assert_int_equal(EVP_MD_CTX_copy_ex(now, r->digest), 1);
    assert_int_equal(EVP_DigestFinal_ex(now, tag, NULL), 1);
    EVP_MD_CTX_free(now);
}

static void reference_crypt(struct reference *r, uint8_t *body)
{
    int n = 0;
    assert_int_equal(EVP_EncryptUpdate(r->cipher, body, &n, body, CELL_BODY_LEN), 1);
}

struct hop {
    struct cell_cipher *cc;
    struct tor1_layer forward, backward;     // ours: a relay's
    struct reference client_fwd, client_bwd; // the other end's
    uint8_t buffer[CELL_CIPHER_SCRATCH + CELL_BODY_LEN];
    uint8_t *body;
};

static void hop_init(struct hop *h)
{
    uint8_t material[TOR1_MATERIAL_LEN];
    RAND_bytes(material, sizeof(material));
    h->body = h->buffer + CELL_CIPHER_SCRATCH;
    tor1_layers_init(h->cc, &h->forward, &h->backward, material);
    reference_init(&h->client_fwd, material, material + 40);
    reference_init(&h->client_bwd, material + 20, material + 56);
}

static void hop_free(struct hop *h)
{
    tor1_layer_clear(&h->forward);
    tor1_layer_clear(&h->backward);
    reference_free(&h->client_fwd);
    reference_free(&h->client_bwd);
}

static void relay_crypt(struct hop *h, struct tor1_layer *layer)
{
    cell_cipher_add(h->cc, &layer->cipher, h->body, h->body);
    cell_cipher_run(h->cc);
}

// Cells to this hop, between cells to others that look at first sight as if they were for it.
static void test_forward(void **state)
{
    struct hop *h = *state;
    hop_init(h);
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t plain[CELL_BODY_LEN], expected[20], tag[20];
        RAND_bytes(plain, sizeof(plain));
        unsigned kind = plain[100] % 3; // 0: ours, 1: recognized not 0, 2: recognized 0, bad digest
        memset(plain + 1, 0, 2);
        if (kind == 0) {
            reference_digest(&h->client_fwd, plain, expected);
            memcpy(plain + 5, expected, 4);
        } else if (kind == 1) {
            plain[1 + (plain[101] & 1)] = 1;
        }
        memcpy(h->body, plain, CELL_BODY_LEN);
        reference_crypt(&h->client_fwd, h->body);
        relay_crypt(h, &h->forward);
        assert_memory_equal(h->body, plain, CELL_BODY_LEN);
        memset(tag, 0x77, sizeof(tag));
        assert_int_equal(tor1_recognise(&h->forward, h->body, tag), kind == 0);
        assert_memory_equal(h->body, plain, CELL_BODY_LEN);
        if (kind != 0)
            memset(expected, 0x77, sizeof(expected));
        assert_memory_equal(tag, expected, sizeof(tag));
    }
    hop_free(h);
}

static void test_backward(void **state)
{
    struct hop *h = *state;
    hop_init(h);
    for (unsigned i = 0; i < 500; i++) {
        uint8_t sent[CELL_BODY_LEN], expected[20], tag[20];
        RAND_bytes(h->body, CELL_BODY_LEN);
        memcpy(sent, h->body, CELL_BODY_LEN);
        bool originated = sent[7] & 1; // else a cell that we pass on
        if (originated) {
            memset(sent + 1, 0, 2);
            reference_digest(&h->client_bwd, sent, expected);
            memcpy(sent + 5, expected, 4);
            tor1_originate(&h->backward, h->body, tag);
            assert_memory_equal(tag, expected, sizeof(tag));
        }
        relay_crypt(h, &h->backward);
        reference_crypt(&h->client_bwd, h->body);
        assert_memory_equal(h->body, sent, CELL_BODY_LEN);
    }
    hop_free(h);
}

// One wrong bit anywhere, or a cell seen twice, is not recognised, and does no harm to what
// follows.
static void test_mismatch_keeps_digest(void **state)
{
    struct hop *h = *state;
    hop_init(h);
    uint8_t cell[CELL_BODY_LEN] = {2}, expected[20], tag[20];
    reference_digest(&h->client_fwd, cell, expected);
    memcpy(cell + 5, expected, 4);
    for (unsigned bit = 0; bit < CELL_BODY_LEN * 8; bit++) {
        cell[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(tor1_recognise(&h->forward, cell, tag));
        cell[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(tor1_recognise(&h->forward, cell, tag));
    assert_memory_equal(tag, expected, sizeof(tag));
    assert_false(tor1_recognise(&h->forward, cell, tag));
    hop_free(h);
}

// A client's three layers, each taken off by its relay; only the last recognises.
static void test_three_hops(void **state)
{
    struct hop *base = *state;
    static struct hop hops[3];
    for (unsigned i = 0; i < 3; i++) {
        hops[i].cc = base->cc;
        hop_init(&hops[i]);
    }
    for (unsigned n = 0; n < 200; n++) {
        uint8_t cell[CELL_BODY_LEN], plain[CELL_BODY_LEN], expected[20], tag[20];
        RAND_bytes(plain, sizeof(plain));
        unsigned target = plain[20] % 3;
        memset(plain + 1, 0, 2);
        reference_digest(&hops[target].client_fwd, plain, expected);
        memcpy(plain + 5, expected, 4);
        memcpy(cell, plain, sizeof(cell));
        for (int i = (int)target; i >= 0; i--)
            reference_crypt(&hops[i].client_fwd, cell);
        for (unsigned i = 0; i <= target; i++) {
            memcpy(hops[i].body, cell, sizeof(cell));
            relay_crypt(&hops[i], &hops[i].forward);
            memcpy(cell, hops[i].body, sizeof(cell));
            assert_int_equal(tor1_recognise(&hops[i].forward, cell, tag), i == target);
        }
        assert_memory_equal(cell, plain, sizeof(cell));
        assert_memory_equal(tag, expected, sizeof(tag));
    }
    for (unsigned i = 0; i < 3; i++)
        hop_free(&hops[i]);
}

static int setup(void **state)
{
    struct hop *h = calloc(1, sizeof(*h));
    h->cc = cell_cipher_create();
    *state = h;
    return h->cc ? 0 : -1;
}

static int teardown(void **state)
{
    struct hop *h = *state;
    cell_cipher_destroy(h->cc);
    free(h);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_backward),
        cmocka_unit_test(test_mismatch_keeps_digest),
        cmocka_unit_test(test_three_hops),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
