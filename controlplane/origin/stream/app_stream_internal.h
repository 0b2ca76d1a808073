// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder share: the stream itself.
#pragma once

#include <sys/queue.h>

#include "origin/origin.h"
#include "origin/stream/app_stream.h"
#include "stream/stream.h"

struct uv_timer_s;

enum {
    APP_TOTAL_MS = 120 * 1000,               // SocksTimeout
    APP_TOTAL_WITH_WORK_MS = 30 * 60 * 1000, // of services that ask for proofs of work
    // How long a circuit has to answer: the first two tries, the others.
    APP_TRY_FIRST_MS = 10 * 1000,
    APP_TRY_LATER_MS = 15 * 1000,
    APP_FIRST_TRIES = 2,
    // Exits that may fail for reasons of their own, until it is the destination that is to blame.
    APP_FAILURES_MAX = 3,
    APP_NOT_EXITS_MAX = 32,
};

enum app_state {
    APP_WAITS, // for a circuit
    APP_BEGUN, // waits for the exit's answer
    APP_CONNECTED,
    APP_ANSWERED, // RESOLVED came
    APP_ENDS,     // only `closed` is to be called
};

struct app_stream {
    struct app_streams *all;
    const struct app_stream_ops *ops;
    void *user;
    struct app_request request; // normalised
    enum app_state state;
    bool knows_answer; // ENDS, but `resolved` comes first
    bool due;          // is in the list of those whom the next turn concerns
    bool user_ended;   // `produce` said that there is no more
    uint64_t id;
    uint64_t opened_ms, begun_ms;
    uint64_t waits_since_ms; // … for a circuit
    bool is_onion;           // to an onion service
    uint8_t onion_key[32];
    unsigned onion_failure;    // enum onion_failure
    struct origin_circuit *oc; // NULL: none, or it is no more
    uint8_t exit_id[20];       // of the circuit that it was begun on last
    struct stream *stream;     // NULL: none, or it is no more
    unsigned tries, timeouts, failures, losses;
    uint8_t not_exits[APP_NOT_EXITS_MAX][20];
    unsigned n_not_exits;
    // What was sent before it was connected, and how much of that on this try.
    uint8_t *early;
    size_t early_length, early_capacity, early_sent;
    uint64_t received_bytes, sent_bytes;
    // For `closed`; while it waits: why the last exit refused, or 0.
    enum end_reason reason;
    enum app_failure failure;
    TAILQ_ENTRY(app_stream) entry;     // of all
    TAILQ_ENTRY(app_stream) due_entry; // WAITS: who wait; ENDS: who are due
};

TAILQ_HEAD(app_stream_list, app_stream);

struct app_streams {
    struct origin *origin;
    struct app_stream_list list;
    struct app_stream_list waiting; // for a circuit, in their order
    struct app_stream_list due;     // to be ended
    unsigned n_streams, n_due;
    uint64_t next_id;
    bool ending;
    struct uv_timer_s *soon; // looks for those who wait, and ends those that are due
};

// ---- app_stream.c
// Not from inside a call of the user's.
void app_stream_finish(struct app_stream *s, enum end_reason reason, enum app_failure failure);
// `closed` comes when its stream has ended, or soon.
void app_stream_end_soon(struct app_stream *s, enum end_reason reason, enum app_failure failure);
// To the waiting ones.
void app_stream_wait(struct app_stream *s);

// ---- app_stream_begin.c
// Looks for a circuit and begins on it.
void app_stream_try(struct app_stream *s);
bool app_stream_is_too_old(const struct app_stream *s); // SocksTimeout
// … and what to say then of one that waits.
enum app_failure app_stream_too_old_failure(struct app_stream *s);
// It can't be on the circuit that it is on; nor can those that come.
void app_stream_retire_circuit(const struct app_stream *s);
// It is on no circuit any more: END goes out, nothing more comes in.
void app_stream_leave(struct app_stream *s);
// The circuit did not answer in time.
void app_stream_timed_out(struct app_stream *s);
// It can't go on where it is; another circuit is looked for.
void app_stream_retry(struct app_stream *s);

// ---- app_stream_ops.c: what comes
extern const struct stream_ops app_stream_connect_ops, app_stream_resolve_ops, app_stream_left_ops;
