// SPDX-License-Identifier: BSD-3-Clause
// Streams on circuits whose worker and origin the test is: how they begin and end, flow control
// both ways, whose turn it is, and what closes a circuit (protocol 4.06–4.16, 10.02–10.05).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "../circuit/desk.h"
#include "circuit/circuit_internal.h"
#include "crypto/random.h"
#include "stream/circuit_streams.h"
#include "stream/stream_internal.h"

enum { USERS = 300 };

// ---- users of streams

struct user {
    struct stream *stream; // NULL once closed was called
    size_t to_send, sent;
    size_t received;
    bool ends; // when all is sent
    unsigned closed_calls, connected_calls;
    enum end_reason reason;
    enum end_reason close_on_data; // 0: no
};

static struct user users[USERS];
static unsigned n_users;
static size_t next_to_send;
static bool refuse_next;
static uint64_t fake_now_us;

static uint64_t fake_clock(void)
{
    return fake_now_us;
}

static int produce(struct stream *s, uint8_t *out, size_t capacity)
{
    struct user *u = stream_user(s);
    assert_ptr_equal(u->stream, s);
    size_t left = u->to_send - u->sent, n = left < capacity ? left : capacity;
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(u->sent + i);
    u->sent += n;
    return n == 0 && u->ends ? STREAM_END : (int)n;
}

static void data(struct stream *s, const uint8_t *bytes, size_t length)
{
    struct user *u = stream_user(s);
    assert_ptr_equal(u->stream, s);
    assert_true(length > 0 && bytes[0] == 'd');
    u->received += length;
    if (u->close_on_data)
        stream_close(s, u->close_on_data);
}

static void connected(struct stream *s, const uint8_t *body, size_t length)
{
    struct user *u = stream_user(s);
    (void)body, (void)length;
    u->connected_calls++;
}

static void closed(struct stream *s, enum end_reason reason)
{
    struct user *u = stream_user(s);
    assert_ptr_equal(u->stream, s);
    u->stream = NULL;
    u->reason = reason;
    u->closed_calls++;
}

static const struct stream_ops ops = {
    .connected = connected, .data = data, .produce = produce, .closed = closed};

static void accept_directory(struct directory_server *server, struct stream *s)
{
    assert_non_null(server);
    if (refuse_next)
        return;
    struct user *u = &users[n_users++];
    *u = (struct user){.stream = s, .to_send = next_to_send};
    stream_set_user(s, &ops, u);
}

// ---- the desk

static struct desk *open_desk(void)
{
    struct desk *desk = desk_open();
    memset(users, 0, sizeof(users));
    n_users = 0;
    next_to_send = 0;
    refuse_next = false;
    fake_now_us = 1000000;
    desk->relay.directory_server = (struct directory_server *)desk; // never looked at
    streams_accept_directory(&desk->relay, accept_directory);
    desk->relay.circuits->streams->now_us = fake_clock;
    return desk;
}

static void close_desk(struct desk *desk)
{
    struct streams *all = desk->relay.circuits->streams;
    circuit_table_close_all(desk->relay.circuits);
    desk_run(desk);
    assert_int_equal(streams_count(all), 0);
    assert_int_equal(desk->relay.counters.streams_open, 0);
    for (unsigned i = 0; i < n_users; i++)
        assert_int_equal(users[i].closed_calls, 1);
    while (desk->inbox_length)
        channel_free(desk->inbox[--desk->inbox_length]);
    desk_close(desk);
}

static void tell(struct desk *desk, struct handle end, uint8_t command, uint16_t id,
                 const void *body, size_t length)
{
    desk_tell_relay(desk, end, CELL_RELAY, command, id, body, length);
}

static struct user *begin(struct desk *desk, struct handle end, uint16_t id, size_t to_send)
{
    next_to_send = to_send;
    tell(desk, end, RELAY_BEGIN_DIR, id, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_CONNECTED, id, "", 0);
    assert_true(n_users > 0);
    return &users[n_users - 1];
}

struct sent {
    unsigned cells, short_cells;
    unsigned of_stream[16];
    unsigned tags;          // asked for
    unsigned tag_cells[64]; // which, from 1
    bool drained;           // asked for, with the last
};

