// SPDX-License-Identifier: BSD-3-Clause
// Circuits that begin here, over several hops: the handshakes with each against the server's side,
// what a hop may say and when, and how circuits end.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cursor.h"
#include "circuit/circuit_internal.h"
#include "circuit/own_circuit.h"
#include "circuit/own_handshake.h"
#include "crypto/cgo.h"
#include "crypto/ntor.h"
#include "crypto/ntor_v3.h"
#include "crypto/random.h"
#include "crypto/tor1.h"
#include "journey.h"
#include "stream/stream.h"

// ---- handshakes

static void check_last_hop(struct journey *j)
{
    const struct circuit *c = j->circuit;
    enum relay_kind kind = j->fars[j->n - 1].kind;
    assert_int_equal(j->opened, 1);
    assert_int_equal(c->congestion_control, kind != PLAIN);
    assert_int_equal(c->sendme_inc_cells, kind != PLAIN ? 31 : 100);
    assert_int_equal(c->crypto_kind, kind == CGO ? CIRCUIT_CRYPTO_CGO : CIRCUIT_CRYPTO_TOR1);
    assert_memory_equal(c->nonce, j->answer.nonce, sizeof(c->nonce));
    assert_int_equal(j->desk->relay.counters.own_circuits_made, 1);
}

// 2.24: what is asked of which hop.
static void build_mix(unsigned n, const enum relay_kind *kinds)
{
    struct journey *j = journey_plan(n, kinds);
    journey_begin(j);
    for (unsigned i = 0; i < n; i++) {
        bool last = i + 1 == n;
        bool v3 = kinds[i] == CGO || (last && kinds[i] == CC);
        journey_take_request(j, i);
        assert_int_equal(j->handshake, v3 ? HANDSHAKE_NTOR_V3 : HANDSHAKE_NTOR);
        assert_int_equal(j->answer.params.congestion_control, last && kinds[i] != PLAIN);
        assert_int_equal(j->answer.params.cgo, last && kinds[i] == CGO);
        assert_int_equal(j->opened, 0);
        journey_tell_answer(j, i);
        journey_expect_hop(j);
    }
    check_last_hop(j);
    own_circuit_close(j->circuit, DESTROY_FINISHED);
    journey_expect_closed(j, DESTROY_FINISHED, false);
    journey_end(j);
}

static void test_every_mix(void **state)
{
    (void)state;
    enum relay_kind kinds[4];
    for (unsigned n = 3; n <= 4; n++)
        for (unsigned mix = 0; mix < (n == 3 ? 27 : 81); mix++) {
            for (unsigned i = 0, rest = mix; i < n; i++, rest /= KINDS)
                kinds[i] = (enum relay_kind)(rest % KINDS);
            build_mix(n, kinds);
        }
}

static void test_what_is_asked(void **state)
{
    (void)state;
    const struct circuit_params all = {true, 31, true}, none = {false, 31, true};
    struct own_circuit_hop hop = {.has_ntor_key = true, .congestion_control = true, .cgo = true};
    hop.ntor_v3 = hop.target.has_ed_id = true;
    struct circuit_params ask = own_handshake_ask(&hop, true, &all);
    assert_true(ask.congestion_control && ask.cgo && ask.sendme_inc_cells == 31);
    ask = own_handshake_ask(&hop, false, &all);
    assert_false(ask.congestion_control || ask.cgo);
    ask = own_handshake_ask(&hop, true, &none); // not in this network: no CGO either (2.23)
    assert_false(ask.congestion_control || ask.cgo);
    hop.congestion_control = false;
    ask = own_handshake_ask(&hop, true, &all);
    assert_false(ask.congestion_control || ask.cgo);
    hop.congestion_control = true;
    hop.target.has_ed_id = false; // what ntor-v3 knows relays by
    ask = own_handshake_ask(&hop, true, &all);
    assert_false(ask.congestion_control || ask.cgo);
}

