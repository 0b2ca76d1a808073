// SPDX-License-Identifier: BSD-3-Clause
// The body of an EXTEND2 message.
#include "circuit/extend.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct extend_request request;
    if (extend_parse(bytes, length, &request)) {
        if (request.create2_length > sizeof(request.create2))
            __builtin_trap();
        extend_filter_addresses(&request.target, false);
    }
    return 0;
}
