// SPDX-License-Identifier: BSD-3-Clause
// Circuits that begin at this relay: built for who asks, shared by those who ask for the same, and
// closed when nobody has used them for a while. Of one hop so far. Control thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cell.h"
#include "link/link.h"

struct circuit;
struct relay;
struct own_circuit_request;

enum { OWN_CIRCUIT_HOPS_MAX = 1 };

struct own_circuit_hop {
    struct link_target target;
    bool has_ntor_key; // else CREATE_FAST, which only the first hop can be asked for
    uint8_t ntor_key[32];
};

struct own_circuit_path {
    unsigned n_hops;
    struct own_circuit_hop hops[OWN_CIRCUIT_HOPS_MAX];
};

// The circuit stands, and streams may be begun on it now (stream_begin); or NULL, and why. It is
// not the user's: who wants to use it later asks again.
typedef void (*own_circuit_ready_fn)(void *user, struct circuit *c, enum destroy_reason reason);

// Finds an open circuit on this path, joins one that is being built, or builds one. The answer
// comes later, never from inside this call. NULL: no memory, or a path that can't be.
struct own_circuit_request *own_circuit_get(struct relay *relay,
                                            const struct own_circuit_path *path,
                                            own_circuit_ready_fn ready, void *user);
// Until it was answered.
void own_circuit_cancel(struct own_circuit_request *request);
