// SPDX-License-Identifier: BSD-3-Clause
// Cells that come right behind the message that says what they are for: a service's behind
// RENDEZVOUS1, before the circuits are joined; a new hop's, before we know of it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chain.h"
#include "origin.h"

enum { CIRCID = 0x80000001, WORDS = 20 };

static const enum circuit_crypto_kind TOR1 = CIRCUIT_CRYPTO_TOR1, CGO = CIRCUIT_CRYPTO_CGO;

static void append(uint8_t *record, size_t *length, uint32_t circid, const uint8_t *body)
{
    const uint8_t header[] = {(uint8_t)(circid >> 24), (uint8_t)(circid >> 16),
                              (uint8_t)(circid >> 8), (uint8_t)circid, CELL_RELAY};
    memcpy(record + *length, header, sizeof(header));
    memcpy(record + *length + sizeof(header), body, CELL_BODY_LEN);
    *length += CELL_LEN;
}

static void expect_no_cells(const struct rig *rig)
{
    for (unsigned i = 0; i < rig->n; i++) {
        assert_int_equal(rig->workers[i].early.n, 0);
        assert_int_equal(rig->workers[i].early.cells, 0);
    }
}

// ---- a rendezvous

struct rendezvous {
    struct rig *rig;
    struct peer_link *links[2];
    struct origin *client, *service;
};

static void open_between(struct rendezvous *r, unsigned client_worker, unsigned service_worker,
                         enum circuit_crypto_kind client, enum circuit_crypto_kind service)
{
    r->rig = rig_create(client_worker + service_worker ? 2 : 1);
    r->links[0] = peer_link_accepted(r->rig, client_worker);
    r->links[1] = peer_link_accepted(r->rig, service_worker);
    r->client = origin_create(r->links[0], CIRCID, client);
    r->service = origin_create(r->links[1], CIRCID + 1, service);
}

static void close_all(struct rendezvous *r)
{
    origin_free(r->client);
    origin_free(r->service);
    for (unsigned i = 0; i < 2; i++)
        peer_link_free(r->links[i]);
    rig_destroy(r->rig);
}

// Words for the client, from the first one's number on.
static void speak(struct origin *o, unsigned first, unsigned n)
{
    static uint8_t record[31 * CELL_LEN];
    size_t length = 0;
    for (unsigned i = 0; i < n; i++) {
        uint8_t body[CELL_BODY_LEN];
        memset(body, (int)(first + i), sizeof(body));
        origin_seal(o, CELL_RELAY, body, false);
        append(record, &length, o->circid, body);
        if (i + 1 == n || length == sizeof(record)) {
            peer_send(o->link, record, length);
            length = 0;
        }
    }
}

static void expect_words(struct origin *o, unsigned first, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct peer_cell cell;
        uint8_t body[CELL_BODY_LEN];
        memset(body, (int)(first + i), sizeof(body));
        peer_expect_cell(o->link, &cell, CELL_RELAY);
        assert_false(origin_open(o, &cell));
        assert_memory_equal(cell.body, body, sizeof(body));
    }
}

// RENDEZVOUS1 and words behind it; the control thread has the message.
static struct message *meet(struct rendezvous *r, unsigned words)
{
    origin_send(r->service, CELL_RELAY, RELAY_RENDEZVOUS1, 0, "cookie", 6, true);
    speak(r->service, 1, words);
    rig_run(r->rig);
    struct message *m = rig_expect(r->rig, MSG_CIRCUIT_RELAY);
    assert_int_equal(m->relay.command, RELAY_RENDEZVOUS1);
    return m;
}

static void send_join(struct origin *one, const struct origin *other, uint8_t command)
{
    struct message *m = rig_message(one->link->rig, one->link->worker, MSG_CIRCUIT_JOIN);
    m->circuit = one->end;
    m->peer.worker = (uint8_t)other->link->worker;
    m->peer.circuit = other->end;
    m->peer.relay.command = command;
    channel_send_down(&one->link->rig->channels[m->worker], m);
}

static void expect_rendezvous2(struct origin *client)
{
    struct peer_cell cell;
    peer_expect_cell(client->link, &cell, CELL_RELAY);
    assert_true(origin_open(client, &cell));
    assert_int_equal(origin_parse(client, &cell).command, RELAY_RENDEZVOUS2);
}

