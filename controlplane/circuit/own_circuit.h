// SPDX-License-Identifier: BSD-3-Clause
// Circuits that begin here: a handshake with each relay of a path in turn (protocol section 2,
// 2.24, 2.26). What they are for, and who may use them, is origin/'s to know; circuits of one hop
// for directory requests are shared here (own_circuit_get). Control thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cell.h"
#include "link/link.h"

struct circuit;
struct message;
struct relay;
struct own_circuit_request;

enum { OWN_CIRCUIT_HOPS_MAX = 8 };

struct own_circuit_hop {
    struct link_target target;
    bool has_ntor_key; // else CREATE_FAST, which only the first hop of one can be asked for
    uint8_t ntor_key[32];
    // What the relay can do. Congestion control and Counter Galois Onion are asked of the last hop
    // only, and ntor-v3 of others only with CGO (2.24).
    bool ntor_v3, congestion_control, cgo;
    bool padding; // knows padding machines (Padding=2); nothing to the handshake
};

struct own_circuit_path {
    unsigned n_hops;
    struct own_circuit_hop hops[OWN_CIRCUIT_HOPS_MAX];
};

// ---- circuits of one user

// No callback comes from inside a call of the user's.
struct own_circuit_ops {
    // A hop answered: `hops` of the path stand now. May be NULL.
    void (*hop_built)(struct circuit *c, unsigned hops);
    // All hops stand: streams may be begun (stream_begin), messages sent. Again after
    // own_circuit_extend.
    void (*opened)(struct circuit *c);
    // A relay message that is no stream's and not of flow control, from hop relay.hop (1 is the
    // first). False: it was not expected, and the circuit is closed (but for a DROP, which is
    // always welcome). NULL: none is.
    bool (*message)(struct circuit *c, const struct message *m);
    // The last call, for every circuit, also those that the user closed; the circuit is no more
    // when it returns. `by_network`: somebody on the path ended it, and gave this reason. Hops that
    // stood: own_circuit_hops_built.
    void (*closed)(struct circuit *c, enum destroy_reason reason, bool by_network);
};

// NULL: no memory, or a path that can't be. `path` is copied. `ops` is kept; NULL: nobody listens.
// There is no time-out: it is for the user to close what takes too long.
struct circuit *own_circuit_build(struct relay *relay, const struct own_circuit_path *path,
                                  const struct own_circuit_ops *ops, void *user);
// Another user takes it over.
void own_circuit_set_user(struct circuit *c, const struct own_circuit_ops *ops, void *user);
void *own_circuit_user(const struct circuit *c);
const struct own_circuit_path *own_circuit_path(const struct circuit *c);
unsigned own_circuit_hops_built(const struct circuit *c);
// The number of the one that streams are with: the last of those, or the other side behind it.
unsigned own_circuit_last_hop(const struct circuit *c);
// When its first hop was asked, by the clock of streams; 0: it waits for a link.
uint64_t own_circuit_began_ms(const struct circuit *c);
// KH of the last hop's handshake, 20 bytes, which a service's ESTABLISH_INTRO is bound to (7.09);
// once the circuit is open.
const uint8_t *own_circuit_nonce(const struct circuit *c);
// One more hop behind the last one. False: no room, no RELAY_EARLY left, it is still being built,
// or there have been streams on it.
bool own_circuit_extend(struct circuit *c, const struct own_circuit_hop *hop);
// A BEGIN came from the other side, on a stream that is not there yet: to be answered before this
// returns, by stream_accept or stream_refuse (stream/stream.h), or the circuit is closed.
typedef void (*own_circuit_accept_fn)(struct circuit *c, uint16_t stream_id, const uint8_t *body,
                                      size_t length);
// A rendezvous has succeeded: what is behind the last hop, by its own layer, is the other side
// (protocol 8.39, 8.40). The client calls it from inside `message` for RENDEZVOUS2, so that what
// comes right behind that waits; the service right after it has sent RENDEZVOUS1. `material` is as
// the handshake yields it, the same for both (secret; the caller's to wipe). Streams are with the
// other side from now on, and so is congestion control, if it was agreed on (`sendme_inc_cells`, 0:
// none), as on a path of CIRCUIT_PATH_ONION unless another kind was said before
// (circuit_streams_set_path_kind; 8.44: an exit's). Its messages come with relay.hop one above that
// of the last relay, and own_circuit_send takes it. `accept`: BEGIN may come, and is answered by
// this (we are the service); NULL: streams are only ours. False: it is not open, has had streams,
// or has such a layer already.
bool own_circuit_add_onion_layer(struct circuit *c, const uint8_t material[128], bool service,
                                 uint8_t sendme_inc_cells, own_circuit_accept_fn accept);
// A relay message that is no stream's to one hop (1 is the first).
void own_circuit_send(struct circuit *c, unsigned hop, enum relay_command command, const void *body,
                      uint16_t length);
// It has ended, and `closed` follows soon: until then nothing can be done with it any more, but
// asking for what is above.
bool own_circuit_is_gone(const struct circuit *c);
// DESTROY goes out with reason 0 (2.37); `closed` gets `reason`. Once it has ended this does
// nothing.
void own_circuit_close(struct circuit *c, enum destroy_reason reason);

// Something came on one of all those circuits since this was last asked.
bool own_circuits_heard(struct relay *relay);

// ---- circuits of one hop that are shared

// The circuit stands, and streams may be begun on it now (stream_begin); or NULL, and why. It is
// not the user's: who wants to use it later asks again.
typedef void (*own_circuit_ready_fn)(void *user, struct circuit *c, enum destroy_reason reason);

// Finds an open circuit on this path of one hop, joins one that is being built, or builds one. The
// answer comes later, never from inside this call. NULL: no memory, or a path that can't be.
struct own_circuit_request *own_circuit_get(struct relay *relay,
                                            const struct own_circuit_path *path,
                                            own_circuit_ready_fn ready, void *user);
// Until it was answered.
void own_circuit_cancel(struct own_circuit_request *request);