// 2.32
static void test_specifiers(void **state)
{
    (void)state;
    struct journey *j = journey_plan(2, NULL);
    const struct link_target *t = &j->path.hops[1].target;
    for (unsigned i = 0; i < 4; i++) {
        bool ed_id = i & 1, ipv6 = i & 2;
        uint8_t body[RELAY_BODY_MAX];
        struct writer w = writer_of(body, sizeof(body));
        extend_write_target(t, ed_id, ipv6, &w);
        assert_false(w.failed);
        struct reader r = reader_of(body, writer_length(&w));
        assert_int_equal(read_u8(&r), 2 + ed_id + ipv6);
        assert_int_equal(read_u16(&r), 0x0006);
        read_sub(&r, 6);
        assert_int_equal(read_u16(&r), 0x0214);
        read_sub(&r, 20);
        if (ed_id)
            assert_int_equal(read_u16(&r), 0x0320);
        read_sub(&r, ed_id ? 32 : 0);
        if (ipv6)
            assert_int_equal(read_u16(&r), 0x0112);
        read_sub(&r, ipv6 ? 18 : 0);
        assert_true(reader_done(&r));
    }
    journey_end(j);
}

static void test_wrong_auth(void **state)
{
    (void)state;
    static const enum relay_kind kinds[3] = {CGO, PLAIN, CGO};
    for (unsigned i = 0; i < 3; i++) {
        struct journey *j = journey_plan(3, kinds);
        journey_build_to(j, i);
        journey_take_request(j, i);
        j->answer.body[2 + 32] ^= 1; // the first byte of AUTH
        journey_tell_answer(j, i);
        journey_expect_closed(j, DESTROY_PROTOCOL, false);
        assert_int_equal(j->built, i);
        assert_int_equal(j->opened, 0);
        assert_int_equal(j->desk->relay.counters.own_circuits_failed, 1);
        journey_end(j);
    }
}

// 2.20
static void test_increment(void **state)
{
    (void)state;
    static const enum relay_kind kinds[3] = {PLAIN, PLAIN, CGO};
    for (unsigned increment = 29; increment <= 33; increment++) {
        struct journey *j = journey_plan(3, kinds);
        journey_build_to(j, 2);
        j->fars[2].offer.sendme_inc_cells = (uint8_t)increment;
        journey_take_request(j, 2);
        journey_tell_answer(j, 2);
        if (increment < 30 || increment > 32) {
            journey_expect_closed(j, DESTROY_PROTOCOL, false);
        } else {
            journey_expect_hop(j);
            assert_int_equal(j->circuit->sendme_inc_cells, increment);
        }
        journey_end(j);
    }
}

// It answers to what was not asked: congestion control of a hop that is not the last.
static void test_unasked_grant(void **state)
{
    (void)state;
    static const enum relay_kind kinds[3] = {CGO, CGO, CGO};
    static const uint8_t grant[4] = {1, 2, 1, 31}, none[1] = {0};
    for (unsigned i = 0; i < 2; i++) {
        struct journey *j = journey_plan(3, kinds);
        struct ntor_v3_server server;
        struct extend_request request;
        uint8_t asked[64], keys[92], reply[CELL_BODY_LEN] = {0};
        journey_build_to(j, 1);
        struct message *m = desk_expect(j->desk, MSG_CIRCUIT_ORIGINATE);
        assert_true(extend_parse(m->payload, m->length, &request));
        channel_free(m);
        assert_int_equal(ntor_v3_server_open(&server, &j->fars[1].keys, NTOR_V3_CIRCUIT,
                                             NTOR_V3_CIRCUIT_LEN, request.create2 + 4,
                                             request.create2_length - 4u, asked, sizeof(asked)),
                         1); // nothing: one byte that says so (2.18)
        assert_int_equal(asked[0], 0);
        int length =
            ntor_v3_server_reply(&server, NTOR_V3_CIRCUIT, NTOR_V3_CIRCUIT_LEN, i ? grant : none,
                                 i ? 4 : 1, reply + 2, 400, keys, sizeof(keys));
        assert_in_range(length, 1, 255);
        reply[1] = (uint8_t)length;
        desk_tell_relay_from(j->desk, 1, j->end, 1, RELAY_EXTENDED2, 0, reply, 2 + (size_t)length);
        if (i)
            journey_expect_closed(j, DESTROY_PROTOCOL, false);
        else
            channel_free(desk_expect(j->desk, MSG_CIRCUIT_ADD_HOP));
        ntor_v3_server_wipe(&server);
        journey_end(j);
    }
}

