// SPDX-License-Identifier: BSD-3-Clause
// Circuits: creation, refusal, and closing from either side in every state, with the right reason
// on the other side (protocol 2.35, 2.36, 2.40, 5.14, 13.42).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/ntor.h"
#include "crypto/random.h"
#include "desk.h"

static size_t circuits(const struct desk *desk)
{
    return circuit_table_count(desk->relay.circuits);
}

// ---- creation

static void test_create_fast(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle end = desk_circuit(desk, CLIENT);
    assert_int_equal(circuits(desk), 1);
    assert_int_equal(desk->relay.counters.circuits_open, 1);
    assert_int_equal(desk->relay.counters.circuits_created, 1);
    assert_int_equal(desk->relay.counters.handshakes_fast, 1);
    assert_int_equal(desk->links[CLIENT].circuits, 1);
    desk_tell_closed(desk, 0, end, 0, DESTROY_NONE, true);
    assert_int_equal(circuits(desk), 0);
    assert_int_equal(desk->links[CLIENT].circuits, 0);
    desk_expect_nothing(desk);
    desk_close(desk);
}

static void test_create2(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle end = desk_new_end(desk);
    struct ntor_client client;
    uint8_t body[4 + NTOR_SKIN_LEN] = {0, HANDSHAKE_NTOR, 0, NTOR_SKIN_LEN}, keys[92];
    ntor_client_start(&client, desk->identity.rsa_id, desk->identity.onion_key.public_key,
                      body + 4);
    desk_tell_create(desk, CLIENT, end, CELL_CREATE2, body, sizeof(body));
    desk_run(desk);
    struct message *m = desk_expect(desk, MSG_CIRCUIT_ACCEPT);
    assert_int_equal(m->command, CELL_CREATED2);
    assert_int_equal(m->length, 2 + NTOR_REPLY_LEN);
    assert_int_equal(
        ntor_client_finish(&client, m->payload + 2, NTOR_REPLY_LEN, keys, sizeof(keys)), 0);
    assert_memory_equal(m->crypto.material, keys, 72);
    channel_free(m);
    assert_int_equal(desk->relay.counters.handshakes_ntor, 1);
    desk_close(desk);
}

static void test_create_with_cgo(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    desk_circuit(desk, CLIENT);
    assert_int_equal(desk->relay.counters.circuits_cgo, 0);
    desk_cgo_circuit(desk, CLIENT);
    assert_int_equal(desk->relay.counters.handshakes_ntor_v3, 1);
    assert_int_equal(desk->relay.counters.circuits_congestion_control, 1);
    assert_int_equal(desk->relay.counters.circuits_cgo, 1);
    desk_close(desk);
}

static void test_create_refused(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    uint8_t body[CELL_BODY_LEN] = {0, HANDSHAKE_NTOR, 0, NTOR_SKIN_LEN};
    struct handle end = desk_new_end(desk);
    random_bytes(body + 4, sizeof(body) - 4);
    desk->links[CLIENT].open = false; // NETINFO came, and we have not judged it
    desk_tell_create(desk, CLIENT, end, CELL_CREATE2, body, sizeof(body));
    desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
    desk->links[CLIENT].open = true;

    desk_tell_create(desk, CLIENT, end, CELL_CREATE, body, sizeof(body)); // TAP
    desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
    body[1] = HANDSHAKE_TAP;
    desk_tell_create(desk, CLIENT, end, CELL_CREATE2, body, sizeof(body));
    desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
    body[1] = HANDSHAKE_FAST;
    desk_tell_create(desk, CLIENT, end, CELL_CREATE2, body, sizeof(body));
    desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
    body[1] = HANDSHAKE_NTOR;
    desk_tell_create(desk, CLIENT, end, CELL_CREATE2, body, sizeof(body)); // for another relay
    assert_int_equal(circuits(desk), 1);
    desk_run(desk);
    desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
    assert_int_equal(desk->relay.counters.drop_handshake_bad, 5);

    desk->relay.identity = NULL; // a pure client carries nobody's circuits
    desk_tell_create(desk, CLIENT, end, CELL_CREATE_FAST, body, 20);
    desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
    desk->relay.identity = &desk->identity;

    desk->relay.stopping = true;
    desk_tell_create(desk, CLIENT, end, CELL_CREATE_FAST, body, 20);
    desk_expect_close(desk, 0, end, DESTROY_HIBERNATING);
    assert_int_equal(circuits(desk), 0);
    assert_int_equal(desk->relay.counters.circuits_created, 0);
    desk_close(desk);
}

