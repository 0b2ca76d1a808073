// SPDX-License-Identifier: BSD-3-Clause
// A worker's links and circuits, from records to cells and back: creation, extension, forwarding
// both ways, closing, and what peers do wrong (protocol 1.32–1.34, 2.26–2.39).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/record_aead.h"
#include "origin.h"
#include "path.h"

enum { CIRCID = PATH_CIRCID };

static const enum circuit_crypto_kind TOR1 = CIRCUIT_CRYPTO_TOR1, CGO = CIRCUIT_CRYPTO_CGO;

static void send_close(struct rig *rig, unsigned worker, struct handle end, uint8_t reason)
{
    struct message *m = rig_message(rig, worker, MSG_CIRCUIT_CLOSE);
    m->circuit = end;
    m->close.reason = reason;
    rig_send(rig, m);
}

static void raw_bytes_go_both_ways(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct tcp_conn *tcp = fake_accept(rig->workers[0].tcp, address_ipv4(1, 1));
    rig_run(rig);
    struct message *accepted = rig_expect(rig, MSG_CONN_ACCEPTED);
    uint8_t bytes[5000];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    fake_arrive(tcp, bytes, sizeof(bytes));
    rig_run(rig);
    uint64_t offset = 0;
    while (rig_has(rig, MSG_CONN_DATA)) {
        struct message *m = rig_expect(rig, MSG_CONN_DATA);
        assert_int_equal(m->offset, offset);
        assert_memory_equal(m->payload, bytes + offset, m->length);
        offset += m->length;
        channel_free(m);
    }
    assert_int_equal(offset, sizeof(bytes));
    assert_int_equal(tcp->in.length, sizeof(bytes)); // kept until consumed
    struct message *consumed = rig_message(rig, 0, MSG_CONN_CONSUMED);
    consumed->conn = accepted->conn;
    consumed->offset = 4000;
    rig_send(rig, consumed);
    assert_int_equal(tcp->in.length, 1000);
    fake_set_window(tcp, 3); // what does not fit waits
    struct message *send = rig_message(rig, 0, MSG_CONN_SEND);
    send->conn = accepted->conn;
    send->length = 5;
    memcpy(send->payload, "hello", 5);
    rig_send(rig, send);
    assert_int_equal(tcp->out.length, 3);
    fake_set_window(tcp, 100);
    rig_run(rig);
    assert_int_equal(tcp->out.length, 5);
    assert_memory_equal(tcp->out.bytes, "hello", 5);
    channel_free(accepted);
    rig_destroy(rig);
}

// A client's last handshake message is on its way out, perhaps blocked, when records begin.
static void what_was_raw_goes_out_raw_after_records_begin(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct tcp_conn *tcp = fake_accept(rig->workers[0].tcp, address_ipv4(1, 1));
    rig_run(rig);
    struct message *accepted = rig_expect(rig, MSG_CONN_ACCEPTED);
    fake_set_window(tcp, 2);
    struct message *send = rig_message(rig, 0, MSG_CONN_SEND);
    send->conn = accepted->conn;
    send->length = 8;
    memcpy(send->payload, "Finished", 8);
    channel_send_down(&rig->channels[0], send);
    struct message *start = rig_message(rig, 0, MSG_TLS_START);
    start->conn = accepted->conn;
    start->tls.rx.cipher = start->tls.tx.cipher = TLS_AES_128_GCM_SHA256_ID;
    channel_send_down(&rig->channels[0], start);
    send = rig_message(rig, 0, MSG_CONN_SEND);
    send->conn = accepted->conn;
    send->length = 8;
    memcpy(send->payload, "VERSIONS", 8);
    rig_send(rig, send);
    fake_set_window(tcp, 1000);
    rig_run(rig);
    assert_int_equal(tcp->out.length, 8 + 5 + 8 + 1 + 16);
    assert_memory_equal(tcp->out.bytes, "Finished\x17", 9);
    channel_free(accepted);
    rig_destroy(rig);
}

