// SPDX-License-Identifier: BSD-3-Clause
// The middle text of an onion service's descriptor, by a client that is authorised in the seeds.
#include <string.h>

#include "onion/descriptor/onion_descriptor_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    uint8_t subcredential[32], client[32];
    struct descriptor_middle middle;
    struct text text = {(const char *)bytes, length};
    memset(subcredential, 0x5c, sizeof(subcredential));
    memset(client, 9, sizeof(client));
    if (descriptor_middle_read(text, subcredential, client, &middle) < 0)
        return 0;
    const char *from = middle.encrypted.at, *end = (const char *)bytes + length;
    if (from < (const char *)bytes || from > end || middle.encrypted.length > (size_t)(end - from))
        __builtin_trap();
    return 0;
}
