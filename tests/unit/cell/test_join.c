// SPDX-License-Identifier: BSD-3-Clause
// A rendezvous point's joined circuits: cells go from one origin to the other through both layers,
// whatever their kinds and workers are (protocol 7.21–7.23).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "path.h"

enum { CIRCID = PATH_CIRCID };

static const enum circuit_crypto_kind TOR1 = CIRCUIT_CRYPTO_TOR1, CGO = CIRCUIT_CRYPTO_CGO;

struct pair {
    struct rig *rig;
    struct peer_link *links[2];
    struct origin *origins[2];
};

// Two circuits that end here; the second one's link is with the last of the workers.
static void pair_open(struct pair *p, unsigned n_workers, enum circuit_crypto_kind first,
                      enum circuit_crypto_kind second)
{
    p->rig = rig_create(n_workers);
    p->links[0] = peer_link_accepted(p->rig, 0);
    p->links[1] = peer_link_accepted(p->rig, n_workers - 1);
    p->origins[0] = origin_create(p->links[0], CIRCID, first);
    p->origins[1] = origin_create(p->links[1], CIRCID + 7, second);
}

static void pair_close(struct pair *p)
{
    for (unsigned i = 0; i < 2; i++) {
        origin_free(p->origins[i]);
        peer_link_free(p->links[i]);
    }
    rig_destroy(p->rig);
}

static struct message *join_message(const struct origin *one, unsigned other_worker,
                                    struct handle other_end)
{
    struct message *m = rig_message(one->link->rig, one->link->worker, MSG_CIRCUIT_JOIN);
    m->circuit = one->end;
    m->peer.worker = (uint8_t)other_worker;
    m->peer.circuit = other_end;
    return m;
}

// As a rendezvous point does: the client's circuit first, with RENDEZVOUS2, then the service's.
static void join_both(struct origin *client, struct origin *service)
{
    struct rig *rig = client->link->rig;
    struct peer_cell cell;
    struct message *m = join_message(client, service->link->worker, service->end);
    m->peer.relay.command = RELAY_RENDEZVOUS2;
    m->length = 5;
    memcpy(m->payload, "hello", 5);
    rig_send(rig, m);
    peer_expect_cell(client->link, &cell, CELL_RELAY);
    assert_true(origin_open(client, &cell));
    assert_int_equal(origin_parse(client, &cell).command, RELAY_RENDEZVOUS2);
    assert_memory_equal(origin_parse(client, &cell).body, "hello", 5);
    rig_send(rig, join_message(service, client->link->worker, client->end));
    assert_false(peer_receive_cell(service->link, &cell));
}

static void pair_join(struct pair *p)
{
    join_both(p->origins[0], p->origins[1]);
}

// One record with `n` cells for whoever is at the other end, each with its number.
static void send_numbered(struct origin *o, unsigned first, unsigned n, uint8_t command)
{
    uint8_t *record = malloc((size_t)n * CELL_LEN), *at = record;
    for (unsigned i = 0; i < n; i++, at += CELL_LEN) {
        uint8_t header[5] = {(uint8_t)(o->circid >> 24), (uint8_t)(o->circid >> 16),
                             (uint8_t)(o->circid >> 8), (uint8_t)o->circid, command};
        memcpy(at, header, sizeof(header));
        memset(at + 5, (int)(first + i), CELL_BODY_LEN);
        origin_seal(o, command, at + 5, false);
    }
    peer_send(o->link, record, (size_t)n * CELL_LEN);
    free(record);
}

static void expect_numbered(struct origin *o, unsigned first, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct peer_cell cell;
        uint8_t body[CELL_BODY_LEN];
        memset(body, (int)(first + i), sizeof(body));
        peer_expect_cell(o->link, &cell, CELL_RELAY);
        assert_int_equal(cell.circid, o->circid);
        assert_false(origin_open(o, &cell));
        assert_memory_equal(cell.body, body, sizeof(body));
    }
}