static void closing_is_told_once(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct peer_link *link = peer_link_accepted(rig, 0);
    struct origin *o = origin_create(link, CIRCID, TOR1);
    struct message *m = rig_message(rig, 0, MSG_CONN_CLOSE);
    m->conn = link->conn;
    rig_send(rig, m);
    rig_expect_closed(rig, o->end, DESTROY_CHANNEL_CLOSED, false);
    assert_true(link->tcp->closed);
    assert_false(rig_has(rig, MSG_CONN_CLOSED));
    fake_gone(link->tcp, CONN_CLOSE_DONE);
    rig_run(rig);
    channel_free(rig_expect(rig, MSG_CONN_CLOSED));
    assert_false(rig_has(rig, MSG_CONN_CLOSED));
    send_close(rig, 0, o->end, 0); // stale handles are nothing
    assert_int_equal(rig->inbox_length, 0);
    origin_free(o);
    peer_link_free(link);
    rig_destroy(rig);
}

static void a_dial_that_can_not_begin_is_answered(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct message *dial = rig_message(rig, 0, MSG_CONN_CONNECT);
    dial->address = (struct address){.family = ADDRESS_IPV6};
    dial->cookie = 5;
    rig_send(rig, dial);
    struct message *m = rig_expect(rig, MSG_CONN_CLOSED);
    assert_int_equal(m->cookie, 5);
    channel_free(m);
    dial = rig_message(rig, 0, MSG_CIRCUIT_DIAL); // on a connection that isn't there
    dial->cookie = 6;
    rig_send(rig, dial);
    m = rig_expect(rig, MSG_CIRCUIT_CLOSED);
    assert_int_equal(m->cookie, 6);
    channel_free(m);
    rig_destroy(rig);
}

static void check_messages(enum circuit_crypto_kind kind)
{
    struct rig *rig = rig_create(1);
    struct peer_link *link = peer_link_accepted(rig, 0);
    struct origin *o = origin_create(link, CIRCID, kind);
    for (uint16_t i = 1; i <= 40; i++) { // the counter crosses block boundaries in every way
        origin_send(o, CELL_RELAY, RELAY_BEGIN_DIR, i, "body", 4, true);
        rig_run(rig);
        struct message *m = rig_expect(rig, MSG_CIRCUIT_RELAY);
        assert_int_equal(m->relay.command, RELAY_BEGIN_DIR);
        assert_int_equal(m->relay.stream_id, i);
        assert_int_equal(m->length, 4);
        assert_memory_equal(m->payload, "body", 4);
        assert_int_equal(m->relay.tag_length, origin_tag_length(o));
        assert_memory_equal(m->relay.tag, o->tag, m->relay.tag_length);
        channel_free(m);
        struct message *end = rig_message(rig, 0, MSG_CIRCUIT_ORIGINATE);
        end->circuit = o->end;
        end->relay.command = RELAY_END;
        end->relay.stream_id = i;
        end->length = 1;
        end->payload[0] = END_NOTDIRECTORY;
        rig_send(rig, end);
        struct peer_cell cell;
        peer_expect_cell(link, &cell, CELL_RELAY);
        assert_true(origin_open(o, &cell));
        struct relay_message out = origin_parse(o, &cell);
        assert_int_equal(out.command, RELAY_END);
        assert_int_equal(out.stream_id, i);
        assert_int_equal(out.body[0], END_NOTDIRECTORY);
    }
    origin_send(o, CELL_RELAY, RELAY_DROP, 0, "", 0, true); // padding stays down here
    rig_run(rig);
    assert_int_equal(rig->inbox_length, 0);
    origin_free(o);
    peer_link_free(link);
    rig_destroy(rig);
}

static void messages_to_us_come_up_and_ours_go_out(void **state)
{
    (void)state;
    check_messages(TOR1);
    check_messages(CGO);
}

