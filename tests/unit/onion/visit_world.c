// SPDX-License-Identifier: BSD-3-Clause
// The world of somebody who visits onion services.
#include "visit_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onion/directory/hsdir_ring.h"
#include "onion/key/client_authorization.h"
#include "onion/key/onion_keys.h"
#include "onion/key/time_period.h"
#include "origin/path/path.h"
#include "origin/pool/circuit_pool.h"
#include "stream/circuit_streams.h"

struct visit_world vw;

// ---- the clock, and what is known of the network

uint64_t origin_now_ms(const struct origin *origin)
{
    (void)origin;
    return vw.now_ms;
}

bool origin_may_build(const struct origin *origin, const char **why)
{
    (void)origin, (void)why;
    return vw.may_build;
}

const struct consensus *node_list_consensus(const struct node_list *list)
{
    (void)list;
    return vw.has_consensus ? &vw.consensus : NULL;
}

uint64_t node_list_generation(const struct node_list *list)
{
    (void)list;
    return vw.generation;
}

const struct node *node_list_self(const struct node_list *list)
{
    (void)list;
    return NULL;
}

static unsigned index_of(const struct node *n)
{
    return (unsigned)(n - vw.nodes);
}

const struct node *node_find(const struct node_list *list, const uint8_t rsa_id[20])
{
    (void)list;
    for (unsigned i = 0; i < WORLD_DIRS; i++)
        if (memcmp(vw.statuses[i].rsa_id, rsa_id, 20) == 0)
            return &vw.nodes[i];
    return NULL;
}

bool node_related(const struct node_list *list, const struct node *a, const struct node *b)
{
    (void)list, (void)a, (void)b;
    return false;
}

bool node_excluded(const struct node_list *list, const struct node *n, enum node_position position)
{
    (void)list, (void)position;
    return vw.excluded[index_of(n)];
}

static void make_hop(uint8_t id, struct own_circuit_hop *out)
{
    *out = (struct own_circuit_hop){.has_ntor_key = true};
    memset(out->target.rsa_id, id, sizeof(out->target.rsa_id));
    memset(out->ntor_key, id, sizeof(out->ntor_key));
}

void node_hop(const struct node *n, struct own_circuit_hop *out)
{
    make_hop(n->status->rsa_id[0], out);
}

const struct node *path_draw(const struct node_list *nodes, enum weight_rule rule,
                             node_allowed_fn allowed, const void *user)
{
    (void)nodes, (void)rule;
    for (unsigned i = 0; i < WORLD_DIRS; i++)
        if (allowed(user, &vw.nodes[i]))
            return &vw.nodes[i];
    return NULL;
}

// ---- periods, keys and the ring

struct onion_epoch onion_epoch_of_client(const struct consensus *c, const struct parameters *p,
                                         bool testing_network)
{
    (void)p;
    assert_ptr_equal(c, &vw.consensus);
    assert_false(testing_network);
    return (struct onion_epoch){.period = {.number = vw.period, .length_minutes = 1440},
                                .srv = {(uint8_t)vw.period}};
}

bool onion_blind_public(const uint8_t identity[32], struct time_period t, uint8_t blinded[32])
{
    memcpy(blinded, identity, 32);
    blinded[0] ^= (uint8_t)t.number;
    return identity[31] != 0xff;
}

void onion_subcredential(const uint8_t identity[32], const uint8_t blinded[32], uint8_t out[32])
{
    for (unsigned i = 0; i < 32; i++)
        out[i] = identity[i] ^ blinded[i] ^ 0x55;
}

struct hsdir_ring {
    int unused;
};

struct hsdir_ring *hsdir_ring_make(const struct node_list *nodes, struct time_period t,
                                   const uint8_t srv[32])
{
    (void)nodes;
    assert_int_equal(srv[0], t.number);
    return calloc(1, sizeof(struct hsdir_ring));
}

void hsdir_ring_free(struct hsdir_ring *ring)
{
    free(ring);
}

unsigned hsdir_ring_responsible(const struct hsdir_ring *ring, const uint8_t blinded[32],
                                unsigned replicas, unsigned spread, const struct node **out,
                                unsigned capacity)
{
    (void)ring, (void)blinded;
    assert_int_equal(replicas, 2);
    assert_int_equal(spread, 3);
    assert_true(capacity >= WORLD_DIRS);
    for (unsigned i = 0; i < WORLD_DIRS; i++)
        out[i] = &vw.nodes[i];
    return WORLD_DIRS;
}

