// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder share: the circuit itself and its table.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "circuit/circuit.h"
#include "circuit/extend.h"
#include "circuit/onion_queue.h"
#include "circuit/onion_skin.h"
#include "handle_map.h"
#include "relay.h"

enum circuit_state {
    CIRCUIT_SKIN_QUEUED, // its onion skin waits for an answer
    CIRCUIT_OPEN,        // ends here
    CIRCUIT_LINKING,     // extending: waits for a link to the next hop
    CIRCUIT_DIALLED,     // extending: CREATE2 was sent
    CIRCUIT_EXTENDED,    // cells pass through
    CIRCUIT_BUILDING,    // begins here: some of its hops stand, others don't yet
    CIRCUIT_GONE,        // begins here, and is no more; only its user has not heard of it yet
};

// What a circuit that ends here is for, once it has said so. With any of these, nothing else is
// served on it (10.02); none can be changed into another. Only one that has introduced itself may
// be extended, to another introduction point (7.16).
enum circuit_role {
    CIRCUIT_NO_ROLE,
    CIRCUIT_INTRODUCTION, // an introduction point's, to the service
    CIRCUIT_INTRODUCING,  // a client's, that has introduced itself
    CIRCUIT_RENDEZVOUS,   // waits at a cookie
    CIRCUIT_JOINED,       // one of the two sides of a rendezvous
};

// In the id of one that begins here, so that an end that is dialled for one that is gone closes as
// those do.
#define CIRCUIT_ID_OWN (UINT64_C(1) << 63)

enum { SENDME_INC_CELLS = 100 }; // without congestion control (protocol 4.08)

// Where a circuit meets a link: a worker and its handles. Generation 0: none, or none yet.
struct circuit_place {
    uint8_t worker;
    struct handle conn;
    struct handle end;
};

struct circuit {
    uint64_t id; // {generation, slot + 1}: valid while the circuit is; also the cookie of its dial
    struct relay *relay;
    enum circuit_state state;
    struct waiting_skin *skin; // not NULL: in the queue, or with a helper thread
    struct circuit_place origin;
    struct circuit_place next;
    // The next hop that was truncated away. If its end closed before it heard of that, it took the
    // layer towards the origin with it, and the circuit can't go on.
    struct circuit_place truncated;
    uint8_t nonce[CIRCUIT_NONCE_BYTES]; // KH
    uint8_t crypto_kind;                // enum circuit_crypto_kind, once it is open
    uint8_t role;                       // enum circuit_role
    bool created_fast;                  // by CREATE_FAST
    bool congestion_control;            // was agreed on; with the last hop, if it is ours
    bool path_kind_is_set;              // else by its length
    uint8_t path_kind;                  // enum circuit_path_kind (stream/circuit_streams.h)
    uint8_t sendme_inc_cells;           // DATA that one SENDME of ours acknowledges
    uint8_t unacknowledged_cells;       // DATA that came to us since the last one
    struct link_request *link_request;
    struct extend_request *extend;   // while linking
    struct circuit_streams *streams; // NULL until there is one (stream/circuit_streams.h)
    // Not NULL: it begins here (own_circuit.c); `origin` is nobody then, and `next` is where the
    // other end is. Keys' nonce and kind, and congestion control, are its last hop's.
    struct own_circuit *own;
    struct onion_entry *onion;   // controlplane/onion's, with a role that others look for
    struct circuit *joined_with; // CIRCUIT_JOINED: goes when this one goes, and the other way round
};

struct circuit_table {
    struct relay *relay;
    struct circuit **slots;
    uint32_t *generations;
    uint32_t *free_slots;
    uint32_t n_slots, n_free;
    struct handle_map *by_end; // one per worker
    struct onion_queue *skins;
    struct streams *streams;   // of all circuits
    struct own_circuits *owns; // those that begin here
};

struct circuit *circuit_new(struct circuit_table *t); // NULL: no memory
// NULL if the id is no longer valid.
struct circuit *circuit_get(struct circuit_table *t, uint64_t id);
// Makes answers to a dial under way stale.
void circuit_renew_id(struct circuit *c);
// Ends the circuit on both sides and forgets it. DESTROY with `reason` goes to the origin; the next
// hop is never told why (protocol 2.36).
void circuit_close(struct circuit *c, enum destroy_reason reason);
// Forgets one end, without telling anybody.
void circuit_leave(struct circuit *c, struct circuit_place *place);
// Begins a message about one end of the circuit.
struct message *circuit_message(const struct circuit *c, const struct circuit_place *place,
                                enum message_type type);
void circuit_send(const struct circuit *c, struct message *m);
// DESTROY on one end, if there is one.
void circuit_close_place(const struct circuit *c, const struct circuit_place *place,
                         enum destroy_reason reason);
// The place that holds the layer towards the origin, or towards the other end of one of ours.
const struct circuit_place *circuit_holder(const struct circuit *c);
// Sends a relay message of ours there.
void circuit_originate(struct circuit *c, uint8_t command, uint16_t stream_id, const void *body,
                       uint16_t length);

// A relay message that was addressed to us (relay_message.c).
void circuit_take_relay_message(struct circuit *c, const struct message *m);

// Extending (extend_circuit.c).
void circuit_extend(struct circuit *c, const uint8_t *body, size_t length);
void circuit_extended(struct circuit *c, const struct message *m); // CREATED2 came
void circuit_stop_extending(struct circuit *c);
// The circuit ends here again; `reason` is for the next hop (2.38).
void circuit_truncate(struct circuit *c, enum destroy_reason reason);

// Circuits that begin here (own_circuit.c, own_message.c).
struct own_circuits *own_circuits_create(struct circuit_table *t); // NULL: no memory
// After the circuits; tells those who have not heard yet what became of theirs. NULL is fine.
void own_circuits_free(struct own_circuits *all);
void own_circuit_created(struct circuit *c, const struct message *m); // CREATED_FAST or CREATED2
void own_circuit_take_message(struct circuit *c, const struct message *m);
// Somebody on the path ended it, with this reason byte; closes it.
void own_circuit_ended(struct circuit *c, uint8_t reason);
// Says in a MSG_CIRCUIT_ORIGINATE which hop it is for (the last one, unless it says) and in which
// cell it goes.
void own_circuit_address(const struct circuit *c, struct message *m);
// Called last of all: from now on own_circuit.c has the circuit, until its user has heard.
void own_circuit_gone(struct circuit *c, enum destroy_reason reason);
