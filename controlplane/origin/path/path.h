// SPDX-License-Identifier: BSD-3-Clause
// Choosing the relays of a circuit (protocol 9.14–9.18, 8.43). Control thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "circuit/own_circuit.h"
#include "origin/node/node_weights.h"

struct guard_use;
struct node;
struct node_list;
struct origin;

enum path_kind {
    PATH_EXIT,      // to an exit that serves `ports`: 3 hops
    PATH_INTERNAL,  // ends anywhere, inside the network: 3 hops
    PATH_DIRECTORY, // one hop, to a directory guard
    PATH_VANGUARDS, // onion services': guard, layer 2, …, last (8.42, 8.43); 3 hops, 4 with `last`
    PATH_CONNECTION, // like INTERNAL, its last hop given in `last`: 4 hops
};

enum { PATH_PORTS_MAX = 16 };

struct path_request {
    enum path_kind kind;
    unsigned n_hops; // 0: the kind's own number. 1 with `last`: that alone, and no guard
    bool stable;     // long-lived (9.17); so are those with a long-lived port, and VANGUARDS
    bool ipv6;       // the exit must serve the ports on IPv6 (the target is an IPv6 address)
    unsigned n_ports;
    uint16_t ports[PATH_PORTS_MAX]; // the exit must serve one of them; one that serves more is
                                    // preferred. None: any exit
    bool has_last;
    struct own_circuit_hop last; // the last hop, known in advance (may be no node of ours)
    // Exits that are not to be used (they refused); rsa ids.
    unsigned n_not_exits;
    const uint8_t (*not_exits)[20];
    // A relay that must not be chosen, beside the guard (e.g. the rendezvous point).
    bool has_avoid;
    uint8_t avoid[20];
};

struct path {
    struct own_circuit_path hops;
    struct guard_use *guard; // the caller's: guard_use_… must end it. NULL: the first hop is none
};

// No relay twice, no two that are related (node_related), and not this relay or a relation of its;
// on paths of VANGUARDS only no A-B-A (8.43). 0; -EAGAIN: not enough is known of the network, or no
// guard can be used now; -ENOENT: no relay serves this; -EINVAL: a request that can't be. `why`
// (may be NULL) is set to a constant text then.
int path_choose(struct origin *origin, const struct path_request *request, struct path *out,
                const char **why);

// ---- its parts; pure but for random numbers

// A random one of the nodes for which `allowed` says yes, by bandwidth and the consensus' weights;
// each alike when all of these are nothing. NULL: none. `allowed` must say the same each time.
typedef bool (*node_allowed_fn)(const void *user, const struct node *n);
const struct node *path_draw(const struct node_list *nodes, enum weight_rule rule,
                             node_allowed_fn allowed, const void *user);
// The same among some of them.
const struct node *path_draw_from(const struct node_list *nodes, const struct weighted_set *set,
                                  node_allowed_fn allowed, const void *user);
// Must a stream to this port have a circuit of Stable relays? (LongLivedPorts)
bool path_port_is_long_lived(uint16_t port);
