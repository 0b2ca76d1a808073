// SPDX-License-Identifier: BSD-3-Clause
// A circuit of ours from the choice of its path to its end: guard, time-out (learned, 9.22), path
// bias, padding machines. The ground that streams and onion services stand on. Control thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "origin/circuit/padding_machine.h"
#include "origin/path/path.h"

struct circuit;
struct message;
struct origin;
struct origin_circuit;
struct origin_circuits;

enum origin_purpose {
    ORIGIN_GENERAL,   // streams to exits
    ORIGIN_DIRECTORY, // directory requests over several hops
    ORIGIN_MEASURE,   // only to learn how long building takes
    ORIGIN_HS_DIR,
    ORIGIN_CLIENT_INTRO,
    ORIGIN_CLIENT_REND,
    ORIGIN_SERVICE_INTRO,
    ORIGIN_SERVICE_REND,
};

const char *origin_purpose_text(enum origin_purpose purpose); // in a word or two

enum origin_circuit_state {
    ORIGIN_BUILDING,
    ORIGIN_GUARD_WAIT, // stands, but a better guard may answer yet
    ORIGIN_OPEN,
    ORIGIN_TOO_SLOW, // timed out: built on only to measure, never used; it has no user any more
    ORIGIN_CLOSED,
};

struct origin_circuit_ops {
    void (*opened)(struct origin_circuit *oc);
    bool (*message)(struct origin_circuit *oc, const struct message *m); // see own_circuit_ops
    // The last call. A circuit that timed out, or whose guard was discarded, is closed with
    // DESTROY_TIMEOUT.
    void (*closed)(struct origin_circuit *oc, enum destroy_reason reason);
};

enum {
    ORIGIN_BUILDING_MAX = 32, // at once
    // … not counting those that services build to their visitors, which have a bound of their own.
    ORIGIN_RENDEZVOUS_BUILDING_MAX = 512,
};

// With origin->relay and origin->state (build_time.h). NULL: no memory.
struct origin_circuits *origin_circuits_create(struct origin *origin);
// Before the guards and the circuits; nobody's `closed` is called any more. NULL is fine.
void origin_circuits_free(struct origin_circuits *all);
void origin_circuits_tick(struct origin_circuits *all); // each second

// No callback comes from inside. `ops` is kept; NULL: nobody listens. 0 and `*out`, or as
// path_choose; -ENOBUFS: too many are being built (9.23); -ENOMEM.
int origin_circuit_launch(struct origin *origin, enum origin_purpose purpose,
                          const struct path_request *request, const struct origin_circuit_ops *ops,
                          void *user, struct origin_circuit **out, const char **why);
// Closed by the user, who must not use it after that: `closed` is called no more.
void origin_circuit_close(struct origin_circuit *oc);
// One more hop behind the last one, for its user: it is being built again, and `opened` comes
// again. False: it is not open, has had streams, or is too long.
bool origin_circuit_extend(struct origin_circuit *oc, const struct own_circuit_hop *hop);
// A padding machine with its second hop, if that one knows them; to be called after INTRODUCE1 went
// out, or RENDEZVOUS_ESTABLISHED came. False: it has none.
bool origin_circuit_start_padding(struct origin_circuit *oc, enum padding_machine_type type);
// Another use for one that stands or is being built ("cannibalising").
void origin_circuit_set_user(struct origin_circuit *oc, enum origin_purpose purpose,
                             const struct origin_circuit_ops *ops, void *user);
void *origin_circuit_user(const struct origin_circuit *oc);
enum origin_purpose origin_circuit_purpose(const struct origin_circuit *oc);
enum origin_circuit_state origin_circuit_state(const struct origin_circuit *oc);
// For stream_begin and own_circuit_…; valid until it is closed.
struct circuit *origin_circuit_circuit(const struct origin_circuit *oc);
const struct own_circuit_path *origin_circuit_path(const struct origin_circuit *oc);
const struct path_request *origin_circuit_request(const struct origin_circuit *oc);
uint64_t origin_circuit_opened_ms(const struct origin_circuit *oc); // streams_now_us / 1000
// Path bias: somebody tries to use it; the use succeeded (a stream was connected, a cell came).
void origin_circuit_note_use(struct origin_circuit *oc, bool succeeded);
// A stream was taken off it, to be tried on another: until another use succeeds it is under
// suspicion again.
void origin_circuit_note_detached(struct origin_circuit *oc);

void origin_circuits_each(const struct origin_circuits *all,
                          void (*each)(void *user, const struct origin_circuit *oc), void *user);
// Not counting services' to their visitors.
unsigned origin_circuits_building(const struct origin_circuits *all);
// Too little is known of how long building takes: a circuit should be launched now for that, if
// nothing else is (of three hops or more; one that may also be used).
bool origin_circuits_want_measure(const struct origin_circuits *all);
// Which is in force, and of how many circuits it was learned (may be NULL).
uint64_t origin_circuits_build_timeout_ms(const struct origin_circuits *all, unsigned *learned_of);
