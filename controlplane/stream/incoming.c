// SPDX-License-Identifier: BSD-3-Clause
// What comes for streams. At the origin of a circuit, whatever no honest last hop would send closes
// the circuit: what is dropped in silence can carry a mark to who watches the link to the guard.
// Where we are the last hop it is dropped, as C tor has it.
#include <string.h>

#include "stream/stream_internal.h"

static void drop(struct circuit *c)
{
    c->relay->counters.drop_relay_message++;
}

// Against the protocol at both ends of a circuit.
static void close_circuit(struct circuit *c)
{
    c->relay->counters.drop_stream_message++;
    circuit_close(c, DESTROY_PROTOCOL);
}

// … at its origin.
static void refuse(struct circuit *c)
{
    if (c->own)
        close_circuit(c);
    else
        drop(c);
}

// ---- for a stream that is there

static void take_data(struct circuit *c, struct stream *s, const struct message *m)
{
    if (!s->connected && s->begun_with) { // who began it does not wait
        refuse(c);
        return;
    }
    if (!c->congestion_control) {
        if (s->deliver_window == 0) {
            close_circuit(c);
            return;
        }
        s->deliver_window--;
    }
    if (m->length > 0 && s->ops) {
        s->given_bytes += m->length;
        s->ops->data(s, m->payload, m->length);
    }
    stream_data_taken(s);
}

// 13.34
static enum end_reason known_reason(uint8_t reason)
{
    return reason >= END_MISC && reason <= END_NOTDIRECTORY ? (enum end_reason)reason : END_MISC;
}

static void take_end(struct circuit *c, struct stream *s, const struct message *m)
{
    enum end_reason reason = known_reason(m->payload[0]);
    // Before CONNECTED these mean that the exit could not make sense of what reached it: somebody
    // on the way may have marked it.
    if (s->begun_with && !s->connected && (reason == END_TORPROTOCOL || reason == END_DESTROY)) {
        close_circuit(c);
        return;
    }
    s->end_length = (uint8_t)(m->length < END_BODY_MAX ? m->length : END_BODY_MAX);
    memcpy(s->end_body, m->payload, s->end_length);
    stream_end(s, reason);
}

static void take_connected(struct circuit *c, struct stream *s, const struct message *m)
{
    if (s->connected) {
        close_circuit(c);
    } else if (!s->begun_with || s->begun_with == RELAY_RESOLVE) {
        refuse(c);
    } else {
        s->connected = true;
        if (s->ops && s->ops->connected)
            s->ops->connected(s, m->payload, m->length);
    }
}

static void take_resolved(struct circuit *c, struct stream *s, const struct message *m)
{
    if (s->begun_with != RELAY_RESOLVE) {
        refuse(c);
        return;
    }
    stream_end(s, END_DONE); // first: the user can't do anything to it any more
    if (s->ops->resolved)
        s->ops->resolved(s, m->payload, m->length);
}

static void take_sendme(struct circuit *c, struct stream *s)
{
    if (c->congestion_control || // 4.13
        !window_open(&s->window, WINDOW_STREAM_INC_CELLS, WINDOW_STREAM_CELLS))
        close_circuit(c);
    else
        pump_stream(s);
}

// Also before CONNECTED: what is sent before may be too much for the exit.
static bool may_say_xon(const struct circuit *c, const struct stream *s)
{
    return c->congestion_control && s->begun_with != RELAY_RESOLVE; // 13.14
}

static void take_of_stream(struct circuit *c, struct stream *s, const struct message *m)
{
    switch (m->relay.command) {
    case RELAY_DATA:
        take_data(c, s, m);
        break;
    case RELAY_END:
        take_end(c, s, m);
        break;
    case RELAY_CONNECTED:
        take_connected(c, s, m);
        break;
    case RELAY_RESOLVED:
        take_resolved(c, s, m);
        break;
    case RELAY_SENDME:
        take_sendme(c, s);
        break;
    case RELAY_XOFF:
        if (!may_say_xon(c, s) || !stream_take_xoff(s))
            refuse(c);
        break;
    case RELAY_XON:
        if (!may_say_xon(c, s) || !stream_take_xon(s, m))
            refuse(c);
        break;
    default:
        drop(c);
        break;
    }
}

// ---- for others

static void take_of_none(struct circuit *c, const struct message *m)
{
    struct circuit_streams *of = c->streams;
    uint16_t id = m->relay.stream_id;
    if (!c->own)
        drop(c);
    else if (!of || !half_closed_take(&of->half_closed, id, m->relay.command, of->all->now_us()))
        close_circuit(c);
}

void circuit_take_stream_message(struct circuit *c, const struct message *m)
{
    struct circuit_streams *of = c->streams;
    uint16_t id = m->relay.stream_id;
    if (c->own && (!of || m->relay.hop != of->hop)) {
        close_circuit(c);
        return;
    }
    if (m->relay.command == RELAY_DATA)
        flow_data_came(c, m); // whatever its stream
    struct stream *s = id ? stream_find(of, id) : NULL;
    if (m->relay.command == RELAY_END && m->length == 0)
        close_circuit(c); // 13.19
    else if (id == 0 && m->relay.command == RELAY_SENDME)
        flow_take_sendme(c, m);
    else if (id == 0)
        drop(c); // 4.06
    else if (s)
        take_of_stream(c, s, m);
    else
        take_of_none(c, m);
}
