// SPDX-License-Identifier: BSD-3-Clause
// Streams: how they begin and end, and what comes for them.
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "base/cursor.h"
#include "connection.h"
#include "dos/dos.h"
#include "link/link.h"
#include "stream/stream_internal.h"

enum { XON_VERSION = 0, XON_RATE_UNIT_BYTES = 1000 };

// ---- those of all circuits

static uint64_t monotonic_us(void)
{
    return uv_hrtime() / 1000;
}

struct streams *streams_create(struct relay *relay)
{
    struct streams *all = calloc(1, sizeof(*all));
    if (!all)
        return NULL;
    all->relay = relay;
    all->now_us = monotonic_us;
    all->parameters = (struct stream_parameters){
        .circuit_window_cells = WINDOW_CIRCUIT_CELLS,
        .vegas = vegas_defaults,
    };
    if (pump_create(all))
        return all;
    free(all);
    return NULL;
}

void streams_free(struct streams *all)
{
    if (!all)
        return;
    pump_free(all);
    free(all);
}

unsigned streams_count(const struct streams *all)
{
    return all->n_streams;
}

uint64_t streams_now_us(const struct streams *all)
{
    return all->now_us();
}

void streams_set_parameters(struct streams *all, const struct stream_parameters *parameters)
{
    all->parameters = *parameters;
}

void streams_accept_directory(struct relay *relay, stream_accept_directory_fn accept)
{
    relay->circuits->streams->accept_directory = accept;
}

struct streams *streams_of(const struct circuit *c)
{
    return c->relay->circuits->streams;
}

// ---- those of a circuit

static struct circuit_streams *circuit_streams_get(struct circuit *c)
{
    if (c->streams)
        return c->streams;
    struct circuit_streams *of = calloc(1, sizeof(*of));
    if (!of)
        return NULL;
    of->circuit = c;
    of->all = streams_of(c);
    TAILQ_INIT(&of->sending);
    flow_begin(of);
    c->streams = of;
    return of;
}

struct stream *stream_find(struct circuit_streams *of, uint16_t id)
{
    struct stream *s = of ? of->buckets[id % STREAM_BUCKETS] : NULL;
    while (s && s->id != id)
        s = s->next_in_bucket;
    return s;
}

unsigned circuit_stream_count(const struct circuit *c)
{
    return c->streams ? c->streams->n_streams : 0;
}

void circuit_streams_resume(struct circuit *c)
{
    struct circuit_streams *of = c->streams;
    if (!of)
        return;
    // Who was asked to tell may not have the circuit's queue any more.
    of->awaits_drained = false;
    of->undrained_cells = 0;
    pump_circuit(of);
}

void circuit_end_streams(struct circuit *c)
{
    struct circuit_streams *of = c->streams;
    if (!of)
        return;
    for (unsigned i = 0; i < STREAM_BUCKETS; i++)
        while (of->buckets[i])
            stream_end(of->buckets[i], END_DESTROY);
    pump_forget_circuit(of);
    flow_end(&of->flow);
    c->streams = NULL;
    free(of);
}

void circuit_originated(struct circuit *c, const struct message *m)
{
    flow_take_tag(c, m);
}

void circuit_drained(struct circuit *c)
{
    if (!c->streams)
        return;
    c->streams->awaits_drained = false;
    pump_circuit(c->streams);
}

// ---- one

static struct stream *stream_new(struct circuit *c, uint16_t id)
{
    struct streams *all = streams_of(c);
    struct circuit_streams *of = circuit_streams_get(c);
    struct stream *s = of ? calloc(1, sizeof(*s)) : NULL;
    if (!s)
        return NULL;
    s->of = of;
    s->id = id;
    s->window = WINDOW_STREAM_CELLS;
    s->next_in_bucket = of->buckets[id % STREAM_BUCKETS];
    of->buckets[id % STREAM_BUCKETS] = s;
    all->n_circuits += of->n_streams++ == 0;
    all->n_streams++;
    all->relay->counters.streams_open++;
    return s;
}

