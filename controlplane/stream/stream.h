// SPDX-License-Identifier: BSD-3-Clause
// Streams: bytes in both directions inside a circuit, with its flow control (protocol 4.06–4.20,
// 10.03). A directory request is one, an application's connection, or one to an onion service.
//
// A stream belongs to its circuit from its beginning until `closed` has returned; its user must not
// use it after that. Control thread only. No callback comes from inside a call of the user's.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cell.h"

struct circuit;
struct stream;

struct stream_ops {
    // CONNECTED came, with this body: for a stream that we began. May be NULL for others.
    void (*connected)(struct stream *s, const uint8_t *body, size_t length);
    // RESOLVED came, with this body, and ends the stream: for one that we began with RESOLVE; else
    // NULL.
    void (*resolved)(struct stream *s, const uint8_t *body, size_t length);
    // The next bytes of the other side, at most RELAY_BODY_MAX. They have been taken when this
    // returns; a user that can't keep them closes the stream. See stream_set_held. They may come
    // before stream_accepted: who begins a stream does not wait for CONNECTED.
    void (*data)(struct stream *s, const uint8_t *bytes, size_t length);
    // Asks for the next bytes to send, called only when they can be sent. Returns how many of
    // `capacity` were written to `out`; 0: none at present, asked again after stream_wake;
    // STREAM_END: there are no more, and END is sent.
    int (*produce)(struct stream *s, uint8_t *out, size_t capacity);
    // The last call: END came, or the circuit is gone (END_DESTROY), or our own END was sent. While
    // it runs stream_end_body says what else END said.
    void (*closed)(struct stream *s, enum end_reason reason);
};

enum { STREAM_END = -1 };

struct stream_info {
    bool from_client;    // the circuit's last hop before us is a client, not a relay
    struct address peer; // that hop's; ADDRESS_NONE: its link is gone
};

// Begins a stream on a circuit of ours (circuit/own_circuit.h), with its last hop, with this
// message: RELAY_BEGIN, RELAY_BEGIN_DIR (which has no body), RELAY_RESOLVE. What is produced is
// sent at once, not only after CONNECTED; on a RESOLVE nothing can be. NULL: no memory, the circuit
// is not open, or it has too many: 256, or thousands that we ended and that the other side may
// still speak of. It may work on another circuit.
struct stream *stream_begin(struct circuit *c, enum relay_command command, const void *body,
                            uint16_t length, const struct stream_ops *ops, void *user);

// The answer to a BEGIN that came on a circuit of ours, from inside own_circuit_accept_fn: the
// stream, which is not connected yet. NULL: no memory, the id is in use, or there are too many
// (STREAMS_OF_CIRCUIT_MAX; 10.03): it is to be refused, then, with END_RESOURCELIMIT.
struct stream *stream_accept(struct circuit *c, uint16_t stream_id, const struct stream_ops *ops,
                             void *user);
// Sends CONNECTED, after which bytes are asked for, too; until then the user keeps those that come,
// and says so (stream_set_held): the other side is told of them only after CONNECTED. Or the stream
// is closed, with the reason for END. Nothing happens to one that has ended.
void stream_accepted(struct stream *s, const void *connected_body, uint16_t length);
// END without a stream: what was asked for can't be. What was sent right behind the BEGIN is
// dropped.
void stream_refuse(struct circuit *c, uint16_t stream_id, enum end_reason reason);

// `ops` is kept, not copied.
void stream_set_user(struct stream *s, const struct stream_ops *ops, void *user);
void *stream_user(const struct stream *s);
struct stream_info stream_info(const struct stream *s);
// The body of the END that came, with its reason; valid in `closed`. NULL: none came.
const uint8_t *stream_end_body(const struct stream *s, size_t *length);
// So many of the bytes that `data` gave are still held by the user, who can't pass them on: above a
// limit the other side is told to stop (XOFF, or no SENDME for the stream), below another to go on
// (4.15, 4.16). 0 unless said; to be said after each change and after each batch that went at once
// (0 again), also from inside `data`. A stream that holds far too much is closed
// (END_RESOURCELIMIT).
void stream_set_held(struct stream *s, size_t bytes);
// There are bytes to produce again.
void stream_wake(struct stream *s);
// END with this reason; what was not yet produced is not sent. `closed` follows.
void stream_close(struct stream *s, enum end_reason reason);
