// SPDX-License-Identifier: BSD-3-Clause
// Streams that the other side begins on a circuit of ours, where we are an onion service (protocol
// 8.41, 10.02).
#include <stdlib.h>

#include "stream/stream_internal.h"

static void close_circuit(struct circuit *c)
{
    c->relay->counters.drop_stream_message++;
    circuit_close(c, DESTROY_PROTOCOL);
}

static bool is_answered(struct circuit *c, uint16_t id)
{
    return c->state == CIRCUIT_GONE || stream_find(c->streams, id) ||
           (c->streams && half_closed_find(&c->streams->half_closed, id));
}

static void take_begin(struct circuit *c, const struct message *m, own_circuit_accept_fn accept)
{
    uint16_t id = m->relay.stream_id;
    if (c->streams)
        half_closed_forget(&c->streams->half_closed, id);
    accept(c, id, m->payload, m->length);
    if (!is_answered(c, id))
        circuit_close(c, DESTROY_INTERNAL);
}

void circuit_take_request(struct circuit *c, const struct message *m, own_circuit_accept_fn accept)
{
    uint16_t id = m->relay.stream_id;
    if (id == 0 || stream_find(c->streams, id))
        close_circuit(c);
    else if (m->relay.command == RELAY_BEGIN)
        take_begin(c, m, accept);
    else if (m->relay.command == RELAY_BEGIN_DIR)
        stream_refuse(c, id, END_NOTDIRECTORY);
    else // a service resolves nothing
        c->relay->counters.drop_relay_message++;
}

static bool has_room(const struct circuit_streams *of)
{
    return of->n_streams < STREAMS_OF_CIRCUIT_MAX && of->all->n_streams < STREAMS_MAX;
}

struct stream *stream_accept(struct circuit *c, uint16_t stream_id, const struct stream_ops *ops,
                             void *user)
{
    struct circuit_streams *of = circuit_streams_of_last_hop(c);
    if (!of || stream_id == 0 || stream_find(of, stream_id) || !has_room(of)) {
        c->relay->counters.drop_stream_limit += of && !has_room(of);
        return NULL;
    }
    struct half_closed *half_closed = malloc(sizeof(*half_closed));
    struct stream *s = half_closed ? stream_new(c, stream_id) : NULL;
    if (!s) {
        free(half_closed);
        return NULL;
    }
    half_closed_make_room(&of->half_closed);
    s->half_closed = half_closed;
    stream_set_user(s, ops, user);
    return s;
}

void stream_accepted(struct stream *s, const void *connected_body, uint16_t length)
{
    if (!s->of || s->connected)
        return;
    circuit_originate(s->of->circuit, RELAY_CONNECTED, s->id, connected_body, length);
    s->connected = true;
    stream_flow_accepted(s);
    if (s->of)
        stream_wake(s);
}

// What comes behind the BEGIN is awaited as if there had been a stream.
void stream_refuse(struct circuit *c, uint16_t stream_id, enum end_reason reason)
{
    if (c->state == CIRCUIT_GONE || stream_find(c->streams, stream_id))
        return;
    struct circuit_streams *of = circuit_streams_of_last_hop(c);
    struct half_closed *h = of ? malloc(sizeof(*h)) : NULL;
    if (!h) {
        circuit_close(c, DESTROY_RESOURCELIMIT);
        return;
    }
    *h = (struct half_closed){
        .id = stream_id,
        .congestion_control = c->congestion_control,
        .until_us = of->all->now_us() + HALF_CLOSED_US,
        .data_cells = WINDOW_STREAM_CELLS,
    };
    half_closed_make_room(&of->half_closed);
    half_closed_forget(&of->half_closed, stream_id);
    half_closed_add(&of->half_closed, h);
    stream_send_end(c, stream_id, reason);
}
