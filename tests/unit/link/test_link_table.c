// SPDX-License-Identifier: BSD-3-Clause
// Finding and making links: joined dials, failures, identities, preference, age, limits, timeouts,
// and the rotation of the link key (protocol 1.08, 1.37–1.39, 13.46).
#include "dir/parameters.h"
#include "netdoc/consensus.h"
#include "nodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <uv.h>

#include "dir/store/store.h"
#include "dos/dos.h"

static struct node a, b;

struct outcome {
    unsigned calls;
    struct link *link;
    enum destroy_reason reason;
};

static void on_ready(void *user, struct link *link, enum destroy_reason reason)
{
    struct outcome *o = user;
    o->calls++;
    o->link = link;
    o->reason = reason;
}

static int set_up(void **state)
{
    (void)state;
    wire_reset();
    node_init(&a, 0xC0000201);
    node_init(&b, 0xC6336402);
    a.reaches = &b;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wire_close_all();
    node_release(&a);
    node_release(&b);
    return 0;
}

static struct link *connect_nodes(void)
{
    struct link_target target;
    struct outcome o = {0};
    target_of(&b, &target);
    link_get(&a.relay, &target, on_ready, &o);
    wire_run();
    assert_int_equal(o.calls, 1);
    return o.link;
}

static void dials_are_joined(void **state)
{
    (void)state;
    struct link_target target;
    struct outcome one = {0}, two = {0}, gone = {0};
    target_of(&b, &target);
    assert_non_null(link_get(&a.relay, &target, on_ready, &one));
    assert_non_null(link_get(&a.relay, &target, on_ready, &two));
    link_request_cancel(link_get(&a.relay, &target, on_ready, &gone));
    assert_int_equal(a.dials, 1);
    wire_run();
    assert_int_equal(one.calls, 1);
    assert_int_equal(two.calls, 1);
    assert_int_equal(gone.calls, 0);
    assert_non_null(one.link);
    assert_ptr_equal(one.link, two.link);
}

static void a_refused_dial_is_remembered(void **state)
{
    (void)state;
    struct link_target target;
    struct outcome o = {0};
    a.reaches = NULL;
    target_of(&b, &target);
    assert_non_null(link_get(&a.relay, &target, on_ready, &o));
    wire_run();
    assert_int_equal(o.calls, 1);
    assert_null(o.link);
    assert_int_equal(o.reason, DESTROY_CONNECTFAILED);
    // At once, without a dial …
    assert_null(link_get(&a.relay, &target, on_ready, &o));
    assert_int_equal(o.calls, 2);
    assert_int_equal(o.reason, DESTROY_CONNECTFAILED);
    assert_int_equal(a.dials, 1);
    // … unless there is another address.
    a.reaches = &b;
    target.addresses[1] = address_ipv4(0xC6336403, 9001);
    target.n_addresses = 2;
    assert_non_null(link_get(&a.relay, &target, on_ready, &o));
    wire_run();
    assert_non_null(o.link);
}

static void wrong_identities_are_refused(void **state)
{
    (void)state;
    for (int wrong_ed = 0; wrong_ed < 2; wrong_ed++) {
        struct link_target target;
        struct outcome o = {0};
        target_of(&b, &target);
        *(wrong_ed ? target.ed_id : target.rsa_id) ^= 1;
        a.relay.counters = (struct counters){0};
        a.relay.links->failures = (struct link_failures){0};
        assert_non_null(link_get(&a.relay, &target, on_ready, &o));
        wire_run();
        assert_null(o.link);
        assert_int_equal(o.reason, DESTROY_OR_IDENTITY);
        assert_int_equal(a.relay.counters.drop_link_identity, 1);
        assert_int_equal(wire.last_close, CONN_CLOSE_IDENTITY);
        assert_int_equal(link_table_count(a.relay.links), 0);
    }
}