// Takes what has been sent, which is all DATA; lets the loop do all that it can before.
static struct sent collect(struct desk *desk, struct handle end)
{
    struct sent sent = {0};
    desk_run(desk);
    while (desk->inbox_length) {
        struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE);
        assert_int_equal(m->circuit.generation, end.generation);
        assert_int_equal(m->relay.command, RELAY_DATA);
        assert_true(m->length > 0 && m->length <= RELAY_BODY_MAX);
        sent.cells++;
        sent.short_cells += m->length <= RELAY_BODY_MAX - 20;
        sent.of_stream[m->relay.stream_id % 16]++;
        if (m->relay.tell & ORIGINATE_TELL_TAG)
            sent.tag_cells[sent.tags++] = sent.cells;
        sent.drained = m->relay.tell & ORIGINATE_TELL_DRAINED;
        channel_free(m);
    }
    return sent;
}

static void tell_drained(struct desk *desk, struct handle end)
{
    struct message *m = desk_up(desk, 0, MSG_CIRCUIT_DRAINED);
    m->circuit = end;
    desk_tell(desk, m);
}

// All that can be sent while the worker takes everything at once.
static struct sent collect_all(struct desk *desk, struct handle end)
{
    struct sent all = collect(desk, end);
    bool more = all.drained;
    while (more) {
        tell_drained(desk, end);
        struct sent next = collect(desk, end);
        for (unsigned i = 0; i < next.tags; i++)
            all.tag_cells[all.tags++] = all.cells + next.tag_cells[i];
        for (unsigned i = 0; i < 16; i++)
            all.of_stream[i] += next.of_stream[i];
        all.cells += next.cells;
        all.short_cells += next.short_cells;
        more = next.drained;
    }
    return all;
}

static void tell_tag(struct desk *desk, struct handle end, uint8_t tag, uint8_t length)
{
    struct message *m = desk_up(desk, 0, MSG_CIRCUIT_ORIGINATED);
    m->circuit = end;
    m->relay.tag_length = length;
    memset(m->relay.tag, tag, length);
    desk_tell(desk, m);
}

static void tell_sendme(struct desk *desk, struct handle end, uint8_t tag, uint8_t length)
{
    uint8_t body[3 + 20] = {1, 0, length};
    memset(body + 3, tag, 20);
    tell(desk, end, RELAY_SENDME, 0, body, 3 + (size_t)length);
}

static bool is_open(const struct desk *desk)
{
    return circuit_table_count(desk->relay.circuits) > 0;
}

static void expect_closed(struct desk *desk, struct handle end)
{
    assert_false(is_open(desk));
    desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
}

// ---- beginning and ending

static void test_request_and_answer(void **state)
{
    (void)state;
    static const uint8_t done = END_DONE;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    struct user *u = begin(desk, end, 5, 0);
    assert_true(stream_info(u->stream).from_client);
    assert_int_equal(collect(desk, end).cells, 0);
    tell(desk, end, RELAY_DATA, 5, "d", 1);
    tell(desk, end, RELAY_DATA, 5, "", 0); // of no length: nobody need know
    assert_int_equal(u->received, 1);
    u->to_send = 1000;
    u->ends = true;
    stream_wake(u->stream);
    stream_wake(u->stream);
    desk_expect_nothing(desk); // not from inside the call
    desk_run(desk);
    for (unsigned i = 0; i < 3; i++) {
        static const unsigned lengths[] = {498, 498, 4};
        struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE);
        assert_int_equal(m->relay.command, RELAY_DATA);
        assert_int_equal(m->relay.stream_id, 5);
        assert_int_equal(m->length, lengths[i]);
        assert_int_equal(m->payload[1], (i * 498 + 1) % 256);
        channel_free(m);
    }
    desk_expect_originate(desk, 0, end, RELAY_END, 5, &done, 1);
    desk_expect_nothing(desk);
    assert_int_equal(u->closed_calls, 1);
    assert_int_equal(u->reason, END_DONE);
    assert_int_equal(desk->relay.counters.streams_begun_dir, 1);
    tell(desk, end, RELAY_DATA, 5, "d", 1); // crossed our END
    tell(desk, end, RELAY_SENDME, 5, "", 0);
    assert_true(is_open(desk));
    begin(desk, end, 5, 0); // the id is free again
    close_desk(desk);
}