// Bursts of all sizes, both ways; every other round has more cells than a burst of the ciphers.
static void check_passes(struct pair *p)
{
    for (unsigned round = 0; round < 12; round++) {
        unsigned n = 1 + round * round % 30, records = round % 2 ? 3 : 1;
        for (unsigned j = 0; j < records; j++)
            for (unsigned i = 0; i < 2; i++)
                send_numbered(p->origins[i], i + round + j, n, CELL_RELAY);
        rig_run(p->rig);
        for (unsigned j = 0; j < records; j++)
            for (unsigned i = 0; i < 2; i++)
                expect_numbered(p->origins[1 - i], i + round + j, n);
    }
}

// Messages for the relay itself still come up, and its own still go out, among what passes.
static void check_own_messages(struct pair *p, bool joined)
{
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 2; i++) {
            struct origin *o = p->origins[i], *other = p->origins[1 - i];
            struct peer_cell cell;
            if (joined)
                send_numbered(o, round, 2, CELL_RELAY);
            origin_send(o, CELL_RELAY, RELAY_BEGIN_DIR, 5, "", 0, true);
            if (joined)
                send_numbered(o, round + 2, 2, CELL_RELAY);
            rig_run(p->rig);
            if (joined)
                expect_numbered(other, round, 4);
            struct message *m = rig_expect(p->rig, MSG_CIRCUIT_RELAY);
            assert_int_equal(m->worker, o->link->worker);
            assert_int_equal(m->circuit.index, o->end.index);
            assert_int_equal(m->relay.command, RELAY_BEGIN_DIR);
            assert_memory_equal(m->relay.tag, o->tag, origin_tag_length(o));
            channel_free(m);
            m = rig_message(p->rig, o->link->worker, MSG_CIRCUIT_ORIGINATE);
            m->circuit = o->end;
            m->relay.command = RELAY_END;
            m->relay.stream_id = 5;
            m->length = 1;
            m->relay.tell = ORIGINATE_TELL_TAG;
            rig_send(p->rig, m);
            peer_expect_cell(o->link, &cell, CELL_RELAY);
            assert_true(origin_open(o, &cell));
            assert_int_equal(origin_parse(o, &cell).command, RELAY_END);
            m = rig_expect(p->rig, MSG_CIRCUIT_ORIGINATED);
            assert_memory_equal(m->relay.tag, o->tag, origin_tag_length(o));
            channel_free(m);
        }
    }
    assert_int_equal(p->rig->inbox_length, 0);
}

static void check_pair(unsigned n_workers, enum circuit_crypto_kind first,
                       enum circuit_crypto_kind second)
{
    struct pair p;
    pair_open(&p, n_workers, first, second);
    check_own_messages(&p, false);
    pair_join(&p);
    check_own_messages(&p, true);
    check_passes(&p);
    check_own_messages(&p, true);
    pair_close(&p);
}

static void check_kinds(unsigned n_workers)
{
    for (unsigned first = TOR1; first <= CGO; first++)
        for (unsigned second = TOR1; second <= CGO; second++)
            check_pair(n_workers, first, second);
}

static void joined_on_one_worker(void **state)
{
    (void)state;
    check_kinds(1);
}

static void joined_between_workers(void **state)
{
    (void)state;
    check_kinds(2);
}

// 7.22: RELAY_EARLY ends here, and is counted as ever.
static void relay_early_becomes_relay(void **state)
{
    (void)state;
    for (unsigned kind = TOR1; kind <= CGO; kind++) {
        struct pair p;
        pair_open(&p, 1 + kind % 2, kind, CGO);
        pair_join(&p);
        send_numbered(p.origins[0], 1, RELAY_EARLY_MAX, CELL_RELAY_EARLY);
        send_numbered(p.origins[0], 50, 1, CELL_RELAY);
        rig_run(p.rig);
        expect_numbered(p.origins[1], 1, RELAY_EARLY_MAX);
        expect_numbered(p.origins[1], 50, 1);
        send_numbered(p.origins[0], 60, 1, CELL_RELAY);
        send_numbered(p.origins[0], 61, 1, CELL_RELAY_EARLY);
        rig_run(p.rig);
        expect_numbered(p.origins[1], 60, 1);
        peer_expect_destroy(p.links[0], CIRCID, DESTROY_PROTOCOL);
        rig_expect_closed(p.rig, p.origins[0]->end, DESTROY_PROTOCOL, false);
        pair_close(&p);
    }
}

