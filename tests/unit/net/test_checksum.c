// SPDX-License-Identifier: BSD-3-Clause
// The Internet checksum against RFC 1071's example and a plain implementation.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/internal.h"
#include "wire.h"

static uint16_t in_memory_order(uint16_t sum)
{
    uint8_t bytes[2];
    memcpy(bytes, &sum, 2);
    return get16(bytes);
}

// RFC 1071, section 3.
static void test_rfc1071(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    assert_int_equal(in_memory_order(checksum_sum(bytes, sizeof(bytes), 0)), 0xddf2);
}

static void test_random(void **state)
{
    (void)state;
    static uint8_t buffer[9100];
    srandom(7);
    for (unsigned i = 0; i < 4000; i++) {
        size_t length = i < 200 ? i : (size_t)random() % 9000, offset = (size_t)random() % 16;
        for (size_t j = 0; j < length; j++)
            buffer[offset + j] = i % 5 ? (uint8_t)random() : 0xff; // all carries too
        uint8_t *bytes = malloc(length ? length : 1);              // so that ASan sees overreads
        assert_non_null(bytes);
        memcpy(bytes, buffer + offset, length);
        uint16_t ours = (uint16_t)~in_memory_order(checksum_sum(bytes, length, 0));
        assert_int_equal(ours, naive_checksum(bytes, length, 0));
        // In two parts, and from an odd address.
        size_t even = length / 2 & ~(size_t)1;
        uint16_t first = checksum_sum(buffer + offset, even, 0);
        ours =
            (uint16_t)~in_memory_order(checksum_sum(buffer + offset + even, length - even, first));
        assert_int_equal(ours, naive_checksum(bytes, length, 0));
        free(bytes);
    }
}

static void test_tcp(void **state)
{
    (void)state;
    struct wire w = {0};
    srandom(8);
    for (unsigned i = 0; i < 500; i++) {
        struct frame f;
        frame_tcp(&w, &f, (uint32_t)random(), (uint16_t)random(), (uint32_t)random(),
                  (uint16_t)random(), (size_t)random() % 1460);
        const void *ip = f.bytes + WIRE_ETHER;
        uint8_t *segment = f.bytes + WIRE_ETHER + WIRE_IP;
        size_t length = f.length - WIRE_ETHER - WIRE_IP;
        assert_int_equal(checksum_ipv4_header(ip, WIRE_IP), 0);
        assert_int_equal(checksum_tcp(ip, segment, length), 0);
        uint16_t expected = get16(segment + 16);
        put16(segment + 16, 0);
        assert_int_equal(in_memory_order(checksum_tcp(ip, segment, length)), expected);
        segment[(size_t)random() % length] ^= 0x10;
        assert_int_not_equal(in_memory_order(checksum_tcp(ip, segment, length)), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc1071),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_tcp),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
