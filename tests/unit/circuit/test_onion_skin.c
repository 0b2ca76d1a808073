// SPDX-License-Identifier: BSD-3-Clause
// Answers to CREATE_FAST and CREATE2 cells, by a client's own side of each handshake; what is
// refused, and every length of what is malformed (protocol 2.01–2.23).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "circuit/onion_skin.h"
#include "crypto/cgo.h"
#include "crypto/circuit_params.h"
#include "crypto/create_fast.h"
#include "crypto/ntor.h"
#include "crypto/ntor_v3.h"
#include "crypto/random.h"
#include "crypto/tor1.h"

enum {
    YIELD_LEN = TOR1_MATERIAL_LEN + CIRCUIT_NONCE_BYTES,
    CGO_YIELD_LEN = CGO_MATERIAL_LEN + CIRCUIT_NONCE_BYTES,
    RANDOM_SKINS = 500,
};

#define CIRCUIT NTOR_V3_CIRCUIT, NTOR_V3_CIRCUIT_LEN

static struct onion_keys keys;

static int make_keys(void **state)
{
    (void)state;
    random_bytes(keys.rsa_id, sizeof(keys.rsa_id));
    random_bytes(keys.ed25519_id, sizeof(keys.ed25519_id));
    keys.key_count = 2;
    curve25519_generate(&keys.keys[0]);
    curve25519_generate(&keys.keys[1]);
    curve25519_generate(&keys.junk);
    return 0;
}

// The body of a CREATE2 cell; what follows the data is noise.
static void create2(uint8_t body[CELL_BODY_LEN], uint16_t handshake, const void *data,
                    uint16_t length)
{
    random_bytes(body, CELL_BODY_LEN);
    body[0] = (uint8_t)(handshake >> 8);
    body[1] = (uint8_t)handshake;
    body[2] = (uint8_t)(length >> 8);
    body[3] = (uint8_t)length;
    if (data && length <= CREATE2_DATA_MAX)
        memcpy(body + 4, data, length);
}

static void answer_one(const struct onion_skin *skin, struct onion_answer *answer)
{
    onion_skins_answer(NULL, &keys, &onion_skin_default_offer, &skin, answer, 1);
}

// What the relay says to a CREATE2 cell, as circuit creation asks it.
static enum destroy_reason answer_create2(uint16_t handshake, const void *data, uint16_t length,
                                          struct onion_answer *answer)
{
    uint8_t body[CELL_BODY_LEN];
    struct onion_skin skin;
    create2(body, handshake, data, length);
    enum destroy_reason refused = onion_skin_parse(CELL_CREATE2, body, &skin);
    if (refused != DESTROY_NONE)
        return refused;
    memset(answer, 0x5a, sizeof(*answer)); // it says all of it
    answer_one(&skin, answer);
    return answer->refused;
}

static uint16_t reply_length(const struct onion_answer *answer)
{
    uint16_t length = (uint16_t)(answer->body[0] << 8 | answer->body[1]);
    assert_int_equal(answer->command, CELL_CREATED2);
    assert_int_equal(answer->body_length, 2 + length);
    return length;
}

static void check_yield(const struct onion_answer *answer, const uint8_t *client)
{
    bool cgo = answer->crypto.kind == CIRCUIT_CRYPTO_CGO;
    size_t length = cgo ? CGO_MATERIAL_LEN : TOR1_MATERIAL_LEN;
    assert_true(cgo || answer->crypto.kind == CIRCUIT_CRYPTO_TOR1);
    assert_memory_equal(answer->crypto.material, client, length);
    assert_memory_equal(answer->nonce, client + length, CIRCUIT_NONCE_BYTES);
}

static void test_create_fast(void **state)
{
    (void)state;
    uint8_t body[CELL_BODY_LEN], client_keys[TOR1_MATERIAL_LEN];
    struct onion_skin skin;
    struct onion_answer answer;
    random_bytes(body, sizeof(body));
    assert_int_equal(onion_skin_parse(CELL_CREATE_FAST, body, &skin), DESTROY_NONE);
    assert_int_equal(skin.handshake, HANDSHAKE_FAST);
    memset(&answer, 0x5a, sizeof(answer));
    answer_one(&skin, &answer);
    assert_int_equal(answer.refused, DESTROY_NONE);
    assert_int_equal(answer.command, CELL_CREATED_FAST);
    assert_int_equal(answer.body_length, CREATED_FAST_LEN);
    assert_int_equal(create_fast_client(body, answer.body, client_keys, TOR1_MATERIAL_LEN), 0);
    assert_memory_equal(answer.crypto.material, client_keys, TOR1_MATERIAL_LEN);
    assert_int_equal(answer.crypto.kind, CIRCUIT_CRYPTO_TOR1);
    assert_false(answer.params.congestion_control);
    assert_memory_equal(answer.nonce, answer.body + CREATE_FAST_LEN, CIRCUIT_NONCE_BYTES); // KH
}

