// SPDX-License-Identifier: BSD-3-Clause
// The services that are visited, and who may meet them on which circuit.
#include "onion/client/onion_client.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "onion/client/client_internal.h"
#include "onion/directory/hsdir_ring.h"
#include "onion/key/client_authorization.h"
#include "onion/key/onion_address.h"
#include "origin/pool/circuit_pool.h"
#include "stream/circuit_streams.h"

const char *onion_failure_text(enum onion_failure failure)
{
    switch (failure) {
    case ONION_NO_FAILURE:
        return "nothing is wrong";
    case ONION_DESCRIPTOR_NOT_FOUND:
        return "no directory has its descriptor: it is down, or the address is wrong";
    case ONION_DESCRIPTOR_INVALID:
        return "its descriptor is malformed, or not its own";
    case ONION_INTRODUCTION_FAILED:
        return "none of its introduction points passes anything on";
    case ONION_RENDEZVOUS_FAILED:
        return "it did not come to the rendezvous point";
    case ONION_AUTH_MISSING:
        return "it asks its visitors for a key, and there is none for it";
    case ONION_AUTH_WRONG:
        return "it does not know the key that is here for it";
    case ONION_ADDRESS_BAD:
        return "the address is malformed";
    case ONION_INTRODUCTION_TIMEOUT:
        return "none of its introduction points answers";
    }
    return "?";
}

// ---- joins

static void join_close(struct join *j)
{
    pow_drop(j);
    intro_close(j);
    rend_close(j);
}

static void join_free(struct join *j)
{
    join_close(j);
    TAILQ_REMOVE(&j->visit->joins, j, entry);
    j->visit->client->n_joins--;
    explicit_bzero(j, sizeof(*j));
    free(j);
}

static struct join *join_add(struct visit *v, const struct app_request *request)
{
    struct join *j = v->client->n_joins < JOINS_MAX ? calloc(1, sizeof(*j)) : NULL;
    if (!j)
        return NULL;
    j->visit = v;
    j->of = *request;
    v->client->n_joins++;
    TAILQ_INSERT_TAIL(&v->joins, j, entry);
    return j;
}

static unsigned join_streams(const struct join *j)
{
    return j->rend && origin_circuit_state(j->rend) == ORIGIN_OPEN
               ? circuit_stream_count(origin_circuit_circuit(j->rend))
               : 0;
}

static bool join_is_joined(const struct join *j)
{
    return j->rend_state == REND_JOINED && origin_circuit_state(j->rend) == ORIGIN_OPEN;
}

static bool join_has_room(const struct join *j)
{
    return !j->retired && (j->rend_state != REND_JOINED ||
                           (join_is_joined(j) && join_streams(j) < JOIN_STREAMS_MAX));
}

static struct join *join_find(const struct visit *v, const struct app_request *request)
{
    struct join *j, *best = NULL;
    TAILQ_FOREACH(j, &v->joins, entry)
    if (join_has_room(j) && app_isolation_equal(&j->of, request) &&
        (!best || (j->rend_state == REND_JOINED && best->rend_state != REND_JOINED)))
        best = j;
    return best;
}

void join_advance(struct join *j)
{
    const struct onion_client *c = j->visit->client;
    bool wanted = j->wanted && client_now_ms(c) - j->wanted_ms <= UNWANTED_MS;
    if (j->rend_state == REND_JOINED || j->retired || !wanted ||
        !origin_may_build(c->origin, NULL) || !descriptor_want(j->visit))
        return;
    rend_advance(j);
    intro_advance(j);
}

void visit_advance(struct visit *v)
{
    struct join *j;
    TAILQ_FOREACH(j, &v->joins, entry)
    join_advance(j);
}

static void join_tick(struct join *j)
{
    uint64_t now = client_now_ms(j->visit->client);
    rend_tick(j);
    intro_tick(j);
    bool joined = j->rend_state == REND_JOINED;
    uint64_t idle_ms = now - (joined ? j->used_ms : j->wanted_ms);
    uint64_t limit_ms = j->retired ? 0 : joined ? JOIN_DIRTY_MS : UNWANTED_GONE_MS;
    if (join_streams(j) == 0 && idle_ms >= limit_ms)
        join_free(j);
    else
        join_advance(j);
}

