// SPDX-License-Identifier: BSD-3-Clause
// The pool of circuits: who shares one with whom, which is chosen, what is built ahead, and when
// they go (protocol 9.23, 9.30).
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "origin/pool/pool_internal.h"
#include "use_world.h"

enum { APPS_MAX = 512 };

struct app {
    struct app_stream *stream; // NULL: `closed` was called
    struct app_request request;
    unsigned closed;
};

static struct app apps[APPS_MAX];

static void on_connected(struct app_stream *s)
{
    (void)s;
}

static void on_resolved(struct app_stream *s, const struct app_answer *answers, unsigned n)
{
    (void)s, (void)answers, (void)n;
}

static void on_data(struct app_stream *s, const uint8_t *bytes, size_t length)
{
    (void)s, (void)bytes, (void)length;
}

static int on_produce(struct app_stream *s, uint8_t *out, size_t capacity)
{
    (void)s, (void)out, (void)capacity;
    return 0;
}

static void on_closed(struct app_stream *s, enum end_reason reason, enum app_failure failure)
{
    struct app *a = app_stream_user(s);
    (void)reason, (void)failure;
    a->stream = NULL;
    a->closed++;
}

static const struct app_stream_ops ops = {.connected = on_connected,
                                          .resolved = on_resolved,
                                          .data = on_data,
                                          .produce = on_produce,
                                          .closed = on_closed};

static struct app_request request_of(const char *host, uint16_t port, uint32_t group)
{
    struct app_request r = {.port = port, .ipv4 = true, .ipv6 = true, .isolation.group = group};
    snprintf(r.host, sizeof(r.host), "%s", host);
    return r;
}

static struct app *open_request(const struct app_request *r)
{
    struct app *a = apps;
    while (a->stream)
        a++;
    assert_true(a < apps + APPS_MAX);
    *a = (struct app){.request = *r};
    a->stream = app_stream_open(&world.origin, r, &ops, a);
    assert_non_null(a->stream);
    return a;
}

static struct app *open_app(uint16_t port, uint32_t group)
{
    struct app_request r = request_of("example.com", port, group);
    return open_request(&r);
}

static int open_world(void **state)
{
    (void)state;
    memset(apps, 0, sizeof(apps));
    world_open(4);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    world_close();
    return 0;
}

static struct circuit_pool_info info_of(const struct origin_circuit *oc)
{
    return circuit_pool_info(world.origin.pool, oc);
}

static void connect_all(void)
{
    struct stream *s;
    TAILQ_FOREACH(s, &world.streams, entry)
    {
        if (s->circuit && s->command == RELAY_BEGIN)
            s->ops->connected(s, NULL, 0);
    }
    world_run();
}

// ---- isolation

static struct app_request isolated(unsigned field)
{
    struct app_request r = request_of("example.com", 443, 1);
    struct app_isolation *i = &r.isolation;
    i->epoch = 1;
    i->protocol = 's';
    i->client = address_ipv4(0x7f000001, 1000);
    memset(i->token, 7, sizeof(i->token));
    i->group += field == 1;
    i->epoch += field == 2;
    i->protocol = field == 3 ? 'h' : 's';
    i->client = address_ipv4(0x7f000001 + (field == 4), 1000);
    i->token[31] ^= field == 5;
    i->by_destination = field == 6;
    i->by_port = field == 7;
    return r;
}

static void test_each_field_isolates(void **state)
{
    (void)state;
    for (unsigned a = 0; a < 8; a++)
        for (unsigned b = 0; b < 8; b++) {
            struct app_request x = isolated(a), y = isolated(b);
            assert_int_equal(app_isolation_equal(&x, &y), a == b);
        }
    struct app_request x = isolated(0), y = isolated(0);
    y.isolation.client.port = 99; // a client has many
    snprintf(y.host, sizeof(y.host), "other.example");
    y.port = 80;
    assert_true(app_isolation_equal(&x, &y));
    x.isolation.by_port = y.isolation.by_port = true;
    assert_false(app_isolation_equal(&x, &y));
    y.port = x.port;
    assert_true(app_isolation_equal(&x, &y));
    x.isolation.by_destination = y.isolation.by_destination = true;
    assert_false(app_isolation_equal(&x, &y));
    snprintf(y.host, sizeof(y.host), "EXAMPLE.com");
    assert_true(app_isolation_equal(&x, &y));
    y.host[0] = 0;
    y.address = address_ipv4(0x01020304, 0);
    assert_false(app_isolation_equal(&x, &y));
    x.address = address_ipv4(0x01020305, 0);
    assert_false(app_isolation_equal(&x, &y));
    x.address = address_ipv4(0x01020304, 0);
    assert_true(app_isolation_equal(&x, &y));
}