// Whoever asks for a relay under a wrong Ed25519 id must not make it unreachable for others.
static void a_wrong_request_spoils_no_right_one(void **state)
{
    (void)state;
    for (int has_ed_id = 0; has_ed_id < 2; has_ed_id++) {
        struct link_target wrong, right;
        struct outcome o = {0};
        target_of(&b, &wrong);
        wrong.ed_id[0] ^= 1;
        link_get(&a.relay, &wrong, on_ready, &o);
        wire_run();
        assert_int_equal(o.reason, DESTROY_OR_IDENTITY);
        target_of(&b, &right);
        right.has_ed_id = has_ed_id;
        assert_non_null(link_get(&a.relay, &right, on_ready, &o));
        wire_run();
        assert_non_null(o.link);
        // The same again is still refused at once.
        unsigned dials = a.dials;
        assert_null(link_get(&a.relay, &wrong, on_ready, &o));
        assert_null(o.link);
        assert_int_equal(a.dials, dials);
        link_table_close_all(a.relay.links);
        wire_run();
        a.relay.links->failures = (struct link_failures){0};
    }
}

// 13.46: the Ed25519 id is known even if nobody asked for it.
static void an_id_not_asked_for_is_learned(void **state)
{
    (void)state;
    struct link_target target;
    struct outcome o = {0}, again = {0};
    target_of(&b, &target);
    target.has_ed_id = false;
    link_get(&a.relay, &target, on_ready, &o);
    wire_run();
    assert_non_null(o.link);
    target_of(&b, &target);
    assert_null(link_get(&a.relay, &target, on_ready, &again));
    assert_ptr_equal(again.link, o.link);
    assert_int_equal(a.dials, 1);
}

static void needs_an_address(void **state)
{
    (void)state;
    struct link_target target;
    struct outcome o = {0};
    target_of(&b, &target);
    target.n_addresses = 0;
    assert_null(link_get(&a.relay, &target, on_ready, &o));
    assert_int_equal(o.reason, DESTROY_CONNECTFAILED);
    target.n_addresses = 1;
    target.addresses[0] = (struct address){.family = ADDRESS_IPV6, .bytes = {0x20}, .port = 1};
    assert_null(link_get(&a.relay, &target, on_ready, &o));
    assert_int_equal(o.calls, 2);
    assert_int_equal(a.dials, 0);
}

static void find(struct link_target *target, struct link *expected)
{
    struct outcome o = {0};
    struct link_request *request = link_get(&a.relay, target, on_ready, &o);
    assert_ptr_equal(o.link, expected);
    if (request) {
        link_request_cancel(request);
        struct link *dialled = link_of(a.dialled);
        link_fail(dialled, CONN_CLOSE_DONE, 0, DESTROY_NONE, NULL, "test");
        wire_run();
        a.relay.links->failures = (struct link_failures){0};
    }
}

static void the_better_link_is_found(void **state)
{
    (void)state;
    struct link_target target;
    struct link *one = connect_nodes();
    one->canonical = false; // so that another is made
    target_of(&b, &target);
    target.addresses[0] = address_ipv4(0xC6336499, 9001);
    struct outcome o = {0};
    link_get(&a.relay, &target, on_ready, &o);
    wire_run();
    struct link *two = o.link;
    assert_non_null(two);
    assert_ptr_not_equal(one, two);
    two->canonical = true;
    one->canonical_to_peer = two->canonical_to_peer = false;

    target_of(&b, &target);
    find(&target, two); // the canonical one
    one->canonical = true;
    two->canonical_to_peer = true;
    find(&target, two);
    one->canonical_to_peer = true;
    one->opened_ms = 5, two->opened_ms = 4;
    find(&target, two); // the older one
    two->opened_ms = 6;
    find(&target, one);
    one->canonical = two->canonical = false;
    two->connection->remote = address_ipv4(0xC6336477, 1);
    find(&target, one); // the one with the wanted address
    one->connection->remote = address_ipv4(0xC6336477, 1);
    find(&target, NULL);
    one->canonical = true;
    find(&target, one);
    one->authenticated = false;
    find(&target, NULL);
    one->authenticated = true;
    target.ed_id[3] ^= 1;
    find(&target, NULL);
}

