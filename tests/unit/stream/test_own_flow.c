// SPDX-License-Identifier: BSD-3-Clause
// Flow control of circuits that begin here (protocol 4.08–4.17, 4.20): what is acknowledged and
// how, a reader that does not read, and what one circuit carries, in virtual time.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stream_desk.h"

enum { MS = 1000, CGO_BODY = 488 };

static struct user *connected(struct desk *desk, bool cc, struct handle *end, size_t to_send)
{
    struct user *u = own_begin(desk, own_circuit(desk, cc, end), RELAY_BEGIN, to_send);
    tell(desk, *end, RELAY_CONNECTED, 1, "", 0);
    return u;
}

static struct circuit *circuit_of(const struct user *u)
{
    return u->stream->of->circuit;
}

// Tells so many DATA of `length` bytes; counts the stream's SENDMEs that go out, and the circuit's.
struct answers {
    unsigned of_stream, of_circuit, xoffs, xons;
    uint32_t rate_kbps; // the last XON's
    uint8_t last[23];   // the circuit's last SENDME
    uint16_t last_length;
};

static struct answers take_answers(struct desk *desk)
{
    struct answers a = {0};
    desk_turn(desk);
    if (!is_open(desk))
        discard(desk);
    while (desk->inbox_length) {
        struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE);
        a.xoffs += m->relay.command == RELAY_XOFF;
        if (m->relay.command == RELAY_XON) {
            a.xons++;
            assert_int_equal(m->length, 5);
            a.rate_kbps = (uint32_t)m->payload[1] << 24 | (uint32_t)m->payload[2] << 16 |
                          (uint32_t)m->payload[3] << 8 | m->payload[4];
        }
        if (m->relay.command == RELAY_SENDME && m->relay.stream_id)
            a.of_stream++;
        if (m->relay.command == RELAY_SENDME && !m->relay.stream_id) {
            a.of_circuit++;
            a.last_length = m->length;
            assert_true(m->length <= sizeof(a.last));
            memcpy(a.last, m->payload, m->length);
        }
        channel_free(m);
    }
    return a;
}

static void add(struct answers *sum, const struct answers *a)
{
    sum->of_stream += a->of_stream;
    sum->of_circuit += a->of_circuit;
    sum->xoffs += a->xoffs;
    sum->xons += a->xons;
}

static struct answers tell_data(struct desk *desk, struct handle end, uint16_t id, unsigned cells)
{
    static const uint8_t body[RELAY_BODY_MAX] = "d";
    struct answers sum = {0};
    for (unsigned i = 0; i < cells && is_open(desk); i++) {
        tell(desk, end, RELAY_DATA, id, body, CGO_BODY);
        struct answers a = take_answers(desk);
        add(&sum, &a);
    }
    return sum;
}

// ---- SENDMEs that we send

static void tell_tagged(struct desk *desk, struct handle end, uint8_t tag, uint8_t length)
{
    struct message *m = desk_up(desk, 0, MSG_CIRCUIT_RELAY);
    m->circuit = end;
    m->command = CELL_RELAY;
    m->relay.command = RELAY_DATA;
    m->relay.stream_id = 1;
    m->relay.hop = 1;
    m->relay.tag_length = length;
    memset(m->relay.tag, tag, length);
    m->payload[0] = 'd';
    m->length = 1;
    desk_tell(desk, m);
}

static void check_tags(bool cc, unsigned increment, uint8_t tag_length)
{
    struct handle end;
    struct desk *desk = open_desk();
    connected(desk, cc, &end, 0);
    uint8_t expected[23] = {1, 0, tag_length};
    for (unsigned i = 1; i <= 2 * increment; i++) {
        tell_tagged(desk, end, (uint8_t)i, tag_length);
        struct answers a = take_answers(desk);
        assert_int_equal(a.of_circuit, i % increment == 0);
        memset(expected + 3, (int)i, tag_length);
        if (a.of_circuit) {
            assert_int_equal(a.last_length, 3 + tag_length);
            assert_memory_equal(a.last, expected, a.last_length);
        }
    }
    close_desk(desk);
}

static void test_tags(void **state)
{
    (void)state;
    check_tags(false, 100, 20);
    check_tags(true, 31, 16);
}

static void test_emit_version_0(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    connected(desk, false, &end, 0);
    desk->relay.circuits->streams->parameters.sendme_emit_min_version = 0;
    for (unsigned i = 0; i < 99; i++)
        tell_tagged(desk, end, 1, 20);
    take_answers(desk);
    tell_tagged(desk, end, 1, 20);
    struct answers a = take_answers(desk);
    assert_int_equal(a.of_circuit, 1);
    assert_int_equal(a.last_length, 0);
    close_desk(desk);
}