static struct app_request random_request(void)
{
    static const char *const hosts[] = {"a.example", "b.example", "1.2.3.4", "5.6.7.8"};
    static const uint16_t ports[] = {80, 443, 22};
    struct app_request r = request_of(hosts[rand() % 4], ports[rand() % 3], (uint32_t)rand() % 2);
    struct app_isolation *i = &r.isolation;
    r.command = rand() % 4 ? APP_CONNECT : APP_RESOLVE;
    if (r.command == APP_RESOLVE)
        snprintf(r.host, sizeof(r.host), "%s", hosts[rand() % 2]);
    i->protocol = rand() % 2 ? 's' : 0;
    if (rand() % 2)
        i->client = address_ipv4(0x7f000001 + (uint32_t)rand() % 2, (uint16_t)rand());
    i->token[0] = (uint8_t)(rand() % 2);
    i->by_destination = rand() % 3 == 0;
    i->by_port = rand() % 3 == 0;
    return r;
}

static struct app_request seen[4096]; // by circuit
static uint64_t first_stream[4096];   // 0: none

// Said once more, apart from what is tested.
static void expect_may_share(const struct app_request *a, const struct app_request *b)
{
    const struct app_isolation *x = &a->isolation, *y = &b->isolation;
    assert_int_equal(x->group, y->group);
    assert_int_equal(x->epoch, y->epoch);
    assert_int_equal(x->protocol, y->protocol);
    assert_int_equal(address_ipv4_host(&x->client), address_ipv4_host(&y->client));
    assert_memory_equal(x->token, y->token, sizeof(x->token));
    if (x->by_port || y->by_port)
        assert_int_equal(a->port, b->port);
    if (x->by_destination || y->by_destination) {
        assert_string_equal(a->host, b->host);
        assert_true(address_equal(&a->address, &b->address));
    }
}

static void check_stream(void *user, const struct app_stream_info *info)
{
    unsigned *shared = user;
    if (!info->circuit)
        return;
    unsigned id = info->circuit->id;
    assert_true(id < 4096);
    // Also those that have left by now count.
    if (first_stream[id])
        expect_may_share(&seen[id], info->request);
    else
        first_stream[id] = info->id;
    seen[id] = *info->request;
    *shared += first_stream[id] != info->id;
}

static void test_streams_that_differ_never_share(void **state)
{
    unsigned shared = 0;
    (void)state;
    srand(2);
    for (unsigned i = 0; i < 3000; i++) {
        struct app *a = &apps[rand() % 200];
        if (a->stream)
            app_stream_close(a->stream);
        else {
            struct app_request r = random_request();
            open_request(&r);
        }
        if (rand() % 50 == 0)
            circuit_pool_new_identity(world.origin.pool);
        if (rand() % 10 == 0)
            world_pass((uint64_t)rand() % 5000);
        if (rand() % 5 == 0)
            world_open_all();
        connect_all();
        app_streams_each(world.origin.streams, check_stream, &shared);
    }
    assert_true(shared > 10000); // not since each has its own
}

// ---- which one

static void test_one_circuit_for_those_who_may_share(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        open_app(443, 1);
    for (unsigned i = 0; i < 20; i++)
        open_app(443, 2);
    world_run();
    world_run();
    assert_int_equal(world.launched, 2); // one for each
    world_open_all();
    assert_int_equal(world_count_streams(), 40);
    assert_int_equal(world.launched, 2);
    struct origin_circuit *oc;
    TAILQ_FOREACH(oc, &world.circuits, entry)
    {
        assert_int_equal(oc->streams, 20);
    }
}

static void test_many_streams(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 200; i++)
        open_app(443, 1);
    world_run();
    assert_int_equal(world.launched, 4);
    world_open_all();
    world_pass(2000);
    assert_int_equal(world_count_streams(), 200);
    struct origin_circuit *oc;
    TAILQ_FOREACH(oc, &world.circuits, entry)
    {
        assert_true(oc->streams <= POOL_STREAMS_MAX);
    }
}

