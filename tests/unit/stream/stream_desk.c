// SPDX-License-Identifier: BSD-3-Clause
// What the tests of streams share.
#include "stream_desk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "circuit/own_circuit.h"
#include "crypto/create_fast.h"

// ---- users of streams

struct user users[USERS];
unsigned n_users;
size_t next_to_send;
bool refuse_next;
uint64_t fake_now_us;

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
    if (u->holds)
        stream_set_held(s, u->received);
    if (u->close_on_data)
        stream_close(s, u->close_on_data);
}

static void said(struct user *u, const uint8_t *body, size_t length)
{
    u->said_length = length;
    memcpy(u->said, body, length);
}

static void connected(struct stream *s, const uint8_t *body, size_t length)
{
    struct user *u = stream_user(s);
    u->connected_calls++;
    said(u, body, length);
}

static void resolved(struct stream *s, const uint8_t *body, size_t length)
{
    struct user *u = stream_user(s);
    u->resolved_calls++;
    said(u, body, length);
    stream_close(s, END_DONE); // it has ended already: nothing is sent
}

static void closed(struct stream *s, enum end_reason reason)
{
    struct user *u = stream_user(s);
    assert_ptr_equal(u->stream, s);
    const uint8_t *body = stream_end_body(s, &u->end_length);
    if (body)
        memcpy(u->end_body, body, u->end_length);
    u->stream = NULL;
    u->reason = reason;
    u->closed_calls++;
}

const struct stream_ops user_ops = {.connected = connected,
                                    .resolved = resolved,
                                    .data = data,
                                    .produce = produce,
                                    .closed = closed};

static void accept_directory(struct directory_server *server, struct stream *s)
{
    assert_non_null(server);
    if (refuse_next)
        return;
    struct user *u = &users[n_users++];
    *u = (struct user){.stream = s, .to_send = next_to_send};
    stream_set_user(s, &user_ops, u);
}

// ---- the desk

struct desk *open_desk(void)
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

void close_desk(struct desk *desk)
{
    struct streams *all = desk->relay.circuits->streams;
    circuit_table_close_all(desk->relay.circuits);
    desk_run(desk);
    assert_int_equal(streams_count(all), 0);
    assert_int_equal(desk->relay.counters.streams_open, 0);
    for (unsigned i = 0; i < n_users; i++)
        assert_int_equal(users[i].closed_calls, 1);
    discard(desk);
    desk_close(desk);
}

void tell(struct desk *desk, struct handle end, uint8_t command, uint16_t id, const void *body,
          size_t length)
{
    desk_tell_relay(desk, end, CELL_RELAY, command, id, body, length);
}

struct user *begin(struct desk *desk, struct handle end, uint16_t id, size_t to_send)
{
    next_to_send = to_send;
    tell(desk, end, RELAY_BEGIN_DIR, id, "", 0);
    desk_expect_originate(desk, 0, end, RELAY_CONNECTED, id, "", 0);
    assert_true(n_users > 0);
    return &users[n_users - 1];
}

// Takes what has been sent, which is all DATA; lets the loop do all that it can before.
struct sent collect(struct desk *desk, struct handle end)
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

void tell_drained(struct desk *desk, struct handle end)
{
    struct message *m = desk_up(desk, 0, MSG_CIRCUIT_DRAINED);
    m->circuit = end;
    desk_tell(desk, m);
}

// All that can be sent while the worker takes everything at once.
struct sent collect_all(struct desk *desk, struct handle end)
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

void tell_tag(struct desk *desk, struct handle end, uint8_t tag, uint8_t length)
{
    struct message *m = desk_up(desk, 0, MSG_CIRCUIT_ORIGINATED);
    m->circuit = end;
    m->relay.tag_length = length;
    memset(m->relay.tag, tag, length);
    desk_tell(desk, m);
}

void tell_sendme(struct desk *desk, struct handle end, uint8_t tag, uint8_t length)
{
    uint8_t body[3 + 20] = {1, 0, length};
    memset(body + 3, tag, 20);
    tell(desk, end, RELAY_SENDME, 0, body, 3 + (size_t)length);
}

bool is_open(const struct desk *desk)
{
    return circuit_table_count(desk->relay.circuits) > 0;
}

void expect_closed(struct desk *desk, struct handle end, enum destroy_reason reason)
{
    assert_false(is_open(desk));
    desk_expect_close(desk, 0, end, reason);
}

void discard(struct desk *desk)
{
    while (desk->inbox_length)
        channel_free(desk->inbox[--desk->inbox_length]);
    for (unsigned i = 0; i < DESK_WORKERS; i++) {
        struct message *m;
        while (channel_receive_down(&desk->channels[i], &m, 1))
            channel_free(m);
    }
}

// ---- circuits that begin here

static void ready(void *user, struct circuit *c, enum destroy_reason reason)
{
    assert_int_equal(reason, DESTROY_NONE);
    *(struct circuit **)user = c;
}

struct circuit *own_circuit(struct desk *desk, bool congestion_control, struct handle *end)
{
    struct own_circuit_path path = {.n_hops = 1};
    struct circuit *c = NULL;
    uint8_t reply[CREATED_FAST_LEN], keys[72];
    path.hops[0].target.n_addresses = 1;
    path.hops[0].target.addresses[0] = desk->links[NEAR].connection.remote;
    memcpy(path.hops[0].target.rsa_id, desk->links[NEAR].rsa_id, 20);
    assert_non_null(own_circuit_get(&desk->relay, &path, ready, &c));
    desk_turn(desk);
    struct message *dial = desk_expect(desk, MSG_CIRCUIT_DIAL);
    struct message *dialled = desk_up(desk, 0, MSG_CIRCUIT_DIALLED);
    assert_int_equal(create_fast_server(dial->payload, reply, keys, sizeof(keys)), 0);
    uint64_t cookie = dialled->cookie = dial->cookie;
    *end = dialled->circuit = desk_new_end(desk);
    channel_free(dial);
    desk_tell(desk, dialled);
    desk_tell_created(desk, 0, *end, cookie, CELL_CREATED_FAST, reply, sizeof(reply));
    discard(desk); // the keys
    assert_non_null(c);
    c->congestion_control = congestion_control;
    c->sendme_inc_cells = congestion_control ? 31 : 100;
    c->crypto_kind = congestion_control ? CIRCUIT_CRYPTO_CGO : CIRCUIT_CRYPTO_TOR1;
    return c;
}

struct user *own_begin(struct desk *desk, struct circuit *c, enum relay_command command,
                       size_t to_send)
{
    assert_true(n_users < USERS);
    struct user *u = &users[n_users++];
    *u = (struct user){.to_send = to_send};
    u->stream = stream_begin(c, command, "body", 4, &user_ops, u);
    assert_non_null(u->stream);
    struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE);
    assert_int_equal(m->relay.command, command);
    assert_int_equal(m->relay.stream_id, u->stream->id);
    assert_int_equal(m->relay.hop, 1);
    assert_int_equal(m->length, 4);
    assert_memory_equal(m->payload, "body", 4);
    channel_free(m);
    return u;
}
