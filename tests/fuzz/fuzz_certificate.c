// SPDX-License-Identifier: BSD-3-Clause
// Authorities' key certificates, one after another.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "netdoc/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t length;
    for (size_t at = 0; at < size; at += length) {
        struct certificate *c;
        int err = certificate_parse(data + at, size - at, &c, &length);
        if (length == 0 || length > size - at || (err == 0) != (c != NULL))
            abort();
        certificate_free(c);
    }
    return 0;
}
