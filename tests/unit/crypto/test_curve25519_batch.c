// SPDX-License-Identifier: BSD-3-Clause
// X25519 in lanes: RFC 7748, points of small order and numbers above p, OpenSSL on random input, in
// every implementation that this CPU can run; AVX-512's runs emulated, too.
//
// RAMSON_CURVE25519_RANDOM=1000000 in the environment: so many random inputs.
// RAMSON_CURVE25519_CHAIN=1000000: the longest of RFC 7748's iterations (native code only).
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/curve25519.h"
#include "crypto/random.h"
#include "curve25519_batch_internal.h"
#include "curve25519_emulated.h"
#include "hex.h"

enum { MOST = 256 };

struct keys {
    uint8_t secret[MOST][32], peer[MOST][32], out[MOST][32];
    struct curve25519_exchange list[MOST];
};

static const struct curve25519_kernel *const kernels[] = {&curve25519_emulated, &curve25519_avx2,
                                                          &curve25519_ifma, NULL};
enum { KERNELS = sizeof(kernels) / sizeof(kernels[0]) };
static struct curve25519_batch *batches[KERNELS]; // NULL: not on this CPU

static int make_batches(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KERNELS; i++) {
        batches[i] = curve25519_batch_create_choice(kernels[i]);
        printf("%-24s %s\n", kernels[i] ? kernels[i]->name : "one by one",
               batches[i] ? "tested" : "not on this CPU");
    }
    return batches[0] && batches[KERNELS - 1] ? 0 : -1;
}

static int free_batches(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KERNELS; i++)
        curve25519_batch_free(batches[i]);
    return 0;
}

static struct keys *random_keys(void)
{
    struct keys *k = malloc(sizeof(*k));
    assert_non_null(k);
    random_bytes(k->secret, sizeof(k->secret));
    random_bytes(k->peer, sizeof(k->peer));
    memset(k->out, 0xaa, sizeof(k->out));
    for (unsigned i = 0; i < MOST; i++)
        k->list[i] = (struct curve25519_exchange){k->secret[i], k->peer[i], k->out[i], false};
    return k;
}

static void assert_openssl(const struct curve25519_exchange *e)
{
    uint8_t theirs[32];
    size_t length = 32;
    EVP_PKEY *a = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, e->secret, 32);
    if (e->peer) {
        EVP_PKEY *b = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, e->peer, 32);
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(a, NULL);
        assert_int_equal(EVP_PKEY_derive_init(ctx), 1);
        assert_int_equal(EVP_PKEY_derive_set_peer(ctx, b), 1);
        assert_int_equal(EVP_PKEY_derive(ctx, theirs, &length), 1);
        EVP_PKEY_CTX_free(ctx);
        EVP_PKEY_free(b);
    } else {
        assert_int_equal(EVP_PKEY_get_raw_public_key(a, theirs, &length), 1);
    }
    EVP_PKEY_free(a);
    assert_true(e->good);
    assert_memory_equal(e->out, theirs, 32);
}

