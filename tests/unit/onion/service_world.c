// SPDX-License-Identifier: BSD-3-Clause
// The world around an onion service.
#include "service_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/random.h"
#include "onion/pow/pow.h"
#include "origin/pool/circuit_pool.h"

struct world world;

// ---- the clock, and what is known of the network

uint64_t origin_now_ms(const struct origin *origin)
{
    (void)origin;
    return world.now_ms;
}

bool origin_may_build(const struct origin *origin, const char **why)
{
    (void)origin;
    if (why)
        *why = world.may_build ? NULL : "the test says so";
    return world.may_build;
}

size_t node_count(const struct node_list *list)
{
    (void)list;
    return world.n_relays;
}

const struct node *node_find(const struct node_list *list, const uint8_t rsa_id[20])
{
    (void)list;
    for (unsigned i = 0; i < world.n_relays; i++)
        if (memcmp(world.statuses[i].rsa_id, rsa_id, 20) == 0)
            return &world.nodes[i];
    return NULL;
}

const struct node *node_list_self(const struct node_list *list)
{
    (void)list;
    return NULL;
}

bool node_related(const struct node_list *list, const struct node *a, const struct node *b)
{
    (void)list;
    return a == b;
}

bool node_excluded(const struct node_list *list, const struct node *n, enum node_position position)
{
    (void)list, (void)n, (void)position;
    return false;
}

void node_hop(const struct node *n, struct own_circuit_hop *out)
{
    *out = world_hop(n->index);
}

const struct node *path_draw(const struct node_list *nodes, enum weight_rule rule,
                             node_allowed_fn allowed, const void *user)
{
    (void)nodes;
    assert_int_equal(rule, WEIGHT_MIDDLE);
    for (unsigned i = 0; i < world.n_relays; i++) {
        const struct node *n = &world.nodes[(world.next_relay + i) % world.n_relays];
        if (allowed(user, n)) {
            world.next_relay = n->index + 1;
            return n;
        }
    }
    return NULL;
}

struct own_circuit_hop world_hop(unsigned relay)
{
    struct own_circuit_hop hop = {.has_ntor_key = true, .ntor_v3 = true, .cgo = true};
    hop.congestion_control = true;
    memset(hop.target.rsa_id, 'a' + (int)relay, 20);
    memset(hop.target.ed_id, 'A' + (int)relay, 32);
    hop.target.has_ed_id = true;
    hop.target.n_addresses = 1;
    hop.target.addresses[0] = address_ipv4(0xcb007101 + relay, 9001); // 203.0.113.1 …
    memset(hop.ntor_key, 'k' + (int)relay, 32);
    return hop;
}

// ---- circuits

int origin_circuit_launch(struct origin *origin, enum origin_purpose purpose,
                          const struct path_request *request, const struct origin_circuit_ops *ops,
                          void *user, struct origin_circuit **out, const char **why)
{
    (void)origin;
    *why = "the test says so";
    if (world.launch_error)
        return world.launch_error;
    struct origin_circuit *oc = calloc(1, sizeof(*oc));
    oc->circuit.oc = oc;
    oc->purpose = purpose;
    oc->ops = ops;
    oc->user = user;
    oc->request = *request;
    oc->path.n_hops = request->n_hops ? request->n_hops : 4;
    for (unsigned i = 0; i + 1 < oc->path.n_hops; i++)
        oc->path.hops[i] = world_hop(i);
    assert_true(request->has_last);
    oc->path.hops[oc->path.n_hops - 1] = request->last;
    random_bytes(oc->nonce, sizeof(oc->nonce));
    TAILQ_INSERT_TAIL(&world.circuits, oc, entry);
    *out = oc;
    return 0;
}

struct origin_circuit *world_make_ready(void)
{
    struct origin_circuit *oc = calloc(1, sizeof(*oc));
    oc->circuit.oc = oc;
    oc->purpose = ORIGIN_CLIENT_REND;
    oc->state = ORIGIN_OPEN;
    oc->path.n_hops = 3;
    TAILQ_INSERT_TAIL(&world.circuits, oc, entry);
    world.ready = oc;
    return oc;
}