// ---- SENDMEs that come

// Who has not read what we sent can't tell the tags (4.12).
static void test_random_ends(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    struct circuit *c = circuit_of(connected(desk, false, &end, 10000000));
    own_begin(desk, c, RELAY_BEGIN, 10000000);
    struct sent sent = collect_all(desk, end);
    assert_int_equal(sent.cells, WINDOW_CIRCUIT_CELLS);
    assert_in_range(sent.short_cells, 10, 20);
    close_desk(desk);
}

static void test_forged_sendmes(void **state)
{
    (void)state;
    for (unsigned cc = 0; cc < 2; cc++) {
        uint8_t right = cc ? 16 : 20;
        for (unsigned wrong = 0; wrong < 4; wrong++) {
            struct handle end;
            struct desk *desk = open_desk();
            connected(desk, cc, &end, 1000000);
            desk->relay.circuits->streams->parameters.sendme_accept_min_version = 1;
            assert_true(collect_all(desk, end).tags >= 2);
            tell_tag(desk, end, 1, right);
            tell_tag(desk, end, 2, right);
            tell_sendme(desk, end, 1, right);
            assert_true(is_open(desk));
            discard(desk);
            if (wrong == 0)
                tell_sendme(desk, end, 3, right);
            else if (wrong == 1)
                tell_sendme(desk, end, 2, cc ? 20 : 16);
            else if (wrong == 2)
                tell(desk, end, RELAY_SENDME, 0, "", 0); // also by CREATE_FAST: it is no old client
            else
                for (uint8_t tag = 2; is_open(desk); tag++) // more than was sent
                    tell_sendme(desk, end, tag, right);
            assert_false(is_open(desk));
            close_desk(desk);
        }
    }
}

// ---- a reader that does not read

static void test_without_congestion_control(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    struct user *u = connected(desk, false, &end, 0);
    struct user *other = own_begin(desk, circuit_of(u), RELAY_BEGIN, 0);
    tell(desk, end, RELAY_CONNECTED, 2, "", 0);
    u->holds = true;
    struct answers a = tell_data(desk, end, 1, WINDOW_STREAM_CELLS);
    assert_in_range(a.of_stream, 4, 6); // until it holds too much
    assert_int_equal(a.of_circuit, 5);  // nobody else need wait for it
    assert_int_equal(a.xoffs, 0);
    a = tell_data(desk, end, 2, 200);
    assert_int_equal(a.of_stream, 4);
    assert_int_equal(a.of_circuit, 2);
    assert_int_equal(other->received, 200 * CGO_BODY);
    stream_set_held(u->stream, 0);
    assert_in_range(take_answers(desk).of_stream, 4, 6); // what was kept back
    assert_int_equal(u->stream->deliver_window, WINDOW_STREAM_CELLS);
    u->holds = false;
    tell_data(desk, end, 1, 49);
    u->holds = true;
    assert_true(is_open(desk));
    close_desk(desk);
}

// More than the window: the other side breaks the protocol.
static void test_beyond_the_window(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    struct user *u = connected(desk, false, &end, 0);
    u->holds = true;
    tell_data(desk, end, 1, 2 * WINDOW_STREAM_CELLS);
    assert_false(is_open(desk));
    assert_in_range(u->received, WINDOW_STREAM_CELLS * CGO_BODY,
                    (WINDOW_STREAM_CELLS + 300) * CGO_BODY);
    close_desk(desk);
}

static void test_xoff_and_xon(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    struct user *u = connected(desk, true, &end, 0);
    struct user *other = own_begin(desk, circuit_of(u), RELAY_BEGIN, 0);
    tell(desk, end, RELAY_CONNECTED, 2, "", 0);
    u->holds = true;
    struct answers a = tell_data(desk, end, 1, 500);
    assert_int_equal(a.xoffs, 0);
    a = tell_data(desk, end, 1, 5);
    assert_int_equal(a.xoffs, 0); // not at once
    fake_now_us += 5001;
    a = tell_data(desk, end, 1, 1);
    assert_int_equal(a.xoffs, 1);
    a = tell_data(desk, end, 1, 2000); // on their way
    assert_int_equal(a.xoffs, 0);
    assert_int_equal(desk->relay.counters.stream_xoffs_sent, 1);
    a = tell_data(desk, end, 2, 310);
    assert_int_equal(a.of_circuit, 10);
    assert_int_equal(other->received, 310 * CGO_BODY);
    assert_int_equal(desk->relay.circuits->streams->held_bytes, u->received);
    size_t held = u->received;
    while (held > 0) { // 1 MB/s
        held -= held < 10000 ? held : 10000;
        fake_now_us += 10 * MS;
        stream_set_held(u->stream, held);
        a = take_answers(desk);
        assert_int_equal(a.xons, held == 0);
    }
    assert_in_range(a.rate_kbps, 900, 1100);
    assert_int_equal(desk->relay.circuits->streams->held_bytes, 0);
    close_desk(desk);
}

