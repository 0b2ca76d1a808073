// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder share: the stream, a circuit's streams, and those of all circuits.
#pragma once

#include <sys/queue.h>

#include "circuit/circuit_internal.h"
#include "stream/circuit_streams.h"
#include "stream/half_closed.h"
#include "stream/held.h"
#include "stream/stream.h"
#include "stream/vegas.h"
#include "stream/window.h"
#include "token_bucket.h"

struct uv_idle_s;
struct uv_timer_s;

enum {
    STREAM_BUCKETS = 16,
    // How many cells of a circuit are given to its worker before that says that few of them wait;
    // with many circuits that send, each has fewer of all that the worker may hold for us.
    UNDRAINED_MAX_CELLS = 64,
    UNDRAINED_MIN_CELLS = 8,
    UNDRAINED_TOTAL_CELLS = 32768,
    // Bytes that users may hold: of one stream, and of all; then one that should have stopped the
    // other side goes. The first is several times what is on its way when XOFF is sent.
    HELD_OF_STREAM_MAX_BYTES = 8 << 20,
    HELD_MAX_BYTES = 256 << 20,
    // Without congestion control: no SENDME for the stream while more is held.
    HELD_WITHOUT_SENDME_BYTES = WINDOW_STREAM_CELLS / 2 * RELAY_BODY_MAX,
    END_BODY_MAX = 32,
};

// What the other side has had of us, and how often it said XOFF and XON: not more often than that
// can explain (4.17).
struct xon_limit {
    uint32_t sent_bytes;
    unsigned xoffs, xons;
};

struct stream {
    struct stream *next_in_bucket;
    const struct stream_ops *ops; // NULL until the user has set it
    void *user;
    struct circuit_streams *of; // NULL: ended, `closed` is still to be called
    uint16_t id;
    uint8_t begun_with; // enum relay_command, if we began it; else 0
    bool connected;     // CONNECTED was sent or came
    bool from_client;   // see stream_info
    bool wants;         // it may have bytes to produce
    bool queued;        // in its circuit's list of those who can send
    bool xoff;          // the other side wants no more at present
    bool paced;         // waits for tokens
    // Without congestion control: DATA that we may send, and that may come.
    unsigned window, deliver_window;
    struct held held;
    size_t given_bytes; // to the user since it said what it holds
    struct xon_limit xon_limit;
    struct half_closed *half_closed; // for when it is; on circuits of ours only
    // What the other side takes in a second, as its XON said; 0: no limit.
    uint64_t rate_bytes;
    int64_t tokens_bytes;
    uint64_t tokens_at_us;
    enum end_reason reason; // once ended
    uint8_t end_length;     // of END's body; 0: none came
    uint8_t end_body[END_BODY_MAX];
    TAILQ_ENTRY(stream) entry; // who can send, or has ended
    TAILQ_ENTRY(stream) paced_entry;
};

TAILQ_HEAD(stream_queue, stream);

// A SENDME that is to come.
struct expected_sendme {
    STAILQ_ENTRY(expected_sendme) entry;
    uint64_t sent_us;
    bool told;                          // the worker has said which tag it must carry
    bool came;                          // before that: `claimed` is what it carried
    uint8_t tag_length, claimed_length; // claimed: 0 for version 0
    uint8_t tag[20], claimed[20];
};

// Flow control of the DATA that we send on a circuit (sendme.c).
struct flow {
    uint64_t data_cells; // ever
    unsigned window;     // without congestion control
    struct vegas vegas;  // with
    struct window_randomness randomness;
    STAILQ_HEAD(, expected_sendme) expected;
    struct expected_sendme *spare;
    unsigned untold;             // of the expected
    struct circuit_place holder; // to which the untold belong
};

struct circuit_streams {
    struct circuit *circuit;
    struct streams *all;
    uint8_t hop; // of a circuit of ours: the last one, when the first stream began; else 0
    struct stream *buckets[STREAM_BUCKETS];
    struct stream_queue sending; // those who can, in turns
    unsigned n_streams;
    uint16_t next_id; // of ours
    struct half_closed_table half_closed;
    struct token_bucket begun; // streams that the origin began
    struct flow flow;
    unsigned undrained_cells;
    bool awaits_drained;
    bool ready;
    TAILQ_ENTRY(circuit_streams) ready_entry;
};

TAILQ_HEAD(circuit_streams_queue, circuit_streams);

struct streams {
    struct relay *relay;
    struct stream_parameters parameters;
    stream_accept_directory_fn accept_directory;
    uint64_t (*now_us)(void);           // monotonic
    struct uv_idle_s *idle;             // runs while something is ready or ended
    struct uv_timer_s *pacer;           // runs while something is paced
    struct circuit_streams_queue ready; // circuits that may be able to send
    struct stream_queue ended;
    struct stream_queue paced;
    unsigned n_streams;
    unsigned n_circuits; // with streams, or that had some
    size_t held_bytes;
};

// ---- stream.c
struct circuit_streams *circuit_streams_get(struct circuit *c); // NULL: no memory
// Those of a circuit of ours, with its last hop; NULL also when some are with another, or when it
// is not open (any more).
struct circuit_streams *circuit_streams_of_last_hop(struct circuit *c);
struct stream *stream_new(struct circuit *c, uint16_t id); // NULL: no memory
void stream_send_end(struct circuit *c, uint16_t id, enum end_reason reason);
struct stream *stream_find(struct circuit_streams *of, uint16_t id);
// Takes it from its circuit; `closed` is called later.
void stream_end(struct stream *s, enum end_reason reason);
struct streams *streams_of(const struct circuit *c);

// ---- flow_stream.c
// DATA was given to the user: SENDME for the stream, if it is time for one.
void stream_data_taken(struct stream *s);
// CONNECTED was sent: what could not be said before it.
void stream_flow_accepted(struct stream *s);
// False: the other side says it more often than is allowed. `m` is XON.
bool stream_take_xoff(struct stream *s);
bool stream_take_xon(struct stream *s, const struct message *m);
void stream_note_sent(struct stream *s, unsigned bytes);

// ---- pump.c
bool pump_create(struct streams *all);
void pump_free(struct streams *all);
void pump_wake(struct streams *all);           // something has ended
void pump_circuit(struct circuit_streams *of); // it may be able to send
void pump_stream(struct stream *s);            // so may this one of it
void pump_forget_stream(struct stream *s);     // it has ended
void pump_forget_circuit(struct circuit_streams *of);
void pump_set_rate(struct stream *s, uint64_t bytes_per_s);

// ---- sendme.c
void flow_begin(struct circuit_streams *of);
void flow_set_path_kind(struct circuit_streams *of);
void flow_end(struct flow *f);
// Whether one more DATA may be sent.
bool flow_open(struct circuit_streams *of);
// The most bytes for it.
unsigned flow_room(const struct circuit_streams *of);
// `m` is it, and goes now; says in it what its worker is to tell.
void flow_sent(struct circuit_streams *of, struct message *m);
// DATA came, whatever its stream (4.06).
void flow_data_came(struct circuit *c, const struct message *m);
// A SENDME of the circuit came, or the tag that one must carry. False: the circuit was closed.
bool flow_take_sendme(struct circuit *c, const struct message *m);
bool flow_take_tag(struct circuit *c, const struct message *m);
