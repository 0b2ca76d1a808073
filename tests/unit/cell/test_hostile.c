// SPDX-License-Identifier: BSD-3-Clause
// Peers that send cells in orders which no honest peer would, several in one record; and workers
// that run out of cells. Nothing may be closed twice, leak, or go on with a hole in it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cell/relay_message.h"
#include "rig.h"

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
    struct origin *o = origin_create(link, CIRCID);
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
    o = origin_create(link, CIRCID); // the link goes on, and the id is free again
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
    struct origin *o = origin_create(link, CIRCID);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_reasons_to_close),
        cmocka_unit_test(two_reasons_to_close_without_memory),
    };
    rig_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
