// SPDX-License-Identifier: BSD-3-Clause
// The link of a pure client to a relay: it learns who the relay is, and tells nothing of itself
// (protocol 1.16, 1.30, 1.36, 1.37).
#include "dir/parameters.h"
#include "nodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "link/link_netinfo.h"

static struct node client, relay;

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

// What the relay got.
static struct seen {
    uint8_t commands[16];
    unsigned n;
    struct netinfo netinfo;
    uint8_t missing; // the client does not get this one
} seen;

static enum wire_verdict look(void *user, struct connection *to, struct cell *cell)
{
    (void)user;
    if (to == client.dialled)
        return cell->info.command == seen.missing ? WIRE_DROP : WIRE_PASS;
    if (seen.n < sizeof seen.commands)
        seen.commands[seen.n++] = cell->info.command;
    if (cell->info.command == CELL_NETINFO)
        assert_int_equal(netinfo_parse(cell->body, &seen.netinfo), 0);
    return WIRE_PASS;
}

static struct outcome connect_to(const struct link_target *target)
{
    struct outcome o = {0};
    client.relay.links->failures = (struct link_failures){0};
    assert_non_null(link_get(&client.relay, target, on_ready, &o));
    wire_run();
    assert_int_equal(o.calls, 1);
    return o;
}

static struct outcome connect_client(void)
{
    struct link_target target;
    target_of(&relay, &target);
    return connect_to(&target);
}

static int set_up_nodes(void **state)
{
    (void)state;
    wire_reset();
    node_init_client(&client, 0xC0000201);
    node_init(&relay, 0xC6336402);
    client.reaches = &relay;
    return 0;
}

static int tear_down_nodes(void **state)
{
    (void)state;
    node_release(&client);
    node_release(&relay);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    wire_reset();
    seen = (struct seen){0};
    wire.tap = look;
    client.relay.counters = relay.relay.counters = (struct counters){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wire.tap = NULL;
    wire_close_all();
    assert_int_equal(link_table_count(client.relay.links), 0);
    assert_int_equal(link_table_count(relay.relay.links), 0);
    return 0;
}

static void tells_nothing_of_itself(void **state)
{
    (void)state;
    struct outcome o = connect_client();
    assert_non_null(o.link);
    assert_int_equal(o.link->state, LINK_OPEN);
    assert_true(link_peer_is(o.link, relay.identity.rsa_id, relay.identity.master.public_key));
    struct link *taken = link_of(relay.accepted);
    assert_int_equal(taken->state, LINK_OPEN);
    assert_false(link_peer_is_relay(taken));
    assert_int_equal(seen.n, 2);
    assert_int_equal(seen.commands[0], CELL_VERSIONS);
    assert_int_equal(seen.commands[1], CELL_NETINFO);
    assert_int_equal(seen.netinfo.timestamp, 0);
    assert_int_equal(seen.netinfo.n_own, 0);
    assert_true(address_same_host(&seen.netinfo.other, &relay.config.addresses[0]));
}

static void needs_no_challenge(void **state)
{
    (void)state;
    seen.missing = CELL_AUTH_CHALLENGE;
    assert_non_null(connect_client().link);
    assert_int_equal(seen.n, 2);
}

static void an_unknown_relay_may_have_any_ed_id(void **state)
{
    (void)state;
    struct link_target target;
    target_of(&relay, &target);
    target.has_ed_id = false; // an authority's is not known before (9.01)
    assert_non_null(connect_to(&target).link);
}

static void somebody_else_is_told_nothing(void **state)
{
    (void)state;
    struct link_target target;
    target_of(&relay, &target);
    target.ed_id[0] ^= 1;
    struct outcome o = connect_to(&target);
    assert_null(o.link);
    assert_int_equal(o.reason, DESTROY_OR_IDENTITY);
    assert_int_equal(seen.n, 1); // VERSIONS
    target_of(&relay, &target);
    target.rsa_id[3] ^= 1;
    o = connect_to(&target);
    assert_null(o.link);
    assert_int_equal(o.reason, DESTROY_OR_IDENTITY);
}

static void netinfo_alone_proves_nothing(void **state)
{
    (void)state;
    seen.missing = CELL_CERTS;
    struct outcome o = connect_client();
    assert_null(o.link);
    assert_int_equal(client.relay.counters.drop_link_handshake, 1);
}

static void nobody_is_let_in(void **state)
{
    (void)state;
    struct link_target target;
    struct outcome o = {0};
    target_of(&relay, &target);
    relay.reaches = &client;
    target.rsa_id[0] ^= 1; // whoever it is
    target.addresses[0] = address_ipv4(0xC0000201, 9001);
    link_get(&relay.relay, &target, on_ready, &o);
    wire_run();
    relay.reaches = NULL;
    assert_int_equal(o.calls, 1);
    assert_null(o.link);
    assert_int_equal(link_table_count(client.relay.links), 0);
}

// Directory requests alone are no reason to pad; neither is what the relay asks for.
static void is_padded_once_it_is_used(void **state)
{
    (void)state;
    static const uint8_t start[CELL_BODY_LEN] = {0, 2, 0, 10, 0, 20};
    struct outcome o = connect_client();
    assert_non_null(o.link);
    assert_int_equal(o.link->padding_next_ms, 0);
    link_padding_negotiate(o.link, start);
    assert_int_equal(o.link->padding_next_ms, 0);
    link_used_by_client(o.link);
    uint64_t now_ms = link_now_ms(client.relay.links);
    assert_in_range(o.link->padding_next_ms, now_ms + 1500, now_ms + 9500);
    assert_int_equal(o.link->padding_low_ms, 1500);
    uint64_t next_ms = o.link->padding_next_ms;
    link_used_by_client(o.link);
    assert_int_equal(o.link->padding_next_ms, next_ms);
    link_padding_run(client.relay.links, next_ms + LINK_PADDING_SLOT_MS);
    assert_int_equal(client.relay.counters.padding_sent, 1);
    // The relay pads it, too, since it is a client's.
    assert_true(link_of(relay.accepted)->padding_next_ms > 0);
}

// Relays keep links among themselves for an hour; a client's go after some minutes (1.37).
static void idle_links_go(void **state)
{
    (void)state;
    struct outcome o = connect_client();
    assert_in_range(o.link->idle_timeout_ms, 180 * 1000, 270 * 1000);
    // There is no key of ours to be changed.
    link_table_tick(client.relay.links,
                    link_now_ms(client.relay.links) + (uint64_t)4 * LINK_KEY_LIFETIME_MS);
    wire_run();
    assert_int_equal(link_table_count(client.relay.links), 0);
}

int main(void)
{
#define CLIENT_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CLIENT_TEST(tells_nothing_of_itself),
        CLIENT_TEST(needs_no_challenge),
        CLIENT_TEST(an_unknown_relay_may_have_any_ed_id),
        CLIENT_TEST(somebody_else_is_told_nothing),
        CLIENT_TEST(netinfo_alone_proves_nothing),
        CLIENT_TEST(nobody_is_let_in),
        CLIENT_TEST(is_padded_once_it_is_used),
        CLIENT_TEST(idle_links_go),
    };
    return cmocka_run_group_tests(tests, set_up_nodes, tear_down_nodes);
}