// Who goes on after XOFF is not waited for.
static void test_hard_bound(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    struct user *u = connected(desk, true, &end, 0);
    u->holds = true;
    tell_data(desk, end, 1, HELD_OF_STREAM_MAX_BYTES / CGO_BODY + 1);
    assert_int_equal(u->closed_calls, 1);
    assert_int_equal(u->reason, END_RESOURCELIMIT);
    assert_true(is_open(desk)); // the others go on
    assert_int_equal(desk->relay.counters.drop_stream_held, 1);
    assert_int_equal(desk->relay.circuits->streams->held_bytes, 0);
    tell_data(desk, end, 1, 100); // half-closed
    assert_true(is_open(desk));
    close_desk(desk);
}

static void test_bound_of_all(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    struct user *u = connected(desk, true, &end, 0);
    struct circuit *c = circuit_of(u);
    unsigned n = HELD_MAX_BYTES / HELD_OF_STREAM_MAX_BYTES;
    for (unsigned i = 1; i < n; i++)
        own_begin(desk, c, RELAY_BEGIN, 0);
    for (unsigned i = 0; i < n; i++)
        stream_set_held(users[i].stream, HELD_OF_STREAM_MAX_BYTES);
    struct user *small = own_begin(desk, c, RELAY_BEGIN, 0);
    desk_run(desk);
    stream_set_held(small->stream, 1000); // which is little
    desk_run(desk);
    assert_int_equal(small->closed_calls, 0);
    stream_set_held(users[3].stream, HELD_OF_STREAM_MAX_BYTES);
    desk_run(desk);
    assert_int_equal(users[3].closed_calls, 1);
    assert_int_equal(small->closed_calls, 0);
    close_desk(desk);
}

// ---- XOFF and XON that come (4.17)

static void test_xon_limits(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    struct user *u = connected(desk, true, &end, SIZE_MAX);
    struct streams *all = desk->relay.circuits->streams;
    struct xon_limit *l = &u->stream->xon_limit;
    collect(desk, end);
    assert_int_equal(l->sent_bytes, u->sent);
    l->sent_bytes = all->parameters.exit_xoff_bytes;
    tell(desk, end, RELAY_XOFF, 1, "\0", 1);
    tell(desk, end, RELAY_XON, 1, "\0\0\0\0\0", 5);
    assert_true(is_open(desk));
    l->sent_bytes = 2 * all->parameters.exit_xoff_bytes - 1;
    tell(desk, end, RELAY_XOFF, 1, "\0", 1);
    assert_false(is_open(desk));
    close_desk(desk);

    desk = open_desk();
    u = connected(desk, true, &end, SIZE_MAX);
    u->stream->xon_limit.sent_bytes = 3 * 244000;
    tell(desk, end, RELAY_XOFF, 1, "\0", 1);
    tell(desk, end, RELAY_XOFF, 1, "\0", 1); // twice without XON between
    assert_false(is_open(desk));
    close_desk(desk);
}

// XOFF before CONNECTED: an exit that has not reached the host yet keeps what we sent already.
static void test_xoff_before_connected(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    struct user *u = own_begin(desk, own_circuit(desk, true, &end), RELAY_BEGIN, SIZE_MAX);
    u->stream->xon_limit.sent_bytes = 2 * 244000;
    tell(desk, end, RELAY_XOFF, 1, "\0", 1);
    assert_true(is_open(desk));
    assert_int_equal(collect(desk, end).cells, 0);
    tell(desk, end, RELAY_CONNECTED, 1, "", 0);
    assert_int_equal(collect(desk, end).cells, 0);
    tell(desk, end, RELAY_XON, 1, "\0\0\0\0\0", 5);
    assert_int_equal(collect_all(desk, end).cells, 124);
    close_desk(desk);
}

// ---- the kind of path (4.20)

