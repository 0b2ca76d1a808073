// SPDX-License-Identifier: BSD-3-Clause
// Peers that send cells in orders which no honest peer would, several in one record; and workers
// that run out of cells. Nothing may be closed twice, leak, or go on with a hole in it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_mempool.h>

#include "cell/relay_message.h"
#include "origin.h"

enum { CIRCID = 0x80000001 }; // chosen by the peer, which is the TLS initiator

// Exactly one report of each end comes, however often there was reason to close it.
static void expect_closed_once(struct rig *rig, struct handle end, uint8_t reason)
{
    struct message *m = rig_expect(rig, MSG_CIRCUIT_CLOSED);
    assert_int_equal(m->circuit.index, end.index);
    assert_int_equal(m->circuit.generation, end.generation);
    assert_int_equal(m->close.reason, reason);
    channel_free(m);
    assert_false(rig_has(rig, MSG_CIRCUIT_CLOSED));
}

static void expect_destroy(struct peer_link *link, uint32_t circid, uint8_t reason)
{
    struct peer_cell cell;
    peer_expect_cell(link, &cell, CELL_DESTROY);
    assert_int_equal(cell.circid, circid);
    assert_int_equal(cell.body[0], reason);
}

// A cell that nobody recognises, which closes the circuit when the batch runs; and a cell that
// makes the batch run and would close it too.
static void check_closed_by_two_cells(uint8_t second)
{
    struct rig *rig = rig_create(1);
    struct peer_link *link = peer_link_accepted(rig, 0);
    struct origin *o = origin_create(link, CIRCID, CIRCUIT_CRYPTO_TOR1);
    struct peer_cell cell;
    static const uint8_t body[CELL_BODY_LEN];
    origin_send(o, CELL_RELAY, RELAY_DATA, 1, "", 0, false);
    if (second == CELL_RELAY_EARLY)
        for (unsigned i = 0; i < RELAY_EARLY_MAX; i++)
            peer_send_cell(link, CIRCID, CELL_RELAY_EARLY, body, sizeof(body));
    peer_send_cell(link, CIRCID, second, body, sizeof(body));
    rig_run(rig);
    expect_closed_once(rig, o->end, DESTROY_PROTOCOL);
    expect_destroy(link, CIRCID, DESTROY_PROTOCOL);
    assert_false(peer_receive_cell(link, &cell));
    origin_free(o);
    o = origin_create(link, CIRCID,
                      CIRCUIT_CRYPTO_TOR1); // the link goes on, and the id is free again
    origin_free(o);
    peer_link_free(link);
    rig_destroy(rig);
}

static void two_reasons_to_close(void **state)
{
    (void)state;
    check_closed_by_two_cells(CELL_CREATED2);
    check_closed_by_two_cells(CELL_CREATED_FAST);
    check_closed_by_two_cells(CELL_DESTROY);
    check_closed_by_two_cells(CELL_RELAY_EARLY);
}

// The pool is empty when the batch holds a cell that closes the circuit.
static void two_reasons_to_close_without_memory(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct peer_link *link = peer_link_accepted(rig, 0);
    struct origin *o = origin_create(link, CIRCID, CIRCUIT_CRYPTO_TOR1);
    static struct cell *taken[RIG_CELLS + 1];
    unsigned n = 0;
    while ((taken[n] = cell_new(rig->cells)))
        n++;
    cell_free(taken[--n]); // one is left
    origin_send(o, CELL_RELAY, RELAY_DATA, 1, "", 0, false);
    origin_send(o, CELL_RELAY, RELAY_DATA, 1, "", 0, false);
    rig_run(rig);
    while (n > 0)
        cell_free(taken[--n]);
    struct message *m = rig_expect(rig, MSG_CIRCUIT_CLOSED);
    assert_int_equal(m->circuit.index, o->end.index);
    channel_free(m);
    assert_false(rig_has(rig, MSG_CIRCUIT_CLOSED));
    origin_free(o);
    peer_link_free(link);
    rig_destroy(rig);
}

// ---- extended circuits, step by step

enum { COOKIE = 99 };

// origin ──link (worker 0)── relay ──next (worker 0 or 1)── peer
struct path {
    struct rig *rig;
    unsigned next_worker;
    struct peer_link *link, *next;
    struct origin *origin;
    uint32_t next_circid;
    struct handle next_end;
};

