// SPDX-License-Identifier: BSD-3-Clause
// ntor-v3: C tor's vector, round trips, wrong keys, identities and verification strings,
// small-order points, broken and random skins and replies.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cursor.h"
#include "crypto/digest.h"
#include "crypto/ntor_v3.h"
#include "crypto/random.h"
#include "hex.h"

enum { KEYS_LEN = 72 + 20, SKIN_MAX = NTOR_V3_SKIN_MIN + NTOR_V3_MESSAGE_MAX };

#define CIRCUIT NTOR_V3_CIRCUIT, NTOR_V3_CIRCUIT_LEN

static void make_keys(struct onion_keys *keys)
{
    memset(keys, 0, sizeof(*keys));
    random_bytes(keys->ed25519_id, sizeof(keys->ed25519_id));
    keys->key_count = 2;
    curve25519_generate(&keys->keys[0]);
    curve25519_generate(&keys->keys[1]);
    curve25519_generate(&keys->junk);
}

// C tor's src/test/test_ntor_v3.c (testvecs): a whole handshake.
static void test_vector(void **state)
{
    (void)state;
    uint8_t secret[32], skin[256], message[64], reply[256], keys_out[256];
    struct curve25519_key x, y;
    struct onion_keys keys;
    struct ntor_v3_client client;
    struct ntor_v3_server server;

    make_keys(&keys);
    unhex("9fad2af287ef942632833d21f946c6260c33fae6172b60006e86e4a6911753a2", keys.ed25519_id, 32);
    unhex("4051daa5921cfa2a1c27b08451324919538e79e788a81b38cbed097a5dff454a", secret, 32);
    curve25519_from_secret(secret, &keys.keys[1]);
    assert_hex(keys.keys[1].public_key,
               "f8307a2bc1870b00b828bb74dbb8fd88e632a6375ab3bcd1ae706aaa8b6cdd1d");
    unhex("b825a3719147bcbe5fb1d0b0fcb9c09e51948048e2e3283d2ab7b45b5ef38b49", secret, 32);
    curve25519_from_secret(secret, &x);
    unhex("4865a5b7689dafd978f529291c7171bc159be076b92186405d13220b80e2a053", secret, 32);
    curve25519_from_secret(secret, &y);

    int length = ntor_v3_client_start_with_key(
        &client, &x, keys.ed25519_id, keys.keys[1].public_key, "xyzzy", 5,
        (const uint8_t *)"hello world", 11, skin, sizeof(skin));
    assert_int_equal(length, NTOR_V3_SKIN_MIN + 11);
    assert_hex(skin, "9fad2af287ef942632833d21f946c6260c33fae6172b60006e86e4a6911753a2"
                     "f8307a2bc1870b00b828bb74dbb8fd88e632a6375ab3bcd1ae706aaa8b6cdd1d"
                     "252fe9ae91264c91d4ecb8501f79d0387e34ad8ca0f7c995184f7d11d5da4f46"
                     "3bebd9151fd3b47c180abc9e044d53565f04d82bbb3bebed3d06cea65db8be9c"
                     "72b68cd461942088502f67");

    int opened = ntor_v3_server_open(&server, &keys, "xyzzy", 5, skin, (size_t)length, message,
                                     sizeof(message));
    assert_int_equal(opened, 11);
    assert_memory_equal(message, "hello world", 11);
    length = ntor_v3_server_reply_with_key(&server, &y, "xyzzy", 5, (const uint8_t *)"Hola Mundo",
                                           10, reply, sizeof(reply), keys_out, sizeof(keys_out));
    assert_int_equal(length, NTOR_V3_REPLY_MIN + 10);
    assert_hex(reply, "4bf4814326fdab45ad5184f5518bd7fae25dc59374062698201a50a22954246d"
                      "2fc5f8773ca824542bc6cf6f57c7c29bbf4e5476461ab130c5b18ab0a9127665"
                      "1202c3e1e87c0d32054c");
    static const char keystream[] =
        "9c19b631fd94ed86a817e01f6c80b0743a43f5faebd39cfaa8b00fa8bcc65c3b"
        "feaa403d91acbd68a821bf6ee8504602b094a254392a07737d5662768c7a9fb1"
        "b2814bb34780eaee6e867c773e28c212ead563e98a1cd5d5b4576f5ee61c59bd"
        "e025ff2851bb19b721421694f263818e3531e43a9e4e3e2c661e2ad547d8984c"
        "aa28ebecd3e4525452299be26b9185a20a90ce1eac20a91f2832d731b54502b0"
        "9749b5a2a2949292f8cfcbeffb790c7790ed935a9d251e7e336148ea83b063a5"
        "618fcff674a44581585fd22077ca0e52c59a24347a38d1a1ceebddbf238541f2"
        "26b8f88d0fb9c07a1bcd2ea764bbbb5dacdaf5312a14c0b9e4f06309b0333b4a";
    assert_hex(keys_out, keystream);

    memset(keys_out, 0, sizeof(keys_out));
    opened = ntor_v3_client_finish(&client, "xyzzy", 5, reply, (size_t)length, message,
                                   sizeof(message), keys_out, sizeof(keys_out));
    assert_int_equal(opened, 10);
    assert_memory_equal(message, "Hola Mundo", 10);
    assert_hex(keys_out, keystream);
}