static void test_path_kinds(void **state)
{
    (void)state;
    struct handle end;
    struct desk *desk = open_desk();
    struct streams *all = desk->relay.circuits->streams;
    struct user *u = connected(desk, true, &end, 0);
    const struct vegas *v = &u->stream->of->flow.vegas;
    assert_ptr_equal(v->parameters, &all->parameters.vegas[CIRCUIT_PATH_SHORT]); // one hop
    u->stream->of->hop = 3;
    flow_set_path_kind(u->stream->of);
    assert_ptr_equal(v->parameters, &all->parameters.vegas[CIRCUIT_PATH_EXIT]);
    circuit_streams_set_path_kind(circuit_of(u), CIRCUIT_PATH_ONION);
    assert_ptr_equal(v->parameters, &all->parameters.vegas[CIRCUIT_PATH_ONION]);
    end = desk_cgo_circuit(desk, CLIENT);
    u = begin(desk, end, 1, 0); // another's
    v = &u->stream->of->flow.vegas;
    assert_ptr_equal(v->parameters, &all->parameters.vegas[CIRCUIT_PATH_EXIT]);
    close_desk(desk);
}

static void test_parameters(void **state)
{
    (void)state;
    static const unsigned expected[CIRCUIT_PATH_KINDS][5] = {
        [CIRCUIT_PATH_EXIT] = {186, 248, 186, 310, 600},
        [CIRCUIT_PATH_SHORT] = {93, 155, 124, 248, 400},
        [CIRCUIT_PATH_ONION] = {186, 372, 248, 434, 475},
    };
    struct desk *desk = open_desk();
    const struct stream_parameters *p = &desk->relay.circuits->streams->parameters;
    streams_parameters_changed(&desk->relay);
    for (unsigned i = 0; i < CIRCUIT_PATH_KINDS; i++) {
        const struct vegas_parameters *v = &p->vegas[i];
        const unsigned is[5] = {v->alpha, v->beta, v->gamma, v->delta, v->ss_cwnd_cap};
        assert_memory_equal(is, expected[i], sizeof(is));
        assert_int_equal(v->cwnd_init, 124);
    }
    assert_int_equal(p->sendme_emit_min_version, 1);
    assert_int_equal(p->held.xoff_bytes, 500 * 488);
    assert_int_equal(p->held.rate_bytes, 500 * 498);
    assert_int_equal(p->held.change_pct, 25);
    assert_int_equal(p->held.ewma_samples, 2);
    assert_int_equal(p->exit_xoff_bytes, 500 * 488);
    assert_int_equal(p->client_xoff_bytes, 500 * 488);
    close_desk(desk);
}

// ---- what one circuit carries

// A way of 100 ms there and back with a bottleneck: cells of one direction pass it one after
// another, what goes the other way is there in half of the time.
enum { RTT_US = 100 * MS, CELL_US = 100, PENDING = 8192 };

struct way {
    uint64_t free_at_us; // the bottleneck
    uint64_t at_us[PENDING];
    uint8_t what[PENDING];
    unsigned first, n; // of those under way
};

static void way_send(struct way *w, uint64_t after_us, uint8_t what)
{
    assert_true(w->n < PENDING);
    w->at_us[(w->first + w->n) % PENDING] = fake_now_us + after_us;
    w->what[(w->first + w->n++) % PENDING] = what;
}

static bool way_receive(struct way *w, uint8_t *what)
{
    if (w->n == 0 || w->at_us[w->first] > fake_now_us)
        return false;
    *what = w->what[w->first];
    w->first = (w->first + 1) % PENDING;
    w->n--;
    return true;
}

// How long a cell that is sent now takes to have passed the bottleneck.
static uint64_t pass(struct way *w)
{
    if (w->free_at_us < fake_now_us)
        w->free_at_us = fake_now_us;
    w->free_at_us += CELL_US;
    return w->free_at_us - fake_now_us;
}

static struct way there, back;

// What an exit with C tor's congestion control can send to us: it is ours to acknowledge in time.
static void test_download_fills_the_way(void **state)
{
    (void)state;
    static const uint8_t body[CGO_BODY] = "d";
    struct handle end;
    struct desk *desk = open_desk();
    struct user *u = connected(desk, true, &end, 0);
    struct user *slow = own_begin(desk, circuit_of(u), RELAY_BEGIN, 0);
    struct vegas exit;
    uint64_t sent_us[PENDING], marked = 0, acknowledged = 0, cells = 0;
    size_t at_half = 0;
    memset(&there, 0, sizeof(there));
    memset(&back, 0, sizeof(back));
    tell(desk, end, RELAY_CONNECTED, 2, "", 0);
    slow->holds = true;
    tell_data(desk, end, 2, 500);
    vegas_begin(&exit, &vegas_defaults, 31);
    uint64_t began_us = fake_now_us;
    for (unsigned ms = 0; ms < 8000; ms++) {
        fake_now_us = began_us + ms * MS;
        uint8_t what;
        while (way_receive(&back, &what))
            vegas_acknowledged(&exit, sent_us[acknowledged++ % PENDING], fake_now_us, false, 0);
        while (vegas_room(&exit) > 0) {
            vegas_sent(&exit);
            way_send(&there, pass(&there) + RTT_US / 2, 0);
            if (++cells % 31 == 0)
                sent_us[marked++ % PENDING] = fake_now_us;
        }
        while (way_receive(&there, &what)) {
            tell(desk, end, RELAY_DATA, 1, body, sizeof(body));
            for (unsigned i = take_answers(desk).of_circuit; i > 0; i--)
                way_send(&back, RTT_US / 2, 0);
        }
        if (ms == 4000)
            at_half = u->received;
    }
    size_t carried = (u->received - at_half) / CGO_BODY, can = 4000 * MS / CELL_US;
    print_message("download: %zu of %zu cells\n", carried, can);
    assert_true(carried > can * 97 / 100);
    close_desk(desk);
}

