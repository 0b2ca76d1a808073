// SPDX-License-Identifier: BSD-3-Clause
// What this relay speaks, as other nodes may rely on without asking further.
//
// An entry is added when the last part of what it promises works, not before. What is left out
// costs only the role that it stands for: authorities vote on a relay whatever its list holds (only
// a name of more than 100 characters keeps it out), and required-relay-protocols in the consensus
// is what a relay checks itself against.
#include "dir/publish/protocols.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "netdoc/protocol_list.h"

static const struct {
    const char *name, *versions;
} protocols[] = {
    // Documents, as the cache reads and serves them: with Ed25519 identities and ntor keys. What
    // came
    // after (keys that may be left out, families' certificates) is read, too, but nobody has tested
    // it with documents of others yet.
    {"Cons", "2"},
    {"Desc", "2"},
    // 2: BEGIN_DIR, diffs of a consensus, and compressions.
    {"DirCache", "2"},
    // 1: authenticated SENDMEs; 2: congestion control.
    {"FlowCtrl", "1-2"},
    // Onion services of version 3. HSDir puts a relay in the ring of their directories.
    {"HSDir", "2"},
    // 5: limits that the service asks for.
    {"HSIntro", "4-5"},
    {"HSRend", "1-2"},
    // 4: circuit ids of 4 bytes; 5: link padding may be negotiated. Not 3: such links are refused.
    {"Link", "4-5"},
    // Ed25519 AUTHENTICATE (0003). Authorities and relays check the Ed25519 identity of a peer only
    // if it claims this.
    {"LinkAuth", "3"},
    {"Microdesc", "2"},
    // 2: EXTEND2; 3: link specifiers of IPv6 addresses are understood; 4: ntor-v3; 5: requests for
    // subprotocols in it; 6: Counter Galois Onion. Clients ask for 6 where 5 and FlowCtrl=2 are.
    {"Relay", "2-6"},
    // Missing since they are not done: Conflux, Padding.
};

int protocols_line(char *out, size_t capacity)
{
    size_t used = 0;
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        int n = snprintf(out + used, capacity - used, "%s%s=%s", i == 0 ? "" : " ",
                         protocols[i].name, protocols[i].versions);
        if (n < 0 || (size_t)n >= capacity - used)
            return -EMSGSIZE;
        used += (size_t)n;
    }
    return (int)used;
}

bool protocols_satisfy(const char *required, char *missing, size_t capacity)
{
    char ours[512];
    return protocols_line(ours, sizeof(ours)) >= 0 &&
           protocol_list_covers(ours, required, missing, capacity);
}