static void test_round_trips(void **state)
{
    (void)state;
    uint8_t sent[NTOR_V3_MESSAGE_MAX], got[NTOR_V3_MESSAGE_MAX], skin[SKIN_MAX], reply[SKIN_MAX];
    uint8_t server_keys[KEYS_LEN], client_keys[KEYS_LEN];
    struct onion_keys keys;
    struct ntor_v3_client client;
    struct ntor_v3_server server;

    make_keys(&keys);
    random_bytes(sent, sizeof(sent));
    for (size_t n = 0; n <= NTOR_V3_MESSAGE_MAX; n += 64) {
        int length =
            ntor_v3_client_start(&client, keys.ed25519_id, keys.keys[n / 64 % 2].public_key,
                                 CIRCUIT, sent, n, skin, NTOR_V3_SKIN_MIN + n);
        assert_int_equal(length, NTOR_V3_SKIN_MIN + n);
        assert_int_equal(ntor_v3_server_open(&server, &keys, CIRCUIT, skin, (size_t)length, got, n),
                         n);
        assert_memory_equal(got, sent, n);
        size_t answer = NTOR_V3_MESSAGE_MAX - n;
        length = ntor_v3_server_reply(&server, CIRCUIT, sent, answer, reply,
                                      NTOR_V3_REPLY_MIN + answer, server_keys, KEYS_LEN);
        assert_int_equal(length, NTOR_V3_REPLY_MIN + answer);
        assert_int_equal(ntor_v3_client_finish(&client, CIRCUIT, reply, (size_t)length, got, answer,
                                               client_keys, KEYS_LEN),
                         answer);
        assert_memory_equal(got, sent, answer);
        assert_memory_equal(server_keys, client_keys, KEYS_LEN);
    }
    ntor_v3_client_wipe(&client);
    ntor_v3_server_wipe(&server);
}

static void test_capacities(void **state)
{
    (void)state;
    uint8_t message[NTOR_V3_MESSAGE_MAX + 1] = {0}, skin[SKIN_MAX + 1], reply[SKIN_MAX + 1];
    uint8_t keys_out[NTOR_V3_KEYS_MAX + 1];
    struct onion_keys keys;
    struct ntor_v3_client client;
    struct ntor_v3_server server;

    make_keys(&keys);
    const uint8_t *id = keys.ed25519_id, *b = keys.keys[0].public_key;
    assert_int_equal(ntor_v3_client_start(&client, id, b, CIRCUIT, message, 9, skin, 136),
                     -EMSGSIZE);
    assert_int_equal(
        ntor_v3_client_start(&client, id, b, CIRCUIT, message, sizeof(message), skin, sizeof(skin)),
        -EMSGSIZE);
    assert_int_equal(ntor_v3_client_start(&client, id, b, message, NTOR_V3_VERIFICATION_MAX + 1,
                                          message, 9, skin, sizeof(skin)),
                     -EMSGSIZE);
    assert_int_equal(ntor_v3_client_start(&client, id, b, CIRCUIT, message, 9, skin, 137), 137);
    assert_int_equal(ntor_v3_server_open(&server, &keys, CIRCUIT, skin, 137, message, 8),
                     -EMSGSIZE);
    assert_int_equal(
        ntor_v3_server_open(&server, &keys, CIRCUIT, skin, sizeof(skin), message, sizeof(message)),
        -EMSGSIZE);
    assert_int_equal(ntor_v3_server_open(&server, &keys, CIRCUIT, skin, 137, message, 9), 9);
    assert_int_equal(
        ntor_v3_server_reply(&server, CIRCUIT, message, 5, reply, 68, keys_out, KEYS_LEN),
        -EMSGSIZE);
    assert_int_equal(ntor_v3_server_reply(&server, CIRCUIT, message, 5, reply, sizeof(reply),
                                          keys_out, sizeof(keys_out)),
                     -EMSGSIZE);
    assert_int_equal(ntor_v3_server_reply(&server, CIRCUIT, message, 5, reply, sizeof(reply),
                                          keys_out, NTOR_V3_KEYS_MAX),
                     69);
    assert_int_equal(
        ntor_v3_client_finish(&client, CIRCUIT, reply, 69, message, 4, keys_out, KEYS_LEN),
        -EMSGSIZE);
    assert_int_equal(
        ntor_v3_client_finish(&client, CIRCUIT, reply, 69, message, 5, keys_out, KEYS_LEN), 5);
}

