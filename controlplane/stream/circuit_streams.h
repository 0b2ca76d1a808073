// SPDX-License-Identifier: BSD-3-Clause
// What circuits ask of the streams on them. Control thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cell.h"
#include "circuit/own_circuit.h"
#include "stream/held.h"
#include "stream/vegas.h"

struct circuit;
struct directory_server;
struct message;
struct relay;
struct stream;
struct streams; // what all circuits' streams share

// What congestion control takes a circuit for (4.20). Those that others begin here are of the first
// kind; ours by their length, unless it is said.
enum circuit_path_kind {
    CIRCUIT_PATH_EXIT,
    CIRCUIT_PATH_SHORT, // of less than three hops ("sbws")
    CIRCUIT_PATH_ONION, // to an onion service, or its own
    CIRCUIT_PATH_KINDS,
};

struct stream_parameters {
    unsigned circuit_window_cells; // without congestion control
    unsigned sendme_emit_min_version, sendme_accept_min_version;
    struct vegas_parameters vegas[CIRCUIT_PATH_KINDS];
    struct held_limits held; // for what we begin
    // The least that another side must have had of us for each XOFF of its (4.17).
    uint32_t exit_xoff_bytes, client_xoff_bytes;
};

enum {
    STREAMS_OF_CIRCUIT_MAX = 256, // more are refused (10.03)
    STREAMS_MAX = 65536,          // of all circuits
};

struct streams *streams_create(struct relay *relay); // NULL: no memory
// After all circuits are gone; tells those who still have a stream. The loop must run once more.
// NULL is fine.
void streams_free(struct streams *all);
unsigned streams_count(const struct streams *all);
uint64_t streams_now_us(const struct streams *all); // by their clock, which a test may turn
// Circuits that begin to send from now on go by these; those with congestion control all do.
void streams_set_parameters(struct streams *all, const struct stream_parameters *parameters);
// Who serves a BEGIN_DIR: directory_server_accept (dir/serve.h). Until it is set, and while the
// relay has no directory_server, they are refused.
typedef void (*stream_accept_directory_fn)(struct directory_server *server, struct stream *s);
void streams_accept_directory(struct relay *relay, stream_accept_directory_fn accept);
// What the consensus says now.
void streams_parameters_changed(struct relay *relay);

// A BEGIN_DIR of the circuit's origin (10.02).
void circuit_take_begin_dir(struct circuit *c, const struct message *m);
// BEGIN, BEGIN_DIR or RESOLVE of the other side of a circuit of ours, where we are the service; the
// first is for `accept`. The circuit may be closed when it returns.
void circuit_take_request(struct circuit *c, const struct message *m, own_circuit_accept_fn accept);
// DATA, END, CONNECTED, RESOLVED, SENDME, XOFF, XON, from whoever the circuit's other end is. The
// circuit may be closed when it returns.
void circuit_take_stream_message(struct circuit *c, const struct message *m);
// MSG_CIRCUIT_ORIGINATED; it may close the circuit. MSG_CIRCUIT_DRAINED.
void circuit_originated(struct circuit *c, const struct message *m);
void circuit_drained(struct circuit *c);
// Another place holds the layer towards the origin now, or the circuit is open again.
void circuit_streams_resume(struct circuit *c);
unsigned circuit_stream_count(const struct circuit *c);
// For a circuit that begins here.
void circuit_streams_set_path_kind(struct circuit *c, enum circuit_path_kind kind);
// The circuit goes: `closed` is called for each of its streams, later.
void circuit_end_streams(struct circuit *c);