// ---- EXTENDED2 that is not due

static void test_extended_from_another_hop(void **state)
{
    (void)state;
    for (unsigned hop = 0; hop <= 4; hop++) {
        if (hop == 2)
            continue;
        struct journey *j = journey_plan(4, NULL);
        journey_build_to(j, 2);
        journey_take_request(j, 2);
        desk_tell_relay_from(j->desk, 1, j->end, hop, RELAY_EXTENDED2, 0, j->answer.body,
                             j->answer.body_length);
        journey_expect_closed(j, DESTROY_PROTOCOL, false);
        journey_end(j);
    }
}

static void test_extended_twice(void **state)
{
    (void)state;
    for (unsigned last = 2; last <= 3; last++) { // while another is due, and when none is
        struct journey *j = journey_plan(3, NULL);
        journey_build_to(j, last);
        if (last < 3)
            channel_free(desk_expect(j->desk, MSG_CIRCUIT_ORIGINATE));
        desk_tell_relay_from(j->desk, 1, j->end, last - 1, RELAY_EXTENDED2, 0, j->answer.body,
                             j->answer.body_length);
        journey_expect_closed(j, DESTROY_PROTOCOL, false);
        journey_end(j);
    }
}

static void test_malformed_extended(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct journey *j = journey_plan(3, NULL);
        journey_build_to(j, 1);
        journey_take_request(j, 1);
        uint16_t length = j->answer.body_length;
        if (i == 0)
            length = 0;
        else if (i == 1)
            length--;
        else if (i == 2)
            j->answer.body[1]--; // shorter than ntor's
        desk_tell_relay_from(j->desk, 1, j->end, 1, RELAY_EXTENDED2, i == 3, j->answer.body,
                             length);
        journey_expect_closed(j, DESTROY_PROTOCOL, false);
        journey_end(j);
    }
}

static void test_created_is_not_extended(void **state)
{
    (void)state;
    struct journey *j = journey_plan(3, NULL);
    journey_build_to(j, 1);
    journey_take_request(j, 1);
    // The worker lets no second one through; if it did, nobody would look at it.
    desk_tell_created(j->desk, 1, j->end, j->cookie, CELL_CREATED2, j->answer.body,
                      j->answer.body_length);
    desk_expect_nothing(j->desk);
    assert_int_equal(j->built, 1);
    journey_end(j);
}

// ---- what else hops say

static void test_messages_of_streams(void **state)
{
    (void)state;
    static const uint8_t commands[] = {RELAY_DATA,   RELAY_END,  RELAY_CONNECTED, RELAY_RESOLVED,
                                       RELAY_SENDME, RELAY_XOFF, RELAY_XON};
    for (unsigned i = 0; i < sizeof(commands); i++)
        for (unsigned hop = 1; hop <= 3; hop++) {
            bool building = hop == 3; // then even the last one has none
            struct journey *j = journey_plan(3 + building, NULL);
            journey_build_to(j, 3);
            if (building)
                channel_free(desk_expect(j->desk, MSG_CIRCUIT_ORIGINATE));
            desk_tell_relay_from(j->desk, 1, j->end, hop, commands[i], 1, "\1\0\0\0\0", 5);
            journey_expect_closed(j, DESTROY_PROTOCOL, false);
            journey_end(j);
        }
}

static void test_other_messages(void **state)
{
    (void)state;
    for (unsigned refuses = 0; refuses < 2; refuses++) {
        struct journey *j = journey_open(3);
        j->refuses = refuses;
        desk_tell_relay_from(j->desk, 1, j->end, 2, RELAY_DROP, 0, "", 0);
        desk_tell_relay_from(j->desk, 1, j->end, 3, RELAY_INTRODUCE_ACK, 0, "\0\0\0", 3);
        assert_int_equal(j->messages, 2);
        if (refuses)
            journey_expect_closed(j, DESTROY_PROTOCOL, false);
        desk_expect_nothing(j->desk);
        journey_end(j);
    }
}

