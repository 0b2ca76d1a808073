// SPDX-License-Identifier: BSD-3-Clause
// Circuits that are ready before somebody asks: how they come, are kept, and go.
#include "origin/pool/circuit_pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "dir/parameters.h"
#include "onion/client/onion_client.h"
#include "origin/pool/pool_internal.h"
#include "relay.h"
#include "stream/circuit_streams.h"

static uint64_t now_of(const struct circuit_pool *pool)
{
    return origin_now_ms(pool->origin);
}

// ---- a circuit

struct pool_circuit *pool_circuit_of(const struct circuit_pool *pool,
                                     const struct origin_circuit *oc)
{
    struct pool_circuit *pc;
    for (pc = TAILQ_FIRST(&pool->list); pc; pc = TAILQ_NEXT(pc, entry))
        if (pc->oc == oc)
            return pc;
    return NULL;
}

unsigned pool_circuit_streams(const struct pool_circuit *pc)
{
    const struct circuit *c =
        origin_circuit_state(pc->oc) == ORIGIN_OPEN ? origin_circuit_circuit(pc->oc) : NULL;
    return c ? circuit_stream_count(c) : 0;
}

const struct node *pool_circuit_exit(const struct pool_circuit *pc)
{
    const struct own_circuit_path *path = origin_circuit_path(pc->oc);
    const uint8_t *id = path->hops[path->n_hops - 1].target.rsa_id;
    const struct node *exit = node_find(pc->pool->origin->nodes, id);
    return exit && exit->has_keys ? exit : NULL;
}

static void forget(struct pool_circuit *pc)
{
    TAILQ_REMOVE(&pc->pool->list, pc, entry);
    free(pc);
}

static void close_circuit(struct pool_circuit *pc)
{
    app_streams_circuit_gone(pc->pool->origin->streams, pc->oc);
    origin_circuit_close(pc->oc);
    forget(pc);
}

static void opened(struct origin_circuit *oc)
{
    struct pool_circuit *pc = origin_circuit_user(oc);
    struct circuit_pool *pool = pc->pool;
    pc->opened = true;
    pc->reserved_until_ms = now_of(pool) + POOL_RESERVED_MS;
    pool->failures = 0;
    pool->failed_last_period = false;
    app_streams_look(pool->origin->streams);
}

static void closed(struct origin_circuit *oc, enum destroy_reason reason)
{
    struct pool_circuit *pc = origin_circuit_user(oc);
    struct circuit_pool *pool = pc->pool;
    (void)reason;
    if (!pc->opened) {
        pool->failures++;
        pool->origin->relay->counters.pool_circuits_failed++;
    }
    app_streams_circuit_gone(pool->origin->streams, oc);
    forget(pc);
    app_streams_look(pool->origin->streams);
}

static const struct origin_circuit_ops pool_ops = {.opened = opened, .closed = closed};

// ---- exits that refuse everything

bool pool_exit_is_refusing(const struct circuit_pool *pool, const uint8_t rsa_id[20])
{
    for (unsigned i = 0; i < pool->n_refusing; i++)
        if (memcmp(pool->refusing[i].rsa_id, rsa_id, 20) == 0)
            return true;
    return false;
}

void circuit_pool_exit_refuses(struct circuit_pool *pool, const uint8_t rsa_id[20])
{
    if (pool_exit_is_refusing(pool, rsa_id))
        return;
    if (pool->n_refusing == POOL_REFUSING_MAX) // the oldest comes first
        memmove(&pool->refusing[0], &pool->refusing[1],
                --pool->n_refusing * sizeof(pool->refusing[0]));
    struct refusing_exit *r = &pool->refusing[pool->n_refusing++];
    memcpy(r->rsa_id, rsa_id, sizeof(r->rsa_id));
    r->until_ms = now_of(pool) + POOL_REFUSING_MS;
}

