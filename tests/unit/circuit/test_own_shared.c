// SPDX-License-Identifier: BSD-3-Clause
// Circuits of one hop that are shared: their handshakes against the server's side, who is told how
// it went, and streams on them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "circuit/circuit_internal.h"
#include "circuit/own_circuit.h"
#include "crypto/create_fast.h"
#include "crypto/ntor.h"
#include "crypto/random.h"
#include "crypto/tor1.h"
#include "desk.h"
#include "stream/stream.h"
#include "stream/stream_internal.h"

// ---- who asks

struct asker {
    unsigned calls;
    struct circuit *circuit;
    enum destroy_reason reason;
    struct relay *again; // asks again from inside
    struct own_circuit_path path;
};

static void ready(void *user, struct circuit *c, enum destroy_reason reason)
{
    struct asker *asker = user;
    asker->calls++;
    asker->circuit = c;
    asker->reason = reason;
    assert_true((c == NULL) == (reason != DESTROY_NONE));
    if (asker->again && asker->calls == 1)
        assert_non_null(own_circuit_get(asker->again, &asker->path, ready, asker));
}

static struct own_circuit_path path_to(const struct desk *desk, unsigned link)
{
    struct own_circuit_path path = {.n_hops = 1};
    path.hops[0].target.n_addresses = 1;
    path.hops[0].target.addresses[0] = desk->links[link].connection.remote;
    memcpy(path.hops[0].target.rsa_id, desk->links[link].rsa_id, 20);
    return path;
}

// The MSG_CIRCUIT_DIAL, and that the end stands; the body of CREATE is copied.
static struct handle dial(struct desk *desk, uint8_t command, uint8_t body[CELL_BODY_LEN],
                          uint64_t *cookie)
{
    struct handle end = desk_new_end(desk);
    struct message *m = desk_expect(desk, MSG_CIRCUIT_DIAL);
    assert_int_equal(m->command, command);
    memcpy(body, m->payload, m->length);
    *cookie = m->cookie;
    channel_free(m);
    struct message *dialled = desk_up(desk, 0, MSG_CIRCUIT_DIALLED);
    dialled->circuit = end;
    dialled->cookie = *cookie;
    desk_tell(desk, dialled);
    return end;
}

static void expect_keys(struct desk *desk, struct handle end, const uint8_t *keys)
{
    struct message *m = desk_expect(desk, MSG_CIRCUIT_ADD_HOP);
    assert_int_equal(m->circuit.generation, end.generation);
    assert_true(m->secret);
    assert_int_equal(m->crypto.kind, CIRCUIT_CRYPTO_TOR1);
    assert_memory_equal(m->crypto.material, keys, TOR1_MATERIAL_LEN);
    channel_free(m);
}

// One over link NEAR, by CREATE_FAST, as far as its keys.
static struct handle open_circuit(struct desk *desk, struct asker *asker)
{
    struct own_circuit_path path = path_to(desk, NEAR);
    uint8_t body[CELL_BODY_LEN], reply[CREATED_FAST_LEN], keys[TOR1_MATERIAL_LEN];
    uint64_t cookie;
    assert_non_null(own_circuit_get(&desk->relay, &path, ready, asker));
    desk_expect_nothing(desk); // later, not now
    desk_turn(desk);
    assert_int_equal(desk->links[NEAR].circuits, 1);
    assert_false(desk->links[NEAR].used_by_client); // directory requests are not hidden
    struct handle end = dial(desk, CELL_CREATE_FAST, body, &cookie);
    assert_int_equal(create_fast_server(body, reply, keys, sizeof(keys)), 0);
    desk_tell_created(desk, 0, end, cookie, CELL_CREATED_FAST, reply, sizeof(reply));
    expect_keys(desk, end, keys);
    assert_int_equal(asker->calls, 1);
    assert_non_null(asker->circuit);
    return end;
}

// ---- handshakes

static void test_create_fast(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct asker asker = {0};
    struct handle end = open_circuit(desk, &asker);
    assert_int_equal(desk->relay.counters.own_circuits_made, 1);
    assert_int_equal(desk->relay.counters.circuits_open, 0); // that counts others'
    desk_tell_closed(desk, 0, end, 0, DESTROY_NONE, true);
    assert_int_equal(desk->links[NEAR].circuits, 0);
    assert_int_equal(asker.calls, 1);
    desk_expect_nothing(desk);
    desk_close(desk);
}

