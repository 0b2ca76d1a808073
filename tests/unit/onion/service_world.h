// SPDX-License-Identifier: BSD-3-Clause
// The world around an onion service: relays, circuits and visitors' streams that only pretend, and
// a clock that the test turns. Targets are real sockets of this machine. The doubles stand for
// origin/circuit, origin/node, origin/path, circuit, stream, key_directory, pow, and for the
// service's descriptors.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <uv.h>

#include "base/message.h"
#include "netdoc/consensus.h"
#include "onion/service/onion_service.h"
#include "onion/service/service_internal.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "relay.h"
#include "stream/stream.h"

enum { WORLD_RELAYS = 12 };

struct circuit {
    struct origin_circuit *oc;
};

struct origin_circuit {
    struct circuit circuit;
    enum origin_purpose purpose;
    enum origin_circuit_state state;
    const struct origin_circuit_ops *ops;
    void *user;
    struct path_request request;
    struct own_circuit_path path;
    uint8_t nonce[20];
    // What was sent last, and how often something was.
    enum relay_command sent;
    uint8_t sent_body[RELAY_BODY_MAX];
    uint16_t sent_length;
    unsigned n_sent;
    // The layer of a rendezvous.
    bool joined;
    uint8_t material[128];
    uint8_t sendme_inc_cells;
    own_circuit_accept_fn accept;
    unsigned refusals; // stream_refuse
    enum end_reason refused_with;
    unsigned uses, successes;
    TAILQ_ENTRY(origin_circuit) entry;
};

struct stream {
    const struct stream_ops *ops;
    void *user;
    struct origin_circuit *oc;
    uint16_t id;
    bool accepted, ended, end_sent, awake;
    enum end_reason reason;
    size_t held;
    uint8_t *sent;
    size_t sent_length, sent_capacity;
    TAILQ_ENTRY(stream) entry;
};

struct world {
    uv_loop_t loop;
    struct relay relay;
    struct config config;
    struct config_onion_service service_config;
    struct origin origin;
    uint64_t now_ms;
    bool may_build;
    int launch_error;             // 0: it works
    struct origin_circuit *ready; // of the pool
    unsigned noted;               // that some should be ready
    bool no_extend;               // origin_circuit_extend fails
    bool no_layer;                // own_circuit_add_onion_layer fails
    bool no_streams;              // stream_accept fails
    unsigned next_relay;          // to be drawn
    unsigned n_relays;            // listed
    struct node nodes[WORLD_RELAYS];
    struct router_status statuses[WORLD_RELAYS];
    unsigned changes; // service_descriptors_changed
    unsigned n_credentials;
    struct service_credential credentials[4];
    bool pow_refuses;
    void *queued; // by pow_defence_queue, until it is taken
    uint8_t queued_blinded[32];
    TAILQ_HEAD(world_circuits, origin_circuit) circuits;
    TAILQ_HEAD(world_streams, stream) streams;
};

extern struct world world;

// A service of these relays, which offers port 80. `change` may say more of it before it begins.
void world_open(void (*change)(struct config_onion_service *config));
// Ends everything, and checks that nothing is left.
void world_close(void);
struct onion_service *world_service(void);
// So many seconds pass.
void world_pass(unsigned seconds);
// What the loop has to do, and streams' ends.
void world_run(void);

// The pool has a circuit that is ready.
struct origin_circuit *world_make_ready(void);
// The newest of this purpose in this state; NULL: none.
struct origin_circuit *world_circuit(enum origin_purpose purpose, enum origin_circuit_state state);
unsigned world_count(enum origin_purpose purpose, enum origin_circuit_state state);
void world_circuit_opens(struct origin_circuit *oc);
void world_circuit_dies(struct origin_circuit *oc);
// A message from its last hop. What its user said to it; the circuit is closed if it refuses.
bool world_message(struct origin_circuit *oc, enum relay_command command, const void *body,
                   uint16_t length);
// All circuits to introduction points stand, and the points say so.
void world_establish(void);
// The point that this circuit goes to.
struct intro_point *world_point(const struct origin_circuit *oc);

// An INTRODUCE1's body for this point, by the credential of this number, with this rendezvous
// point. The cookie is made of one byte. Its length.
size_t world_introduce(const struct intro_point *p, unsigned credential,
                       const struct own_circuit_hop *at, uint8_t cookie,
                       const struct curve25519_key *ephemeral, bool congestion_control,
                       uint8_t out[RELAY_BODY_MAX]);
// The relay of this number as a rendezvous point.
struct own_circuit_hop world_hop(unsigned relay);
// A visitor has come by and is joined: the circuit.
struct origin_circuit *world_visitor(uint8_t cookie);
// It says BEGIN. The stream, if it was accepted.
struct stream *world_begin(struct origin_circuit *oc, uint16_t id, const char *body);
// The visitor's END.
void world_end(struct stream *s);
// Up to so many bytes that there are to send are taken.
size_t world_produce(struct stream *s, size_t most);
