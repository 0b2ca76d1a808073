// SPDX-License-Identifier: BSD-3-Clause
// Which directories are responsible: against Python's answer, and against a computation that knows
// no sorted ring.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../origin/network.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "onion/directory/hsdir_ring.h"
#include "onion/key/onion_keys.h"

static const struct time_period period = {16904, 1440};

static void hash_name(const char *name, size_t number, uint8_t out[32])
{
    char text[32];
    int length = snprintf(text, sizeof(text), "%s %zu", name, number);
    sha3_256(text, (size_t)length, out);
}

// Relay i has the identity SHA3-256("relay i"); each seventh is no directory.
static struct network *some_network(size_t n)
{
    struct network *w = network_create(n);
    for (size_t i = 0; i < n; i++) {
        hash_name("relay", i, w->relays[i].ed_id);
        if (i % 7 == 0)
            w->relays[i].flags &= ~(unsigned)ROUTER_HSDIR;
    }
    network_publish(w);
    return w;
}

// Of 300 relays, with the value 43 43 … and the period above, for the blinded key
// SHA3-256("service s"): computed by a few lines of Python over hashlib. In the two last ones the
// second replica meets directories of the first, and the ring begins anew.
static void test_python(void **state)
{
    (void)state;
    static const struct {
        unsigned service, responsible[8];
    } cases[] = {
        {0, {299, 24, 199, 116, 59, 143, 177, 185}}, {1, {73, 164, 292, 20, 87, 59, 143, 177}},
        {2, {284, 279, 88, 97, 47, 158, 267, 213}},  {3, {292, 20, 41, 227, 289, 270, 58, 281}},
        {4, {295, 65, 282, 39, 131, 215, 285, 123}}, {5, {253, 296, 278, 291, 58, 281, 170, 22}},
        {6, {247, 268, 122, 13, 44, 43, 52, 114}},   {7, {269, 219, 5, 106, 229, 212, 85, 38}},
        {73, {75, 68, 94, 6, 176, 26, 121, 188}},    {217, {155, 169, 124, 258, 75, 68, 94, 6}},
    };
    struct network *w = some_network(300);
    uint8_t srv[32], blinded[32];
    const struct node *out[HSDIRS_MAX];
    memset(srv, 0x43, sizeof(srv));
    struct hsdir_ring *ring = hsdir_ring_make(w->origin.nodes, period, srv);
    assert_non_null(ring);
    assert_int_equal(hsdir_ring_count(ring), 300 - 43);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        hash_name("service", cases[i].service, blinded);
        assert_int_equal(hsdir_ring_responsible(ring, blinded, 2, 4, out, HSDIRS_MAX), 8);
        for (unsigned k = 0; k < 8; k++)
            assert_ptr_equal(out[k], network_node(w, cases[i].responsible[k]));
        assert_int_equal(hsdir_ring_responsible(ring, blinded, 2, 4, out, 3), 3);
        assert_int_equal(hsdir_ring_responsible(ring, blinded, 2, 4, out, 0), 0);
    }
    hsdir_ring_free(ring);
    hsdir_ring_free(NULL);
    network_free(w);
}

// How far it is from one index on to another.
static void distance(const uint8_t from[32], const uint8_t to[32], uint8_t out[32])
{
    int borrow = 0;
    for (int i = 31; i >= 0; i--) {
        int d = to[i] - from[i] - borrow;
        borrow = d < 0;
        out[i] = (uint8_t)(d + (borrow << 8));
    }
}

static bool is_directory(const struct network *w, size_t relay)
{
    const struct network_relay *r = &w->relays[relay];
    return r->flags & ROUTER_HSDIR && !r->missing && strstr(r->protocols, "HSDir=2") != NULL;
}

// The nearest that has not been taken; its number, or the network's size.
static size_t nearest(const struct network *w, const uint8_t index[32], const uint8_t srv[32],
                      const bool *taken)
{
    uint8_t best[32];
    size_t found = w->n;
    for (size_t i = 0; i < w->n; i++) {
        uint8_t at[32], away[32];
        if (!is_directory(w, i) || taken[i])
            continue;
        onion_hsdir_index(w->relays[i].ed_id, srv, period, at);
        distance(index, at, away);
        if (found == w->n || memcmp(away, best, sizeof(away)) < 0) {
            memcpy(best, away, sizeof(away));
            found = i;
        }
    }
    return found;
}

static void check_one(const struct network *w, const struct hsdir_ring *ring, const uint8_t srv[32],
                      unsigned replicas, unsigned spread)
{
    static const struct node *out[HSDIRS_MAX];
    uint8_t blinded[32], index[32];
    bool *taken = calloc(w->n, sizeof(*taken));
    assert_non_null(taken);
    random_bytes(blinded, sizeof(blinded));
    unsigned n = hsdir_ring_responsible(ring, blinded, replicas, spread, out, HSDIRS_MAX);
    unsigned k = 0;
    for (unsigned replica = 1; replica <= replicas; replica++) {
        onion_hs_index(blinded, replica, period, index);
        for (unsigned i = 0; i < spread; i++) {
            size_t next = nearest(w, index, srv, taken);
            if (next == w->n)
                break;
            taken[next] = true;
            assert_true(k < n);
            assert_ptr_equal(out[k++], network_node(w, next));
        }
    }
    assert_int_equal(k, n);
    free(taken);
}