// RFC 7748, section 5.2. The second u has its top bit set.
static void test_rfc7748(void **state)
{
    (void)state;
    static const char *const vectors[][3] = {
        {"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
         "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
         "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
        {"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
         "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
         "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
    };
    static const char *const pairs[][2] = {
        // section 6.1
        {"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
         "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"},
        {"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
         "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"},
    };
    for (unsigned b = 0; b < KERNELS; b++) {
        if (!batches[b])
            continue;
        for (unsigned at = 0; at < 20; at++) { // in any lane, any vector
            struct keys *k = random_keys();
            for (unsigned i = 0; i < 2; i++) {
                unhex(vectors[i][0], k->secret[at + i], 32);
                unhex(vectors[i][1], k->peer[at + i], 32);
                unhex(pairs[i][0], k->secret[at + 2 + i], 32);
                k->list[at + 2 + i].peer = NULL;
            }
            curve25519_many(batches[b], k->list, at + 4);
            for (unsigned i = 0; i < 2; i++) {
                assert_hex(k->out[at + i], vectors[i][2]);
                assert_hex(k->out[at + 2 + i], pairs[i][1]);
            }
            assert_int_equal(k->out[at + 4][0], 0xaa); // and nothing behind
            free(k);
        }
    }
}

static unsigned long asked(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : otherwise;
}

// RFC 7748, section 5.2: the result is the next scalar, and the scalar the next u. The other lanes
// do random work meanwhile, which OpenSSL does, too.
static void run_chain(unsigned b, unsigned long rounds)
{
    struct keys *k = random_keys();
    unsigned n = kernels[b] ? kernels[b]->lanes : 1;
    bool compares = rounds <= 1000;
    memset(k->secret[0], 0, 32);
    memset(k->peer[0], 0, 32);
    k->secret[0][0] = k->peer[0][0] = 9;
    for (unsigned long i = 0; i < rounds; i++) {
        curve25519_many(batches[b], k->list, n);
        for (unsigned lane = 1; compares && lane < n; lane++)
            assert_openssl(&k->list[lane]);
        for (unsigned lane = 0; lane < n; lane++) {
            memcpy(k->peer[lane], k->secret[lane], 32);
            memcpy(k->secret[lane], k->out[lane], 32);
        }
        if (i == 0)
            assert_hex(k->out[0],
                       "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
        if (i == 999)
            assert_hex(k->out[0],
                       "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
        if (i == 999999)
            assert_hex(k->out[0],
                       "7c3911e0ab2586fd864497297e575e6f3bc601c0883c30df5f4dd2d24f665424");
    }
    printf("%s: %lu iterations, and %lu exchanges as OpenSSL's beside them\n",
           curve25519_batch_implementation(batches[b]), rounds, compares ? rounds * (n - 1) : 0);
    free(k);
}

static void test_rfc7748_chain(void **state)
{
    (void)state;
    for (unsigned b = 0; b < KERNELS; b++)
        if (batches[b])
            run_chain(b, b == 0 ? 1000 : asked("RAMSON_CURVE25519_CHAIN", 1000));
}

static void test_matches_openssl(void **state)
{
    (void)state;
    for (unsigned b = 0; b < KERNELS; b++) {
        if (!batches[b])
            continue;
        unsigned long done = 0, wanted = asked("RAMSON_CURVE25519_RANDOM", b == 0 ? 768 : 2048);
        while (done < wanted) {
            struct keys *k = random_keys();
            size_t n = done == 0 ? MOST : 1 + random_uniform(MOST);
            for (unsigned i = 0; i < n; i++)
                if (random_uniform(3) == 0)
                    k->list[i].peer = NULL;
            curve25519_many(batches[b], k->list, n);
            for (unsigned i = 0; i < n; i++)
                assert_openssl(&k->list[i]);
            assert_true(n == MOST || k->out[n][0] == 0xaa);
            done += n;
            free(k);
        }
        printf("%s: %lu random exchanges as OpenSSL's\n",
               curve25519_batch_implementation(batches[b]), done);
    }
}

// u = p - 1, p, p + 1 … 2^255 - 1, small numbers, and secrets of all ones and zeros: the longest
// carries. Those that are points of small order (https://cr.yp.to/ecdh.html#validate) give zeros
// and are no good, and nothing happens to those beside them.
static void test_edges(void **state)
{
    (void)state;
    static const char *const small_order[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    enum { SMALL = sizeof(small_order) / sizeof(small_order[0]), NEAR = 19, N = SMALL + NEAR + 3 };
    for (unsigned b = 0; b < KERNELS; b++) {
        if (!batches[b])
            continue;
        for (unsigned round = 0; round < 12; round++) {
            static const uint8_t zeros[32];
            struct keys *k = random_keys();
            for (unsigned i = 0; i < N; i++) {
                if (round % 3 != 0)
                    memset(k->secret[i], round % 3 == 1 ? 0xff : 0, 32);
                if (i < SMALL) {
                    unhex(small_order[i], k->peer[i], 32);
                } else if (i < SMALL + NEAR) {
                    memset(k->peer[i], 0xff, 32);
                    k->peer[i][0] = (uint8_t)(0xed + i - SMALL);
                    k->peer[i][31] = 0x7f;
                } else {
                    memset(k->peer[i], 0, 32);
                    k->peer[i][0] = (uint8_t)(2 + i - SMALL - NEAR);
                }
                k->peer[i][31] |= (uint8_t)((round & 1) << 7);
            }
            for (unsigned i = N; i < 2 * N; i++)
                k->list[i].peer = NULL;
            for (unsigned i = N; i > 1; i--) { // shuffled
                unsigned other = random_uniform(i);
                struct curve25519_exchange was = k->list[i - 1];
                k->list[i - 1] = k->list[other];
                k->list[other] = was;
            }
            curve25519_many(batches[b], k->list, 2 * N);
            for (unsigned i = 0; i < 2 * N; i++) {
                struct curve25519_exchange *e = &k->list[i];
                uint8_t expected[32];
                if (e->peer && !curve25519_shared(e->secret, e->peer, expected)) {
                    assert_false(e->good);
                    assert_memory_equal(e->out, zeros, 32);
                } else {
                    assert_openssl(e);
                }
            }
            free(k);
        }
    }
}

// What goes in stays as it is; none is fine, too.
static void test_inputs_stay(void **state)
{
    (void)state;
    for (unsigned b = 0; b < KERNELS; b++) {
        if (!batches[b])
            continue;
        struct keys *k = random_keys(), *before = malloc(sizeof(*before));
        assert_non_null(before);
        memcpy(before, k, sizeof(*k));
        curve25519_many(batches[b], k->list, 0);
        assert_memory_equal(before->out, k->out, sizeof(k->out));
        curve25519_many(batches[b], k->list, 30);
        assert_memory_equal(before->secret, k->secret, sizeof(k->secret));
        assert_memory_equal(before->peer, k->peer, sizeof(k->peer));
        free(k);
        free(before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc7748),         cmocka_unit_test(test_rfc7748_chain),
        cmocka_unit_test(test_matches_openssl), cmocka_unit_test(test_edges),
        cmocka_unit_test(test_inputs_stay),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, make_batches, free_batches);
}