// ---- services

void visit_fail(struct visit *v, enum onion_failure failure)
{
    struct join *j;
    TAILQ_FOREACH(j, &v->joins, entry)
    j->wanted = false; // until somebody asks again
    log_info("onion client: a service can't be reached: %s", onion_failure_text(failure));
    client_counters(v->client)->onion_visits_failed++;
    v->failure = failure;
    v->failed_ms = client_now_ms(v->client);
    v->worst = ONION_NO_FAILURE;
    app_streams_look(v->client->origin->streams);
}

static struct visit *visit_of(const struct onion_client *c, const uint8_t identity[32])
{
    struct keyed_node *node = keyed_map_find(&c->map, identity);
    return (struct visit *)node; // which is its beginning
}

static void visit_free(struct visit *v)
{
    struct onion_client *c = v->client;
    struct join *j;
    while ((j = TAILQ_FIRST(&v->joins)))
        join_free(j);
    descriptor_drop(v);
    keyed_map_remove(&c->map, &v->node);
    TAILQ_REMOVE(&c->visits, v, entry);
    c->n_visits--;
    free(v->asked);
    explicit_bzero(v, sizeof(*v));
    free(v);
}

// The one that was not used for the longest time, and of which nothing is under way.
static bool make_room(struct onion_client *c)
{
    struct visit *v;
    if (c->n_visits < VISITS_MAX)
        return true;
    TAILQ_FOREACH(v, &c->visits, entry)
    if (TAILQ_EMPTY(&v->joins))
        break;
    if (v)
        visit_free(v);
    return v != NULL;
}

static struct visit *visit_add(struct onion_client *c, const uint8_t identity[32])
{
    struct visit *v = make_room(c) ? calloc(1, sizeof(*v)) : NULL;
    if (!v)
        return NULL;
    v->client = c;
    memcpy(v->identity, identity, sizeof(v->identity));
    TAILQ_INIT(&v->joins);
    keyed_map_add(&c->map, &v->node);
    TAILQ_INSERT_TAIL(&c->visits, v, entry);
    c->n_visits++;
    return v;
}

static void visit_tick(struct visit *v)
{
    struct join *j, *next;
    trouble_expire(v);
    descriptor_tick(v);
    for (j = TAILQ_FIRST(&v->joins); j; j = next) {
        next = TAILQ_NEXT(j, entry);
        join_tick(j);
    }
    if (TAILQ_EMPTY(&v->joins) && client_now_ms(v->client) - v->used_ms >= VISIT_FORGOTTEN_MS)
        visit_free(v);
}

// ---- streams

static bool has_failed(const struct visit *v, uint64_t since_ms, enum onion_failure *failure)
{
    *failure = v->failed_ms >= since_ms ? v->failure : ONION_NO_FAILURE;
    return *failure != ONION_NO_FAILURE;
}

enum onion_outlook onion_client_find(struct onion_client *c, const struct app_request *request,
                                     const uint8_t identity[32], uint64_t since_ms,
                                     struct origin_circuit **out, enum onion_failure *failure)
{
    struct visit *v = visit_of(c, identity);
    *failure = ONION_NO_FAILURE;
    if (!v && !(v = visit_add(c, identity)))
        return ONION_WAIT;
    v->used_ms = client_now_ms(c);
    TAILQ_REMOVE(&c->visits, v, entry);
    TAILQ_INSERT_TAIL(&c->visits, v, entry);
    struct join *j = join_find(v, request);
    if (j && j->rend_state == REND_JOINED) {
        *out = j->rend;
        return ONION_FOUND;
    }
    if (has_failed(v, since_ms, failure))
        return ONION_FAILED;
    if (!j && !(j = join_add(v, request)))
        return ONION_WAIT;
    circuit_pool_note_internal(c->origin->pool);
    j->wanted = true;
    j->wanted_ms = v->used_ms;
    join_advance(j);
    return has_failed(v, since_ms, failure) ? ONION_FAILED : ONION_WAIT;
}