static void test_wrong_relay(void **state)
{
    (void)state;
    uint8_t skin[160], message[64];
    struct onion_keys keys, other;
    struct ntor_v3_client client;
    struct ntor_v3_server server, wiped;

    memset(&wiped, 0, sizeof(wiped));
    make_keys(&keys);
    make_keys(&other);
    // An onion key that we do not have.
    assert_int_equal(ntor_v3_client_start(&client, keys.ed25519_id, other.keys[0].public_key,
                                          CIRCUIT, (const uint8_t *)"\0", 1, skin, sizeof(skin)),
                     129);
    assert_int_equal(ntor_v3_server_open(&server, &keys, CIRCUIT, skin, 129, message, 64), -EPROTO);
    assert_memory_equal(&server, &wiped, sizeof(server));
    // Another relay's identity.
    assert_int_equal(ntor_v3_client_start(&client, other.ed25519_id, keys.keys[0].public_key,
                                          CIRCUIT, (const uint8_t *)"\0", 1, skin, sizeof(skin)),
                     129);
    assert_int_equal(ntor_v3_server_open(&server, &keys, CIRCUIT, skin, 129, message, 64), -EPROTO);
    // Another verification string.
    assert_int_equal(ntor_v3_client_start(&client, keys.ed25519_id, keys.keys[0].public_key,
                                          "circuit extenD", 14, (const uint8_t *)"\0", 1, skin,
                                          sizeof(skin)),
                     129);
    assert_int_equal(ntor_v3_server_open(&server, &keys, CIRCUIT, skin, 129, message, 64), -EPROTO);
    // A descriptor with an onion key of small order.
    uint8_t zero[32] = {0};
    assert_int_equal(ntor_v3_client_start(&client, keys.ed25519_id, zero, CIRCUIT,
                                          (const uint8_t *)"\0", 1, skin, sizeof(skin)),
                     -EPROTO);
}