// The service's worker may have heard of it and passed the words on before the client's looks.
static void check_first_words(unsigned client_worker, unsigned service_worker,
                              enum circuit_crypto_kind client, enum circuit_crypto_kind service)
{
    struct rendezvous r;
    open_between(&r, client_worker, service_worker, client, service);
    struct message *m = meet(&r, WORDS);
    assert_false(rig_has(r.rig, MSG_CIRCUIT_CLOSED));
    speak(r.service, 50, 5);
    rig_run(r.rig);
    send_join(r.client, r.service, RELAY_RENDEZVOUS2);
    send_join(r.service, r.client, 0);
    speak(r.service, 60, 5);
    channel_free(m);
    worker_turn(&r.rig->workers[service_worker]);
    worker_turn(&r.rig->workers[client_worker]);
    rig_run(r.rig);
    expect_rendezvous2(r.client);
    expect_words(r.client, 1, WORDS);
    expect_words(r.client, 50, 5);
    expect_words(r.client, 60, 5);
    expect_no_cells(r.rig);
    speak(r.client, 80, 40);
    speak(r.service, 100, 40);
    rig_run(r.rig);
    expect_words(r.service, 80, 40);
    expect_words(r.client, 100, 40);
    assert_int_equal(r.rig->inbox_length, 0);
    close_all(&r);
}

static void a_services_first_words_wait(void **state)
{
    (void)state;
    for (unsigned client = TOR1; client <= CGO; client++) {
        for (unsigned service = TOR1; service <= CGO; service++) {
            check_first_words(0, 0, client, service);
            check_first_words(0, 1, client, service);
            check_first_words(1, 0, client, service);
        }
    }
}

// The message led to nothing: the circuit is closed, as without it.
static void they_do_not_wait_for_ever(void **state)
{
    (void)state;
    struct rendezvous r;
    open_between(&r, 0, 1, TOR1, CGO);
    channel_free(meet(&r, WORDS));
    assert_int_equal(r.rig->workers[1].early.cells, WORDS);
    rig_run(r.rig);
    peer_expect_destroy(r.links[1], CIRCID + 1, DESTROY_PROTOCOL);
    rig_expect_closed(r.rig, r.service->end, DESTROY_PROTOCOL, false);
    assert_int_equal(r.rig->workers[1].counters.drop_cell_unrecognised, 1);
    expect_no_cells(r.rig);
    close_all(&r);
}

static void words_without_a_message_do_not_wait(void **state)
{
    (void)state;
    struct rendezvous r;
    open_between(&r, 0, 1, TOR1, TOR1);
    channel_free(meet(&r, 0));
    speak(r.service, 1, 1);
    rig_run(r.rig);
    peer_expect_destroy(r.links[1], CIRCID + 1, DESTROY_PROTOCOL);
    rig_expect_closed(r.rig, r.service->end, DESTROY_PROTOCOL, false);
    close_all(&r);
}

static void only_so_many_wait(void **state)
{
    (void)state;
    struct rendezvous r;
    open_between(&r, 0, 1, TOR1, CGO);
    struct message *m = meet(&r, EARLY_CELLS_MAX);
    assert_false(rig_has(r.rig, MSG_CIRCUIT_CLOSED));
    speak(r.service, 1, 1);
    rig_run(r.rig);
    rig_expect_closed(r.rig, r.service->end, DESTROY_PROTOCOL, false);
    expect_no_cells(r.rig);
    channel_free(m);
    close_all(&r);
}