// Up to CREATE2, with the new end told of.
static struct path *path_dial(unsigned n_workers)
{
    struct path *p = calloc(1, sizeof(*p));
    struct peer_cell cell;
    p->rig = rig_create(n_workers);
    p->next_worker = n_workers - 1;
    p->link = peer_link_accepted(p->rig, 0);
    p->next = peer_link_dialled(p->rig, p->next_worker);
    p->origin = origin_create(p->link, CIRCID, CIRCUIT_CRYPTO_TOR1);
    struct message *m = rig_message(p->rig, p->next_worker, MSG_CIRCUIT_DIAL);
    m->conn = p->next->conn;
    m->cookie = COOKIE;
    m->command = CELL_CREATE2;
    rig_send(p->rig, m);
    m = rig_expect(p->rig, MSG_CIRCUIT_DIALLED);
    assert_int_equal(m->cookie, COOKIE);
    p->next_end = m->circuit;
    channel_free(m);
    peer_expect_cell(p->next, &cell, CELL_CREATE2);
    p->next_circid = cell.circid;
    return p;
}

static void path_created(struct path *p)
{
    peer_send_cell(p->next, p->next_circid, CELL_CREATED2, "", 0);
    rig_run(p->rig);
    struct message *m = rig_expect(p->rig, MSG_CIRCUIT_CREATED);
    assert_int_equal(m->cookie, COOKIE);
    assert_int_equal(m->circuit.generation, p->next_end.generation);
    channel_free(m);
}

static void send_splice(struct path *p)
{
    struct message *m = rig_message(p->rig, 0, MSG_CIRCUIT_SPLICE);
    m->circuit = p->origin->end;
    m->peer.worker = (uint8_t)p->next_worker;
    m->peer.circuit = p->next_end;
    m->peer.relay.command = RELAY_EXTENDED2;
    rig_send(p->rig, m);
}

static void send_truncate(struct path *p)
{
    struct message *m = rig_message(p->rig, p->next_worker, MSG_CIRCUIT_TRUNCATE);
    m->circuit = p->next_end;
    m->close.reason = DESTROY_FINISHED;
    m->relay.command = RELAY_TRUNCATED;
    m->length = 1;
    rig_send(p->rig, m);
}

static void send_close(struct path *p, unsigned worker, struct handle end)
{
    struct message *m = rig_message(p->rig, worker, MSG_CIRCUIT_CLOSE);
    m->circuit = end;
    m->close.reason = DESTROY_DESTROYED;
    rig_send(p->rig, m);
}

static struct path *path_open(unsigned n_workers)
{
    struct path *p = path_dial(n_workers);
    struct peer_cell cell;
    path_created(p);
    send_splice(p);
    peer_expect_cell(p->link, &cell, CELL_RELAY);
    assert_true(origin_open(p->origin, &cell));
    return p;
}

static void path_close(struct path *p)
{
    origin_free(p->origin);
    peer_link_free(p->link);
    peer_link_free(p->next);
    rig_destroy(p->rig);
    free(p);
}

// A next hop that never answers can't keep its end: the control thread has its name.
static void a_dial_can_be_given_up(void **state)
{
    (void)state;
    struct path *p = path_dial(1);
    send_close(p, 0, p->next_end);
    expect_destroy(p->next, p->next_circid, DESTROY_DESTROYED);
    peer_send_cell(p->next, p->next_circid, CELL_CREATED2, "", 0); // too late
    rig_run(p->rig);
    assert_int_equal(p->rig->inbox_length, 0);
    assert_int_equal(p->rig->workers[0].counters.drop_cell_unknown_circuit, 1);
    path_close(p);
}

// The client's TRUNCATE overtakes the layer that is on its way to the next hop's worker. The
// circuit can't go on, and must not stay behind half open.
static void a_truncate_before_its_layer(void **state)
{
    (void)state;
    struct path *p = path_dial(2);
    path_created(p);
    send_truncate(p);
    expect_destroy(p->next, p->next_circid, DESTROY_FINISHED);
    expect_closed_once(p->rig, p->next_end, DESTROY_FINISHED);
    send_splice(p); // the layer finds nobody
    send_close(p, 0, p->origin->end);
    struct peer_cell cell;
    peer_expect_cell(p->link, &cell, CELL_RELAY); // EXTENDED2
    expect_destroy(p->link, CIRCID, DESTROY_DESTROYED);
    path_close(p);
}

