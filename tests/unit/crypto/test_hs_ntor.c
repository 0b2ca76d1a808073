// SPDX-License-Identifier: BSD-3-Clause
// hs-ntor: a vector of an independent implementation, round trips, and keys that must be refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/digest.h"
#include "crypto/hs_ntor.h"
#include "crypto/random.h"
#include "hex.h"

static void key_of(uint8_t first, struct curve25519_key *out)
{
    uint8_t secret[32];
    for (unsigned i = 0; i < 32; i++)
        secret[i] = (uint8_t)(first + i);
    curve25519_from_secret(secret, out);
}

// Made with C tor's src/test/hs_ntor_ref.py (and its slownacl_curve25519.py) from the secrets
// b = 01 02 …, x = 41 42 …, y = 81 82 …, the authentication key c0 c1 … and the subcredential
// 20 21 …; the material by hashlib's SHAKE-256 of its key seed.
static void test_vector(void **state)
{
    (void)state;
    static const char enc[] = "72bda805bb0848f789fbc5efcdde3348c92e0c11e5296b0da4b4e0fc28ac8e16";
    static const char mac[] = "2a055fd91f3b5fca30c4e3f3418ecf200dd96b67adae4d580b5b068cecd66717";
    static const char auth_hex[] =
        "ca5bff752c54e9aab5edfeb3b7d36b1039a76dcb156988e2ad3e3fe57c601018";
    static const char material_hex[] =
        "a724c2bbbd7aa249c961cd610edb88eae853e75231e5d4eaff5cf9477916699a"
        "b1ba2e43e9fa0b033d979d7c774a18d8dfde6fc2100ced022f7a9999ef80537d"
        "f5cb39051eaf2fb738649470a4650bf76c40c0028a492235c2e92025fe548092"
        "051a1984d073d8cc9c85f11af7d6fd2d520da337325f9012840b2eb3c21a0778";
    struct curve25519_key b, x, y;
    key_of(0x01, &b);
    key_of(0x41, &x);
    key_of(0x81, &y);
    struct hs_ntor_point point;
    uint8_t subcredential[32];
    for (unsigned i = 0; i < 32; i++) {
        point.auth_key[i] = (uint8_t)(0xc0 + i);
        subcredential[i] = (uint8_t)(0x20 + i);
    }
    memcpy(point.enc_key, b.public_key, 32);

    struct hs_ntor_intro_keys keys;
    assert_true(hs_ntor_client_introduce(&point, &x, subcredential, &keys));
    assert_hex(keys.encryption, enc);
    assert_hex(keys.mac, mac);
    uint8_t tag[32];
    hs_ntor_mac(keys.mac, "abc", 3, tag);
    assert_hex(tag, "ae94cd50fd7fd04de2a9db7ad113e639d18a1648f87379d08a27388ca927475c");

    struct hs_ntor_intro_keys service_keys[2];
    uint8_t subcredentials[2][32] = {{0}};
    memcpy(subcredentials[1], subcredential, 32);
    assert_true(hs_ntor_service_introduce(point.auth_key, &b, x.public_key,
                                          (const uint8_t(*)[32])subcredentials, 2, service_keys));
    assert_memory_equal(&service_keys[1], &keys, sizeof(keys));
    assert_memory_not_equal(&service_keys[0], &keys, sizeof(keys));

    uint8_t auth[32], material[128];
    assert_true(hs_ntor_service_rendezvous(point.auth_key, &b, &y, x.public_key, auth, material));
    assert_hex(auth, auth_hex);
    assert_hex(material, material_hex);
    memset(material, 0, sizeof(material));
    assert_true(hs_ntor_client_rendezvous(&point, &x, y.public_key, auth, material));
    assert_hex(material, material_hex);
}

struct pair {
    struct curve25519_key b, x, y;
    struct hs_ntor_point point;
    uint8_t subcredential[32], auth[32], material[128];
};

