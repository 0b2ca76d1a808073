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
static const struct circuit_params all_on = {
    .congestion_control = true, .sendme_inc_cells = 31, .cgo = true};
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

static void check_granted(const char *hex, const struct circuit_params *offer, bool cgo)
{
    struct circuit_params granted;
    uint8_t reply[CIRCUIT_PARAMS_REPLY_MAX], message[24];
    size_t n = strlen(hex) / 2;
    unhex(hex, message, n);
    assert_int_equal(answer(message, n, offer, &granted, reply), 4);
    assert_hex(reply, "0102011f"); // not a word on CGO (2.22)
    assert_true(granted.congestion_control);
    assert_int_equal(granted.sendme_inc_cells, 31);
    assert_int_equal(granted.cgo, cgo);
}

static void check_refused(const char *hex, const struct circuit_params *offer)
{
    struct circuit_params granted = all_on;
    uint8_t reply[CIRCUIT_PARAMS_REPLY_MAX], message[24];
    size_t n = strlen(hex) / 2;
    unhex(hex, message, n);
    assert_int_equal(answer(message, n, offer, &granted, reply), -EPROTO);
    assert_false(granted.congestion_control);
    assert_false(granted.cgo);
}

static void test_grants_cgo(void **state)
{
    (void)state;
    check_granted("02010003020206", &all_on, true); // as tor asks (2.22)
    check_granted("02030202060100", &all_on, true); // in the other order
    check_granted("030302020601000701aa", &all_on, true);
    check_granted("0201000300", &all_on, false); // no pair
    // Of two extensions of a type the first counts.
    check_granted("030100030202060300", &all_on, true);
    check_granted("030100030003020206", &all_on, false);
    check_granted("0301000302020603020207", &all_on, true);
}

// 2.21, 2.23: what we would not do must fail the handshake.
static void test_refuses_subprotocols(void **state)
{
    (void)state;
    check_refused("0103020206", &all_on);    // without congestion control
    check_refused("02010003020206", &cc_on); // we don't speak it
    const struct circuit_params no_congestion_control = {.cgo = true};
    check_refused("02010003020206", &no_congestion_control);
    check_refused("020100030402060206", &all_on); // twice
    check_refused("020100030402060207", &all_on); // and another
    check_refused("020100030402050206", &all_on); // the mechanism itself is none
    check_refused("020100030402060106", &all_on); // in wrong order
    check_refused("020100030402060b02", &all_on); // FlowCtrl
    check_refused("02010003020202", &all_on);
    check_refused("02010003020006", &all_on);
    check_refused("02010003020602", &all_on);
    check_refused("020100030102", &all_on);     // half a pair
    check_refused("0201000303020602", &all_on); // and a half
    check_refused("02010003020206", &cc_off);
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

    assert_int_equal(circuit_params_request(&cc_off, request, sizeof(request)), 1);
    assert_int_equal(request[0], 0);
    for (size_t n = 0; n < 7; n++)
        assert_int_equal(circuit_params_request(&all_on, request, n), -EMSGSIZE);
    assert_int_equal(circuit_params_request(&all_on, request, sizeof(request)), 7);
    assert_memory_equal(request, "\2\1\0\3\2\2\6", 7);
    assert_int_equal(answer(request, 7, &all_on, &granted, reply), 4);
    assert_int_equal(circuit_params_accept(reply, 4, &all_on, &granted), 0);
    assert_true(granted.cgo);
    assert_int_equal(circuit_params_accept(BYTES("\0"), &all_on, &granted), -EPROTO);
    assert_false(granted.cgo);
    assert_int_equal(circuit_params_request(&cc_on, request, 2), -EMSGSIZE);
    assert_int_equal(circuit_params_request(&cc_on, request, sizeof(request)), 3);
    assert_memory_equal(request, "\1\1\0", 3);
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
        int result = answer(random, length, &all_on, &granted, reply);
        assert_true(result == -EPROTO || result == (granted.congestion_control ? 4 : 1));
        assert_true(!granted.cgo || (result == 4 && granted.congestion_control));
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
        cmocka_unit_test(test_grants_cgo),
        cmocka_unit_test(test_refuses_subprotocols),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_client),
        cmocka_unit_test(test_random_input),
    };
    return crypto_init() != 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