// The circuit is extended again before its layer is back from the first next hop's worker.
static void a_splice_before_its_layer(void **state)
{
    (void)state;
    struct path *p = path_open(2);
    send_splice(p); // its layer is with the other worker
    expect_closed_once(p->rig, p->origin->end, DESTROY_RESOURCELIMIT);
    expect_destroy(p->link, CIRCID, DESTROY_RESOURCELIMIT);
    send_truncate(p); // brings it back to nobody
    expect_destroy(p->next, p->next_circid, DESTROY_FINISHED);
    path_close(p);
}

// ---- no room

static unsigned take_all_cells(struct rig *rig, struct cell **taken)
{
    unsigned n = 0;
    while ((taken[n] = cell_new(rig->cells)))
        n++;
    return n;
}

// A layer that can't be handed over takes its circuit with it.
static void no_memory_for_a_layer(void **state)
{
    (void)state;
    static struct cell *taken[RIG_CELLS + 1];
    for (unsigned cells_left = 0; cells_left < 2; cells_left++) {
        struct path *p = path_dial(2);
        path_created(p);
        unsigned n = take_all_cells(p->rig, taken);
        for (unsigned i = 0; i < cells_left; i++) // enough for EXTENDED2
            cell_free(taken[--n]);
        send_splice(p);
        expect_closed_once(p->rig, p->origin->end, DESTROY_RESOURCELIMIT);
        while (n > 0)
            cell_free(taken[--n]);
        path_close(p);

        p = path_open(2);
        n = take_all_cells(p->rig, taken);
        for (unsigned i = 0; i < cells_left; i++)
            cell_free(taken[--n]);
        send_truncate(p);
        expect_closed_once(p->rig, p->next_end, DESTROY_FINISHED);
        while (n > 0)
            cell_free(taken[--n]);
        path_close(p);
    }
}

// The other worker does not keep up. A circuit that lost a cell is worth nothing: it is closed, and
// nobody sees a hole in it.
static void the_ring_to_another_worker_is_full(void **state)
{
    (void)state;
    struct path *p = path_open(2);
    struct worker *w = &p->rig->workers[0];
    for (unsigned i = 0; i < 1100; i++) {
        uint8_t body[2] = {(uint8_t)(i >> 8), (uint8_t)i};
        origin_send(p->origin, CELL_RELAY, RELAY_DATA, 1, body, 2, false);
        worker_turn(w);
    }
    p->rig->workers[1].queue_max_cells[false] = 2000;
    rig_run(p->rig);
    expect_closed_once(p->rig, p->origin->end, DESTROY_RESOURCELIMIT);
    struct peer_cell cell;
    peer_expect_cell(p->link, &cell, CELL_DESTROY);
    for (unsigned i = 0; peer_receive_cell(p->next, &cell); i++)
        assert_int_equal(cell.body[RELAY_HEADER_LEN] << 8 | cell.body[RELAY_HEADER_LEN + 1], i);
    path_close(p);
}

// ---- messages