static void test_from_relay(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, PREVIOUS);
    assert_false(stream_info(begin(desk, end, 1, 0)->stream).from_client);
    close_desk(desk);
}

static void test_refused(void **state)
{
    (void)state;
    static const uint8_t no_directory = END_NOTDIRECTORY, internal = END_INTERNAL;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    struct circuit *c = desk->relay.circuits->slots[0];
    c->role = CIRCUIT_INTRODUCING;
    tell(desk, end, RELAY_BEGIN_DIR, 1, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_END, 1, &no_directory, 1);
    c->role = CIRCUIT_NO_ROLE;
    struct directory_server *server = desk->relay.directory_server;
    desk->relay.directory_server = NULL;
    tell(desk, end, RELAY_BEGIN_DIR, 1, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_END, 1, &no_directory, 1);
    desk->relay.directory_server = server;
    refuse_next = true; // by who should serve it
    tell(desk, end, RELAY_BEGIN_DIR, 1, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_CONNECTED, 1, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_END, 1, &internal, 1);
    refuse_next = false;
    // Stream 0, and one that is there, are dropped (4.06, 10.03).
    tell(desk, end, RELAY_BEGIN_DIR, 0, "", 0);
    desk_expect_nothing(desk);
    begin(desk, end, 1, 0);
    tell(desk, end, RELAY_BEGIN_DIR, 1, "", 0);
    desk_expect_nothing(desk);
    assert_int_equal(n_users, 1);
    assert_int_equal(desk->relay.counters.drop_relay_message, 2);
    close_desk(desk);
}

static void test_too_many(void **state)
{
    (void)state;
    static const uint8_t misc = END_MISC;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    for (unsigned i = 1; i <= STREAMS_OF_CIRCUIT_MAX; i++)
        begin(desk, end, (uint16_t)(i * 16), 0); // all in one bucket
    tell(desk, end, RELAY_BEGIN_DIR, 7, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_END, 7, &misc, 1);
    assert_int_equal(desk->relay.counters.drop_stream_limit, 1);
    tell(desk, end, RELAY_END, 32, &misc, 1);
    begin(desk, end, 7, 0);
    assert_int_equal(users[1].closed_calls, 0); // not from inside a message, but in its turn
    desk_run(desk);
    assert_int_equal(users[1].closed_calls, 1);
    assert_int_equal(users[1].reason, END_MISC);
    close_desk(desk);
}

static void test_closed_by_its_user(void **state)
{
    (void)state;
    static const uint8_t protocol = END_TORPROTOCOL;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    struct user *u = begin(desk, end, 3, 100000);
    u->close_on_data = END_TORPROTOCOL;
    tell(desk, end, RELAY_DATA, 3, "d", 1);
    desk_expect_originate(desk, 0, end, RELAY_END, 3, &protocol, 1);
    stream_close(u->stream, END_MISC); // it is closed
    stream_wake(u->stream);
    assert_int_equal(collect(desk, end).cells, 0);
    assert_int_equal(u->closed_calls, 1);
    assert_int_equal(u->reason, END_TORPROTOCOL);
    close_desk(desk);
}

static void test_circuit_goes(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    struct user *u = begin(desk, end, 3, 100000);
    desk_tell_closed(desk, 0, end, 0, DESTROY_NONE, true);
    stream_wake(u->stream);
    stream_close(u->stream, END_MISC);
    assert_int_equal(u->closed_calls, 0);
    desk_run(desk);
    assert_int_equal(u->closed_calls, 1);
    assert_int_equal(u->reason, END_DESTROY);
    desk_expect_nothing(desk);
    close_desk(desk);
}

// ---- what closes a circuit

static bool closes(uint8_t command, uint16_t id, const void *body, size_t length, bool cgo)
{
    struct desk *desk = open_desk();
    struct handle end = cgo ? desk_cgo_circuit(desk, CLIENT) : desk_circuit(desk, CLIENT);
    begin(desk, end, 9, 0);
    tell(desk, end, command, id, body, length);
    bool open = is_open(desk);
    if (!open)
        desk_expect_close(desk, 0, end, DESTROY_PROTOCOL);
    close_desk(desk);
    return !open;
}

