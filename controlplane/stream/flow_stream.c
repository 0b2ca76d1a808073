// SPDX-License-Identifier: BSD-3-Clause
// Flow control of one stream: what the other side is told of bytes that are held here, and what it
// says of its own (protocol 4.08, 4.14–4.17).
#include "base/cursor.h"
#include "stream/stream_internal.h"

enum {
    XON_VERSION = 0,
    XON_RATE_UNIT_BYTES = 1000,
    // So that a long stream can't save up for thousands of them.
    XON_COUNT_MAX = 200,
    XON_SENT_MAX_BYTES = 10 << 20,
};

// ---- what we tell

static void send_sendmes(struct stream *s)
{
    while (s->deliver_window <= WINDOW_STREAM_CELLS - WINDOW_STREAM_INC_CELLS) {
        s->deliver_window += WINDOW_STREAM_INC_CELLS;
        circuit_originate(s->of->circuit, RELAY_SENDME, s->id, NULL, 0);
    }
}

// Before CONNECTED the other side has no use for such messages.
static bool may_tell(const struct stream *s)
{
    return s->connected || s->begun_with;
}

void stream_data_taken(struct stream *s)
{
    if (s->of && !s->of->circuit->congestion_control && may_tell(s) &&
        s->held.bytes <= HELD_WITHOUT_SENDME_BYTES)
        send_sendmes(s);
}

static void send_xoff(struct stream *s)
{
    static const uint8_t body = XON_VERSION;
    s->of->all->relay->counters.stream_xoffs_sent++;
    circuit_originate(s->of->circuit, RELAY_XOFF, s->id, &body, 1);
}

static void send_xon(struct stream *s)
{
    uint8_t body[5];
    struct writer w = writer_of(body, sizeof(body));
    write_u8(&w, XON_VERSION);
    write_u32(&w, s->held.rate_kbps);
    circuit_originate(s->of->circuit, RELAY_XON, s->id, body, sizeof(body));
}

static bool holds_too_much(const struct stream *s)
{
    const struct streams *all = s->of->all;
    return s->held.bytes > HELD_OF_STREAM_MAX_BYTES ||
           (all->held_bytes > HELD_MAX_BYTES && s->held.bytes > all->parameters.held.xoff_bytes);
}

void stream_set_held(struct stream *s, size_t bytes)
{
    struct circuit_streams *of = s->of;
    if (!of)
        return;
    size_t before = s->held.bytes + s->given_bytes, drained = before > bytes ? before - bytes : 0;
    s->given_bytes = 0;
    if (bytes == 0 && held_is_idle(&s->held))
        return;
    enum held_answer answer = HELD_NOTHING;
    of->all->held_bytes += bytes - s->held.bytes;
    if (of->circuit->congestion_control && may_tell(s))
        answer =
            held_change(&s->held, &of->all->parameters.held, bytes, drained, of->all->now_us());
    s->held.bytes = bytes;
    if (answer == HELD_XOFF)
        send_xoff(s);
    else if (answer == HELD_XON)
        send_xon(s);
    if (holds_too_much(s)) {
        of->all->relay->counters.drop_stream_held++;
        stream_close(s, END_RESOURCELIMIT);
        return;
    }
    stream_data_taken(s);
}

void stream_flow_accepted(struct stream *s)
{
    stream_set_held(s, s->held.bytes);
    stream_data_taken(s);
}

// ---- what we are told

static void halve(struct xon_limit *l)
{
    l->sent_bytes /= 2;
    l->xoffs /= 2;
    l->xons /= 2;
}

void stream_note_sent(struct stream *s, unsigned bytes)
{
    struct xon_limit *l = &s->xon_limit;
    if (l->sent_bytes + bytes >= XON_SENT_MAX_BYTES)
        halve(l);
    l->sent_bytes += bytes;
}

static uint64_t least_xoff_bytes(const struct circuit *c, const struct stream_parameters *p)
{
    return c->path_kind == CIRCUIT_PATH_ONION ? p->client_xoff_bytes : p->exit_xoff_bytes;
}

// At the origin of a circuit what the other side may have had of the stream is known.
static bool count_xon(struct stream *s, unsigned *count, bool is_xon)
{
    struct circuit_streams *of = s->of;
    const struct stream_parameters *p = &of->all->parameters;
    uint64_t least = least_xoff_bytes(of->circuit, p);
    if (is_xon && p->held.rate_bytes < least)
        least = p->held.rate_bytes;
    if (*count == XON_COUNT_MAX)
        halve(&s->xon_limit);
    ++*count;
    return !of->circuit->own || s->xon_limit.sent_bytes >= least * *count;
}

bool stream_take_xoff(struct stream *s)
{
    if (s->xoff || !count_xon(s, &s->xon_limit.xoffs, false))
        return false;
    s->xoff = true;
    pump_forget_stream(s); // it stays where it is in the circuit's queue no longer
    return true;
}

bool stream_take_xon(struct stream *s, const struct message *m)
{
    struct reader r = reader_of(m->payload, m->length);
    uint8_t version = read_u8(&r);
    uint32_t rate = read_u32(&r);
    if (r.failed || version != XON_VERSION || !count_xon(s, &s->xon_limit.xons, true))
        return false;
    s->xoff = false;
    pump_set_rate(s, (uint64_t)rate * XON_RATE_UNIT_BYTES);
    pump_stream(s);
    return true;
}
