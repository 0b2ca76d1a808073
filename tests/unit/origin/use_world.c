// SPDX-License-Identifier: BSD-3-Clause
// The world around applications' streams and the pool of circuits.
#include "use_world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stream/circuit_streams.h"

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

const struct node *node_find(const struct node_list *list, const uint8_t rsa_id[20])
{
    (void)list;
    for (unsigned i = 0; i < world.n_exits; i++)
        if (memcmp(world.statuses[i].rsa_id, rsa_id, 20) == 0)
            return &world.nodes[i];
    return NULL;
}

bool path_port_is_long_lived(uint16_t port)
{
    return port == 22 || port == 6667;
}

static bool exit_fits(unsigned i, const struct path_request *r)
{
    const struct node *n = &world.nodes[i];
    bool serves = r->n_ports == 0 && !port_policy_allows_none(n->policy);
    for (unsigned j = 0; j < r->n_ports; j++)
        serves |= port_policy_allows(r->ipv6 ? n->policy6 : n->policy, r->ports[j]);
    for (unsigned j = 0; j < r->n_not_exits; j++)
        serves &= memcmp(r->not_exits[j], n->status->rsa_id, 20) != 0;
    return serves;
}

// ---- onion services

struct onion_client {
    int unused;
};

static struct onion_client onion_client;

enum onion_outlook onion_client_find(struct onion_client *c, const struct app_request *request,
                                     const uint8_t identity[32], uint64_t since_ms,
                                     struct origin_circuit **out, enum onion_failure *failure)
{
    assert_ptr_equal(c, &onion_client);
    assert_int_equal(request->command, APP_CONNECT);
    memcpy(world.onion_identity, identity, sizeof(world.onion_identity));
    world.onion_since_ms = since_ms;
    world.onion_asked++;
    *failure = world.onion_failure;
    *out = world.onion_circuit;
    return world.onion_outlook;
}

void onion_client_attached(struct onion_client *c, struct origin_circuit *oc)
{
    (void)c;
    assert_ptr_equal(oc, world.onion_circuit);
    world.onion_attached++;
}

void onion_client_failed(struct onion_client *c, struct origin_circuit *oc)
{
    (void)c;
    assert_ptr_equal(oc, world.onion_circuit);
    world.onion_failed++;
}

enum onion_failure onion_client_blame(const struct onion_client *c,
                                      const struct app_request *request, const uint8_t identity[32])
{
    (void)c, (void)request, (void)identity;
    return ONION_RENDEZVOUS_FAILED;
}

bool onion_client_takes_longer(const struct onion_client *c, const uint8_t identity[32])
{
    (void)c, (void)identity;
    return world.onion_takes_longer;
}

void onion_client_new_identity(struct onion_client *c)
{
    (void)c;
}

// ---- circuits

int origin_circuit_launch(struct origin *origin, enum origin_purpose purpose,
                          const struct path_request *request, const struct origin_circuit_ops *ops,
                          void *user, struct origin_circuit **out, const char **why)
{
    (void)origin, (void)why;
    unsigned tried = 0;
    if (world.launch_error)
        return world.launch_error;
    while (tried < world.n_exits && !exit_fits(world.next_exit % world.n_exits, request))
        world.next_exit++, tried++;
    if (request->kind == PATH_EXIT && tried == world.n_exits)
        return -ENOENT;
    struct origin_circuit *oc = calloc(1, sizeof(*oc));
    oc->circuit.oc = oc;
    oc->purpose = purpose;
    oc->ops = ops;
    oc->user = user;
    oc->request = *request;
    oc->request.not_exits = NULL;
    oc->exit = world.next_exit++ % world.n_exits;
    oc->path.n_hops = 3;
    memcpy(oc->path.hops[2].target.rsa_id, world.statuses[oc->exit].rsa_id, 20);
    oc->id = ++world.launched;
    TAILQ_INSERT_TAIL(&world.circuits, oc, entry);
    *out = oc;
    return 0;
}

static void end_stream(struct stream *s, enum end_reason reason)
{
    s->circuit = NULL;
    s->oc->streams--;
    s->reason = reason;
}

static void end_streams_of(struct origin_circuit *oc)
{
    struct stream *s;
    TAILQ_FOREACH(s, &world.streams, entry)
    {
        if (s->circuit == &oc->circuit)
            end_stream(s, END_DESTROY);
    }
}

void origin_circuit_close(struct origin_circuit *oc)
{
    assert_int_not_equal(oc->state, ORIGIN_CLOSED);
    end_streams_of(oc);
    oc->state = ORIGIN_CLOSED; // the memory stays, for streams that still hear of it
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
    assert_int_equal(oc->state, ORIGIN_OPEN);
    return (struct circuit *)(uintptr_t)&oc->circuit;
}

