// SPDX-License-Identifier: BSD-3-Clause
// The circuit to a rendezvous point: from its choice to the layer that the service shares with us
// (protocol 9.35–9.37, 8.43).
#include <openssl/crypto.h>
#include <string.h>

#include "base/log.h"
#include "base/message.h"
#include "crypto/hs_ntor.h"
#include "crypto/random.h"
#include "onion/client/client_internal.h"
#include "origin/node/node.h"
#include "origin/pool/circuit_pool.h"

static void enter(struct join *j, enum rend_state state)
{
    j->rend_state = state;
    j->rend_since_ms = client_now_ms(j->visit->client);
}

static void forget(struct join *j)
{
    j->rend = NULL;
    j->acknowledged = false;
    OPENSSL_cleanse(j->cookie, sizeof(j->cookie));
    curve25519_wipe(&j->ephemeral);
    enter(j, REND_NONE);
}

void rend_close(struct join *j)
{
    struct origin_circuit *oc = j->rend;
    if (!oc)
        return;
    app_streams_circuit_gone(j->visit->client->origin->streams, oc);
    forget(j);
    origin_circuit_close(oc);
}

void rend_unbind(struct join *j)
{
    if (j->rend_state != REND_BOUND)
        return;
    j->acknowledged = false;
    curve25519_wipe(&j->ephemeral);
    enter(j, REND_READY);
}

static void ask(struct join *j)
{
    const struct own_circuit_path *path = origin_circuit_path(j->rend);
    random_bytes(j->cookie, sizeof(j->cookie));
    own_circuit_send(origin_circuit_circuit(j->rend), path->n_hops, RELAY_ESTABLISH_RENDEZVOUS,
                     j->cookie, sizeof(j->cookie));
    origin_circuit_note_use(j->rend, false);
    enter(j, REND_ASKED);
}

// ---- what the circuit tells

static void opened(struct origin_circuit *oc)
{
    struct join *j = origin_circuit_user(oc);
    if (j->rend_state == REND_BUILDING)
        ask(j);
}

static bool take_established(struct join *j)
{
    if (j->rend_state != REND_ASKED)
        return false;
    enter(j, REND_READY);
    // Later on it is the service that could make the guard look bad.
    origin_circuit_note_use(j->rend, true);
    origin_circuit_start_padding(j->rend, PADDING_RENDEZVOUS);
    log_info("onion client: the rendezvous point is ready");
    join_advance(j);
    return true;
}

static bool add_layer(struct join *j, const uint8_t service_public[32], const uint8_t auth[32])
{
    struct hs_ntor_point point;
    uint8_t material[HS_NTOR_MATERIAL_LEN];
    memcpy(point.auth_key, j->point.auth_key, sizeof(point.auth_key));
    memcpy(point.enc_key, j->point.enc_key, sizeof(point.enc_key));
    bool good = hs_ntor_client_rendezvous(&point, &j->ephemeral, service_public, auth, material) &&
                own_circuit_add_onion_layer(origin_circuit_circuit(j->rend), material, false,
                                            j->sendme_inc_cells, NULL);
    OPENSSL_cleanse(material, sizeof(material));
    return good;
}

// Only an introduction that has left can have brought the service here (9.35, 13.01): until then
// there is nothing that the rendezvous point could not answer as well.
static bool take_rendezvous2(struct join *j, const struct message *m)
{
    uint8_t service_public[32], auth[32];
    if (j->rend_state != REND_BOUND ||
        !rendezvous2_read(m->payload, m->length, service_public, auth) ||
        !add_layer(j, service_public, auth)) {
        client_counters(j->visit->client)->drop_rendezvous2++;
        return false;
    }
    struct onion_client *c = j->visit->client;
    curve25519_wipe(&j->ephemeral);
    OPENSSL_cleanse(j->cookie, sizeof(j->cookie));
    enter(j, REND_JOINED);
    j->used_ms = client_now_ms(c);
    j->losses = j->rend_failures = 0;
    client_counters(c)->onion_rendezvous++;
    descriptor_forget_asked(j->visit);
    intro_close(j); // the acknowledgement may be on its way
    pow_drop(j);
    log_info("onion client: the service has come to the rendezvous point");
    app_streams_look(c->origin->streams);
    return true;
}

static bool message(struct origin_circuit *oc, const struct message *m)
{
    struct join *j = origin_circuit_user(oc);
    if (m->relay.hop != origin_circuit_path(oc)->n_hops)
        return false;
    if (m->relay.command == RELAY_RENDEZVOUS_ESTABLISHED)
        return take_established(j);
    return m->relay.command == RELAY_RENDEZVOUS2 && take_rendezvous2(j, m);
}