static void test_protocol_errors(void **state)
{
    (void)state;
    for (unsigned cgo = 0; cgo < 2; cgo++) {
        assert_true(closes(RELAY_END, 9, "", 0, cgo)); // 13.19
        assert_true(closes(RELAY_END, 8, "", 0, cgo));
        assert_false(closes(RELAY_END, 9, "\6", 1, cgo));
        assert_true(closes(RELAY_CONNECTED, 9, "", 0, cgo)); // twice
        assert_false(closes(RELAY_CONNECTED, 8, "", 0, cgo));
        assert_true(closes(RELAY_SENDME, 0, "", 0, cgo)); // for nothing (4.10)
        assert_true(closes(RELAY_SENDME, 9, "", 0, cgo)); // above its start; with cc, at all (4.13)
        assert_false(closes(RELAY_SENDME, 8, "", 0, cgo));
        assert_false(closes(RELAY_XOFF, 9, "\0", 1, cgo));
        assert_false(closes(RELAY_XON, 9, "\0\0\0\0\0", 5, cgo));
        assert_false(closes(RELAY_XON, 9, "\1", 1, cgo));
    }
}

// ---- what comes, without congestion control

static void test_stream_sendmes_are_sent(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    struct user *u = begin(desk, end, 4, 0);
    for (unsigned i = 1; i <= 230; i++) {
        tell(desk, end, RELAY_DATA, 4, "d", 1);
        if (i % 100 == 0) {
            struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE);
            assert_int_equal(m->relay.command, RELAY_SENDME);
            assert_int_equal(m->relay.stream_id, 0);
            channel_free(m);
        }
        if (i % 50 == 0)
            desk_expect_originate(desk, 0, end, RELAY_SENDME, 4, "", 0);
        desk_expect_nothing(desk);
    }
    assert_int_equal(u->received, 230);
    close_desk(desk);
}

static void test_no_stream_sendmes_with_congestion_control(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_cgo_circuit(desk, CLIENT);
    begin(desk, end, 4, 0);
    for (unsigned i = 1; i <= 124; i++) {
        tell(desk, end, RELAY_DATA, 4, "d", 1);
        if (i % 31 == 0) {
            struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE);
            assert_int_equal(m->relay.command, RELAY_SENDME);
            assert_int_equal(m->relay.stream_id, 0);
            channel_free(m);
        }
        desk_expect_nothing(desk);
    }
    close_desk(desk);
}

// ---- what is sent, without congestion control

static void test_fixed_windows(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    begin(desk, end, 1, 10000000);
    struct sent sent = collect_all(desk, end);
    assert_int_equal(sent.cells, 500); // the stream's
    assert_int_equal(sent.tags, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(sent.tag_cells[i], 100 * (i + 1));
    tell(desk, end, RELAY_SENDME, 1, "", 0);
    assert_int_equal(collect_all(desk, end).cells, 50);
    begin(desk, end, 2, 10000000);
    sent = collect_all(desk, end);
    assert_int_equal(sent.cells, 450); // the circuit's
    assert_int_equal(sent.of_stream[2], 450);
    tell(desk, end, RELAY_SENDME, 1, "", 0);
    assert_int_equal(collect_all(desk, end).cells, 0);
    for (uint8_t i = 1; i <= 10; i++)
        tell_tag(desk, end, i, 20);
    tell_sendme(desk, end, 1, 20);
    sent = collect_all(desk, end);
    assert_int_equal(sent.cells, 100);
    assert_int_equal(sent.of_stream[1], 50);
    assert_int_equal(sent.of_stream[2], 50);
    assert_int_equal(sent.tags, 1);
    tell_tag(desk, end, 11, 20);
    for (uint8_t i = 2; i <= 11; i++)
        tell_sendme(desk, end, i, 20);
    assert_true(is_open(desk));
    tell_sendme(desk, end, 12, 20); // nothing is expected any more
    expect_closed(desk, end);
    assert_int_equal(desk->relay.counters.drop_sendme_bad, 1);
    close_desk(desk);
}

static struct handle circuit_awaiting_sendme(struct desk *desk, unsigned tags)
{
    struct handle end = desk_circuit(desk, CLIENT);
    begin(desk, end, 1, 10000000);
    assert_int_equal(collect_all(desk, end).cells, 500);
    for (uint8_t i = 1; i <= tags; i++)
        tell_tag(desk, end, i, 20);
    return end;
}

static void test_wrong_tags(void **state)
{
    (void)state;
    static const struct {
        uint8_t tag, length;
    } wrong[] = {{2, 20}, {0, 20}, {1, 16}, {1, 19}, {1, 0}};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct desk *desk = open_desk();
        struct handle end = circuit_awaiting_sendme(desk, 5);
        tell_sendme(desk, end, wrong[i].tag, wrong[i].length);
        expect_closed(desk, end);
        close_desk(desk);
    }
    static const char *const bodies[] = {"\2\0\24aaaaaaaaaaaaaaaaaaaa",
                                         "\1\0\25aaaaaaaaaaaaaaaaaaaa", "\1", "\1\0"};
    static const size_t lengths[] = {23, 23, 1, 2};
    for (unsigned i = 0; i < 4; i++) {
        struct desk *desk = open_desk();
        struct handle end = circuit_awaiting_sendme(desk, 5);
        tell(desk, end, RELAY_SENDME, 0, bodies[i], lengths[i]);
        expect_closed(desk, end);
        close_desk(desk);
    }
}

