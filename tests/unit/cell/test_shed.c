// SPDX-License-Identifier: BSD-3-Clause
// What goes when the cell pool runs low: the heaviest circuits, in bounded steps, each with its
// DESTROY, and nobody else (protocol 5.07).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_mempool.h>

#include "path.h"

enum { LIGHT = 30, LIGHT_CELLS = 40, FIRST_CIRCID = 0x80001000 };

// Cells that the test itself holds.
static struct cell *taken[RIG_CELLS];
static unsigned n_taken;

static void leave_free(struct rig *rig, unsigned cells)
{
    while (rte_mempool_avail_count(rig->cells) > cells)
        assert_non_null(taken[n_taken++] = cell_new(rig->cells));
}

static void give_back(void)
{
    while (n_taken > 0)
        cell_free(taken[--n_taken]);
}

static void allow_long_queues(struct rig *rig)
{
    for (unsigned i = 0; i < rig->n; i++)
        rig->workers[i].queue_max_cells[false] = rig->workers[i].queue_max_cells[true] = RIG_CELLS;
}

// Numbered cells, away from the origin.
static void send_cells(struct path *p, unsigned from, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint8_t body[2] = {(uint8_t)((from + i) >> 8), (uint8_t)(from + i)};
        origin_send(p->origin, CELL_RELAY, RELAY_DATA, 1, body, 2, false);
        if (i % 64 == 63)
            rig_run(p->rig);
    }
    rig_run(p->rig);
}

static unsigned queued(const struct path *p)
{
    const struct circuit_end *end = end_get(&p->rig->workers[p->next_worker], p->next_end);
    return end ? end->queue.count : 0;
}

// Opens the window of the next hop and counts what came of each circuit, in order and whole.
// Returns how many DESTROYs came.
struct delivered {
    unsigned cells, destroys;
};

static void deliver(struct path *const *paths, struct delivered *out, unsigned n)
{
    struct peer_cell cell;
    memset(out, 0, n * sizeof(*out));
    fake_set_window(paths[0]->next->tcp, 16 << 20);
    rig_run(paths[0]->rig);
    while (peer_receive_cell(paths[0]->next, &cell)) {
        unsigned i = 0;
        while (i < n && paths[i]->next_circid != cell.circid)
            i++;
        assert_true(i < n);
        assert_int_equal(out[i].destroys, 0); // nothing after it
        if (cell.command == CELL_DESTROY) {
            assert_int_equal(cell.body[0], DESTROY_RESOURCELIMIT);
            out[i].destroys++;
            continue;
        }
        const uint8_t *body = cell.body + RELAY_HEADER_LEN;
        assert_int_equal(cell.command, CELL_RELAY);
        assert_int_equal(body[0] << 8 | body[1], out[i].cells);
        out[i].cells++;
    }
}

// What the control plane does when it hears of a closed end: the other one goes, too.
static void close_origins(struct path *const *paths, unsigned n)
{
    struct rig *rig = paths[0]->rig;
    while (rig_has(rig, MSG_CIRCUIT_CLOSED)) {
        struct message *closed = rig_expect(rig, MSG_CIRCUIT_CLOSED);
        assert_int_equal(closed->close.reason, DESTROY_RESOURCELIMIT);
        for (unsigned i = 0; i < n; i++) {
            if (closed->circuit.index != paths[i]->next_end.index ||
                closed->worker != paths[i]->next_worker)
                continue;
            struct message *m = rig_message(rig, 0, MSG_CIRCUIT_CLOSE);
            m->circuit = paths[i]->origin->end;
            m->close.reason = DESTROY_RESOURCELIMIT;
            rig_send(rig, m);
            peer_expect_destroy(paths[i]->link, paths[i]->origin->circid, DESTROY_RESOURCELIMIT);
        }
        channel_free(closed);
    }
}

static void open_beside(struct path **paths, unsigned n)
{
    for (unsigned i = 1; i < n; i++)
        paths[i] = path_beside(paths[0], FIRST_CIRCID + i, CIRCUIT_CRYPTO_TOR1);
}

static void close_paths(struct path **paths, unsigned n)
{
    for (unsigned i = 1; i < n; i++)
        path_forget(paths[i]);
    path_close(paths[0]);
}

