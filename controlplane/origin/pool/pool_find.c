// SPDX-License-Identifier: BSD-3-Clause
// Which circuit carries a stream: isolation, exits, age (protocol 9.23, 9.30).
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "origin/pool/pool_internal.h"
#include "relay.h"

// ---- isolation

static bool same_destination(const struct app_request *a, const struct app_request *b)
{
    if (a->address.family != b->address.family)
        return false;
    return a->address.family == ADDRESS_NONE ? strcasecmp(a->host, b->host) == 0
                                             : address_same_host(&a->address, &b->address);
}

bool app_isolation_equal(const struct app_request *a, const struct app_request *b)
{
    const struct app_isolation *x = &a->isolation, *y = &b->isolation;
    return x->group == y->group && x->epoch == y->epoch && x->protocol == y->protocol &&
           address_same_host(&x->client, &y->client) &&
           memcmp(x->token, y->token, sizeof(x->token)) == 0 &&
           x->by_destination == y->by_destination && x->by_port == y->by_port &&
           (!x->by_destination || same_destination(a, b)) && (!x->by_port || a->port == b->port);
}

// ---- exits

static bool serves_port(const struct node *exit, const struct app_request *r)
{
    // What the name resolves to is not known; most have an IPv4 address.
    const struct port_policy *policy = r->ipv4 ? exit->policy : exit->policy6;
    if (r->address.family != ADDRESS_NONE)
        policy = r->address.family == ADDRESS_IPV4 ? exit->policy : exit->policy6;
    return port_policy_allows(policy, r->port);
}

static bool is_one_of(const uint8_t rsa_id[20], const uint8_t (*list)[20], unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (memcmp(list[i], rsa_id, 20) == 0)
            return true;
    return false;
}

static bool exit_serves(const struct pool_circuit *pc, const struct app_request *r,
                        const uint8_t (*not_exits)[20], unsigned n_not_exits)
{
    const struct node *exit = pool_circuit_exit(pc);
    if (!exit || pool_exit_is_refusing(pc->pool, exit->status->rsa_id) ||
        is_one_of(exit->status->rsa_id, not_exits, n_not_exits))
        return false;
    // Who lets nothing out is not asked for names either.
    return r->command == APP_CONNECT
               ? serves_port(exit, r)
               : !port_policy_allows_none(exit->policy) || !port_policy_allows_none(exit->policy6);
}

bool circuit_pool_exit_has_ipv6(const struct circuit_pool *pool, const struct origin_circuit *oc,
                                uint16_t port)
{
    const struct pool_circuit *pc = pool_circuit_of(pool, oc);
    const struct node *exit = pc ? pool_circuit_exit(pc) : NULL;
    return exit && port_policy_allows(exit->policy6, port);
}

// ---- the best one

static bool needs_stable(const struct app_request *r)
{
    return r->command == APP_CONNECT && path_port_is_long_lived(r->port);
}

bool pool_circuit_is_reserved(const struct pool_circuit *pc, uint64_t now_ms)
{
    return pc->used_ms != 0 || (pc->reserved && (!pc->opened || now_ms < pc->reserved_until_ms));
}

static bool is_acceptable(const struct pool_circuit *pc, const struct app_request *r,
                          const uint8_t (*not_exits)[20], unsigned n_not_exits, uint64_t now)
{
    if (pc->internal || pc->retired || (pc->used_ms && now - pc->used_ms >= POOL_DIRTY_MS))
        return false;
    if (pool_circuit_is_reserved(pc, now) && !app_isolation_equal(&pc->of, r))
        return false;
    if (needs_stable(r) && !origin_circuit_request(pc->oc)->stable)
        return false;
    return exit_serves(pc, r, not_exits, n_not_exits);
}

// As C tor: one in use before a clean one, and of these the one whose use began last, so that the
// others can grow old; of clean ones, that which was built for such a stream, then the newest.
static bool is_better(const struct pool_circuit *a, const struct pool_circuit *b, uint64_t now)
{
    bool a_reserved = pool_circuit_is_reserved(a, now);
    if (a->used_ms != b->used_ms)
        return a->used_ms > b->used_ms;
    if (a->used_ms)
        return pool_circuit_streams(a) < pool_circuit_streams(b);
    if (a_reserved != pool_circuit_is_reserved(b, now))
        return a_reserved;
    return a->begun_ms > b->begun_ms;
}