static void test_too_many_are_being_built(void **state)
{
    (void)state;
    world.launch_error = -ENOBUFS;
    struct app *a = open_app(443, 1);
    world_pass(5000);
    assert_non_null(a->stream);
    world.launch_error = 0;
    world_tick();
    world_open_all();
    assert_int_equal(world_count_streams(), 1);
}

static void test_in_use_before_clean(void **state)
{
    (void)state;
    struct app *a = open_app(443, 1);
    world_run();
    world_open_all();
    struct origin_circuit *first = world_stream()->oc;
    world_pass(5000);
    world_open_all(); // clean ones
    assert_true(world_count(ORIGIN_OPEN) >= 3);
    open_app(443, 1);
    world_run();
    assert_ptr_equal(world_stream()->oc, first);
    // A clean one for others, the newest.
    struct origin_circuit *newest = world_circuit(ORIGIN_OPEN);
    open_app(443, 2);
    world_run();
    struct origin_circuit *second = world_stream()->oc;
    assert_ptr_equal(second, newest);
    // Whose use began last carries the next, the other one grows old.
    world_pass(1000);
    circuit_pool_retire(world.origin.pool, first);
    open_app(443, 1);
    world_run();
    struct origin_circuit *third = world_stream()->oc;
    assert_ptr_not_equal(third, first);
    assert_ptr_not_equal(third, second);
    (void)a;
}

static void test_ports_and_policies(void **state)
{
    (void)state;
    world_set_policy(0, "accept 80", "reject 1-65535");
    world_set_policy(1, "accept 22", "accept 22");
    world_set_policy(2, "reject 1-65535", "accept 443");
    world_set_policy(3, "reject 1-65535", "reject 1-65535");
    struct app_request r = request_of("example.com", 80, 1);
    open_request(&r);
    world_run();
    world_open_all();
    assert_int_equal(world_stream()->oc->exit, 0);
    assert_int_equal(world_stream()->body_length, sizeof("example.com:80")); // no IPv6 there
    r.port = 22;
    open_request(&r);
    world_run();
    world_open_all();
    assert_int_equal(world_stream()->oc->exit, 1);
    assert_true(world_stream()->oc->request.stable);
    assert_int_equal(world_stream()->body_length, sizeof("example.com:22") + 4);
    // IPv6 only.
    r = request_of("2001:470::1", 443, 1);
    open_request(&r);
    world_run();
    world_open_all();
    assert_int_equal(world_stream()->oc->exit, 2);
    assert_true(world_stream()->oc->request.ipv6);
    r = request_of("example.com", 443, 1);
    r.ipv4 = false;
    open_request(&r);
    world_run();
    assert_int_equal(world_stream()->oc->exit, 2);
    // Names are asked of any that lets something out.
    r.command = APP_RESOLVE;
    r.isolation.group = 9;
    for (unsigned i = 0; i < 8; i++) {
        r.isolation.group++;
        open_request(&r);
        world_run();
        world_open_all();
        assert_int_equal(world_stream()->command, RELAY_RESOLVE);
        assert_int_not_equal(world_stream()->oc->exit, 3);
    }
}

static void test_long_lived_ports(void **state)
{
    (void)state;
    open_app(443, 1);
    world_run();
    world_open_all();
    world.now_ms++;
    open_app(6667, 1); // not on one that was not chosen to last
    world_run();
    assert_int_equal(world.launched, 2);
    assert_true(world_circuit(ORIGIN_BUILDING)->request.stable);
    world_open_all();
    struct origin_circuit *stable = world_stream()->oc;
    assert_true(stable->request.stable);
    world_pass(1000);
    open_app(443, 1); // but the other way round
    world_run();
    assert_ptr_equal(world_stream()->oc, stable);
}

// ---- ahead

static void test_ahead_of_the_first(void **state)
{
    (void)state;
    world_pass(10000);
    assert_int_equal(world.launched, 2); // both serve 80 and 443
    assert_int_equal(world.relay.counters.pool_circuits_ahead, 2);
    struct origin_circuit *oc = world_circuit(ORIGIN_BUILDING);
    assert_int_equal(oc->request.n_ports, 2);
    assert_int_equal(oc->purpose, ORIGIN_GENERAL);
    world_open_all();
    struct app *a = open_app(443, 1);
    world_run();
    assert_non_null(world_stream()); // at once
    assert_int_equal(world.relay.counters.pool_circuits_wanted, 0);
    world_pass(5000);
    assert_int_equal(world.launched, 3); // in its place
    (void)a;
}