static void an_old_key_is_changed(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct peer_link *link = peer_link_accepted(rig, 0);
    struct origin *o = origin_create(link, CIRCID, TOR1);
    struct peer_cell cell;
    assert_false(rig_has(rig, MSG_TLS_KEY_OLD));
    link->open.sequence = UINT64_C(1) << 24;
    rig->workers[0].conns.conns[link->conn.index].tls_out.key.sequence = link->open.sequence;
    for (unsigned i = 0; i < 2; i++) {
        struct message *drop = rig_message(rig, 0, MSG_CIRCUIT_ORIGINATE);
        drop->circuit = o->end;
        drop->relay.command = RELAY_DROP;
        rig_send(rig, drop);
        peer_expect_cell(link, &cell, CELL_RELAY);
    }
    channel_free(rig_expect(rig, MSG_TLS_KEY_OLD));
    assert_false(rig_has(rig, MSG_TLS_KEY_OLD)); // said once
    struct message *rekey = rig_message(rig, 0, MSG_TLS_REKEY);
    rekey->conn = link->conn;
    rekey->secret = true;
    rekey->tls.tx = (struct tls_keys){.cipher = TLS_AES_256_GCM_SHA384_ID, .key = {1}, .iv = {2}};
    rekey->length = 5;
    memcpy(rekey->payload, "\x18\x00\x00\x01\x00", 5);
    const struct tls_keys fresh = rekey->tls.tx;
    rig_send(rig, rekey);
    struct message *drop = rig_message(rig, 0, MSG_CIRCUIT_ORIGINATE);
    drop->circuit = o->end;
    drop->relay.command = RELAY_DROP;
    rig_send(rig, drop);
    // The KeyUpdate under the old key, then the cell under the new one.
    size_t update_record = 5 + 5 + 1 + RECORD_TAG_LEN;
    assert_true(link->tcp->out.length > update_record);
    assert_int_equal(link->tcp->out.bytes[4], update_record - 5);
    fake_taken(link->tcp, update_record);
    assert_true(record_key_init(link->aead, &link->open, fresh.cipher, fresh.key, fresh.iv, 0));
    peer_expect_cell(link, &cell, CELL_RELAY);
    origin_free(o);
    peer_link_free(link);
    rig_destroy(rig);
}

static void cells_pass(unsigned n_workers, enum circuit_crypto_kind kind)
{
    struct path *p = path_open(n_workers, kind);
    for (unsigned i = 0; i < 100; i++) { // more than a crypto burst and a record hold
        uint8_t number = (uint8_t)i;
        origin_send(p->origin, CELL_RELAY, RELAY_DATA, 1, &number, 1, false);
    }
    rig_run(p->rig);
    for (unsigned i = 0; i < 100; i++) {
        struct peer_cell cell;
        peer_expect_cell(p->next, &cell, CELL_RELAY);
        assert_int_equal(cell.circid, p->next_circid);
        assert_int_equal(cell.body[0], RELAY_DATA); // our layer is off
        assert_int_equal(cell.body[RELAY_HEADER_LEN], i);
    }
    for (unsigned i = 0; i < 100; i++)
        path_check_backward(p, (uint8_t)i);
    // RELAY_EARLY stays what it is (2.27).
    struct peer_cell cell;
    origin_send(p->origin, CELL_RELAY_EARLY, RELAY_DATA, 1, "", 0, false);
    rig_run(p->rig);
    peer_expect_cell(p->next, &cell, CELL_RELAY_EARLY);
    path_close(p);
}

// Packets are taken for all of a reservation: a lone cell must not cost a full record's.
static void room_is_reserved_for_what_there_is(void **state)
{
    (void)state;
    struct path *p = path_open(1, TOR1);
    for (unsigned n = 1; n <= 3; n++) {
        for (unsigned i = 0; i < n; i++)
            origin_send(p->origin, CELL_RELAY, RELAY_DATA, 1, "", 0, false);
        rig_run(p->rig);
        struct peer_cell cell;
        for (unsigned i = 0; i < n; i++)
            peer_expect_cell(p->next, &cell, CELL_RELAY);
        assert_true(p->next->tcp->reserved <= n * CELL_LEN + TLS_RECORD_OVERHEAD);
    }
    path_close(p);
}

static void cells_pass_on_one_worker(void **state)
{
    (void)state;
    cells_pass(1, TOR1);
    cells_pass(1, CGO);
}

static void cells_pass_between_workers(void **state)
{
    (void)state;
    cells_pass(2, TOR1);
    cells_pass(2, CGO);
}

