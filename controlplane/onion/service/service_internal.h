// SPDX-License-Identifier: BSD-3-Clause
// A service's own parts: its introduction points (intro_point*.c), introductions that came by them
// (introduction.c), rendezvous (rendezvous.c) with their streams (target*.c), and the descriptors
// that tell the world of them (publish*.c). Control thread only.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

#include "bridge/bridge.h"
#include "circuit/own_circuit.h"
#include "crypto/curve25519.h"
#include "crypto/ed25519.h"
#include "onion/descriptor/onion_descriptor.h"
#include "onion/key/key_directory.h"
#include "onion/key/time_period.h"
#include "onion/message/introduce.h"
#include "onion/service/onion_service.h"
#include "onion/service/replay_set.h"

struct circuit;
struct onion_service;
struct origin;
struct origin_circuit;
struct pow_defence;
struct service_publish;
struct target;

enum {
    SERVICE_SUBCREDENTIALS_MAX = 64, // both periods', each of us and of our masters
};

// ---- descriptors (publish*.c)

// What a service says in one time period. There are two, for the two periods that visitors may
// think it is (8.10); which of them is which, publish*.c knows.
struct service_descriptor {
    bool in_force; // else nothing else counts
    struct time_period period;
    uint8_t blinded_public[32];
    bool has_blinded; // false: an offline master key, `signing_cert` was made ahead
    struct ed25519_key blinded;
    struct ed25519_key signing;
    uint8_t signing_cert[256];
    size_t signing_cert_length;
    uint8_t subcredential[32];
    // For the operator: to how many directories the newest text went, of how many.
    unsigned uploaded, wanted;
};

// False: no memory.
bool service_publish_create(struct onion_service *s);
void service_publish_free(struct onion_service *s); // wipes; NULL members are fine
void service_publish_tick(struct onion_service *s); // each second
void service_publish_network_changed(struct onion_service *s);
// The introduction points that are established, or the proof of work, have changed: new texts,
// soon.
void service_descriptors_changed(struct onion_service *s);

// What an introduction may have been made with (8.30): of each descriptor in force our own
// subcredential, and with onionbalance that of each master for the same period.
struct service_credential {
    uint8_t subcredential[32];
    uint8_t blinded_public[32]; // whose, for proofs of work
};
// How many. Cheap enough for every introduction.
unsigned service_credentials(const struct onion_service *s, struct service_credential *out,
                             unsigned capacity);

// The directories' rings of both descriptors, made once for all services.
struct publish_ring {
    struct hsdir_ring *ring; // NULL: none yet
    struct time_period period;
    uint8_t srv[32];
    uint64_t generation; // of the node list, which it refers to
};
void publish_rings_free(struct publish_ring rings[2]);

// ---- introduction points (intro_point.c, intro_points.c)

enum {
    // Chosen ones, with those that retire and those that are tried beyond what is wanted.
    SERVICE_POINTS_MAX = 2 * INTRO_POINTS_MAX + 8,
    INTRO_TRIES_MAX = 3,            // of circuits after the first
    INTRO_PERIOD_MS = 300 * 1000,   // in which so many circuits may be launched …
    INTRO_FAILED_MAX = 32,          // … and in which a relay that failed is not chosen again
    INTRO_ESTABLISH_MS = 60 * 1000, // for INTRO_ESTABLISHED to come
    INTRO_RETIRING_MS = 300 * 1000, // for others to take the place of one that is too old
};

struct intro_point {
    TAILQ_ENTRY(intro_point) entry;
    struct onion_service *service;
    struct own_circuit_hop hop;
    struct onion_intro_point info; // as the descriptor says it
    struct ed25519_key auth;
    struct curve25519_key enc;
    enum onion_intro_state state;   // counts with a circuit
    struct origin_circuit *circuit; // NULL: it is to be launched
    unsigned tries;                 // circuits so far
    uint64_t asked_ms;              // ESTABLISH_INTRO went out
    uint64_t expires_ms;
    bool established;    // has been, ever
    uint64_t retires_ms; // not 0: too old; is closed then, or once others are there
    uint64_t introductions, introductions_max;
    struct replay_set seen; // encrypted sections
};

TAILQ_HEAD(intro_points, intro_point);

// A relay that could not be reached as an introduction point.
struct intro_failure {
    uint8_t rsa_id[20];
    uint64_t until_ms; // 0: none
};

// Established ones, as the descriptor says them; the same order each time. How many.
unsigned service_intro_points(const struct onion_service *s, struct onion_intro_point *out,
                              unsigned capacity);
// All are established that are wanted (or can be had): a first descriptor may go out.
bool service_intro_points_ready(const struct onion_service *s);

// Chooses what is missing, launches circuits, lets go of what is too old.
void intro_points_tick(struct onion_service *s);
// Relays that are not listed any more are none of ours.
void intro_points_network_changed(struct onion_service *s);
void intro_points_free(struct onion_service *s);
// Of those that don't retire: with a circuit that stands, or established.
unsigned intro_points_asked(const struct onion_service *s);
unsigned intro_points_established(const struct onion_service *s);

// NULL: no memory, or its addresses can't be said.
struct intro_point *intro_point_make(struct onion_service *s, const struct own_circuit_hop *hop);
void intro_point_free(struct intro_point *p); // closes its circuit; it is in no list
// False: it can't be tried now.
bool intro_point_launch(struct intro_point *p);
void intro_point_tick(struct intro_point *p, uint64_t now_ms);

// ---- introductions (introduction.c)

