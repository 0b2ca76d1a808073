// SPDX-License-Identifier: BSD-3-Clause
// BEGIN as a visitor of an onion service says it.
#include "onion/service/service_internal.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    uint16_t port = target_port_of(bytes, length);
    if (port != 0 && !memchr(bytes, '\0', length))
        __builtin_trap();
    return 0;
}