struct origin_circuit *circuit_pool_take_internal_to(struct circuit_pool *pool,
                                                     const uint8_t rsa_id[20])
{
    struct origin_circuit *oc = world.ready;
    (void)pool, (void)rsa_id;
    world.ready = NULL;
    return oc;
}

void circuit_pool_note_internal(struct circuit_pool *pool)
{
    (void)pool;
    world.noted++;
}

void origin_circuit_set_user(struct origin_circuit *oc, enum origin_purpose purpose,
                             const struct origin_circuit_ops *ops, void *user)
{
    oc->purpose = purpose;
    oc->ops = ops;
    oc->user = user;
}

bool origin_circuit_extend(struct origin_circuit *oc, const struct own_circuit_hop *hop)
{
    assert_int_equal(oc->state, ORIGIN_OPEN);
    if (world.no_extend)
        return false;
    oc->path.hops[oc->path.n_hops++] = *hop;
    oc->state = ORIGIN_BUILDING;
    return true;
}

static void end_stream(struct stream *s, enum end_reason reason)
{
    if (!s->ended)
        s->reason = reason;
    s->ended = true;
}

static void end_streams_of(struct origin_circuit *oc)
{
    struct stream *s;
    TAILQ_FOREACH(s, &world.streams, entry)
    {
        if (s->oc == oc)
            end_stream(s, END_DESTROY);
    }
}

void origin_circuit_close(struct origin_circuit *oc)
{
    assert_int_not_equal(oc->state, ORIGIN_CLOSED);
    end_streams_of(oc);
    oc->state = ORIGIN_CLOSED; // the memory stays, for streams that still hear of it
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
    assert_int_equal(oc->state, ORIGIN_OPEN);
    return (struct circuit *)(uintptr_t)&oc->circuit;
}

const struct own_circuit_path *origin_circuit_path(const struct origin_circuit *oc)
{
    assert_int_not_equal(oc->state, ORIGIN_CLOSED);
    return &oc->path;
}

void origin_circuit_note_use(struct origin_circuit *oc, bool succeeded)
{
    oc->uses += !succeeded;
    oc->successes += succeeded;
}

void *own_circuit_user(const struct circuit *c)
{
    return c->oc;
}

const uint8_t *own_circuit_nonce(const struct circuit *c)
{
    return c->oc->nonce;
}

bool own_circuit_is_gone(const struct circuit *c)
{
    return c->oc->state == ORIGIN_CLOSED;
}

void own_circuit_send(struct circuit *c, unsigned hop, enum relay_command command, const void *body,
                      uint16_t length)
{
    struct origin_circuit *oc = c->oc;
    assert_int_equal(oc->state, ORIGIN_OPEN);
    assert_int_equal(hop, oc->path.n_hops);
    assert_true(length <= sizeof(oc->sent_body));
    oc->sent = command;
    oc->sent_length = length;
    memcpy(oc->sent_body, body, length);
    oc->n_sent++;
}

bool own_circuit_add_onion_layer(struct circuit *c, const uint8_t material[128], bool service,
                                 uint8_t sendme_inc_cells, own_circuit_accept_fn accept)
{
    struct origin_circuit *oc = c->oc;
    assert_true(service);
    assert_false(oc->joined);
    if (world.no_layer)
        return false;
    oc->joined = true;
    memcpy(oc->material, material, 128);
    oc->sendme_inc_cells = sendme_inc_cells;
    oc->accept = accept;
    return true;
}

struct origin_circuit *world_circuit(enum origin_purpose purpose, enum origin_circuit_state state)
{
    struct origin_circuit *oc;
    TAILQ_FOREACH_REVERSE(oc, &world.circuits, world_circuits, entry)
    {
        if (oc->purpose == purpose && oc->state == state)
            return oc;
    }
    return NULL;
}

unsigned world_count(enum origin_purpose purpose, enum origin_circuit_state state)
{
    struct origin_circuit *oc;
    unsigned n = 0;
    TAILQ_FOREACH(oc, &world.circuits, entry)
    {
        n += oc->purpose == purpose && oc->state == state;
    }
    return n;
}