// Two workers' rings have no order: a SENDME may come before the tag that it must carry is known.
static void test_sendme_before_its_tag(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = circuit_awaiting_sendme(desk, 0);
    tell_sendme(desk, end, 1, 20);
    tell_sendme(desk, end, 2, 20);
    tell(desk, end, RELAY_SENDME, 1, "", 0);
    struct circuit_streams *of = desk->relay.circuits->slots[0]->streams;
    assert_int_equal(of->flow.window, 500);
    tell_tag(desk, end, 1, 20);
    assert_int_equal(of->flow.window, 600);
    tell_tag(desk, end, 3, 20);
    expect_closed(desk, end);
    close_desk(desk);
}

// Very old clients fetch their first consensus with these (4.11, 13.28).
static void test_version_0(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct stream_parameters p = desk->relay.circuits->streams->parameters;
    p.sendme_accept_min_version = 1;
    streams_set_parameters(desk->relay.circuits->streams, &p);
    struct handle end = circuit_awaiting_sendme(desk, 5);
    tell(desk, end, RELAY_SENDME, 0, "", 0);
    assert_true(is_open(desk));
    tell_sendme(desk, end, 2, 20); // it stood for the first
    assert_true(is_open(desk));
    struct circuit *c = desk->relay.circuits->slots[0];
    c->created_fast = false; // as if by ntor
    tell(desk, end, RELAY_SENDME, 0, "", 0);
    expect_closed(desk, end);
    p.sendme_accept_min_version = 0;
    streams_set_parameters(desk->relay.circuits->streams, &p);
    end = circuit_awaiting_sendme(desk, 5);
    desk->relay.circuits->slots[0]->created_fast = false;
    tell(desk, end, RELAY_SENDME, 0, "", 0);
    assert_true(is_open(desk));
    close_desk(desk);
}

static void test_random_ends(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    begin(desk, end, 1, 10000000);
    begin(desk, end, 2, 10000000);
    struct sent sent = collect_all(desk, end);
    assert_int_equal(sent.cells, 1000);
    assert_in_range(sent.short_cells, 10, 20);
    close_desk(desk);
}

// ---- turns and back-pressure

static void test_back_pressure(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    begin(desk, end, 1, 10000000);
    struct sent sent = collect(desk, end);
    assert_int_equal(sent.cells, UNDRAINED_MAX_CELLS);
    assert_true(sent.drained); // is asked for with the last
    stream_wake(users[0].stream);
    assert_int_equal(collect(desk, end).cells, 0);
    tell_drained(desk, end);
    assert_int_equal(collect(desk, end).cells, UNDRAINED_MAX_CELLS);
    close_desk(desk);
}

static void test_streams_take_turns(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_circuit(desk, CLIENT);
    for (uint16_t id = 1; id <= 8; id++)
        begin(desk, end, id, 10000000);
    struct sent sent = collect(desk, end);
    for (unsigned id = 1; id <= 8; id++)
        assert_int_equal(sent.of_stream[id], UNDRAINED_MAX_CELLS / 8);
    close_desk(desk);
}