static void test_ntor(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct asker asker = {0};
    struct own_circuit_path path = path_to(desk, NEAR);
    struct onion_keys onion = {.key_count = 1};
    uint8_t body[CELL_BODY_LEN], reply[2 + NTOR_REPLY_LEN] = {0, NTOR_REPLY_LEN}, keys[92];
    uint64_t cookie;
    curve25519_generate(&onion.keys[0]);
    curve25519_generate(&onion.junk);
    memcpy(onion.rsa_id, desk->links[NEAR].rsa_id, 20);
    path.hops[0].has_ntor_key = true;
    memcpy(path.hops[0].ntor_key, onion.keys[0].public_key, 32);
    assert_non_null(own_circuit_get(&desk->relay, &path, ready, &asker));
    desk_turn(desk);
    struct handle end = dial(desk, CELL_CREATE2, body, &cookie);
    assert_memory_equal(body, "\0\2\0\124", 4);
    assert_int_equal(ntor_server(&onion, body + 4, NTOR_SKIN_LEN, reply + 2, keys, sizeof(keys)),
                     0);
    desk_tell_created(desk, 0, end, cookie, CELL_CREATED2, reply, sizeof(reply));
    expect_keys(desk, end, keys);
    assert_non_null(asker.circuit);
    desk_close(desk);
}

static void test_wrong_answers(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct desk *desk = desk_open();
        struct asker asker = {0};
        struct own_circuit_path path = path_to(desk, NEAR);
        uint8_t body[CELL_BODY_LEN], reply[CELL_BODY_LEN] = {0}, keys[72];
        uint64_t cookie;
        path.hops[0].has_ntor_key = i >= 2;
        assert_non_null(own_circuit_get(&desk->relay, &path, ready, &asker));
        desk_turn(desk);
        struct handle end = dial(desk, i < 2 ? CELL_CREATE_FAST : CELL_CREATE2, body, &cookie);
        assert_int_equal(create_fast_server(body, reply, keys, sizeof(keys)), 0);
        reply[30] ^= i != 1;
        reply[0] = i == 3 ? 0xff : 0; // a length that does not fit
        desk_tell_created(desk, 0, end, cookie, i == 0 ? CELL_CREATED_FAST : CELL_CREATED2, reply,
                          sizeof(reply));
        desk_expect_close(desk, 0, end, DESTROY_NONE); // the origin does not say why
        assert_int_equal(asker.calls, 0);              // later
        desk_turn(desk);
        assert_int_equal(asker.calls, 1);
        assert_int_equal(asker.reason, DESTROY_PROTOCOL);
        assert_int_equal(desk->relay.counters.own_circuits_failed, 1);
        desk_close(desk);
    }
}

// ---- no circuit

static void test_no_link(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct asker asker = {0};
    struct own_circuit_path path = path_to(desk, NEAR);
    desk->links[NEAR].open = false;
    desk->no_dial = DESTROY_RESOURCELIMIT; // at once
    assert_non_null(own_circuit_get(&desk->relay, &path, ready, &asker));
    assert_int_equal(asker.calls, 0);
    desk_turn(desk);
    desk_turn(desk);
    assert_int_equal(asker.calls, 1);
    assert_int_equal(asker.reason, DESTROY_RESOURCELIMIT);

    desk->no_dial = DESTROY_NONE; // after a while
    assert_non_null(own_circuit_get(&desk->relay, &path, ready, &asker));
    desk_turn(desk);
    desk_answer(desk, NULL, DESTROY_CONNECTFAILED);
    desk_turn(desk);
    assert_int_equal(asker.calls, 2);
    assert_int_equal(asker.reason, DESTROY_CONNECTFAILED);

    path.hops[0].target.n_addresses = 0;
    assert_null(own_circuit_get(&desk->relay, &path, ready, &asker));
    assert_int_equal(circuit_table_count(desk->relay.circuits), 0);
    desk_close(desk);
}

static void test_asks_again_when_told(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct asker asker = {.again = &desk->relay, .path = path_to(desk, NEAR)};
    desk->links[NEAR].open = false;
    desk->no_dial = DESTROY_CONNECTFAILED;
    assert_non_null(own_circuit_get(&desk->relay, &asker.path, ready, &asker));
    for (unsigned i = 0; i < 4; i++)
        desk_turn(desk);
    assert_int_equal(asker.calls, 2);
    desk_close(desk);
}