// Of all circuits of a worker, and of its share of the cells.
static void only_so_many_circuits_wait(void **state)
{
    (void)state;
    enum { CIRCUITS = EARLY_CIRCUITS_MAX + 1 };
    struct rig *rig = rig_create(1);
    struct peer_link *link = peer_link_accepted(rig, 0);
    struct origin *origins[CIRCUITS];
    struct message *told[CIRCUITS];
    for (unsigned few = 0; few < 2; few++) {
        unsigned fit = few ? 7 : EARLY_CIRCUITS_MAX;
        if (few)
            rig->workers[0].early.cells_max = 7;
        fake_set_window(link->tcp, 1 << 20);
        for (unsigned i = 0; i < CIRCUITS; i++) {
            origins[i] = origin_create(link, CIRCID + i + CIRCUITS * few, TOR1);
            origin_send(origins[i], CELL_RELAY, RELAY_RENDEZVOUS1, 0, "cookie", 6, true);
            speak(origins[i], 1, 1);
            rig_run(rig);
            told[i] = rig_expect(rig, MSG_CIRCUIT_RELAY);
            if (i < fit)
                continue;
            peer_expect_destroy(link, origins[i]->circid, DESTROY_PROTOCOL);
            rig_expect_closed(rig, origins[i]->end, DESTROY_PROTOCOL, false);
        }
        assert_int_equal(rig->workers[0].early.n, fit);
        for (unsigned i = 0; i < CIRCUITS; i++)
            channel_free(told[i]);
        rig_run(rig);
        for (unsigned i = 0; i < fit; i++)
            channel_free(rig_expect(rig, MSG_CIRCUIT_CLOSED));
        expect_no_cells(rig);
        for (unsigned i = 0; i < CIRCUITS; i++)
            origin_free(origins[i]);
        for (struct peer_cell cell; peer_receive_cell(link, &cell);)
            ;
    }
    peer_link_free(link);
    rig_destroy(rig);
}

// … by its peer, with its link, by us: the cells go with it.
static void it_may_close_while_they_wait(void **state)
{
    (void)state;
    static const uint8_t reason = DESTROY_NONE;
    for (unsigned way = 0; way < 4; way++) {
        struct rendezvous r;
        open_between(&r, 0, 1, TOR1, CGO);
        struct message *m = meet(&r, WORDS);
        struct message *close = rig_message(r.rig, 1, MSG_CIRCUIT_CLOSE);
        close->circuit = r.service->end;
        if (way == 0)
            peer_send_cell(r.links[1], CIRCID + 1, CELL_DESTROY, &reason, 1);
        else if (way == 1)
            fake_gone(r.links[1]->tcp, CONN_CLOSE_RESET);
        else if (way == 2)
            channel_send_down(&r.rig->channels[1], close);
        if (way != 2)
            channel_free(close);
        if (way < 3) {
            rig_run(r.rig);
            worker_turn(&r.rig->workers[1]);
            expect_no_cells(r.rig);
        } // else the worker ends
        channel_free(m);
        close_all(&r);
    }
}

// What comes for a circuit that is not joined goes on at last, as it always has.
static void an_end_that_is_joined_from_one_side_only(void **state)
{
    (void)state;
    for (unsigned service_worker = 0; service_worker < 2; service_worker++) {
        struct rendezvous r;
        open_between(&r, 0, service_worker, CGO, TOR1);
        send_join(r.service, r.client, 0);
        rig_run(r.rig);
        for (unsigned i = 0; i < 3; i++) {
            speak(r.service, 1, 90);
            rig_run(r.rig);
            expect_words(r.client, 1, 90);
        }
        expect_no_cells(r.rig);
        close_all(&r);
    }
}

static void only_so_many_wait_for_a_join(void **state)
{
    (void)state;
    struct rendezvous r;
    open_between(&r, 0, 1, CGO, TOR1);
    send_join(r.service, r.client, 0);
    rig_run(r.rig);
    speak(r.service, 1, EARLY_CELLS_MAX + 1);
    rig_run(r.rig);
    peer_expect_destroy(r.links[0], CIRCID, DESTROY_RESOURCELIMIT);
    rig_expect_closed(r.rig, r.client->end, DESTROY_RESOURCELIMIT, false);
    expect_no_cells(r.rig);
    close_all(&r);
}

// ---- a hop that we do not know of yet

struct ours {
    struct rig *rig;
    struct peer_link *link;
    struct chain *c;
    struct message *add; // of the new hop
};