// ---- directories and descriptors

struct hsdir_request *hsdir_request_fetch(struct origin *origin, const struct node *dir,
                                          const uint8_t blinded[32], hsdir_done_fn done, void *user,
                                          const char **why)
{
    (void)origin, (void)why;
    struct hsdir_request *r = calloc(1, sizeof(*r));
    r->dir = index_of(dir);
    r->done = done;
    r->user = user;
    memcpy(r->blinded, blinded, 32);
    vw.asked[r->dir]++;
    vw.n_asked++;
    TAILQ_INSERT_TAIL(&vw.requests, r, entry);
    return r;
}

void hsdir_request_cancel(struct hsdir_request *r)
{
    if (!r)
        return;
    TAILQ_REMOVE(&vw.requests, r, entry);
    free(r);
}

void vw_answer(enum hsdir_result result)
{
    struct hsdir_request *r = TAILQ_FIRST(&vw.requests);
    struct blob *text = result == HSDIR_REQUEST_DONE ? blob_create("text", 4) : NULL;
    assert_non_null(r);
    TAILQ_REMOVE(&vw.requests, r, entry);
    r->done(r->user, result, text);
    blob_drop(text);
    free(r);
}

enum descriptor_result onion_descriptor_read(const uint8_t *text, size_t length,
                                             const uint8_t blinded_key[32],
                                             const uint8_t subcredential[32],
                                             const uint8_t *client_secret, uint64_t now_s,
                                             struct onion_descriptor *out)
{
    assert_memory_equal(text, "text", length);
    assert_int_equal(subcredential[31], 0x55);
    assert_int_equal(client_secret != NULL, vw.has_key);
    assert_int_equal(now_s, vw.consensus.valid_after);
    *out = vw.descriptor;
    memcpy(out->blinded_key, blinded_key, 32);
    return vw.reading;
}

struct client_authorization {
    uint8_t secret[32];
};

struct client_authorization *client_authorization_load(const char *directory,
                                                       void (*warn)(void *user, const char *line),
                                                       void *user, char *error,
                                                       unsigned long error_size)
{
    warn(user, "hiddenname.auth_private: found a bad key, expected a good one");
    if (strcmp(directory, "/none") == 0) {
        snprintf(error, error_size, "it is not there");
        return NULL;
    }
    return calloc(1, sizeof(struct client_authorization));
}

void client_authorization_free(struct client_authorization *a)
{
    free(a);
}

const uint8_t *client_authorization_find(const struct client_authorization *a,
                                         const uint8_t identity[32])
{
    (void)identity;
    return vw.has_key ? a->secret : NULL;
}

// ---- proofs of work

struct pow_solving *pow_solve(struct relay *relay, const uint8_t blinded[32],
                              const struct onion_pow_params *params, uint32_t effort,
                              void (*done)(void *user, const struct pow_proof *proof), void *user)
{
    (void)relay;
    assert_true(params->present);
    struct pow_solving *s = calloc(1, sizeof(*s));
    s->effort = effort;
    memcpy(s->blinded, blinded, 32);
    s->done = done;
    s->user = user;
    TAILQ_INSERT_TAIL(&vw.solvings, s, entry);
    return s;
}

void pow_solving_cancel(struct pow_solving *s)
{
    TAILQ_REMOVE(&vw.solvings, s, entry);
    free(s);
}

void vw_solved(void)
{
    struct pow_solving *s = TAILQ_FIRST(&vw.solvings);
    assert_non_null(s);
    struct pow_proof proof = {.present = true, .effort = s->effort};
    TAILQ_REMOVE(&vw.solvings, s, entry);
    s->done(s->user, &proof);
    free(s);
}

// ---- messages

size_t introduce1_make(const struct introduction *i, const struct onion_intro_point *point,
                       const uint8_t subcredential[32], const struct curve25519_key *ephemeral,
                       uint8_t *out, size_t capacity)
{
    assert_true(capacity >= INTRODUCE_PADDED_LEN);
    assert_int_equal(subcredential[31], 0x55);
    assert_memory_equal(i->client_public, ephemeral->public_key, 32);
    vw.introduction = *i;
    vw.point = *point;
    vw.introductions++;
    // Nothing leaves before the rendezvous is bound to it.
    memset(out, 7, INTRODUCE_PADDED_LEN);
    return vw.introduce_fails ? 0 : INTRODUCE_PADDED_LEN;
}

