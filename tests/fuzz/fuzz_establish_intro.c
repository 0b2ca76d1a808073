// SPDX-License-Identifier: BSD-3-Clause
// The body of an ESTABLISH_INTRO.
#include "onion/message/intro_cell.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static const uint8_t nonce[20] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,
                                      10, 11, 12, 13, 14, 15, 16, 17, 18, 19};
    struct establish_intro e;
    if (!establish_intro_parse(bytes, length, &e))
        return 0;
    if (e.burst < e.rate_per_s || e.burst > INT32_MAX || (!e.has_limit && e.burst > 0) ||
        e.mac_covers + 32 != e.signature_covers || e.signature_covers + 2 + 64 > length)
        __builtin_trap();
    (void)!establish_intro_verify(&e, nonce);
    return 0;
}
