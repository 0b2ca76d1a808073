// SPDX-License-Identifier: BSD-3-Clause
// Two relays' links back to back: the handshake completes, and every violation of section 1 of the
// protocol is refused. TLS is OpenSSL's; the connection layer is nodes.c.
#include "dir/parameters.h"
#include "netdoc/consensus.h"
#include "nodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/random.h"
#include "link/link_auth.h"

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

static struct outcome connect_nodes(void)
{
    struct outcome o = {0};
    struct link_target target;
    target_of(&b, &target);
    a.relay.links->failures = (struct link_failures){0};
    assert_non_null(link_get(&a.relay, &target, on_ready, &o));
    assert_int_equal(o.calls, 0);
    wire_run();
    assert_int_equal(o.calls, 1);
    return o;
}

static int set_up_nodes(void **state)
{
    (void)state;
    wire_reset();
    node_init(&a, 0xC0000201); // 192.0.2.1
    node_init(&b, 0xC6336402); // 198.51.100.2
    a.reaches = &b;
    return 0;
}

static int tear_down_nodes(void **state)
{
    (void)state;
    node_release(&a);
    node_release(&b);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    wire_reset();
    a.relay.counters = b.relay.counters = (struct counters){0};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    wire_close_all();
    assert_int_equal(link_table_count(a.relay.links), 0);
    assert_int_equal(link_table_count(b.relay.links), 0);
    assert_int_equal(a.relay.links->n_dialling, 0);
    assert_int_equal(b.relay.links->n_accepting, 0);
    assert_int_equal(a.relay.counters.links_open, 0);
    assert_int_equal(b.relay.counters.links_open, 0);
    return 0;
}

static void assert_open(const struct outcome *o, uint8_t version)
{
    assert_non_null(o->link);
    struct link *made = link_of(a.dialled), *taken = link_of(b.accepted);
    assert_ptr_equal(o->link, made);
    assert_int_equal(made->state, LINK_OPEN);
    assert_int_equal(taken->state, LINK_OPEN);
    assert_int_equal(made->version, version);
    assert_int_equal(taken->version, version);
    assert_true(link_peer_is_relay(made) && link_peer_is_relay(taken));
    assert_true(link_peer_is(made, b.identity.rsa_id, b.identity.master.public_key));
    assert_true(link_peer_is(taken, a.identity.rsa_id, a.identity.master.public_key));
    assert_false(link_peer_is(taken, b.identity.rsa_id, NULL));
    assert_null(made->handshake);
    assert_null(taken->handshake);
    assert_int_equal(a.relay.counters.links_made, 1);
    assert_int_equal(b.relay.counters.links_accepted, 1);
    assert_int_equal(b.relay.counters.links_open, 1);
}

static void completes(void **state)
{
    (void)state;
    struct outcome o = connect_nodes();
    assert_open(&o, 5);
    assert_true(o.link->canonical && o.link->canonical_to_peer);
    assert_ptr_equal(link_find(&a.relay, 0, a.dialled->handle), o.link);
    assert_ptr_equal(link_connection(o.link), a.dialled);
    // The next request finds it open.
    struct link_target target;
    struct outcome again = {0};
    target_of(&b, &target);
    assert_null(link_get(&a.relay, &target, on_ready, &again));
    assert_ptr_equal(again.link, o.link);
    // So does the other side, over the same link: it knows who made it.
    target_of(&a, &target);
    assert_null(link_get(&b.relay, &target, on_ready, &again));
    assert_ptr_equal(again.link, link_of(b.accepted));
}

static void completes_byte_by_byte(void **state)
{
    (void)state;
    wire.chunk = 1;
    struct outcome o = connect_nodes();
    assert_open(&o, 5);
}

static enum wire_verdict only_version_4(void *user, struct connection *to, struct cell *cell)
{
    static const uint8_t body[] = {0, 3, 0, 4};
    (void)user;
    if (cell->info.command != CELL_VERSIONS)
        return WIRE_PASS;
    wire_inject(to, CELL_VERSIONS, 0, body, sizeof body, true, true);
    return WIRE_DROP;
}

static void completes_with_version_4(void **state)
{
    (void)state;
    wire.tap = only_version_4;
    struct outcome o = connect_nodes();
    assert_open(&o, 4);
}

