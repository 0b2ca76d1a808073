// SPDX-License-Identifier: BSD-3-Clause
// The other side of a rendezvous as the last hop of a circuit of ours (protocol 8.39 to 8.41): its
// keys, who is spoken to, and who may say what.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "journey.h"
#include "stream/circuit_streams.h"
#include "stream/stream.h"

enum { RELAYS = 3, OTHER_SIDE = RELAYS + 1, MATERIAL_LEN = 128 };

static unsigned begins;
static uint16_t last_id;

static void on_begin(struct circuit *c, uint16_t stream_id, const uint8_t *body, size_t length)
{
    assert_int_equal(length, 4);
    assert_memory_equal(body, ":80", 4);
    begins++;
    last_id = stream_id;
    stream_refuse(c, stream_id, END_DONE);
}

static void make_material(uint8_t material[MATERIAL_LEN])
{
    for (unsigned i = 0; i < MATERIAL_LEN; i++)
        material[i] = (uint8_t)(i + 1);
}

static struct journey *meet(bool service, uint8_t increment)
{
    struct journey *j = journey_open(RELAYS);
    uint8_t material[MATERIAL_LEN];
    make_material(material);
    begins = 0;
    assert_int_equal(own_circuit_last_hop(j->circuit), RELAYS);
    assert_true(own_circuit_add_onion_layer(j->circuit, material, service, increment,
                                            service ? on_begin : NULL));
    struct message *m = desk_expect(j->desk, MSG_CIRCUIT_ADD_HOP);
    assert_int_equal(m->circuit.generation, j->end.generation);
    assert_true(m->secret);
    assert_int_equal(m->crypto.kind, CIRCUIT_CRYPTO_ONION);
    for (unsigned i = 0; i < MATERIAL_LEN; i++) // the service sends with what the client hears by
        assert_int_equal(m->crypto.material[i], material[service ? i ^ 32 : i]);
    channel_free(m);
    assert_int_equal(own_circuit_last_hop(j->circuit), OTHER_SIDE);
    assert_int_equal(own_circuit_hops_built(j->circuit), RELAYS);
    assert_int_equal(own_circuit_path(j->circuit)->n_hops, RELAYS);
    return j;
}

static void test_keys(void **state)
{
    (void)state;
    for (unsigned service = 0; service < 2; service++) {
        struct journey *j = meet(service, 31);
        assert_true(j->circuit->congestion_control);
        assert_int_equal(j->circuit->sendme_inc_cells, 31);
        assert_int_equal(j->circuit->path_kind, CIRCUIT_PATH_ONION);
        journey_end(j);
        j = meet(service, 0);
        assert_false(j->circuit->congestion_control);
        assert_int_equal(j->circuit->sendme_inc_cells, SENDME_INC_CELLS);
        journey_end(j);
    }
}

// A service that does not hide goes by what exits go by (8.44), if it says so before.
static void test_path_kind(void **state)
{
    (void)state;
    uint8_t material[MATERIAL_LEN] = {0};
    struct journey *j = journey_open(1);
    circuit_streams_set_path_kind(j->circuit, CIRCUIT_PATH_EXIT);
    assert_true(own_circuit_add_onion_layer(j->circuit, material, true, 31, on_begin));
    channel_free(desk_expect(j->desk, MSG_CIRCUIT_ADD_HOP));
    assert_int_equal(j->circuit->path_kind, CIRCUIT_PATH_EXIT);
    journey_end(j);
}

static int produce(struct stream *s, uint8_t *out, size_t capacity)
{
    (void)s, (void)out, (void)capacity;
    return 0;
}

static void ignore_data(struct stream *s, const uint8_t *bytes, size_t length)
{
    (void)s, (void)bytes, (void)length;
}

static void stream_closed(struct stream *s, enum end_reason reason)
{
    (void)s, (void)reason;
}

