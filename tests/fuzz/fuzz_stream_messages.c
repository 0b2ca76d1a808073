// SPDX-License-Identifier: BSD-3-Clause
// Relay messages for streams, and what a worker tells meanwhile, in any order on one circuit:
// nothing is left of it at the end, and no window is above its bounds.
//
// The input is a byte of flags, then steps: {what 1, stream id 1, length 1, body}.
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "../unit/circuit/desk.h"
#include "base/cursor.h"
#include "circuit/circuit_internal.h"
#include "stream/circuit_streams.h"
#include "stream/stream_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

enum { TAG_IS_TOLD = 250, QUEUE_IS_SHORT, LOOP_TURNS, USER_CLOSES, EXTENDS, TRUNCATES };
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

static const struct stream_ops ops = {.data = data, .produce = produce, .closed = closed};

static void accept_directory(struct directory_server *server, struct stream *s)
{
    (void)server;
    stream_set_user(s, &ops, NULL);
    last = s;
}

static void discard(void)
{
    while (desk->inbox_length)
        channel_free(desk->inbox[--desk->inbox_length]);
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
    for (unsigned i = 0; i < STREAM_BUCKETS; i++)
        for (struct stream *s = of->buckets[i]; s; s = s->next_in_bucket)
            if (s->window > WINDOW_STREAM_CELLS)
                abort();
}

static void tell_tag(struct handle end, const uint8_t *tag, size_t length)
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
    switch (what) {
    case TAG_IS_TOLD:
        tell_tag(end, body, length);
        break;
    case QUEUE_IS_SHORT:
        m = desk_up(desk, 0, MSG_CIRCUIT_DRAINED);
        m->circuit = end;
        desk_tell(desk, m);
        break;
    case LOOP_TURNS:
        desk_turn(desk);
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    if (!desk) {
        desk_eal();
        desk = desk_open();
        desk->relay.directory_server = (struct directory_server *)desk; // is never looked into
        streams_accept_directory(&desk->relay, accept_directory);
    }
    struct reader r = reader_of(bytes, length);
    uint8_t flags = read_u8(&r);
    struct handle end = desk_circuit(desk, flags & 1 ? CLIENT : PREVIOUS);
    struct circuit *c = the_circuit();
    produced = 0;
    c->congestion_control = flags & 2;
    c->sendme_inc_cells = flags & 2 ? 31 : 100;
    c->crypto_kind = flags & 4 ? CIRCUIT_CRYPTO_CGO : CIRCUIT_CRYPTO_TOR1;
    c->created_fast = flags & 8;
    while (reader_left(&r) && (c = the_circuit())) {
        uint8_t what = read_u8(&r);
        uint16_t id = read_u8(&r);
        struct reader body = read_sub(&r, read_u8(&r));
        if (!r.failed)
            step(end, what, id, body.at, reader_left(&body));
        discard();
        if ((c = the_circuit()))
            check(c);
    }
    if (the_circuit())
        desk_tell_closed(desk, 0, end, 0, DESTROY_NONE, true);
    desk_run(desk);
    discard();
    if (the_circuit() || streams_count(desk->relay.circuits->streams) != 0)
        abort();
    return 0;
}
