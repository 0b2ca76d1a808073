// SPDX-License-Identifier: BSD-3-Clause
// Relays' descriptors and extra-infos, one after another.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "netdoc/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct router_document d;
    size_t length;
    for (size_t at = 0; at < size; at += length) {
        int err = router_descriptor_parse(data + at, size - at, &d, &length);
        if (length == 0 || length > size - at || (err == 0 && d.text_length > length))
            abort();
    }
    for (size_t at = 0; at < size; at += length) {
        int err = router_extra_info_parse(data + at, size - at, &d, &length);
        if (length == 0 || length > size - at || (err == 0 && d.text_length > length))
            abort();
    }
    return 0;
}