// RENDEZVOUS2 from hop 3, and words of the one behind it.
static struct message *meet_hop(struct ours *t, enum circuit_crypto_kind kind, bool garbage)
{
    uint8_t record[31 * CELL_LEN], body[CELL_BODY_LEN];
    size_t length = 0;
    t->rig = rig_create(1);
    t->link = peer_link_dialled(t->rig, 0);
    t->c = chain_of(t->link, kind == CGO ? "tct" : "ccc");
    t->add = chain_hop(t->c, kind);
    chain_answer(t->c, 3, RELAY_RENDEZVOUS2, 0, "keys", 4, body);
    append(record, &length, t->c->circid, body);
    for (unsigned i = 0; i < WORDS; i++) {
        uint8_t number = (uint8_t)i;
        chain_answer(t->c, 4, RELAY_DATA, 1, &number, 1, body);
        if (garbage && i == WORDS / 2)
            body[17] ^= 1;
        append(record, &length, t->c->circid, body);
    }
    peer_send(t->link, record, length);
    rig_run(t->rig);
    struct message *m = rig_expect(t->rig, MSG_CIRCUIT_RELAY);
    assert_int_equal(m->relay.command, RELAY_RENDEZVOUS2);
    assert_int_equal(m->relay.hop, 3);
    assert_int_equal(t->rig->inbox_length, 0);
    return m;
}

static void close_ours(struct ours *t)
{
    expect_no_cells(t->rig);
    chain_free(t->c);
    peer_link_free(t->link);
    rig_destroy(t->rig);
}

static void expect_words_of_hop(struct ours *t, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct message *m = rig_expect(t->rig, MSG_CIRCUIT_RELAY);
        assert_int_equal(m->relay.hop, 4);
        assert_int_equal(m->relay.command, RELAY_DATA);
        assert_int_equal(m->length, 1);
        assert_int_equal(m->payload[0], i);
        if (i + 1 == WORDS)
            assert_memory_equal(m->relay.tag, t->c->hops[3].tag, m->relay.tag_length);
        channel_free(m);
    }
}

static void a_new_hops_words_wait(void **state)
{
    (void)state;
    for (unsigned kind = TOR1; kind <= CIRCUIT_CRYPTO_ONION; kind++) {
        struct ours t;
        struct message *m = meet_hop(&t, kind, false);
        channel_send_down(&t.rig->channels[0], t.add);
        channel_free(m);
        chain_send(t.c, 2, RELAY_SENDME, 0, "", 0);
        rig_run(t.rig);
        expect_words_of_hop(&t, WORDS);
        m = rig_expect(t.rig, MSG_CIRCUIT_RELAY);
        assert_int_equal(m->relay.hop, 2);
        channel_free(m);
        assert_int_equal(t.rig->inbox_length, 0);
        close_ours(&t);
    }
}

static void a_hop_that_never_comes_closes_the_circuit(void **state)
{
    (void)state;
    struct ours t;
    channel_free(meet_hop(&t, TOR1, false));
    channel_free(t.add);
    rig_run(t.rig);
    peer_expect_destroy(t.link, t.c->circid, DESTROY_NONE);
    rig_expect_closed(t.rig, t.c->end, DESTROY_PROTOCOL, false);
    close_ours(&t);
}

// One of them is not the new hop's; nor does anybody else come.
static void not_all_of_them_are_its(void **state)
{
    (void)state;
    for (unsigned kind = TOR1; kind <= CIRCUIT_CRYPTO_ONION; kind++) {
        struct ours t;
        struct message *m = meet_hop(&t, kind, true);
        channel_send_down(&t.rig->channels[0], t.add);
        channel_free(m);
        rig_run(t.rig);
        expect_words_of_hop(&t, WORDS / 2);
        rig_run(t.rig);
        peer_expect_destroy(t.link, t.c->circid, DESTROY_NONE);
        rig_expect_closed(t.rig, t.c->end, DESTROY_PROTOCOL, false);
        assert_int_equal(t.rig->inbox_length, 0);
        close_ours(&t);
    }
}

int main(void)
{
    rig_eal();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_services_first_words_wait),
        cmocka_unit_test(they_do_not_wait_for_ever),
        cmocka_unit_test(words_without_a_message_do_not_wait),
        cmocka_unit_test(only_so_many_wait),
        cmocka_unit_test(only_so_many_circuits_wait),
        cmocka_unit_test(it_may_close_while_they_wait),
        cmocka_unit_test(an_end_that_is_joined_from_one_side_only),
        cmocka_unit_test(only_so_many_wait_for_a_join),
        cmocka_unit_test(a_new_hops_words_wait),
        cmocka_unit_test(a_hop_that_never_comes_closes_the_circuit),
        cmocka_unit_test(not_all_of_them_are_its),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
