// SPDX-License-Identifier: BSD-3-Clause
// Circuits with Counter Galois Onion on workers: mixed with tor1 in one burst, as both hops of a
// path, and what breaks them (protocol 3.08–3.24, 4.02–4.04).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/cgo_message.h"
#include "path.h"

enum { CIRCID = PATH_CIRCID };

static const enum circuit_crypto_kind TOR1 = CIRCUIT_CRYPTO_TOR1, CGO = CIRCUIT_CRYPTO_CGO;

static void originate(struct rig *rig, unsigned worker, struct handle end, uint8_t command,
                      uint16_t stream_id, const void *body, uint16_t length)
{
    struct message *m = rig_message(rig, worker, MSG_CIRCUIT_ORIGINATE);
    m->circuit = end;
    m->relay.command = command;
    m->relay.stream_id = stream_id;
    m->length = length;
    memcpy(m->payload, body, length);
    rig_send(rig, m);
}

// ---- a burst of both

enum { CIRCUITS = 12, RUN = 3, ROUNDS = 40 };

// Each circuit's cells in runs among the others', all in one record.
static void send_mixed(struct peer_link *link, struct origin *const origins[CIRCUITS],
                       unsigned round)
{
    static const uint8_t padding[CELL_BODY_LEN];
    uint8_t record[CIRCUITS * CELL_LEN], *at = record;
    for (unsigned i = 0; i < CIRCUITS; i++) {
        struct origin *o = origins[(i * 5 + round) % CIRCUITS];
        uint8_t number = (uint8_t)(round * CIRCUITS + i);
        uint8_t header[5] = {0x80, 0, (uint8_t)(o->circid >> 8), (uint8_t)o->circid, CELL_RELAY};
        struct relay_message v0 = {RELAY_BEGIN, 7, 1, &number};
        struct cgo_message v1 = {RELAY_BEGIN, 7, 1, &number};
        memcpy(at, header, sizeof(header));
        if (o->kind == CGO)
            assert_int_equal(cgo_message_build(&v1, padding, at + 5), 0);
        else
            relay_message_build(&v0, padding, at + 5);
        origin_seal(o, CELL_RELAY, at + 5, true);
        at += CELL_LEN;
    }
    peer_send(link, record, sizeof(record));
}

static void check_mixed(struct rig *rig, struct origin *const origins[CIRCUITS], unsigned round)
{
    for (unsigned i = 0; i < CIRCUITS; i++) {
        const struct origin *o = origins[(i * 5 + round) % CIRCUITS];
        struct message *m = rig_expect(rig, MSG_CIRCUIT_RELAY);
        assert_int_equal(m->circuit.index, o->end.index);
        assert_int_equal(m->relay.command, RELAY_BEGIN);
        assert_int_equal(m->relay.stream_id, 7);
        assert_int_equal(m->length, 1);
        assert_int_equal(m->payload[0], (uint8_t)(round * CIRCUITS + i));
        assert_int_equal(m->relay.tag_length, o->kind == CGO ? 16 : 20);
        channel_free(m);
    }
}

static void a_burst_holds_both(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct peer_link *link = peer_link_accepted(rig, 0);
    struct origin *origins[CIRCUITS];
    for (unsigned i = 0; i < CIRCUITS; i++)
        origins[i] = origin_create(link, CIRCID + i, i % 3 ? CGO : TOR1);
    for (unsigned round = 0; round < ROUNDS; round += RUN) {
        for (unsigned i = 0; i < RUN; i++)
            send_mixed(link, origins, round + i);
        rig_run(rig);
        for (unsigned i = 0; i < RUN; i++)
            check_mixed(rig, origins, round + i);
    }
    const struct counters *count = &rig->workers[0].counters;
    assert_int_equal(count->cells_cgo, count->cells_recognised / 3 * 2);
    for (unsigned i = 0; i < CIRCUITS; i++)
        origin_free(origins[i]);
    peer_link_free(link);
    rig_destroy(rig);
}

// ---- two relays

// origin ──► circuit on `link` ──next──► carried by the test ──► circuit on `second`'s link
struct two_hops {
    struct path *path; // the first relay
    struct peer_link *link;
    struct origin *second;
};

static void two_open(struct two_hops *t, unsigned n_workers, enum circuit_crypto_kind first,
                     enum circuit_crypto_kind second)
{
    t->path = path_open(n_workers, first);
    t->link = peer_link_accepted(t->path->rig, 0);
    t->second = origin_create(t->link, CIRCID + 9, second);
}

static void two_close(struct two_hops *t)
{
    origin_free(t->second);
    peer_link_free(t->link);
    path_close(t->path);
}