void world_circuit_opens(struct origin_circuit *oc)
{
    assert_int_equal(oc->state, ORIGIN_BUILDING);
    oc->state = ORIGIN_OPEN;
    oc->ops->opened(oc);
}

void world_circuit_dies(struct origin_circuit *oc)
{
    assert_int_not_equal(oc->state, ORIGIN_CLOSED);
    end_streams_of(oc);
    oc->state = ORIGIN_CLOSED;
    oc->ops->closed(oc, DESTROY_DESTROYED);
    world_run();
}

bool world_message(struct origin_circuit *oc, enum relay_command command, const void *body,
                   uint16_t length)
{
    struct message *m = calloc(1, sizeof(*m) + length);
    m->relay.command = (uint8_t)command;
    m->relay.hop = (uint8_t)oc->path.n_hops;
    m->length = length;
    memcpy(m->payload, body, length);
    bool good = oc->ops->message(oc, m);
    free(m);
    if (!good && oc->state != ORIGIN_CLOSED)
        world_circuit_dies(oc);
    return good;
}

struct intro_point *world_point(const struct origin_circuit *oc)
{
    assert_int_equal(oc->purpose, ORIGIN_SERVICE_INTRO);
    return oc->user;
}

void world_establish(void)
{
    struct origin_circuit *oc;
    world_pass(1);
    while ((oc = world_circuit(ORIGIN_SERVICE_INTRO, ORIGIN_BUILDING)))
        world_circuit_opens(oc);
    TAILQ_FOREACH(oc, &world.circuits, entry)
    {
        if (oc->purpose == ORIGIN_SERVICE_INTRO && oc->state == ORIGIN_OPEN &&
            world_point(oc)->state == ONION_INTRO_ESTABLISHING)
            assert_true(world_message(oc, RELAY_INTRO_ESTABLISHED, "\0", 1));
    }
}

// ---- streams

struct stream *stream_accept(struct circuit *c, uint16_t stream_id, const struct stream_ops *ops,
                             void *user)
{
    assert_int_equal(c->oc->state, ORIGIN_OPEN);
    if (world.no_streams)
        return NULL;
    struct stream *s = calloc(1, sizeof(*s));
    s->ops = ops;
    s->user = user;
    s->oc = c->oc;
    s->id = stream_id;
    TAILQ_INSERT_TAIL(&world.streams, s, entry);
    return s;
}

void stream_accepted(struct stream *s, const void *connected_body, uint16_t length)
{
    assert_false(s->accepted);
    assert_null(connected_body);
    assert_int_equal(length, 0);
    s->accepted = !s->ended; // it may have ended, and nobody was told yet
}

void stream_refuse(struct circuit *c, uint16_t stream_id, enum end_reason reason)
{
    (void)stream_id;
    c->oc->refusals++;
    c->oc->refused_with = reason;
}

void *stream_user(const struct stream *s)
{
    return s->user;
}

void stream_wake(struct stream *s)
{
    s->awake = true;
}

void stream_set_held(struct stream *s, size_t bytes)
{
    s->held = bytes;
}

void stream_close(struct stream *s, enum end_reason reason)
{
    s->end_sent |= !s->ended;
    end_stream(s, reason);
}

static void deliver_ends(void)
{
    struct stream *s, *next;
    for (s = TAILQ_FIRST(&world.streams); s; s = next) {
        next = TAILQ_NEXT(s, entry);
        if (!s->ended)
            continue;
        s->ops->closed(s, s->reason);
        TAILQ_REMOVE(&world.streams, s, entry);
        free(s->sent);
        free(s);
    }
}

struct stream *world_begin(struct origin_circuit *oc, uint16_t id, const char *body)
{
    struct stream *last = TAILQ_LAST(&world.streams, world_streams), *s;
    oc->accept(&oc->circuit, id, (const uint8_t *)body, strlen(body) + 1);
    s = TAILQ_LAST(&world.streams, world_streams);
    return s != last ? s : NULL;
}

void world_end(struct stream *s)
{
    end_stream(s, END_DONE);
    world_run();
}

