// SPDX-License-Identifier: BSD-3-Clause
// What workers tell of our own relay messages: tags (protocol 3.04, 3.19, 4.10) and queues that are
// short again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "path.h"

enum { CIRCID = PATH_CIRCID };

static const enum circuit_crypto_kind TOR1 = CIRCUIT_CRYPTO_TOR1, CGO = CIRCUIT_CRYPTO_CGO;

static void originate(struct rig *rig, unsigned worker, struct handle end, uint8_t command,
                      uint8_t tell)
{
    struct message *m = rig_message(rig, worker, MSG_CIRCUIT_ORIGINATE);
    m->circuit = end;
    m->relay.command = command;
    m->relay.stream_id = 5;
    m->relay.tell = tell;
    m->length = 4;
    memcpy(m->payload, "data", 4);
    rig_send(rig, m);
}

static void expect_about(struct message *m, unsigned worker, struct handle end, uint64_t cookie)
{
    assert_int_equal(m->worker, worker);
    assert_int_equal(m->circuit.index, end.index);
    assert_int_equal(m->circuit.generation, end.generation);
    assert_int_equal(m->cookie, cookie);
}

static void expect_drained(struct rig *rig, unsigned worker, struct handle end)
{
    struct message *m = rig_expect(rig, MSG_CIRCUIT_DRAINED);
    expect_about(m, worker, end, 0);
    channel_free(m);
    assert_false(rig_has(rig, MSG_CIRCUIT_DRAINED));
}

// ---- tags

// Many at once, in order; messages without a question between them.
static void check_tags(struct origin *o, unsigned worker, struct handle named, uint64_t cookie)
{
    enum { MESSAGES = 30 };
    struct rig *rig = o->link->rig;
    for (unsigned i = 0; i < MESSAGES; i++)
        originate(rig, worker, named, RELAY_DATA, i % 3 ? ORIGINATE_TELL_TAG : 0);
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct peer_cell cell;
        peer_expect_cell(o->link, &cell, CELL_RELAY);
        assert_true(origin_open(o, &cell));
        if (i % 3 == 0)
            continue;
        struct message *m = rig_expect(rig, MSG_CIRCUIT_ORIGINATED);
        expect_about(m, worker, named, cookie);
        assert_int_equal(m->relay.tag_length, o->kind == CGO ? 16 : 20);
        assert_memory_equal(m->relay.tag, o->tag, m->relay.tag_length);
        channel_free(m);
    }
    assert_int_equal(rig->inbox_length, 0);
}

static void tags_are_told(void **state)
{
    (void)state;
    for (unsigned kind = TOR1; kind <= CGO; kind++) {
        struct rig *rig = rig_create(1);
        struct peer_link *link = peer_link_accepted(rig, 0);
        struct origin *o = origin_create(link, CIRCID, kind);
        check_tags(o, 0, o->end, 0);
        origin_free(o);
        peer_link_free(link);
        rig_destroy(rig);
    }
}

static void tags_of_extended_circuits_are_told(void **state)
{
    (void)state;
    for (unsigned n_workers = 1; n_workers <= 2; n_workers++) {
        for (unsigned kind = TOR1; kind <= CGO; kind++) {
            struct path *p = path_open(n_workers, kind);
            rig_clear_inbox(p->rig);
            check_tags(p->origin, n_workers - 1, p->next_end, 99);
            path_check_backward(p, 3);
            path_close(p);
        }
    }
}

// All messages that peers and we may have. The caller gives them back.
static unsigned take_messages_up(struct rig *rig, struct message **taken)
{
    unsigned n = 0;
    while ((taken[n] = channel_message_up(&rig->channels[0], MSG_CONN_DATA)))
        n++;
    return n;
}

static void give_back(struct message **taken, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        channel_free(taken[i]);
}

// A cell whose SENDME nobody could check is not sent; the circuit does not go on without it.
static void a_tag_that_can_not_be_told_closes_the_circuit(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct peer_link *link = peer_link_accepted(rig, 0);
    struct origin *o = origin_create(link, CIRCID, TOR1);
    struct origin *other = origin_create(link, CIRCID + 1, TOR1);
    struct message **taken = calloc(5000, sizeof(struct message *));
    unsigned n = take_messages_up(rig, taken);
    originate(rig, 0, other->end, RELAY_DATA, 0);
    originate(rig, 0, o->end, RELAY_DATA, ORIGINATE_TELL_TAG);
    struct peer_cell cell;
    peer_expect_cell(link, &cell, CELL_RELAY);
    assert_int_equal(cell.circid, CIRCID + 1);
    peer_expect_destroy(link, CIRCID, DESTROY_RESOURCELIMIT);
    rig_expect_closed(rig, o->end, DESTROY_RESOURCELIMIT, false);
    give_back(taken, n);
    free(taken);
    // So with what can't be said.
    struct origin *cgo = origin_create(link, CIRCID + 2, CGO);
    originate(rig, 0, cgo->end, 99, ORIGINATE_TELL_TAG);
    peer_expect_destroy(link, CIRCID + 2, DESTROY_RESOURCELIMIT);
    rig_expect_closed(rig, cgo->end, DESTROY_RESOURCELIMIT, false);
    origin_free(cgo);
    origin_free(other);
    origin_free(o);
    peer_link_free(link);
    rig_destroy(rig);
}

