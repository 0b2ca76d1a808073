// SPDX-License-Identifier: BSD-3-Clause
// The world of somebody who visits onion services: directories, circuits, descriptors and proofs of
// work that only pretend, a service that has real keys, a clock that the test turns. The doubles
// stand for everything that onion/client/ stands on.
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/message.h"
#include "crypto/curve25519.h"
#include "crypto/hs_ntor.h"
#include "netdoc/consensus.h"
#include "onion/client/onion_client.h"
#include "onion/descriptor/onion_descriptor.h"
#include "onion/directory/hsdir_request.h"
#include "onion/message/introduce.h"
#include "onion/pow/pow.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "relay.h"

enum { WORLD_DIRS = 6, WORLD_POINTS = 3, WORLD_MESSAGES = 8, BODY_MAX = 498 };

struct circuit {
    struct origin_circuit *oc;
};

struct sent {
    enum relay_command command;
    unsigned hop;
    uint8_t body[BODY_MAX];
    uint16_t length;
};

struct origin_circuit {
    struct circuit circuit;
    enum origin_purpose purpose;
    enum origin_circuit_state state;
    const struct origin_circuit_ops *ops;
    void *user;
    struct own_circuit_path path;
    unsigned hops_built, streams, uses, successes, extended;
    bool closed_by_user, has_layer, padded;
    uint8_t material[128];
    uint8_t sendme_inc_cells;
    struct sent sent[WORLD_MESSAGES];
    unsigned n_sent;
    TAILQ_ENTRY(origin_circuit) entry;
};

// A request to a directory that has not been answered.
struct hsdir_request {
    unsigned dir;
    uint8_t blinded[32];
    hsdir_done_fn done;
    void *user;
    TAILQ_ENTRY(hsdir_request) entry;
};

struct pow_solving {
    uint32_t effort;
    uint8_t blinded[32];
    void (*done)(void *user, const struct pow_proof *proof);
    void *user;
    TAILQ_ENTRY(pow_solving) entry;
};

struct visit_world {
    struct relay relay;
    struct config config;
    struct origin origin;
    struct consensus consensus;
    uint64_t now_ms;
    time_t wall_s;
    bool may_build, has_consensus;
    uint64_t period, generation, build_timeout_ms;
    int launch_error;
    bool ready_circuits; // circuit_pool_take_internal has some
    bool cannot_extend, layer_fails, has_key;
    unsigned looks; // app_streams_look
    // The service: what its descriptor says, and what reading it comes to.
    struct onion_descriptor descriptor;
    enum descriptor_result reading;
    struct curve25519_key enc_keys[WORLD_POINTS];
    // Of the introduction made last.
    struct introduction introduction;
    struct onion_intro_point point;
    unsigned introductions;
    bool introduce_fails;
    struct router_status statuses[WORLD_DIRS];
    struct node nodes[WORLD_DIRS];
    bool excluded[WORLD_DIRS];
    unsigned asked[WORLD_DIRS]; // times
    unsigned n_asked;
    TAILQ_HEAD(visit_circuits, origin_circuit) circuits;
    TAILQ_HEAD(visit_requests, hsdir_request) requests;
    TAILQ_HEAD(visit_solvings, pow_solving) solvings;
};

extern struct visit_world vw;

void vw_open(void);
void vw_close(void);                            // checks that nothing is left
void vw_pass(uint64_t ms);                      // with a tick each second
unsigned vw_count(enum origin_purpose purpose); // circuits that are not closed
// The newest that is not closed; NULL: none.
struct origin_circuit *vw_circuit(enum origin_purpose purpose);
struct origin_circuit *vw_rend(void);
struct origin_circuit *vw_intro(void);
void vw_opens(struct origin_circuit *oc);
void vw_dies(struct origin_circuit *oc, enum destroy_reason reason, unsigned hops_built);
// A message comes from this hop (0: the last one). What the client says to it.
bool vw_message(struct origin_circuit *oc, unsigned hop, enum relay_command command,
                const void *body, uint16_t length);
const struct sent *vw_last_sent(const struct origin_circuit *oc); // NULL: nothing
// The request that is under way is answered.
void vw_answer(enum hsdir_result result);
void vw_solved(void);
// What the service would say to the introduction made last, by the point that it came by.
void vw_rendezvous2(uint8_t body[64]);