size_t world_produce(struct stream *s, size_t most)
{
    size_t before = s->sent_length;
    while (!s->ended && s->accepted && s->sent_length - before < most) {
        uint8_t piece[RELAY_BODY_MAX];
        int n = s->ops->produce(s, piece, sizeof(piece));
        if (n == STREAM_END)
            stream_close(s, END_DONE);
        if (n <= 0)
            break;
        if (s->sent_length + (size_t)n > s->sent_capacity) {
            s->sent_capacity = 2 * (s->sent_length + (size_t)n);
            s->sent = realloc(s->sent, s->sent_capacity);
        }
        memcpy(s->sent + s->sent_length, piece, (size_t)n);
        s->sent_length += (size_t)n;
    }
    return s->sent_length - before;
}

// ---- keys, descriptors, proof of work

int key_directory_load(const char *path, bool create, struct key_directory *out,
                       void (*warn)(void *user, const char *line), void *user,
                       char error[KEY_DIRECTORY_ERROR_MAX])
{
    (void)create, (void)warn, (void)user;
    *out = (struct key_directory){.has_secret = true};
    if (strcmp(path, "/nowhere") == 0) {
        snprintf(error, KEY_DIRECTORY_ERROR_MAX, "/nowhere: not there");
        return -ENOENT;
    }
    snprintf(out->hostname, sizeof(out->hostname), "hidden.onion");
    return 0;
}

void key_directory_release(struct key_directory *d)
{
    memset(d, 0, sizeof(*d));
}

bool service_publish_create(struct onion_service *s)
{
    (void)s;
    return true;
}

void publish_rings_free(struct publish_ring rings[2])
{
    (void)rings;
}

void service_publish_free(struct onion_service *s)
{
    (void)s;
}

void service_publish_tick(struct onion_service *s)
{
    (void)s;
}

void service_publish_network_changed(struct onion_service *s)
{
    (void)s;
}

void service_descriptors_changed(struct onion_service *s)
{
    (void)s;
    world.changes++;
}

unsigned service_credentials(const struct onion_service *s, struct service_credential *out,
                             unsigned capacity)
{
    (void)s;
    assert_true(world.n_credentials <= capacity);
    memcpy(out, world.credentials, world.n_credentials * sizeof(*out));
    return world.n_credentials;
}

struct pow_defence {
    struct pow_calls calls;
    void *user;
};

struct pow_defence *pow_defence_create(struct relay *relay, const struct pow_settings *settings,
                                       const struct pow_calls *calls, void *user)
{
    (void)relay;
    assert_true(settings->enabled);
    struct pow_defence *d = calloc(1, sizeof(*d));
    *d = (struct pow_defence){*calls, user};
    return d;
}

void pow_defence_free(struct pow_defence *d)
{
    if (d && world.queued)
        d->calls.drop(d->user, world.queued);
    world.queued = NULL;
    free(d);
}

// One introduction a second.
void pow_defence_tick(struct pow_defence *d)
{
    void *item = world.queued;
    world.queued = NULL;
    if (item)
        d->calls.take(d->user, item);
}

bool pow_defence_queue(struct pow_defence *d, const uint8_t blinded[32],
                       const struct pow_proof *proof, void *item)
{
    (void)proof;
    if (world.pow_refuses)
        return false;
    if (world.queued)
        d->calls.drop(d->user, world.queued);
    world.queued = item;
    memcpy(world.queued_blinded, blinded, 32);
    return true;
}

void pow_defence_status(const struct pow_defence *d, struct pow_defence_status *out)
{
    (void)d;
    *out = (struct pow_defence_status){.effort = 77};
}

// ---- visitors

size_t world_introduce(const struct intro_point *p, unsigned credential,
                       const struct own_circuit_hop *at, uint8_t cookie,
                       const struct curve25519_key *ephemeral, bool congestion_control,
                       uint8_t out[RELAY_BODY_MAX])
{
    struct introduction i = {.congestion_control = congestion_control};
    memset(i.cookie, cookie, sizeof(i.cookie));
    memcpy(i.client_public, ephemeral->public_key, 32);
    memcpy(i.onion_key, at->ntor_key, 32);
    i.specifiers_length = (uint16_t)link_specifiers_of(at, i.specifiers, sizeof(i.specifiers));
    assert_int_not_equal(i.specifiers_length, 0);
    size_t length = introduce1_make(&i, &p->info, world.credentials[credential].subcredential,
                                    ephemeral, out, RELAY_BODY_MAX);
    assert_int_not_equal(length, 0);
    return length;
}