bool rendezvous2_read(const uint8_t *body, size_t length, uint8_t service_public[32],
                      uint8_t auth[32])
{
    if (length < 64)
        return false;
    memcpy(service_public, body, 32);
    memcpy(auth, body + 32, 32);
    return true;
}

size_t link_specifiers_of(const struct own_circuit_hop *hop, uint8_t *out, size_t capacity)
{
    assert_true(capacity >= 2);
    out[0] = 1;
    out[1] = hop->target.rsa_id[0];
    return 2;
}

bool link_specifiers_hop(const uint8_t *specifiers, size_t length, const uint8_t onion_key[32],
                         bool private_allowed, struct own_circuit_hop *out)
{
    (void)onion_key, (void)private_allowed;
    assert_int_equal(length, 2);
    make_hop(specifiers[1], out);
    return specifiers[0] == 1;
}

void vw_rendezvous2(uint8_t body[64])
{
    struct curve25519_key y;
    uint8_t material[HS_NTOR_MATERIAL_LEN];
    curve25519_generate(&y);
    unsigned at = vw.point.auth_key[0] - 100U;
    memcpy(body, y.public_key, 32);
    assert_true(hs_ntor_service_rendezvous(vw.point.auth_key, &vw.enc_keys[at], &y,
                                           vw.introduction.client_public, body + 32, material));
}

// ---- circuits

static struct origin_circuit *make_circuit(enum origin_purpose purpose, unsigned n_hops)
{
    struct origin_circuit *oc = calloc(1, sizeof(*oc));
    oc->circuit.oc = oc;
    oc->purpose = purpose;
    oc->path.n_hops = n_hops;
    for (unsigned i = 0; i < n_hops; i++)
        make_hop((uint8_t)(i < 2 ? 200 + i : 1), &oc->path.hops[i]);
    TAILQ_INSERT_TAIL(&vw.circuits, oc, entry);
    return oc;
}

int origin_circuit_launch(struct origin *origin, enum origin_purpose purpose,
                          const struct path_request *request, const struct origin_circuit_ops *ops,
                          void *user, struct origin_circuit **out, const char **why)
{
    (void)origin;
    *why = "the test says so";
    if (vw.launch_error)
        return vw.launch_error;
    assert_int_equal(request->kind, PATH_VANGUARDS);
    assert_true(request->has_last);
    unsigned n_hops = request->n_hops ? request->n_hops : 4;
    assert_int_equal(n_hops, purpose == ORIGIN_CLIENT_REND ? 3 : 4);
    struct origin_circuit *oc = make_circuit(purpose, n_hops);
    oc->path.hops[n_hops - 1] = request->last;
    oc->ops = ops;
    oc->user = user;
    *out = oc;
    return 0;
}

void circuit_pool_note_internal(struct circuit_pool *pool)
{
    (void)pool;
}

struct origin_circuit *circuit_pool_take_internal(struct circuit_pool *pool)
{
    (void)pool;
    if (!vw.ready_circuits)
        return NULL;
    struct origin_circuit *oc = make_circuit(ORIGIN_CLIENT_REND, 3);
    oc->state = ORIGIN_OPEN;
    oc->hops_built = 3;
    return oc;
}

bool app_isolation_equal(const struct app_request *a, const struct app_request *b)
{
    return a->isolation.group == b->isolation.group && a->isolation.epoch == b->isolation.epoch;
}

void origin_circuit_close(struct origin_circuit *oc)
{
    assert_int_not_equal(oc->state, ORIGIN_CLOSED);
    oc->state = ORIGIN_CLOSED;
    oc->closed_by_user = true;
    oc->ops = NULL;
}

bool origin_circuit_extend(struct origin_circuit *oc, const struct own_circuit_hop *hop)
{
    assert_int_equal(oc->state, ORIGIN_OPEN);
    if (vw.cannot_extend)
        return false;
    oc->path.hops[oc->path.n_hops++] = *hop;
    oc->state = ORIGIN_BUILDING;
    oc->extended++;
    return true;
}