static void make_pair(struct pair *p)
{
    curve25519_generate(&p->b);
    curve25519_generate(&p->x);
    curve25519_generate(&p->y);
    random_bytes(p->point.auth_key, 32);
    random_bytes(p->subcredential, 32);
    memcpy(p->point.enc_key, p->b.public_key, 32);
    assert_true(hs_ntor_service_rendezvous(p->point.auth_key, &p->b, &p->y, p->x.public_key,
                                           p->auth, p->material));
}

static bool client_accepts(const struct pair *p, const uint8_t service_public[32],
                           const uint8_t auth[32])
{
    uint8_t material[128];
    bool good = hs_ntor_client_rendezvous(&p->point, &p->x, service_public, auth, material);
    if (good)
        assert_memory_equal(material, p->material, sizeof(material));
    else
        for (unsigned i = 0; i < sizeof(material); i++)
            assert_int_equal(material[i], 0);
    return good;
}

static void test_rendezvous(void **state)
{
    (void)state;
    struct pair p;
    for (unsigned round = 0; round < 8; round++) {
        make_pair(&p);
        assert_true(client_accepts(&p, p.y.public_key, p.auth));
        // Another's AUTH, another's Y, another introduction point: not the service.
        for (unsigned bit = 0; bit < 256; bit++) {
            uint8_t auth[32];
            memcpy(auth, p.auth, 32);
            auth[bit / 8] ^= (uint8_t)(1 << bit % 8);
            if (bit % 37 == 0)
                assert_false(client_accepts(&p, p.y.public_key, auth));
        }
        assert_false(client_accepts(&p, p.x.public_key, p.auth));
        struct pair other = p;
        other.point.auth_key[31] ^= 1;
        assert_false(client_accepts(&other, p.y.public_key, p.auth));
        other = p;
        memcpy(other.point.enc_key, p.y.public_key, 32);
        assert_false(client_accepts(&other, p.y.public_key, p.auth));
    }
}

static void test_introduction(void **state)
{
    (void)state;
    struct pair p;
    make_pair(&p);
    struct hs_ntor_intro_keys client, service;
    assert_true(hs_ntor_client_introduce(&p.point, &p.x, p.subcredential, &client));
    assert_true(hs_ntor_service_introduce(p.point.auth_key, &p.b, p.x.public_key,
                                          (const uint8_t(*)[32])p.subcredential, 1, &service));
    assert_memory_equal(&client, &service, sizeof(client));
    p.point.auth_key[0] ^= 1;
    assert_true(hs_ntor_service_introduce(p.point.auth_key, &p.b, p.x.public_key,
                                          (const uint8_t(*)[32])p.subcredential, 1, &service));
    assert_memory_not_equal(&client.encryption, &service.encryption, 32);
    assert_memory_not_equal(&client.mac, &service.mac, 32);
}

// Points of small order: a secret that everybody knows (protocol 13.02, 8.39).
static void test_refused_keys(void **state)
{
    (void)state;
    static const char *const small[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    };
    struct pair p;
    make_pair(&p);
    struct hs_ntor_intro_keys keys, zero = {.mac = {0}};
    for (unsigned i = 0; i < sizeof(small) / sizeof(*small); i++) {
        uint8_t bad[32], auth[32], material[128];
        unhex(small[i], bad, 32);
        struct hs_ntor_point point = p.point;
        memcpy(point.enc_key, bad, 32);
        assert_false(hs_ntor_client_introduce(&point, &p.x, p.subcredential, &keys));
        assert_memory_equal(&keys, &zero, sizeof(keys));
        assert_false(hs_ntor_service_introduce(p.point.auth_key, &p.b, bad,
                                               (const uint8_t(*)[32])p.subcredential, 1, &keys));
        assert_memory_equal(&keys, &zero, sizeof(keys));
        assert_false(hs_ntor_service_rendezvous(p.point.auth_key, &p.b, &p.y, bad, auth, material));
        assert_false(client_accepts(&p, bad, p.auth));
        assert_false(hs_ntor_client_rendezvous(&point, &p.x, p.y.public_key, p.auth, material));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector),
        cmocka_unit_test(test_rendezvous),
        cmocka_unit_test(test_introduction),
        cmocka_unit_test(test_refused_keys),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
