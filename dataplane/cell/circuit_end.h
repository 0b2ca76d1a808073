// SPDX-License-Identifier: BSD-3-Clause
// Circuit ends: a circuit's meeting with one link (base/message.h).
//
//   origin ──link── END ────────────────────────► END ──link── next hop
//                   layer: forward, decrypts      layer: backward, encrypts
//
// An end holds the layer that is applied to cells which come in on its link, and the queue of cells
// that go out on it. Until a circuit is extended, its layer towards the origin is held by a stub:
// an end without a link, from which the relay's own messages come.
//
// Two circuits that end here can be joined (a rendezvous): what comes from the origin of one and is
// not for us passes both layers, and goes to the origin of the other:
//
//   origin A ──link── END A: forward layer ──► stub of END B: backward layer ──► END B ── origin B
//
// A circuit that begins here has one end only, with all layers of all hops (cell/hops.h).
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/message.h"
#include "cell/circid_map.h"
#include "cell/hops.h"
#include "cell/layer.h"
#include "cell/queue.h"
#include "cell/schedule.h"

struct conn;
struct worker;

enum end_state {
    END_FREE,
    END_PENDING, // CREATE came, the control plane has not answered yet
    END_DIALLED, // CREATE2 went out, CREATED2 has not come yet
    END_OPEN,    // cells flow
    END_STUB,    // holds a layer, has no link
    END_CLOSED,  // waits for its MSG_CIRCUIT_CLOSED or its DESTROY to be sent
};

struct circuit_end {
    // What a cell on its way through looks at, but for the layer.
    struct handle self;
    struct handle peer; // generation 0: none
    struct conn *conn;
    uint32_t circid;
    uint32_t circid_next;    // cell/circid_map.h
    struct cell_queue queue; // while it is not empty, conn->schedule has self.index
    uint8_t state;           // enum end_state
    uint8_t layer_kind;      // enum circuit_crypto_kind, or LAYERS_OF_HOPS; 0: it has none
    uint8_t peer_worker;
    uint8_t relay_early_left;
    bool origin_side; // it is the one towards the circuit's origin, or its only one
    uint8_t bucket;   // by the length of its queue (cell/shed.h); 0: in none
    uint8_t close_reason;
    bool close_by_peer : 1;
    bool owes_report : 1;  // MSG_CIRCUIT_CLOSED; it is on the worker's list then
    bool hides_reason : 1; // the link is not told why: it began here (protocol 2.37)
    bool owes_destroy : 1; // on its link's list, which needs no cell until it is sent
    bool joined : 1;       // `peer` is another circuit's end towards its origin
    bool rendezvous : 1;   // a message came that others' cells may follow (cell/early.h)
    bool asks_drained : 1; // MSG_CIRCUIT_DRAINED is due once its queue is short
    union {
        union layer layer;
        struct hops hops;
    };
    uint64_t cookie;
    struct circuit_end *stub;
    TAILQ_ENTRY(circuit_end) on_conn; // the link's ends, or its destroys
    TAILQ_ENTRY(circuit_end) entry;   // free list, worker's reports, or a bucket
};

TAILQ_HEAD(end_list, circuit_end);

static inline bool end_begins_here(const struct circuit_end *end)
{
    return end->layer_kind == LAYERS_OF_HOPS;
}

struct end_table {
    struct circuit_end *ends;
    uint32_t capacity;
    struct end_list free;
    _Atomic uint16_t *messages; // of each, with the control thread (cell/tell.h)
    struct circid_map by_circid;
};

int end_table_init(struct end_table *t, uint32_t capacity);
void end_table_release(struct end_table *t);

// A fresh end in state `state`, or NULL when the table is full.
struct circuit_end *end_new(struct worker *w, enum end_state state);
// NULL if the handle is no longer valid.
struct circuit_end *end_get(struct worker *w, struct handle handle);
struct circuit_end *end_lookup(struct worker *w, const struct conn *conn, uint32_t circid);
// Many at once, at most END_LOOKUP_MAX; NULL where there is none. What a cell for them will touch
// is on its way into the cache then.
enum { END_LOOKUP_MAX = CIRCID_MAP_BURST };
void end_lookup_many(struct worker *w, const struct conn *conn, const uint32_t *circids, unsigned n,
                     struct circuit_end **out);
// A cell will go out on this worker's end soon; the handle may be invalid.
void end_prefetch(const struct worker *w, struct handle handle);
// … after it has passed the layer of its stub: where the stub is, and then, when that has come, the
// stub's layer.
void end_prefetch_stub(const struct worker *w, struct handle handle);
void end_prefetch_layer(const struct worker *w, struct handle handle);
// Joins an end to its link, on which `circid` is free.
void end_bind(struct worker *w, struct circuit_end *end, struct conn *conn, uint32_t circid);

enum end_close_flags {
    END_CLOSE_DESTROY = 1, // tell the peer
    END_CLOSE_REPORT = 2,  // tell the control plane
    END_CLOSE_BY_PEER = 4, // the peer told us
};
// Ends it: drops its queue, wipes its layer and its stub. Not while the batch holds cells of it.
// Needs no memory. Nothing happens to an end that is closed already.
void end_close(struct worker *w, struct circuit_end *end, enum destroy_reason reason,
               unsigned flags);
// The next DESTROY that is owed on this link: false if there is none, else its circuit and reason.
bool end_next_destroy(struct worker *w, struct conn *conn, uint32_t *circid, uint8_t *reason);
// The link goes: nobody is left to be told.
void end_drop_destroys(struct worker *w, struct conn *conn);
// Tells the control plane of closed ends, as far as there are messages.
void end_send_reports(struct worker *w);

// Takes the cell: puts it in the queue of `end`'s link, or closes the circuit when that is too
// long.
void end_queue_cell(struct worker *w, struct circuit_end *end, struct cell *c);
// Takes the cell: hands it to the peer of `end`, on whichever worker that is. Closes `end` if that
// worker does not keep up.
void end_pass_to_peer(struct worker *w, struct circuit_end *end, struct cell *c);
// The same where the peer is known to be on another worker.
void end_pass_to_worker(struct worker *w, struct circuit_end *end, struct cell *c,
                        enum cell_kind kind);
