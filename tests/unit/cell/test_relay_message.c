// SPDX-License-Identifier: BSD-3-Clause
// Relay messages in format v0 (protocol 4.01, 4.04).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cell/relay_message.h"

static void a_message_has_the_shape_of_the_specification(void **state)
{
    (void)state;
    uint8_t cell[CELL_BODY_LEN], padding[CELL_BODY_LEN];
    memset(padding, 0xaa, sizeof(padding));
    struct relay_message m = {RELAY_DATA, 0x1234, 3, (const uint8_t *)"abc"};
    relay_message_build(&m, padding, cell);
    static const uint8_t expected[] = {RELAY_DATA, 0,   0,   0x12, 0x34, 0, 0, 0, 0,    0,
                                       3,          'a', 'b', 'c',  0,    0, 0, 0, 0xaa, 0xaa};
    assert_memory_equal(cell, expected, sizeof(expected));
    assert_int_equal(cell[CELL_BODY_LEN - 1], 0xaa);
    struct relay_message out;
    assert_true(relay_message_parse(cell, &out));
    assert_int_equal(out.command, RELAY_DATA);
    assert_int_equal(out.stream_id, 0x1234);
    assert_int_equal(out.length, 3);
    assert_memory_equal(out.body, "abc", 3);
}

static void the_length_is_checked(void **state)
{
    (void)state;
    uint8_t cell[CELL_BODY_LEN] = {RELAY_DATA};
    struct relay_message out;
    cell[9] = RELAY_BODY_MAX >> 8;
    cell[10] = RELAY_BODY_MAX & 0xff;
    assert_true(relay_message_parse(cell, &out));
    cell[10]++;
    assert_false(relay_message_parse(cell, &out));
    cell[9] = cell[10] = 0xff;
    assert_false(relay_message_parse(cell, &out));
}

static void a_full_message_leaves_no_padding(void **state)
{
    (void)state;
    uint8_t cell[CELL_BODY_LEN], padding[CELL_BODY_LEN], body[RELAY_BODY_MAX];
    memset(padding, 0xaa, sizeof(padding));
    memset(body, 0x55, sizeof(body));
    for (uint16_t less = 0; less < 6; less++) {
        struct relay_message m = {RELAY_DATA, 1, (uint16_t)(RELAY_BODY_MAX - less), body};
        relay_message_build(&m, padding, cell);
        static const uint8_t tail[6] = {0, 0, 0, 0, 0xaa, 0xaa};
        assert_memory_equal(cell + CELL_BODY_LEN - less, tail, less);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_has_the_shape_of_the_specification),
        cmocka_unit_test(the_length_is_checked),
        cmocka_unit_test(a_full_message_leaves_no_padding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