static void test_closed_before_the_answer(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    uint8_t x[20] = {1};
    struct handle end = desk_new_end(desk);
    desk_tell_create(desk, CLIENT, end, CELL_CREATE_FAST, x, sizeof(x));
    desk_tell_closed(desk, 0, end, 0, DESTROY_FINISHED, true);
    assert_int_equal(circuits(desk), 0);
    struct handle again = desk_new_end(desk); // takes the same place in the table
    desk_tell_create(desk, CLIENT, again, CELL_CREATE_FAST, x, sizeof(x));
    desk_run(desk);
    struct message *m = desk_expect(desk, MSG_CIRCUIT_ACCEPT); // one answer, and it is for that one
    assert_int_equal(m->circuit.generation, again.generation);
    channel_free(m);
    desk_expect_nothing(desk);
    desk_close(desk);
}

// More skins than are worked off at a time: each is answered, at its own circuit.
static void test_many_at_once(void **state)
{
    (void)state;
    enum { MANY = 40 };
    struct desk *desk = desk_open();
    struct handle ends[MANY];
    uint8_t x[20] = {1};
    for (unsigned i = 0; i < MANY; i++) {
        ends[i] = desk_new_end(desk);
        x[0] = (uint8_t)i;
        desk_tell_create(desk, CLIENT, ends[i], CELL_CREATE_FAST, x, sizeof(x));
    }
    desk_tell_closed(desk, 0, ends[7], 0, DESTROY_NONE, true);
    assert_int_equal(desk->relay.counters.drop_handshake_closed, 1); // nobody computes its answer
    desk_run(desk);
    bool answered[200] = {false};
    for (unsigned i = 0; i < MANY - 1; i++) {
        struct message *m = desk_expect(desk, MSG_CIRCUIT_ACCEPT);
        assert_in_range(m->circuit.generation, 1, MANY);
        assert_false(answered[m->circuit.generation]);
        answered[m->circuit.generation] = true;
        channel_free(m);
    }
    assert_false(answered[ends[7].generation]);
    desk_expect_nothing(desk);
    assert_int_equal(desk->relay.counters.circuits_open, MANY - 1);
    circuit_table_close_all(desk->relay.circuits);
    desk_run(desk);
    for (unsigned i = 0; i < MANY - 1; i++) {
        struct message *m = desk_expect(desk, MSG_CIRCUIT_CLOSE);
        assert_int_equal(m->close.reason, DESTROY_HIBERNATING);
        channel_free(m);
    }
    desk_expect_nothing(desk);
    desk_close(desk);
}

// ---- closing

static const enum destroy_reason reasons[] = {
    DESTROY_NONE,          DESTROY_PROTOCOL,       DESTROY_REQUESTED, DESTROY_HIBERNATING,
    DESTROY_RESOURCELIMIT, DESTROY_CHANNEL_CLOSED, DESTROY_FINISHED,  DESTROY_NOSUCHSERVICE};
enum { REASONS = sizeof(reasons) / sizeof(reasons[0]) };

// The states in which a circuit may be closed.
enum stage { ENDS_HERE, WAITS_FOR_LINK, WAITS_FOR_END, WAITS_FOR_CREATED, EXTENDED, STAGES };

struct staged {
    struct handle end, next;
    uint64_t cookie;
};

static struct staged bring_to(struct desk *desk, enum stage stage)
{
    struct staged s = {.end = desk_circuit(desk, CLIENT)};
    if (stage == WAITS_FOR_LINK)
        desk->links[FAR].open = false;
    if (stage != ENDS_HERE)
        desk_tell_extend2(desk, s.end, FAR);
    if (stage == WAITS_FOR_END)
        s.cookie = desk_dial(desk, FAR, NULL);
    else if (stage >= WAITS_FOR_CREATED)
        s.cookie = desk_dial(desk, FAR, &s.next);
    if (stage == EXTENDED)
        desk_splice(desk, s.end, FAR, s.next, s.cookie);
    desk_expect_nothing(desk);
    return s;
}

static void test_closed_by_the_origin(void **state)
{
    (void)state;
    for (enum stage stage = ENDS_HERE; stage < STAGES; stage++) {
        for (unsigned i = 0; i < REASONS; i++) {
            for (unsigned by_peer = 0; by_peer < 2; by_peer++) {
                struct desk *desk = desk_open();
                struct staged s = bring_to(desk, stage);
                desk_tell_closed(desk, 0, s.end, 0, reasons[i], by_peer);
                if (stage >= WAITS_FOR_CREATED) // never why
                    desk_expect_close(desk, 1, s.next, DESTROY_DESTROYED);
                desk_expect_nothing(desk);
                assert_int_equal(circuits(desk), 0);
                assert_null(desk->requests);
                desk_close(desk);
            }
        }
    }
}