static const struct stream_ops stream_ops = {
    .data = ignore_data, .produce = produce, .closed = stream_closed};

static void test_when(void **state)
{
    (void)state;
    uint8_t material[MATERIAL_LEN] = {0};
    struct journey *j = journey_plan(RELAYS, NULL);
    journey_build_to(j, 2); // not open yet
    channel_free(desk_expect(j->desk, MSG_CIRCUIT_ORIGINATE));
    assert_false(own_circuit_add_onion_layer(j->circuit, material, false, 31, NULL));
    journey_end(j);
    j = journey_open(RELAYS); // with a stream
    assert_non_null(stream_begin(j->circuit, RELAY_BEGIN, "a:1", 4, &stream_ops, NULL));
    channel_free(desk_expect(j->desk, MSG_CIRCUIT_ORIGINATE));
    assert_false(own_circuit_add_onion_layer(j->circuit, material, false, 31, NULL));
    journey_end(j);
    j = meet(false, 31); // twice, nor does anything else follow
    assert_false(own_circuit_add_onion_layer(j->circuit, material, false, 31, NULL));
    assert_false(own_circuit_extend(j->circuit, &j->path.hops[1]));
    own_circuit_close(j->circuit, DESTROY_FINISHED);
    assert_false(own_circuit_add_onion_layer(j->circuit, material, false, 31, NULL));
    desk_expect_close(j->desk, 1, j->end, DESTROY_NONE);
    desk_expect_nothing(j->desk);
    desk_turn(j->desk);
    journey_end(j);
}

static void expect_to(struct journey *j, unsigned hop, uint8_t command, uint16_t stream_id)
{
    struct message *m = desk_expect(j->desk, MSG_CIRCUIT_ORIGINATE);
    assert_int_equal(m->relay.hop, hop);
    assert_int_equal(m->relay.command, command);
    assert_int_equal(m->relay.stream_id, stream_id);
    channel_free(m);
}

static void test_who_is_spoken_to(void **state)
{
    (void)state;
    struct journey *j = meet(false, 0);
    static const uint8_t body[RELAY_BODY_MAX + 1];
    assert_non_null(stream_begin(j->circuit, RELAY_BEGIN, ":80", 4, &stream_ops, NULL));
    expect_to(j, OTHER_SIDE, RELAY_BEGIN, 1);
    own_circuit_send(j->circuit, RELAYS, RELAY_DROP, "", 0);
    expect_to(j, RELAYS, RELAY_DROP, 0);
    own_circuit_send(j->circuit, OTHER_SIDE, RELAY_DROP, body, RELAY_BODY_MAX);
    expect_to(j, OTHER_SIDE, RELAY_DROP, 0);
    own_circuit_send(j->circuit, OTHER_SIDE, RELAY_DROP, body, RELAY_BODY_MAX + 1);
    own_circuit_send(j->circuit, OTHER_SIDE + 1, RELAY_DROP, "", 0);
    desk_expect_nothing(j->desk);
    // Its DATA is acknowledged to it: for the stream, and for the circuit with its tag.
    desk_tell_relay_from(j->desk, 1, j->end, OTHER_SIDE, RELAY_CONNECTED, 1, "", 0);
    for (unsigned i = 1; i <= SENDME_INC_CELLS; i++) {
        struct message *m = desk_up(j->desk, 1, MSG_CIRCUIT_RELAY);
        m->circuit = j->end;
        m->command = CELL_RELAY;
        m->relay.hop = OTHER_SIDE;
        m->relay.command = RELAY_DATA;
        m->relay.stream_id = 1;
        m->relay.tag_length = 20;
        memset(m->relay.tag, (int)i, 20);
        m->length = 1;
        desk_tell(j->desk, m);
        if (i == SENDME_INC_CELLS) {
            m = desk_expect(j->desk, MSG_CIRCUIT_ORIGINATE);
            assert_int_equal(m->relay.hop, OTHER_SIDE);
            assert_int_equal(m->relay.command, RELAY_SENDME);
            assert_int_equal(m->relay.stream_id, 0);
            assert_int_equal(m->length, 23);
            assert_int_equal(m->payload[3], SENDME_INC_CELLS);
            channel_free(m);
        }
        if (i % 50 == 0)
            expect_to(j, OTHER_SIDE, RELAY_SENDME, 1);
    }
    desk_expect_nothing(j->desk);
    journey_end(j);
}

