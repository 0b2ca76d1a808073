// SPDX-License-Identifier: BSD-3-Clause
// Circuits that are ready before somebody asks (protocol 9.23), and which of them may carry a
// stream (9.30). Control thread only.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "origin/stream/app_stream.h"

struct circuit_pool;
struct origin;
struct origin_circuit;

enum {
    POOL_DIRTY_MS = 10 * 60 * 1000, // for so long after its first stream others may join it
    POOL_STREAMS_MAX = 64,          // of one circuit; more go to others
    POOL_CLEAN_MAX = 14,            // built ahead
    POOL_REFUSING_MAX = 64,         // exits that are remembered for refusing everything
    POOL_NOT_EXITS_MAX = 32,        // that a stream may name
};

struct circuit_pool *circuit_pool_create(struct origin *origin); // NULL: no memory
// Closes its circuits; streams have ended. NULL is fine.
void circuit_pool_free(struct circuit_pool *pool);
// Builds what is predicted to be needed, closes what is old.
void circuit_pool_tick(struct circuit_pool *pool);

// ---- for streams

enum circuit_pool_outlook {
    CIRCUIT_POOL_FOUND,
    CIRCUIT_POOL_WAIT,  // one is on its way, or may be later: app_streams_look is called then
    CIRCUIT_POOL_NEVER, // no relay serves this
};
// Before circuit_pool_find for each of those who wait: so many as a circuit carries wait for one.
void circuit_pool_begin_look(struct circuit_pool *pool);
// The best open circuit for this request (C tor's circuit_is_better). `not_exits`: those that
// refused it, POOL_NOT_EXITS_MAX at most.
enum circuit_pool_outlook circuit_pool_find(struct circuit_pool *pool,
                                            const struct app_request *request,
                                            const uint8_t (*not_exits)[20], unsigned n_not_exits,
                                            struct origin_circuit **out);
// The stream begins on it: from now on only streams with equal isolation may.
void circuit_pool_attach(struct circuit_pool *pool, struct origin_circuit *oc,
                         const struct app_request *request);
// It is no good for new streams any more; it goes when it has none.
void circuit_pool_retire(struct circuit_pool *pool, struct origin_circuit *oc);
void circuit_pool_retire_all(struct circuit_pool *pool);
// This exit refuses more than its policy says: not to be used for an hour.
void circuit_pool_exit_refuses(struct circuit_pool *pool, const uint8_t rsa_id[20]);
// The circuit's last relay serves the port on IPv6.
bool circuit_pool_exit_has_ipv6(const struct circuit_pool *pool, const struct origin_circuit *oc,
                                uint16_t port);
// An application asked for this port (0: for a name): others may soon.
void circuit_pool_note_port(struct circuit_pool *pool, uint16_t port);
bool app_isolation_equal(const struct app_request *a, const struct app_request *b);

// ---- for onion services

// They are used: some circuits that end inside the network are kept ready from now on, for an hour.
void circuit_pool_note_internal(struct circuit_pool *pool);
// One of those, which is the caller's from now on (origin_circuit_set_user); NULL: none is ready.
struct origin_circuit *circuit_pool_take_internal(struct circuit_pool *pool);
// The same, of those that this relay is not on already: to be extended to it.
struct origin_circuit *circuit_pool_take_internal_to(struct circuit_pool *pool,
                                                     const uint8_t rsa_id[20]);

// ---- for operators

// Streams from now on use none of the circuits there are (NEWNYM).
void circuit_pool_new_identity(struct circuit_pool *pool);
uint32_t circuit_pool_epoch(const struct circuit_pool *pool); // how often that was

struct circuit_pool_info {
    bool known;    // false: not a circuit of the pool
    bool internal; // ends inside the network
    bool isolated; // only some streams may use it
    bool retired;
    uint64_t first_used_ms; // origin_now_ms; 0: never
    unsigned streams;
};
struct circuit_pool_info circuit_pool_info(const struct circuit_pool *pool,
                                           const struct origin_circuit *oc);