// ---- ends

static void one_closes_then_the_other(void **state)
{
    (void)state;
    static const uint8_t reason = DESTROY_FINISHED;
    for (unsigned n_workers = 1; n_workers <= 2; n_workers++) {
        struct pair p;
        pair_open(&p, n_workers, TOR1, TOR1);
        pair_join(&p);
        send_numbered(p.origins[0], 1, 3, CELL_RELAY);
        peer_send_cell(p.links[0], CIRCID, CELL_DESTROY, &reason, 1);
        rig_run(p.rig);
        expect_numbered(p.origins[1], 1, 3); // they came before it
        rig_expect_closed(p.rig, p.origins[0]->end, DESTROY_FINISHED, true);
        // What is under way to the one that is gone.
        struct counters *count = &p.rig->workers[0].counters;
        assert_int_equal(count->drop_cell_unknown_circuit, 0);
        send_numbered(p.origins[1], 1, 3, CELL_RELAY);
        rig_run(p.rig);
        assert_int_equal(count->drop_cell_unknown_circuit, 3);
        struct message *m = rig_message(p.rig, n_workers - 1, MSG_CIRCUIT_CLOSE);
        m->circuit = p.origins[1]->end;
        m->close.reason = DESTROY_DESTROYED;
        rig_send(p.rig, m);
        peer_expect_destroy(p.links[1], CIRCID + 7, DESTROY_DESTROYED);
        assert_int_equal(p.rig->inbox_length, 0);
        pair_close(&p);
    }
}

static void a_queue_has_its_limit(void **state)
{
    (void)state;
    for (unsigned n_workers = 1; n_workers <= 2; n_workers++) {
        struct pair p;
        pair_open(&p, n_workers, CGO, TOR1);
        pair_join(&p);
        fake_set_window(p.links[1]->tcp, 0);
        unsigned limit = p.rig->workers[n_workers - 1].queue_max_cells[true];
        for (unsigned i = 0; i < limit + 20; i += 10)
            send_numbered(p.origins[0], i, 10, CELL_RELAY);
        rig_run(p.rig);
        rig_expect_closed(p.rig, p.origins[1]->end, DESTROY_RESOURCELIMIT, false);
        assert_int_equal(p.rig->inbox_length, 0);
        assert_int_equal(p.rig->workers[n_workers - 1].counters.drop_cell_queue_full, 1);
        origin_send(p.origins[0], CELL_RELAY, RELAY_BEGIN, 5, "", 0, true); // lives on
        rig_run(p.rig);
        channel_free(rig_expect(p.rig, MSG_CIRCUIT_RELAY));
        pair_close(&p);
    }
}

// An end breaks the protocol in the burst that has cells for its origin.
static void an_end_closes_with_cells_under_way(void **state)
{
    (void)state;
    for (unsigned kind = TOR1; kind <= CGO; kind++) {
        struct pair p;
        uint8_t body[CELL_BODY_LEN];
        pair_open(&p, 1, TOR1, kind);
        pair_join(&p);
        memset(body, 0xff, sizeof(body)); // no message is so long
        send_numbered(p.origins[0], 1, 5, CELL_RELAY);
        origin_seal(p.origins[1], CELL_RELAY, body, true);
        peer_send_cell(p.links[1], CIRCID + 7, CELL_RELAY, body, sizeof(body));
        send_numbered(p.origins[0], 6, 5, CELL_RELAY);
        rig_run(p.rig);
        rig_expect_closed(p.rig, p.origins[1]->end, DESTROY_PROTOCOL, false);
        peer_expect_destroy(p.links[1], CIRCID + 7, DESTROY_PROTOCOL);
        assert_int_equal(p.rig->workers[0].counters.drop_cell_unknown_circuit, 10);
        // No keys stay behind.
        static const union layer zeros;
        const struct end_table *ends = &p.rig->workers[0].ends;
        unsigned in_use = 0;
        for (unsigned i = 0; i < ends->capacity; i++)
            in_use += memcmp(&ends->ends[i].layer, &zeros, sizeof(zeros)) != 0;
        assert_int_equal(in_use, 2); // the other's
        pair_close(&p);
    }
}