static void test_relay_early_comes_back(void **state)
{
    (void)state;
    struct journey *j = journey_open(3);
    struct message *m = desk_up(j->desk, 1, MSG_CIRCUIT_RELAY);
    m->circuit = j->end;
    m->command = CELL_RELAY_EARLY;
    m->relay.command = RELAY_DROP;
    m->relay.hop = 3;
    desk_tell(j->desk, m);
    journey_expect_closed(j, DESTROY_PROTOCOL, false);
    journey_end(j);
}

// 2.37
static void test_truncated(void **state)
{
    (void)state;
    static const uint8_t bodies[] = {DESTROY_CONNECTFAILED, DESTROY_NOSUCHSERVICE, 13};
    for (unsigned hop = 1; hop <= 2; hop++)
        for (unsigned i = 0; i < 4; i++) {
            struct journey *j = journey_plan(3, NULL);
            journey_build_to(j, 2);
            channel_free(desk_expect(j->desk, MSG_CIRCUIT_ORIGINATE));
            desk_tell_relay_from(j->desk, 1, j->end, hop, RELAY_TRUNCATED, 0, bodies + i, i < 3);
            if (i == 3) // 13.19
                journey_expect_closed(j, DESTROY_PROTOCOL, false);
            else
                journey_expect_closed(j, i < 2 ? (enum destroy_reason)bodies[i] : DESTROY_NONE,
                                      true);
            journey_end(j);
        }
}

static void test_destroyed(void **state)
{
    (void)state;
    for (unsigned by_peer = 0; by_peer < 2; by_peer++) {
        struct journey *j = journey_open(3);
        desk_tell_closed(j->desk, 1, j->end, j->cookie, DESTROY_RESOURCELIMIT, by_peer);
        desk_expect_nothing(j->desk);
        desk_turn(j->desk);
        assert_int_equal(j->closed, 1);
        assert_int_equal(j->reason, DESTROY_RESOURCELIMIT);
        assert_int_equal(j->by_network, by_peer);
        journey_end(j);
    }
}

// ---- RELAY_EARLY (2.26)

static void test_relay_early(void **state)
{
    (void)state;
    unsigned budgets[9] = {0};
    for (unsigned i = 0; i < 40; i++) {
        struct journey *j = journey_open(3);
        assert_int_equal(j->early, 2);
        for (unsigned n = 0; n < 12; n++) {
            own_circuit_send(j->circuit, n % 3 + 1, RELAY_DROP, "abc", 3);
            struct message *m = desk_expect(j->desk, MSG_CIRCUIT_ORIGINATE);
            assert_int_equal(m->relay.hop, n % 3 + 1);
            assert_int_equal(m->relay.command, RELAY_DROP);
            assert_memory_equal(m->payload, "abc", 3);
            assert_true(m->command == 0 || (m->relay.hop > 1 && m->command == CELL_RELAY_EARLY));
            assert_false(m->command == 0 && m->relay.hop > 1 && j->early < 7);
            j->early += m->command != 0;
            channel_free(m);
        }
        assert_in_range(j->early, 7, 8);
        budgets[j->early]++;
        assert_false(own_circuit_extend(j->circuit, &j->path.hops[1])); // none is left for that
        desk_expect_nothing(j->desk);
        journey_end(j);
    }
    assert_true(budgets[7] > 0 && budgets[8] > 0);
}

// Streams' messages are the last hop's, and spend of the same.
static int produce(struct stream *s, uint8_t *out, size_t capacity)
{
    (void)s, (void)out, (void)capacity;
    return 0;
}

static void stream_closed(struct stream *s, enum end_reason reason)
{
    (void)s, (void)reason;
}

static void test_stream(void **state)
{
    (void)state;
    static const struct stream_ops stream_ops = {.produce = produce, .closed = stream_closed};
    struct journey *j = journey_open(3);
    assert_non_null(stream_begin(j->circuit, RELAY_BEGIN, "a:1", 4, &stream_ops, NULL));
    struct message *m = desk_expect(j->desk, MSG_CIRCUIT_ORIGINATE);
    assert_int_equal(m->relay.command, RELAY_BEGIN);
    assert_int_equal(m->relay.hop, 3);
    assert_int_equal(m->command, CELL_RELAY_EARLY);
    channel_free(m);
    assert_false(own_circuit_extend(j->circuit, &j->path.hops[1]));
    desk_tell_relay_from(j->desk, 1, j->end, 3, RELAY_END, 1, "\1", 1);
    desk_turn(j->desk);
    desk_expect_nothing(j->desk);
    assert_int_equal(j->closed, 0);
    journey_end(j);
}