static void test_ahead_of_others(void **state)
{
    (void)state;
    world_set_policy(0, "accept 80,443", "reject 1-65535");
    world_set_policy(1, "accept 80,443", "reject 1-65535");
    world_set_policy(2, "accept 6667,25", "reject 1-65535");
    world_set_policy(3, "reject 1-65535", "reject 1-65535");
    world_pass(5000);
    assert_int_equal(world.launched, 2);
    struct app *a = open_app(6667, 1);
    world_run();
    world_open_all();
    app_stream_close(a->stream);
    world_pass(5000);
    world_open_all();
    // Two clean ones for it, too, which are to last.
    unsigned n = 0;
    struct origin_circuit *oc;
    TAILQ_FOREACH(oc, &world.circuits, entry)
    {
        n += oc->exit == 2 && oc->request.stable && oc->state == ORIGIN_OPEN &&
             !info_of(oc).isolated;
    }
    assert_int_equal(n, 2);
    // A port that none serves keeps nothing else from being built.
    a = open_app(9999, 1);
    world_run();
    assert_null(a->stream);
    unsigned launched = world.launched;
    world_pass(5000);
    assert_int_equal(world.launched, launched);
}

static void test_nothing_is_foreseen_for_ever(void **state)
{
    (void)state;
    world_pass(5000);
    world_open_all();
    assert_int_equal(world_count(ORIGIN_OPEN), 2);
    // Half an hour to an hour (9.23), and a little.
    world_pass(29 * 60 * 1000);
    assert_int_equal(world_count(ORIGIN_OPEN), 2);
    world_pass(40 * 60 * 1000);
    assert_int_equal(world_count(ORIGIN_OPEN), 0);
    unsigned launched = world.launched;
    world_pass(3600 * 1000);
    assert_int_equal(world.launched, launched);
    open_app(443, 1);
    world_run();
    assert_int_equal(world.launched, launched + 1);
    world_pass(5000);
    assert_int_equal(world.launched, launched + 3);
}

static void test_clean_ones_are_bounded(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        char policy[64];
        snprintf(policy, sizeof(policy), "accept %u-%u", 1000 * i + 1, 1000 * i + 999);
        world_set_policy(i, policy, policy);
    }
    world_pass(1000);
    for (unsigned i = 0; i < 60; i++) {
        struct app *a = open_app((uint16_t)(i * 61 + 1), 1);
        world_run();
        if (a->stream)
            app_stream_close(a->stream);
        world_pass(1000);
        world_open_all();
    }
    unsigned clean = 0;
    struct origin_circuit *oc;
    TAILQ_FOREACH(oc, &world.circuits, entry)
    {
        clean += oc->state == ORIGIN_OPEN && !info_of(oc).isolated;
    }
    assert_true(clean <= POOL_CLEAN_MAX + 1);
    assert_int_equal(world.origin.pool->predicted.n, PREDICTED_PORTS_MAX);
}

// Also when nothing is foreseen that is not there already.
static void test_to_learn_how_long_building_takes(void **state)
{
    (void)state;
    world_pass(10000);
    world_open_all();
    unsigned before = world.launched;
    world_pass(2000);
    assert_int_equal(world.launched, before);
    world.wants_measure = true;
    world_tick();
    assert_int_equal(world.launched, before + 1);
    assert_int_equal(world_circuit(ORIGIN_BUILDING)->purpose, ORIGIN_GENERAL);
    assert_int_equal(world_circuit(ORIGIN_BUILDING)->request.kind, PATH_EXIT);
}