// What must not hinder a handshake, before every cell that is logged (1.34, 1.17, 1.12).
static enum wire_verdict with_noise(void *user, struct connection *to, struct cell *cell)
{
    static const uint8_t zeros[CELL_BODY_LEN];
    const uint8_t versions[] = {0, 9};
    unsigned *n = user;
    if (cell->info.command == CELL_AUTHENTICATE || cell->info.command == CELL_NETINFO)
        return WIRE_PASS; // the log is signed already
    wire_inject(to, CELL_VPADDING, 0, zeros, 0, true, false);
    wire_inject(to, CELL_VPADDING, 7, zeros, 300, true, false);
    wire_inject(to, CELL_AUTHORIZE, 0, zeros, 2, true, false);
    if (cell->info.command != CELL_VERSIONS) {
        wire_inject(to, CELL_VERSIONS, 0, versions, sizeof versions, true, false);
        wire_inject(to, CELL_PADDING, 0, zeros, CELL_BODY_LEN, true, false);
        wire_inject(to, 200, 5, zeros, 10, true, false);
    }
    ++*n;
    return WIRE_PASS;
}

static void tolerates_padding_and_the_unknown(void **state)
{
    (void)state;
    unsigned n = 0;
    wire.tap = with_noise;
    wire.user = &n;
    struct outcome o = connect_nodes();
    assert_open(&o, 5);
    assert_int_equal(n, 5); // VERSIONS and CERTS both ways, AUTH_CHALLENGE
}

static enum wire_verdict after_authenticate(void *user, struct connection *to, struct cell *cell)
{
    static const uint8_t zeros[CELL_BODY_LEN];
    (void)user;
    if (cell->info.command == CELL_NETINFO)
        wire_inject(to, CELL_VPADDING, 0, zeros, 100, false, false);
    return WIRE_PASS;
}

static void tolerates_padding_before_netinfo(void **state)
{
    (void)state;
    wire.tap = after_authenticate;
    struct outcome o = connect_nodes();
    assert_open(&o, 5);
}

// ---- violations

struct violation {
    const char *name;
    uint8_t before; // this cell …
    bool to_initiator;
    uint8_t inject; // … comes this, of this length
    uint32_t circid;
    size_t length;
    bool copy; // the body is that of the cell that comes
    bool instead;
};

