// SPDX-License-Identifier: BSD-3-Clause
// Microdescriptors, one after another.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "netdoc/microdescriptor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t length;
    for (size_t at = 0; at < size; at += length) {
        struct microdescriptor m;
        int err = microdescriptor_parse(data + at, size - at, &m, &length);
        if (length == 0 || length > size - at || (err == 0 && m.text_length != length))
            abort();
    }
    return 0;
}
