// SPDX-License-Identifier: BSD-3-Clause
// Relays that could not be reached of late.
#include "link/link_failures.h"

#include <string.h>

void link_failures_add(struct link_failures *f, const struct link_target *target,
                       const struct address *address, uint64_t now_ms)
{
    unsigned i = f->next;
    f->next = (i + 1) % LINK_FAILURES_MAX;
    memset(&f->entries[i], 0, sizeof f->entries[i]);
    memcpy(f->entries[i].rsa_id, target->rsa_id, sizeof target->rsa_id);
    f->entries[i].has_ed_id = target->has_ed_id;
    if (target->has_ed_id)
        memcpy(f->entries[i].ed_id, target->ed_id, sizeof target->ed_id);
    f->entries[i].address = *address;
    f->entries[i].until_ms = now_ms + LINK_FAILURE_MEMORY_MS;
}

bool link_failures_has(const struct link_failures *f, const struct link_target *target,
                       const struct address *address, uint64_t now_ms)
{
    for (unsigned i = 0; i < LINK_FAILURES_MAX; i++)
        if (f->entries[i].until_ms > now_ms &&
            memcmp(f->entries[i].rsa_id, target->rsa_id, sizeof target->rsa_id) == 0 &&
            f->entries[i].has_ed_id == target->has_ed_id &&
            (!target->has_ed_id ||
             memcmp(f->entries[i].ed_id, target->ed_id, sizeof target->ed_id) == 0) &&
            address_equal(&f->entries[i].address, address))
            return true;
    return false;
}