static void test_closed_by_the_next_hop(void **state)
{
    (void)state;
    for (enum stage stage = WAITS_FOR_CREATED; stage < STAGES; stage++) {
        for (unsigned i = 0; i < REASONS; i++) {
            for (unsigned by_peer = 0; by_peer < 2; by_peer++) {
                struct desk *desk = desk_open();
                struct staged s = bring_to(desk, stage);
                desk_tell_closed(desk, 1, s.next, s.cookie, reasons[i], by_peer);
                // What the next hop says is its own affair; what our worker found out is not.
                desk_expect_close(desk, 0, s.end, by_peer ? DESTROY_DESTROYED : reasons[i]);
                desk_expect_nothing(desk);
                assert_int_equal(circuits(desk), 0);
                assert_int_equal(desk->relay.counters.drop_extend_failed,
                                 stage == WAITS_FOR_CREATED);
                desk_close(desk);
            }
        }
    }
}

// Both sides close at the same time.
static void test_closed_by_both(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct staged s = bring_to(desk, EXTENDED);
    desk_tell_closed(desk, 1, s.next, s.cookie, DESTROY_FINISHED, true);
    desk_expect_close(desk, 0, s.end, DESTROY_DESTROYED);
    desk_tell_closed(desk, 0, s.end, 0, DESTROY_FINISHED, true); // was under way
    desk_expect_nothing(desk);
    desk_close(desk);
}

static void test_closed_when_we_stop(void **state)
{
    (void)state;
    for (enum stage stage = ENDS_HERE; stage < STAGES; stage++) {
        struct desk *desk = desk_open();
        struct staged s = bring_to(desk, stage);
        circuit_table_close_all(desk->relay.circuits);
        desk_run(desk);
        desk_expect_close(desk, 0, s.end, DESTROY_HIBERNATING);
        if (stage >= WAITS_FOR_CREATED)
            desk_expect_close(desk, 1, s.next, DESTROY_DESTROYED);
        desk_expect_nothing(desk);
        desk_close(desk);
    }
}

// Freed as they are, in every state, with a skin under way.
static void test_freed_as_they_are(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    for (enum stage stage = ENDS_HERE; stage < STAGES; stage++) {
        bring_to(desk, stage);
        desk->links[FAR].open = true;
    }
    uint8_t x[20] = {1};
    desk_tell_create(desk, CLIENT, desk_new_end(desk), CELL_CREATE_FAST, x, sizeof(x));
    circuit_table_free(desk->relay.circuits);
    assert_int_equal(desk->relay.counters.circuits_open, 0);
    assert_null(desk->requests);
    desk->relay.circuits = circuit_table_create(&desk->relay);
    desk_close(desk);
}

// ---- messages about nothing

static void test_stale_handles(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct handle end = desk_circuit(desk, CLIENT);
    struct handle stale = {end.index, end.generation + 1};
    struct handle beyond = {1000000, 1};
    struct handle none = {0, 0};
    const struct handle nothing[] = {stale, beyond, none};
    for (unsigned i = 0; i < 3; i++) {
        desk_tell_closed(desk, 0, nothing[i], 0, DESTROY_NONE, true);
        desk_tell_closed(desk, 0, nothing[i], UINT64_MAX, DESTROY_NONE, true);
        desk_tell_closed(desk, 0, nothing[i], 1, DESTROY_NONE, true);
        desk_tell_relay(desk, nothing[i], CELL_RELAY, RELAY_BEGIN, 1, "", 0);
        desk_tell_created(desk, 1, nothing[i], UINT64_MAX, CELL_CREATED2, "", 0);
        desk_tell_created(desk, 1, nothing[i], 0, CELL_CREATED2, "", 0);
    }
    desk_tell_closed(desk, 1, end, 0, DESTROY_NONE, true); // the same handle on another worker
    desk_expect_nothing(desk);
    assert_int_equal(circuits(desk), 1);
    struct message *other = desk_up(desk, 0, MSG_CONN_CLOSED); // not for us
    assert_false(circuit_handle_message(desk->relay.circuits, other));
    channel_free(other);
    desk_close(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_fast),
        cmocka_unit_test(test_create2),
        cmocka_unit_test(test_create_with_cgo),
        cmocka_unit_test(test_create_refused),
        cmocka_unit_test(test_closed_before_the_answer),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_closed_by_the_origin),
        cmocka_unit_test(test_closed_by_the_next_hop),
        cmocka_unit_test(test_closed_by_both),
        cmocka_unit_test(test_closed_when_we_stop),
        cmocka_unit_test(test_freed_as_they_are),
        cmocka_unit_test(test_stale_handles),
    };
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