static void a_full_ring_closes_the_sender(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p, 2, TOR1, TOR1);
    pair_join(&p);
    p.rig->workers[1].queue_max_cells[true] = 5000;
    for (unsigned i = 0; i < 120; i++) {
        send_numbered(p.origins[0], 0, 10, CELL_RELAY);
        worker_turn(&p.rig->workers[0]);
    }
    rig_run(p.rig);
    rig_expect_closed(p.rig, p.origins[0]->end, DESTROY_RESOURCELIMIT, false);
    peer_expect_destroy(p.links[0], CIRCID, DESTROY_RESOURCELIMIT);
    pair_close(&p);
}

// Cells run short behind a link that takes none: the heavy circuit goes, other pairs go on.
static void the_heavy_one_goes_when_cells_run_short(void **state)
{
    (void)state;
    for (unsigned n_workers = 1; n_workers <= 2; n_workers++) {
        struct pair p;
        pair_open(&p, n_workers, TOR1, CGO);
        struct peer_link *far = peer_link_accepted(p.rig, n_workers - 1);
        struct origin *near_one = origin_create(p.links[0], CIRCID + 20, CGO);
        struct origin *far_one = origin_create(far, CIRCID + 21, TOR1);
        pair_join(&p);
        join_both(near_one, far_one);
        struct worker *last = &p.rig->workers[n_workers - 1];
        last->queue_max_cells[true] = RIG_CELLS;
        fake_set_window(p.links[1]->tcp, 0);
        for (unsigned sent = 0; !rig_has(p.rig, MSG_CIRCUIT_CLOSED); sent += 30) {
            assert_true(sent < RIG_CELLS);
            send_numbered(p.origins[0], 0, 30, CELL_RELAY);
            send_numbered(near_one, sent, 2, CELL_RELAY);
            rig_run(p.rig);
            expect_numbered(far_one, sent, 2);
        }
        rig_expect_closed(p.rig, p.origins[1]->end, DESTROY_RESOURCELIMIT, false);
        assert_int_equal(p.rig->inbox_length, 0);
        assert_int_equal(last->counters.drop_circuit_memory, 1);
        send_numbered(far_one, 3, 5, CELL_RELAY);
        rig_run(p.rig);
        expect_numbered(near_one, 3, 5);
        origin_free(near_one);
        origin_free(far_one);
        peer_link_free(far);
        pair_close(&p);
    }
}

// ---- joins that make no sense

static void expect_refused(struct rig *rig, struct message *m)
{
    struct counters *count = &rig->workers[m->worker].counters;
    uint64_t before = count->drop_join;
    m->peer.relay.command = RELAY_RENDEZVOUS2; // never sent
    rig_send(rig, m);
    assert_int_equal(count->drop_join, before + 1);
    assert_int_equal(rig->inbox_length, 0);
}