struct origin_circuit *world_visitor(uint8_t cookie)
{
    struct origin_circuit *intro = world_circuit(ORIGIN_SERVICE_INTRO, ORIGIN_OPEN);
    struct own_circuit_hop at = world_hop(WORLD_RELAYS - 1);
    struct curve25519_key ephemeral;
    uint8_t body[RELAY_BODY_MAX];
    assert_non_null(intro);
    curve25519_generate(&ephemeral);
    size_t length = world_introduce(world_point(intro), 0, &at, cookie, &ephemeral, true, body);
    assert_true(world_message(intro, RELAY_INTRODUCE2, body, (uint16_t)length));
    struct origin_circuit *oc = world_circuit(ORIGIN_SERVICE_REND, ORIGIN_BUILDING);
    assert_non_null(oc);
    world_circuit_opens(oc);
    assert_true(oc->joined);
    return oc;
}

// ---- the whole

struct onion_service *world_service(void)
{
    return &world.origin.onion_services->services[0];
}

void world_run(void)
{
    for (unsigned i = 0; i < 20; i++) {
        uv_run(&world.loop, UV_RUN_NOWAIT);
        deliver_ends();
    }
}

void world_pass(unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        world.now_ms += 1000;
        world.relay.uptime_s++;
        onion_services_tick(world.origin.onion_services);
        world_run();
    }
}

static void list_relays(void)
{
    world.n_relays = WORLD_RELAYS;
    for (unsigned i = 0; i < WORLD_RELAYS; i++) {
        struct router_status *status = &world.statuses[i];
        memset(status->rsa_id, 'a' + (int)i, 20);
        snprintf(status->nickname, sizeof(status->nickname), "relay%u", i);
        status->flags = ROUTER_FAST | ROUTER_STABLE | ROUTER_RUNNING | ROUTER_VALID;
        world.nodes[i] = (struct node){.status = status,
                                       .index = i,
                                       .has_keys = true,
                                       .has_ed_id = true,
                                       .extend2 = true,
                                       .hs_intro = true};
    }
}

void world_open(void (*change)(struct config_onion_service *config))
{
    char error[256] = "";
    memset(&world, 0, sizeof(world));
    TAILQ_INIT(&world.circuits);
    TAILQ_INIT(&world.streams);
    uv_loop_init(&world.loop);
    world.now_ms = 1000000;
    world.may_build = true;
    world.relay.loop = &world.loop;
    world.relay.config = &world.config;
    world.relay.uptime_s = 1;
    world.relay.origin = &world.origin;
    world.origin.relay = &world.relay;
    world.config.dataplane.max_circuits = 1 << 16;
    world.config.testing_network = true;
    world.config.onion_services = &world.service_config;
    world.config.onion_service_count = 1;
    world.service_config.introduction_points = 3;
    world.service_config.port_count = 1;
    world.service_config.ports[0].port = 80;
    world.service_config.ports[0].target = address_ipv4(0x7f000001, 1);
    list_relays();
    world.n_credentials = 2;
    for (unsigned i = 0; i < 2; i++) {
        memset(world.credentials[i].subcredential, 's' + (int)i, 32);
        memset(world.credentials[i].blinded_public, 'b' + (int)i, 32);
    }
    if (change)
        change(&world.service_config);
    world.origin.onion_services = onion_services_create(&world.origin, error, sizeof(error));
    assert_non_null(world.origin.onion_services);
}

void world_close(void)
{
    struct origin_circuit *oc;
    onion_services_free(world.origin.onion_services);
    world.origin.onion_services = NULL;
    world_run();
    assert_true(TAILQ_EMPTY(&world.streams));
    while ((oc = TAILQ_FIRST(&world.circuits))) {
        assert_int_equal(oc->state, ORIGIN_CLOSED);
        TAILQ_REMOVE(&world.circuits, oc, entry);
        free(oc);
    }
    assert_int_equal(uv_loop_close(&world.loop), 0);
}
