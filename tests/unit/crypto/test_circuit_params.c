// SPDX-License-Identifier: BSD-3-Clause
// The extension blocks of ntor-v3 handshakes: what is granted, refused and ignored.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/circuit_params.h"
#include "crypto/random.h"
#include "hex.h"

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1

static const struct circuit_params cc_on = {.congestion_control = true, .sendme_inc_cells = 31};
static const struct circuit_params cc_off = {.congestion_control = false};

static int answer(const uint8_t *message, size_t length, const struct circuit_params *offer,
                  struct circuit_params *granted, uint8_t reply[CIRCUIT_PARAMS_REPLY_MAX])
{
    uint8_t *copy = exact_copy(message, length);
    int result =
        circuit_params_answer(copy, length, offer, granted, reply, CIRCUIT_PARAMS_REPLY_MAX);
    free(copy);
    return result;
}

static void test_answers(void **state)
{
    (void)state;
    // Nothing, an unknown extension, a subprotocol request without pairs, both.
    static const char *const without[] = {"00", "0107020506", "010300", "020300070105"};
    // Alone, in any order with others, with a body (which is ignored), twice.
    static const char *const with[] = {"010100", "0201000300", "0207020506010100", "010103aabbcc",
                                       "0201000100"};
    struct circuit_params granted;
    uint8_t reply[CIRCUIT_PARAMS_REPLY_MAX], message[16];

    for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
        size_t n = strlen(without[i]) / 2;
        unhex(without[i], message, n);
        assert_int_equal(answer(message, n, &cc_on, &granted, reply), 1);
        assert_int_equal(reply[0], 0);
        assert_false(granted.congestion_control);
    }
    for (size_t i = 0; i < sizeof(with) / sizeof(with[0]); i++) {
        size_t n = strlen(with[i]) / 2;
        unhex(with[i], message, n);
        assert_int_equal(answer(message, n, &cc_on, &granted, reply), 4);
        assert_hex(reply, "0102011f");
        assert_true(granted.congestion_control);
        assert_int_equal(granted.sendme_inc_cells, 31);
        assert_int_equal(answer(message, n, &cc_off, &granted, reply), 1);
        assert_int_equal(reply[0], 0);
        assert_false(granted.congestion_control);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    struct circuit_params granted;
    uint8_t reply[CIRCUIT_PARAMS_REPLY_MAX];

    // Subprotocols: CGO, another, an odd length, after congestion control.
    assert_int_equal(answer(BYTES("\1\3\2\2\6"), &cc_on, &granted, reply), -EPROTO);
    assert_int_equal(answer(BYTES("\1\3\2\2\5"), &cc_on, &granted, reply), -EPROTO);
    assert_int_equal(answer(BYTES("\1\3\1\2"), &cc_on, &granted, reply), -EPROTO);
    assert_int_equal(answer(BYTES("\2\1\0\3\2\2\6"), &cc_on, &granted, reply), -EPROTO);
    assert_int_equal(answer(BYTES("\2\3\0\3\2\2\6"), &cc_on, &granted, reply), -EPROTO);
    assert_false(granted.congestion_control);
    // Truncated at every length.
    for (size_t n = 0; n < 8; n++)
        assert_int_equal(answer((const uint8_t *)"\2\1\0\7\3abc", n, &cc_on, &granted, reply),
                         -EPROTO);
    assert_int_equal(answer((const uint8_t *)"\2\1\0\7\3abc", 8, &cc_on, &granted, reply), 4);
    // What follows the block is ignored.
    assert_int_equal(answer(BYTES("\0\1\0"), &cc_on, &granted, reply), 1);
    assert_int_equal(circuit_params_answer(BYTES("\1\1\0"), &cc_on, &granted, reply, 3), -EMSGSIZE);
    assert_int_equal(circuit_params_answer(BYTES("\0"), &cc_on, &granted, reply, 0), -EMSGSIZE);
}

static void test_client(void **state)
{
    (void)state;
    struct circuit_params granted;
    uint8_t request[CIRCUIT_PARAMS_REQUEST_MAX], reply[CIRCUIT_PARAMS_REPLY_MAX];

    assert_int_equal(circuit_params_request(false, request, sizeof(request)), 1);
    assert_int_equal(request[0], 0);
    assert_int_equal(circuit_params_request(true, request, 2), -EMSGSIZE);
    assert_int_equal(circuit_params_request(true, request, sizeof(request)), 3);
    assert_hex(request, "010100");
    assert_int_equal(answer(request, 3, &cc_on, &granted, reply), 4);
    for (unsigned increment = 0; increment <= 255; increment++) {
        reply[3] = (uint8_t)increment;
        bool fine = increment >= 30 && increment <= 32;
        assert_int_equal(circuit_params_accept(reply, 4, &cc_on, &granted), fine ? 0 : -EPROTO);
        assert_int_equal(granted.congestion_control, fine);
        assert_int_equal(granted.sendme_inc_cells, fine ? increment : 0);
    }
    const struct circuit_params one = {.congestion_control = true, .sendme_inc_cells = 1};
    reply[3] = 0;
    assert_int_equal(circuit_params_accept(reply, 4, &one, &granted), -EPROTO);
    reply[3] = 31;
    assert_int_equal(circuit_params_accept(reply, 4, &cc_off, &granted), -EPROTO);
    assert_int_equal(circuit_params_accept(BYTES("\0"), &cc_on, &granted), 0);
    assert_false(granted.congestion_control);
    assert_int_equal(circuit_params_accept(BYTES("\1\2\0"), &cc_on, &granted), -EPROTO);
    for (size_t n = 0; n < 4; n++)
        assert_int_equal(circuit_params_accept(reply, n, &cc_on, &granted), -EPROTO);
}

static void test_random_input(void **state)
{
    (void)state;
    struct circuit_params granted;
    uint8_t random[64], reply[CIRCUIT_PARAMS_REPLY_MAX];

    for (int i = 0; i < 2000; i++) {
        random_bytes(random, sizeof(random));
        random[0] %= 5;
        for (int j = 1; j < 60; j++)
            random[j] &= i % 2 ? 3 : 0xff;
        size_t length = random[63] % 60;
        int result = answer(random, length, &cc_on, &granted, reply);
        assert_true(result == -EPROTO || result == (granted.congestion_control ? 4 : 1));
        uint8_t *copy = exact_copy(random, length);
        result = circuit_params_accept(copy, length, &cc_on, &granted);
        assert_true(result == -EPROTO || result == 0);
        free(copy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_client),
        cmocka_unit_test(test_random_input),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