static void what_can_not_be_joined_goes_on(void **state)
{
    (void)state;
    struct path *extended = path_open(1, TOR1);
    struct rig *rig = extended->rig;
    struct peer_link *link = peer_link_accepted(rig, 0);
    struct origin *a = origin_create(link, CIRCID, TOR1), *b = origin_create(link, CIRCID + 1, CGO);
    struct origin *free_one = origin_create(link, CIRCID + 2, TOR1);
    peer_send_cell(link, CIRCID + 3, CELL_CREATE2, "skin", 4); // not answered
    rig_run(rig);
    struct message *create = rig_expect(rig, MSG_CIRCUIT_CREATE);
    rig_clear_inbox(rig);
    join_both(a, b);
    const struct handle none = {0}, gone = {free_one->end.index, free_one->end.generation + 1},
                        outside = {UINT32_MAX, 1};
    const struct handle ends[] = {none,
                                  gone,
                                  outside,
                                  create->circuit,
                                  a->end,
                                  b->end,
                                  free_one->end,
                                  extended->next_end,
                                  extended->origin->end};
    enum { ENDS = sizeof(ends) / sizeof(ends[0]) };
    for (unsigned i = 0; i < ENDS; i++) {
        expect_refused(rig, join_message(free_one, 0, ends[i]));
        struct message *m = join_message(free_one, 0, free_one->end);
        m->circuit = ends[i];
        expect_refused(rig, m);
    }
    expect_refused(rig, join_message(free_one, 1, a->end)); // no such worker
    expect_refused(rig, join_message(a, 0, b->end));        // it was said before
    send_numbered(a, 1, 5, CELL_RELAY);
    rig_run(rig);
    expect_numbered(b, 1, 5);
    path_check_backward(extended, 8);
    origin_send(free_one, CELL_RELAY, RELAY_BEGIN, 1, "", 0, true);
    rig_run(rig);
    channel_free(rig_expect(rig, MSG_CIRCUIT_RELAY));
    channel_free(create);
    origin_free(a);
    origin_free(b);
    origin_free(free_one);
    peer_link_free(link);
    path_close(extended);
}

// What one worker can't know of the other's circuit shows there, and nothing breaks.
static void the_other_worker_checks_too(void **state)
{
    (void)state;
    struct path *extended = path_open(2, TOR1); // 0 → 1
    struct rig *rig = extended->rig;
    struct peer_link *link = peer_link_accepted(rig, 1);
    struct origin *a = origin_create(link, CIRCID, TOR1);
    struct origin *b = origin_create(link, CIRCID + 1, TOR1);
    struct origin *c = origin_create(link, CIRCID + 2, TOR1);
    const struct handle gone = {extended->origin->end.index, 1000};
    struct counters *count = &rig->workers[0].counters;
    rig_clear_inbox(rig);
    rig_send(rig, join_message(a, 0, extended->origin->end));
    rig_send(rig, join_message(b, 0, gone));
    expect_refused(rig, join_message(c, 0, (struct handle){0}));
    send_numbered(a, 1, 5, CELL_RELAY);
    send_numbered(b, 1, 5, CELL_RELAY);
    rig_run(rig);
    assert_int_equal(count->drop_cell_unknown_circuit, 10);
    assert_int_equal(rig->inbox_length, 0);
    path_check_backward(extended, 8);
    origin_free(a);
    origin_free(b);
    origin_free(c);
    peer_link_free(link);
    path_close(extended);
}

static void a_joined_circuit_is_not_extended(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p, 1, TOR1, TOR1);
    pair_join(&p);
    struct message *m = rig_message(p.rig, 0, MSG_CIRCUIT_TRUNCATE); // has nothing to lose
    m->circuit = p.origins[0]->end;
    rig_send(p.rig, m);
    check_passes(&p);
    m = rig_message(p.rig, 0, MSG_CIRCUIT_SPLICE);
    m->circuit = p.origins[0]->end;
    m->peer.circuit = p.origins[1]->end;
    m->peer.relay.command = RELAY_EXTENDED2;
    rig_send(p.rig, m);
    peer_expect_destroy(p.links[0], CIRCID, DESTROY_RESOURCELIMIT);
    rig_expect_closed(p.rig, p.origins[0]->end, DESTROY_RESOURCELIMIT, false);
    origin_send(p.origins[1], CELL_RELAY, RELAY_BEGIN, 1, "", 0, true);
    rig_run(p.rig);
    channel_free(rig_expect(p.rig, MSG_CIRCUIT_RELAY));
    pair_close(&p);
}

// ---- many of them

enum { STORM_CIRCUITS = 12, STORM_STEPS = 1500 };

struct storm {
    struct rig *rig;
    struct peer_link *links[2];
    struct origin *origins[STORM_CIRCUITS]; // NULL: closed
};

