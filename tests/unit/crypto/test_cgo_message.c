// SPDX-License-Identifier: BSD-3-Clause
// Relay messages in format v1 (protocol 4.02 to 4.04).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/cell.h"
#include "crypto/cgo_message.h"

enum { RELAY_XON_COMMAND = 44, COMMAND_AT = 16, LENGTH_AT = 17, RANDOM = 0xaa };

static uint8_t padding[CELL_BODY_LEN];

static void test_shape_with_stream(void **state)
{
    (void)state;
    uint8_t cell[CELL_BODY_LEN];
    struct cgo_message m = {RELAY_DATA, 0x1234, 3, (const uint8_t *)"abc"}, out;
    static const uint8_t expected[] = {0,    0,   0,   0,   0, 0, 0, 0, 0,      0,
                                       0,    0,   0,   0,   0, 0, 2, 0, 3,      0x12,
                                       0x34, 'a', 'b', 'c', 0, 0, 0, 0, RANDOM, RANDOM};
    memset(cell, 0x77, sizeof(cell));
    assert_int_equal(cgo_message_build(&m, padding, cell), 0);
    assert_memory_equal(cell, expected, sizeof(expected));
    assert_int_equal(cell[CELL_BODY_LEN - 1], RANDOM);
    assert_true(cgo_message_parse(cell, &out));
    assert_int_equal(out.command, RELAY_DATA);
    assert_int_equal(out.stream_id, 0x1234);
    assert_int_equal(out.length, 3);
    assert_ptr_equal(out.body, cell + 21);
}

static void test_shape_without_stream(void **state)
{
    (void)state;
    uint8_t cell[CELL_BODY_LEN];
    struct cgo_message m = {RELAY_EXTENDED2, 0, 2, (const uint8_t *)"xy"}, out;
    static const uint8_t expected[] = {15, 0, 2, 'x', 'y', 0, 0, 0, 0, RANDOM};
    assert_int_equal(cgo_message_build(&m, padding, cell), 0);
    assert_memory_equal(cell + COMMAND_AT, expected, sizeof(expected));
    assert_true(cgo_message_parse(cell, &out));
    assert_int_equal(out.command, RELAY_EXTENDED2);
    assert_int_equal(out.stream_id, 0);
    assert_int_equal(out.length, 2);
    assert_ptr_equal(out.body, cell + 19);
}

static void set_length(uint8_t *cell, uint16_t length)
{
    cell[LENGTH_AT] = (uint8_t)(length >> 8);
    cell[LENGTH_AT + 1] = (uint8_t)length;
}

// For every command number: known or not, with a stream or not, and the bounds of its length.
static void test_every_command(void **state)
{
    (void)state;
    static const uint8_t known[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 19,
                                    20, 21, 22, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44};
    static const uint8_t streams[] = {1, 2, 3, 4, 11, 12, 13, 43, 44};
    for (unsigned command = 0; command < 256; command++) {
        bool is_known = memchr(known, (int)command, sizeof(known));
        bool has_stream = memchr(streams, (int)command, sizeof(streams));
        uint16_t longest = has_stream ? 488 : 490;
        uint8_t cell[CELL_BODY_LEN] = {0}, body[CELL_BODY_LEN] = {0};
        struct cgo_message out;
        cell[COMMAND_AT] = (uint8_t)command;
        assert_int_equal(cgo_message_parse(cell, &out), is_known);
        set_length(cell, longest);
        assert_int_equal(cgo_message_parse(cell, &out), is_known);
        set_length(cell, longest + 1);
        assert_false(cgo_message_parse(cell, &out));
        set_length(cell, 0xffff);
        assert_false(cgo_message_parse(cell, &out));

        struct cgo_message m = {(uint8_t)command, has_stream, longest, body};
        assert_int_equal(cgo_message_build(&m, padding, cell), is_known ? 0 : -EINVAL);
        m.length++;
        assert_int_equal(cgo_message_build(&m, padding, cell), -EINVAL);
        m.length = 0;
        m.stream_id = !has_stream;
        assert_int_equal(cgo_message_build(&m, padding, cell), -EINVAL);
    }
}

static void test_tail(void **state)
{
    (void)state;
    uint8_t cell[CELL_BODY_LEN], body[CGO_MESSAGE_STREAM_BODY_MAX];
    static const uint8_t tail[6] = {0, 0, 0, 0, RANDOM, RANDOM};
    memset(body, 0x55, sizeof(body));
    for (uint16_t less = 0; less < 6; less++) {
        struct cgo_message m = {RELAY_XON_COMMAND, 1, (uint16_t)(sizeof(body) - less), body};
        assert_int_equal(cgo_message_build(&m, padding, cell), 0);
        assert_memory_equal(cell + CELL_BODY_LEN - less, tail, less);
        assert_int_equal(cell[CELL_BODY_LEN - less - 1], 0x55);
    }
}

static int fill_padding(void **state)
{
    (void)state;
    memset(padding, RANDOM, sizeof(padding));
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape_with_stream),
        cmocka_unit_test(test_shape_without_stream),
        cmocka_unit_test(test_every_command),
        cmocka_unit_test(test_tail),
    };
    return cmocka_run_group_tests_name("cgo message", tests, fill_padding, NULL);
}
