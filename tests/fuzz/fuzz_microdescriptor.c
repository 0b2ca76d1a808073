// SPDX-License-Identifier: BSD-3-Clause
// Microdescriptors, one after another, with their policies.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "netdoc/microdescriptor.h"
#include "netdoc/port_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_within(struct text t, const uint8_t *data, size_t size)
{
    const char *start = (const char *)data;
    if (t.length > 0 && (t.at < start || t.at + t.length > start + size))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t length;
    for (size_t at = 0; at < size; at += length) {
        struct microdescriptor m;
        int err = microdescriptor_parse(data + at, size - at, &m, &length);
        if (length == 0 || length > size - at || (err == 0 && m.text_length != length))
            abort();
        if (err < 0)
            continue;
        look_within(m.family, data + at, length);
        look_within(m.family_ids, data + at, length);
        look_within(m.policy, data + at, length);
        look_within(m.policy6, data + at, length);
        free(port_policy_parse(m.policy.at, m.policy.length));
    }
    return 0;
}
