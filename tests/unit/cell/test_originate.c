// SPDX-License-Identifier: BSD-3-Clause
// What workers tell of our own relay messages: tags (protocol 3.04, 3.19, 4.10) and queues that are
// short again; and circuits of one hop that begin here.
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

// ---- circuits of one hop that begin here

struct own {
    struct rig *rig;
    struct peer_link *link;
    struct origin *hop; // with its keys swapped: "forward" is towards us
    struct handle end;
};

static struct message *accept_own(struct own *t, uint8_t kind)
{
    struct message *m = rig_message(t->rig, 0, MSG_CIRCUIT_ACCEPT);
    m->circuit = t->end;
    m->secret = true;
    m->crypto.kind = kind;
    for (unsigned i = 0; i < sizeof(m->crypto.material); i++)
        m->crypto.material[i] = (uint8_t)(3 * i);
    return m;
}

static void own_dial(struct own *t)
{
    struct peer_cell cell;
    t->rig = rig_create(1);
    t->link = peer_link_dialled(t->rig, 0);
    struct message *dial = rig_message(t->rig, 0, MSG_CIRCUIT_DIAL);
    dial->conn = t->link->conn;
    dial->cookie = 1234;
    dial->command = CELL_CREATE_FAST;
    rig_send(t->rig, dial);
    struct message *dialled = rig_expect(t->rig, MSG_CIRCUIT_DIALLED);
    t->end = dialled->circuit;
    channel_free(dialled);
    peer_expect_cell(t->link, &cell, CELL_CREATE_FAST);
    t->hop = aligned_alloc(64, (sizeof(*t->hop) + 63) / 64 * 64);
    memset(t->hop, 0, sizeof(*t->hop));
    t->hop->link = t->link;
    t->hop->circid = cell.circid;
    t->hop->cipher = cell_cipher_create();
    t->hop->cgo = cgo_cipher_create();
}

static void own_created(struct own *t)
{
    peer_send_cell(t->link, t->hop->circid, CELL_CREATED_FAST, "answer", 6);
    rig_run(t->rig);
    struct message *created = rig_expect(t->rig, MSG_CIRCUIT_CREATED);
    expect_about(created, 0, t->end, 1234);
    channel_free(created);
}

static void own_open(struct own *t)
{
    own_dial(t);
    own_created(t);
    struct message *m = accept_own(t, TOR1);
    origin_set_keys(t->hop, TOR1, m->crypto.material);
    union layer forward = t->hop->forward;
    t->hop->forward = t->hop->backward;
    t->hop->backward = forward;
    rig_send(t->rig, m);
}

static void own_close(struct own *t)
{
    origin_free(t->hop);
    peer_link_free(t->link);
    rig_destroy(t->rig);
}

static void a_circuit_may_begin_here(void **state)
{
    (void)state;
    struct own t;
    struct peer_cell cell;
    own_open(&t);
    for (unsigned i = 0; i < 10; i++) {
        originate(t.rig, 0, t.end, RELAY_BEGIN_DIR, ORIGINATE_TELL_TAG);
        peer_expect_cell(t.link, &cell, CELL_RELAY);
        assert_int_equal(cell.circid, t.hop->circid);
        assert_true(origin_open(t.hop, &cell));
        assert_int_equal(origin_parse(t.hop, &cell).command, RELAY_BEGIN_DIR);
        struct message *told = rig_expect(t.rig, MSG_CIRCUIT_ORIGINATED);
        expect_about(told, 0, t.end, 1234);
        assert_memory_equal(told->relay.tag, t.hop->tag, 20);
        channel_free(told);
        origin_send(t.hop, CELL_RELAY, RELAY_CONNECTED, 5, "", 0, true);
        origin_send(t.hop, CELL_RELAY, RELAY_DATA, 5, "bytes", 5, true);
        rig_run(t.rig);
        struct message *m = rig_expect(t.rig, MSG_CIRCUIT_RELAY);
        expect_about(m, 0, t.end, 1234);
        assert_int_equal(m->relay.command, RELAY_CONNECTED);
        channel_free(m);
        m = rig_expect(t.rig, MSG_CIRCUIT_RELAY);
        assert_int_equal(m->relay.command, RELAY_DATA);
        assert_int_equal(m->relay.stream_id, 5);
        assert_memory_equal(m->payload, "bytes", 5);
        assert_int_equal(m->relay.tag_length, 20);
        assert_memory_equal(m->relay.tag, t.hop->tag, 20);
        channel_free(m);
    }
    struct message *close = rig_message(t.rig, 0, MSG_CIRCUIT_CLOSE);
    close->circuit = t.end;
    close->close.reason = DESTROY_FINISHED;
    rig_send(t.rig, close);
    peer_expect_destroy(t.link, t.hop->circid, DESTROY_FINISHED);
    own_close(&t);
}