static void our_messages_and_passing_cells_share_a_layer(unsigned n_workers,
                                                         enum circuit_crypto_kind kind)
{
    struct path *p = path_open(n_workers, kind);
    struct peer_cell cell;
    path_check_backward(p, 1);
    struct message *m = rig_message(p->rig, p->next_worker, MSG_CIRCUIT_ORIGINATE);
    m->circuit = p->next_end;
    m->relay.command = RELAY_DROP;
    rig_send(p->rig, m);
    peer_expect_cell(p->link, &cell, CELL_RELAY);
    assert_true(origin_open(p->origin, &cell));
    path_check_backward(p, 2);
    // TRUNCATE: the next hop goes, the circuit stays, with its layer.
    m = rig_message(p->rig, p->next_worker, MSG_CIRCUIT_TRUNCATE);
    m->circuit = p->next_end;
    m->close.reason = DESTROY_FINISHED;
    m->relay.command = RELAY_TRUNCATED;
    m->length = 1;
    m->payload[0] = DESTROY_REQUESTED;
    rig_send(p->rig, m);
    peer_expect_cell(p->link, &cell, CELL_RELAY);
    assert_true(origin_open(p->origin, &cell));
    assert_int_equal(origin_parse(p->origin, &cell).command, RELAY_TRUNCATED);
    peer_expect_destroy(p->next, p->next_circid, DESTROY_FINISHED);
    m = rig_message(p->rig, 0, MSG_CIRCUIT_ORIGINATE);
    m->circuit = p->origin->end;
    m->relay.command = RELAY_DROP;
    rig_send(p->rig, m);
    peer_expect_cell(p->link, &cell, CELL_RELAY);
    assert_true(origin_open(p->origin, &cell));
    origin_send(p->origin, CELL_RELAY, RELAY_BEGIN, 1, "", 0, true);
    rig_run(p->rig);
    channel_free(rig_expect(p->rig, MSG_CIRCUIT_RELAY));
    path_close(p);
}

static void truncate_on_one_worker(void **state)
{
    (void)state;
    our_messages_and_passing_cells_share_a_layer(1, TOR1);
    our_messages_and_passing_cells_share_a_layer(1, CGO);
}

static void truncate_between_workers(void **state)
{
    (void)state;
    our_messages_and_passing_cells_share_a_layer(2, TOR1);
    our_messages_and_passing_cells_share_a_layer(2, CGO);
}

static void destroy_comes_after_the_cells_before_it(void **state)
{
    (void)state;
    struct path *p = path_open(1, TOR1);
    struct peer_cell cell;
    static const uint8_t body[CELL_BODY_LEN];
    static const uint8_t reason = DESTROY_FINISHED;
    peer_send_cell(p->next, p->next_circid, CELL_RELAY, body, sizeof(body));
    peer_send_cell(p->next, p->next_circid, CELL_DESTROY, &reason, 1);
    peer_send_cell(p->next, p->next_circid, CELL_RELAY, body, sizeof(body)); // a late one
    rig_run(p->rig);
    peer_expect_cell(p->link, &cell, CELL_RELAY);
    assert_false(peer_receive_cell(p->link, &cell));
    rig_expect_closed(p->rig, p->next_end, DESTROY_FINISHED, true);
    assert_int_equal(p->rig->workers[0].counters.drop_cell_unknown_circuit, 1);
    // Cells towards the hop that is gone are dropped, and nothing breaks.
    origin_send(p->origin, CELL_RELAY, RELAY_DATA, 1, "", 0, false);
    rig_run(p->rig);
    send_close(p->rig, 0, p->origin->end, DESTROY_DESTROYED);
    peer_expect_destroy(p->link, CIRCID, DESTROY_DESTROYED);
    path_close(p);
}

static void an_unrecognised_cell_ends_the_circuit(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct peer_link *link = peer_link_accepted(rig, 0);
    struct origin *o = origin_create(link, CIRCID, TOR1);
    origin_send(o, CELL_RELAY, RELAY_DATA, 1, "", 0, false);
    origin_send(o, CELL_RELAY, RELAY_DATA, 1, "", 0, false);
    rig_run(rig);
    peer_expect_destroy(link, CIRCID, DESTROY_PROTOCOL);
    rig_expect_closed(rig, o->end, DESTROY_PROTOCOL, false);
    origin_free(o);
    peer_link_free(link);
    rig_destroy(rig);
}

static void relay_early_has_its_limit(void **state)
{
    (void)state;
    struct path *p = path_open(1, TOR1);
    struct peer_cell cell;
    for (unsigned i = 0; i < RELAY_EARLY_MAX; i++)
        origin_send(p->origin, CELL_RELAY_EARLY, RELAY_DATA, 1, "", 0, false);
    rig_run(p->rig);
    for (unsigned i = 0; i < RELAY_EARLY_MAX; i++)
        peer_expect_cell(p->next, &cell, CELL_RELAY_EARLY);
    origin_send(p->origin, CELL_RELAY_EARLY, RELAY_DATA, 1, "", 0, false);
    rig_run(p->rig);
    peer_expect_destroy(p->link, CIRCID, DESTROY_PROTOCOL);
    rig_expect_closed(p->rig, p->origin->end, DESTROY_PROTOCOL, false);
    path_close(p);
}

