// SPDX-License-Identifier: BSD-3-Clause
// Meeting a visitor: the circuit to the point that it waits at, the keys, and from then on its
// streams (protocol 8.36–8.41).
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/message.h"
#include "crypto/hs_ntor.h"
#include "dir/parameters.h"
#include "onion/service/service_internal.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/origin.h"
#include "origin/pool/circuit_pool.h"
#include "relay.h"

static const char *name_of(const struct rendezvous *r)
{
    return service_relay_name(r->service->origin, r->point.target.rsa_id);
}

// ---- its beginning and end

struct rendezvous *service_rendezvous_make(struct intro_point *p, const struct introduction *i)
{
    struct onion_service *s = p->service;
    bool private_allowed = s->origin->relay->config->testing_network;
    struct own_circuit_hop point;
    if (s->n_rendezvous >= RENDEZVOUS_MAX) {
        s->origin->relay->counters.drop_service_limit++;
        return NULL;
    }
    if (!link_specifiers_hop(i->specifiers, i->specifiers_length, i->onion_key, private_allowed,
                             &point))
        return NULL;
    struct rendezvous *r = calloc(1, sizeof(*r));
    if (!r)
        return NULL;
    r->service = s;
    r->state = RENDEZVOUS_QUEUED;
    r->point = point;
    r->congestion_control = i->congestion_control;
    memcpy(r->cookie, i->cookie, sizeof(r->cookie));
    memcpy(r->auth_key, p->auth.public_key, sizeof(r->auth_key));
    memcpy(r->client_public, i->client_public, sizeof(r->client_public));
    r->enc_key = p->enc;
    LIST_INIT(&r->targets);
    s->n_rendezvous++;
    return r;
}

// The list that it is in; NULL: the queue has it.
static struct rendezvous_list *list_of(struct onion_service *s, enum rendezvous_state state)
{
    return state == RENDEZVOUS_QUEUED
               ? NULL
               : (state == RENDEZVOUS_WAITING ? &s->waiting : &s->rendezvous);
}

static void set_state(struct rendezvous *r, enum rendezvous_state state)
{
    struct onion_service *s = r->service;
    struct rendezvous_list *from = list_of(s, r->state), *to = list_of(s, state);
    s->n_joined += (state == RENDEZVOUS_JOINED) - (unsigned)(r->state == RENDEZVOUS_JOINED);
    s->n_under_way +=
        (to && state != RENDEZVOUS_JOINED) - (unsigned)(from && r->state != RENDEZVOUS_JOINED);
    s->all->n_circuits += (to == &s->rendezvous) - (unsigned)(from == &s->rendezvous);
    if (from)
        TAILQ_REMOVE(from, r, entry);
    if (to)
        TAILQ_INSERT_TAIL(to, r, entry);
    r->state = state;
}

void service_rendezvous_free(struct rendezvous *r)
{
    struct target *t;
    set_state(r, RENDEZVOUS_QUEUED); // which is in no list
    while ((t = LIST_FIRST(&r->targets)))
        target_leave(t);
    if (r->circuit)
        origin_circuit_close(r->circuit);
    r->service->n_rendezvous--;
    explicit_bzero(r, sizeof(*r));
    free(r);
}

static void fail(struct rendezvous *r, const char *why)
{
    log_info("onion service: the rendezvous at %s failed: %s", name_of(r), why);
    r->service->origin->relay->counters.service_rendezvous_failed++;
    service_rendezvous_free(r);
}

// ---- keys

// False: the visitor's key is none.
static bool agree(struct rendezvous *r)
{
    struct curve25519_key ephemeral;
    uint8_t auth[HS_NTOR_AUTH_LEN];
    if (r->has_keys)
        return true;
    curve25519_generate(&ephemeral);
    r->has_keys = hs_ntor_service_rendezvous(r->auth_key, &r->enc_key, &ephemeral, r->client_public,
                                             auth, r->material);
    if (r->has_keys)
        (void)rendezvous1_make(r->cookie, ephemeral.public_key, auth, r->message);
    curve25519_wipe(&ephemeral);
    curve25519_wipe(&r->enc_key);
    return r->has_keys;
}

