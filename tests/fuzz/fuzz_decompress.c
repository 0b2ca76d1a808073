// SPDX-License-Identifier: BSD-3-Clause
// Compressed documents: the first byte says how, the second in pieces of what size.
#include <errno.h>

#include "dir/compress.h"

enum { LIMIT = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static uint8_t out[4096];
    if (length < 2)
        return 0;
    size_t piece = bytes[1] ? bytes[1] : length, at = 2, given = 0;
    struct decompressor *d =
        decompressor_create((enum compression)(bytes[0] % COMPRESSIONS), LIMIT);
    int result;
    do {
        size_t n = length - at < piece ? length - at : piece;
        struct compress_step step = {bytes + at, n, out, sizeof(out)};
        result = decompressor_run(d, &step, at + n == length);
        at += n - step.in_left;
        given += sizeof(out) - step.out_left;
        if (result == COMPRESS_MORE && step.in_left == n && step.out_left == sizeof(out) && n > 0)
            __builtin_trap(); // would never end
    } while (result == COMPRESS_MORE);
    if (given > LIMIT + sizeof(out))
        __builtin_trap();
    decompressor_free(d);
    return 0;
}