static void expire_refusals(struct circuit_pool *pool, uint64_t now)
{
    unsigned expired = 0;
    while (expired < pool->n_refusing && now >= pool->refusing[expired].until_ms)
        expired++;
    pool->n_refusing -= expired;
    memmove(&pool->refusing[0], &pool->refusing[expired],
            pool->n_refusing * sizeof(pool->refusing[0]));
}

// ---- beginning one

// So that a network that fails at once is not asked over and over.
static bool may_launch(struct circuit_pool *pool)
{
    if (pool->failures <= POOL_FAILURES_MAX)
        return true;
    bool may = !pool->failed_last_period && !pool->begun_since_tick;
    pool->begun_since_tick = true;
    return may;
}

static struct pool_circuit *make(struct circuit_pool *pool)
{
    struct pool_circuit *pc = calloc(1, sizeof(*pc));
    uint64_t now = now_of(pool), left_ms = predicted_ports_left_ms(&pool->predicted, now);
    if (!pc)
        return NULL;
    pc->pool = pool;
    pc->begun_ms = now;
    pc->idle_ms = left_ms + 1000 + random_uniform((uint32_t)(left_ms / 20 + 1));
    return pc;
}

static int launch(struct pool_circuit *pc, enum origin_purpose purpose,
                  struct path_request *request, const uint8_t (*not_exits)[20],
                  unsigned n_not_exits)
{
    uint8_t all[POOL_NOT_EXITS_MAX + POOL_REFUSING_MAX][20];
    struct circuit_pool *pool = pc->pool;
    request->n_not_exits = 0;
    request->not_exits = (const uint8_t(*)[20])all;
    for (unsigned i = 0; i < n_not_exits && i < POOL_NOT_EXITS_MAX; i++)
        memcpy(all[request->n_not_exits++], not_exits[i], sizeof(all[0]));
    for (unsigned i = 0; i < pool->n_refusing; i++)
        memcpy(all[request->n_not_exits++], pool->refusing[i].rsa_id, sizeof(all[0]));
    int error = origin_circuit_launch(pool->origin, purpose, request, &pool_ops, pc, &pc->oc, NULL);
    request->not_exits = NULL;
    return error;
}

int pool_launch(struct circuit_pool *pool, enum origin_purpose purpose,
                struct path_request *request, const uint8_t (*not_exits)[20], unsigned n_not_exits,
                struct pool_circuit **out)
{
    if (!origin_may_build(pool->origin, NULL))
        return -EAGAIN;
    if (!may_launch(pool))
        return -EBUSY;
    struct pool_circuit *pc = make(pool);
    if (!pc)
        return -ENOMEM;
    int error = launch(pc, purpose, request, not_exits, n_not_exits);
    if (error) {
        free(pc);
        return error;
    }
    pc->internal = purpose != ORIGIN_GENERAL;
    TAILQ_INSERT_TAIL(&pool->list, pc, entry);
    if (out)
        *out = pc;
    return 0;
}

// ---- streams

void circuit_pool_attach(struct circuit_pool *pool, struct origin_circuit *oc,
                         const struct app_request *request)
{
    struct pool_circuit *pc = pool_circuit_of(pool, oc);
    if (!pc || pc->used_ms)
        return;
    pc->used_ms = now_of(pool);
    pc->reserved = true;
    pc->of = *request;
}

void circuit_pool_retire(struct circuit_pool *pool, struct origin_circuit *oc)
{
    struct pool_circuit *pc = pool_circuit_of(pool, oc);
    if (pc)
        pc->retired = true;
}

void circuit_pool_note_port(struct circuit_pool *pool, uint16_t port)
{
    predicted_ports_note(&pool->predicted, port ? port : 80, now_of(pool));
}

void circuit_pool_retire_all(struct circuit_pool *pool)
{
    struct pool_circuit *pc;
    for (pc = TAILQ_FIRST(&pool->list); pc; pc = TAILQ_NEXT(pc, entry))
        pc->retired = true;
}

