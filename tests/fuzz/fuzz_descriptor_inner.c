// SPDX-License-Identifier: BSD-3-Clause
// The inner text of an onion service's descriptor, by the key that the seeds' certificates are of.
#include <string.h>

#include "layered.h"
#include "onion/descriptor/onion_descriptor_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check(const struct onion_descriptor *d)
{
    static const uint8_t zeros[32];
    if (d->n_intro_points > INTRO_POINTS_MAX || (d->congestion_control && d->sendme_inc_cells == 0))
        __builtin_trap();
    for (unsigned i = 0; i < d->n_intro_points; i++) {
        const struct onion_intro_point *p = &d->intro_points[i];
        if (p->specifiers_length == 0 || p->specifiers_length > LINK_SPECIFIERS_MAX ||
            p->specifiers[0] == 0 || memcmp(p->enc_key, zeros, 32) == 0 ||
            memcmp(p->auth_key, zeros, 32) == 0 || memcmp(p->onion_key, zeros, 32) == 0)
            __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct layered l;
    struct onion_descriptor d = {.revision = 0};
    struct text text = {(const char *)bytes, length};
    if (l.revision == 0)
        l = layered_service();
    if (descriptor_inner_read(text, l.signing.public_key, LAYERED_NOW_S, &d) == 0)
        check(&d);
    return 0;
}
