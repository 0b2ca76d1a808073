// SPDX-License-Identifier: BSD-3-Clause
// The circuit to an introduction point, what is said to the service there, and what the point
// answers (protocol 8.26–8.29, 9.34, 9.35).
#include <openssl/crypto.h>
#include <string.h>

#include "base/cursor.h"
#include "base/log.h"
#include "base/message.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "onion/client/client_internal.h"
#include "origin/pool/circuit_pool.h"

enum { INTRODUCE_ACK_SUCCESS = 0 };

static void enter(struct join *j, enum intro_state state)
{
    j->intro_state = state;
    j->intro_since_ms = client_now_ms(j->visit->client);
}

void intro_close(struct join *j)
{
    struct origin_circuit *oc = j->intro;
    if (!oc)
        return;
    j->intro = NULL;
    enter(j, INTRO_NONE);
    origin_circuit_close(oc);
}

// ---- INTRODUCE1

// Congestion control with the service is its wish and the network's (9.37).
static uint8_t congestion_control(const struct visit *v)
{
    const struct onion_descriptor *d = &v->descriptor;
    const struct parameters *p = parameters_of(v->client->origin->relay);
    int off = (int)d->sendme_inc_cells - p->cc_sendme_inc_cells;
    bool fits = d->sendme_inc_cells > 0 && off >= -1 && off <= 1;
    return d->congestion_control && fits && p->cc_algorithm != CC_ALGORITHM_SENDME
               ? d->sendme_inc_cells
               : 0;
}

static bool say(const struct join *j, struct introduction *out)
{
    const struct own_circuit_path *path = origin_circuit_path(j->rend);
    const struct own_circuit_hop *last = &path->hops[path->n_hops - 1];
    *out = (struct introduction){
        .congestion_control = j->sendme_inc_cells > 0,
        .pow = j->proof,
    };
    memcpy(out->cookie, j->cookie, sizeof(out->cookie));
    memcpy(out->client_public, j->ephemeral.public_key, sizeof(out->client_public));
    memcpy(out->onion_key, last->ntor_key, sizeof(out->onion_key));
    out->specifiers_length =
        (uint16_t)link_specifiers_of(last, out->specifiers, sizeof(out->specifiers));
    return out->specifiers_length > 0;
}

// The rendezvous circuit is bound first (13.01).
static void introduce(struct join *j)
{
    struct visit *v = j->visit;
    struct introduction what;
    uint8_t body[RELAY_BODY_MAX];
    curve25519_generate(&j->ephemeral);
    j->sendme_inc_cells = congestion_control(v);
    j->rend_state = REND_BOUND;
    j->rend_since_ms = client_now_ms(v->client);
    j->acknowledged = false;
    size_t length = say(j, &what) ? introduce1_make(&what, &j->point, j->subcredential,
                                                    &j->ephemeral, body, sizeof(body))
                                  : 0;
    OPENSSL_cleanse(&what, sizeof(what));
    pow_drop(j); // no proof is good for two
    if (length == 0) {
        trouble_note(v, j->point.auth_key, TROUBLE_ERROR);
        rend_unbind(j);
        intro_close(j);
        log_info("onion client: nothing can be said to an introduction point");
        return;
    }
    own_circuit_send(origin_circuit_circuit(j->intro), origin_circuit_path(j->intro)->n_hops,
                     RELAY_INTRODUCE1, body, (uint16_t)length);
    OPENSSL_cleanse(body, sizeof(body));
    enter(j, INTRO_SENT);
    origin_circuit_note_use(j->intro, false);
    origin_circuit_start_padding(j->intro, PADDING_INTRODUCTION);
    client_counters(v->client)->onion_introductions++;
    log_info("onion client: the introduction has gone to its point%s",
             what.pow.present ? ", with a proof of work" : "");
}

// ---- INTRODUCE_ACK

static void acknowledged(struct join *j)
{
    log_info("onion client: the introduction was passed on");
    j->acknowledged = true;
    j->rend_since_ms = client_now_ms(j->visit->client);
    intro_close(j);
}

static bool is_on_path(const struct origin_circuit *oc, const struct own_circuit_hop *hop)
{
    const struct own_circuit_path *path = origin_circuit_path(oc);
    for (unsigned i = 1; i < path->n_hops; i++)
        if (memcmp(path->hops[i].target.rsa_id, hop->target.rsa_id, 20) == 0)
            return true;
    return false;
}

// Where the next one leads. False: there is none, or it is not for now.
static bool choose(struct join *j, struct own_circuit_hop *hop)
{
    struct visit *v = j->visit;
    if (!trouble_choose(v, &j->point, hop))
        return false;
    memcpy(j->subcredential, v->subcredential, sizeof(j->subcredential));
    return true;
}

// The same circuit goes on to another point; if it can't, another one is built.
static void go_on(struct join *j)
{
    struct own_circuit_hop hop;
    bool usable = j->visit->has_descriptor && trouble_any_usable(j->visit);
    if (usable && choose(j, &hop) && !is_on_path(j->intro, &hop) &&
        origin_circuit_extend(j->intro, &hop)) {
        enter(j, INTRO_BUILDING);
        return;
    }
    intro_close(j);
}

static void refused(struct join *j, unsigned status)
{
    log_info("onion client: an introduction point refuses: status %u", status);
    trouble_note(j->visit, j->point.auth_key, TROUBLE_ERROR);
    client_counters(j->visit->client)->onion_introductions_refused++;
    rend_unbind(j);
    go_on(j);
}