static struct join *join_of(const struct onion_client *c, const struct origin_circuit *oc)
{
    struct visit *v;
    struct join *j;
    TAILQ_FOREACH(v, &c->visits, entry)
    TAILQ_FOREACH(j, &v->joins, entry)
    if (j->rend == oc)
        return j;
    return NULL;
}

void onion_client_attached(struct onion_client *c, struct origin_circuit *oc)
{
    struct join *j = join_of(c, oc);
    if (j)
        j->used_ms = client_now_ms(c);
}

void onion_client_failed(struct onion_client *c, struct origin_circuit *oc)
{
    struct join *j = join_of(c, oc);
    if (j)
        j->retired = true;
}

enum onion_failure onion_client_blame(const struct onion_client *c,
                                      const struct app_request *request, const uint8_t identity[32])
{
    const struct visit *v = visit_of(c, identity);
    const struct join *j = v ? join_find(v, request) : NULL;
    if (!v || !v->has_descriptor)
        return ONION_DESCRIPTOR_NOT_FOUND;
    if (!j || j->acknowledged || j->rend_state < REND_READY || j->rend_failures > 0)
        return ONION_RENDEZVOUS_FAILED;
    return ONION_INTRODUCTION_TIMEOUT;
}

bool onion_client_takes_longer(const struct onion_client *c, const uint8_t identity[32])
{
    const struct visit *v = visit_of(c, identity);
    return v && v->has_descriptor && v->descriptor.pow.present;
}

// ---- all of them

void onion_client_tick(struct onion_client *c)
{
    struct visit *v, *next;
    for (v = TAILQ_FIRST(&c->visits); v; v = next) {
        next = TAILQ_NEXT(v, entry);
        visit_tick(v);
    }
}

void onion_client_network_changed(struct onion_client *c)
{
    struct visit *v;
    TAILQ_FOREACH(v, &c->visits, entry)
    {
        descriptor_tick(v);
        visit_advance(v);
    }
}

static void forget_all(struct onion_client *c)
{
    while (!TAILQ_EMPTY(&c->visits))
        visit_free(TAILQ_FIRST(&c->visits));
}

// Streams that are there stay, on circuits that no other joins.
void onion_client_new_identity(struct onion_client *c)
{
    struct visit *v, *next_visit;
    struct join *j, *next;
    for (v = TAILQ_FIRST(&c->visits); v; v = next_visit) {
        next_visit = TAILQ_NEXT(v, entry);
        for (j = TAILQ_FIRST(&v->joins); j; j = next) {
            next = TAILQ_NEXT(j, entry);
            j->retired = true;
            if (join_streams(j) == 0)
                join_free(j);
        }
        descriptor_drop(v);
        descriptor_forget_asked(v);
        v->n_troubles = 0;
        if (TAILQ_EMPTY(&v->joins))
            visit_free(v);
    }
}

// Files are often named after the service that their key is for.
static void note_key(void *user, const char *line)
{
    ++*(unsigned *)user;
    log_info("client_authorization: %s", line);
}

static struct client_authorization *load_keys(const char *directory, char *error,
                                              unsigned long error_size)
{
    unsigned wrong = 0;
    struct client_authorization *a =
        client_authorization_load(directory, note_key, &wrong, error, error_size);
    if (wrong > 0)
        log_warn("client_authorization: found %u things that are wrong in %s: what they are is "
                 "logged at level \"info\"",
                 wrong, directory);
    return a;
}

struct onion_client *onion_client_create(struct origin *origin, char *error,
                                         unsigned long error_size)
{
    const char *directory = origin->relay->config->client_authorization;
    struct onion_client *c = calloc(1, sizeof(*c));
    if (!c || !keyed_map_init(&c->map, ONION_KEY_LEN)) {
        snprintf(error, error_size, "no memory for visits of onion services");
        free(c);
        return NULL;
    }
    c->origin = origin;
    TAILQ_INIT(&c->visits);
    if (directory[0] && !(c->authorization = load_keys(directory, error, error_size))) {
        onion_client_free(c);
        return NULL;
    }
    return c;
}

void onion_client_free(struct onion_client *c)
{
    if (!c)
        return;
    forget_all(c);
    hsdir_ring_free(c->ring);
    client_authorization_free(c->authorization);
    keyed_map_release(&c->map);
    free(c);
}