static void old_links_take_no_new_circuits(void **state)
{
    (void)state;
    struct link_target target;
    struct link *link = connect_nodes();
    target_of(&b, &target);
    link->opened_ms = link_now_ms(a.relay.links) - LINK_AGE_MAX_MS + 1000;
    find(&target, link);
    link->opened_ms -= 1000;
    find(&target, NULL);
    assert_int_equal(link->state, LINK_OPEN);
}

static void slow_handshakes_are_ended(void **state)
{
    (void)state;
    struct link_target target;
    struct outcome o = {0};
    target_of(&b, &target);
    link_get(&a.relay, &target, on_ready, &o);
    uint64_t now_ms = link_now_ms(a.relay.links);
    link_table_tick(a.relay.links, now_ms + LINK_STAGE_TIMEOUT_MS - 1);
    assert_int_equal(o.calls, 0);
    link_table_tick(a.relay.links, now_ms + LINK_STAGE_TIMEOUT_MS);
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.reason, DESTROY_CONNECTFAILED);
    assert_int_equal(a.relay.counters.drop_link_timeout, 1);
    wire_run();
    assert_int_equal(link_table_count(a.relay.links), 0);

    wire_bare(&b, false); // a peer that says nothing
    link_table_tick(b.relay.links, now_ms + LINK_STAGE_TIMEOUT_MS + 100);
    wire_run();
    assert_int_equal(b.relay.counters.drop_link_timeout, 1);
    assert_int_equal(link_table_count(b.relay.links), 0);
}

// 1.37: nf_conntimeout_relays, and a quarter more or less.
static void idle_time_is_the_consensuss(void **state)
{
    (void)state;
    struct consensus_parameter p = {.name = "nf_conntimeout_relays", .value = 100};
    const struct consensus c = {.parameters = &p, .n_parameters = 1};
    unsigned n_workers = a.relay.n_workers;
    a.relay.parameters = parameters_create(&a.relay);
    a.relay.n_workers = 0; // nobody takes messages here
    parameters_update(&a.relay, &c);
    a.relay.n_workers = n_workers;
    assert_in_range(connect_nodes()->idle_timeout_ms, 75 * 1000, 125 * 1000);
    parameters_free(a.relay.parameters);
    a.relay.parameters = NULL;
}

static void idle_links_are_closed(void **state)
{
    (void)state;
    struct link *link = connect_nodes();
    struct handle handle = a.dialled->handle;
    uint64_t later = link_now_ms(a.relay.links) + 4501 * 1000;
    assert_in_range(link->idle_timeout_ms, 2700 * 1000, 4500 * 1000);
    link_note_circuit(&a.relay, 0, handle, 1);
    link_table_tick(a.relay.links, later);
    assert_int_equal(link->state, LINK_OPEN);
    link_note_circuit(&a.relay, 0, handle, -1);
    link_table_tick(a.relay.links, later - 2000 * 1000);
    assert_int_equal(link->state, LINK_OPEN);
    link_table_tick(a.relay.links, later);
    assert_int_equal(link->state, LINK_CLOSING);
    assert_int_equal(wire.last_close, CONN_CLOSE_DONE);
    wire_run();
    link_note_circuit(&a.relay, 0, handle, -1); // of a link that is gone
}

// Peers that connect and say nothing must not keep others out: the one that has taken longest goes.
static void unfinished_links_are_bounded(void **state)
{
    (void)state;
    struct connection *silent[5];
    a.relay.links->max_unfinished = 3;
    for (unsigned i = 0; i < 5; i++)
        silent[i] = wire_bare(&a, false);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(link_of(silent[i])->state, i < 2 ? LINK_CLOSING : LINK_CELLS);
    assert_int_equal(wire.last_close, CONN_CLOSE_LIMIT);
    assert_int_equal(a.relay.counters.drop_link_limit, 2);
    wire_run();
    assert_int_equal(link_table_count(a.relay.links), 3);
    assert_int_equal(a.relay.links->n_accepting, 3);
    // We may still dial, but not more than so many.
    struct link_target target;
    struct outcome o = {0};
    target_of(&b, &target);
    for (uint8_t i = 0; i < 3; i++) {
        target.rsa_id[0] = i;
        link_request_cancel(link_get(&a.relay, &target, on_ready, &o));
    }
    target.rsa_id[0] = 3;
    assert_null(link_get(&a.relay, &target, on_ready, &o));
    assert_int_equal(o.calls, 1);
    assert_int_equal(o.reason, DESTROY_RESOURCELIMIT);
}