// What we send: the window grows to what the way takes, and is used.
static size_t upload(bool cc, unsigned n_streams)
{
    struct handle end;
    struct desk *desk = open_desk();
    struct circuit *c = circuit_of(connected(desk, cc, &end, SIZE_MAX));
    for (unsigned i = 1; i < n_streams; i++) {
        own_begin(desk, c, RELAY_BEGIN, SIZE_MAX);
        discard(desk);
    }
    unsigned taken[16] = {0};
    uint8_t tag = 0, next = 0, id;
    size_t cells = 0, at_half = 0;
    memset(&there, 0, sizeof(there));
    memset(&back, 0, sizeof(back));
    uint64_t began_us = fake_now_us;
    for (unsigned ms = 0; ms < 8000; ms++) {
        fake_now_us = began_us + ms * MS;
        while (way_receive(&back, &id)) {
            if (id == 0)
                tell_sendme(desk, end, next++, cc ? 16 : 20);
            else
                tell(desk, end, RELAY_SENDME, id, "", 0);
        }
        assert_true(is_open(desk));
        bool more = true;
        while (more) {
            more = false;
            desk_run(desk);
            while (desk->inbox_length) {
                struct message *m = desk_expect(desk, MSG_CIRCUIT_ORIGINATE);
                bool marked = m->relay.tell & ORIGINATE_TELL_TAG;
                bool drained = m->relay.tell & ORIGINATE_TELL_DRAINED;
                uint64_t us = pass(&there) + RTT_US;
                id = (uint8_t)m->relay.stream_id;
                channel_free(m);
                cells++;
                if (!cc && ++taken[id] % WINDOW_STREAM_INC_CELLS == 0)
                    way_send(&back, us, id);
                if (marked) {
                    tell_tag(desk, end, tag++, cc ? 16 : 20);
                    way_send(&back, us, 0);
                }
                more |= drained;
            }
            if (more)
                tell_drained(desk, end);
        }
        if (ms == 4000)
            at_half = cells;
    }
    discard(desk);
    close_desk(desk);
    return cells - at_half;
}

static void test_upload_fills_the_way(void **state)
{
    (void)state;
    size_t can = 4000 * MS / CELL_US, carried = upload(true, 1);
    print_message("upload: %zu of %zu cells\n", carried, can);
    assert_true(carried > can * 97 / 100);
    carried = upload(true, 4);
    assert_true(carried > can * 97 / 100);
}

// Fixed windows: 500 cells of a stream, 1000 of a circuit, in each round trip.
static void test_upload_fills_fixed_windows(void **state)
{
    (void)state;
    size_t rounds = 4000 * MS / (RTT_US + 50 * CELL_US), one = upload(false, 1);
    assert_in_range(one, rounds * 450, rounds * 550);
    size_t four = upload(false, 4);
    print_message("upload with fixed windows: %zu cells of one stream, %zu of four\n", one, four);
    assert_in_range(four, rounds * 850, rounds * 1050);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_emit_version_0),
        cmocka_unit_test(test_random_ends),
        cmocka_unit_test(test_forged_sendmes),
        cmocka_unit_test(test_without_congestion_control),
        cmocka_unit_test(test_beyond_the_window),
        cmocka_unit_test(test_xoff_and_xon),
        cmocka_unit_test(test_hard_bound),
        cmocka_unit_test(test_bound_of_all),
        cmocka_unit_test(test_xon_limits),
        cmocka_unit_test(test_xoff_before_connected),
        cmocka_unit_test(test_path_kinds),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_download_fills_the_way),
        cmocka_unit_test(test_upload_fills_the_way),
        cmocka_unit_test(test_upload_fills_fixed_windows),
    };
    desk_eal();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