static void test_ntor(void **state)
{
    (void)state;
    for (unsigned k = 0; k < keys.key_count; k++) { // also within the grace period (2.09)
        struct ntor_client client;
        uint8_t skin[NTOR_SKIN_LEN], material[YIELD_LEN];
        struct onion_answer answer;
        ntor_client_start(&client, keys.rsa_id, keys.keys[k].public_key, skin);
        assert_int_equal(answer_create2(HANDSHAKE_NTOR, skin, sizeof(skin), &answer), DESTROY_NONE);
        assert_int_equal(reply_length(&answer), NTOR_REPLY_LEN);
        assert_int_equal(
            ntor_client_finish(&client, answer.body + 2, NTOR_REPLY_LEN, material, YIELD_LEN), 0);
        check_yield(&answer, material);
    }
}

// 2.08: it is answered all the same, and does not verify.
static void test_ntor_to_a_key_that_we_do_not_have(void **state)
{
    (void)state;
    struct curve25519_key other;
    struct ntor_client client;
    uint8_t skin[NTOR_SKIN_LEN], material[YIELD_LEN];
    struct onion_answer answer;
    curve25519_generate(&other);
    ntor_client_start(&client, keys.rsa_id, other.public_key, skin);
    assert_int_equal(answer_create2(HANDSHAKE_NTOR, skin, sizeof(skin), &answer), DESTROY_NONE);
    assert_int_equal(reply_length(&answer), NTOR_REPLY_LEN);
    assert_int_not_equal(
        ntor_client_finish(&client, answer.body + 2, NTOR_REPLY_LEN, material, YIELD_LEN), 0);
}

static void test_ntor_of_another_length(void **state)
{
    (void)state;
    struct ntor_client client;
    uint8_t skin[CREATE2_DATA_MAX] = {0};
    struct onion_answer answer;
    ntor_client_start(&client, keys.rsa_id, keys.keys[0].public_key, skin);
    for (uint16_t length = 0; length <= CREATE2_DATA_MAX; length++)
        if (length != NTOR_SKIN_LEN)
            assert_int_equal(answer_create2(HANDSHAKE_NTOR, skin, length, &answer),
                             DESTROY_PROTOCOL);
}

static void test_ntor_with_a_point_of_small_order(void **state)
{
    (void)state;
    struct ntor_client client;
    uint8_t skin[NTOR_SKIN_LEN];
    struct onion_answer answer;
    ntor_client_start(&client, keys.rsa_id, keys.keys[0].public_key, skin);
    memset(skin + 52, 0, 32); // X
    assert_int_equal(answer_create2(HANDSHAKE_NTOR, skin, sizeof(skin), &answer), DESTROY_PROTOCOL);
}

// One ntor-v3 handshake with `message` as the client's. The length of the relay's message, or -1
// when it refused. `crypto` is what it should come to.
static int run_v3(const void *message, size_t length, enum circuit_crypto_kind crypto,
                  uint8_t *granted, size_t capacity)
{
    struct ntor_v3_client client;
    uint8_t skin[CREATE2_DATA_MAX], yield[CGO_YIELD_LEN];
    struct onion_answer answer;
    int skin_length = ntor_v3_client_start(&client, keys.ed25519_id, keys.keys[0].public_key,
                                           CIRCUIT, message, length, skin, sizeof(skin));
    assert_true(skin_length > 0);
    enum destroy_reason refused =
        answer_create2(HANDSHAKE_NTOR_V3, skin, (uint16_t)skin_length, &answer);
    if (refused != DESTROY_NONE) {
        assert_int_equal(refused, DESTROY_PROTOCOL);
        return -1;
    }
    int opened = ntor_v3_client_finish(&client, CIRCUIT, answer.body + 2, reply_length(&answer),
                                       granted, capacity, yield, sizeof(yield));
    assert_true(opened >= 0);
    assert_int_equal(answer.crypto.kind, crypto);
    assert_int_equal(answer.params.cgo, crypto == CIRCUIT_CRYPTO_CGO);
    assert_int_equal(answer.params.congestion_control, opened > 1);
    check_yield(&answer, yield);
    return opened;
}