static const struct violation violations[] = {
    {"CERTS before VERSIONS", CELL_VERSIONS, false, CELL_CERTS, 0, 1, false, false},
    {"NETINFO before VERSIONS", CELL_VERSIONS, false, CELL_NETINFO, 0, CELL_BODY_LEN, false, false},
    {"CREATE2 before VERSIONS", CELL_VERSIONS, false, CELL_CREATE2, 1, CELL_BODY_LEN, false, false},
    {"unknown before VERSIONS", CELL_VERSIONS, false, 200, 0, 4, false, false},
    {"odd VERSIONS", CELL_VERSIONS, false, CELL_VERSIONS, 0, 3, false, true},
    {"empty VERSIONS", CELL_VERSIONS, false, CELL_VERSIONS, 0, 0, false, true},
    {"no common version", CELL_VERSIONS, false, CELL_VERSIONS, 0, 2, false, true},
    {"odd VERSIONS back", CELL_VERSIONS, true, CELL_VERSIONS, 0, 3, false, true},
    {"CERTS before VERSIONS back", CELL_VERSIONS, true, CELL_CERTS, 0, 1, false, false},
    {"CREATE2 in the handshake", CELL_CERTS, false, CELL_CREATE2, 1, CELL_BODY_LEN, false, false},
    {"DESTROY in the handshake", CELL_CERTS, true, CELL_DESTROY, 1, CELL_BODY_LEN, false, false},
    {"CERTS twice", CELL_CERTS, false, CELL_CERTS, 0, 0, true, false},
    {"CERTS twice back", CELL_CERTS, true, CELL_CERTS, 0, 0, true, false},
    {"CERTS with circuit id", CELL_CERTS, false, CELL_CERTS, 1, 0, true, true},
    {"CERTS with circuit id back", CELL_CERTS, true, CELL_CERTS, 1, 0, true, true},
    {"empty CERTS", CELL_CERTS, false, CELL_CERTS, 0, 0, false, true},
    {"CERTS without certificates", CELL_CERTS, true, CELL_CERTS, 0, 1, false, true},
    {"overlong CERTS", CELL_CERTS, true, CELL_CERTS, 0, LINK_CELL_ASSEMBLED_MAX + 1, false, true},
    {"challenge before CERTS", CELL_CERTS, true, CELL_AUTH_CHALLENGE, 0, 36, false, false},
    {"NETINFO before CERTS", CELL_CERTS, true, CELL_NETINFO, 0, CELL_BODY_LEN, false, false},
    {"challenge to responder", CELL_CERTS, false, CELL_AUTH_CHALLENGE, 0, 36, false, false},
    {"AUTHENTICATE before CERTS", CELL_CERTS, false, CELL_AUTHENTICATE, 0, 356, false, false},
    {"AUTHENTICATE to initiator", CELL_AUTH_CHALLENGE, true, CELL_AUTHENTICATE, 0, 356, false,
     false},
    {"challenge with circuit id", CELL_AUTH_CHALLENGE, true, CELL_AUTH_CHALLENGE, 1, 0, true, true},
    {"challenge twice", CELL_AUTH_CHALLENGE, true, CELL_AUTH_CHALLENGE, 0, 0, true, false},
    {"challenge too short", CELL_AUTH_CHALLENGE, true, CELL_AUTH_CHALLENGE, 0, 33, false, true},
    {"AUTHENTICATE twice", CELL_AUTHENTICATE, false, CELL_AUTHENTICATE, 0, 0, true, false},
    {"AUTHENTICATE with circuit id", CELL_AUTHENTICATE, false, CELL_AUTHENTICATE, 1, 0, true, true},
    {"CERTS after AUTHENTICATE", CELL_NETINFO, false, CELL_CERTS, 0, 1, false, false},
    {"malformed NETINFO", CELL_NETINFO, false, CELL_NETINFO, 0, CELL_BODY_LEN, false, true},
    {"malformed NETINFO back", CELL_NETINFO, true, CELL_NETINFO, 0, CELL_BODY_LEN, false, true},
};

static enum wire_verdict violate(void *user, struct connection *to, struct cell *cell)
{
    const struct violation *v = user;
    static const uint8_t zeros[LINK_CELL_ASSEMBLED_MAX + 1];
    if (cell->info.command != v->before || to->dialled != v->to_initiator)
        return WIRE_PASS;
    wire_inject(to, v->inject, v->circid, v->copy ? cell->body : zeros,
                v->copy ? cell->length : v->length, true, v->instead);
    return v->instead ? WIRE_DROP : WIRE_PASS;
}

static void refuses_violations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof violations / sizeof *violations; i++) {
        const struct violation *v = &violations[i];
        wire_reset();
        set_up(NULL);
        wire.tap = violate;
        wire.user = (void *)(uintptr_t)v;
        struct outcome o = connect_nodes();
        const struct counters *c = v->to_initiator ? &a.relay.counters : &b.relay.counters;
        if (c->drop_link_handshake != 1 || wire.last_close != CONN_CLOSE_PROTOCOL)
            fail_msg("%s was not refused", v->name);
        if (v->to_initiator && (o.link || o.reason != DESTROY_CONNECTFAILED))
            fail_msg("%s: the request was not told", v->name);
        wire_close_all();
    }
}

// Each field of AUTHENTICATE, one bit flipped; then lengths and method.
static enum wire_verdict flip_authenticate(void *user, struct connection *to, struct cell *cell)
{
    const size_t *at = user;
    (void)to;
    if (cell->info.command == CELL_AUTHENTICATE)
        cell->body[*at] ^= 0x40;
    return WIRE_PASS;
}

static void refuses_a_changed_authenticate(void **state)
{
    (void)state;
    // method, length, "AUTH0003", CID, SID, CID_ED, SID_ED, SLOG, CLOG, SCERT, TLSSECRETS, RAND,
    // signature (both halves)
    static const size_t fields[] = {0,   1,   2,   3,   4,   12,  44,  76,  108, 140,
                                    172, 204, 236, 268, 291, 292, 323, 324, 355};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        set_up(NULL);
        size_t at = fields[i];
        wire.tap = flip_authenticate;
        wire.user = &at;
        connect_nodes();
        assert_int_equal(b.relay.counters.drop_link_handshake, 1);
        assert_int_equal(b.relay.counters.links_accepted, 0);
        wire_close_all();
    }
}

