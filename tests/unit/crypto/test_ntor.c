// SPDX-License-Identifier: BSD-3-Clause
// ntor and CREATE_FAST: an independent vector, round trips, wrong keys and identities, small-order
// points, broken and random skins and replies.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/create_fast.h"
#include "crypto/digest.h"
#include "crypto/ntor.h"
#include "crypto/ntor_v3.h"
#include "crypto/random.h"
#include "hex.h"

enum { KEYS_LEN = 72 + CIRCUIT_NONCE_LEN };

static void make_keys(struct onion_keys *keys)
{
    memset(keys, 0, sizeof(*keys));
    random_bytes(keys->rsa_id, sizeof(keys->rsa_id));
    random_bytes(keys->ed25519_id, sizeof(keys->ed25519_id));
    keys->key_count = 2;
    curve25519_generate(&keys->keys[0]);
    curve25519_generate(&keys->keys[1]);
    curve25519_generate(&keys->junk);
}

// Made with C tor's src/test/ntor_ref.py (and its slownacl_curve25519.py) from the secrets
// b = 01 02 … 20, x = 41 42 … 60, y = 81 82 … a0 and the identity a0 a1 … b3.
static void test_vector(void **state)
{
    (void)state;
    uint8_t secret[32], skin[NTOR_SKIN_LEN], reply[NTOR_REPLY_LEN], keys_out[KEYS_LEN];
    struct curve25519_key x, y;
    struct onion_keys keys;
    struct ntor_client client;

    make_keys(&keys);
    keys.key_count = 1;
    for (unsigned i = 0; i < 20; i++)
        keys.rsa_id[i] = (uint8_t)(0xa0 + i);
    for (unsigned i = 0; i < 32; i++)
        secret[i] = (uint8_t)(0x01 + i);
    curve25519_from_secret(secret, &keys.keys[0]);
    for (unsigned i = 0; i < 32; i++)
        secret[i] = (uint8_t)(0x41 + i);
    curve25519_from_secret(secret, &x);
    for (unsigned i = 0; i < 32; i++)
        secret[i] = (uint8_t)(0x81 + i);
    curve25519_from_secret(secret, &y);

    static const char expected_keys[] =
        "42dbb8f63b777e64fe6f1971a63ef5f34cbdef3088bae0adebf0d7fb0ed60254"
        "2b646f7ae4d9ad96c74e4c60639ca85cebe27293bb196e092db15c712f3c2abb"
        "24feac813d029f957fe9ebef6f890de2889c16340934abac529dca1c";
    ntor_client_start_with_key(&client, &x, keys.rsa_id, keys.keys[0].public_key, skin);
    assert_hex(skin, "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3"
                     "07a37cbc142093c8b755dc1b10e86cb426374ad16aa853ed0bdfc0b2b86d1c7c"
                     "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d48466");
    assert_int_equal(
        ntor_server_with_key(&keys, &y, skin, sizeof(skin), reply, keys_out, sizeof(keys_out)), 0);
    assert_hex(reply, "883186b800b41d5cf0429695da9b3cc4f328ebcd184a6e482fa578c103f06c77"
                      "33ad33ba5cc58bd40475bffff1439b35244326112baf45ca4b3d8933b579ab74");
    assert_hex(keys_out, expected_keys);
    memset(keys_out, 0, sizeof(keys_out));
    assert_int_equal(ntor_client_finish(&client, reply, sizeof(reply), keys_out, sizeof(keys_out)),
                     0);
    assert_hex(keys_out, expected_keys);
}

static void test_round_trips(void **state)
{
    (void)state;
    uint8_t skin[NTOR_SKIN_LEN], reply[NTOR_REPLY_LEN];
    uint8_t server_keys[NTOR_KEYS_MAX], client_keys[NTOR_KEYS_MAX];
    struct onion_keys keys;
    struct ntor_client client;

    make_keys(&keys);
    for (size_t n = 1; n <= NTOR_KEYS_MAX; n += 73) {
        ntor_client_start(&client, keys.rsa_id, keys.keys[n % 2].public_key, skin);
        assert_int_equal(ntor_server(&keys, skin, sizeof(skin), reply, server_keys, n), 0);
        assert_int_equal(ntor_client_finish(&client, reply, sizeof(reply), client_keys, n), 0);
        assert_memory_equal(server_keys, client_keys, n);
    }
    ntor_client_wipe(&client);
}