static void test_brute_force(void **state)
{
    (void)state;
    static const struct {
        unsigned replicas, spread;
    } parameters[] = {{2, 4}, {2, 3}, {1, 1}, {16, 3}, {3, 60}};
    struct network *w = network_create_real(400);
    for (size_t i = 0; i < w->n; i++) {
        if (i % 11 == 3)
            w->relays[i].missing = true;
        if (i % 13 == 5)
            w->relays[i].protocols = "Cons=1-2 Desc=1-2 DirCache=2 HSDir=1 HSIntro=3 HSRend=1 "
                                     "Link=1-4 LinkAuth=1 Microdesc=1-2 Relay=1-2";
        if (i % 3 > 0)
            w->relays[i].flags |= ROUTER_HSDIR;
    }
    network_publish(w);
    for (unsigned round = 0; round < 4; round++) {
        uint8_t srv[32];
        random_bytes(srv, sizeof(srv));
        struct hsdir_ring *ring = hsdir_ring_make(w->origin.nodes, period, srv);
        assert_non_null(ring);
        for (size_t i = 0; i < sizeof(parameters) / sizeof(*parameters); i++)
            check_one(w, ring, srv, parameters[i].replicas, parameters[i].spread);
        hsdir_ring_free(ring);
    }
    network_free(w);
}

// C tor, src/test/test_hs_common.c, responsible_hsdirs: three relays, one of them no directory;
// and none at all.
static void test_small_rings(void **state)
{
    (void)state;
    uint8_t srv[32] = {0}, blinded[32];
    const struct node *out[HSDIRS_MAX];
    memset(blinded, 42, sizeof(blinded));
    struct network *w = some_network(3);
    struct hsdir_ring *ring = hsdir_ring_make(w->origin.nodes, period, srv);
    assert_non_null(ring);
    assert_int_equal(hsdir_ring_responsible(ring, blinded, 2, 4, out, HSDIRS_MAX), 2);
    assert_ptr_not_equal(out[0], out[1]);
    assert_int_equal(hsdir_ring_responsible(ring, blinded, 16, 128, out, HSDIRS_MAX), 2);
    hsdir_ring_free(ring);
    network_free(w);

    w = some_network(1);
    ring = hsdir_ring_make(w->origin.nodes, period, srv);
    assert_non_null(ring);
    assert_int_equal(hsdir_ring_count(ring), 0);
    assert_int_equal(hsdir_ring_responsible(ring, blinded, 2, 4, out, HSDIRS_MAX), 0);
    hsdir_ring_free(ring);
    network_free(w);
}

// src/test/test_hs_common.c, client_service_hsdir_set_sync: what clients ask is among those that
// the service told, through all phases of the two clocks.
static void test_client_meets_service(void **state)
{
    (void)state;
    struct network *w = some_network(250);
    struct consensus c = *node_list_consensus(w->origin.nodes);
    const struct parameters *p = parameters_of(&w->relay);
    const struct node *asked[HSDIRS_MAX], *told[HSDIRS_MAX];
    struct ed25519_key identity;
    uint8_t blinded[32];
    ed25519_generate(&identity);
    time_t start = 1700006400; // 2023-11-15 00:00:00
    c.has_srv_current = c.has_srv_previous = true;
    for (int hour = 0; hour < 48; hour++)
        for (int apart = -1; apart <= 1; apart++) {
            struct onion_epoch wanted, published[2];
            for (int side = 0; side < 2; side++) {
                c.valid_after = start + (hour + (side ? apart : 0)) * 3600;
                c.fresh_until = c.valid_after + 3600;
                memset(c.srv_current, (int)(c.valid_after / 86400 % 256), 32);
                memset(c.srv_previous, (int)((c.valid_after / 86400 - 1) % 256), 32);
                if (side)
                    onion_epochs_of_service(&c, p, false, published);
                else
                    wanted = onion_epoch_of_client(&c, p, false);
            }
            unsigned met = 0;
            for (unsigned which = 0; which < 2; which++) {
                struct hsdir_ring *ours =
                    hsdir_ring_make(w->origin.nodes, wanted.period, wanted.srv);
                struct hsdir_ring *theirs =
                    hsdir_ring_make(w->origin.nodes, published[which].period, published[which].srv);
                assert_true(ours && theirs);
                assert_true(onion_blind_public(identity.public_key, wanted.period, blinded));
                unsigned n = hsdir_ring_responsible(ours, blinded, 2, 3, asked, HSDIRS_MAX);
                assert_true(
                    onion_blind_public(identity.public_key, published[which].period, blinded));
                unsigned m = hsdir_ring_responsible(theirs, blinded, 2, 4, told, HSDIRS_MAX);
                assert_true(n == 6 && m == 8);
                unsigned common = 0;
                for (unsigned i = 0; i < n * m; i++)
                    common += asked[i / m] == told[i % m];
                met += published[which].period.number == wanted.period.number && common == 6;
                hsdir_ring_free(ours);
                hsdir_ring_free(theirs);
            }
            assert_int_equal(met, 1);
        }
    network_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_python),
        cmocka_unit_test(test_brute_force),
        cmocka_unit_test(test_small_rings),
        cmocka_unit_test(test_client_meets_service),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
