// SPDX-License-Identifier: BSD-3-Clause
// An onion service's descriptor as a client takes it. By the first byte: as it is; or a text for
// the middle (1) or the inner layer (2), encrypted and signed as its service would.
#include <stdlib.h>

#include "layered.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct layered l;
    static const uint8_t client[32] = {8, 1};
    struct onion_descriptor d;
    uint8_t *made = NULL;
    if (l.revision == 0)
        l = layered_service();
    if (length == 0 || length > 100000)
        return 0;
    uint8_t kind = *bytes++;
    length--;
    if (kind == 1 || kind == 2)
        made = layered_wrap(&l, kind == 1 ? DESCRIPTOR_LAYER_OUTER : DESCRIPTOR_LAYER_INNER,
                            (const char *)bytes, length, &length);
    enum descriptor_result result =
        onion_descriptor_read(made ? made : bytes, length, l.blinded.public_key, l.subcredential,
                              length % 2 ? client : NULL, LAYERED_NOW_S, &d);
    if (d.n_intro_points > (result == DESCRIPTOR_GOOD ? INTRO_POINTS_MAX : 0))
        __builtin_trap();
    free(made);
    return 0;
}