static void test_onion_services(void **state)
{
    (void)state;
    world_pass(5000);
    world_open_all();
    unsigned launched = world.launched;
    assert_null(circuit_pool_take_internal(world.origin.pool));
    world_pass(10000);
    world_open_all();
    assert_int_equal(world.launched, launched + 3);
    struct origin_circuit *oc = world_circuit(ORIGIN_OPEN);
    assert_int_equal(oc->request.kind, PATH_VANGUARDS);
    assert_true(info_of(oc).internal);
    // Not for streams to exits.
    for (unsigned i = 0; i < 10; i++) {
        open_app(443, i);
        world_run();
        world_open_all();
        assert_false(info_of(world_stream()->oc).internal);
    }
    // To be extended: only one that the next relay is not on.
    const uint8_t elsewhere[20] = {0xee};
    struct origin_circuit *on[3] = {oc};
    for (unsigned i = 0; i < 3; i++) {
        on[i] = circuit_pool_take_internal_to(world.origin.pool, elsewhere);
        assert_non_null(on[i]);
    }
    assert_null(circuit_pool_take_internal_to(world.origin.pool, elsewhere));
    for (unsigned i = 0; i < 3; i++)
        origin_circuit_close(on[i]);
    world_pass(10000);
    world_open_all();
    TAILQ_FOREACH(oc, &world.circuits, entry)
    oc->path.hops[1].target.rsa_id[0] = elsewhere[0];
    assert_null(circuit_pool_take_internal_to(world.origin.pool, (const uint8_t[20]){0xee}));
    oc = circuit_pool_take_internal(world.origin.pool);
    assert_non_null(oc);
    assert_false(info_of(oc).known);
    origin_circuit_set_user(oc, ORIGIN_SERVICE_REND, NULL, NULL);
    world_pass(10000);
    assert_int_equal(oc->state, ORIGIN_OPEN); // it is not the pool's
    origin_circuit_close(oc);
}

// ---- age

static void test_circuits_grow_old(void **state)
{
    (void)state;
    struct app *a = open_app(443, 1);
    world_run();
    world_open_all();
    connect_all();
    struct origin_circuit *oc = world_stream()->oc;
    world_pass(POOL_DIRTY_MS - 2000);
    struct app *b = open_app(443, 1);
    world_run();
    assert_ptr_equal(world_stream()->oc, oc);
    connect_all();
    world_pass(2000);
    world_open_all();
    open_app(443, 1);
    world_run();
    assert_ptr_not_equal(world_stream()->oc, oc); // too old for another
    connect_all();
    world_pass(60000);
    assert_int_equal(oc->state, ORIGIN_OPEN); // but those that it has stay
    app_stream_close(a->stream);
    world_pass(2000);
    assert_int_equal(oc->state, ORIGIN_OPEN);
    app_stream_close(b->stream);
    world_run();
    world_pass(1000);
    assert_int_equal(oc->state, ORIGIN_CLOSED);
}

static void test_in_use_without_streams(void **state)
{
    (void)state;
    struct app *a = open_app(443, 1);
    world_run();
    world_open_all();
    struct origin_circuit *oc = world_stream()->oc;
    app_stream_close(a->stream);
    world_pass(POOL_DIRTY_MS - 1000);
    assert_int_equal(oc->state, ORIGIN_OPEN);
    world_pass(2000);
    assert_int_equal(oc->state, ORIGIN_CLOSED);
}

static void test_new_identity(void **state)
{
    (void)state;
    world_pass(5000);
    world_open_all();
    open_app(443, 1);
    world_run();
    connect_all();
    struct origin_circuit *before = world_stream()->oc;
    for (unsigned i = 2; i < 8; i++) // some of them wait
        open_app(443, i);
    world_run();
    assert_true(world_count(ORIGIN_BUILDING) > 1);
    unsigned n_before = world_count_streams(), launched = world.launched;
    circuit_pool_new_identity(world.origin.pool);
    assert_int_equal(before->state, ORIGIN_OPEN);
    world_run();
    struct origin_circuit *oc;
    TAILQ_FOREACH(oc, &world.circuits, entry)
    {
        if (oc->state != ORIGIN_CLOSED && oc->id <= launched)
            assert_true(oc->streams > 0);
    }
    open_app(443, 1);
    world_run();
    world_open_all();
    world_pass(1000);
    assert_int_equal(world_count_streams(), 8);
    unsigned on_new = 0;
    TAILQ_FOREACH(oc, &world.circuits, entry)
    {
        on_new += oc->id > launched ? oc->streams : 0;
    }
    assert_int_equal(on_new, 8 - n_before);
    // Streams of before and after are kept apart.
    struct app_request x = request_of("a", 1, 1), y = x;
    y.isolation.epoch++;
    assert_false(app_isolation_equal(&x, &y));
    assert_int_equal(circuit_pool_epoch(world.origin.pool), 1);
}

// ---- what fails