static void lost(struct join *j)
{
    struct onion_client *c = j->visit->client;
    bool joined = j->rend_state == REND_JOINED;
    if (j->rend_state == REND_BOUND) {
        j->rend_failures += j->acknowledged;
        intro_close(j); // what it brings would come to nobody
    }
    app_streams_circuit_gone(c->origin->streams, j->rend);
    forget(j);
    if (++j->losses >= FAST_RETRIES)
        j->not_before_ms = client_now_ms(c) + 1000;
    if (joined) {
        j->retired = true; // its streams are told by the circuit
        app_streams_look(c->origin->streams);
    } else {
        join_advance(j);
    }
}

static void closed(struct origin_circuit *oc, enum destroy_reason reason)
{
    struct join *j = origin_circuit_user(oc);
    (void)reason;
    lost(j);
}

static const struct origin_circuit_ops ops = {
    .opened = opened, .message = message, .closed = closed};

// ---- beginning one

struct wish {
    const struct onion_client *client;
    bool fast_stable;
};

static bool can_be_point(const void *user, const struct node *n)
{
    const struct wish *w = user;
    const struct node_list *nodes = w->client->origin->nodes;
    const struct node *self = node_list_self(nodes);
    unsigned wanted = w->fast_stable ? ROUTER_FAST | ROUTER_STABLE : 0;
    return n->has_keys && n->extend2 && n->hs_rend && (n->status->flags & wanted) == wanted &&
           !(n->status->flags & ROUTER_MIDDLE_ONLY) && !node_excluded(nodes, n, NODE_ANYWHERE) &&
           (!self || !node_related(nodes, self, n));
}

static const struct node *draw_point(const struct onion_client *c)
{
    struct wish w = {.client = c, .fast_stable = true};
    const struct node *n = path_draw(c->origin->nodes, WEIGHT_MIDDLE, can_be_point, &w);
    if (!n) {
        w.fast_stable = false;
        n = path_draw(c->origin->nodes, WEIGHT_MIDDLE, can_be_point, &w);
    }
    return n;
}

static bool ends_at_point(const struct onion_client *c, const struct origin_circuit *oc)
{
    const struct own_circuit_path *path = origin_circuit_path(oc);
    const struct node *n = node_find(c->origin->nodes, path->hops[path->n_hops - 1].target.rsa_id);
    return n && n->hs_rend;
}

static bool take_ready(struct join *j)
{
    struct onion_client *c = j->visit->client;
    struct origin_circuit *oc = circuit_pool_take_internal(c->origin->pool);
    if (oc && !ends_at_point(c, oc)) {
        origin_circuit_set_user(oc, ORIGIN_CLIENT_REND, NULL, NULL);
        origin_circuit_close(oc);
        oc = NULL;
    }
    if (!oc)
        return false;
    j->rend = oc;
    origin_circuit_set_user(oc, ORIGIN_CLIENT_REND, &ops, j);
    ask(j);
    return true;
}

void rend_advance(struct join *j)
{
    struct onion_client *c = j->visit->client;
    const char *why = "no relay can be a rendezvous point";
    if (j->rend_state != REND_NONE || client_now_ms(c) < j->not_before_ms || take_ready(j))
        return;
    struct path_request request = {
        .kind = PATH_VANGUARDS, .n_hops = 3, .stable = true, .has_last = true};
    const struct node *point = draw_point(c);
    if (point)
        node_hop(point, &request.last);
    if (point && origin_circuit_launch(c->origin, ORIGIN_CLIENT_REND, &request, &ops, j, &j->rend,
                                       &why) == 0) {
        enter(j, REND_BUILDING);
        log_info("onion client: builds a circuit to rendezvous point %s", point->status->nickname);
    } else {
        log_info("onion client: no circuit to a rendezvous point can be built now: %s", why);
        j->not_before_ms = client_now_ms(c) + 1000;
    }
}

// How long the service may take: as C tor, three times what building a circuit may. Before that has
// been learned it would be longer than anybody waits.
static uint64_t patience_ms(const struct join *j)
{
    const struct origin *origin = j->visit->client->origin;
    uint64_t ms = 3 * origin_circuits_build_timeout_ms(origin->circuits, NULL) + 1000;
    return ms < SERVICE_COMES_MAX_MS ? ms : SERVICE_COMES_MAX_MS;
}

void rend_tick(struct join *j)
{
    uint64_t age_ms = client_now_ms(j->visit->client) - j->rend_since_ms;
    bool slow = j->rend_state == REND_ASKED && age_ms > RENDEZVOUS_ESTABLISHED_MS;
    bool nobody = j->rend_state == REND_BOUND && j->acknowledged && age_ms > patience_ms(j);
    if (!slow && !nobody)
        return;
    log_info("onion client: %s", nobody ? "the service did not come to the rendezvous point"
                                        : "the rendezvous point does not answer");
    j->rend_failures += nobody;
    rend_close(j);
}
