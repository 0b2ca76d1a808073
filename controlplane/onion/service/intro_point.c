// SPDX-License-Identifier: BSD-3-Clause
// One introduction point: its keys, its circuit, and what comes on it.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/message.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "onion/service/service_internal.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "relay.h"

static const char *name_of(const struct intro_point *p)
{
    return service_relay_name(p->service->origin, p->hop.target.rsa_id);
}

// ---- its beginning and end

static uint64_t between(int32_t least, int32_t most)
{
    return (uint64_t)least + (most > least ? random_uniform((uint32_t)(most - least) + 1) : 0);
}

static bool describe(struct intro_point *p)
{
    struct onion_intro_point *info = &p->info;
    size_t length = link_specifiers_of(&p->hop, info->specifiers, sizeof(info->specifiers));
    info->specifiers_length = (uint16_t)length;
    memcpy(info->onion_key, p->hop.ntor_key, sizeof(info->onion_key));
    memcpy(info->auth_key, p->auth.public_key, sizeof(info->auth_key));
    memcpy(info->enc_key, p->enc.public_key, sizeof(info->enc_key));
    return length > 0;
}

struct intro_point *intro_point_make(struct onion_service *s, const struct own_circuit_hop *hop)
{
    const struct parameters *with = parameters_of(s->origin->relay);
    struct intro_point *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    p->service = s;
    p->hop = *hop;
    // What is not needed there is not asked for: C tor's services don't.
    p->hop.congestion_control = p->hop.cgo = false;
    ed25519_generate(&p->auth);
    curve25519_generate(&p->enc);
    p->expires_ms = origin_now_ms(s->origin) +
                    1000 * between(with->intro_lifetime_min_s, with->intro_lifetime_max_s);
    p->introductions_max = between(with->intro_introductions_min, with->intro_introductions_max);
    replay_set_init(&p->seen, p->introductions_max + 1);
    if (!describe(p)) {
        intro_point_free(p);
        return NULL;
    }
    return p;
}

static void close_circuit(struct intro_point *p)
{
    if (p->circuit)
        origin_circuit_close(p->circuit);
    p->circuit = NULL;
    p->state = ONION_INTRO_BUILDING;
}

void intro_point_free(struct intro_point *p)
{
    close_circuit(p);
    replay_set_release(&p->seen);
    ed25519_wipe(&p->auth);
    curve25519_wipe(&p->enc);
    free(p);
}

// ---- its circuit

// Of those that were tried beyond what is wanted the first ones to answer stay.
static bool is_one_too_many(const struct intro_point *p)
{
    const struct onion_service *s = p->service;
    return !p->established && p->retires_ms == 0 &&
           intro_points_asked(s) >= s->config->introduction_points;
}

static void leave(struct intro_point *p)
{
    struct onion_service *s = p->service;
    TAILQ_REMOVE(&s->points, p, entry);
    s->n_points--;
    intro_point_free(p);
}

static void ask(struct intro_point *p)
{
    const struct config_onion_service *config = p->service->config;
    struct circuit *c = origin_circuit_circuit(p->circuit);
    unsigned hops = origin_circuit_path(p->circuit)->n_hops;
    uint8_t body[RELAY_BODY_MAX];
    size_t length = establish_intro_make(
        &p->auth, own_circuit_nonce(c), config->intro_dos ? config->intro_dos_rate : 0,
        config->intro_dos ? config->intro_dos_burst : 0, body, sizeof(body));
    origin_circuit_note_use(p->circuit, false);
    own_circuit_send(c, hops, RELAY_ESTABLISH_INTRO, body, (uint16_t)length);
    p->state = ONION_INTRO_ESTABLISHING;
    p->asked_ms = origin_now_ms(p->service->origin);
}

static void opened(struct origin_circuit *oc)
{
    struct intro_point *p = origin_circuit_user(oc);
    if (is_one_too_many(p)) {
        log_debug("onion service: introduction point %s is not needed, others were faster",
                  name_of(p));
        leave(p);
        return;
    }
    ask(p);
}

static void become_ready(struct intro_point *p)
{
    struct onion_service *s = p->service;
    char path[SERVICE_PATH_TEXT_MAX];
    bool first = !p->established;
    p->state = ONION_INTRO_READY;
    p->established = true;
    s->origin->relay->counters.service_intro_points++;
    origin_circuit_note_use(p->circuit, true);
    log_info("onion service: introduction point %s is established (%u of %u): %s", name_of(p),
             intro_points_established(s), s->config->introduction_points,
             service_path_text(p->circuit, s->origin, path));
    if (first)
        service_descriptors_changed(s);
}

static bool message(struct origin_circuit *oc, const struct message *m)
{
    struct intro_point *p = origin_circuit_user(oc);
    if (m->relay.hop != origin_circuit_path(oc)->n_hops || m->relay.stream_id != 0)
        return false;
    if (m->relay.command == RELAY_INTRO_ESTABLISHED && p->state == ONION_INTRO_ESTABLISHING &&
        m->length > 0) {
        become_ready(p);
        return true;
    }
    return m->relay.command == RELAY_INTRODUCE2 && p->state == ONION_INTRO_READY &&
           introduction_take(p, m->payload, m->length);
}

static void closed(struct origin_circuit *oc, enum destroy_reason reason)
{
    struct intro_point *p = origin_circuit_user(oc);
    log_info("onion service: the circuit to introduction point %s %s (reason %u)", name_of(p),
             p->state == ONION_INTRO_BUILDING ? "could not be built" : "is gone", reason);
    p->circuit = NULL; // the next tick launches another
    p->state = ONION_INTRO_BUILDING;
}

static const struct origin_circuit_ops ops = {
    .opened = opened,
    .message = message,
    .closed = closed,
};

bool intro_point_launch(struct intro_point *p)
{
    struct origin *origin = p->service->origin;
    bool hides = !p->service->config->single_onion;
    struct path_request request = {
        .kind = hides ? PATH_VANGUARDS : PATH_CONNECTION,
        .n_hops = hides           ? 0
                  : p->tries == 0 ? 1
                                  : 3,
        .stable = true,
        .has_last = true,
        .last = p->hop,
    };
    const char *why = "";
    int error =
        origin_circuit_launch(origin, ORIGIN_SERVICE_INTRO, &request, &ops, p, &p->circuit, &why);
    if (error) {
        p->circuit = NULL;
        log_debug("onion service: no circuit to introduction point %s: %s", name_of(p), why);
        p->tries += error != -EAGAIN && error != -ENOBUFS; // which have nothing to do with it
        return false;
    }
    p->tries++;
    p->state = ONION_INTRO_BUILDING;
    return true;
}

void intro_point_tick(struct intro_point *p, uint64_t now_ms)
{
    if (p->state == ONION_INTRO_ESTABLISHING && now_ms - p->asked_ms >= INTRO_ESTABLISH_MS) {
        log_info("onion service: introduction point %s does not answer", name_of(p));
        close_circuit(p);
    }
    if (p->retires_ms == 0 &&
        (now_ms >= p->expires_ms || p->introductions >= p->introductions_max)) {
        log_info("onion service: introduction point %s is old enough after %llu introductions",
                 name_of(p), (unsigned long long)p->introductions);
        p->retires_ms = now_ms + INTRO_RETIRING_MS;
    }
}