static void the_heavy_goes(unsigned n_workers)
{
    enum { HEAVY_CELLS = 1200 };
    struct path *paths[1 + LIGHT] = {path_open(n_workers, CIRCUIT_CRYPTO_TOR1)};
    struct rig *rig = paths[0]->rig;
    struct worker *w = &rig->workers[paths[0]->next_worker];
    open_beside(paths, 1 + LIGHT);
    allow_long_queues(rig);
    fake_set_window(paths[0]->next->tcp, 0);
    for (unsigned done = 0; done < LIGHT_CELLS; done += 10)
        for (unsigned i = 1; i <= LIGHT; i++)
            send_cells(paths[i], done, 10);
    send_cells(paths[0], 0, HEAVY_CELLS);
    assert_int_equal(w->counters.drop_circuit_memory, 0);
    assert_int_equal(queued(paths[0]), HEAVY_CELLS);
    leave_free(rig, w->shed.low_cells - 1);
    rig_run(rig);
    assert_int_equal(w->counters.drop_circuit_memory, 1);
    assert_int_equal(w->counters.drop_cell_memory, HEAVY_CELLS);
    close_origins(paths, 1 + LIGHT);
    struct delivered delivered[1 + LIGHT];
    deliver(paths, delivered, 1 + LIGHT);
    assert_int_equal(delivered[0].destroys, 1);
    assert_int_equal(delivered[0].cells, 0);
    for (unsigned i = 1; i <= LIGHT; i++) {
        assert_int_equal(delivered[i].destroys, 0);
        assert_int_equal(delivered[i].cells, LIGHT_CELLS);
    }
    give_back();
    send_cells(paths[1], LIGHT_CELLS, 5); // and it goes on
    struct peer_cell cell;
    peer_expect_cell(paths[0]->next, &cell, CELL_RELAY);
    while (peer_receive_cell(paths[0]->next, &cell))
        ;
    close_paths(paths, 1 + LIGHT);
}

static void the_heavy_goes_on_one_worker(void **state)
{
    (void)state;
    the_heavy_goes(1);
}

static void the_heavy_goes_on_the_other_worker(void **state)
{
    (void)state;
    the_heavy_goes(2);
}

// The first worker sees that cells are short before the other one does, and has circuits of its own
// that it could close. The other's are heavier.
static void the_light_of_another_worker_stay(void **state)
{
    (void)state;
    enum { CIRCUITS = 11, CELLS = 20, HEAVY_CELLS = 1200 };
    static const uint8_t body[CELL_BODY_LEN];
    struct path *paths[CIRCUITS] = {path_open(2, CIRCUIT_CRYPTO_TOR1)};
    struct rig *rig = paths[0]->rig;
    open_beside(paths, CIRCUITS);
    allow_long_queues(rig);
    fake_set_window(paths[0]->next->tcp, 0);
    fake_set_window(paths[0]->link->tcp, 0);
    for (unsigned i = 1; i < CIRCUITS; i++) {
        for (unsigned j = 0; j < CELLS; j++)
            peer_send_cell(paths[i]->next, paths[i]->next_circid, CELL_RELAY, body, sizeof(body));
        rig_run(rig);
    }
    send_cells(paths[0], 0, HEAVY_CELLS);
    leave_free(rig, rig->workers[0].shed.low_cells - 1);
    rig_run(rig);
    assert_int_equal(rig->workers[0].counters.drop_circuit_memory, 0);
    assert_int_equal(rig->workers[1].counters.drop_circuit_memory, 1);
    struct peer_cell cell;
    unsigned received = 0;
    fake_set_window(paths[0]->link->tcp, 1 << 20);
    rig_run(rig);
    for (; peer_receive_cell(paths[0]->link, &cell); received++)
        assert_int_equal(cell.command, CELL_RELAY);
    assert_int_equal(received, (CIRCUITS - 1) * CELLS);
    close_origins(paths, CIRCUITS);
    give_back();
    close_paths(paths, CIRCUITS);
}

static void of_many_alike_some_go(void **state)
{
    (void)state;
    enum { MANY = 30, CELLS = 90 };
    struct path *paths[MANY] = {path_open(1, CIRCUIT_CRYPTO_TOR1)};
    struct rig *rig = paths[0]->rig;
    struct worker *w = &rig->workers[0];
    open_beside(paths, MANY);
    fake_set_window(paths[0]->next->tcp, 0);
    for (unsigned i = 0; i < MANY; i++)
        send_cells(paths[i], 0, CELLS);
    leave_free(rig, w->shed.low_cells - 1);
    rig_run(rig);
    unsigned expected = (w->shed.high_cells - w->shed.low_cells) / CELLS + 1;
    assert_int_equal(w->counters.drop_circuit_memory, expected);
    assert_true(rte_mempool_avail_count(rig->cells) >= w->shed.high_cells);
    assert_false(w->shed.active);
    close_origins(paths, MANY);
    struct delivered delivered[MANY];
    deliver(paths, delivered, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        expected -= delivered[i].destroys;
        assert_int_equal(delivered[i].cells, delivered[i].destroys ? 0 : CELLS);
    }
    assert_int_equal(expected, 0);
    give_back();
    close_paths(paths, MANY);
}