// ---- its circuit

static void accept_stream(struct circuit *c, uint16_t stream_id, const uint8_t *body, size_t length)
{
    struct origin_circuit *oc = own_circuit_user(c);
    if (origin_circuit_state(oc) == ORIGIN_OPEN) // else we have closed it already
        target_begin(origin_circuit_user(oc), c, stream_id, body, length);
}

// The keys go to the circuit, and RENDEZVOUS1 to the visitor, who may say BEGIN right away.
static bool join(struct rendezvous *r)
{
    struct origin *origin = r->service->origin;
    struct circuit *c = origin_circuit_circuit(r->circuit);
    unsigned hops = origin_circuit_path(r->circuit)->n_hops;
    uint8_t sendme_inc = r->congestion_control ? service_sendme_inc(origin) : 0;
    origin_circuit_note_use(r->circuit, false);
    own_circuit_send(c, hops, RELAY_RENDEZVOUS1, r->message, sizeof(r->message));
    bool good = own_circuit_add_onion_layer(c, r->material, true, sendme_inc, accept_stream);
    explicit_bzero(r->material, sizeof(r->material));
    explicit_bzero(r->message, sizeof(r->message));
    return good;
}

static void launch_waiting(struct onion_service *s);

static void opened(struct origin_circuit *oc)
{
    struct rendezvous *r = origin_circuit_user(oc);
    struct onion_service *s = r->service;
    char path[SERVICE_PATH_TEXT_MAX];
    if (join(r)) {
        set_state(r, RENDEZVOUS_JOINED);
        r->idle_since_ms = origin_now_ms(s->origin);
        s->origin->relay->counters.service_rendezvous++;
        log_info("onion service: joined with a visitor at %s: %s", name_of(r),
                 service_path_text(oc, s->origin, path));
    } else {
        fail(r, "its circuit can't carry a visitor");
    }
    launch_waiting(s);
}

// Nothing is expected but streams.
static bool message(struct origin_circuit *oc, const struct message *m)
{
    (void)oc, (void)m;
    return false;
}

static void launch(struct rendezvous *r);

static void closed(struct origin_circuit *oc, enum destroy_reason reason)
{
    struct rendezvous *r = origin_circuit_user(oc);
    struct onion_service *s = r->service;
    unsigned retries = (unsigned)parameters_of(s->origin->relay)->rendezvous_failures_max;
    r->circuit = NULL;
    if (r->state == RENDEZVOUS_JOINED) {
        log_info("onion service: the visitor at %s is gone (reason %u)", name_of(r), reason);
        service_rendezvous_free(r);
    } else if (r->tries > retries || origin_now_ms(s->origin) >= r->deadline_ms) {
        fail(r, "the point can't be reached");
    } else {
        set_state(r, RENDEZVOUS_WAITING);
    }
    launch_waiting(s);
}

static const struct origin_circuit_ops ops = {
    .opened = opened,
    .message = message,
    .closed = closed,
};

// A service that does not hide goes straight there; should that fail, by a path.
static struct path_request request_of(const struct rendezvous *r)
{
    bool hides = !r->service->config->single_onion;
    return (struct path_request){
        .kind = hides ? PATH_VANGUARDS : PATH_CONNECTION,
        .n_hops = hides           ? 0
                  : r->tries == 0 ? 1
                                  : 3,
        .has_last = true,
        .last = r->point,
    };
}

// One that is ready needs one hop more; at the second try it may be what is wrong.
static bool take_ready(struct rendezvous *r)
{
    struct circuit_pool *pool = r->service->origin->pool;
    bool wanted = r->tries == 0 && !r->service->config->single_onion;
    struct origin_circuit *oc =
        wanted ? circuit_pool_take_internal_to(pool, r->point.target.rsa_id) : NULL;
    if (!oc)
        return false;
    origin_circuit_set_user(oc, ORIGIN_SERVICE_REND, &ops, r);
    if (!origin_circuit_extend(oc, &r->point)) {
        origin_circuit_close(oc);
        return false;
    }
    r->circuit = oc;
    return true;
}