// ntor and ntor-v3 in one batch, with what is refused between them: each client comes to its own
// keys, or to none.
static void test_exchange_many(void **state)
{
    (void)state;
    enum { N = 75 };
    struct item {
        uint8_t skin[256];
        size_t length;
        struct ntor_client client;
        struct ntor_v3_client v3;
    } *items = calloc(N, sizeof(*items));
    struct ntor_exchange *list = calloc(N, sizeof(*list));
    struct curve25519_batch *batch = curve25519_batch_create();
    struct onion_keys keys;
    make_keys(&keys);
    assert_true(items && list && batch);
    for (unsigned i = 0; i < N; i++) {
        struct item *it = &items[i];
        const uint8_t *b = keys.keys[i / 4 % 2].public_key;
        if (i % 2 == 0) {
            ntor_client_start(&it->client, keys.rsa_id, b, it->skin);
            it->length = NTOR_SKIN_LEN - (i % 12 == 0);
            ntor_exchange_read(&list[i], it->skin, it->length);
        } else {
            int length = ntor_v3_client_start(&it->v3, keys.ed25519_id, b, "x", 1,
                                              (const uint8_t *)"?", 1, it->skin, 256);
            it->length = (size_t)length;
            ntor_v3_exchange_read(&list[i], it->skin, it->length);
        }
        if (i % 10 < 2) // a point of small order
            memset(it->skin + (i % 2 ? 64 : 52), 0, 32);
    }
    ntor_exchange_many(batch, &keys, list, N);
    for (unsigned i = 0; i < N; i++) {
        struct item *it = &items[i];
        uint8_t reply[128], ours[KEYS_LEN], theirs[KEYS_LEN], message[8];
        bool bad = i % 10 < 2 || i % 12 == 0;
        if (i % 2 == 0) {
            assert_int_equal(ntor_server_with_exchange(&keys, &list[i], it->skin, it->length, reply,
                                                       ours, KEYS_LEN),
                             bad ? -EPROTO : 0);
            if (!bad)
                assert_int_equal(
                    ntor_client_finish(&it->client, reply, NTOR_REPLY_LEN, theirs, KEYS_LEN), 0);
        } else {
            struct ntor_v3_server server;
            int opened = ntor_v3_server_open_with_exchange(
                &server, &keys, &list[i], "x", 1, it->skin, it->length, message, sizeof(message));
            assert_int_equal(opened, bad ? -EPROTO : 1);
            if (!bad) {
                int length = ntor_v3_server_reply_with_exchange(
                    &server, &list[i], "x", 1, message, 1, reply, sizeof(reply), ours, KEYS_LEN);
                assert_int_equal(ntor_v3_client_finish(&it->v3, "x", 1, reply, (size_t)length,
                                                       message, sizeof(message), theirs, KEYS_LEN),
                                 1);
            }
        }
        if (!bad)
            assert_memory_equal(ours, theirs, KEYS_LEN);
        for (unsigned j = 0; j < i; j++) // nobody's ephemeral key twice
            if (list[i].client_key && list[j].client_key)
                assert_memory_not_equal(&list[i].ephemeral, &list[j].ephemeral,
                                        sizeof(list[i].ephemeral));
    }
    curve25519_batch_free(batch);
    free(items);
    free(list);
}