static void links_are_bounded(void **state)
{
    (void)state;
    struct connection *c = wire_bare(&b, false);
    struct connection fresh = {.relay = &a.relay, .standing = true, .remote = c->remote};
    struct { // connection_close looks behind it
        struct connection c;
        uint8_t room[1024];
    } accepted = {.c = fresh};
    a.relay.links->max_links = 2;
    for (unsigned i = 0; i < 2; i++)
        wire_bare(&a, false);
    link_accept(&a.relay, &accepted.c);
    assert_true(accepted.c.closing);
    assert_null(accepted.c.user);
    assert_int_equal(a.relay.counters.drop_link_limit, 1);
    assert_int_equal(link_table_count(a.relay.links), 2);
}

// A network that lists nobody.
static bool has_consensus;

const struct stored_consensus *store_consensus(const struct directory_store *store,
                                               enum consensus_flavour flavour, unsigned index)
{
    static const struct consensus empty;
    static const struct stored_consensus stored = {.parsed = &empty};
    (void)store, (void)flavour, (void)index;
    return has_consensus ? &stored : NULL;
}

// 5.10, 5.13: one address, two peers with identities of their own making.
static void an_address_has_its_share(void **state)
{
    (void)state;
    static char store;
    for (int listed = 0; listed < 2; listed++) {
        struct node c = {0};
        struct link_target target;
        struct outcome o = {0};
        has_consensus = !listed;
        node_init(&c, 0xC0000201); // a's
        c.reaches = &b;
        b.relay.uptime_s = 1;
        b.relay.store = (struct directory_store *)&store;
        b.config.dos.connections = CONFIG_DOS_ON;
        b.config.dos.connections_max = 1;
        b.relay.dos = dos_create(&b.relay);
        assert_non_null(connect_nodes());
        target_of(&b, &target);
        link_get(&c.relay, &target, on_ready, &o);
        wire_run();
        assert_int_equal(o.calls, 1);
        assert_int_equal(o.link != NULL, listed);
        assert_int_equal(b.relay.counters.drop_dos_connection, !listed);
        // When they are gone there is room again.
        struct address address = address_ipv4(0xC0000201, 1);
        assert_int_equal(dos_may_connect(&b.relay, &address), listed);
        wire_close_all();
        assert_true(dos_may_connect(&b.relay, &address));
        dos_free(b.relay.dos);
        b.relay.dos = NULL;
        b.relay.counters.drop_dos_connection = 0;
        node_release(&c);
    }
    has_consensus = false;
}

static void stopping_refuses(void **state)
{
    (void)state;
    struct link *link = connect_nodes();
    struct link_target target;
    struct outcome o = {0};
    target_of(&b, &target);
    target.rsa_id[0] ^= 1;
    a.relay.stopping = true;
    assert_null(link_get(&a.relay, &target, on_ready, &o));
    assert_int_equal(o.reason, DESTROY_HIBERNATING);
    link_table_close_all(a.relay.links);
    assert_int_equal(link->state, LINK_CLOSING);
    assert_int_equal(wire.last_close, CONN_CLOSE_DONE);
    wire_run();
    assert_int_equal(link_table_count(a.relay.links), 0);
    assert_int_equal(a.relay.counters.links_open, 0);
}

struct chain {
    struct link_request *other;
    unsigned calls;
    struct outcome nested;
};