void stream_end(struct stream *s, enum end_reason reason)
{
    struct circuit_streams *of = s->of;
    struct stream **at = &of->buckets[s->id % STREAM_BUCKETS];
    while (*at != s)
        at = &(*at)->next_in_bucket;
    *at = s->next_in_bucket;
    pump_forget_stream(s);
    of->all->n_circuits -= --of->n_streams == 0;
    of->all->relay->counters.streams_open--;
    s->of = NULL;
    s->reason = reason;
    TAILQ_INSERT_TAIL(&of->all->ended, s, entry);
    pump_wake(of->all);
}

void stream_set_user(struct stream *s, const struct stream_ops *ops, void *user)
{
    s->ops = ops;
    s->user = user;
}

void *stream_user(const struct stream *s)
{
    return s->user;
}

struct stream_info stream_info(const struct stream *s)
{
    struct stream_info info = {.from_client = s->from_client};
    const struct circuit *c = s->of ? s->of->circuit : NULL;
    struct link *link = c ? link_find(c->relay, c->origin.worker, c->origin.conn) : NULL;
    if (link)
        info.peer = link_connection(link)->remote;
    return info;
}

void stream_wake(struct stream *s)
{
    s->wants = true;
    pump_stream(s);
}

static void send_end(struct circuit *c, uint16_t id, enum end_reason reason)
{
    uint8_t body = (uint8_t)reason;
    circuit_originate(c, RELAY_END, id, &body, 1);
}

void stream_close(struct stream *s, enum end_reason reason)
{
    if (!s->of)
        return;
    send_end(s->of->circuit, s->id, s->ours ? END_MISC : reason); // 10.06
    stream_end(s, reason);
}

// ---- beginning

static bool peer_is_client(const struct circuit *c)
{
    struct link *link = link_find(c->relay, c->origin.worker, c->origin.conn);
    return !link || !link_peer_is_relay(link);
}

// DESTROY_NONE's counterpart for streams is 0: the stream may begin.
static uint8_t may_begin_dir(const struct circuit *c)
{
    const struct streams *all = streams_of(c);
    if (!c->relay->directory_server || !all->accept_directory || c->role != CIRCUIT_NO_ROLE)
        return END_NOTDIRECTORY;
    if (c->streams && c->streams->n_streams >= STREAMS_OF_CIRCUIT_MAX)
        return END_MISC; // 10.03
    return all->n_streams >= STREAMS_MAX ? END_RESOURCELIMIT : 0;
}

void circuit_take_begin_dir(struct circuit *c, const struct message *m)
{
    struct counters *counters = &c->relay->counters;
    uint16_t id = m->relay.stream_id;
    if (id == 0 || stream_find(c->streams, id)) {
        counters->drop_relay_message++; // 4.06, 10.03
        return;
    }
    uint8_t refused = may_begin_dir(c);
    struct circuit_streams *of = refused ? NULL : circuit_streams_get(c);
    enum dos_stream_defence defence =
        of ? dos_stream(c->relay, &of->begun) : DOS_STREAM_NONE; // 5.11, 10.03
    if (defence == DOS_STREAM_CLOSE_CIRCUIT) {
        circuit_close(c, DESTROY_RESOURCELIMIT);
        return;
    }
    if (defence == DOS_STREAM_REFUSE)
        refused = END_MISC;
    struct stream *s = refused ? NULL : stream_new(c, id);
    if (!s) {
        counters->drop_stream_limit += refused != END_NOTDIRECTORY;
        send_end(c, id, refused ? refused : END_RESOURCELIMIT);
        return;
    }
    counters->streams_begun_dir++;
    s->connected = true;
    s->from_client = peer_is_client(c);
    circuit_originate(c, RELAY_CONNECTED, id, NULL, 0); // 6.20
    s->of->all->accept_directory(c->relay->directory_server, s);
    if (!s->ops)
        stream_close(s, END_INTERNAL);
    else if (s->of)
        stream_wake(s);
}