void circuit_pool_new_identity(struct circuit_pool *pool)
{
    pool->epoch++;
    circuit_pool_retire_all(pool);
    if (pool->origin->onion_client)
        onion_client_new_identity(pool->origin->onion_client);
    circuit_pool_tick(pool);
    app_streams_look(pool->origin->streams);
}

uint32_t circuit_pool_epoch(const struct circuit_pool *pool)
{
    return pool->epoch;
}

// ---- onion services

void circuit_pool_note_internal(struct circuit_pool *pool)
{
    predicted_ports_note_internal(&pool->predicted, now_of(pool));
}

static bool is_on(const struct origin_circuit *oc, const uint8_t rsa_id[20])
{
    const struct own_circuit_path *path = origin_circuit_path(oc);
    for (unsigned i = 0; i < path->n_hops; i++)
        if (memcmp(path->hops[i].target.rsa_id, rsa_id, 20) == 0)
            return true;
    return false;
}

static struct origin_circuit *take_internal(struct circuit_pool *pool, const uint8_t *not_on)
{
    struct pool_circuit *pc;
    circuit_pool_note_internal(pool);
    TAILQ_FOREACH(pc, &pool->list, entry)
    if (pc->internal && pc->opened && !pc->retired && origin_circuit_state(pc->oc) == ORIGIN_OPEN &&
        !(not_on && is_on(pc->oc, not_on)))
        break;
    if (!pc)
        return NULL;
    struct origin_circuit *oc = pc->oc;
    forget(pc);
    return oc;
}

struct origin_circuit *circuit_pool_take_internal(struct circuit_pool *pool)
{
    return take_internal(pool, NULL);
}

struct origin_circuit *circuit_pool_take_internal_to(struct circuit_pool *pool,
                                                     const uint8_t rsa_id[20])
{
    return take_internal(pool, rsa_id);
}

// ---- what is built ahead

static bool is_clean(const struct pool_circuit *pc)
{
    return !pc->retired && pc->used_ms == 0;
}

// Whether nobody has it, or waits for it, so that any stream may.
static unsigned count_serving(const struct circuit_pool *pool, uint16_t port)
{
    const struct pool_circuit *pc;
    bool stable = path_port_is_long_lived(port);
    uint64_t now = now_of(pool);
    unsigned n = 0;
    for (pc = TAILQ_FIRST(&pool->list); pc; pc = TAILQ_NEXT(pc, entry)) {
        if (!is_clean(pc) || pc->internal || pool_circuit_is_reserved(pc, now))
            continue;
        const struct node *exit = pool_circuit_exit(pc);
        n += exit && port_policy_allows(exit->policy, port) &&
             !pool_exit_is_refusing(pool, exit->status->rsa_id) &&
             (!stable || origin_circuit_request(pc->oc)->stable);
    }
    return n;
}

// An exit for as many as possible of the ports that have too few.
static bool launch_for_ports(struct circuit_pool *pool)
{
    struct path_request request = {.kind = PATH_EXIT};
    const struct predicted_ports *p = &pool->predicted;
    for (unsigned i = 0; i < p->n && request.n_ports < PATH_PORTS_MAX; i++) {
        uint16_t port = p->list[i].port;
        if (count_serving(pool, port) >= POOL_AHEAD_OF_PORT)
            continue;
        request.ports[request.n_ports++] = port;
        request.stable |= path_port_is_long_lived(port);
    }
    return request.n_ports > 0 && pool_launch(pool, ORIGIN_GENERAL, &request, NULL, 0, NULL) == 0;
}

static bool launch_internal(struct circuit_pool *pool)
{
    const struct pool_circuit *pc;
    struct path_request request = {.kind = PATH_VANGUARDS, .stable = true};
    unsigned n = 0;
    for (pc = TAILQ_FIRST(&pool->list); pc; pc = TAILQ_NEXT(pc, entry))
        n += pc->internal && is_clean(pc);
    return pool->predicted.internal && n < POOL_AHEAD_INTERNAL &&
           pool_launch(pool, ORIGIN_CLIENT_REND, &request, NULL, 0, NULL) == 0;
}

