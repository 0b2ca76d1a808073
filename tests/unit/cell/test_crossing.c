// SPDX-License-Identifier: BSD-3-Clause
// Cells between two workers: in order however they are gathered, a full ring answers at the cell,
// and what is under way at the end is not lost.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_ring.h>

#include "path.h"

enum { CIRCID = PATH_CIRCID };

static void send_numbered(struct path *p, unsigned first, unsigned n)
{
    for (unsigned i = first; i < first + n; i++) {
        uint8_t number[2] = {(uint8_t)(i >> 8), (uint8_t)i};
        origin_send(p->origin, CELL_RELAY, RELAY_DATA, 1, number, sizeof(number), false);
    }
}

static void expect_numbered(struct path *p, unsigned first, unsigned n)
{
    for (unsigned i = first; i < first + n; i++) {
        struct peer_cell cell;
        peer_expect_cell(p->next, &cell, CELL_RELAY);
        assert_int_equal(cell.body[RELAY_HEADER_LEN] << 8 | cell.body[RELAY_HEADER_LEN + 1], i);
    }
}

static void bursts_of_all_sizes_keep_their_order(void **state)
{
    (void)state;
    struct path *p = path_open(2, CIRCUIT_CRYPTO_TOR1);
    unsigned number = 0;
    for (unsigned n = 1; n < 3 * CROSSING_BURST; n += n < 5 ? 1 : 7) {
        send_numbered(p, number, n);
        rig_run(p->rig);
        expect_numbered(p, number, n);
        number += n;
    }
    // Nothing waits here for a next burst, nor for a next turn.
    send_numbered(p, number, 1);
    while (p->origin->link->tcp->in.length)
        worker_turn(&p->rig->workers[0]);
    assert_int_equal(rte_ring_count(p->rig->workers[0].crossings[1].to), 1);
    rig_run(p->rig);
    expect_numbered(p, number, 1);
    path_close(p);
}

static void a_full_ring_answers_at_the_cell(void **state)
{
    (void)state;
    struct path *p = path_open(2, CIRCUIT_CRYPTO_TOR1);
    struct worker *first = &p->rig->workers[0];
    struct rte_ring *ring = first->crossings[1].to;
    unsigned room = rte_ring_free_count(ring);
    struct peer_cell cell;
    p->rig->workers[1].queue_max_cells[false] = 2 * room;
    rig_clear_inbox(p->rig);
    for (unsigned sent = 0; sent < room; sent += 31) {
        send_numbered(p, sent, room - sent < 31 ? room - sent : 31);
        while (p->origin->link->tcp->in.length)
            worker_turn(first);
    }
    assert_int_equal(rte_ring_free_count(ring), 0);
    assert_false(peer_receive_cell(p->link, &cell)); // it lives
    send_numbered(p, room, 3);
    worker_turn(first);
    peer_expect_destroy(p->link, CIRCID, DESTROY_RESOURCELIMIT);
    assert_int_equal(first->counters.drop_cell_no_memory, 1);
    rig_run(p->rig);
    rig_expect_closed(p->rig, p->origin->end, DESTROY_RESOURCELIMIT, false);
    expect_numbered(p, 0, room); // all that were before it
    assert_false(peer_receive_cell(p->next, &cell));
    // There is room again, for others.
    struct path *other = path_beside(p, CIRCID + 1, CIRCUIT_CRYPTO_TOR1);
    send_numbered(other, 0, 50);
    rig_run(p->rig);
    expect_numbered(other, 0, 50);
    path_forget(other);
    path_close(p);
}

// rig_destroy looks whether all cells come back.
static void what_is_under_way_is_freed(void **state)
{
    (void)state;
    struct path *p = path_open(2, CIRCUIT_CRYPTO_CGO);
    send_numbered(p, 0, CROSSING_BURST + 5);
    while (p->origin->link->tcp->in.length)
        worker_turn(&p->rig->workers[0]);
    struct message *m = rig_message(p->rig, 1, MSG_CIRCUIT_TRUNCATE); // a layer, too
    m->circuit = p->next_end;
    m->relay.command = RELAY_TRUNCATED;
    channel_send_down(&p->rig->channels[1], m);
    worker_turn(&p->rig->workers[1]);
    assert_int_equal(rte_ring_count(p->rig->workers[1].crossings[0].to), 2);
    path_close(p);
}

int main(void)
{
    rig_eal();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bursts_of_all_sizes_keep_their_order),
        cmocka_unit_test(a_full_ring_answers_at_the_cell),
        cmocka_unit_test(what_is_under_way_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