// A turn of the loop does but so much, and every circuit has its part of it.
static void test_circuits_take_turns(void **state)
{
    (void)state;
    enum { CIRCUITS = 12 };
    struct desk *desk = open_desk();
    struct handle ends[CIRCUITS];
    unsigned cells[CIRCUITS] = {0}, total = 0;
    for (unsigned i = 0; i < CIRCUITS; i++)
        ends[i] = desk_circuit(desk, CLIENT);
    for (unsigned i = 0; i < CIRCUITS; i++)
        begin(desk, ends[i], 1, 10000000);
    desk_turn(desk);
    while (desk->inbox_length) {
        struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE);
        for (unsigned i = 0; i < CIRCUITS; i++)
            cells[i] += m->circuit.generation == ends[i].generation;
        total++;
        channel_free(m);
    }
    assert_int_equal(total, 256);
    for (unsigned i = 0; i < CIRCUITS; i++)
        assert_in_range(cells[i], 16, 24);
    close_desk(desk);
}

// While the layer moves from one worker to another, nothing is sent that would be told of twice.
static void test_extending(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle next, end = desk_circuit(desk, CLIENT);
    begin(desk, end, 1, 10000000);
    assert_int_equal(collect(desk, end).cells, 64);
    tell_drained(desk, end);
    assert_int_equal(collect(desk, end).cells, 64); // one tag is to be told
    desk_tell_extend2(desk, end, FAR);
    tell_drained(desk, end);
    uint64_t cookie = desk_dial(desk, FAR, &next);
    assert_int_equal(collect(desk, end).cells, 0);
    desk_splice(desk, end, FAR, next, cookie);
    assert_int_equal(collect(desk, end).cells, 0);
    tell_tag(desk, end, 1, 20);
    struct sent sent = collect(desk, next);
    assert_int_equal(sent.cells, 64);
    tell_drained(desk, end); // the queue is where it was
    assert_int_equal(collect(desk, next).cells, 64);
    close_desk(desk);
}

// ---- with congestion control

static void test_vegas_window(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_cgo_circuit(desk, CLIENT);
    begin(desk, end, 1, 100000000);
    struct sent sent = collect_all(desk, end);
    assert_int_equal(sent.cells, 124);
    assert_int_equal(sent.tags, 4);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(sent.tag_cells[i], 31 * (i + 1));
    for (uint8_t i = 1; i <= 4; i++)
        tell_tag(desk, end, i, 16);
    fake_now_us += 50000;
    tell_sendme(desk, end, 1, 16);
    assert_int_equal(collect_all(desk, end).cells, 62); // slow start: two for one
    tell_sendme(desk, end, 2, 16);
    assert_true(collect_all(desk, end).cells >= 31);
    tell_sendme(desk, end, 3, 20); // a tag of the wrong length
    expect_closed(desk, end);
    close_desk(desk);
}

static void test_no_stream_window_with_congestion_control(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_cgo_circuit(desk, CLIENT);
    unsigned cells = 0;
    begin(desk, end, 1, 100000000);
    uint8_t told = 0, acknowledged = 0;
    while (cells < 2000) {
        struct sent sent = collect_all(desk, end);
        cells += sent.cells;
        for (unsigned i = 0; i < sent.tags; i++)
            tell_tag(desk, end, ++told, 16);
        fake_now_us += 20000;
        assert_int_not_equal(told, acknowledged);
        tell_sendme(desk, end, ++acknowledged, 16);
    }
    assert_int_equal(users[0].sent / 488 / 100, cells / 100);
    close_desk(desk);
}

static void test_xoff(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_cgo_circuit(desk, CLIENT);
    begin(desk, end, 1, 10000000);
    begin(desk, end, 2, 10000000);
    tell(desk, end, RELAY_XOFF, 1, "\0", 1);
    tell(desk, end, RELAY_XOFF, 1, "\0", 1); // again: ignored
    struct sent sent = collect(desk, end);
    assert_int_equal(sent.of_stream[1], 0);
    assert_int_equal(sent.of_stream[2], 64);
    stream_wake(users[0].stream);
    tell(desk, end, RELAY_XON, 1, "\0\0\0\0", 4);   // too short
    tell(desk, end, RELAY_XON, 1, "\1\0\0\0\0", 5); // not version 0
    tell_drained(desk, end);
    sent = collect_all(desk, end);
    assert_int_equal(sent.of_stream[1], 0);
    assert_int_equal(sent.of_stream[2], 60);
    tell(desk, end, RELAY_XON, 1, "\0\0\0\0\0", 5);
    for (uint8_t i = 1; i <= 4; i++)
        tell_tag(desk, end, i, 16);
    fake_now_us += 50000;
    tell_sendme(desk, end, 1, 16);
    sent = collect_all(desk, end);
    assert_in_range(sent.of_stream[1], 30, 32);
    close_desk(desk);
}

