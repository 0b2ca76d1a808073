// SPDX-License-Identifier: BSD-3-Clause
// Compressions there and back in pieces of any size; bombs, streams one after the other, truncated
// and mangled ones are refused (protocol 6.26, 6.32, 13.07, 13.08).
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dir/compress.h"

enum { TEXT_BYTES = 300000, ROOM = 8 << 20, NO_LIMIT = 64 << 20 };

static uint8_t text[TEXT_BYTES];
static uint8_t packed[ROOM], unpacked[ROOM];

static int make_text(void **state)
{
    (void)state;
    size_t n = 0;
    for (unsigned i = 0; n + 64 < sizeof(text); i++)
        n += (size_t)sprintf((char *)text + n, "r relay%u %08x %u 9001 0\n", i, i * 2654435761u,
                             i % 255);
    memset(text + n, '-', sizeof(text) - n);
    return 0;
}

static size_t pack(enum compression compression, enum compressor_effort effort, const void *in,
                   size_t length, size_t in_piece, size_t out_piece, uint8_t *out)
{
    struct compressor *c = compressor_create(compression, effort);
    assert_non_null(c);
    size_t taken = 0, given = 0;
    int result;
    do {
        size_t n = length - taken < in_piece ? length - taken : in_piece;
        struct compress_step step = {(const uint8_t *)in + taken, n, out + given, out_piece};
        assert_true(given + out_piece <= ROOM);
        result = compressor_run(c, &step, taken + n == length);
        assert_true(result >= 0);
        taken += n - step.in_left;
        given += out_piece - step.out_left;
    } while (result != COMPRESS_END);
    assert_int_equal(taken, length);
    compressor_free(c);
    return given;
}

// In pieces. What comes out is in `unpacked`, its length in `*given`.
static int unpack(enum compression compression, const uint8_t *in, size_t length, size_t in_piece,
                  size_t out_piece, size_t *given)
{
    struct decompressor *d = decompressor_create(compression, NO_LIMIT);
    assert_non_null(d);
    size_t taken = 0;
    int result;
    *given = 0;
    do {
        size_t n = length - taken < in_piece ? length - taken : in_piece;
        struct compress_step step = {in + taken, n, unpacked + *given, out_piece};
        assert_true(*given + out_piece <= ROOM);
        result = decompressor_run(d, &step, taken + n == length);
        taken += n - step.in_left;
        *given += out_piece - step.out_left;
    } while (result == COMPRESS_MORE);
    if (result < 0) {
        struct compress_step again = {in, 1, unpacked, 1};
        assert_int_equal(decompressor_run(d, &again, false), result);
        assert_int_equal(again.out_left, 1);
    }
    decompressor_free(d);
    return result;
}

static void there_and_back(void **state)
{
    (void)state;
    static const struct {
        size_t length, in_piece, out_piece;
    } cases[] = {{0, 1, 7},
                 {1, 1, 1},
                 {1000, 1, 1},
                 {5000, 498, 13},
                 {TEXT_BYTES, 498, 498},
                 {TEXT_BYTES, TEXT_BYTES, 70000},
                 {TEXT_BYTES, 60000, 4000000}};
    for (unsigned c = 0; c < COMPRESSIONS; c++)
        for (unsigned effort = 0; effort < 2; effort++)
            for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                size_t given;
                size_t n = pack((enum compression)c, (enum compressor_effort)effort, text,
                                cases[i].length, cases[i].in_piece, cases[i].out_piece, packed);
                if (c != COMPRESSION_IDENTITY && cases[i].length == TEXT_BYTES)
                    assert_true(n < TEXT_BYTES / 2);
                assert_int_equal(unpack((enum compression)c, packed, n, cases[i].out_piece,
                                        cases[i].in_piece, &given),
                                 COMPRESS_END);
                assert_int_equal(given, cases[i].length);
                assert_memory_equal(unpacked, text, given);
                struct blob *blob;
                assert_int_equal(decompress((enum compression)c, packed, n, cases[i].length, &blob),
                                 0);
                assert_int_equal(blob->length, cases[i].length);
                assert_memory_equal(blob->bytes, text, blob->length);
                blob_drop(blob);
            }
}

static void formats_are_tors(void **state)
{
    (void)state;
    // LZMA alone: properties, a dictionary of 4 MB, an unknown length (format of lzma-file-format).
    static const uint8_t lzma[13] = {0x5d, 0, 0, 0x40, 0, 255, 255, 255, 255, 255, 255, 255, 255};
    pack(COMPRESSION_LZMA, COMPRESSOR_SMALL, text, 1000, 1000, 4096, packed);
    assert_memory_equal(packed, lzma, sizeof(lzma));
    pack(COMPRESSION_DEFLATE, COMPRESSOR_QUICK, text, 1000, 1000, 4096, packed);
    assert_int_equal(packed[0] & 15, 8); // RFC 1950: deflate
    assert_int_equal((packed[0] * 256 + packed[1]) % 31, 0);
    pack(COMPRESSION_GZIP, COMPRESSOR_QUICK, text, 1000, 1000, 4096, packed);
    assert_memory_equal(packed, "\x1f\x8b\x08", 3);
    pack(COMPRESSION_ZSTD, COMPRESSOR_QUICK, text, 1000, 1000, 4096, packed);
    assert_memory_equal(packed, "\x28\xb5\x2f\xfd", 4);
}