static enum wire_verdict flip_log(void *user, struct connection *to, struct cell *cell)
{
    static const uint8_t zeros[1];
    (void)user;
    // Padding that the peer did not send.
    if (cell->info.command == CELL_CERTS && !to->dialled)
        wire_inject(to, CELL_VPADDING, 0, zeros, 1, false, false);
    return WIRE_PASS;
}

static void notices_inserted_cells(void **state)
{
    (void)state;
    wire.tap = flip_log;
    connect_nodes();
    assert_int_equal(b.relay.counters.drop_link_handshake, 1);
}

static enum wire_verdict no_auth(void *user, struct connection *to, struct cell *cell)
{
    (void)user;
    bool is_auth = cell->info.command == CELL_CERTS || cell->info.command == CELL_AUTHENTICATE;
    return !to->dialled && is_auth ? WIRE_DROP : WIRE_PASS;
}

static void takes_a_client(void **state)
{
    (void)state;
    wire.tap = no_auth;
    struct outcome o = connect_nodes();
    assert_non_null(o.link);
    struct link *taken = link_of(b.accepted);
    assert_int_equal(taken->state, LINK_OPEN);
    assert_false(link_peer_is_relay(taken));
    assert_false(link_peer_is(taken, a.identity.rsa_id, NULL));
    // It is padded as clients are, and never used to extend.
    assert_true(taken->padding_next_ms > 0);
    struct link_target target;
    struct outcome back = {0};
    target_of(&a, &target);
    struct link_request *request = link_get(&b.relay, &target, on_ready, &back);
    assert_non_null(request);
    link_request_cancel(request);
    wire_close_all();
    assert_int_equal(back.calls, 0);
    b.relay.links->failures = (struct link_failures){0};
}

static enum wire_verdict certs_without_proof(void *user, struct connection *to, struct cell *cell)
{
    (void)user;
    return !to->dialled && cell->info.command == CELL_AUTHENTICATE ? WIRE_DROP : WIRE_PASS;
}

static void certificates_alone_prove_nothing(void **state)
{
    (void)state;
    wire.tap = certs_without_proof;
    connect_nodes();
    assert_false(link_peer_is_relay(link_of(b.accepted)));
}

static enum wire_verdict unknown_method(void *user, struct connection *to, struct cell *cell)
{
    static const uint8_t challenge[36] = {[33] = 1, [35] = 99};
    (void)user;
    if (cell->info.command != CELL_AUTH_CHALLENGE)
        return WIRE_PASS;
    wire_inject(to, CELL_AUTH_CHALLENGE, 0, challenge, sizeof challenge, false, true);
    return WIRE_DROP;
}

static void goes_on_without_a_known_method(void **state)
{
    (void)state;
    wire.tap = unknown_method;
    struct outcome o = connect_nodes();
    assert_non_null(o.link);
    assert_false(link_peer_is_relay(link_of(b.accepted)));
}

// ---- after the handshake

static void give(struct connection *c, uint8_t command, const uint8_t *body, size_t length)
{
    wire_inject(c, command, 0, body, length, false, false);
}

static void open_links_ignore_and_refuse(void **state)
{
    (void)state;
    static const uint8_t zeros[CELL_BODY_LEN];
    connect_nodes();
    struct link *link = link_of(b.accepted);
    give(b.accepted, CELL_NETINFO, zeros, CELL_BODY_LEN);
    give(b.accepted, CELL_VPADDING, zeros, 20);
    give(b.accepted, 77, zeros, CELL_BODY_LEN);
    give(b.accepted, CELL_VERSIONS, zeros, 4);
    assert_int_equal(link->state, LINK_OPEN);
    give(b.accepted, CELL_CERTS, zeros, 1);
    assert_int_equal(link->state, LINK_CLOSING);
}