static void no_relay_early_towards_the_origin(void **state)
{
    (void)state;
    struct path *p = path_open(1, TOR1);
    static const uint8_t body[CELL_BODY_LEN];
    peer_send_cell(p->next, p->next_circid, CELL_RELAY_EARLY, body, sizeof(body));
    rig_run(p->rig);
    peer_expect_destroy(p->next, p->next_circid, DESTROY_PROTOCOL);
    rig_expect_closed(p->rig, p->next_end, DESTROY_PROTOCOL, false);
    path_close(p);
}

static void circuit_ids_are_checked(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct peer_link *link = peer_link_accepted(rig, 0);
    static const uint8_t body[CELL_BODY_LEN];
    peer_send_cell(link, 5, CELL_CREATE2, "", 0); // the responder's half
    rig_run(rig);
    peer_expect_destroy(link, 5, DESTROY_PROTOCOL);
    struct origin *o = origin_create(link, CIRCID, TOR1);
    peer_send_cell(link, CIRCID, CELL_CREATE2, "", 0);                // in use: silently dropped
    peer_send_cell(link, CIRCID + 1, CELL_RELAY, body, sizeof(body)); // unknown: likewise
    peer_send_cell(link, CIRCID + 1, CELL_DESTROY, body, 1);
    peer_send_cell(link, CIRCID + 1, CELL_CREATED2, body, 1);
    peer_send_cell(link, CIRCID + 1, 77, body, 1); // an unknown command
    rig_run(rig);
    struct peer_cell cell;
    assert_false(peer_receive_cell(link, &cell));
    assert_int_equal(rig->inbox_length, 0);
    peer_send_cell(link, CIRCID, CELL_CREATED2, body, 1); // from the wrong side
    rig_run(rig);
    peer_expect_destroy(link, CIRCID, DESTROY_PROTOCOL);
    rig_expect_closed(rig, o->end, DESTROY_PROTOCOL, false);
    origin_free(o);
    peer_link_free(link);
    rig_destroy(rig);
}

static void a_relay_cell_before_the_answer_ends_the_circuit(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct peer_link *link = peer_link_accepted(rig, 0);
    static const uint8_t body[CELL_BODY_LEN];
    peer_send_cell(link, CIRCID, CELL_CREATE2, "", 0);
    peer_send_cell(link, CIRCID, CELL_RELAY, body, sizeof(body));
    rig_run(rig);
    struct message *create = rig_expect(rig, MSG_CIRCUIT_CREATE);
    peer_expect_destroy(link, CIRCID, DESTROY_PROTOCOL);
    rig_expect_closed(rig, create->circuit, DESTROY_PROTOCOL, false);
    // The control plane's answer is too late, and is nothing.
    struct message *accept = rig_message(rig, 0, MSG_CIRCUIT_ACCEPT);
    accept->circuit = create->circuit;
    rig_send(rig, accept);
    channel_free(create);
    peer_link_free(link);
    rig_destroy(rig);
}

// Where not all that waits can go, the circuit that sent least goes first, whichever came first.
static void the_quiet_circuit_goes_first(void **state)
{
    (void)state;
    enum { BULK_CELLS = 90 };
    struct path *bulk = path_open(1, CIRCUIT_CRYPTO_TOR1);
    struct path *quiet = path_beside(bulk, PATH_CIRCID + 1, CIRCUIT_CRYPTO_TOR1);
    struct peer_cell cell;
    for (unsigned round = 0; round < 3; round++) {
        fake_set_window(bulk->next->tcp, 0);
        for (unsigned i = 0; i <= BULK_CELLS; i++) {
            bool is_quiet = i == (round % 2 ? 0 : BULK_CELLS);
            struct origin *o = is_quiet ? quiet->origin : bulk->origin;
            origin_send(o, CELL_RELAY, RELAY_DATA, 1, "", 0, false);
            rig_run(bulk->rig);
        }
        fake_set_window(bulk->next->tcp, 10 * CELL_LEN);
        rig_run(bulk->rig);
        peer_expect_cell(bulk->next, &cell, CELL_RELAY);
        // At first none has sent anything.
        assert_true(round == 0 || cell.circid == quiet->next_circid);
        fake_set_window(bulk->next->tcp, 1 << 20);
        rig_run(bulk->rig);
        unsigned cells = 1;
        while (peer_receive_cell(bulk->next, &cell))
            cells++;
        assert_int_equal(cells, BULK_CELLS + 1);
    }
    path_forget(quiet);
    path_close(bulk);
}

