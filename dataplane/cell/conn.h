// SPDX-License-Identifier: BSD-3-Clause
// A worker's connections: where TCP's bytes, TLS records, cells and the control plane's messages
// meet. A connection is raw, then records, then open (base/message.h).
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/message.h"
#include "cell/circuit_end.h"
#include "cell/queue.h"
#include "cell/schedule.h"
#include "tls/record_in.h"
#include "tls/record_out.h"

struct circuit_end;
struct tcp_conn;
struct tcp_event;
struct worker;

enum conn_state {
    CONN_FREE,
    CONN_CONNECTING,
    CONN_RAW,
    CONN_RECORDS, // link handshake: cells go to the control plane
    CONN_OPEN,    // circuits are served
    CONN_DEAD,    // TCP is gone; waits for its MSG_CONN_CLOSED to be sent
};

enum {
    CONN_OUTGOING_MAX = 128, // messages from the control plane, not yet taken by TCP
    CONN_CELLS_MAX = 4096,   // CREATE-like cells that wait
    CONN_RECORDS_PER_TURN = 16,
    CONN_CELLS_PER_RECORD = 31, // 31 cells of 514 bytes fill a record of 16 KiB
    CONN_CLOSING_MAX_US = 5000000,
};

// A variable cell under way, which may be larger than any buffer of ours.
struct variable_cell {
    struct link_cell_info info; // offset: how much of it has come
    bool active;
};

struct conn {
    struct tls_in tls_in;
    struct tls_out tls_out;
    struct tcp_conn *tcp; // NULL once it is dead
    uint8_t state;        // enum conn_state
    uint8_t close_reason; // enum conn_close_reason
    uint8_t close_alert;
    bool dialled;
    bool closing;      // nothing more is received; closes when the queues are empty
    bool finished;     // … and the last byte has been given to TCP
    bool peer_done;    // FIN came
    bool awaits_key;   // no records are opened until MSG_TLS_REKEY
    bool key_old_told; // MSG_TLS_KEY_OLD went up for the tx key in use
    bool is_receiving; // on the worker's lists
    bool is_paused;    // … of those that have too many messages with the control thread
    bool is_transmitting;
    bool cell_turn; // link cells and relay cells alternate when both wait
    struct handle self;
    uint64_t cookie;
    uint64_t closing_since_us;

    // raw: offsets in the received stream. What is between them TCP still holds.
    uint64_t raw_consumed;
    uint64_t raw_delivered;

    // From the control plane: raw bytes or plaintext, in order.
    struct message *outgoing, *outgoing_last;
    uint32_t outgoing_count;
    uint32_t outgoing_offset; // of the first message: sent already

    // cells
    uint8_t circid_length; // 2 until the peer's VERSIONS
    uint16_t partial_length;
    struct variable_cell variable;
    struct cell_queue link_cells; // complete but for nothing: the header is written
    struct schedule schedule;     // circuits with cells for this link
    uint32_t relay_cells;         // in the queues of all of them
    struct end_list ends;
    struct end_list destroys;          // closed ends whose DESTROY is still to be sent
    uint64_t waits_since_us;           // relay cells wait, and since then none has been sent
    TAILQ_ENTRY(conn) receiving_entry; // or of those that are paused
    TAILQ_ENTRY(conn) transmitting_entry;
    TAILQ_ENTRY(conn) closing_entry;
    TAILQ_ENTRY(conn) stalled_entry;      // on the worker's list while `outgoing` is not empty
    TAILQ_ENTRY(conn) link_stalled_entry; // on the worker's list while `link_cells` is not empty
    TAILQ_ENTRY(conn) entry;              // free list, or worker's dead list
    uint8_t partial[CELL_LEN];            // the begin of a cell whose rest has not come
};

TAILQ_HEAD(conn_list, conn);

struct conn_table {
    struct conn *conns;
    uint32_t capacity;
    struct conn_list free;
    _Atomic uint16_t *messages; // of each, with the control thread (cell/tell.h)
};

int conn_table_init(struct conn_table *t, uint32_t capacity);
void conn_table_release(struct conn_table *t);

// NULL if the handle is no longer valid.
struct conn *conn_get(struct worker *w, struct handle handle);
// Begins an active open; the outcome is told to the control plane. False: could not even begin.
bool conn_dial(struct worker *w, const struct address *remote, uint64_t cookie);
// What TCP has to say.
void conn_event(struct worker *w, const struct tcp_event *event);
// Looks at received bytes: raw ones go up, records are opened and cut into cells.
void conn_receive(struct worker *w, struct conn *c);
// Sends what waits, as far as TCP has room.
void conn_transmit(struct worker *w, struct conn *c);
// Nothing more is received; what waits is sent, then `alert` if records flow, then FIN. Circuits
// end.
void conn_close(struct worker *w, struct conn *c, enum conn_close_reason reason, uint8_t alert);
// At once, with RST.
void conn_abort(struct worker *w, struct conn *c, enum conn_close_reason reason);
// At once, for what the peer does not take.
void conn_abort_stalled(struct worker *w, struct conn *c);
// Aborts connections that take too long to close.
void conn_end_slow_closings(struct worker *w);
// Tells the control plane of dead connections, as far as there are messages.
void conn_send_reports(struct worker *w);

// ---- messages of the control plane
// Takes the message. Closes connections whose peers let too many of them wait: the control thread's
// messages are few, and it waits for them to come back.
void conn_send(struct worker *w, struct conn *c, struct message *m);
void conn_consumed(struct worker *w, struct conn *c, uint64_t offset);
void conn_start_tls(struct worker *w, struct conn *c, const struct message *m);
void conn_rekey(struct worker *w, struct conn *c, struct message *m); // takes the message

void conn_drop_outgoing(struct worker *w, struct conn *c);
void conn_wants_receive(struct worker *w, struct conn *c);
void conn_wants_transmit(struct worker *w, struct conn *c);
// Queues a cell of link level, header included. `body` has at most CELL_BODY_LEN bytes; the rest is
// zero. False without memory.
bool conn_queue_cell(struct worker *w, struct conn *c, uint32_t circid, uint8_t command,
                     const void *body, size_t length);
// A DESTROY for a circuit that has no end here; lost without memory.
void conn_queue_destroy(struct worker *w, struct conn *c, uint32_t circid,
                        enum destroy_reason reason);
void conn_drop_link_cells(struct worker *w, struct conn *c);
