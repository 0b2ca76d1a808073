// SPDX-License-Identifier: BSD-3-Clause
// What a microdescriptor says of families: the first line is `family`'s, the rest `family-ids`'.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "origin/node/node_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_sorted(const void *items, unsigned n, size_t size)
{
    const uint8_t *at = items;
    for (unsigned i = 1; i < n; i++)
        if (memcmp(at + (i - 1) * size, at + i * size, size) > 0)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct router_status status = {.nickname = "relay"};
    struct text rest = {(const char *)data, size};
    struct text family = text_take_until(&rest, "\n");
    struct node_family *f = node_family_parse(family, rest);
    if (f == NULL)
        return 0;
    expect_sorted(f->rsa_ids, f->n_rsa_ids, 20);
    expect_sorted(f->names, f->n_names, 20);
    expect_sorted(f->ids, f->n_ids, 32);
    for (unsigned i = 0; i < f->n_rsa_ids; i++) {
        memcpy(status.rsa_id, f->rsa_ids[i], 20);
        if (!node_family_has(f, &status))
            abort();
    }
    if (f->n_rsa_ids == 0 && f->n_names == 0 && node_family_has(f, &status))
        abort();
    if (node_families_share_id(f, f) != (f->n_ids > 0))
        abort();
    free(f);
    return 0;
}