static void test_eight_hops(void **state)
{
    (void)state;
    struct journey *j = journey_open(OWN_CIRCUIT_HOPS_MAX);
    assert_int_equal(j->early, 7);
    assert_true(j->desk->links[FAR].used_by_client); // 1.36
    assert_false(own_circuit_extend(j->circuit, &j->path.hops[1]));
    journey_end(j);
}

// ---- its user

static void test_extend(void **state)
{
    (void)state;
    static const enum relay_kind kinds[3] = {PLAIN, PLAIN, CGO};
    struct journey *j = journey_plan(3, kinds);
    journey_build_to(j, 2);
    assert_false(own_circuit_extend(j->circuit, &j->path.hops[1])); // not yet
    journey_build_hop(j, 2);
    assert_true(j->circuit->congestion_control);
    journey_make_far(j, 3, PLAIN);
    j->n = 4;
    j->inside = true;
    assert_true(own_circuit_extend(j->circuit, &j->path.hops[3]));
    j->inside = false;
    assert_int_equal(own_circuit_path(j->circuit)->n_hops, 4);
    assert_false(own_circuit_extend(j->circuit, &j->path.hops[3]));
    journey_take_request(j, 3);
    journey_tell_answer(j, 3);
    journey_expect_hop(j);
    assert_int_equal(j->opened, 2);
    assert_false(j->circuit->congestion_control);
    assert_int_equal(j->circuit->sendme_inc_cells, 100);
    assert_int_equal(j->circuit->crypto_kind, CIRCUIT_CRYPTO_TOR1);
    assert_int_equal(j->desk->relay.counters.own_circuits_made, 1);
    own_circuit_send(j->circuit, 5, RELAY_DROP, "", 0); // there is none
    desk_expect_nothing(j->desk);
    journey_end(j);
}

static void test_closed_by_user(void **state)
{
    (void)state;
    for (unsigned hops = 0; hops <= 3; hops++) {
        struct journey *j = journey_plan(3, NULL);
        journey_build_to(j, hops);
        if (hops == 0)
            journey_take_request(j, 0);
        else if (hops < 3)
            channel_free(desk_expect(j->desk, MSG_CIRCUIT_ORIGINATE));
        j->inside = true;
        own_circuit_close(j->circuit, DESTROY_REQUESTED);
        own_circuit_close(j->circuit, DESTROY_FINISHED);
        own_circuit_send(j->circuit, 1, RELAY_DROP, "", 0);
        assert_false(own_circuit_extend(j->circuit, &j->path.hops[1]));
        j->inside = false;
        // What comes late finds nobody.
        journey_tell_answer(j, hops);
        desk_tell_relay_from(j->desk, 1, j->end, 1, RELAY_DATA, 1, "", 0);
        desk_tell_closed(j->desk, 1, j->end, j->cookie, DESTROY_FINISHED, true);
        journey_expect_closed(j, DESTROY_REQUESTED, false);
        assert_int_equal(j->built, hops);
        journey_end(j);
    }
}

static void test_closed_from_inside(void **state)
{
    (void)state;
    for (unsigned hops = 1; hops <= 3; hops++) {
        struct journey *j = journey_plan(3, NULL);
        j->close_when_built = hops;
        journey_build_to(j, hops);
        journey_expect_closed(j, DESTROY_FINISHED, false);
        assert_int_equal(j->opened, 0);
        journey_end(j);
    }
}

static void test_closed_before_it_began(void **state)
{
    (void)state;
    struct journey *j = journey_plan(3, NULL);
    j->circuit = own_circuit_build(&j->desk->relay, &j->path, &journey_ops, j);
    own_circuit_close(j->circuit, DESTROY_REQUESTED);
    desk_turn(j->desk);
    assert_int_equal(j->closed, 1);
    desk_expect_nothing(j->desk);
    journey_end(j);
}

