// SPDX-License-Identifier: BSD-3-Clause
// Cursors: values, ends, and that a failure sticks. Run under ASan, which sees any byte too far.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cursor.h"

static void test_read_integers(void **state)
{
    (void)state;
    uint8_t bytes[18];
    for (uint8_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(0xf0 + i); // high bits set: no sign may creep in
    struct reader r = reader_of(bytes, sizeof(bytes));
    assert_int_equal(read_u8(&r), 0xf0);
    assert_int_equal(read_u16(&r), 0xf1f2);
    assert_int_equal(read_u24(&r), 0xf3f4f5);
    assert_int_equal(read_u32(&r), 0xf6f7f8f9);
    assert_true(read_u64(&r) == UINT64_C(0xfafbfcfdfeff0001));
    assert_true(reader_done(&r));
    assert_int_equal(reader_left(&r), 0);
}

// Every integer from every length too short for it: zero, failed, and failed for good.
static void test_read_too_far(void **state)
{
    (void)state;
    for (size_t width = 1; width <= 8; width++) {
        for (size_t length = 0; length < width; length++) {
            uint8_t *bytes = malloc(length + 1); // malloc(0) would hide a read from ASan
            assert_non_null(bytes);
            memset(bytes, 0xff, length + 1);
            struct reader r = reader_of(bytes + 1, length);
            uint64_t value = width == 1   ? read_u8(&r)
                             : width == 2 ? read_u16(&r)
                             : width == 3 ? read_u24(&r)
                             : width == 4 ? read_u32(&r)
                             : width == 8 ? read_u64(&r)
                                          : (uint64_t)(read_bytes(&r, width) != NULL);
            assert_true(value == 0);
            assert_true(r.failed);
            assert_false(reader_done(&r));
            assert_int_equal(reader_left(&r), 0);
            assert_int_equal(read_u8(&r), 0); // also when a byte is there
            assert_true(r.at == bytes + 1);
            free(bytes);
        }
    }
}

static void test_read_bytes(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3, 4, 5};
    uint8_t out[3];
    struct reader r = reader_of(bytes, sizeof(bytes));
    assert_ptr_equal(read_bytes(&r, 0), bytes);
    assert_ptr_equal(read_bytes(&r, 2), bytes);
    assert_int_equal(reader_left(&r), 3);
    read_into(&r, out, 3);
    assert_memory_equal(out, bytes + 2, 3);
    assert_true(reader_done(&r));
    assert_non_null(read_bytes(&r, 0));
    assert_true(reader_done(&r));
    read_into(&r, out, 1);
    assert_int_equal(out[0], 0);
    assert_true(r.failed);
    assert_null(read_bytes(&r, 0));
}

// A length that would wrap a pointer.
static void test_read_huge(void **state)
{
    (void)state;
    uint8_t byte = 7;
    struct reader r = reader_of(&byte, 1);
    assert_null(read_bytes(&r, SIZE_MAX));
    assert_true(r.failed);
    r = reader_of(&byte, 1);
    struct reader sub = read_sub(&r, SIZE_MAX - 1);
    assert_true(sub.failed && r.failed);
    assert_int_equal(read_u8(&sub), 0);
}

static void test_read_sub(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3, 4, 5};
    struct reader r = reader_of(bytes, sizeof(bytes));
    struct reader sub = read_sub(&r, 3);
    assert_int_equal(read_u16(&sub), 0x0102);
    assert_int_equal(reader_left(&sub), 1);
    assert_int_equal(read_u16(&sub), 0); // not into the outer one's bytes
    assert_true(sub.failed);
    assert_false(r.failed);
    assert_int_equal(read_u16(&r), 0x0405);
    assert_true(reader_done(&r));
    sub = read_sub(&r, 0);
    assert_true(reader_done(&sub));
    sub = read_sub(&r, 1);
    assert_true(sub.failed && r.failed);
}

static void test_reader_of_nothing(void **state)
{
    (void)state;
    struct reader r = reader_of(NULL, 0);
    assert_true(reader_done(&r));
    assert_int_equal(read_u32(&r), 0);
    assert_true(r.failed);
}

static void test_write(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7,
                                       0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff,
                                       0,    1,    'a',  'b',  0,    0,    9};
    uint8_t bytes[sizeof(expected)];
    memset(bytes, 0x55, sizeof(bytes));
    struct writer w = writer_of(bytes, sizeof(bytes));
    write_u8(&w, 0xf0);
    write_u16(&w, 0xf1f2);
    write_u24(&w, 0xfff3f4f5); // its high byte doesn't count
    write_u32(&w, 0xf6f7f8f9);
    write_u64(&w, UINT64_C(0xfafbfcfdfeff0001));
    write_bytes(&w, "ab", 2);
    write_zeros(&w, 2);
    uint8_t *room = write_room(&w, 1);
    assert_non_null(room);
    *room = 9;
    assert_false(w.failed);
    assert_int_equal(writer_length(&w), sizeof(expected));
    assert_memory_equal(bytes, expected, sizeof(expected));
}

// What doesn't fit is not written in part, and nothing after it is written either.
static void test_write_too_far(void **state)
{
    (void)state;
    static const uint8_t untouched[3] = {0x55, 0x55, 0x55};
    uint8_t *bytes = malloc(3);
    assert_non_null(bytes);
    memcpy(bytes, untouched, 3);
    struct writer w = writer_of(bytes, 3);
    write_u32(&w, 1);
    assert_true(w.failed);
    write_u8(&w, 1);
    write_bytes(&w, "a", 1);
    write_bytes(&w, NULL, 0);
    write_zeros(&w, 1);
    assert_null(write_room(&w, 0));
    assert_int_equal(writer_length(&w), 0);
    assert_memory_equal(bytes, untouched, 3);
    w = writer_of(bytes, 3);
    assert_null(write_room(&w, SIZE_MAX));
    assert_true(w.failed);
    w = writer_of(bytes, 3);
    write_u24(&w, 1);
    write_bytes(&w, NULL, 0);
    assert_false(w.failed);
    assert_int_equal(writer_length(&w), 3);
    write_u8(&w, 1);
    assert_true(w.failed);
    assert_int_equal(writer_length(&w), 3);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_integers), cmocka_unit_test(test_read_too_far),
        cmocka_unit_test(test_read_bytes),    cmocka_unit_test(test_read_huge),
        cmocka_unit_test(test_read_sub),      cmocka_unit_test(test_reader_of_nothing),
        cmocka_unit_test(test_write),         cmocka_unit_test(test_write_too_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
