// SPDX-License-Identifier: BSD-3-Clause
// Making a circuit and extending it, as the control plane does.
#include "path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void make_circuit(struct path *p, uint32_t circid, enum circuit_crypto_kind kind)
{
    struct peer_cell cell;
    p->origin = origin_create(p->link, circid, kind);
    struct message *dial = rig_message(p->rig, p->next_worker, MSG_CIRCUIT_DIAL);
    dial->conn = p->next->conn;
    dial->cookie = 99;
    dial->command = CELL_CREATE2;
    dial->length = 4;
    memcpy(dial->payload, "skin", 4);
    rig_send(p->rig, dial);
    peer_expect_cell(p->next, &cell, CELL_CREATE2);
    assert_true(cell.circid & CIRCID_INITIATOR_BIT); // we dialled
    assert_memory_equal(cell.body, "skin", 4);
    p->next_circid = cell.circid;
    peer_send_cell(p->next, p->next_circid, CELL_CREATED2, "answer", 6);
    rig_run(p->rig);
    struct message *created = rig_expect(p->rig, MSG_CIRCUIT_CREATED);
    assert_int_equal(created->cookie, 99);
    p->next_end = created->circuit;
    channel_free(created);
    struct message *splice = rig_message(p->rig, 0, MSG_CIRCUIT_SPLICE);
    splice->circuit = p->origin->end;
    splice->peer.worker = (uint8_t)p->next_worker;
    splice->peer.circuit = p->next_end;
    splice->peer.relay.command = RELAY_EXTENDED2;
    splice->length = 6;
    memcpy(splice->payload, "answer", 6);
    rig_send(p->rig, splice);
    peer_expect_cell(p->link, &cell, CELL_RELAY);
    assert_true(origin_open(p->origin, &cell));
    struct relay_message extended = origin_parse(p->origin, &cell);
    assert_int_equal(extended.command, RELAY_EXTENDED2);
    assert_int_equal(extended.length, 6);
    assert_memory_equal(extended.body, "answer", 6);
}

struct path *path_open_in(struct rig *rig, enum circuit_crypto_kind kind)
{
    struct path *p = calloc(1, sizeof(*p));
    p->rig = rig;
    p->next_worker = rig->n - 1;
    p->link = peer_link_accepted(p->rig, 0);
    p->next = peer_link_dialled(p->rig, p->next_worker);
    make_circuit(p, PATH_CIRCID, kind);
    return p;
}

struct path *path_open(unsigned n_workers, enum circuit_crypto_kind kind)
{
    return path_open_in(rig_create(n_workers), kind);
}

struct path *path_beside(const struct path *first, uint32_t circid, enum circuit_crypto_kind kind)
{
    struct path *p = calloc(1, sizeof(*p));
    *p = *first;
    make_circuit(p, circid, kind);
    return p;
}

void path_close(struct path *p)
{
    peer_link_free(p->link);
    peer_link_free(p->next);
    rig_destroy(p->rig);
    path_forget(p);
}

void path_forget(struct path *p)
{
    origin_free(p->origin);
    free(p);
}

void path_check_backward(struct path *p, uint8_t fill)
{
    struct peer_cell cell;
    uint8_t body[CELL_BODY_LEN];
    memset(body, fill, sizeof(body));
    peer_send_cell(p->next, p->next_circid, CELL_RELAY, body, sizeof(body));
    rig_run(p->rig);
    peer_expect_cell(p->link, &cell, CELL_RELAY);
    assert_int_equal(cell.circid, PATH_CIRCID);
    assert_false(origin_open(p->origin, &cell));
    assert_memory_equal(cell.body, body, sizeof(body));
}