// Circuits on a link that takes nothing go before a longer queue that moves.
static void who_takes_nothing_goes_first(void **state)
{
    (void)state;
    enum { STALLED = 10, CELLS = 60, BULK_CELLS = 300 };
    struct path *paths[STALLED] = {path_open(1, CIRCUIT_CRYPTO_TOR1)};
    struct rig *rig = paths[0]->rig;
    struct worker *w = &rig->workers[0];
    open_beside(paths, STALLED);
    struct path *bulk = path_open_in(rig, CIRCUIT_CRYPTO_TOR1);
    allow_long_queues(rig);
    fake_set_window(paths[0]->next->tcp, 0);
    fake_set_window(bulk->next->tcp, 0);
    for (unsigned i = 0; i < STALLED; i++)
        send_cells(paths[i], 0, CELLS);
    send_cells(bulk, 0, BULK_CELLS);
    w->conns.conns[paths[0]->next->conn.index].waits_since_us -= 10 * 1000 * 1000;
    leave_free(rig, w->shed.high_cells - (STALLED - 1) * CELLS);
    w->shed.low_cells = w->shed.high_cells;
    rig_run(rig);
    assert_int_equal(w->counters.drop_circuit_memory, STALLED - 1);
    assert_int_equal(queued(bulk), BULK_CELLS);
    close_origins(paths, STALLED);
    struct delivered delivered[STALLED];
    deliver(paths, delivered, STALLED);
    deliver(&bulk, delivered, 1);
    assert_int_equal(delivered[0].cells, BULK_CELLS);
    give_back();
    peer_link_free(bulk->link);
    peer_link_free(bulk->next);
    path_forget(bulk);
    close_paths(paths, STALLED);
}

// Nobody has a long queue; ends are many. They are looked at a few per turn.
static void a_search_is_spread_over_turns(void **state)
{
    (void)state;
    struct rig *rig = rig_create_for(1, 10 * SHED_STEPS_PER_TURN);
    struct worker *w = &rig->workers[0];
    struct path *p = path_open_in(rig, CIRCUIT_CRYPTO_TOR1);
    fake_set_window(p->next->tcp, 0);
    send_cells(p, 0, 1);
    w->shed.hand = p->next_end.index + 1;
    leave_free(rig, w->shed.low_cells - 1);
    unsigned turns = 0;
    for (; w->counters.drop_circuit_memory == 0; turns++) {
        uint32_t hand = w->shed.hand;
        worker_turn(w);
        assert_true(w->shed.steps_left <= SHED_STEPS_PER_TURN);
        uint32_t moved = (w->shed.hand + w->ends.capacity - hand) % w->ends.capacity;
        assert_true(moved <= SHED_STEPS_PER_TURN);
        assert_true(turns < 100);
    }
    // Once round for queues of 4, once for queues of 2.
    assert_in_range(turns, 2 * w->ends.capacity / SHED_STEPS_PER_TURN,
                    4 * w->ends.capacity / SHED_STEPS_PER_TURN);
    rig_run(rig);
    close_origins(&p, 1);
    give_back();
    path_close(p);
}

// A queue that is long in one turn and short in the next is where it belongs.
static void buckets_follow_the_queues(void **state)
{
    (void)state;
    struct path *p = path_open(1, CIRCUIT_CRYPTO_TOR1);
    struct worker *w = &p->rig->workers[0];
    const struct circuit_end *end = end_get(w, p->next_end);
    allow_long_queues(p->rig);
    fake_set_window(p->next->tcp, 0);
    srand(5);
    unsigned sent = 0;
    for (unsigned i = 0; i < 200; i++) {
        if (rand() % 2) {
            unsigned n = (unsigned)rand() % 60;
            send_cells(p, sent, n);
            sent += n;
        } else {
            fake_set_window(p->next->tcp, (size_t)rand() % 100 * CELL_LEN);
            rig_run(p->rig);
            fake_set_window(p->next->tcp, 0);
        }
        unsigned count = end->queue.count;
        assert_true(count < (unsigned)SHED_FIRST_CELLS << end->bucket);
        assert_true(end->bucket == 0 || count >= (unsigned)SHED_FIRST_CELLS << end->bucket >> 2);
        assert_int_equal(w->shed.filled, end->bucket ? 1u << (end->bucket - 1) : 0);
    }
    struct delivered delivered;
    deliver(&p, &delivered, 1);
    assert_int_equal(w->shed.filled, 0);
    path_close(p);
}

