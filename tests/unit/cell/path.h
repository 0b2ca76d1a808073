// SPDX-License-Identifier: BSD-3-Clause
// A circuit that is extended, in the workers' tests:
//
//   origin ──link (worker 0)── relay ──next (worker 0 or 1)── peer
#pragma once

#include "origin.h"

enum { PATH_CIRCID = 0x80000001 }; // chosen by the peer, which is the TLS initiator

struct path {
    struct rig *rig;
    unsigned next_worker;
    struct peer_link *link, *next;
    struct origin *origin;
    uint32_t next_circid;
    struct handle next_end;
};

// Of 1 or 2 workers; the next hop is at the last of them.
struct path *path_open(unsigned n_workers, enum circuit_crypto_kind kind);
// The same in a rig that is there.
struct path *path_open_in(struct rig *rig, enum circuit_crypto_kind kind);
// One more circuit over the links of `first`.
struct path *path_beside(const struct path *first, uint32_t circid, enum circuit_crypto_kind kind);
void path_close(struct path *p);  // and the rig, where the circuit has links of its own
void path_forget(struct path *p); // the circuit alone
// Sends a cell of the next hop's, and looks at what the origin gets.
void path_check_backward(struct path *p, uint8_t fill);