// Peers whose window is shut, and for whom there is always something more to send (a KeyUpdate to
// answer, padding). What waits for them must not be all that the control thread has: it would wait
// for ever, and the relay with it.
static void peers_that_take_nothing(void **state)
{
    (void)state;
    enum { BAD = 8, ROUNDS = 1000 };
    struct rig *rig = rig_create(1);
    struct channel *ch = &rig->channels[0];
    struct tcp_conn *bad[BAD];
    struct handle conns[BAD];
    struct peer_link *good = peer_link_accepted(rig, 0);
    for (unsigned i = 0; i < BAD; i++) {
        bad[i] = fake_accept(rig->workers[0].tcp, address_ipv4(0x0a000100 + i, 1));
        fake_set_window(bad[i], 0);
        rig_run(rig);
        struct message *m = rig_expect(rig, MSG_CONN_ACCEPTED);
        conns[i] = m->conn;
        channel_free(m);
    }
    rig->workers[0].held_messages_max = 300;
    for (unsigned i = 0; i < 2 * ROUNDS; i++) {
        unsigned j = i < ROUNDS ? 0 : i % BAD; // at first it is one alone
        struct message *m = rig_message(rig, 0, MSG_CONN_SEND);
        m->conn = conns[j];
        m->length = 1;
        rig_send(rig, m);
        assert_in_range(rte_mempool_in_use_count(ch->down_pool), 0,
                        i < ROUNDS ? CONN_OUTGOING_MAX : 300);
    }
    assert_true(bad[0]->aborted);
    assert_true(bad[1]->aborted); // the first of those who wait
    assert_true(rig->workers[0].counters.drop_conn_stalled >= 2);
    // Who takes what is sent is not touched by it.
    struct origin *o = origin_create(good, CIRCID, CIRCUIT_CRYPTO_TOR1);
    origin_free(o);
    peer_link_free(good);
    rig_destroy(rig);
}

// A control thread that does not keep up. Requests may fail; but what ended is told, and a dial
// that failed does not keep the control thread's message.
static void reports_come_through(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct peer_link *link = peer_link_accepted(rig, 0);
    struct origin *o = origin_create(link, CIRCID, CIRCUIT_CRYPTO_TOR1);
    unsigned sent = 0;
    while (!rig_has(rig, MSG_CIRCUIT_CLOSED) && sent++ < RIG_MESSAGES_MAX) {
        origin_send(o, CELL_RELAY, RELAY_BEGIN, 1, "", 0, true);
        rig_run(rig); // receives, and gives nothing back
    }
    expect_closed_once(rig, o->end, DESTROY_RESOURCELIMIT);
    struct message *dial = rig_message(rig, 0, MSG_CIRCUIT_DIAL);
    dial->cookie = COOKIE;
    rig_send(rig, dial);
    struct message *m = rig_expect(rig, MSG_CIRCUIT_CLOSED);
    assert_int_equal(m->cookie, COOKIE);
    channel_free(m);
    assert_int_equal(rte_mempool_in_use_count(rig->channels[0].down_pool), 0);
    fake_gone(link->tcp, CONN_CLOSE_RESET);
    rig_run(rig);
    channel_free(rig_expect(rig, MSG_CONN_CLOSED));
    origin_free(o);
    peer_link_free(link);
    rig_destroy(rig);
}

// Connections that cause messages without end, while the control thread does not get to them. They
// are read no more, others are, and nothing is lost.
static void floods_leave_room_for_others(void **state)
{
    (void)state;
    enum { HOGS = 6, CREATES = 1500 };
    struct rig *rig = rig_create_for(1, HOGS * CREATES);
    struct rte_mempool *up = rig->channels[0].up_pool;
    struct peer_link *hogs[HOGS];
    unsigned room = channel_room_up(&rig->channels[0]), in_use = 0;
    for (unsigned i = 0; i < HOGS; i++)
        hogs[i] = peer_link_accepted(rig, 0);
    for (unsigned i = 0; i < HOGS; i++) {
        for (uint32_t j = 0; j < CREATES; j++)
            peer_send_cell(hogs[i], CIRCID + j, CELL_CREATE2, "", 0);
        rig_run(rig);
        // A share of what was free, as it shrinks.
        unsigned took = rte_mempool_in_use_count(up) - in_use;
        assert_in_range(took, 1, (room - in_use) / TELL_SHARE + TELL_ON_TOP);
        in_use += took;
    }
    // Raw bytes of a connection, and more of them than it may have under way.
    struct tcp_conn *raw = fake_accept(rig->workers[0].tcp, address_ipv4(1, 1));
    static const uint8_t bytes[700 * 300];
    fake_arrive(raw, bytes, sizeof(bytes));
    rig_run(rig);
    struct message *accepted = rig_expect(rig, MSG_CONN_ACCEPTED);
    assert_true(rig_has(rig, MSG_CONN_DATA));
    assert_true(channel_room_up(&rig->channels[0]) > room / 10);
    assert_true(rig->workers[0].counters.reads_put_off >= HOGS);
    // The control thread catches up.
    unsigned creates = 0, raw_bytes = 0;
    while (rig->inbox_length > 0) {
        for (unsigned i = 0; i < rig->inbox_length; i++) {
            creates += rig->inbox[i]->type == MSG_CIRCUIT_CREATE;
            raw_bytes += rig->inbox[i]->type == MSG_CONN_DATA ? rig->inbox[i]->length : 0;
        }
        rig_clear_inbox(rig);
        rig_run(rig);
    }
    assert_int_equal(creates, HOGS * CREATES);
    assert_int_equal(raw_bytes, sizeof(bytes));
    channel_free(accepted);
    for (unsigned i = 0; i < HOGS; i++) {
        struct peer_cell cell;
        assert_false(hogs[i]->tcp->closed || hogs[i]->tcp->aborted);
        assert_false(peer_receive_cell(hogs[i], &cell)); // nothing was refused
        peer_link_free(hogs[i]);
    }
    rig_destroy(rig);
}