// All cells are in use, by nobody that could be closed.
static void a_destroy_needs_no_cell(void **state)
{
    (void)state;
    enum { MANY = 100 };
    struct path *paths[MANY] = {path_open(1, CIRCUIT_CRYPTO_TOR1)};
    struct rig *rig = paths[0]->rig;
    open_beside(paths, MANY);
    fake_set_window(paths[0]->next->tcp, 0);
    fake_set_window(paths[0]->link->tcp, 0);
    leave_free(rig, 0);
    for (unsigned i = 0; i < MANY; i++) {
        if (i % 2) { // there is no cell for what comes
            send_cells(paths[i], 0, 1);
            rig_expect_closed(rig, paths[i]->origin->end, DESTROY_RESOURCELIMIT, false);
        } else {
            struct message *m = rig_message(rig, 0, MSG_CIRCUIT_CLOSE);
            m->circuit = paths[i]->origin->end;
            m->close.reason = DESTROY_RESOURCELIMIT;
            rig_send(rig, m);
        }
        struct message *m = rig_message(rig, 0, MSG_CIRCUIT_CLOSE);
        m->circuit = paths[i]->next_end;
        m->close.reason = DESTROY_RESOURCELIMIT;
        rig_send(rig, m);
    }
    fake_set_window(paths[0]->link->tcp, 1 << 20);
    struct delivered delivered[MANY];
    deliver(paths, delivered, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        assert_int_equal(delivered[i].destroys, 1);
        peer_expect_destroy(paths[0]->link, paths[i]->origin->circid, DESTROY_RESOURCELIMIT);
    }
    give_back();
    // Every end is free again.
    unsigned ends = 0;
    const struct circuit_end *end;
    TAILQ_FOREACH(end, &rig->workers[0].ends.free, entry)
    ends++;
    assert_int_equal(ends, rig->workers[0].ends.capacity);
    close_paths(paths, MANY);
}

// A link that goes takes along what it was still to be told.
static void a_link_closes_with_destroys_owed(void **state)
{
    (void)state;
    struct path *p = path_open(1, CIRCUIT_CRYPTO_TOR1);
    struct rig *rig = p->rig;
    struct worker *w = &rig->workers[0];
    fake_set_window(p->next->tcp, 0);
    for (unsigned i = 0; i <= w->queue_max_cells[false]; i++)
        origin_send(p->origin, CELL_RELAY, RELAY_DATA, 1, "", 0, false);
    rig_run(rig);
    rig_expect_closed(rig, p->next_end, DESTROY_RESOURCELIMIT, false);
    assert_int_equal(w->ends.ends[p->next_end.index].state, END_CLOSED);
    fake_gone(p->next->tcp, CONN_CLOSE_RESET);
    rig_run(rig);
    assert_false(rig_has(rig, MSG_CIRCUIT_CLOSED));
    channel_free(rig_expect(rig, MSG_CONN_CLOSED));
    assert_null(end_get(w, p->next_end));
    assert_int_equal(w->ends.ends[p->next_end.index].state, END_FREE);
    path_close(p);
}

// CREATED cells and the like, for peers that take none, are bounded for all links together; the
// link that let them wait longest goes.
static void cells_of_links_are_bounded(void **state)
{
    (void)state;
    struct path *p = path_open(1, CIRCUIT_CRYPTO_TOR1);
    struct rig *rig = p->rig;
    struct worker *w = &rig->workers[0];
    struct peer_link *hogs[2] = {peer_link_accepted(rig, 0), peer_link_accepted(rig, 0)};
    fake_set_window(hogs[0]->tcp, 0);
    fake_set_window(hogs[1]->tcp, 0);
    for (uint32_t i = 1; !hogs[0]->tcp->aborted; i++) {
        assert_true(i < RIG_CELLS);
        peer_send_cell(hogs[(i - 1) % 2], i, CELL_CREATE2, "", 0); // not a peer's id: refused
        rig_run(rig);
        assert_true(rig->workers[0].link_cells <= w->shed.link_cells_max);
    }
    assert_false(hogs[1]->tcp->aborted);
    assert_true(rte_mempool_avail_count(rig->cells) >= RIG_CELLS - w->shed.link_cells_max);
    assert_int_equal(w->counters.drop_conn_stalled, 1);
    path_check_backward(p, 7);
    fake_set_window(hogs[1]->tcp, 1 << 20);
    rig_run(rig);
    assert_int_equal(w->link_cells, 0);
    peer_link_free(hogs[0]);
    peer_link_free(hogs[1]);
    path_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_heavy_goes_on_one_worker),
        cmocka_unit_test(the_heavy_goes_on_the_other_worker),
        cmocka_unit_test(the_light_of_another_worker_stay),
        cmocka_unit_test(of_many_alike_some_go),
        cmocka_unit_test(who_takes_nothing_goes_first),
        cmocka_unit_test(a_search_is_spread_over_turns),
        cmocka_unit_test(buckets_follow_the_queues),
        cmocka_unit_test(a_destroy_needs_no_cell),
        cmocka_unit_test(a_link_closes_with_destroys_owed),
        cmocka_unit_test(cells_of_links_are_bounded),
    };
    rig_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