static void check_own_broken(uint8_t command, bool recognised)
{
    struct own t;
    own_open(&t);
    origin_send(t.hop, command, RELAY_DATA, 5, "", 0, recognised);
    rig_run(t.rig);
    peer_expect_destroy(t.link, t.hop->circid, DESTROY_PROTOCOL);
    struct message *m = rig_expect(t.rig, MSG_CIRCUIT_CLOSED);
    expect_about(m, 0, t.end, 1234);
    channel_free(m);
    assert_int_equal(t.rig->inbox_length, 0);
    own_close(&t);
}

static void its_hop_keeps_to_the_protocol(void **state)
{
    (void)state;
    check_own_broken(CELL_RELAY, false);      // nobody else could have sent it
    check_own_broken(CELL_RELAY_EARLY, true); // never towards the origin (2.27)
}

static void it_has_to_be_created_first(void **state)
{
    (void)state;
    struct own t;
    own_dial(&t);
    rig_send(t.rig, accept_own(&t, TOR1)); // nothing
    originate(t.rig, 0, t.end, RELAY_BEGIN_DIR, 0);
    own_created(&t);
    origin_send(t.hop, CELL_RELAY, RELAY_DATA, 5, "", 0, true); // nobody asked for it
    rig_run(t.rig);
    assert_int_equal(t.rig->inbox_length, 0);
    rig_send(t.rig, accept_own(&t, CGO)); // not made for it
    peer_expect_destroy(t.link, t.hop->circid, DESTROY_INTERNAL);
    rig_expect_closed(t.rig, t.end, DESTROY_INTERNAL, false);
    own_close(&t);
}

// Command 0 where it has no meaning: an end towards an origin, answered or not; one that is
// spliced.
static void other_ends_do_not_begin_here(void **state)
{
    (void)state;
    struct path *p = path_open(1, TOR1);
    peer_send_cell(p->link, CIRCID + 1, CELL_CREATE2, "skin", 4);
    rig_run(p->rig);
    struct message *create = rig_expect(p->rig, MSG_CIRCUIT_CREATE);
    const struct handle ends[] = {create->circuit, p->origin->end, p->next_end, {77, 77}};
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        struct own t = {.rig = p->rig, .end = ends[i]};
        rig_send(p->rig, accept_own(&t, TOR1));
    }
    path_check_backward(p, 1);
    origin_send(p->origin, CELL_RELAY, RELAY_BEGIN, 1, "", 0, true);
    rig_run(p->rig);
    struct message *m = rig_expect(p->rig, MSG_CIRCUIT_RELAY);
    channel_free(m);
    channel_free(create);
    rig_clear_inbox(p->rig);
    path_close(p);
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
        cmocka_unit_test(a_circuit_may_begin_here),
        cmocka_unit_test(its_hop_keeps_to_the_protocol),
        cmocka_unit_test(it_has_to_be_created_first),
        cmocka_unit_test(other_ends_do_not_begin_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