// One record of a link handshake can hold thousands of cells. A link that closes in the middle of
// it is all that comes of it.
static void a_record_of_tiny_cells(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct tcp_conn *tcp = fake_accept(rig->workers[0].tcp, address_ipv4(1, 1));
    rig_run(rig);
    struct message *m = rig_expect(rig, MSG_CONN_ACCEPTED);
    struct peer_link link = {.rig = rig, .tcp = tcp, .conn = m->conn};
    channel_free(m);
    peer_link_start_records(&link);
    static const uint8_t versions[] = {0, 0, CELL_VERSIONS, 0, 2, 0, 5};
    static uint8_t tiny[2300 * CELL_VAR_HEADER_LEN];
    for (size_t i = CELL_CIRCID_LEN; i < sizeof(tiny); i += CELL_VAR_HEADER_LEN)
        tiny[i] = CELL_VPADDING;
    peer_send(&link, versions, sizeof(versions));
    peer_send(&link, tiny, sizeof(tiny));
    rig_run(rig);
    assert_true(tcp->closed);
    unsigned room = channel_room_up(&rig->channels[0]) + rig->inbox_length;
    assert_true(rig->inbox_length <= room / TELL_SHARE + TELL_ON_TOP);
    record_aead_destroy(link.aead);
    rig_destroy(rig);
}

// A circuit whose messages to us nobody can answer so fast; its neighbour on the link lives.
static void a_circuit_that_floods(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct peer_link *link = peer_link_accepted(rig, 0);
    struct origin *flood = origin_create(link, CIRCID, CIRCUIT_CRYPTO_TOR1);
    struct origin *other = origin_create(link, CIRCID + 1, CIRCUIT_CRYPTO_TOR1);
    for (unsigned i = 0; i <= TELL_CIRCUIT_MAX; i++)
        origin_send(flood, CELL_RELAY, RELAY_BEGIN, 1, "", 0, true);
    rig_run(rig);
    expect_closed_once(rig, flood->end, DESTROY_RESOURCELIMIT);
    peer_expect_destroy(link, CIRCID, DESTROY_RESOURCELIMIT);
    assert_int_equal(rig->inbox_length, TELL_CIRCUIT_MAX);
    rig_clear_inbox(rig);
    origin_send(other, CELL_RELAY, RELAY_BEGIN, 1, "", 0, true);
    rig_run(rig);
    struct message *m = rig_expect(rig, MSG_CIRCUIT_RELAY);
    assert_int_equal(m->circuit.index, other->end.index);
    channel_free(m);
    origin_free(flood);
    origin_free(other);
    peer_link_free(link);
    rig_destroy(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_reasons_to_close),
        cmocka_unit_test(two_reasons_to_close_without_memory),
        cmocka_unit_test(a_dial_can_be_given_up),
        cmocka_unit_test(a_truncate_before_its_layer),
        cmocka_unit_test(a_splice_before_its_layer),
        cmocka_unit_test(no_memory_for_a_layer),
        cmocka_unit_test(the_ring_to_another_worker_is_full),
        cmocka_unit_test(peers_that_take_nothing),
        cmocka_unit_test(reports_come_through),
        cmocka_unit_test(floods_leave_room_for_others),
        cmocka_unit_test(a_record_of_tiny_cells),
        cmocka_unit_test(a_circuit_that_floods),
    };
    rig_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