static bool take_ack(struct join *j, const struct message *m)
{
    struct reader r = reader_of(m->payload, m->length);
    uint16_t status = read_u16(&r);
    if (j->intro_state != INTRO_SENT || r.failed)
        return false;
    origin_circuit_note_use(j->intro, true);
    if (status == INTRODUCE_ACK_SUCCESS)
        acknowledged(j);
    else
        refused(j, status);
    join_advance(j);
    return true;
}

// ---- what the circuit tells

static void opened(struct origin_circuit *oc)
{
    struct join *j = origin_circuit_user(oc);
    if (j->intro_state != INTRO_BUILDING)
        return;
    enter(j, INTRO_OPEN);
    join_advance(j);
}

static bool message(struct origin_circuit *oc, const struct message *m)
{
    struct join *j = origin_circuit_user(oc);
    return m->relay.command == RELAY_INTRODUCE_ACK &&
           m->relay.hop == origin_circuit_path(oc)->n_hops && take_ack(j, m);
}

// Who is to blame: the point, if the circuit came as far as it (true).
static bool note_loss(struct join *j, enum destroy_reason reason)
{
    struct visit *v = j->visit;
    const struct circuit *c = origin_circuit_circuit(j->intro);
    bool reached = own_circuit_hops_built(c) + 1 >= own_circuit_path(c)->n_hops;
    bool timeout = reason == DESTROY_TIMEOUT;
    if (j->intro_state == INTRO_SENT)
        trouble_note(v, j->point.auth_key, timeout ? TROUBLE_TIMEOUT : TROUBLE_UNREACHABLE);
    else if (reached && !timeout)
        trouble_note(v, j->point.auth_key, TROUBLE_UNREACHABLE);
    return reached;
}

static void closed(struct origin_circuit *oc, enum destroy_reason reason)
{
    struct join *j = origin_circuit_user(oc);
    log_info("onion client: a circuit to an introduction point was lost: reason %u", reason);
    bool reached = note_loss(j, reason);
    j->intro = NULL;
    enter(j, INTRO_NONE);
    rend_unbind(j);
    // Points that fail are soon no longer tried; whoever is before them may fail for ever.
    if (!reached && ++j->losses >= FAST_RETRIES)
        j->not_before_ms = client_now_ms(j->visit->client) + 1000;
    join_advance(j);
}

static const struct origin_circuit_ops ops = {
    .opened = opened, .message = message, .closed = closed};

// ---- beginning one

static bool take_ready(struct join *j, const struct own_circuit_hop *hop)
{
    struct origin_circuit *oc = circuit_pool_take_internal(j->visit->client->origin->pool);
    if (!oc)
        return false;
    origin_circuit_set_user(oc, ORIGIN_CLIENT_INTRO, NULL, NULL);
    if (is_on_path(oc, hop) || !origin_circuit_extend(oc, hop)) {
        origin_circuit_close(oc);
        return false;
    }
    origin_circuit_set_user(oc, ORIGIN_CLIENT_INTRO, &ops, j);
    j->intro = oc;
    return true;
}

static void begin(struct join *j)
{
    struct onion_client *c = j->visit->client;
    const char *why = "none is usable";
    struct path_request request = {.kind = PATH_VANGUARDS, .stable = true, .has_last = true};
    if (!choose(j, &request.last)) {
        visit_fail(j->visit, ONION_INTRODUCTION_FAILED);
        return;
    }
    if (take_ready(j, &request.last) ||
        origin_circuit_launch(c->origin, ORIGIN_CLIENT_INTRO, &request, &ops, j, &j->intro, &why) ==
            0) {
        enter(j, INTRO_BUILDING);
        return;
    }
    log_info("onion client: no circuit to an introduction point can be built now: %s", why);
    j->not_before_ms = client_now_ms(c) + 1000;
}

void intro_advance(struct join *j)
{
    bool met = j->rend_state == REND_BOUND; // an introduction is under way
    if (j->intro_state == INTRO_NONE && !met && client_now_ms(j->visit->client) >= j->not_before_ms)
        begin(j);
    bool proved = j->intro_state != INTRO_NONE && j->intro_state != INTRO_SENT && pow_ready(j);
    if (j->intro_state == INTRO_OPEN && j->rend_state == REND_READY && proved &&
        origin_circuit_state(j->intro) == ORIGIN_OPEN &&
        origin_circuit_state(j->rend) == ORIGIN_OPEN)
        introduce(j);
}

// As C tor: 14 links' times, of the 6 that the time-out is learned of.
static uint64_t patience_ms(const struct join *j)
{
    const struct origin *origin = j->visit->client->origin;
    uint64_t ms = origin_circuits_build_timeout_ms(origin->circuits, NULL) * 14 / 6 + 1000;
    return ms < ACKNOWLEDGEMENT_MAX_MS ? ms : ACKNOWLEDGEMENT_MAX_MS;
}

void intro_tick(struct join *j)
{
    uint64_t age_ms = client_now_ms(j->visit->client) - j->intro_since_ms;
    if (j->intro_state != INTRO_SENT || age_ms <= patience_ms(j))
        return;
    log_info("onion client: an introduction point does not answer");
    trouble_note(j->visit, j->point.auth_key, TROUBLE_TIMEOUT);
    rend_unbind(j);
    intro_close(j);
}