bool origin_circuit_start_padding(struct origin_circuit *oc, enum padding_machine_type type)
{
    assert_int_equal(type,
                     oc->purpose == ORIGIN_CLIENT_REND ? PADDING_RENDEZVOUS : PADDING_INTRODUCTION);
    assert_true(oc->n_sent > 0);
    oc->padded = true;
    return true;
}

void origin_circuit_set_user(struct origin_circuit *oc, enum origin_purpose purpose,
                             const struct origin_circuit_ops *ops, void *user)
{
    oc->purpose = purpose;
    oc->ops = ops;
    oc->user = user;
}

void *origin_circuit_user(const struct origin_circuit *oc)
{
    return oc->user;
}

enum origin_circuit_state origin_circuit_state(const struct origin_circuit *oc)
{
    return oc->state;
}

struct circuit *origin_circuit_circuit(const struct origin_circuit *oc)
{
    return (struct circuit *)(uintptr_t)&oc->circuit;
}

const struct own_circuit_path *origin_circuit_path(const struct origin_circuit *oc)
{
    assert_false(oc->closed_by_user);
    return &oc->path;
}

void origin_circuit_note_use(struct origin_circuit *oc, bool succeeded)
{
    assert_int_equal(oc->state, ORIGIN_OPEN);
    oc->uses += !succeeded;
    oc->successes += succeeded;
}

uint64_t origin_circuits_build_timeout_ms(const struct origin_circuits *all, unsigned *learned_of)
{
    (void)all, (void)learned_of;
    return vw.build_timeout_ms;
}

unsigned circuit_stream_count(const struct circuit *c)
{
    return c->oc->streams;
}

const struct own_circuit_path *own_circuit_path(const struct circuit *c)
{
    return &c->oc->path;
}

unsigned own_circuit_hops_built(const struct circuit *c)
{
    return c->oc->hops_built;
}

void own_circuit_send(struct circuit *c, unsigned hop, enum relay_command command, const void *body,
                      uint16_t length)
{
    struct origin_circuit *oc = c->oc;
    assert_int_equal(oc->state, ORIGIN_OPEN);
    assert_int_equal(hop, oc->path.n_hops);
    assert_true(oc->n_sent < WORLD_MESSAGES && length <= BODY_MAX);
    struct sent *s = &oc->sent[oc->n_sent++];
    s->command = command;
    s->hop = hop;
    s->length = length;
    memcpy(s->body, body, length);
}

bool own_circuit_add_onion_layer(struct circuit *c, const uint8_t material[128], bool service,
                                 uint8_t sendme_inc_cells, own_circuit_accept_fn accept)
{
    assert_int_equal(c->oc->state, ORIGIN_OPEN);
    assert_false(service || accept || c->oc->has_layer);
    c->oc->has_layer = !vw.layer_fails;
    c->oc->sendme_inc_cells = sendme_inc_cells;
    memcpy(c->oc->material, material, 128);
    return !vw.layer_fails;
}

void app_streams_look(struct app_streams *all)
{
    (void)all;
    vw.looks++;
}

void app_streams_circuit_gone(struct app_streams *all, const struct origin_circuit *oc)
{
    (void)all, (void)oc;
}

// ---- what happens to them

unsigned vw_count(enum origin_purpose purpose)
{
    struct origin_circuit *oc;
    unsigned n = 0;
    TAILQ_FOREACH(oc, &vw.circuits, entry)
    {
        n += oc->purpose == purpose && oc->state != ORIGIN_CLOSED;
    }
    return n;
}

struct origin_circuit *vw_circuit(enum origin_purpose purpose)
{
    struct origin_circuit *oc;
    TAILQ_FOREACH_REVERSE(oc, &vw.circuits, visit_circuits, entry)
    {
        if (oc->purpose == purpose && oc->state != ORIGIN_CLOSED)
            return oc;
    }
    return NULL;
}

struct origin_circuit *vw_rend(void)
{
    return vw_circuit(ORIGIN_CLIENT_REND);
}

struct origin_circuit *vw_intro(void)
{
    return vw_circuit(ORIGIN_CLIENT_INTRO);
}

void vw_opens(struct origin_circuit *oc)
{
    assert_non_null(oc);
    assert_int_equal(oc->state, ORIGIN_BUILDING);
    oc->state = ORIGIN_OPEN;
    oc->hops_built = oc->path.n_hops;
    oc->ops->opened(oc);
}