static void padding_is_negotiated(void **state)
{
    (void)state;
    wire.tap = no_auth;
    connect_nodes();
    struct link *link = link_of(b.accepted);
    uint8_t body[CELL_BODY_LEN] = {0, 2, 0, 1, 0x75, 0x30};
    give(b.accepted, CELL_PADDING_NEGOTIATE, body, sizeof body);
    assert_int_equal(link->padding_low_ms, 1500); // raised
    assert_int_equal(link->padding_high_ms, 30000);
    assert_true(link->padding_next_ms > 0);
    uint64_t now_ms = link_now_ms(b.relay.links);
    link_padding_run(b.relay.links, now_ms + 1400);
    assert_int_equal(b.relay.counters.padding_sent, 0);
    link_padding_run(b.relay.links, now_ms + 30100);
    assert_int_equal(b.relay.counters.padding_sent, 1);
    body[1] = 1;
    give(b.accepted, CELL_PADDING_NEGOTIATE, body, sizeof body);
    assert_true(link->padding_next_ms == 0);
    assert_int_equal(b.relay.counters.padding_negotiated, 2);
    body[0] = 1; // version
    give(b.accepted, CELL_PADDING_NEGOTIATE, body, sizeof body);
    body[0] = 0, body[1] = 3; // command
    give(b.accepted, CELL_PADDING_NEGOTIATE, body, sizeof body);
    assert_int_equal(b.relay.counters.drop_padding_negotiate, 2);
    assert_int_equal(link->state, LINK_OPEN);
}

static struct link *take_client_with(int32_t low_ms, int32_t high_ms)
{
    struct consensus_parameter ito[] = {{.name = "nf_ito_low", .value = low_ms},
                                        {.name = "nf_ito_high", .value = high_ms}};
    const struct consensus c = {.parameters = ito, .n_parameters = 2};
    unsigned n_workers = b.relay.n_workers;
    b.relay.parameters = parameters_create(&b.relay);
    b.relay.n_workers = 0; // nobody takes messages here
    parameters_update(&b.relay, &c);
    b.relay.n_workers = n_workers;
    wire.tap = no_auth;
    connect_nodes();
    struct link *link = link_of(b.accepted);
    parameters_free(b.relay.parameters);
    b.relay.parameters = NULL;
    assert_int_equal(link->state, LINK_OPEN);
    return link;
}

static void padding_goes_by_the_consensus(void **state)
{
    (void)state;
    const struct link *link = take_client_with(6000, 7000);
    assert_int_equal(link->padding_low_ms, 6000);
    assert_int_equal(link->padding_high_ms, 7000);
    assert_true(link->padding_next_ms > 0);
}

static void padding_may_be_turned_off(void **state)
{
    (void)state;
    assert_true(take_client_with(0, 0)->padding_next_ms == 0);
}

static void keys_are_updated(void **state)
{
    (void)state;
    uint8_t update[5] = {24, 0, 0, 1, 0};
    connect_nodes();
    struct link *made = link_of(a.dialled), *taken = link_of(b.accepted);
    struct tls_keys expected;

    a.dialled->ops->tls_handshake(a.dialled, update, sizeof update);
    assert_int_equal(wire.rekey.count, 1);
    assert_int_equal(wire.rekey.handshake_length, 0);
    assert_int_equal(wire.rekey.tx.cipher, TLS_CIPHER_NONE);
    assert_int_equal(tls_secret_update(&taken->tx), 0);
    assert_int_equal(tls_keys_derive(&taken->tx, &expected), 0);
    assert_memory_equal(&wire.rekey.rx, &expected, sizeof expected);

    update[4] = 1;
    a.dialled->ops->tls_handshake(a.dialled, update, sizeof update);
    assert_int_equal(wire.rekey.count, 2);
    assert_memory_equal(wire.rekey.handshake, "\x18\x00\x00\x01\x00", 5);
    assert_int_equal(tls_secret_update(&taken->tx), 0);
    assert_int_equal(tls_keys_derive(&taken->tx, &expected), 0);
    assert_memory_equal(&wire.rekey.rx, &expected, sizeof expected);
    // Our answer, as the peer sees it.
    const struct tls_keys answered = wire.rekey.tx;
    b.accepted->ops->tls_handshake(b.accepted, wire.rekey.handshake, wire.rekey.handshake_length);
    assert_int_equal(wire.rekey.count, 3);
    assert_memory_equal(&wire.rekey.rx, &answered, sizeof answered);
    assert_int_equal(made->state, LINK_OPEN);

    // Our own wish, when much was sealed under one key.
    a.dialled->ops->tls_key_old(a.dialled);
    assert_int_equal(wire.rekey.count, 4);
    assert_memory_equal(wire.rekey.handshake, "\x18\x00\x00\x01\x00", 5);
    assert_int_equal(wire.rekey.rx.cipher, TLS_CIPHER_NONE);
    const struct tls_keys fresh = wire.rekey.tx;
    assert_memory_not_equal(fresh.key, answered.key, sizeof fresh.key);
    b.accepted->ops->tls_handshake(b.accepted, wire.rekey.handshake, wire.rekey.handshake_length);
    assert_int_equal(wire.rekey.count, 5);
    assert_memory_equal(&wire.rekey.rx, &fresh, sizeof fresh);

    update[4] = 2;
    a.dialled->ops->tls_handshake(a.dialled, update, sizeof update);
    assert_int_equal(made->state, LINK_CLOSING);
    assert_int_equal(wire.last_alert, TLS_ALERT_ILLEGAL_PARAMETER);
    assert_int_equal(wire.rekey.count, 5);
}

