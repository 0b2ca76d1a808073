// SPDX-License-Identifier: BSD-3-Clause
// Hexadecimal vectors in tests, read by code of their own rather than by what is under test.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

// Fails the test when `text` is not exactly `length` bytes.
static inline void unhex(const char *text, void *out, size_t length)
{
    uint8_t *bytes = out;

    assert_int_equal(strlen(text), 2 * length);
    for (size_t i = 0; i < length; i++) {
        unsigned value = 0;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &value), 1);
        bytes[i] = (uint8_t)value;
    }
}

#define assert_hex(bytes, text)                                                                    \
    do {                                                                                           \
        uint8_t expected_[1024];                                                                   \
        unhex((text), expected_, strlen(text) / 2);                                                \
        assert_memory_equal((bytes), expected_, strlen(text) / 2);                                 \
    } while (0)

// A copy on the heap of exactly this size, so that the address sanitizer sees a read beyond it.
static inline uint8_t *exact_copy(const void *bytes, size_t length)
{
    uint8_t *copy = malloc(length > 0 ? length : 1);

    assert_non_null(copy);
    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}