static void test_closed_while_building(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct asker asker = {0};
    struct own_circuit_path path = path_to(desk, NEAR);
    uint8_t body[CELL_BODY_LEN];
    uint64_t cookie;
    assert_non_null(own_circuit_get(&desk->relay, &path, ready, &asker));
    desk_turn(desk);
    struct handle end = dial(desk, CELL_CREATE_FAST, body, &cookie);
    desk_tell_closed(desk, 0, end, cookie, DESTROY_RESOURCELIMIT, true);
    desk_turn(desk);
    assert_int_equal(asker.reason, DESTROY_DESTROYED);
    desk_expect_nothing(desk);
    desk_close(desk);
}

// ---- sharing, giving up

static void test_shared(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct asker first = {0}, second = {0}, third = {0}, other = {0};
    struct own_circuit_path path = path_to(desk, NEAR), elsewhere = path_to(desk, PREVIOUS);
    open_circuit(desk, &first);
    assert_non_null(own_circuit_get(&desk->relay, &path, ready, &second));
    struct own_circuit_request *given_up = own_circuit_get(&desk->relay, &path, ready, &third);
    own_circuit_cancel(given_up);
    assert_int_equal(second.calls, 0);
    desk_turn(desk);
    assert_ptr_equal(second.circuit, first.circuit);
    assert_int_equal(third.calls, 0);
    desk_expect_nothing(desk);
    assert_non_null(own_circuit_get(&desk->relay, &elsewhere, ready, &other));
    desk_turn(desk);
    channel_free(desk_expect(desk, MSG_CIRCUIT_DIAL));
    assert_int_equal(circuit_table_count(desk->relay.circuits), 2);
    desk_close(desk);
    assert_int_equal(other.reason, DESTROY_HIBERNATING);
}

// ---- streams on it

static unsigned connected_calls, closed_calls, received;
static enum end_reason closed_reason;

static void connected(struct stream *s, const uint8_t *body, size_t length)
{
    (void)s, (void)body, (void)length;
    connected_calls++;
}

static void data(struct stream *s, const uint8_t *bytes, size_t length)
{
    (void)s, (void)bytes;
    received += (unsigned)length;
}

static int produce(struct stream *s, uint8_t *out, size_t capacity)
{
    int *left = stream_user(s);
    int n = *left < (int)capacity ? *left : (int)capacity;
    memset(out, 'a', (size_t)n);
    *left -= n;
    return n;
}

static void closed(struct stream *s, enum end_reason reason)
{
    (void)s;
    closed_calls++;
    closed_reason = reason;
}

static const struct stream_ops ops = {
    .connected = connected, .data = data, .produce = produce, .closed = closed};

// ---- time

static uint64_t clock_us;

static uint64_t fake_clock(void)
{
    return clock_us;
}

// The loop's next look at all of them.
static void look(struct desk *desk, struct asker *other)
{
    struct own_circuit_path elsewhere = path_to(desk, FAR);
    assert_non_null(own_circuit_get(&desk->relay, &elsewhere, ready, other));
    desk_turn(desk);
}

static void test_unused(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct asker asker = {0}, other = {0};
    desk->links[FAR].open = false; // it is never built
    clock_us = 1000000;
    desk->relay.circuits->streams->now_us = fake_clock;
    struct handle end = open_circuit(desk, &asker);
    int none = 0;
    struct stream *s = stream_begin(asker.circuit, RELAY_BEGIN_DIR, NULL, 0, &ops, &none);
    desk_expect_originate(desk, 0, end, RELAY_BEGIN_DIR, 1, "", 0);
    clock_us += 3600 * UINT64_C(1000000);
    look(desk, &other); // it has a stream
    desk_expect_nothing(desk);
    stream_close(s, END_DONE);
    channel_free(desk_expect(desk, MSG_CIRCUIT_ORIGINATE));
    clock_us += 59 * UINT64_C(1000000);
    look(desk, &other);
    desk_expect_nothing(desk);
    desk_turn(desk);
    assert_int_equal(other.calls, 2); // took too long
    assert_int_equal(other.reason, DESTROY_TIMEOUT);
    clock_us += 2 * UINT64_C(1000000);
    look(desk, &other);
    desk_expect_close(desk, 0, end, DESTROY_NONE);
    desk_close(desk);
}

