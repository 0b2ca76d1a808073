// SPDX-License-Identifier: BSD-3-Clause
// Onion services' descriptors in all layers: what is made is read again, by those who may; its
// shape is what C tor writes; and what is malformed is skipped or refused (protocol 8.14–8.23).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../crypto/hex.h"
#include "crypto/curve25519.h"
#include "crypto/random.h"
#include "layered.h"

enum { CLIENTS_MAX = 17 };

struct clients {
    struct curve25519_key keys[CLIENTS_MAX];
    uint8_t public_keys[CLIENTS_MAX][32];
};

static void make_clients(struct clients *c)
{
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        curve25519_generate(&c->keys[i]);
        memcpy(c->public_keys[i], c->keys[i].public_key, 32);
    }
}

static struct blob *make(const struct layered *l, const struct onion_descriptor *d,
                         const struct clients *c, unsigned n_clients)
{
    struct descriptor_keys keys = layered_keys(l, c->public_keys, n_clients);
    struct blob *made = onion_descriptor_make(d, &keys, LAYERED_NOW_S);
    assert_non_null(made);
    return made;
}

// Reads a copy of exactly this length, as bytes have no NUL.
static enum descriptor_result read_bytes_at(const struct layered *l, const uint8_t *text,
                                            size_t length, const uint8_t *client, uint64_t now_s,
                                            struct onion_descriptor *out)
{
    uint8_t *copy = exact_copy(text, length);
    enum descriptor_result result = onion_descriptor_read(copy, length, l->blinded.public_key,
                                                          l->subcredential, client, now_s, out);
    free(copy);
    return result;
}

static enum descriptor_result read_blob(const struct layered *l, const struct blob *b,
                                        const uint8_t *client, struct onion_descriptor *out)
{
    return read_bytes_at(l, b->bytes, b->length, client, LAYERED_NOW_S, out);
}

static void assert_same(const struct onion_descriptor *a, const struct onion_descriptor *b)
{
    assert_true(a->revision == b->revision);
    assert_int_equal(a->lifetime_min, b->lifetime_min);
    assert_int_equal(a->single_onion, b->single_onion);
    assert_int_equal(a->congestion_control, b->congestion_control);
    assert_int_equal(a->sendme_inc_cells, b->sendme_inc_cells);
    assert_int_equal(a->pow.present, b->pow.present);
    assert_memory_equal(a->pow.seed, b->pow.seed, sizeof(a->pow.seed));
    assert_int_equal(a->pow.effort, b->pow.effort);
    assert_true(a->pow.expires_s == b->pow.expires_s);
    assert_int_equal(a->n_intro_points, b->n_intro_points);
    for (unsigned i = 0; i < a->n_intro_points; i++) {
        const struct onion_intro_point *p = &a->intro_points[i], *q = &b->intro_points[i];
        assert_int_equal(p->specifiers_length, q->specifiers_length);
        assert_memory_equal(p->specifiers, q->specifiers, p->specifiers_length);
        assert_memory_equal(p->onion_key, q->onion_key, 32);
        assert_memory_equal(p->auth_key, q->auth_key, 32);
        assert_memory_equal(p->enc_key, q->enc_key, 32);
    }
}

static struct onion_descriptor with_everything(const struct layered *l)
{
    struct onion_descriptor d = layered_descriptor(l, INTRO_POINTS_MAX);
    d.revision = UINT64_MAX;
    d.lifetime_min = 720;
    d.single_onion = true;
    d.congestion_control = true;
    d.sendme_inc_cells = 31;
    d.pow = (struct onion_pow_params){
        .present = true, .effort = UINT32_MAX, .expires_s = LAYERED_NOW_S + 7200};
    memset(d.pow.seed, 0xd5, sizeof(d.pow.seed));
    return d;
}

static void test_round_trips(void **state)
{
    (void)state;
    static const unsigned numbers[] = {0, 1, 16, 17};
    struct layered l = layered_service();
    struct clients c;
    struct curve25519_key stranger;
    make_clients(&c);
    curve25519_generate(&stranger);
    for (unsigned i = 0; i < 4; i++) {
        struct onion_descriptor d =
            i % 2 ? with_everything(&l) : layered_descriptor(&l, i == 0 ? 0 : 3);
        struct onion_descriptor got;
        unsigned n = numbers[i];
        struct blob *made = make(&l, &d, &c, n);
        assert_int_equal(read_blob(&l, made, NULL, &got),
                         n > 0 ? DESCRIPTOR_NEEDS_AUTH : DESCRIPTOR_GOOD);
        // A key that is not needed does no harm.
        assert_int_equal(read_blob(&l, made, stranger.secret, &got),
                         n > 0 ? DESCRIPTOR_BAD_AUTH : DESCRIPTOR_GOOD);
        for (unsigned k = 0; k < n; k++) {
            assert_int_equal(read_blob(&l, made, c.keys[k].secret, &got), DESCRIPTOR_GOOD);
            assert_same(&got, &d);
            assert_memory_equal(got.blinded_key, l.blinded.public_key, 32);
            assert_true(got.cert_expires_s >= LAYERED_NOW_S + 54 * 3600 &&
                        got.cert_expires_s < LAYERED_NOW_S + 55 * 3600);
        }
        blob_drop(made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trips),
    };
    if (crypto_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
