// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder share: services that are visited, and for each the joins with it,
// which are attempts to meet it, and circuits that did.
#pragma once

#include <sys/queue.h>

#include "crypto/curve25519.h"
#include "keyed_map.h"
#include "onion/client/onion_client.h"
#include "onion/descriptor/onion_descriptor.h"
#include "onion/key/time_period.h"
#include "onion/message/introduce.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/origin.h"
#include "relay.h"

struct client_authorization;
struct hsdir_request;
struct hsdir_ring;
struct pow_solving;

enum {
    VISITS_MAX = 1024,
    JOINS_MAX = 1024, // of all services
    // C tor's times: a directory is not asked again for the same key, an introduction point that
    // failed is not tried again.
    HSDIR_ASK_AGAIN_MS = 15 * 60 * 1000,
    HSDIR_ASK_AGAIN_TESTING_MS = 5 * 1000,
    TROUBLE_FORGOTTEN_MS = 2 * 60 * 1000,
    TROUBLES_MAX = 2 * INTRO_POINTS_MAX, // of one service
    UNREACHABLE_MAX = 5,                 // times
    // How long an answer may take.
    RENDEZVOUS_ESTABLISHED_MS = 16 * 1000,
    // … at most, however slow building circuits is said to be. A service gives up after 30 s.
    ACKNOWLEDGEMENT_MAX_MS = 30 * 1000,
    SERVICE_COMES_MAX_MS = 40 * 1000,
    // Nobody has asked for it since: nothing more is begun for it, and then it goes.
    UNWANTED_MS = 5 * 1000,
    UNWANTED_GONE_MS = 30 * 1000,
    VISIT_FORGOTTEN_MS = 24 * 3600 * 1000,
    REFETCH_MS = 60 * 1000,         // what was fetched a moment ago is as new as can be
    JOIN_STREAMS_MAX = 200,         // of one circuit; more get another
    JOIN_DIRTY_MS = 10 * 60 * 1000, // an unused one goes after that
    FAST_RETRIES = 3,               // of circuits, one right after the other; later ones wait
};

// A directory that was asked.
struct asked {
    uint8_t rsa_id[20];
    uint8_t blinded[32];
    uint64_t at_ms;
};

// An introduction point that failed.
struct trouble {
    uint8_t auth_key[32];
    uint64_t at_ms; // the last time
    bool error, timed_out;
    unsigned unreachable; // times
};

enum rend_state {
    REND_NONE,
    REND_BUILDING,
    REND_ASKED, // ESTABLISH_RENDEZVOUS has gone
    REND_READY,
    REND_BOUND, // to an introduction, which is about to leave or has left: RENDEZVOUS2 may come
    REND_JOINED,
};

enum intro_state {
    INTRO_NONE,
    INTRO_BUILDING, // the circuit, or one more hop of it
    INTRO_OPEN,
    INTRO_SENT, // waits for the acknowledgement
};

struct join {
    struct visit *visit;
    TAILQ_ENTRY(join) entry;
    struct app_request of; // whose isolation it has
    bool wanted;           // by requests that wait
    uint64_t wanted_ms;    // when one last asked for it
    uint64_t used_ms;      // when a stream last began on it
    bool retired;          // no new streams

    struct origin_circuit *rend;
    enum rend_state rend_state;
    uint64_t rend_since_ms; // in this state
    bool acknowledged;      // the introduction point has passed it on
    uint8_t cookie[RENDEZVOUS_COOKIE_LEN];
    struct curve25519_key ephemeral; // of the introduction that it is bound to
    uint8_t sendme_inc_cells;        // congestion control that was asked for; 0: none
    unsigned rend_failures;          // introductions passed on, and nobody came

    struct origin_circuit *intro;
    enum intro_state intro_state;
    uint64_t intro_since_ms;
    struct onion_intro_point point; // where `intro` leads, or where the introduction was made
    uint8_t subcredential[32];      // of the descriptor that has it

    struct pow_solving *solving;
    struct pow_proof proof; // `present` once it is solved; for one introduction only

    unsigned losses;        // circuits, one after the other
    uint64_t not_before_ms; // a new circuit is begun
};

struct visit {
    struct keyed_node node; // in onion_client's map …
    uint8_t identity[32];   // … by this
    struct onion_client *client;
    TAILQ_ENTRY(visit) entry;
    TAILQ_HEAD(, join) joins;
    uint64_t used_ms;

    bool has_descriptor;
    struct time_period period; // the descriptor's
    uint8_t subcredential[32];
    uint64_t fetched_ms;
    struct onion_descriptor descriptor;

    struct hsdir_request *fetch;
    struct time_period fetch_period;
    uint8_t fetch_blinded[32];
    struct asked *asked;
    unsigned n_asked, asked_capacity;
    enum onion_failure worst; // of the directories asked in this series

    // The last time that all who waited were told that it can't be reached.
    enum onion_failure failure;
    uint64_t failed_ms;

    struct trouble troubles[TROUBLES_MAX];
    unsigned n_troubles;
};

struct onion_client {
    struct origin *origin;
    struct client_authorization *authorization; // NULL: there are no keys
    struct keyed_map map;                       // visits by identity
    TAILQ_HEAD(, visit) visits;                 // the one used last is the last
    unsigned n_visits, n_joins;
    // Sorted for one period and one state of the node list.
    struct hsdir_ring *ring;
    struct time_period ring_period;
    uint64_t ring_generation;
};

static inline uint64_t client_now_ms(const struct onion_client *c)
{
    return origin_now_ms(c->origin);
}

static inline struct counters *client_counters(const struct onion_client *c)
{
    return &c->origin->relay->counters;
}

// ---- onion_client.c
// All who wait for this service are told.
void visit_fail(struct visit *v, enum onion_failure failure);
// Whatever can be done next for it, is; not for one that nobody wants any more.
void join_advance(struct join *j);
void visit_advance(struct visit *v); // each of its joins

// ---- client_descriptor.c
// The descriptor is here, of the present period, and has an introduction point that can be tried.
// If not it is fetched, unless that is under way or impossible; visit_fail when it can't be had.
bool descriptor_want(struct visit *v);
void descriptor_drop(struct visit *v);         // with what is under way
void descriptor_forget_asked(struct visit *v); // directories may be asked again
void descriptor_tick(struct visit *v);         // one of another period goes

// ---- client_trouble.c
enum trouble_kind { TROUBLE_ERROR, TROUBLE_TIMEOUT, TROUBLE_UNREACHABLE };
void trouble_note(struct visit *v, const uint8_t auth_key[32], enum trouble_kind kind);
void trouble_expire(struct visit *v);
unsigned trouble_unreachable(const struct visit *v, const uint8_t auth_key[32]); // times
bool trouble_any_usable(const struct visit *v);
// Why none of the descriptor's introduction points is.
enum onion_failure trouble_failure(const struct visit *v);
// A random one of those that are, and the hop there. False: none can be reached.
bool trouble_choose(const struct visit *v, struct onion_intro_point *out,
                    struct own_circuit_hop *hop);

// ---- client_rend.c
void rend_advance(struct join *j);
void rend_close(struct join *j);
void rend_tick(struct join *j);
void rend_unbind(struct join *j); // its introduction has failed; it may have another

// ---- client_intro.c
void intro_advance(struct join *j);
void intro_close(struct join *j);
void intro_tick(struct join *j);

// ---- client_pow.c
// The proof that the service asks for is there, or none is needed. If not it is begun.
bool pow_ready(struct join *j);
void pow_drop(struct join *j);