// How long building takes is learned from circuits that could carry something.
static bool launch_to_measure(struct circuit_pool *pool)
{
    struct path_request request = {.kind = PATH_EXIT, .n_ports = 2, .ports = {443, 80}};
    return origin_circuits_want_measure(pool->origin->circuits) &&
           pool_launch(pool, ORIGIN_GENERAL, &request, NULL, 0, NULL) == 0;
}

// One each time, as C tor: they come soon enough, and all at once would show.
static void build_ahead(struct circuit_pool *pool)
{
    const struct pool_circuit *pc;
    unsigned n_clean = 0;
    for (pc = TAILQ_FIRST(&pool->list); pc; pc = TAILQ_NEXT(pc, entry))
        n_clean += is_clean(pc);
    if (n_clean < POOL_CLEAN_MAX &&
        (launch_for_ports(pool) || launch_internal(pool) || launch_to_measure(pool)))
        pool->origin->relay->counters.pool_circuits_ahead++;
}

// ---- time

static bool is_due(const struct pool_circuit *pc, uint64_t now)
{
    if (pool_circuit_streams(pc) > 0)
        return false;
    if (pc->retired)
        return true;
    if (pc->used_ms)
        return now - pc->used_ms >= POOL_DIRTY_MS;
    return pc->opened && now - pc->begun_ms >= pc->idle_ms;
}

static void begin_period(struct circuit_pool *pool, uint64_t now)
{
    if (now < pool->period_ends_ms)
        return;
    pool->period_ends_ms = now + POOL_PERIOD_MS;
    pool->failed_last_period = pool->failures > POOL_FAILURES_MAX;
    pool->failures = 0;
}

void circuit_pool_tick(struct circuit_pool *pool)
{
    struct pool_circuit *pc, *next;
    uint64_t now = now_of(pool);
    pool->begun_since_tick = false;
    begin_period(pool, now);
    expire_refusals(pool, now);
    predicted_ports_expire(&pool->predicted, now);
    for (pc = TAILQ_FIRST(&pool->list); pc; pc = next) {
        next = TAILQ_NEXT(pc, entry);
        if (is_due(pc, now))
            close_circuit(pc);
    }
    build_ahead(pool);
}

// ---- the pool

// C tor's: nf_conntimeout_clients, which is half an hour, to twice that.
static uint64_t relevance_ms(const struct origin *origin)
{
    uint32_t base_s = (uint32_t)parameters_of(origin->relay)->connection_timeout_clients_s;
    return (uint64_t)(base_s + random_uniform(base_s)) * 1000;
}

struct circuit_pool *circuit_pool_create(struct origin *origin)
{
    struct circuit_pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return NULL;
    pool->origin = origin;
    TAILQ_INIT(&pool->list);
    predicted_ports_begin(&pool->predicted, now_of(pool), relevance_ms(origin));
    pool->period_ends_ms = now_of(pool) + POOL_PERIOD_MS;
    return pool;
}

void circuit_pool_free(struct circuit_pool *pool)
{
    if (!pool)
        return;
    while (!TAILQ_EMPTY(&pool->list))
        close_circuit(TAILQ_FIRST(&pool->list));
    free(pool);
}

struct circuit_pool_info circuit_pool_info(const struct circuit_pool *pool,
                                           const struct origin_circuit *oc)
{
    const struct pool_circuit *pc = pool_circuit_of(pool, oc);
    if (!pc)
        return (struct circuit_pool_info){0};
    return (struct circuit_pool_info){
        .known = true,
        .internal = pc->internal,
        .isolated = pc->used_ms != 0,
        .retired = pc->retired,
        .first_used_ms = pc->used_ms,
        .streams = pool_circuit_streams(pc),
    };
}