// Each one costs the control thread a key derivation and a message that may wait for the peer.
static void a_flood_of_key_updates_is_ended(void **state)
{
    (void)state;
    const uint8_t update[5] = {24, 0, 0, 1, 1};
    connect_nodes();
    struct link *link = link_of(b.accepted);
    for (unsigned i = 0; i < LINK_KEY_UPDATES_BURST; i++)
        b.accepted->ops->tls_handshake(b.accepted, update, sizeof update);
    assert_int_equal(link->state, LINK_OPEN);
    assert_int_equal(wire.rekey.count, LINK_KEY_UPDATES_BURST);
    // One more is allowed after a while, but not two.
    link->key_updates_until_ms -= LINK_KEY_UPDATE_EVERY_MS;
    b.accepted->ops->tls_handshake(b.accepted, update, sizeof update);
    assert_int_equal(link->state, LINK_OPEN);
    b.accepted->ops->tls_handshake(b.accepted, update, sizeof update);
    assert_int_equal(link->state, LINK_CLOSING);
    assert_int_equal(wire.last_alert, TLS_ALERT_UNEXPECTED_MESSAGE);
    assert_int_equal(wire.rekey.count, LINK_KEY_UPDATES_BURST + 1);
}

static void other_tls_messages_are_refused(void **state)
{
    (void)state;
    static const uint8_t messages[][6] = {
        {1, 0, 0, 1, 0}, {24, 0, 0, 2, 0, 0}, {24, 0, 0, 0}, {24, 0, 0, 1, 0, 0}, {0}};
    static const size_t lengths[] = {5, 6, 4, 6, 0};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        set_up(NULL);
        connect_nodes();
        a.dialled->ops->tls_handshake(a.dialled, messages[i], lengths[i]);
        assert_int_equal(wire.last_alert, TLS_ALERT_UNEXPECTED_MESSAGE);
        assert_int_equal(wire.last_close, CONN_CLOSE_TLS);
        assert_int_equal(wire.rekey.count, 0);
        wire_close_all();
    }
}

// ---- hostile bytes

// The body that an honest peer would send, to be mangled.
static size_t honest_body(uint8_t command, bool to_initiator, uint8_t *out)
{
    const struct tls_context *context = b.relay.links->context;
    size_t length = 36;
    memset(out, 0, 600);
    if (command == CELL_CERTS) {
        length = to_initiator ? context->responder_certs_length : context->initiator_certs_length;
        memcpy(out, to_initiator ? context->responder_certs : context->initiator_certs, length);
    } else if (command == CELL_AUTHENTICATE) {
        struct auth_context auth = {0};
        authenticate_build(&auth, &context->auth_key, out);
        length = AUTHENTICATE_CELL_LEN;
    } else if (command == CELL_AUTH_CHALLENGE) {
        auth_challenge_build(out);
    } else if (command == CELL_NETINFO || command == CELL_PADDING_NEGOTIATE) {
        memcpy(out, "\0\0\0\1\4\4\1\2\3\4\2\4\4\5\6\7\10\6\20", 19);
        length = CELL_BODY_LEN;
    } else if (command == CELL_VERSIONS) {
        memcpy(out, "\0\3\0\4\0\5", 6);
        length = 6;
    }
    return length;
}