static void test_broken(void **state)
{
    (void)state;
    uint8_t skin[160], reply[160], message[64], out[KEYS_LEN], zero[KEYS_LEN] = {0};
    struct onion_keys keys;
    struct ntor_v3_client client;
    struct ntor_v3_server server;

    make_keys(&keys);
    assert_int_equal(ntor_v3_client_start(&client, keys.ed25519_id, keys.keys[0].public_key,
                                          CIRCUIT, (const uint8_t *)"\1\1\0", 3, skin,
                                          sizeof(skin)),
                     131);
    for (size_t n = 0; n <= 131; n++) {
        uint8_t *copy = exact_copy(skin, n);
        assert_int_equal(ntor_v3_server_open(&server, &keys, CIRCUIT, copy, n, message, 64),
                         n == 131 ? 3 : -EPROTO);
        free(copy);
    }
    for (unsigned bit = 0; bit < 131 * 8; bit++) {
        skin[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(ntor_v3_server_open(&server, &keys, CIRCUIT, skin, 131, message, 64),
                         -EPROTO);
        skin[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }

    assert_int_equal(ntor_v3_server_open(&server, &keys, CIRCUIT, skin, 131, message, 64), 3);
    assert_int_equal(ntor_v3_server_reply(&server, CIRCUIT, (const uint8_t *)"\1\2\1\x1f", 4, reply,
                                          sizeof(reply), out, KEYS_LEN),
                     68);
    for (size_t n = 0; n <= 68; n++) {
        uint8_t *copy = exact_copy(reply, n);
        assert_int_equal(
            ntor_v3_client_finish(&client, CIRCUIT, copy, n, message, 64, out, KEYS_LEN),
            n == 68 ? 4 : -EPROTO);
        free(copy);
    }
    for (unsigned bit = 0; bit < 68 * 8; bit++) {
        reply[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(
            ntor_v3_client_finish(&client, CIRCUIT, reply, 68, message, 64, out, KEYS_LEN),
            -EPROTO);
        assert_memory_equal(out, zero, sizeof(out));
        reply[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(
        ntor_v3_client_finish(&client, "circuit extenD", 14, reply, 68, message, 64, out, KEYS_LEN),
        -EPROTO);

    // X of small order: the client can compute what an all-zero secret gives, and a right MAC.
    struct ntor_v3_server small = server;
    memset(small.client_key, 0, 32);
    assert_int_equal(
        ntor_v3_server_reply(&small, CIRCUIT, message, 4, reply, sizeof(reply), out, KEYS_LEN),
        -EPROTO);
    assert_memory_equal(out, zero, sizeof(out));
    memset(reply, 0, 32);
    assert_int_equal(ntor_v3_client_finish(&client, CIRCUIT, reply, 68, message, 64, out, KEYS_LEN),
                     -EPROTO);
}

// A skin whose X is the point 0, so that the secret is 0 and anyone can make a right MAC. It must
// be refused for that alone. Put together by hand from proposal 332.
static void test_zero_point_with_right_mac(void **state)
{
    (void)state;
    static const char phase1_tweak[] = "ntor3-curve25519-sha3_256-1:kdf_phase1";
    static const char mac_tweak[] = "ntor3-curve25519-sha3_256-1:msg_mac";
    uint8_t input[400], derived[64], skin[128], message[8], zero[32] = {0};
    struct onion_keys keys;
    struct ntor_v3_server server;
    struct writer w = writer_of(input, sizeof(input));

    make_keys(&keys);
    write_u64(&w, strlen(phase1_tweak));
    write_bytes(&w, phase1_tweak, strlen(phase1_tweak));
    write_zeros(&w, 32); // Bx
    write_bytes(&w, keys.ed25519_id, 32);
    write_zeros(&w, 32); // X
    write_bytes(&w, keys.keys[0].public_key, 32);
    write_bytes(&w, "ntor3-curve25519-sha3_256-1", 27);
    write_u64(&w, NTOR_V3_CIRCUIT_LEN);
    write_bytes(&w, CIRCUIT);
    shake256(input, writer_length(&w), derived, sizeof(derived));

    w = writer_of(input, sizeof(input));
    write_u64(&w, strlen(mac_tweak));
    write_bytes(&w, mac_tweak, strlen(mac_tweak));
    write_u64(&w, 32);
    write_bytes(&w, derived + 32, 32);
    write_bytes(&w, keys.ed25519_id, 32);
    write_bytes(&w, keys.keys[0].public_key, 32);
    write_zeros(&w, 32); // X
    memcpy(skin, keys.ed25519_id, 32);
    memcpy(skin + 32, keys.keys[0].public_key, 32);
    memset(skin + 64, 0, 32);
    sha3_256(input, writer_length(&w), skin + 96);

    assert_int_equal(
        ntor_v3_server_open(&server, &keys, CIRCUIT, skin, sizeof(skin), message, sizeof(message)),
        -EPROTO);
    assert_memory_equal(server.shared_xb, zero, 32);
}

static void test_random_input(void **state)
{
    (void)state;
    uint8_t random[700], skin[160], message[NTOR_V3_MESSAGE_MAX], out[KEYS_LEN];
    struct onion_keys keys;
    struct ntor_v3_client client;
    struct ntor_v3_server server;

    make_keys(&keys);
    assert_int_equal(ntor_v3_client_start(&client, keys.ed25519_id, keys.keys[0].public_key,
                                          CIRCUIT, NULL, 0, skin, sizeof(skin)),
                     128);
    for (int i = 0; i < 400; i++) {
        random_bytes(random, sizeof(random));
        size_t length = (random[698] | random[699] << 8) % 698;
        if (i % 3 == 0) {
            memcpy(random, keys.ed25519_id, 32);
            memcpy(random + 32, keys.keys[i % 2].public_key, 32);
        }
        uint8_t *copy = exact_copy(random, length);
        assert_true(ntor_v3_server_open(&server, &keys, CIRCUIT, copy, length, message,
                                        sizeof(message)) < 0);
        assert_true(ntor_v3_client_finish(&client, CIRCUIT, copy, length, message, sizeof(message),
                                          out, sizeof(out)) < 0);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector),       cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_capacities),   cmocka_unit_test(test_wrong_relay),
        cmocka_unit_test(test_broken),       cmocka_unit_test(test_zero_point_with_right_mac),
        cmocka_unit_test(test_random_input),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