static void two_send(struct two_hops *t, uint8_t command, const void *data, uint16_t length)
{
    static const uint8_t padding[CELL_BODY_LEN];
    uint8_t body[CELL_BODY_LEN];
    struct relay_message v0 = {RELAY_DATA, 3, length, data};
    struct cgo_message v1 = {RELAY_DATA, 3, length, data};
    if (t->second->kind == CGO)
        assert_int_equal(cgo_message_build(&v1, padding, body), 0);
    else
        relay_message_build(&v0, padding, body);
    origin_seal(t->second, command, body, true);
    origin_seal(t->path->origin, command, body, false);
    peer_send_cell(t->path->link, CIRCID, command, body, sizeof(body));
    rig_run(t->path->rig);
}

static void check_two(unsigned n_workers, enum circuit_crypto_kind first,
                      enum circuit_crypto_kind second)
{
    struct two_hops t;
    struct peer_cell cell;
    two_open(&t, n_workers, first, second);
    struct rig *rig = t.path->rig;
    for (unsigned i = 0; i < 30; i++) {
        uint8_t command = i < RELAY_EARLY_MAX ? CELL_RELAY_EARLY : CELL_RELAY;
        uint8_t data[40];
        memset(data, (int)i, sizeof(data));
        two_send(&t, command, data, sizeof(data));
        peer_expect_cell(t.path->next, &cell, command);
        peer_send_cell(t.link, CIRCID + 9, command, cell.body, sizeof(cell.body));
        rig_run(rig);
        struct message *m = rig_expect(rig, MSG_CIRCUIT_RELAY);
        assert_int_equal(m->circuit.index, t.second->end.index);
        assert_memory_equal(m->payload, data, sizeof(data));
        assert_memory_equal(m->relay.tag, t.second->tag, m->relay.tag_length);
        channel_free(m);
        // The answer, through both; sometimes the first relay has something to say, too.
        if (i % 3 == 0) {
            originate(rig, t.path->next_worker, t.path->next_end, RELAY_DROP, 0, "", 0);
            peer_expect_cell(t.path->link, &cell, CELL_RELAY);
            assert_true(origin_open(t.path->origin, &cell));
        }
        originate(rig, 0, t.second->end, RELAY_END, 3, "\4", 1);
        peer_expect_cell(t.link, &cell, CELL_RELAY);
        peer_send_cell(t.path->next, t.path->next_circid, CELL_RELAY, cell.body, CELL_BODY_LEN);
        rig_run(rig);
        peer_expect_cell(t.path->link, &cell, CELL_RELAY);
        assert_false(origin_open(t.path->origin, &cell));
        assert_true(origin_open(t.second, &cell));
        assert_int_equal(origin_parse(t.second, &cell).command, RELAY_END);
        assert_int_equal(origin_parse(t.second, &cell).stream_id, 3);
    }
    two_close(&t);
}

static void cells_go_through_two_hops(void **state)
{
    (void)state;
    for (unsigned n_workers = 1; n_workers <= 2; n_workers++) {
        check_two(n_workers, CGO, CGO);
        check_two(n_workers, CGO, TOR1);
        check_two(n_workers, TOR1, CGO);
    }
}

// A cell changed anywhere on its way makes noise of itself and of all after it, in its direction.
static void a_changed_cell_breaks_what_follows(void **state)
{
    (void)state;
    struct path *p = path_open(1, CGO);
    struct peer_cell cell;
    uint8_t body[CELL_BODY_LEN] = {0}, sent[CELL_BODY_LEN];
    origin_seal(p->origin, CELL_RELAY, body, false);
    body[300] ^= 1;
    peer_send_cell(p->link, CIRCID, CELL_RELAY, body, sizeof(body));
    memset(body, 7, sizeof(body));
    memcpy(sent, body, sizeof(body));
    origin_seal(p->origin, CELL_RELAY, body, false);
    peer_send_cell(p->link, CIRCID, CELL_RELAY, body, sizeof(body));
    rig_run(p->rig);
    for (unsigned i = 0; i < 2; i++) {
        unsigned same = 0;
        peer_expect_cell(p->next, &cell, CELL_RELAY);
        for (unsigned j = 0; j < CELL_BODY_LEN; j++)
            same += cell.body[j] == (i ? sent[j] : 0);
        assert_true(same < 20);
    }
    // Nothing for the relay itself gets through any more; the other direction goes on.
    origin_send(p->origin, CELL_RELAY, RELAY_BEGIN, 1, "", 0, true);
    rig_run(p->rig);
    assert_false(rig_has(p->rig, MSG_CIRCUIT_RELAY));
    peer_expect_cell(p->next, &cell, CELL_RELAY);
    path_check_backward(p, 9);
    path_close(p);
}

