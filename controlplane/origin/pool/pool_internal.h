// SPDX-License-Identifier: BSD-3-Clause
// What the files of this folder share: the pool and its circuits.
#pragma once

#include <sys/queue.h>

#include "origin/circuit/origin_circuit.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "origin/pool/circuit_pool.h"
#include "origin/pool/predicted_ports.h"

enum {
    POOL_AHEAD_OF_PORT = 2,     // circuits that serve a predicted port
    POOL_AHEAD_INTERNAL = 3,    // circuits for onion services
    POOL_RESERVED_MS = 1000,    // for whom it was built, once it is open
    POOL_PERIOD_MS = 30 * 1000, // C tor's NewCircuitPeriod
    POOL_FAILURES_MAX = 5,      // in a period, then fewer are begun
    POOL_REFUSING_MS = 3600 * 1000,
};

struct pool_circuit {
    struct circuit_pool *pool;
    struct origin_circuit *oc;
    bool internal, opened, retired;
    // The isolation of those who may use it: of a stream that has begun on it (then used_ms is not
    // 0), or of one that waits for it.
    bool reserved;
    struct app_request of;
    uint64_t used_ms;           // when the first stream began; 0: clean
    uint64_t reserved_until_ms; // once it is open
    uint64_t begun_ms;
    uint64_t idle_ms;  // for so long it may stay clean
    unsigned promised; // streams that wait for it, in this look
    TAILQ_ENTRY(pool_circuit) entry;
};

struct refusing_exit {
    uint8_t rsa_id[20];
    uint64_t until_ms;
};

struct circuit_pool {
    struct origin *origin;
    TAILQ_HEAD(, pool_circuit) list;
    struct predicted_ports predicted;
    struct refusing_exit refusing[POOL_REFUSING_MAX];
    unsigned n_refusing;
    uint32_t epoch;
    // Circuits that were not built, in this period; what came of the last.
    uint64_t period_ends_ms;
    unsigned failures;
    bool failed_last_period;
    bool begun_since_tick; // … after many failures
};

// ---- pool_find.c
// A stream has it, or waits for it and has not had the time to come.
bool pool_circuit_is_reserved(const struct pool_circuit *pc, uint64_t now_ms);

// ---- circuit_pool.c
struct pool_circuit *pool_circuit_of(const struct circuit_pool *pool,
                                     const struct origin_circuit *oc); // or NULL
unsigned pool_circuit_streams(const struct pool_circuit *pc);
// Its last relay; NULL: not listed any more, or not known enough.
const struct node *pool_circuit_exit(const struct pool_circuit *pc);
bool pool_exit_is_refusing(const struct circuit_pool *pool, const uint8_t rsa_id[20]);
// 0 and `*out` (may be NULL), or as origin_circuit_launch; -EBUSY: too many failed lately.
int pool_launch(struct circuit_pool *pool, enum origin_purpose purpose,
                struct path_request *request, const uint8_t (*not_exits)[20], unsigned n_not_exits,
                struct pool_circuit **out);