static void names(void **state)
{
    (void)state;
    enum compression c;
    for (unsigned i = 0; i < COMPRESSIONS; i++) {
        const char *name = compression_name((enum compression)i);
        assert_true(compression_by_name(name, strlen(name), &c));
        assert_int_equal(c, i);
    }
    assert_true(compression_by_name("X-ZSTDard", 6, &c));
    assert_int_equal(c, COMPRESSION_ZSTD);
    assert_false(compression_by_name("x-zst", 5, &c));
    assert_false(compression_by_name("", 0, &c));
}

// 13.08: no end, no error, no endless loop.
static void truncated(void **state)
{
    (void)state;
    for (unsigned c = COMPRESSION_DEFLATE; c < COMPRESSIONS; c++) {
        size_t n = pack((enum compression)c, COMPRESSOR_SMALL, text, 2000, 2000, 4096, packed);
        for (size_t cut = 0; cut < n; cut++) {
            size_t given;
            assert_int_equal(unpack((enum compression)c, packed, cut, 100, 4096, &given), -EBADMSG);
        }
    }
}

// 13.07, and anything else behind the end.
static void something_follows(void **state)
{
    (void)state;
    for (unsigned c = COMPRESSION_DEFLATE; c < COMPRESSIONS; c++) {
        size_t n = pack((enum compression)c, COMPRESSOR_SMALL, text, 2000, 2000, 4096, packed);
        memcpy(packed + n, packed, n);
        size_t given;
        assert_int_equal(unpack((enum compression)c, packed, 2 * n, n, 4096, &given),
                         COMPRESS_END); // the other one was not yet seen
        assert_int_equal(unpack((enum compression)c, packed, 2 * n, 2 * n, 4096, &given), -EBADMSG);
        assert_int_equal(unpack((enum compression)c, packed, n + 1, n + 1, 4096, &given), -EBADMSG);
        struct blob *blob;
        assert_int_equal(decompress((enum compression)c, packed, n + 1, NO_LIMIT, &blob), -EBADMSG);
    }
}

static void bombs(void **state)
{
    (void)state;
    size_t length = COMPRESSION_BOMB_BYTES + (2 << 20);
    uint8_t *zeros = calloc(1, length);
    for (unsigned c = COMPRESSION_DEFLATE; c < COMPRESSIONS; c++) {
        size_t given;
        size_t n =
            pack((enum compression)c, COMPRESSOR_SMALL, zeros, length, length, 65536, packed);
        assert_int_equal(unpack((enum compression)c, packed, n, 498, 10000, &given), -EFBIG);
        assert_in_range(given, COMPRESSION_BOMB_BYTES, COMPRESSION_BOMB_BYTES + (64 << 10));
        struct blob *blob;
        assert_int_equal(decompress((enum compression)c, packed, n, NO_LIMIT, &blob), -EFBIG);
        // The same ratio in a small document is fine.
        n = pack((enum compression)c, COMPRESSOR_SMALL, zeros, 1 << 20, 1 << 20, 65536, packed);
        assert_int_equal(unpack((enum compression)c, packed, n, 498, 10000, &given), COMPRESS_END);
    }
    free(zeros);
}

static void limits(void **state)
{
    (void)state;
    for (unsigned c = 0; c < COMPRESSIONS; c++) {
        struct blob *blob;
        size_t n = pack((enum compression)c, COMPRESSOR_SMALL, text, 50000, 50000, 65536, packed);
        assert_int_equal(decompress((enum compression)c, packed, n, 49999, &blob), -EFBIG);
        assert_int_equal(decompress((enum compression)c, packed, n, 0, &blob), -EFBIG);
    }
}

// Whatever a byte is changed to: an answer, and no more than was there.
static void mangled(void **state)
{
    (void)state;
    for (unsigned c = COMPRESSION_DEFLATE; c < COMPRESSIONS; c++) {
        size_t n = pack((enum compression)c, COMPRESSOR_SMALL, text, 3000, 3000, 4096, packed);
        for (size_t i = 0; i < n; i++) {
            struct blob *blob = NULL;
            packed[i] ^= (uint8_t)(1 + i * 37 % 255);
            int result = decompress((enum compression)c, packed, n, NO_LIMIT, &blob);
            assert_true(result == 0 || result == -EBADMSG || result == -EFBIG || result == -ENOMEM);
            blob_drop(result == 0 ? blob : NULL);
            packed[i] ^= (uint8_t)(1 + i * 37 % 255);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(formats_are_tors),
        cmocka_unit_test(names),
        cmocka_unit_test(truncated),
        cmocka_unit_test(something_follows),
        cmocka_unit_test(bombs),
        cmocka_unit_test(limits),
        cmocka_unit_test(mangled),
    };
    return cmocka_run_group_tests(tests, make_text, NULL);
}