// INTRODUCE2 came to a point that is established. False: it is malformed as no honest point lets it
// be, and the circuit is to be closed.
bool introduction_take(struct intro_point *p, const uint8_t *body, size_t length);

// ---- rendezvous (rendezvous.c)

enum {
    RENDEZVOUS_MAX = 32768, // of a service, however far they are: more than POW_QUEUE_MAX
    // Of all services, and an eighth of all circuits at most: so many that what workers have for
    // circuits of ours is not theirs alone.
    RENDEZVOUS_CIRCUITS_MAX = 8192,
    RENDEZVOUS_CIRCUITS_MIN = 16,
    RENDEZVOUS_SPARED_MS = 10000,   // for a visitor to begin a stream, when others wait
    RENDEZVOUS_TIMEOUT_MS = 30000,  // for the point to be reached (8.36)
    RENDEZVOUS_IDLE_MS = 600 * 1000 // without a stream
};

enum rendezvous_state {
    RENDEZVOUS_QUEUED,   // waits for its turn by its proof of work
    RENDEZVOUS_WAITING,  // for a circuit that may be launched
    RENDEZVOUS_BUILDING, // the circuit
    RENDEZVOUS_JOINED,
};

struct rendezvous {
    TAILQ_ENTRY(rendezvous) entry;
    struct onion_service *service;
    enum rendezvous_state state;
    struct own_circuit_hop point;
    uint8_t cookie[RENDEZVOUS_COOKIE_LEN];
    bool congestion_control;
    // Until the keys are agreed on.
    uint8_t auth_key[32], client_public[32];
    struct curve25519_key enc_key;
    // Afterwards, until they are on the circuit.
    bool has_keys;
    uint8_t message[RENDEZVOUS1_LEN];
    uint8_t material[HS_NTOR_MATERIAL_LEN];
    struct origin_circuit *circuit; // NULL: none
    unsigned tries;                 // circuits so far
    uint64_t deadline_ms;
    LIST_HEAD(, target) targets; // streams of it that have not ended
    unsigned n_targets;
    uint64_t begun_streams; // ever
    uint64_t idle_since_ms;
    bool ends; // the visitor did what it may not: its circuit is closed soon, after END went out
};

TAILQ_HEAD(rendezvous_list, rendezvous);

// NULL: no memory, there are too many, or a point that can't be.
struct rendezvous *service_rendezvous_make(struct intro_point *p, const struct introduction *i);
void service_rendezvous_begin(struct rendezvous *r);
void service_rendezvous_free(struct rendezvous *r); // with its circuit and its streams
void service_rendezvous_tick(struct onion_service *s);
void service_rendezvous_free_all(struct onion_service *s); // but for those that are queued

// ---- streams (target.c)

enum {
    TARGET_BLOCKS_MAX = 4096, // of bridge/bridge.h, of all services
    TARGET_CONNECT_S = 120,   // for a target to answer
    TARGET_FLUSH_S = 120,     // for a target to take what is left
    TARGET_LINGER_S = 5,      // for a target to close, once it was told of the end
};

// The kernel's end is a bridge (bridge/bridge.h), the visitor's a stream of the rendezvous.
struct target;
TAILQ_HEAD(target_list, target);

// BEGIN came.
void target_begin(struct rendezvous *r, struct circuit *c, uint16_t stream_id, const uint8_t *body,
                  size_t length);
// The rendezvous goes, and its streams with it.
void target_leave(struct target *t);
void targets_tick(struct onion_services *all);
void targets_free(struct onion_services *all);
// BEGIN's body: "HOST:PORT" and NUL, whose host counts for nothing (8.41). 0: malformed.
uint16_t target_port_of(const uint8_t *body, size_t length);

// ---- the service

struct onion_service {
    struct onion_services *all;
    struct origin *origin;
    const struct config_onion_service *config;
    struct key_directory keys;
    struct service_descriptor descriptors[2];
    struct service_publish *publish; // publish*.c's own
    struct pow_defence *pow;         // NULL: none
    struct intro_points points;
    unsigned n_points;
    bool ready_told;          // that all points are established
    uint64_t intro_period_ms; // since when circuits were counted
    unsigned intro_circuits;  // launched since then
    struct intro_failure failures[INTRO_FAILED_MAX];
    struct replay_set cookies; // of the last minutes
    uint64_t cookies_turned_ms;
    struct rendezvous_list waiting, rendezvous; // waiting, or building and joined
    uint64_t full_ms;                           // when nobody could give way; 0: never
    unsigned n_rendezvous, n_under_way, n_joined, n_streams;
    uint64_t introductions, replays, refused;
};

struct onion_services {
    struct origin *origin;
    struct bridges *bridges; // of streams' targets
    struct target_list targets;
    unsigned n_circuits, circuits_max; // of rendezvous
    unsigned n_targets, targets_max;   // each has a socket, also those whose stream has ended
    struct publish_ring rings[2];
    unsigned n_services;
    struct onion_service *services;
};

// The increment for congestion control with visitors, which descriptors tell (8.20); 0: there is
// none.
uint8_t service_sendme_inc(const struct origin *origin);
// For lines in the log: a relay's nickname; and a circuit's relays, "a > b > c".
const char *service_relay_name(const struct origin *origin, const uint8_t rsa_id[20]);
enum { SERVICE_PATH_TEXT_MAX = OWN_CIRCUIT_HOPS_MAX * 24 };
const char *service_path_text(const struct origin_circuit *oc, const struct origin *origin,
                              char out[SERVICE_PATH_TEXT_MAX]);
