// SPDX-License-Identifier: BSD-3-Clause
// Relays that could not be reached of late.
#include "link/link_failures.h"

#include <string.h>

void link_failures_add(struct link_failures *f, const uint8_t rsa_id[20],
                       const struct address *address, uint64_t now_ms)
{
    unsigned i = f->next;
    f->next = (i + 1) % LINK_FAILURES_MAX;
    memcpy(f->entries[i].rsa_id, rsa_id, 20);
    f->entries[i].address = *address;
    f->entries[i].until_ms = now_ms + LINK_FAILURE_MEMORY_MS;
}

bool link_failures_has(const struct link_failures *f, const uint8_t rsa_id[20],
                       const struct address *address, uint64_t now_ms)
{
    for (unsigned i = 0; i < LINK_FAILURES_MAX; i++)
        if (f->entries[i].until_ms > now_ms && memcmp(f->entries[i].rsa_id, rsa_id, 20) == 0 &&
            address_equal(&f->entries[i].address, address))
            return true;
    return false;
}