// The end that was asked for stands when nobody wants it any more.
static void test_closed_before_it_was_dialled(void **state)
{
    (void)state;
    struct journey *j = journey_plan(3, NULL);
    journey_begin(j);
    struct message *m = desk_expect(j->desk, MSG_CIRCUIT_DIAL);
    struct message *dialled = desk_up(j->desk, 1, MSG_CIRCUIT_DIALLED);
    j->end = dialled->circuit = desk_new_end(j->desk);
    dialled->cookie = m->cookie;
    channel_free(m);
    own_circuit_close(j->circuit, DESTROY_TIMEOUT);
    desk_expect_nothing(j->desk);
    desk_tell(j->desk, dialled);
    desk_expect_close(j->desk, 1, j->end, DESTROY_NONE); // 2.37
    desk_turn(j->desk);
    assert_int_equal(j->reason, DESTROY_TIMEOUT);
    journey_end(j);
}

static void test_no_link(void **state)
{
    (void)state;
    for (unsigned later = 0; later < 2; later++) {
        struct journey *j = journey_plan(3, NULL);
        j->desk->links[FAR].open = false;
        j->desk->no_dial = later ? DESTROY_NONE : DESTROY_CONNECTFAILED;
        journey_begin(j);
        if (later)
            desk_answer(j->desk, NULL, DESTROY_CONNECTFAILED);
        desk_turn(j->desk);
        assert_int_equal(j->closed, 1);
        assert_int_equal(j->reason, DESTROY_CONNECTFAILED);
        assert_false(j->by_network);
        journey_end(j);
    }
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct journey *j = journey_plan(3, NULL);
    journey_build_to(j, 2);
    journey_take_request(j, 2);
    own_circuit_set_user(j->circuit, NULL, NULL);
    journey_tell_answer(j, 2);
    journey_expect_hop(j);
    own_circuit_close(j->circuit, DESTROY_REQUESTED);
    desk_turn(j->desk);
    j->circuit = NULL; // so nobody was told
    journey_end(j);
}

static void test_paths_that_cannot_be(void **state)
{
    (void)state;
    struct journey *j = journey_plan(3, NULL);
    struct relay *relay = &j->desk->relay;
    struct own_circuit_path path = j->path;
    path.n_hops = 0;
    assert_null(own_circuit_build(relay, &path, &journey_ops, j));
    path.n_hops = OWN_CIRCUIT_HOPS_MAX + 1;
    assert_null(own_circuit_build(relay, &path, &journey_ops, j));
    path = j->path;
    path.hops[0].has_ntor_key = false; // CREATE_FAST is for one hop only
    assert_null(own_circuit_build(relay, &path, &journey_ops, j));
    path = j->path;
    path.hops[2].target.n_addresses = 0;
    assert_null(own_circuit_build(relay, &path, &journey_ops, j));
    path = j->path;
    memset(path.hops[1].target.rsa_id, 0, 20);
    assert_null(own_circuit_build(relay, &path, &journey_ops, j));
    assert_int_equal(circuit_table_count(relay->circuits), 0);
    journey_end(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_mix),
        cmocka_unit_test(test_what_is_asked),
        cmocka_unit_test(test_specifiers),
        cmocka_unit_test(test_wrong_auth),
        cmocka_unit_test(test_increment),
        cmocka_unit_test(test_unasked_grant),
        cmocka_unit_test(test_extended_from_another_hop),
        cmocka_unit_test(test_extended_twice),
        cmocka_unit_test(test_malformed_extended),
        cmocka_unit_test(test_created_is_not_extended),
        cmocka_unit_test(test_messages_of_streams),
        cmocka_unit_test(test_other_messages),
        cmocka_unit_test(test_relay_early_comes_back),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_destroyed),
        cmocka_unit_test(test_relay_early),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_eight_hops),
        cmocka_unit_test(test_extend),
        cmocka_unit_test(test_closed_by_user),
        cmocka_unit_test(test_closed_from_inside),
        cmocka_unit_test(test_closed_before_it_began),
        cmocka_unit_test(test_closed_before_it_was_dialled),
        cmocka_unit_test(test_no_link),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_paths_that_cannot_be),
    };
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