static struct pool_circuit *best_open(struct circuit_pool *pool, const struct app_request *r,
                                      const uint8_t (*not_exits)[20], unsigned n_not_exits)
{
    uint64_t now = origin_now_ms(pool->origin);
    struct pool_circuit *pc, *best = NULL;
    for (pc = TAILQ_FIRST(&pool->list); pc; pc = TAILQ_NEXT(pc, entry))
        if (pc->opened && origin_circuit_state(pc->oc) == ORIGIN_OPEN &&
            (!best || is_better(pc, best, now)) && pool_circuit_streams(pc) < POOL_STREAMS_MAX &&
            is_acceptable(pc, r, not_exits, n_not_exits, now))
            best = pc;
    return best;
}

static bool is_on_its_way(const struct pool_circuit *pc)
{
    enum origin_circuit_state state = origin_circuit_state(pc->oc);
    return !pc->opened && (state == ORIGIN_BUILDING || state == ORIGIN_GUARD_WAIT);
}

static struct pool_circuit *pending(struct circuit_pool *pool, const struct app_request *r,
                                    const uint8_t (*not_exits)[20], unsigned n_not_exits)
{
    uint64_t now = origin_now_ms(pool->origin);
    struct pool_circuit *pc;
    for (pc = TAILQ_FIRST(&pool->list); pc; pc = TAILQ_NEXT(pc, entry))
        if (is_on_its_way(pc) && pc->promised < POOL_STREAMS_MAX &&
            is_acceptable(pc, r, not_exits, n_not_exits, now))
            return pc;
    return NULL;
}

// A reservation says only that enough circuits are on their way, each for streams that may be
// together: it counts for nothing once the circuit has been open for a while.
static void promise(struct pool_circuit *pc, const struct app_request *r)
{
    pc->promised++;
    pc->reserved = true;
    pc->of = *r;
}

static int launch_for(struct circuit_pool *pool, const struct app_request *r,
                      const uint8_t (*not_exits)[20], unsigned n_not_exits)
{
    struct pool_circuit *pc;
    struct path_request request = {
        .kind = PATH_EXIT,
        .stable = needs_stable(r),
        .ipv6 = r->address.family == ADDRESS_IPV6 || !r->ipv4,
    };
    if (r->command == APP_CONNECT)
        request.ports[request.n_ports++] = r->port;
    else
        request.ipv6 = false;
    int error = pool_launch(pool, ORIGIN_GENERAL, &request, not_exits, n_not_exits, &pc);
    if (error == -ENOENT && pool->n_refusing > 0) {
        // They may have changed their minds; and one that may refuse is better than none.
        unsigned n_refusing = pool->n_refusing;
        pool->n_refusing = 0;
        error = pool_launch(pool, ORIGIN_GENERAL, &request, not_exits, n_not_exits, &pc);
        if (error == -ENOENT)
            pool->n_refusing = n_refusing;
    }
    if (error)
        return error;
    pool->origin->relay->counters.pool_circuits_wanted++;
    promise(pc, r);
    return 0;
}

void circuit_pool_begin_look(struct circuit_pool *pool)
{
    struct pool_circuit *pc;
    for (pc = TAILQ_FIRST(&pool->list); pc; pc = TAILQ_NEXT(pc, entry))
        pc->promised = 0;
}

enum circuit_pool_outlook circuit_pool_find(struct circuit_pool *pool,
                                            const struct app_request *request,
                                            const uint8_t (*not_exits)[20], unsigned n_not_exits,
                                            struct origin_circuit **out)
{
    struct pool_circuit *pc = best_open(pool, request, not_exits, n_not_exits);
    *out = pc ? pc->oc : NULL;
    if (pc)
        return CIRCUIT_POOL_FOUND;
    pc = pending(pool, request, not_exits, n_not_exits);
    if (pc) {
        promise(pc, request);
        return CIRCUIT_POOL_WAIT;
    }
    return launch_for(pool, request, not_exits, n_not_exits) == -ENOENT ? CIRCUIT_POOL_NEVER
                                                                        : CIRCUIT_POOL_WAIT;
}
