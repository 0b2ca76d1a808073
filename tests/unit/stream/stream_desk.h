// SPDX-License-Identifier: BSD-3-Clause
// Streams on circuits whose worker and other end the test is: users of streams, whose bytes are
// counted, and what the other end does.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../circuit/desk.h"
#include "circuit/circuit_internal.h"
#include "stream/circuit_streams.h"
#include "stream/stream_internal.h"

enum { USERS = 300 };

struct user {
    struct stream *stream; // NULL once closed was called
    size_t to_send, sent;
    size_t received;
    bool ends;  // when all is sent
    bool holds; // all that came, and says so
    unsigned closed_calls, connected_calls, resolved_calls;
    enum end_reason reason;
    enum end_reason close_on_data; // 0: no
    size_t said_length;            // of CONNECTED's or RESOLVED's body
    uint8_t said[RELAY_BODY_MAX];
    size_t end_length; // what stream_end_body said in `closed`
    uint8_t end_body[RELAY_BODY_MAX];
};

extern struct user users[USERS];
extern unsigned n_users;
extern size_t next_to_send;  // of the next stream that others begin
extern bool refuse_next;     // it
extern uint64_t fake_now_us; // the streams' clock
extern const struct stream_ops user_ops;

struct desk *open_desk(void);
// Checks that every user heard the end, once.
void close_desk(struct desk *desk);
bool is_open(const struct desk *desk);
// The one circuit is gone, with this reason for the link.
void expect_closed(struct desk *desk, struct handle end, enum destroy_reason reason);
void discard(struct desk *desk); // what went down

// ---- what the other end says
void tell(struct desk *desk, struct handle end, uint8_t command, uint16_t id, const void *body,
          size_t length);
// A BEGIN_DIR; its user.
struct user *begin(struct desk *desk, struct handle end, uint16_t id, size_t to_send);
void tell_sendme(struct desk *desk, struct handle end, uint8_t tag, uint8_t length);

// ---- what the worker says
void tell_drained(struct desk *desk, struct handle end);
void tell_tag(struct desk *desk, struct handle end, uint8_t tag, uint8_t length);

struct sent {
    unsigned cells, short_cells;
    unsigned of_stream[16];
    unsigned tags;          // asked for
    unsigned tag_cells[64]; // which, from 1
    bool drained;           // asked for, with the last
};

// Takes what has been sent, which is all DATA; lets the loop do all that it can before.
struct sent collect(struct desk *desk, struct handle end);
// All that can be sent while the worker takes everything at once.
struct sent collect_all(struct desk *desk, struct handle end);

// ---- circuits that begin here
// Of one hop; with congestion control, as CGO has it, or without.
struct circuit *own_circuit(struct desk *desk, bool congestion_control, struct handle *end);
// Begins a stream there; its user. The message is taken off the desk.
struct user *own_begin(struct desk *desk, struct circuit *c, enum relay_command command,
                       size_t to_send);