// What the header allows inside an answer: cancel another request, ask again, close the link.
static void on_ready_busy(void *user, struct link *link, enum destroy_reason reason)
{
    struct chain *chain = user;
    struct link_target target;
    (void)reason;
    chain->calls++;
    if (chain->other)
        link_request_cancel(chain->other);
    chain->other = NULL;
    target_of(&b, &target);
    link_get(&a.relay, &target, on_ready, &chain->nested);
    if (link)
        connection_close(link_connection(link), CONN_CLOSE_DONE, 0);
}

static void answers_may_do_anything(void **state)
{
    (void)state;
    for (int reachable = 0; reachable < 2; reachable++) {
        struct link_target target;
        struct chain chain = {0};
        struct outcome cancelled = {0}, third = {0};
        target_of(&b, &target);
        a.reaches = reachable ? &b : NULL;
        a.relay.links->failures = (struct link_failures){0};
        link_get(&a.relay, &target, on_ready, &third);
        chain.other = link_get(&a.relay, &target, on_ready, &cancelled);
        link_get(&a.relay, &target, on_ready_busy, &chain);
        wire_run();
        assert_int_equal(chain.calls, 1);
        assert_int_equal(chain.nested.calls, 1);
        assert_int_equal(cancelled.calls, 0);
        assert_int_equal(third.calls, 1);
    }
}

static void requests_end_with_the_table(void **state)
{
    (void)state;
    struct link_target target;
    struct outcome o = {0};
    target_of(&b, &target);
    link_get(&a.relay, &target, on_ready, &o);
    link_table_free(a.relay.links);
    a.dialled->ops = NULL; // no callbacks after that
    a.relay.links = NULL;
    wire_run();
    assert_int_equal(o.calls, 0);
}

static void the_link_key_rotates(void **state)
{
    (void)state;
    struct link_table *t = b.relay.links;
    struct tls_context *first = t->context;
    uint8_t first_cert[32];
    memcpy(first_cert, first->link_cert_sha256, 32);
    connect_nodes();
    uint64_t now_ms = link_now_ms(t);
    link_table_tick(t, now_ms + LINK_KEY_LIFETIME_MS - 1);
    assert_null(t->key_job);
    struct connection *held = wire_bare(&b, false); // begins before the rotation
    link_table_tick(t, now_ms + LINK_KEY_LIFETIME_MS);
    assert_non_null(t->key_job);
    for (int i = 0; i < 2000 && t->key_job; i++)
        uv_run(uv_default_loop(), UV_RUN_ONCE);
    assert_null(t->key_job);
    assert_memory_not_equal(t->context->link_cert_sha256, first_cert, 32);
    // It presents what it began with (1.08).
    assert_ptr_equal(link_of(held)->handshake->context, first);
    assert_int_equal(first->references, 1);

    // A new signing key needs new certificates at once.
    b.identity.generation++;
    link_table_tick(t, link_now_ms(t));
    assert_non_null(t->key_job);
    // The table may go before the helper is done: tear_down.
}

int main(void)
{
#define TABLE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TABLE_TEST(dials_are_joined),
        TABLE_TEST(a_refused_dial_is_remembered),
        TABLE_TEST(wrong_identities_are_refused),
        TABLE_TEST(a_wrong_request_spoils_no_right_one),
        TABLE_TEST(an_id_not_asked_for_is_learned),
        TABLE_TEST(needs_an_address),
        TABLE_TEST(the_better_link_is_found),
        TABLE_TEST(old_links_take_no_new_circuits),
        TABLE_TEST(slow_handshakes_are_ended),
        TABLE_TEST(idle_links_are_closed),
        TABLE_TEST(idle_time_is_the_consensuss),
        TABLE_TEST(unfinished_links_are_bounded),
        TABLE_TEST(links_are_bounded),
        TABLE_TEST(an_address_has_its_share),
        TABLE_TEST(stopping_refuses),
        TABLE_TEST(answers_may_do_anything),
        TABLE_TEST(requests_end_with_the_table),
        TABLE_TEST(the_link_key_rotates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
