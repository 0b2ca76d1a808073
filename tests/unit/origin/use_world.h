// SPDX-License-Identifier: BSD-3-Clause
// The world around applications' streams and the pool of circuits: circuits and streams that only
// pretend, exits with policies, a clock that the test turns. The doubles stand for
// origin/circuit, origin/node, origin/path and stream.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <uv.h>

#include "netdoc/consensus.h"
#include "onion/client/onion_client.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "origin/pool/circuit_pool.h"
#include "origin/stream/app_stream.h"
#include "relay.h"
#include "stream/stream.h"

enum { WORLD_EXITS = 8, WORLD_SENT_MAX = 512 * 1024 };

struct circuit {
    struct origin_circuit *oc;
};

struct origin_circuit {
    struct circuit circuit;
    enum origin_purpose purpose;
    enum origin_circuit_state state;
    const struct origin_circuit_ops *ops;
    void *user;
    struct own_circuit_path path;
    struct path_request request;
    unsigned exit;    // index
    unsigned id;      // counts from 1
    unsigned streams; // that have not ended
    unsigned uses, successes, detached;
    TAILQ_ENTRY(origin_circuit) entry;
};

struct stream {
    const struct stream_ops *ops;
    void *user;
    struct circuit *circuit; // NULL: ended
    struct origin_circuit *oc;
    enum relay_command command;
    uint8_t body[512];
    uint16_t body_length;
    uint8_t end_body[32];
    size_t end_length;
    enum end_reason reason;
    bool end_sent; // by us
    bool awake;
    size_t held;
    uint8_t *sent;
    size_t sent_length;
    TAILQ_ENTRY(stream) entry;
};

struct world {
    uv_loop_t loop;
    struct relay relay;
    struct config config;
    struct origin origin;
    uint64_t now_ms;
    bool may_build;
    int launch_error; // 0: as the exits say
    bool no_streams;  // stream_begin fails
    // What onion_client_find says, to whom, and what else it was told.
    enum onion_outlook onion_outlook;
    enum onion_failure onion_failure;
    struct origin_circuit *onion_circuit;
    uint8_t onion_identity[32];
    uint64_t onion_since_ms;
    unsigned onion_asked, onion_attached, onion_failed;
    bool onion_takes_longer;
    bool wants_measure; // origin_circuits_want_measure
    unsigned launched;  // ever
    unsigned next_exit; // to be chosen
    unsigned n_exits;
    struct node nodes[WORLD_EXITS];
    struct router_status statuses[WORLD_EXITS];
    struct port_policy *policies[WORLD_EXITS], *policies6[WORLD_EXITS];
    TAILQ_HEAD(world_circuits, origin_circuit) circuits;
    TAILQ_HEAD(world_streams, stream) streams;
};

extern struct world world;

// With so many exits, which let everything out on IPv4 and IPv6.
void world_open(unsigned n_exits);
// Ends everything, and checks that nothing is left.
void world_close(void);
void world_set_policy(unsigned exit, const char *policy, const char *policy6);
// All that can happen without anybody's doing.
void world_run(void);
// `ms` pass, with a tick each second.
void world_pass(uint64_t ms);
void world_tick(void);

// The newest that is in this state; NULL: none.
struct origin_circuit *world_circuit(enum origin_circuit_state state);
unsigned world_count(enum origin_circuit_state state);
void world_circuit_opens(struct origin_circuit *oc);
void world_open_all(void); // all that are being built
// `streams_first`: they hear of it before the circuit's user does.
void world_circuit_dies(struct origin_circuit *oc, bool streams_first);
void world_circuit_dies_silently(struct origin_circuit *oc); // only its streams hear of it

// The newest that has not ended; NULL: none.
struct stream *world_stream(void);
unsigned world_count_streams(void);
void world_connected(struct stream *s, const void *body, size_t length);
void world_resolved(struct stream *s, const void *body, size_t length);
// END with this body, the reason first.
void world_end(struct stream *s, const void *body, size_t length);
void world_end_reason(struct stream *s, enum end_reason reason);
// Up to so many bytes that it has to send are taken.
size_t world_produce(struct stream *s, size_t most);