const struct own_circuit_path *origin_circuit_path(const struct origin_circuit *oc)
{
    assert_int_not_equal(oc->state, ORIGIN_CLOSED);
    return &oc->path;
}

const struct path_request *origin_circuit_request(const struct origin_circuit *oc)
{
    return &oc->request;
}

void origin_circuit_note_detached(struct origin_circuit *oc)
{
    oc->detached++;
}

bool origin_circuits_want_measure(const struct origin_circuits *all)
{
    (void)all;
    return world.wants_measure;
}

void origin_circuit_note_use(struct origin_circuit *oc, bool succeeded)
{
    assert_int_not_equal(oc->state, ORIGIN_CLOSED);
    oc->uses += !succeeded;
    oc->successes += succeeded;
}

unsigned circuit_stream_count(const struct circuit *c)
{
    return c->oc->streams;
}

struct origin_circuit *world_circuit(enum origin_circuit_state state)
{
    struct origin_circuit *oc;
    TAILQ_FOREACH_REVERSE(oc, &world.circuits, world_circuits, entry)
    {
        if (oc->state == state)
            return oc;
    }
    return NULL;
}

unsigned world_count(enum origin_circuit_state state)
{
    struct origin_circuit *oc;
    unsigned n = 0;
    TAILQ_FOREACH(oc, &world.circuits, entry)
    {
        n += oc->state == state;
    }
    return n;
}

void world_circuit_opens(struct origin_circuit *oc)
{
    assert_int_equal(oc->state, ORIGIN_BUILDING);
    oc->state = ORIGIN_OPEN;
    oc->ops->opened(oc);
}

void world_open_all(void)
{
    struct origin_circuit *oc;
    while ((oc = world_circuit(ORIGIN_BUILDING))) {
        world_circuit_opens(oc);
        world_run();
    }
}

static void deliver_ends(void)
{
    struct stream *s, *next;
    for (s = TAILQ_FIRST(&world.streams); s; s = next) {
        next = TAILQ_NEXT(s, entry);
        if (s->circuit)
            continue;
        s->ops->closed(s, s->reason);
        next = TAILQ_NEXT(s, entry); // some may have come
        TAILQ_REMOVE(&world.streams, s, entry);
        free(s->sent);
        free(s);
    }
}

void world_circuit_dies(struct origin_circuit *oc, bool streams_first)
{
    const struct origin_circuit_ops *ops = oc->ops;
    end_streams_of(oc);
    if (streams_first)
        deliver_ends();
    if (oc->state == ORIGIN_CLOSED)
        return;
    if (streams_first)
        oc->state = ORIGIN_CLOSED;
    ops->closed(oc, DESTROY_DESTROYED);
    oc->state = ORIGIN_CLOSED;
    deliver_ends();
}

void world_circuit_dies_silently(struct origin_circuit *oc)
{
    end_streams_of(oc);
    oc->state = ORIGIN_CLOSED;
    deliver_ends();
}

// ---- streams

struct stream *stream_begin(struct circuit *c, enum relay_command command, const void *body,
                            uint16_t length, const struct stream_ops *ops, void *user)
{
    assert_int_equal(c->oc->state, ORIGIN_OPEN);
    assert_true(length <= sizeof(((struct stream *)0)->body));
    if (world.no_streams)
        return NULL;
    struct stream *s = calloc(1, sizeof(*s));
    s->ops = ops;
    s->user = user;
    s->circuit = c;
    s->oc = c->oc;
    s->command = command;
    memcpy(s->body, body, length);
    s->body_length = length;
    s->awake = true;
    c->oc->streams++;
    TAILQ_INSERT_TAIL(&world.streams, s, entry);
    return s;
}

void stream_set_user(struct stream *s, const struct stream_ops *ops, void *user)
{
    s->ops = ops;
    s->user = user;
}

void *stream_user(const struct stream *s)
{
    return s->user;
}

const uint8_t *stream_end_body(const struct stream *s, size_t *length)
{
    *length = s->end_length;
    return s->end_length ? s->end_body : NULL;
}

void stream_set_held(struct stream *s, size_t bytes)
{
    s->held = bytes;
}

void stream_wake(struct stream *s)
{
    s->awake = true;
}

void stream_close(struct stream *s, enum end_reason reason)
{
    assert_int_equal(reason, END_MISC); // 10.06
    if (!s->circuit)
        return;
    s->end_sent = true;
    end_stream(s, reason);
}

struct stream *world_stream(void)
{
    struct stream *s;
    TAILQ_FOREACH_REVERSE(s, &world.streams, world_streams, entry)
    {
        if (s->circuit)
            return s;
    }
    return NULL;
}