// XON says what the other side takes in a second (4.14).
static void test_xon_rate(void **state)
{
    (void)state;
    struct desk *desk = open_desk();
    struct handle end = desk_cgo_circuit(desk, CLIENT);
    struct user *u = begin(desk, end, 1, 10000000);
    struct streams *all = desk->relay.circuits->streams;
    tell(desk, end, RELAY_XOFF, 1, "\0", 1);
    tell(desk, end, RELAY_XON, 1, "\0\0\0\0\12", 5); // 10 kB/s
    for (unsigned i = 0; i < 5; i++)
        desk_turn(desk);
    assert_in_range(u->sent, 10000, 10000 + 488); // a second's worth
    assert_false(TAILQ_EMPTY(&all->paced));
    fake_now_us += 500000;
    while (!TAILQ_EMPTY(&all->paced))
        uv_run(desk->relay.loop, UV_RUN_ONCE);
    for (unsigned i = 0; i < 5; i++)
        desk_turn(desk);
    assert_in_range(u->sent, 15000 - 488, 15000 + 2 * 488);
    tell(desk, end, RELAY_XON, 1, "\0\0\0\0\0", 5);
    collect(desk, end);
    assert_true(u->sent > 25000);
    close_desk(desk);
}

// ---- noise

static void test_noise(void **state)
{
    (void)state;
    static const uint8_t commands[] = {RELAY_BEGIN_DIR, RELAY_BEGIN_DIR, RELAY_DATA, RELAY_END,
                                       RELAY_CONNECTED, RELAY_SENDME,    RELAY_XOFF, RELAY_XON};
    struct desk *desk = open_desk();
    for (unsigned i = 0; i < 300; i++) {
        struct handle end = i % 2 ? desk_cgo_circuit(desk, CLIENT) : desk_circuit(desk, PREVIOUS);
        n_users = 0;
        next_to_send = i * 10;
        for (unsigned j = 0; j < 60; j++) {
            uint8_t body[32] = "d", choice[4];
            random_bytes(choice, sizeof(choice));
            random_bytes(body + 1, sizeof(body) - 1);
            if (choice[3] % 8 == 0)
                tell_tag(desk, end, choice[2], i % 2 ? 16 : 20);
            else if (choice[3] % 8 == 1)
                tell_drained(desk, end);
            else
                tell(desk, end, commands[choice[0] % 8], choice[1] % 5, body, choice[2] % 32);
            if (choice[3] % 8 == 2)
                desk_turn(desk);
            while (desk->inbox_length)
                channel_free(desk->inbox[--desk->inbox_length]);
        }
        desk_tell_closed(desk, 0, end, 0, DESTROY_NONE, true);
        desk_run(desk);
    }
    close_desk(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_and_answer),
        cmocka_unit_test(test_from_relay),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_closed_by_its_user),
        cmocka_unit_test(test_circuit_goes),
        cmocka_unit_test(test_protocol_errors),
        cmocka_unit_test(test_stream_sendmes_are_sent),
        cmocka_unit_test(test_no_stream_sendmes_with_congestion_control),
        cmocka_unit_test(test_fixed_windows),
        cmocka_unit_test(test_wrong_tags),
        cmocka_unit_test(test_sendme_before_its_tag),
        cmocka_unit_test(test_version_0),
        cmocka_unit_test(test_random_ends),
        cmocka_unit_test(test_back_pressure),
        cmocka_unit_test(test_streams_take_turns),
        cmocka_unit_test(test_circuits_take_turns),
        cmocka_unit_test(test_extending),
        cmocka_unit_test(test_vegas_window),
        cmocka_unit_test(test_no_stream_window_with_congestion_control),
        cmocka_unit_test(test_xoff),
        cmocka_unit_test(test_xon_rate),
        cmocka_unit_test(test_noise),
    };
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
