// SPDX-License-Identifier: BSD-3-Clause
// The body of an INTRODUCE1.
#include "onion/message/intro_cell.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    uint8_t auth_key[32];
    enum introduce1_form form = introduce1_parse(bytes, length, auth_key);
    if ((form == INTRODUCE1_SHORT) != (length < 20) || (form == INTRODUCE1_GOOD && length < 57))
        __builtin_trap();
    return 0;
}