// ---- short queues

static void a_short_queue_is_told_of_at_once(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct peer_link *link = peer_link_accepted(rig, 0);
    struct origin *o = origin_create(link, CIRCID, TOR1);
    originate(rig, 0, o->end, RELAY_DATA, ORIGINATE_TELL_DRAINED);
    expect_drained(rig, 0, o->end);
    fake_set_window(link->tcp, 0);
    for (unsigned i = 0; i < DRAINED_CELLS; i++)
        originate(rig, 0, o->end, RELAY_DATA, i + 1 == DRAINED_CELLS ? ORIGINATE_TELL_DRAINED : 0);
    expect_drained(rig, 0, o->end);
    originate(rig, 0, o->end, RELAY_DATA, ORIGINATE_TELL_DRAINED | ORIGINATE_TELL_TAG);
    assert_false(rig_has(rig, MSG_CIRCUIT_DRAINED));
    channel_free(rig_expect(rig, MSG_CIRCUIT_ORIGINATED));
    fake_set_window(link->tcp, 1 << 20);
    rig_run(rig);
    expect_drained(rig, 0, o->end);
    originate(rig, 0, o->end, RELAY_DATA, 0); // nobody asks
    assert_int_equal(rig->inbox_length, 0);
    origin_free(o);
    peer_link_free(link);
    rig_destroy(rig);
}

// Told when there are few, not before, and not when it is empty; of a circuit that is extended,
// too, wherever its next hop is.
static void check_drained(unsigned n_workers)
{
    enum { CELLS = 60 };
    struct path *p = path_open(n_workers, TOR1);
    struct rig *rig = p->rig;
    struct tcp_conn *tcp = p->link->tcp;
    const struct circuit_end *end = &rig->workers[0].ends.ends[p->origin->end.index];
    rig_clear_inbox(rig);
    fake_set_window(tcp, 0);
    for (unsigned i = 0; i < CELLS; i++)
        originate(rig, p->next_worker, p->next_end, RELAY_DATA,
                  i == 20 || i + 1 == CELLS ? ORIGINATE_TELL_DRAINED : 0);
    assert_int_equal(rig->inbox_length, 0);
    while (end->queue.count > DRAINED_CELLS) {
        assert_false(rig_has(rig, MSG_CIRCUIT_DRAINED));
        fake_set_window(tcp, CELL_LEN + TLS_RECORD_OVERHEAD);
        rig_run(rig);
    }
    assert_int_equal(end->queue.count, DRAINED_CELLS);
    expect_drained(rig, 0, p->origin->end);
    fake_set_window(tcp, 1 << 20);
    rig_run(rig);
    assert_int_equal(rig->inbox_length, 0);
    path_close(p);
}

static void a_long_queue_is_told_of_when_it_is_short(void **state)
{
    (void)state;
    check_drained(1);
    check_drained(2);
}

static void it_is_told_of_late_rather_than_never(void **state)
{
    (void)state;
    enum { CIRCUITS = 5 };
    struct rig *rig = rig_create_for(1, 4000); // more ends than are looked at in a turn
    struct peer_link *link = peer_link_accepted(rig, 0);
    struct origin *origins[CIRCUITS];
    for (unsigned i = 0; i < CIRCUITS; i++)
        origins[i] = origin_create(link, CIRCID + i, TOR1);
    struct message **taken = calloc(5000, sizeof(struct message *));
    unsigned n = take_messages_up(rig, taken);
    for (unsigned i = 0; i < CIRCUITS; i++) {
        struct message *m = rig_message(rig, 0, MSG_CIRCUIT_ORIGINATE);
        m->circuit = origins[i]->end;
        m->relay.command = RELAY_DATA;
        m->relay.tell = ORIGINATE_TELL_DRAINED;
        channel_send_down(&rig->channels[0], m);
    }
    struct message *close = rig_message(rig, 0, MSG_CIRCUIT_CLOSE);
    close->circuit = origins[1]->end;
    channel_send_down(&rig->channels[0], close);
    for (unsigned i = 0; i < 10; i++)
        worker_turn(&rig->workers[0]);
    assert_true(rig->workers[0].drained.owed);
    give_back(taken, n);
    free(taken);
    for (unsigned i = 0; i < 10; i++)
        worker_turn(&rig->workers[0]);
    rig_run(rig);
    assert_false(rig->workers[0].drained.owed);
    for (unsigned i = 0; i < CIRCUITS; i++) {
        if (i == 1)
            continue; // it is gone
        struct message *m = rig_expect(rig, MSG_CIRCUIT_DRAINED);
        expect_about(m, 0, origins[i]->end, 0);
        channel_free(m);
    }
    assert_int_equal(rig->inbox_length, 0);
    for (unsigned i = 0; i < CIRCUITS; i++)
        origin_free(origins[i]);
    peer_link_free(link);
    rig_destroy(rig);
}

int main(void)
{
    rig_eal();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_are_told),
        cmocka_unit_test(tags_of_extended_circuits_are_told),
        cmocka_unit_test(a_tag_that_can_not_be_told_closes_the_circuit),
        cmocka_unit_test(a_short_queue_is_told_of_at_once),
        cmocka_unit_test(a_long_queue_is_told_of_when_it_is_short),
        cmocka_unit_test(it_is_told_of_late_rather_than_never),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