unsigned world_count_streams(void)
{
    struct stream *s;
    unsigned n = 0;
    TAILQ_FOREACH(s, &world.streams, entry)
    {
        n += s->circuit != NULL;
    }
    return n;
}

void world_connected(struct stream *s, const void *body, size_t length)
{
    assert_int_equal(s->command, RELAY_BEGIN);
    s->ops->connected(s, body, length);
    world_run();
}

void world_resolved(struct stream *s, const void *body, size_t length)
{
    assert_int_equal(s->command, RELAY_RESOLVE);
    end_stream(s, END_DONE);
    s->ops->resolved(s, body, length);
    world_run();
}

void world_end(struct stream *s, const void *body, size_t length)
{
    memcpy(s->end_body, body, length);
    s->end_length = length;
    end_stream(s, (enum end_reason)s->end_body[0]);
    world_run();
}

void world_end_reason(struct stream *s, enum end_reason reason)
{
    uint8_t body = (uint8_t)reason;
    world_end(s, &body, 1);
}

size_t world_produce(struct stream *s, size_t most)
{
    size_t before = s->sent_length;
    if (!s->sent)
        s->sent = malloc(WORLD_SENT_MAX);
    while (s->circuit && s->awake && s->sent_length - before < most) {
        size_t left = most - (s->sent_length - before);
        int n = s->ops->produce(s, s->sent + s->sent_length, left < 498 ? left : 498);
        s->awake = n > 0;
        if (n == STREAM_END && s->circuit)
            end_stream(s, END_DONE);
        if (n > 0)
            s->sent_length += (size_t)n;
    }
    return s->sent_length - before;
}

// ---- time

void world_run(void)
{
    for (unsigned i = 0; i < 4; i++) {
        deliver_ends();
        uv_run(&world.loop, UV_RUN_NOWAIT);
    }
}

void world_tick(void)
{
    circuit_pool_tick(world.origin.pool);
    app_streams_tick(world.origin.streams);
    world_run();
}

void world_pass(uint64_t ms)
{
    while (ms > 0) {
        uint64_t step = ms < 1000 ? ms : 1000;
        world.now_ms += step;
        ms -= step;
        world_tick();
    }
}

// ---- begin and end

static time_t wall_clock(void)
{
    return 1700000000;
}

void world_set_policy(unsigned exit, const char *policy, const char *policy6)
{
    free(world.policies[exit]);
    free(world.policies6[exit]);
    world.policies[exit] = port_policy_parse(policy, strlen(policy));
    world.policies6[exit] = port_policy_parse(policy6, strlen(policy6));
    assert_non_null(world.policies[exit]);
    assert_non_null(world.policies6[exit]);
    world.nodes[exit].policy = world.policies[exit];
    world.nodes[exit].policy6 = world.policies6[exit];
}

void world_open(unsigned n_exits)
{
    memset(&world, 0, sizeof(world));
    TAILQ_INIT(&world.circuits);
    TAILQ_INIT(&world.streams);
    uv_loop_init(&world.loop);
    world.now_ms = 1000000;
    world.may_build = true;
    world.relay.loop = &world.loop;
    world.relay.config = &world.config;
    world.relay.wall_clock = wall_clock;
    world.relay.origin = &world.origin;
    world.origin.relay = &world.relay;
    world.origin.onion_client = &onion_client;
    world.n_exits = n_exits;
    for (unsigned i = 0; i < n_exits; i++) {
        memset(world.statuses[i].rsa_id, 'a' + (int)i, 20);
        world.nodes[i] = (struct node){.status = &world.statuses[i], .index = i, .has_keys = true};
        world_set_policy(i, "accept 1-65535", "accept 1-65535");
    }
    world.origin.pool = circuit_pool_create(&world.origin);
    world.origin.streams = app_streams_create(&world.origin);
    assert_non_null(world.origin.pool);
    assert_non_null(world.origin.streams);
}

void world_close(void)
{
    struct origin_circuit *oc;
    app_streams_free(world.origin.streams);
    world.origin.streams = NULL;
    circuit_pool_free(world.origin.pool);
    world.origin.pool = NULL;
    world_run();
    assert_true(TAILQ_EMPTY(&world.streams));
    assert_int_equal(world.relay.counters.app_streams_open, 0);
    while ((oc = TAILQ_FIRST(&world.circuits))) {
        assert_int_equal(oc->state, ORIGIN_CLOSED);
        TAILQ_REMOVE(&world.circuits, oc, entry);
        free(oc);
    }
    for (unsigned i = 0; i < world.n_exits; i++) {
        free(world.policies[i]);
        free(world.policies6[i]);
    }
    assert_int_equal(uv_loop_close(&world.loop), 0);
}
