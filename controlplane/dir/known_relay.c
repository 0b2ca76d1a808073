// SPDX-License-Identifier: BSD-3-Clause
// Looks a relay up in the consensuses that there are.
#include "dir/known_relay.h"

#include <stddef.h>

#include "dir/store/store.h"
#include "relay.h"

bool known_relay(const struct relay *relay, const uint8_t rsa_id[20])
{
    bool any = false;
    for (int flavour = 0; relay->store && flavour < CONSENSUS_FLAVOURS; flavour++) {
        const struct stored_consensus *c =
            store_consensus(relay->store, (enum consensus_flavour)flavour, 0);
        if (!c || !c->parsed)
            continue;
        any = true;
        if (consensus_find(c->parsed, rsa_id))
            return true;
    }
    return !any;
}