static void test_ntor_v3(void **state)
{
    (void)state;
    static const uint8_t nothing[] = {0};
    static const uint8_t unknown[] = {1, 200, 3, 1, 2, 3};
    static const uint8_t congestion_control[] = {1, CIRCUIT_EXT_CC_REQUEST, 0};
    static const uint8_t cgo[] = {2, CIRCUIT_EXT_CC_REQUEST, 0, CIRCUIT_EXT_SUBPROTO, 2, 2, 6};
    static const uint8_t increment_31[] = {1, CIRCUIT_EXT_CC_RESPONSE, 1, 31};
    uint8_t granted[16];
    assert_int_equal(
        run_v3(nothing, sizeof(nothing), CIRCUIT_CRYPTO_TOR1, granted, sizeof(granted)), 1);
    assert_int_equal(granted[0], 0);
    assert_int_equal(
        run_v3(unknown, sizeof(unknown), CIRCUIT_CRYPTO_TOR1, granted, sizeof(granted)), 1);
    assert_int_equal(granted[0], 0);
    assert_int_equal(run_v3(congestion_control, sizeof(congestion_control), CIRCUIT_CRYPTO_TOR1,
                            granted, sizeof(granted)),
                     4);
    assert_memory_equal(granted, increment_31, 4);
    assert_int_equal(run_v3(cgo, sizeof(cgo), CIRCUIT_CRYPTO_CGO, granted, sizeof(granted)), 4);
    assert_memory_equal(granted, increment_31, 4);
}

// 2.21–2.23: subprotocols that we do not speak must fail the handshake, and CGO by itself.
static void test_ntor_v3_subprotocols_are_refused(void **state)
{
    (void)state;
    static const uint8_t alone[] = {1, CIRCUIT_EXT_SUBPROTO, 2, 2, 6};
    static const uint8_t other[] = {2, CIRCUIT_EXT_CC_REQUEST, 0, CIRCUIT_EXT_SUBPROTO, 2, 2, 7};
    static const uint8_t odd[] = {2, CIRCUIT_EXT_CC_REQUEST, 0, CIRCUIT_EXT_SUBPROTO, 1, 2};
    static const uint8_t two[] = {2, CIRCUIT_EXT_CC_REQUEST, 0, CIRCUIT_EXT_SUBPROTO, 4, 2, 6, 2,
                                  6};
    uint8_t granted[16];
    assert_int_equal(run_v3(alone, sizeof(alone), 0, granted, sizeof(granted)), -1);
    assert_int_equal(run_v3(other, sizeof(other), 0, granted, sizeof(granted)), -1);
    assert_int_equal(run_v3(odd, sizeof(odd), 0, granted, sizeof(granted)), -1);
    assert_int_equal(run_v3(two, sizeof(two), 0, granted, sizeof(granted)), -1);
}

static void test_ntor_v3_with_a_malformed_message(void **state)
{
    (void)state;
    static const uint8_t request[] = {2, CIRCUIT_EXT_CC_REQUEST, 0, 77, 4, 1, 2, 3, 4};
    uint8_t granted[16];
    assert_int_equal(
        run_v3(request, sizeof(request), CIRCUIT_CRYPTO_TOR1, granted, sizeof(granted)), 4);
    for (size_t length = 0; length < sizeof(request); length++)
        assert_int_equal(run_v3(request, length, 0, granted, sizeof(granted)), -1);
}