// Lets go out what waits, and forgets circuits that were closed.
static void storm_settle(struct storm *s)
{
    struct peer_cell cell;
    for (unsigned i = 0; i < 2; i++)
        fake_set_window(s->links[i]->tcp, 1 << 20);
    rig_run(s->rig);
    for (unsigned i = 0; i < 2; i++)
        while (peer_receive_cell(s->links[i], &cell))
            ;
    while (rig_has(s->rig, MSG_CIRCUIT_CLOSED)) {
        struct message *closed = rig_expect(s->rig, MSG_CIRCUIT_CLOSED);
        for (unsigned i = 0; i < STORM_CIRCUITS; i++) {
            struct origin *o = s->origins[i];
            if (!o || i % 2 != closed->worker || o->end.index != closed->circuit.index)
                continue;
            assert_int_equal(o->end.generation, closed->circuit.generation);
            origin_free(o);
            s->origins[i] = NULL;
        }
        channel_free(closed);
    }
    rig_clear_inbox(s->rig);
}

static void storm_step(struct storm *s, unsigned step)
{
    static const uint8_t reason = DESTROY_NONE;
    unsigned i = (unsigned)rand() % STORM_CIRCUITS, j = (unsigned)rand() % STORM_CIRCUITS;
    struct origin *o = s->origins[i], *other = s->origins[j];
    switch (rand() % 10) {
    case 0:
        storm_settle(s);
        if (!s->origins[i])
            s->origins[i] =
                origin_create(s->links[i % 2], CIRCID + 16 * step, rand() % 2 ? CGO : TOR1);
        break;
    case 1: // one side only, with anything
        if (o && other)
            channel_send_down(&s->rig->channels[i % 2], join_message(o, j % 2, other->end));
        break;
    case 2:
        if (o && step % 4 == 0)
            peer_send_cell(o->link, o->circid, CELL_DESTROY, &reason, 1);
        break;
    case 3:
        if (o)
            origin_send(o, CELL_RELAY, RELAY_BEGIN, 1, "", 0, true);
        break;
    case 4:
        fake_set_window(s->links[i % 2]->tcp, 0);
        break;
    case 5:
        worker_turn(&s->rig->workers[i % 2]);
        break;
    default:
        if (o)
            send_numbered(o, 0, (unsigned)rand() % 25 + 1,
                          rand() % 20 ? CELL_RELAY : CELL_RELAY_EARLY);
    }
}

// Circuits are joined with whatever there is, send, and end, in any order: cells get lost, and
// nothing else.
static void a_storm_is_survived(void **state)
{
    (void)state;
    struct storm s = {.rig = rig_create(2)};
    srand(3);
    for (unsigned i = 0; i < 2; i++)
        s.links[i] = peer_link_accepted(s.rig, i);
    for (unsigned step = 0; step < STORM_STEPS; step++)
        storm_step(&s, step);
    storm_settle(&s);
    for (unsigned i = 0; i < 2; i++)
        assert_true(s.rig->workers[i].counters.cells_joined > 100);
    for (unsigned i = 0; i < STORM_CIRCUITS; i++)
        if (s.origins[i])
            origin_free(s.origins[i]);
    for (unsigned i = 0; i < 2; i++)
        peer_link_free(s.links[i]);
    rig_destroy(s.rig);
}

int main(void)
{
    rig_eal();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joined_on_one_worker),
        cmocka_unit_test(joined_between_workers),
        cmocka_unit_test(relay_early_becomes_relay),
        cmocka_unit_test(one_closes_then_the_other),
        cmocka_unit_test(a_queue_has_its_limit),
        cmocka_unit_test(an_end_closes_with_cells_under_way),
        cmocka_unit_test(a_full_ring_closes_the_sender),
        cmocka_unit_test(the_heavy_one_goes_when_cells_run_short),
        cmocka_unit_test(what_can_not_be_joined_goes_on),
        cmocka_unit_test(the_other_worker_checks_too),
        cmocka_unit_test(a_joined_circuit_is_not_extended),
        cmocka_unit_test(a_storm_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