static void a_queue_has_its_limit(void **state)
{
    (void)state;
    struct path *p = path_open(1, TOR1);
    fake_set_window(p->next->tcp, 0);
    for (unsigned i = 0; i <= p->rig->workers[0].queue_max_cells[false]; i++)
        origin_send(p->origin, CELL_RELAY, RELAY_DATA, 1, "", 0, false);
    rig_run(p->rig);
    rig_expect_closed(p->rig, p->next_end, DESTROY_RESOURCELIMIT, false);
    fake_set_window(p->next->tcp, 1 << 20);
    rig_run(p->rig);
    peer_expect_destroy(p->next, p->next_circid, DESTROY_RESOURCELIMIT);
    path_close(p);
}

static void a_bad_record_closes_only_its_link(void **state)
{
    (void)state;
    struct rig *rig = rig_create(1);
    struct peer_link *good = peer_link_accepted(rig, 0);
    struct peer_link *bad = peer_link_accepted(rig, 0);
    struct origin *o = origin_create(good, CIRCID, TOR1);
    struct origin *lost = origin_create(bad, CIRCID, TOR1);
    static const uint8_t record[] = {23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8,
                                     9,  0, 1, 2, 3,  4, 5, 6, 7, 8, 9, 0};
    fake_arrive(bad->tcp, record, sizeof(record));
    rig_run(rig);
    rig_expect_closed(rig, lost->end, DESTROY_CHANNEL_CLOSED, false);
    assert_true(bad->tcp->closed);
    assert_true(bad->tcp->out.length > 5); // the alert
    assert_int_equal(rig->workers[0].counters.drop_tls_bad_record, 1);
    origin_send(o, CELL_RELAY, RELAY_BEGIN, 1, "", 0, true);
    rig_run(rig);
    channel_free(rig_expect(rig, MSG_CIRCUIT_RELAY));
    fake_gone(bad->tcp, CONN_CLOSE_DONE);
    rig_run(rig);
    struct message *m = rig_expect(rig, MSG_CONN_CLOSED);
    assert_int_equal(m->close.reason, CONN_CLOSE_TLS);
    channel_free(m);
    origin_free(o);
    origin_free(lost);
    peer_link_free(good);
    peer_link_free(bad);
    rig_destroy(rig);
}

static void cells_may_be_cut_anywhere(void **state)
{
    (void)state;
    struct path *p = path_open(1, TOR1);
    enum { CELLS = 50 };
    uint8_t *stream = malloc((size_t)CELLS * CELL_LEN + 2000);
    size_t length = 0, at = 0;
    srand(7);
    for (unsigned i = 0; i < CELLS; i++) {
        uint8_t header[5] = {(uint8_t)(p->next_circid >> 24), (uint8_t)(p->next_circid >> 16),
                             (uint8_t)(p->next_circid >> 8), (uint8_t)p->next_circid, CELL_RELAY};
        memcpy(stream + length, header, 5);
        memset(stream + length + 5, (int)i, CELL_BODY_LEN);
        length += CELL_LEN;
        if (i == 20) { // variable cells lie between them
            static const uint8_t padding[7 + 1000] = {0,         0,          0, 0, CELL_VPADDING,
                                                      1000 >> 8, 1000 & 0xff};
            memcpy(stream + length, padding, sizeof(padding));
            length += sizeof(padding);
        }
    }
    while (at < length) {
        size_t piece = (size_t)rand() % 900 + 1;
        if (piece > length - at)
            piece = length - at;
        peer_send(p->next, stream + at, piece);
        at += piece;
        if (rand() % 3 == 0)
            rig_run(p->rig);
    }
    rig_run(p->rig);
    for (unsigned i = 0; i < CELLS; i++) {
        struct peer_cell cell;
        peer_expect_cell(p->link, &cell, CELL_RELAY);
        assert_false(origin_open(p->origin, &cell));
        assert_int_equal(cell.body[0], i);
        assert_int_equal(cell.body[CELL_BODY_LEN - 1], i);
    }
    free(stream);
    path_close(p);
}