static void test_for_whom_it_was_built(void **state)
{
    (void)state;
    open_app(443, 1);
    world_run();
    open_app(443, 2);
    world_run();
    assert_int_equal(world.launched, 2);
    // The second's comes first: the first one does not take it.
    struct origin_circuit *second = world_circuit(ORIGIN_BUILDING);
    world_circuit_opens(second);
    world_run();
    assert_int_equal(world_stream()->oc->id, second->id);
    assert_int_equal(apps[1].request.isolation.group, 2);
    assert_int_equal(info_of(second).streams, 1);
    assert_int_equal(world_count_streams(), 1);
    // Nobody is left that it was built for: others may.
    open_app(443, 3);
    world_run();
    app_stream_close(apps[2].stream);
    struct origin_circuit *third = world_circuit(ORIGIN_BUILDING);
    world_circuit_opens(third);
    world_run();
    assert_int_equal(third->streams, 0);
    world_pass(2000);
    assert_int_equal(third->streams, 1);
}

static void test_nothing_can_be_built(void **state)
{
    (void)state;
    open_app(443, 1);
    for (unsigned i = 0; i < 600; i++) {
        struct origin_circuit *oc;
        world_run();
        while ((oc = world_circuit(ORIGIN_BUILDING)))
            world_circuit_dies(oc, true);
        if (i % 10 == 0)
            world_pass(1000);
    }
    // Many at first, then few: 60 s have passed.
    assert_in_range(world.launched, 10, 80);
    assert_int_equal(world.relay.counters.pool_circuits_failed, world.launched);
    // And when the network is back, soon.
    struct app *a = open_app(443, 5);
    world_pass(31000);
    world_open_all();
    assert_non_null(a->stream);
    assert_true(world_count_streams() >= 1);
}

static void test_exits_that_refuse(void **state)
{
    (void)state;
    world_pass(5000);
    world_open_all();
    for (unsigned i = 0; i < 3; i++)
        circuit_pool_exit_refuses(world.origin.pool, world.statuses[i].rsa_id);
    circuit_pool_exit_refuses(world.origin.pool, world.statuses[0].rsa_id);
    assert_int_equal(world.origin.pool->n_refusing, 3);
    for (unsigned i = 0; i < 5; i++) {
        open_app(443, i);
        world_run();
        world_open_all();
        assert_int_equal(world_stream()->oc->exit, 3);
    }
    world_pass(POOL_REFUSING_MS);
    assert_int_equal(world.origin.pool->n_refusing, 0);
    // None is left: then they are asked again.
    for (unsigned i = 0; i < 4; i++)
        circuit_pool_exit_refuses(world.origin.pool, world.statuses[i].rsa_id);
    open_app(443, 77);
    world_run();
    world_open_all();
    assert_non_null(world_stream());
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t id[20] = {(uint8_t)i, (uint8_t)(i >> 8), 1};
        circuit_pool_exit_refuses(world.origin.pool, id);
    }
    assert_int_equal(world.origin.pool->n_refusing, POOL_REFUSING_MAX);
}

static void test_exit_is_not_listed_any_more(void **state)
{
    (void)state;
    open_app(443, 1);
    world_run();
    world_open_all();
    struct origin_circuit *oc = world_stream()->oc;
    world.nodes[oc->exit].has_keys = false;
    open_app(443, 1);
    world_run();
    assert_int_equal(oc->streams, 1);
    world_open_all();
    assert_int_equal(world_count_streams(), 2);
}

int main(void)
{
#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, open_world, close_world)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_field_isolates),
        IN_WORLD(test_streams_that_differ_never_share),
        IN_WORLD(test_one_circuit_for_those_who_may_share),
        IN_WORLD(test_many_streams),
        IN_WORLD(test_too_many_are_being_built),
        IN_WORLD(test_in_use_before_clean),
        IN_WORLD(test_ports_and_policies),
        IN_WORLD(test_long_lived_ports),
        IN_WORLD(test_ahead_of_the_first),
        IN_WORLD(test_ahead_of_others),
        IN_WORLD(test_nothing_is_foreseen_for_ever),
        IN_WORLD(test_clean_ones_are_bounded),
        IN_WORLD(test_to_learn_how_long_building_takes),
        IN_WORLD(test_onion_services),
        IN_WORLD(test_circuits_grow_old),
        IN_WORLD(test_in_use_without_streams),
        IN_WORLD(test_new_identity),
        IN_WORLD(test_for_whom_it_was_built),
        IN_WORLD(test_nothing_can_be_built),
        IN_WORLD(test_exits_that_refuse),
        IN_WORLD(test_exit_is_not_listed_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
