// SPDX-License-Identifier: BSD-3-Clause
// The control thread's circuits alone: a test sends what workers would tell, reads what goes down
// to them, and says which links there are. Implements link/link.h.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/channel.h"
#include "circuit/circuit.h"
#include "connection.h"
#include "identity/identity.h"
#include "link/link.h"
#include "relay.h"

enum { DESK_WORKERS = 2, DESK_MESSAGES = 1023, DESK_LINKS = 4 };

struct link {
    struct connection connection;
    bool open;
    bool peer_is_relay;
    uint8_t rsa_id[20];
    uint8_t ed_id[32];
    int circuits;        // by link_note_circuit
    bool used_by_client; // by link_used_by_client
};

struct link_request {
    struct desk *desk;
    struct link_target target;
    link_ready_fn ready;
    void *user;
    struct link_request *next;
};

// Link 0: a client's, on worker 0. 1: a relay's, on worker 0. 2 and 3: other relays', on workers 0
// and 1. All are open.
enum { CLIENT, PREVIOUS, NEAR, FAR };

struct desk {
    struct relay relay;
    struct config config;
    struct identity identity;
    struct channel channels[DESK_WORKERS];
    struct channel *channel_list[DESK_WORKERS];
    struct link links[DESK_LINKS];
    struct link_request *requests; // oldest first
    enum destroy_reason no_dial;   // what a dial fails with at once; NONE: it is under way
    struct message *inbox[DESK_MESSAGES];
    unsigned inbox_length;
    uint32_t generation; // of the last end
};

void desk_eal(void); // once
struct desk *desk_open(void);
// Checks that nothing leaked: messages, requests for links, circuits, counts.
void desk_close(struct desk *desk);

// Helper threads work until nothing is left to do.
void desk_run(struct desk *desk);
// One turn of the loop.
void desk_turn(struct desk *desk);

// ---- what workers tell
struct handle desk_new_end(struct desk *desk);
struct message *desk_up(struct desk *desk, unsigned worker, enum message_type type);
void desk_tell(struct desk *desk, struct message *m); // takes the message

void desk_tell_create(struct desk *desk, unsigned link, struct handle end, uint8_t command,
                      const void *body, size_t length);
// On worker 0; of a circuit that begins here, from its first hop.
void desk_tell_relay(struct desk *desk, struct handle end, uint8_t cell_command, uint8_t command,
                     uint16_t stream_id, const void *body, size_t length);
// From a hop of a circuit that begins here.
void desk_tell_relay_from(struct desk *desk, unsigned worker, struct handle end, unsigned hop,
                          uint8_t command, uint16_t stream_id, const void *body, size_t length);
void desk_tell_created(struct desk *desk, unsigned worker, struct handle end, uint64_t cookie,
                       uint8_t command, const void *body, size_t length);
void desk_tell_closed(struct desk *desk, unsigned worker, struct handle end, uint64_t cookie,
                      enum destroy_reason reason, bool by_peer);

// ---- what goes down
// The oldest message, which must be of this type; of what one step sends to several workers, first
// what goes to worker 0. The caller frees it.
struct message *desk_expect(struct desk *desk, enum message_type type);
void desk_expect_nothing(struct desk *desk);
void desk_expect_close(struct desk *desk, unsigned worker, struct handle end,
                       enum destroy_reason reason);
void desk_expect_originate(struct desk *desk, unsigned worker, struct handle end, uint8_t command,
                           uint16_t stream_id, const void *body, size_t length);

// ---- links
// Answers the oldest request; `link` NULL: it failed with `reason`.
void desk_answer(struct desk *desk, struct link *link, enum destroy_reason reason);

// ---- whole steps
// A circuit by CREATE_FAST over link CLIENT or PREVIOUS; its end.
struct handle desk_circuit(struct desk *desk, unsigned link);
// One by ntor-v3, with congestion control and CGO.
struct handle desk_cgo_circuit(struct desk *desk, unsigned link);
// The body of an EXTEND2 to the peer of a link, and its length.
size_t desk_extend2(const struct desk *desk, unsigned link, uint8_t body[RELAY_BODY_MAX]);
void desk_tell_extend2(struct desk *desk, struct handle end, unsigned link);
// The worker's part of a dial: takes the MSG_CIRCUIT_DIAL, says that the new end stands. Its
// cookie.
uint64_t desk_dial(struct desk *desk, unsigned link, struct handle *next);
// CREATED2, and SPLICE in answer.
void desk_splice(struct desk *desk, struct handle end, unsigned link, struct handle next,
                 uint64_t cookie);