// ---- circuits that end here

struct one_hop {
    struct rig *rig;
    struct peer_link *link;
    struct origin *origin;
};

static void one_open(struct one_hop *t)
{
    t->rig = rig_create(1);
    t->link = peer_link_accepted(t->rig, 0);
    t->origin = origin_create(t->link, CIRCID, CGO);
}

static void one_close(struct one_hop *t)
{
    origin_free(t->origin);
    peer_link_free(t->link);
    rig_destroy(t->rig);
}

// The cell that was sent last ends the circuit; `unrecognised`: since nobody knew it.
static void check_ends(struct one_hop *t, bool unrecognised)
{
    const struct counters *count = &t->rig->workers[0].counters;
    rig_run(t->rig);
    peer_expect_destroy(t->link, CIRCID, DESTROY_PROTOCOL);
    rig_expect_closed(t->rig, t->origin->end, DESTROY_PROTOCOL, false);
    assert_int_equal(t->rig->inbox_length, 0);
    assert_int_equal(count->drop_cell_unrecognised, unrecognised);
    assert_int_equal(count->drop_cell_protocol, !unrecognised);
    one_close(t);
}

static void send_body(struct one_hop *t, uint8_t command, const uint8_t body[CELL_BODY_LEN])
{
    peer_send_cell(t->link, CIRCID, command, body, CELL_BODY_LEN);
}

static void make_drop(uint8_t body[CELL_BODY_LEN])
{
    static const uint8_t padding[CELL_BODY_LEN];
    struct cgo_message drop = {.command = RELAY_DROP};
    assert_int_equal(cgo_message_build(&drop, padding, body), 0);
}

static void a_cell_that_is_not_recognised_ends_the_circuit(void **state)
{
    (void)state;
    struct one_hop t;
    uint8_t body[CELL_BODY_LEN];
    static const unsigned changed[] = {0, 15, 16, 255, CELL_BODY_LEN - 1};
    for (unsigned i = 0; i < sizeof(changed) / sizeof(changed[0]); i++) {
        one_open(&t);
        make_drop(body);
        origin_seal(t.origin, CELL_RELAY, body, true);
        body[changed[i]] ^= 0x80;
        send_body(&t, CELL_RELAY, body);
        check_ends(&t, true);
    }
    // Sealed as RELAY_EARLY, sent as RELAY, and the other way round (3.13).
    for (unsigned early = 0; early < 2; early++) {
        one_open(&t);
        make_drop(body);
        origin_seal(t.origin, early ? CELL_RELAY_EARLY : CELL_RELAY, body, true);
        send_body(&t, early ? CELL_RELAY : CELL_RELAY_EARLY, body);
        check_ends(&t, true);
    }
    // Sent twice, and one left out (3.22).
    one_open(&t);
    make_drop(body);
    origin_seal(t.origin, CELL_RELAY, body, true);
    send_body(&t, CELL_RELAY, body);
    send_body(&t, CELL_RELAY, body);
    check_ends(&t, true);
    one_open(&t);
    make_drop(body);
    origin_seal(t.origin, CELL_RELAY, body, true);
    make_drop(body);
    origin_seal(t.origin, CELL_RELAY, body, true);
    send_body(&t, CELL_RELAY, body);
    check_ends(&t, true);
}

static void check_bad_message(uint8_t command, uint16_t length)
{
    struct one_hop t;
    uint8_t body[CELL_BODY_LEN];
    one_open(&t);
    memset(body, 0xee, sizeof(body));
    body[16] = command;
    body[17] = (uint8_t)(length >> 8);
    body[18] = (uint8_t)length;
    origin_seal(t.origin, CELL_RELAY, body, true);
    send_body(&t, CELL_RELAY, body);
    check_ends(&t, false);
}

static void a_message_that_can_not_be_read_ends_the_circuit(void **state)
{
    (void)state;
    check_bad_message(0, 0); // unknown commands
    check_bad_message(77, 0);
    check_bad_message(255, 0);
    check_bad_message(RELAY_DATA, 489); // longer than there is room
    check_bad_message(RELAY_EXTEND2, 491);
    check_bad_message(RELAY_DROP, UINT16_MAX);
}