// The one that has been without a stream for the longest time, if possible one that never had one:
// whoever comes and says nothing does not keep others away. NULL: none. Those that are joined stand
// in the order of when they were.
static struct rendezvous *find_idle(struct onion_service *s, uint64_t now_ms)
{
    struct rendezvous *r, *idle = NULL;
    TAILQ_FOREACH(r, &s->rendezvous, entry)
    {
        if (r->state != RENDEZVOUS_JOINED || r->n_targets > 0 ||
            now_ms - r->idle_since_ms < RENDEZVOUS_SPARED_MS)
            continue;
        if (r->begun_streams == 0)
            return r;
        if (!idle || r->idle_since_ms < idle->idle_since_ms)
            idle = r;
    }
    return idle;
}

// For one circuit more, if need be in the place of another.
static bool has_room(struct onion_service *s)
{
    uint64_t now_ms = origin_now_ms(s->origin);
    if (s->all->n_circuits < s->all->circuits_max)
        return true;
    if (s->full_ms != 0 && now_ms - s->full_ms < 1000)
        return false;
    struct rendezvous *idle = find_idle(s, now_ms);
    s->full_ms = idle ? 0 : now_ms;
    if (!idle)
        return false;
    log_info("onion service: the visitor at %s has no stream, and others wait", name_of(idle));
    s->origin->relay->counters.drop_service_limit++;
    service_rendezvous_free(idle);
    return true;
}

// It waits on, or has a circuit, or is gone.
static void launch(struct rendezvous *r)
{
    struct path_request request = request_of(r);
    const char *why = "";
    if (!has_room(r->service))
        return;
    if (!agree(r)) {
        fail(r, "the visitor's key is none");
        return;
    }
    int error = take_ready(r) ? 0
                              : origin_circuit_launch(r->service->origin, ORIGIN_SERVICE_REND,
                                                      &request, &ops, r, &r->circuit, &why);
    if (error == 0) {
        r->tries++;
        set_state(r, RENDEZVOUS_BUILDING);
        return;
    }
    r->circuit = NULL;
    if (error != -EAGAIN && error != -ENOBUFS)
        fail(r, why);
}

// As many as may be built now, the oldest first.
static void launch_waiting(struct onion_service *s)
{
    struct rendezvous *r;
    while ((r = TAILQ_FIRST(&s->waiting))) {
        launch(r);
        if (TAILQ_FIRST(&s->waiting) == r)
            return;
    }
}

void service_rendezvous_begin(struct rendezvous *r)
{
    struct onion_service *s = r->service;
    r->deadline_ms = origin_now_ms(s->origin) + RENDEZVOUS_TIMEOUT_MS;
    set_state(r, RENDEZVOUS_WAITING);
    launch_waiting(s);
}

// ---- time

static void look_at(struct rendezvous *r, uint64_t now_ms)
{
    if (r->state != RENDEZVOUS_JOINED && now_ms >= r->deadline_ms)
        fail(r, "it took too long");
    else if (r->state == RENDEZVOUS_JOINED &&
             (r->ends || (r->n_targets == 0 && now_ms - r->idle_since_ms >= RENDEZVOUS_IDLE_MS)))
        service_rendezvous_free(r);
}

void service_rendezvous_tick(struct onion_service *s)
{
    struct rendezvous *r, *next;
    uint64_t now_ms = origin_now_ms(s->origin);
    for (r = TAILQ_FIRST(&s->rendezvous); r; r = next) {
        next = TAILQ_NEXT(r, entry);
        look_at(r, now_ms);
    }
    for (r = TAILQ_FIRST(&s->waiting); r; r = next) {
        next = TAILQ_NEXT(r, entry);
        look_at(r, now_ms);
    }
    launch_waiting(s);
}

void service_rendezvous_free_all(struct onion_service *s)
{
    struct rendezvous *r;
    while ((r = TAILQ_FIRST(&s->waiting)) || (r = TAILQ_FIRST(&s->rendezvous)))
        service_rendezvous_free(r);
}
