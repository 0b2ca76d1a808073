// SPDX-License-Identifier: BSD-3-Clause
// What follows from a service's identity: vectors of C tor and of stem.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../crypto/hex.h"
#include "crypto/ope.h"
#include "crypto/random.h"
#include "key_vectors.h"
#include "onion/key/onion_keys.h"

// C tor, src/test/test_hs_common.c, blinding_basics.
static void test_tor_blinding(void **state)
{
    (void)state;
    const struct time_period t = {1234, 1440};
    uint8_t expanded[64], blinded[32], subcredential[32];
    struct ed25519_key key, blinded_key;
    unhex("d8c7ff0e31295b66540d789af3e3df992038a9592eea01d8b7cba06d6e66d159"
          "4d6167696320576f7264733a20737065697373636f62616c742062697669756d",
          expanded, 64);
    assert_int_equal(ed25519_from_expanded(expanded, &key), 0);
    assert_hex(key.public_key, "833990b085c1a688c1d4c8b1f6b56afaf5a2eca674449e1d704f83765ccb7bc6");
    assert_true(onion_blind_public(key.public_key, t, blinded));
    assert_hex(blinded, "3a50bf210e8f9ee955ae0014f7a6917fb65ebf098a86305abb508d1a7291b6d5");
    onion_subcredential(key.public_key, blinded, subcredential);
    assert_hex(subcredential, "635d55907816e8d76398a675a50b1c2f3e36b42a5ca77ba3a0441285161ae07d");
    assert_true(onion_blind_secret(&key, t, &blinded_key));
    assert_memory_equal(blinded_key.public_key, blinded, 32);
    assert_hex(blinded_key.expanded,
               "a958dc83ac885f6814c67035de817a2c604d5d2f715282079448f789b656350b"
               "4540fe1f80aa3f7e91306b7bf7a8e367293352b14a29fdcc8c19f3558075524b");
}

static void test_stem_blinding(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(key_vectors) / sizeof(*key_vectors); i++) {
        const struct key_vector *v = &key_vectors[i];
        const struct time_period t = {v->period, v->length_minutes};
        uint8_t seed[32], blinded[32], subcredential[32], signature[64];
        struct ed25519_key key, blinded_key;
        unhex(v->seed, seed, 32);
        ed25519_from_seed(seed, &key);
        assert_hex(key.public_key, v->identity);
        assert_true(onion_blind_public(key.public_key, t, blinded));
        assert_hex(blinded, v->blinded);
        onion_subcredential(key.public_key, blinded, subcredential);
        assert_hex(subcredential, v->subcredential);
        assert_true(onion_blind_secret(&key, t, &blinded_key));
        assert_memory_equal(blinded_key.public_key, blinded, 32);
        ed25519_sign(&blinded_key, "x", 1, signature);
        assert_true(ed25519_verify(blinded, "x", 1, signature));
    }
}

static void test_refused_keys(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0200000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    };
    uint8_t key[32], blinded[32];
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        unhex(bad[i], key, 32);
        assert_false(onion_blind_public(key, (struct time_period){1, 1440}, blinded));
    }
}

// C tor, src/test/hs_indexes.py and test_hs_common.c, hs_indexes.
static void test_indexes(void **state)
{
    (void)state;
    const struct time_period t = {42, 1440};
    uint8_t key[32], srv[32], index[32];
    memset(key, 0x42, sizeof(key));
    memset(srv, 0x43, sizeof(srv));
    onion_hs_index(key, 1, t, index);
    assert_hex(index, "37e5cbbd56a22823714f18f1623ece5983a0d64c78495a8cfab854245e5f9a8a");
    onion_hsdir_index(key, srv, t, index);
    assert_hex(index, "db475361014a09965e7e5e4d4a25b8f8d4b8f16cb1d8a7e95eed50249cc1a2d5");
}

// Made with Python's hashlib and cryptography (AES-256-CTR) from the blinded key of C tor's
// blinding_basics.
static void test_revision_counter(void **state)
{
    (void)state;
    static const struct {
        uint64_t seconds, counter;
    } vectors[] = {{0, 10921U},          {1, 34168U},          {59, 2057779U},
                   {3600, 118211103U},   {86399, 2834366504U}, {100000, 3276124330U},
                   {262143, 8590501157U}};
    struct ed25519_key key;
    unhex("a958dc83ac885f6814c67035de817a2c604d5d2f715282079448f789b656350b"
          "4540fe1f80aa3f7e91306b7bf7a8e367293352b14a29fdcc8c19f3558075524b",
          key.expanded, 64);
    uint64_t last = 0;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
        uint64_t counter = onion_revision_counter(&key, vectors[i].seconds);
        assert_true(counter == vectors[i].counter);
        assert_true(counter > last);
        last = counter;
    }
    assert_true(onion_revision_counter(&key, UINT64_MAX) == last);
    key.expanded[63] ^= 1;
    assert_true(onion_revision_counter(&key, 0) != vectors[0].counter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tor_blinding),     cmocka_unit_test(test_stem_blinding),
        cmocka_unit_test(test_refused_keys),     cmocka_unit_test(test_indexes),
        cmocka_unit_test(test_revision_counter),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