static void mangle(uint8_t *body, size_t *length, bool fixed)
{
    uint8_t random[8];
    random_bytes(random, sizeof random);
    switch (random[0] % 3) {
    case 0:
        random_bytes(body, *length);
        break;
    case 1:
        for (unsigned i = 0; i < 1u + random[1] % 4 && *length > 0; i++)
            body[(random[2 + i] << 8 | random[3 + i]) % *length] ^= (uint8_t)(1u << random[i] % 8);
        break;
    default:
        break;
    }
    if (!fixed && random[0] % 3 == 2 && *length > 0)
        *length = (size_t)(random[1] << 8 | random[2]) % *length;
}

static void survives_mangled_cells(void **state)
{
    (void)state;
    static const uint8_t commands[] = {CELL_VERSIONS,     CELL_CERTS,   CELL_AUTH_CHALLENGE,
                                       CELL_AUTHENTICATE, CELL_NETINFO, CELL_PADDING_NEGOTIATE,
                                       CELL_VPADDING,     200};
    enum { ROUNDS = 200 };
    uint8_t body[CERTS_CELL_MAX + 600];
    for (size_t i = 0; i < sizeof commands; i++) {
        for (unsigned n = 0; n < ROUNDS; n++) {
            bool initiator = n & 1;
            struct connection *c = wire_bare(&a, initiator);
            struct link *link = link_of(c);
            wire.chunk = n % 7 == 0 ? 1 : 500;
            link->handshake->link_version = n & 2 ? 5 : 0;
            link->handshake->got_certs = n & 4;
            if (n % 16 == 15)
                link_opened(link);
            size_t length = honest_body(commands[i], initiator, body);
            mangle(body, &length, !cell_command_is_variable(commands[i]));
            wire_inject(c, commands[i], 0, body, length, false, false);
            if (!initiator)
                assert_false(link->authenticated);
            wire_close_all();
        }
    }
}

static void survives_mangled_tls(void **state)
{
    (void)state;
    for (unsigned n = 0; n < 200; n++) {
        uint8_t bytes[600];
        random_bytes(bytes, sizeof bytes);
        if (n & 1) { // a plausible record of handshake
            struct writer w = writer_of(bytes, sizeof bytes);
            write_u8(&w, 22);
            write_u16(&w, 0x0301);
            write_u16(&w, (uint16_t)(bytes[10] << (n % 4)));
            if (n & 2) {
                write_u8(&w, 1); // ClientHello
                write_u24(&w, bytes[11]);
                write_u16(&w, 0x0303);
            }
        }
        struct connection *c = wire_bare(&a, false);
        link_stage(link_of(c), LINK_TLS);
        wire.chunk = n % 5 == 0 ? 3 : 1400;
        wire_give_raw(c, bytes, sizeof bytes);
        assert_true(link_of(c)->state == LINK_TLS || link_of(c)->state == LINK_CLOSING);
        wire_close_all();
    }
}

int main(void)
{
#define LINK_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LINK_TEST(completes),
        LINK_TEST(completes_byte_by_byte),
        LINK_TEST(completes_with_version_4),
        LINK_TEST(tolerates_padding_and_the_unknown),
        LINK_TEST(tolerates_padding_before_netinfo),
        LINK_TEST(refuses_violations),
        LINK_TEST(refuses_a_changed_authenticate),
        LINK_TEST(notices_inserted_cells),
        LINK_TEST(takes_a_client),
        LINK_TEST(certificates_alone_prove_nothing),
        LINK_TEST(goes_on_without_a_known_method),
        LINK_TEST(open_links_ignore_and_refuse),
        LINK_TEST(padding_is_negotiated),
        LINK_TEST(padding_goes_by_the_consensus),
        LINK_TEST(padding_may_be_turned_off),
        LINK_TEST(keys_are_updated),
        LINK_TEST(a_flood_of_key_updates_is_ended),
        LINK_TEST(other_tls_messages_are_refused),
        LINK_TEST(survives_mangled_cells),
        LINK_TEST(survives_mangled_tls),
    };
    return cmocka_run_group_tests(tests, set_up_nodes, tear_down_nodes);
}