static void test_unknown_onion_key(void **state)
{
    (void)state;
    uint8_t skin[NTOR_SKIN_LEN], reply[NTOR_REPLY_LEN], server_keys[KEYS_LEN],
        client_keys[KEYS_LEN];
    struct onion_keys keys;
    struct ntor_client client;
    struct curve25519_key old;

    make_keys(&keys);
    curve25519_generate(&old);
    ntor_client_start(&client, keys.rsa_id, old.public_key, skin);
    assert_int_equal(ntor_server(&keys, skin, sizeof(skin), reply, server_keys, KEYS_LEN), 0);
    assert_int_equal(ntor_client_finish(&client, reply, sizeof(reply), client_keys, KEYS_LEN),
                     -EPROTO);
    assert_memory_not_equal(server_keys, client_keys, KEYS_LEN);
    // The previous key does not count when key_count says so.
    keys.key_count = 1;
    ntor_client_start(&client, keys.rsa_id, keys.keys[1].public_key, skin);
    assert_int_equal(ntor_server(&keys, skin, sizeof(skin), reply, server_keys, KEYS_LEN), 0);
    assert_int_equal(ntor_client_finish(&client, reply, sizeof(reply), client_keys, KEYS_LEN),
                     -EPROTO);
}

static void test_select(void **state)
{
    (void)state;
    struct onion_keys keys;
    struct curve25519_key chosen;
    uint8_t wanted[32];

    make_keys(&keys);
    for (unsigned i = 0; i < 2; i++) {
        onion_keys_select(&keys, keys.keys[i].public_key, &chosen);
        assert_memory_equal(&chosen, &keys.keys[i], sizeof(chosen));
        memcpy(wanted, keys.keys[i].public_key, 32);
        wanted[31] ^= 1;
        onion_keys_select(&keys, wanted, &chosen);
        assert_memory_equal(&chosen, &keys.junk, sizeof(chosen));
    }
    onion_keys_select(&keys, keys.junk.public_key, &chosen);
    assert_memory_equal(&chosen, &keys.junk, sizeof(chosen));
    onion_keys_wipe(&keys);
    assert_int_equal(keys.key_count, 0);
}

static void test_bad_skins(void **state)
{
    (void)state;
    uint8_t skin[NTOR_SKIN_LEN + 1] = {0}, reply[NTOR_REPLY_LEN], out[KEYS_LEN];
    struct onion_keys keys;
    struct ntor_client client;

    make_keys(&keys);
    ntor_client_start(&client, keys.rsa_id, keys.keys[0].public_key, skin);
    for (size_t n = 0; n <= sizeof(skin); n++) {
        if (n == NTOR_SKIN_LEN)
            continue;
        uint8_t *copy = exact_copy(skin, n);
        assert_int_equal(ntor_server(&keys, copy, n, reply, out, sizeof(out)), -EPROTO);
        free(copy);
    }
    for (size_t i = 0; i < 20; i++) { // another relay's identity
        skin[i] ^= 1;
        assert_int_equal(ntor_server(&keys, skin, NTOR_SKIN_LEN, reply, out, sizeof(out)), -EPROTO);
        skin[i] ^= 1;
    }
    for (size_t i = 20; i < NTOR_SKIN_LEN; i++) { // B or X is not what the client thinks it is
        skin[i] ^= 1;
        if (ntor_server(&keys, skin, NTOR_SKIN_LEN, reply, out, sizeof(out)) == 0)
            assert_int_equal(ntor_client_finish(&client, reply, sizeof(reply), out, sizeof(out)),
                             -EPROTO);
        skin[i] ^= 1;
    }
    memset(skin + 52, 0, 32); // X of small order
    memset(out, 0xaa, sizeof(out));
    assert_int_equal(ntor_server(&keys, skin, NTOR_SKIN_LEN, reply, out, sizeof(out)), -EPROTO);
    for (size_t i = 0; i < sizeof(out); i++)
        assert_int_equal(out[i], 0);
    skin[52] = 1;
    assert_int_equal(ntor_server(&keys, skin, NTOR_SKIN_LEN, reply, out, sizeof(out)), -EPROTO);
}

