// SPDX-License-Identifier: BSD-3-Clause
// The random stream: each number once, keys erased, and the same bytes however they are taken.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/random.h"
#include "crypto/random_stream.h"

static void pieces_do_not_change_the_stream(void **state)
{
    (void)state;
    struct random_stream whole, pieces;
    uint8_t a[5000], b[5000];
    random_stream_init(&whole);
    pieces = whole;
    random_stream_bytes(&whole, a, sizeof(a));
    size_t at = 0;
    for (size_t n = 1; at < sizeof(b); n = n * 7 % 401) {
        size_t length = n < sizeof(b) - at ? n : sizeof(b) - at;
        random_stream_bytes(&pieces, b + at, length);
        at += length;
    }
    assert_memory_equal(a, b, sizeof(a));
}

static void streams_differ_and_do_not_repeat(void **state)
{
    (void)state;
    struct random_stream r, other;
    uint64_t seen[2000];
    random_stream_init(&r);
    random_stream_init(&other);
    for (size_t i = 0; i < 2000; i++) {
        seen[i] = random_stream_u64(&r);
        assert_true(seen[i] != random_stream_u64(&other));
        for (size_t j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
    }
}

static void what_was_given_is_not_kept(void **state)
{
    (void)state;
    struct random_stream r;
    uint8_t out[64];
    random_stream_init(&r);
    random_stream_bytes(&r, out, sizeof(out));
    for (size_t i = 0; i + 8 <= sizeof(r.buffer); i++)
        for (size_t j = 0; j + 8 <= sizeof(out); j += 8)
            assert_memory_not_equal(r.buffer + i, out + j, 8);
    uint8_t key[32];
    memcpy(key, r.key, sizeof(key));
    uint8_t more[RANDOM_STREAM_BUFFER];
    random_stream_bytes(&r, more, sizeof(more)); // crosses a refill
    assert_memory_not_equal(r.key, key, sizeof(key));
}

int main(void)
{
    assert_int_equal(crypto_init(), 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_do_not_change_the_stream),
        cmocka_unit_test(streams_differ_and_do_not_repeat),
        cmocka_unit_test(what_was_given_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