// Cells of random commands, ids and bodies, in records cut anywhere: the worker lives, keeps
// nothing, and other links go on.
static void random_cells_are_survived(void **state)
{
    (void)state;
    struct rig *rig = rig_create(2);
    struct peer_link *good = peer_link_accepted(rig, 0);
    struct origin *o = origin_create(good, CIRCID, TOR1);
    srand(11);
    for (unsigned round = 0; round < 40; round++) {
        struct peer_link *bad = peer_link_accepted(rig, round % 2);
        for (unsigned i = 0; i < 100 && !bad->tcp->closed; i++) {
            uint8_t cell[CELL_LEN];
            for (size_t j = 0; j < sizeof(cell); j++)
                cell[j] = (uint8_t)rand();
            if (rand() % 8) {
                static const uint8_t commands[] = {CELL_RELAY,   CELL_RELAY_EARLY, CELL_CREATE2,
                                                   CELL_DESTROY, CELL_CREATED2,    CELL_CREATE_FAST,
                                                   CELL_PADDING};
                uint8_t id[4] = {0x80, 0, 0, (uint8_t)(rand() % 4)};
                memcpy(cell, id, 4);
                cell[4] = commands[(size_t)rand() % sizeof(commands)];
            }
            peer_send(bad, cell,
                      (size_t)rand() % 10 ? sizeof(cell) : (size_t)rand() % CELL_LEN + 1);
            rig_run(rig);
            while (rig_has(rig, MSG_CIRCUIT_CREATE)) {
                struct message *create = rig_expect(rig, MSG_CIRCUIT_CREATE);
                struct message *accept = rig_message(
                    rig, create->worker, rand() % 2 ? MSG_CIRCUIT_ACCEPT : MSG_CIRCUIT_CLOSE);
                accept->circuit = create->circuit;
                accept->command = CELL_CREATED2;
                accept->crypto.kind = (uint8_t)(rand() % 4); // two of them unknown
                channel_free(create);
                rig_send(rig, accept);
            }
            rig_clear_inbox(rig);
        }
        fake_gone(bad->tcp, CONN_CLOSE_RESET);
        rig_run(rig);
        channel_free(rig_expect(rig, MSG_CONN_CLOSED));
        rig_clear_inbox(rig);
        peer_link_free(bad);
    }
    origin_send(o, CELL_RELAY, RELAY_BEGIN, 1, "", 0, true);
    rig_run(rig);
    channel_free(rig_expect(rig, MSG_CIRCUIT_RELAY));
    origin_free(o);
    peer_link_free(good);
    rig_destroy(rig);
}

int main(void)
{
    rig_eal();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(raw_bytes_go_both_ways),
        cmocka_unit_test(what_was_raw_goes_out_raw_after_records_begin),
        cmocka_unit_test(closing_is_told_once),
        cmocka_unit_test(a_dial_that_can_not_begin_is_answered),
        cmocka_unit_test(messages_to_us_come_up_and_ours_go_out),
        cmocka_unit_test(an_old_key_is_changed),
        cmocka_unit_test(cells_pass_on_one_worker),
        cmocka_unit_test(cells_pass_between_workers),
        cmocka_unit_test(room_is_reserved_for_what_there_is),
        cmocka_unit_test(truncate_on_one_worker),
        cmocka_unit_test(truncate_between_workers),
        cmocka_unit_test(destroy_comes_after_the_cells_before_it),
        cmocka_unit_test(an_unrecognised_cell_ends_the_circuit),
        cmocka_unit_test(relay_early_has_its_limit),
        cmocka_unit_test(no_relay_early_towards_the_origin),
        cmocka_unit_test(circuit_ids_are_checked),
        cmocka_unit_test(a_relay_cell_before_the_answer_ends_the_circuit),
        cmocka_unit_test(the_quiet_circuit_goes_first),
        cmocka_unit_test(a_queue_has_its_limit),
        cmocka_unit_test(a_bad_record_closes_only_its_link),
        cmocka_unit_test(cells_may_be_cut_anywhere),
        cmocka_unit_test(random_cells_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