static uint16_t free_id(struct circuit_streams *of)
{
    if (of->n_streams >= STREAMS_OF_CIRCUIT_MAX)
        return 0;
    do
        of->next_id++;
    while (of->next_id == 0 || stream_find(of, of->next_id));
    return of->next_id;
}

struct stream *stream_begin(struct circuit *c, enum relay_command command, const void *body,
                            uint16_t length, const struct stream_ops *ops, void *user)
{
    struct circuit_streams *of = circuit_streams_get(c);
    uint16_t id = of ? free_id(of) : 0;
    struct stream *s = id ? stream_new(c, id) : NULL;
    if (!s)
        return NULL;
    s->ours = true;
    stream_set_user(s, ops, user);
    circuit_originate(c, (uint8_t)command, id, body, length);
    stream_wake(s);
    return s;
}

// ---- what comes

static void drop(struct circuit *c)
{
    c->relay->counters.drop_relay_message++;
}

static void take_data(struct circuit *c, struct stream *s, const struct message *m)
{
    flow_data_came(c, m);
    if (!s) {
        drop(c);
        return;
    }
    if (!s->connected) {
        stream_close(s, END_TORPROTOCOL);
        return;
    }
    // It is taken at once, so it is acknowledged at once, and XOFF is never needed.
    if (!c->congestion_control && ++s->delivered_cells == WINDOW_STREAM_INC_CELLS) {
        s->delivered_cells = 0;
        circuit_originate(c, RELAY_SENDME, s->id, NULL, 0);
    }
    if (m->length > 0 && s->ops)
        s->ops->data(s, m->payload, m->length);
}

static void take_end(struct circuit *c, struct stream *s, const struct message *m)
{
    if (m->length == 0)
        circuit_close(c, DESTROY_PROTOCOL); // 13.19
    else if (s)
        stream_end(s, (enum end_reason)m->payload[0]);
    else
        drop(c);
}

static void take_connected(struct circuit *c, struct stream *s, const struct message *m)
{
    if (!s) {
        drop(c);
    } else if (s->connected) {
        circuit_close(c, DESTROY_PROTOCOL);
    } else {
        s->connected = true;
        if (s->ops && s->ops->connected)
            s->ops->connected(s, m->payload, m->length);
    }
}

static void take_sendme(struct circuit *c, struct stream *s, const struct message *m)
{
    if (m->relay.stream_id == 0)
        flow_take_sendme(c, m);
    else if (!s)
        drop(c);                      // it crossed our END
    else if (c->congestion_control || // 4.13
             !window_open(&s->window, WINDOW_STREAM_INC_CELLS, WINDOW_STREAM_CELLS))
        circuit_close(c, DESTROY_PROTOCOL);
    else
        pump_stream(s);
}

static void take_xoff(struct circuit *c, struct stream *s)
{
    if (!s || !c->congestion_control || s->xoff) {
        drop(c);
        return;
    }
    s->xoff = true;
    // It stays where it is in the circuit's queue no longer.
    pump_forget_stream(s);
}

static void take_xon(struct circuit *c, struct stream *s, const struct message *m)
{
    struct reader r = reader_of(m->payload, m->length);
    uint8_t version = read_u8(&r);
    uint32_t rate = read_u32(&r);
    if (!s || !c->congestion_control || r.failed || version != XON_VERSION) {
        drop(c);
        return;
    }
    s->xoff = false;
    pump_set_rate(s, (uint64_t)rate * XON_RATE_UNIT_BYTES);
    pump_stream(s);
}

void circuit_take_stream_message(struct circuit *c, const struct message *m)
{
    struct stream *s = stream_find(c->streams, m->relay.stream_id);
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
    case RELAY_SENDME:
        take_sendme(c, s, m);
        break;
    case RELAY_XOFF:
        take_xoff(c, s);
        break;
    case RELAY_XON:
        take_xon(c, s, m);
        break;
    default:
        drop(c);
        break;
    }
}
