// SPDX-License-Identifier: BSD-3-Clause
// Relay messages for streams, and what a worker tells and users do meanwhile, in any order on one
// circuit that others begin, or that begins here: nothing is left of it at the end, and no window
// is above its bounds.
//
// The input is a byte of flags, then steps: {what 1, stream id 1, length 1, body}.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "../unit/stream/stream_desk.h"
#include "base/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum {
    USER_BEGINS = 246, // with the command that is the stream's id
    USER_HOLDS,
    TIME_PASSES,
    ANOTHER_HOP_SAYS, // the command that is the body's first byte
    TAG_IS_TOLD,
    QUEUE_IS_SHORT,
    LOOP_TURNS,
    USER_CLOSES,
    EXTENDS,
    TRUNCATES,
};
enum { OF_A_CLIENT = 1, CONGESTION_CONTROL = 2, CGO = 4, CREATED_FAST = 8, OURS = 16 };
enum { PRODUCED_MAX = 200000 };

static struct desk *desk;
static struct stream *last;
static unsigned produced;

static void data(struct stream *s, const uint8_t *bytes, size_t length)
{
    (void)s;
    if (length == 0 || length > RELAY_BODY_MAX || !bytes)
        abort();
}

static int produce(struct stream *s, uint8_t *out, size_t capacity)
{
    (void)s;
    memset(out, 'x', capacity);
    produced += (unsigned)capacity;
    return produced < PRODUCED_MAX ? (int)capacity : STREAM_END;
}

static void closed(struct stream *s, enum end_reason reason)
{
    (void)reason;
    if (s == last)
        last = NULL;
}

static void connected(struct stream *s, const uint8_t *body, size_t length)
{
    if (!s->connected || length > RELAY_BODY_MAX || !body)
        abort();
}

static void resolved(struct stream *s, const uint8_t *body, size_t length)
{
    if (s->begun_with != RELAY_RESOLVE || length > RELAY_BODY_MAX || !body)
        abort();
}

static const struct stream_ops ops = {.connected = connected,
                                      .resolved = resolved,
                                      .data = data,
                                      .produce = produce,
                                      .closed = closed};

static void accept_directory(struct directory_server *server, struct stream *s)
{
    (void)server;
    stream_set_user(s, &ops, NULL);
    last = s;
}

static struct circuit *the_circuit(void)
{
    struct circuit_table *t = desk->relay.circuits;
    for (uint32_t i = 0; i < t->n_slots; i++)
        if (t->slots[i])
            return t->slots[i];
    return NULL;
}

static void check(const struct circuit *c)
{
    const struct circuit_streams *of = c->streams;
    if (!of)
        return;
    if (of->flow.window > WINDOW_CIRCUIT_CELLS || of->n_streams > STREAMS_OF_CIRCUIT_MAX)
        abort();
    if (c->congestion_control && of->flow.vegas.cwnd > 1000000)
        abort();
    size_t held = 0;
    for (unsigned i = 0; i < STREAM_BUCKETS; i++) {
        for (struct stream *s = of->buckets[i]; s; s = s->next_in_bucket) {
            held += s->held.bytes;
            if (s->window > WINDOW_STREAM_CELLS || s->deliver_window > WINDOW_STREAM_CELLS ||
                s->held.bytes > HELD_OF_STREAM_MAX_BYTES ||
                half_closed_find(&of->half_closed, s->id))
                abort();
        }
    }
    if (held != of->all->held_bytes || of->half_closed.n > HALF_CLOSED_MAX ||
        (!c->own && of->half_closed.n > 0))
        abort();
}

static void tell_its_tag(struct handle end, const uint8_t *tag, size_t length)
{
    struct message *m = desk_up(desk, 0, MSG_CIRCUIT_ORIGINATED);
    m->circuit = end;
    m->relay.tag_length = (uint8_t)(length < 20 ? length : 20);
    memcpy(m->relay.tag, tag, m->relay.tag_length);
    desk_tell(desk, m);
}

static void step(struct handle end, uint8_t what, uint16_t id, const uint8_t *body, size_t length)
{
    struct message *m;
    struct stream *s;
    switch (what) {
    case TAG_IS_TOLD:
        tell_its_tag(end, body, length);
        break;
    case QUEUE_IS_SHORT:
        m = desk_up(desk, 0, MSG_CIRCUIT_DRAINED);
        m->circuit = end;
        desk_tell(desk, m);
        break;
    case LOOP_TURNS:
        desk_turn(desk);
        break;
    case USER_BEGINS:
        if (the_circuit()->own &&
            (s = stream_begin(the_circuit(), id, body, (uint16_t)length, &ops, NULL)))
            last = s;
        break;
    case USER_HOLDS:
        if (last)
            stream_set_held(last, (size_t)id * id * 200);
        break;
    case TIME_PASSES:
        fake_now_us += (uint64_t)id * id * 2000;
        break;
    case ANOTHER_HOP_SAYS:
        desk_tell_relay_from(desk, 0, end, id, length ? body[0] : RELAY_DATA, 1, body, length);
        break;
    case USER_CLOSES:
        if (last)
            stream_close(last, END_MISC);
        break;
    case EXTENDS:
        desk_tell_extend2(desk, end, NEAR);
        break;
    case TRUNCATES:
        desk_tell_relay(desk, end, CELL_RELAY, RELAY_TRUNCATE, 0, "\1", 1);
        break;
    default:
        desk_tell_relay(desk, end, CELL_RELAY, what, id, body, length);
    }
}

static struct handle make_circuit(uint8_t flags)
{
    struct handle end;
    if (flags & OURS) {
        own_circuit(desk, flags & CONGESTION_CONTROL, &end);
        return end;
    }
    end = desk_circuit(desk, flags & OF_A_CLIENT ? CLIENT : PREVIOUS);
    struct circuit *c = the_circuit();
    c->congestion_control = flags & CONGESTION_CONTROL;
    c->sendme_inc_cells = flags & CONGESTION_CONTROL ? 31 : 100;
    c->crypto_kind = flags & CGO ? CIRCUIT_CRYPTO_CGO : CIRCUIT_CRYPTO_TOR1;
    c->created_fast = flags & CREATED_FAST;
    return end;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (!desk) {
        desk_eal();
        desk = open_desk();
        streams_accept_directory(&desk->relay, accept_directory);
    }
    struct reader r = reader_of(bytes, length);
    struct handle end = make_circuit(read_u8(&r));
    struct circuit *c;
    produced = 0;
    while (reader_left(&r) && (c = the_circuit())) {
        uint8_t what = read_u8(&r);
        uint16_t id = read_u8(&r);
        struct reader body = read_sub(&r, read_u8(&r));
        if (!r.failed)
            step(end, what, id, body.at, reader_left(&body));
        discard(desk);
        if ((c = the_circuit()))
            check(c);
    }
    if (the_circuit())
        desk_tell_closed(desk, 0, end, 0, DESTROY_NONE, true);
    desk_run(desk);
    discard(desk);
    const struct streams *all = desk->relay.circuits->streams;
    if (the_circuit() || streams_count(all) != 0 || all->held_bytes != 0 || last)
        abort();
    return 0;
}