static void test_who_may_speak(void **state)
{
    (void)state;
    static const uint8_t commands[] = {
        RELAY_DATA, RELAY_END,   RELAY_CONNECTED, RELAY_RESOLVED, RELAY_SENDME,   RELAY_XOFF,
        RELAY_XON,  RELAY_BEGIN, RELAY_BEGIN_DIR, RELAY_RESOLVE,  RELAY_EXTENDED2};
    for (unsigned i = 0; i < sizeof(commands); i++)
        for (unsigned hop = 1; hop <= OTHER_SIDE + 1; hop++) {
            if (hop == OTHER_SIDE && commands[i] == RELAY_END)
                continue;
            struct journey *j = meet(false, 31);
            assert_non_null(stream_begin(j->circuit, RELAY_BEGIN, ":80", 4, &stream_ops, NULL));
            expect_to(j, OTHER_SIDE, RELAY_BEGIN, 1);
            bool fine = hop == OTHER_SIDE && commands[i] == RELAY_CONNECTED;
            desk_tell_relay_from(j->desk, 1, j->end, hop, commands[i], 1, "\6\0\0\0\0", 5);
            if (fine)
                desk_expect_nothing(j->desk);
            else
                journey_expect_closed(j, DESTROY_PROTOCOL, false);
            journey_end(j);
        }
    // Other messages are the user's matter, whoever sends them.
    struct journey *j = meet(true, 31);
    for (unsigned hop = 1; hop <= OTHER_SIDE; hop++)
        desk_tell_relay_from(j->desk, 1, j->end, hop, RELAY_INTRODUCE_ACK, 0, "", 0);
    assert_int_equal(j->messages, OTHER_SIDE);
    desk_expect_nothing(j->desk);
    journey_end(j);
}

static void test_begins(void **state)
{
    (void)state;
    static const uint8_t done = END_DONE, no_directory = END_NOTDIRECTORY;
    struct journey *j = meet(true, 31);
    desk_tell_relay_from(j->desk, 1, j->end, OTHER_SIDE, RELAY_BEGIN, 7, ":80", 4);
    assert_int_equal(begins, 1);
    assert_int_equal(last_id, 7);
    desk_expect_originate(j->desk, 1, j->end, RELAY_END, 7, &done, 1);
    desk_tell_relay_from(j->desk, 1, j->end, OTHER_SIDE, RELAY_BEGIN_DIR, 8, "", 0);
    desk_expect_originate(j->desk, 1, j->end, RELAY_END, 8, &no_directory, 1);
    desk_tell_relay_from(j->desk, 1, j->end, OTHER_SIDE, RELAY_RESOLVE, 9, "", 0);
    assert_int_equal(begins, 1);
    desk_expect_nothing(j->desk);
    journey_end(j);
    // A relay's is found out, also that of the rendezvous point.
    for (unsigned hop = 1; hop <= RELAYS; hop++) {
        j = meet(true, 31);
        desk_tell_relay_from(j->desk, 1, j->end, hop, RELAY_BEGIN, 7, ":80", 4);
        assert_int_equal(begins, 0);
        journey_expect_closed(j, DESTROY_PROTOCOL, false);
        journey_end(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),          cmocka_unit_test(test_path_kind),
        cmocka_unit_test(test_when),          cmocka_unit_test(test_who_is_spoken_to),
        cmocka_unit_test(test_who_may_speak), cmocka_unit_test(test_begins),
    };
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
