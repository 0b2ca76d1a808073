// SPDX-License-Identifier: BSD-3-Clause
// Circuits as they are told to people.
#include <stdio.h>

#include "base/log.h"
#include "circuit/own_circuit.h"
#include "crypto/encoding.h"
#include "origin/circuit/origin_circuit_internal.h"

enum { SHOWN_ID_BYTES = 4 };

void origin_circuit_log(const struct origin_circuit *oc)
{
    const struct own_circuit_path *path = own_circuit_path(oc->circuit);
    char relays[OWN_CIRCUIT_HOPS_MAX * HEX_TEXT_SIZE(SHOWN_ID_BYTES) + 1] = "";
    size_t used = 0;
    for (unsigned i = 0; i < path->n_hops; i++) {
        relays[used++] = ' ';
        hex_encode(path->hops[i].target.rsa_id, SHOWN_ID_BYTES, relays + used,
                   sizeof(relays) - used);
        used += HEX_TEXT_SIZE(SHOWN_ID_BYTES) - 1;
    }
    log_debug("circuit is open (%s):%s", origin_purpose_text(oc->purpose), relays);
}