void vw_dies(struct origin_circuit *oc, enum destroy_reason reason, unsigned hops_built)
{
    const struct origin_circuit_ops *ops = oc->ops;
    assert_int_not_equal(oc->state, ORIGIN_CLOSED);
    oc->state = ORIGIN_CLOSED;
    oc->hops_built = hops_built;
    oc->ops = NULL;
    ops->closed(oc, reason);
}

bool vw_message(struct origin_circuit *oc, unsigned hop, enum relay_command command,
                const void *body, uint16_t length)
{
    struct message *m = calloc(1, sizeof(*m) + BODY_MAX);
    m->relay.command = (uint8_t)command;
    m->relay.hop = (uint8_t)(hop ? hop : oc->path.n_hops);
    m->length = length;
    if (length)
        memcpy(m->payload, body, length);
    bool welcome = oc->ops->message(oc, m);
    free(m);
    if (!welcome) // own_circuit's part
        vw_dies(oc, DESTROY_PROTOCOL, oc->path.n_hops);
    return welcome;
}

const struct sent *vw_last_sent(const struct origin_circuit *oc)
{
    return oc->n_sent ? &oc->sent[oc->n_sent - 1] : NULL;
}

// ---- time

void vw_pass(uint64_t ms)
{
    while (ms > 0) {
        uint64_t step = ms < 1000 ? ms : 1000;
        vw.now_ms += step;
        ms -= step;
        onion_client_tick(vw.origin.onion_client);
    }
}

// ---- begin and end

static time_t wall_clock(void)
{
    return vw.wall_s;
}

static void make_nodes(void)
{
    for (unsigned i = 0; i < WORLD_DIRS; i++) {
        struct node *n = &vw.nodes[i];
        memset(vw.statuses[i].rsa_id, (int)i + 1, 20);
        snprintf(vw.statuses[i].nickname, sizeof(vw.statuses[i].nickname), "relay%u", i);
        vw.statuses[i].flags = ROUTER_FAST | ROUTER_STABLE;
        *n = (struct node){.status = &vw.statuses[i],
                           .has_keys = true,
                           .extend2 = true,
                           .hs_rend = true,
                           .hs_dir = true};
    }
}

static void make_service(void)
{
    struct onion_descriptor *d = &vw.descriptor;
    d->revision = 10;
    d->n_intro_points = WORLD_POINTS;
    for (unsigned i = 0; i < WORLD_POINTS; i++) {
        struct onion_intro_point *p = &d->intro_points[i];
        curve25519_generate(&vw.enc_keys[i]);
        p->specifiers[0] = 1;
        p->specifiers[1] = (uint8_t)(50 + i);
        p->specifiers_length = 2;
        memset(p->auth_key, (int)(100 + i), 32);
        memcpy(p->enc_key, vw.enc_keys[i].public_key, 32);
    }
}

void vw_open(void)
{
    char error[128] = "";
    vw = (struct visit_world){
        .now_ms = 1000000, .wall_s = 1700000000, .may_build = true, .has_consensus = true};
    vw.period = 5;
    vw.build_timeout_ms = 6000;
    vw.consensus.valid_after = 1699999999;
    vw.relay.config = &vw.config;
    vw.relay.wall_clock = wall_clock;
    vw.origin.relay = &vw.relay;
    snprintf(vw.config.client_authorization, sizeof(vw.config.client_authorization), "/keys");
    TAILQ_INIT(&vw.circuits);
    TAILQ_INIT(&vw.requests);
    TAILQ_INIT(&vw.solvings);
    make_nodes();
    make_service();
    vw.origin.onion_client = onion_client_create(&vw.origin, error, sizeof(error));
    assert_non_null(vw.origin.onion_client);
}

void vw_close(void)
{
    struct origin_circuit *oc;
    onion_client_free(vw.origin.onion_client);
    assert_true(TAILQ_EMPTY(&vw.requests));
    assert_true(TAILQ_EMPTY(&vw.solvings));
    while ((oc = TAILQ_FIRST(&vw.circuits))) {
        assert_int_equal(oc->state, ORIGIN_CLOSED);
        TAILQ_REMOVE(&vw.circuits, oc, entry);
        free(oc);
    }
}