static void test_bad_replies(void **state)
{
    (void)state;
    uint8_t skin[NTOR_SKIN_LEN], reply[NTOR_REPLY_LEN + 1] = {0}, out[KEYS_LEN];
    struct onion_keys keys;
    struct ntor_client client;

    make_keys(&keys);
    ntor_client_start(&client, keys.rsa_id, keys.keys[0].public_key, skin);
    assert_int_equal(ntor_server(&keys, skin, NTOR_SKIN_LEN, reply, out, sizeof(out)), 0);
    for (size_t n = 0; n <= sizeof(reply); n++) {
        uint8_t *copy = exact_copy(reply, n);
        assert_int_equal(ntor_client_finish(&client, copy, n, out, sizeof(out)),
                         n == NTOR_REPLY_LEN ? 0 : -EPROTO);
        free(copy);
    }
    for (unsigned bit = 0; bit < NTOR_REPLY_LEN * 8; bit++) {
        reply[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(ntor_client_finish(&client, reply, NTOR_REPLY_LEN, out, sizeof(out)),
                         -EPROTO);
        reply[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    memset(reply, 0, 32);
    assert_int_equal(ntor_client_finish(&client, reply, NTOR_REPLY_LEN, out, sizeof(out)), -EPROTO);
}

static void test_random_input(void **state)
{
    (void)state;
    uint8_t random[200], reply[NTOR_REPLY_LEN], out[KEYS_LEN];
    struct onion_keys keys;
    struct ntor_client client;

    make_keys(&keys);
    ntor_client_start(&client, keys.rsa_id, keys.keys[0].public_key, random);
    for (int i = 0; i < 400; i++) {
        random_bytes(random, sizeof(random));
        size_t length = i % 4 == 0   ? NTOR_SKIN_LEN
                        : i % 4 == 1 ? NTOR_REPLY_LEN
                                     : random[199] % 199;
        if (i % 3 == 0)
            memcpy(random, keys.rsa_id, 20);
        uint8_t *copy = exact_copy(random, length);
        int result = ntor_server(&keys, copy, length, reply, out, sizeof(out));
        assert_true(result == 0 || result == -EPROTO);
        assert_int_equal(ntor_client_finish(&client, copy, length, out, sizeof(out)), -EPROTO);
        free(copy);
    }
}

static void test_create_fast(void **state)
{
    (void)state;
    uint8_t skin[CREATE_FAST_LEN], reply[CREATED_FAST_LEN], again[CREATED_FAST_LEN];
    uint8_t server_keys[72], client_keys[72], secret[40], derived[92];
    uint8_t big[CREATE_FAST_KEYS_MAX + 1];

    random_bytes(skin, sizeof(skin));
    assert_int_equal(create_fast_server(skin, reply, server_keys, 72), 0);
    assert_int_equal(create_fast_client(skin, reply, client_keys, 72), 0);
    assert_memory_equal(server_keys, client_keys, 72);
    assert_int_equal(create_fast_server(skin, again, client_keys, 72), 0);
    assert_memory_not_equal(reply, again, 20);

    memcpy(secret, skin, 20);
    memcpy(secret + 20, reply, 20);
    assert_int_equal(kdf_tor(secret, 40, derived, sizeof(derived)), 0);
    assert_memory_equal(reply + 20, derived, 20);
    assert_memory_equal(server_keys, derived + 20, 72);

    for (unsigned bit = 0; bit < sizeof(reply) * 8; bit++) {
        reply[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(create_fast_client(skin, reply, client_keys, 72), -EPROTO);
        reply[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(create_fast_server(skin, reply, big, sizeof(big)), -EINVAL);
    assert_int_equal(create_fast_server(skin, reply, big, CREATE_FAST_KEYS_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector),        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_exchange_many), cmocka_unit_test(test_unknown_onion_key),
        cmocka_unit_test(test_select),        cmocka_unit_test(test_bad_skins),
        cmocka_unit_test(test_bad_replies),   cmocka_unit_test(test_random_input),
        cmocka_unit_test(test_create_fast),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