static void the_longest_messages_come_up_whole(void **state)
{
    (void)state;
    struct one_hop t;
    uint8_t body[CGO_MESSAGE_BODY_MAX];
    one_open(&t);
    for (unsigned i = 0; i < sizeof(body); i++)
        body[i] = (uint8_t)(i * 3);
    origin_send(t.origin, CELL_RELAY, RELAY_DATA, 5, body, CGO_MESSAGE_STREAM_BODY_MAX, true);
    origin_send(t.origin, CELL_RELAY_EARLY, RELAY_EXTEND2, 0, body, CGO_MESSAGE_BODY_MAX, true);
    rig_run(t.rig);
    struct message *m = rig_expect(t.rig, MSG_CIRCUIT_RELAY);
    assert_int_equal(m->length, CGO_MESSAGE_STREAM_BODY_MAX);
    assert_memory_equal(m->payload, body, m->length);
    channel_free(m);
    m = rig_expect(t.rig, MSG_CIRCUIT_RELAY);
    assert_int_equal(m->command, CELL_RELAY_EARLY);
    assert_int_equal(m->length, CGO_MESSAGE_BODY_MAX);
    assert_memory_equal(m->payload, body, m->length);
    channel_free(m);
    // And down: what format v1 can't say is not sent, and nothing is out of step.
    struct peer_cell cell;
    originate(t.rig, 0, t.origin->end, RELAY_END, 0, "\1", 1);
    originate(t.rig, 0, t.origin->end, 99, 0, "", 0);
    assert_false(peer_receive_cell(t.link, &cell));
    originate(t.rig, 0, t.origin->end, RELAY_EXTENDED2, 0, body, CGO_MESSAGE_BODY_MAX);
    peer_expect_cell(t.link, &cell, CELL_RELAY);
    assert_true(origin_open(t.origin, &cell));
    assert_int_equal(origin_parse(t.origin, &cell).length, CGO_MESSAGE_BODY_MAX);
    assert_memory_equal(origin_parse(t.origin, &cell).body, body, CGO_MESSAGE_BODY_MAX);
    one_close(&t);
}

static void noise_is_survived(void **state)
{
    (void)state;
    srand(5);
    for (unsigned round = 0; round < 20; round++) {
        struct one_hop t;
        uint8_t body[CELL_BODY_LEN];
        one_open(&t);
        for (unsigned i = 0; i < 20; i++) { // well encrypted, and anything inside
            for (unsigned j = 0; j < CELL_BODY_LEN; j++)
                body[j] = (uint8_t)rand();
            if (rand() % 2)
                body[16] = (uint8_t)(rand() % 48);
            if (rand() % 2)
                body[17] = (uint8_t)(rand() % 2);
            origin_seal(t.origin, CELL_RELAY, body, true);
            send_body(&t, CELL_RELAY, body);
        }
        rig_run(t.rig);
        for (unsigned i = 0; i < t.rig->inbox_length; i++)
            assert_true(t.rig->inbox[i]->length <= CGO_MESSAGE_BODY_MAX);
        one_close(&t);
    }
}

// What it was told of wears off with the circuit: no keys stay behind.
static void layers_are_wiped(void **state)
{
    (void)state;
    static const union layer zeros;
    for (unsigned n_workers = 1; n_workers <= 2; n_workers++) {
        struct path *p = path_open(n_workers, CGO);
        const uint8_t reason = DESTROY_NONE;
        const struct end_table *first = &p->rig->workers[0].ends;
        const struct end_table *second = &p->rig->workers[p->next_worker].ends;
        assert_int_equal(first->ends[p->origin->end.index].layer_kind, CGO);
        assert_int_equal(second->ends[p->next_end.index].layer_kind, CGO);
        peer_send_cell(p->link, CIRCID, CELL_DESTROY, &reason, 1);
        peer_send_cell(p->next, p->next_circid, CELL_DESTROY, &reason, 1);
        rig_run(p->rig);
        for (unsigned i = 0; i < first->capacity; i++)
            assert_memory_equal(&first->ends[i].layer, &zeros, sizeof(zeros));
        for (unsigned i = 0; i < second->capacity; i++)
            assert_memory_equal(&second->ends[i].layer, &zeros, sizeof(zeros));
        path_close(p);
    }
}

int main(void)
{
    rig_eal();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_burst_holds_both),
        cmocka_unit_test(cells_go_through_two_hops),
        cmocka_unit_test(a_changed_cell_breaks_what_follows),
        cmocka_unit_test(a_cell_that_is_not_recognised_ends_the_circuit),
        cmocka_unit_test(a_message_that_can_not_be_read_ends_the_circuit),
        cmocka_unit_test(the_longest_messages_come_up_whole),
        cmocka_unit_test(noise_is_survived),
        cmocka_unit_test(layers_are_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