static void test_stream(void **state)
{
    (void)state;
    static const uint8_t bytes[3] = "aaa", misc = END_MISC;
    struct desk *desk = desk_open();
    struct asker asker = {0};
    struct handle end = open_circuit(desk, &asker);
    int left = 3, none = 0;
    connected_calls = closed_calls = received = 0;
    struct stream *s = stream_begin(asker.circuit, RELAY_BEGIN_DIR, NULL, 0, &ops, &left);
    desk_expect_originate(desk, 0, end, RELAY_BEGIN_DIR, 1, "", 0);
    desk_turn(desk);
    desk_expect_originate(desk, 0, end, RELAY_DATA, 1, bytes, 3);
    desk_tell_relay_from(desk, 0, end, 1, RELAY_CONNECTED, 1, "", 0);
    assert_int_equal(connected_calls, 1);
    desk_tell_relay_from(desk, 0, end, 1, RELAY_DATA, 1, "xyz", 3);
    assert_int_equal(received, 3);
    assert_non_null(stream_begin(asker.circuit, RELAY_BEGIN_DIR, NULL, 0, &ops, &none));
    desk_expect_originate(desk, 0, end, RELAY_BEGIN_DIR, 2, "", 0);
    stream_close(s, END_TORPROTOCOL);
    desk_expect_originate(desk, 0, end, RELAY_END, 1, &misc, 1); // 10.06
    desk_turn(desk);
    assert_int_equal(closed_calls, 1);
    desk_tell_relay_from(desk, 0, end, 1, RELAY_END, 2, "\6", 1);
    desk_turn(desk);
    assert_int_equal(closed_calls, 2);
    assert_int_equal(closed_reason, END_DONE);
    desk_expect_nothing(desk);
    desk_close(desk);
}

static void test_data_before_connected(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct asker asker = {0};
    struct handle end = open_circuit(desk, &asker);
    int none = 0;
    closed_calls = received = 0;
    assert_non_null(stream_begin(asker.circuit, RELAY_BEGIN_DIR, NULL, 0, &ops, &none));
    desk_expect_originate(desk, 0, end, RELAY_BEGIN_DIR, 1, "", 0);
    desk_tell_relay_from(desk, 0, end, 1, RELAY_DATA, 1, "xyz", 3);
    desk_expect_close(desk, 0, end, DESTROY_NONE);
    assert_int_equal(received, 0);
    desk_turn(desk);
    assert_int_equal(closed_reason, END_DESTROY);
    desk_close(desk);
}

static void test_circuit_goes(void **state)
{
    (void)state;
    struct desk *desk = desk_open();
    struct asker asker = {0};
    struct handle end = open_circuit(desk, &asker);
    int none = 0;
    closed_calls = 0;
    assert_non_null(stream_begin(asker.circuit, RELAY_BEGIN_DIR, NULL, 0, &ops, &none));
    desk_expect_originate(desk, 0, end, RELAY_BEGIN_DIR, 1, "", 0);
    desk_tell_relay_from(desk, 0, end, 1, RELAY_TRUNCATED, 0, "\1", 1);
    desk_expect_close(desk, 0, end, DESTROY_NONE);
    desk_turn(desk);
    assert_int_equal(closed_calls, 1);
    assert_int_equal(closed_reason, END_DESTROY);
    desk_close(desk);
}

// Whoever is at the other end can't have anything from us.
static void test_what_it_must_not_say(void **state)
{
    (void)state;
    static const uint8_t commands[] = {
        RELAY_BEGIN,         RELAY_BEGIN_DIR,         RELAY_RESOLVE,
        RELAY_EXTEND2,       RELAY_TRUNCATE,          RELAY_ESTABLISH_INTRO,
        RELAY_EXTENDED2,     RELAY_INTRODUCE1,        99,
        RELAY_INTRODUCE_ACK, RELAY_PADDING_NEGOTIATED};
    for (unsigned i = 0; i < sizeof(commands); i++) {
        struct desk *desk = desk_open();
        struct asker asker = {0};
        struct handle end = open_circuit(desk, &asker);
        desk->relay.directory_server = (struct directory_server *)desk;
        desk_tell_relay_from(desk, 0, end, 1, RELAY_DROP, 0, "", 0); // means nothing
        desk_expect_nothing(desk);
        desk_tell_relay_from(desk, 0, end, 1, commands[i], 3, "\0\0\0\0", 4);
        desk_expect_close(desk, 0, end, DESTROY_NONE);
        assert_int_equal(desk->relay.counters.drop_relay_message, 1);
        desk_close(desk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_fast),
        cmocka_unit_test(test_ntor),
        cmocka_unit_test(test_wrong_answers),
        cmocka_unit_test(test_no_link),
        cmocka_unit_test(test_asks_again_when_told),
        cmocka_unit_test(test_closed_while_building),
        cmocka_unit_test(test_shared),
        cmocka_unit_test(test_unused),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_data_before_connected),
        cmocka_unit_test(test_circuit_goes),
        cmocka_unit_test(test_what_it_must_not_say),
    };
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