// The MAC at its end is part of what is cut off, and every bit of it counts.
static void test_ntor_v3_cut_off_or_changed(void **state)
{
    (void)state;
    static const uint8_t nothing[] = {0};
    struct ntor_v3_client client;
    uint8_t skin[CREATE2_DATA_MAX] = {0};
    struct onion_answer answer;
    int length = ntor_v3_client_start(&client, keys.ed25519_id, keys.keys[0].public_key, CIRCUIT,
                                      nothing, sizeof(nothing), skin, sizeof(skin));
    assert_int_equal(length, NTOR_V3_SKIN_MIN + 1);
    for (uint16_t n = 0; n <= CREATE2_DATA_MAX; n++)
        if (n != length)
            assert_int_equal(answer_create2(HANDSHAKE_NTOR_V3, skin, n, &answer), DESTROY_PROTOCOL);
    for (int i = 0; i < length; i++) {
        skin[i] ^= 0x10;
        assert_int_equal(answer_create2(HANDSHAKE_NTOR_V3, skin, (uint16_t)length, &answer),
                         DESTROY_PROTOCOL);
        skin[i] ^= 0x10;
    }
    assert_int_equal(answer_create2(HANDSHAKE_NTOR_V3, skin, (uint16_t)length, &answer),
                     DESTROY_NONE);
}

static void test_refused_at_once(void **state)
{
    (void)state;
    uint8_t body[CELL_BODY_LEN];
    struct onion_skin skin;
    random_bytes(body, sizeof(body));
    assert_int_equal(onion_skin_parse(CELL_CREATE, body, &skin), DESTROY_PROTOCOL); // TAP (2.01)
    assert_int_equal(onion_skin_parse(CELL_CREATED2, body, &skin), DESTROY_PROTOCOL);
    assert_int_equal(onion_skin_parse(CELL_RELAY, body, &skin), DESTROY_PROTOCOL);
    for (unsigned handshake = 0; handshake <= UINT16_MAX; handshake++) {
        bool known = handshake == HANDSHAKE_NTOR || handshake == HANDSHAKE_NTOR_V3;
        create2(body, (uint16_t)handshake, NULL, NTOR_SKIN_LEN);
        assert_int_equal(onion_skin_parse(CELL_CREATE2, body, &skin),
                         known ? DESTROY_NONE : DESTROY_PROTOCOL);
    }
    for (unsigned length = 0; length <= UINT16_MAX; length++) { // 505 fit (2.02)
        create2(body, HANDSHAKE_NTOR_V3, NULL, (uint16_t)length);
        assert_int_equal(onion_skin_parse(CELL_CREATE2, body, &skin),
                         length <= CREATE2_DATA_MAX ? DESTROY_NONE : DESTROY_PROTOCOL);
    }
}

static void test_random_skins(void **state)
{
    (void)state;
    uint8_t data[CREATE2_DATA_MAX];
    struct onion_answer answer;
    for (unsigned i = 0; i < RANDOM_SKINS; i++) {
        uint16_t choice;
        random_bytes(data, sizeof(data));
        random_bytes(&choice, sizeof(choice));
        uint16_t handshake = i % 2 ? HANDSHAKE_NTOR : HANDSHAKE_NTOR_V3;
        uint16_t length = i % 4 == 1 ? NTOR_SKIN_LEN : choice % (CREATE2_DATA_MAX + 1);
        if (i % 8 < 4) { // as far as possible
            const uint8_t *id = i % 2 ? keys.rsa_id : keys.ed25519_id;
            size_t id_length = i % 2 ? sizeof(keys.rsa_id) : sizeof(keys.ed25519_id);
            memcpy(data, id, id_length);
            memcpy(data + id_length, keys.keys[0].public_key, 32);
        }
        enum destroy_reason refused = answer_create2(handshake, data, length, &answer);
        // A random X is as good as any other; nothing else may pass.
        bool good = handshake == HANDSHAKE_NTOR && length == NTOR_SKIN_LEN && i % 8 < 4;
        assert_int_equal(refused, good ? DESTROY_NONE : DESTROY_PROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_fast),
        cmocka_unit_test(test_ntor),
        cmocka_unit_test(test_ntor_to_a_key_that_we_do_not_have),
        cmocka_unit_test(test_ntor_of_another_length),
        cmocka_unit_test(test_ntor_with_a_point_of_small_order),
        cmocka_unit_test(test_ntor_v3),
        cmocka_unit_test(test_ntor_v3_subprotocols_are_refused),
        cmocka_unit_test(test_ntor_v3_with_a_malformed_message),
        cmocka_unit_test(test_ntor_v3_cut_off_or_changed),
        cmocka_unit_test(test_refused_at_once),
        cmocka_unit_test(test_random_skins),
    };
    if (crypto_init() != 0)
        return 1;
    return cmocka_run_group_tests(tests, make_keys, NULL);
}
