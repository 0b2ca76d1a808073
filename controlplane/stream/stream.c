// SPDX-License-Identifier: BSD-3-Clause
// Streams: how they begin and end.
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "circuit/own_circuit.h"
#include "connection.h"
#include "dos/dos.h"
#include "link/link.h"
#include "stream/stream_internal.h"

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
        .sendme_emit_min_version = 1,
        .vegas = {vegas_defaults, vegas_defaults, vegas_defaults},
        .held = held_defaults,
        .exit_xoff_bytes = (uint32_t)held_defaults.xoff_bytes,
        .client_xoff_bytes = (uint32_t)held_defaults.xoff_bytes,
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

struct circuit_streams *circuit_streams_get(struct circuit *c)
{
    if (c->streams)
        return c->streams;
    struct circuit_streams *of = calloc(1, sizeof(*of));
    if (!of)
        return NULL;
    of->circuit = c;
    of->all = streams_of(c);
    of->hop = c->own ? (uint8_t)own_circuit_last_hop(c) : 0;
    TAILQ_INIT(&of->sending);
    half_closed_begin(&of->half_closed);
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

void circuit_streams_set_path_kind(struct circuit *c, enum circuit_path_kind kind)
{
    c->path_kind_is_set = true;
    c->path_kind = (uint8_t)kind;
    if (c->streams)
        flow_set_path_kind(c->streams);
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
    half_closed_free_all(&of->half_closed);
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

struct stream *stream_new(struct circuit *c, uint16_t id)
{
    struct streams *all = streams_of(c);
    struct circuit_streams *of = circuit_streams_get(c);
    struct stream *s = of ? calloc(1, sizeof(*s)) : NULL;
    if (!s)
        return NULL;
    s->of = of;
    s->id = id;
    s->window = s->deliver_window = WINDOW_STREAM_CELLS;
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
    of->all->held_bytes -= s->held.bytes;
    free(s->half_closed);
    s->half_closed = NULL;
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

void stream_send_end(struct circuit *c, uint16_t id, enum end_reason reason)
{
    uint8_t body = (uint8_t)reason;
    circuit_originate(c, RELAY_END, id, &body, 1);
}

// The other side does not know yet, and may go on for a while.
static void half_close(struct stream *s)
{
    struct circuit_streams *of = s->of;
    bool awaits_resolved = s->begun_with == RELAY_RESOLVE;
    struct half_closed *h = s->half_closed;
    s->half_closed = NULL;
    *h = (struct half_closed){
        .id = s->id,
        .awaits_connected = s->begun_with && !awaits_resolved && !s->connected,
        .awaits_resolved = awaits_resolved,
        .congestion_control = of->circuit->congestion_control && !awaits_resolved,
        .until_us = of->all->now_us() + HALF_CLOSED_US,
        .data_cells = awaits_resolved ? 0 : (uint16_t)s->deliver_window,
        .sendmes = (uint16_t)((WINDOW_STREAM_CELLS - s->window) / WINDOW_STREAM_INC_CELLS),
    };
    half_closed_add(&of->half_closed, h);
}

void stream_close(struct stream *s, enum end_reason reason)
{
    if (!s->of)
        return;
    stream_send_end(s->of->circuit, s->id, s->begun_with ? END_MISC : reason); // 10.06
    if (s->half_closed)
        half_close(s);
    stream_end(s, reason);
}

const uint8_t *stream_end_body(const struct stream *s, size_t *length)
{
    *length = s->end_length;
    return s->end_length ? s->end_body : NULL;
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
        stream_send_end(c, id, refused ? refused : END_RESOURCELIMIT);
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
    if (of->n_streams >= STREAMS_OF_CIRCUIT_MAX || of->all->n_streams >= STREAMS_MAX ||
        !half_closed_has_room(&of->half_closed, of->all->now_us()))
        return 0;
    do
        of->next_id++;
    while (of->next_id == 0 || stream_find(of, of->next_id) ||
           half_closed_find(&of->half_closed, of->next_id)); // 9.31
    return of->next_id;
}

struct circuit_streams *circuit_streams_of_last_hop(struct circuit *c)
{
    if (c->state != CIRCUIT_OPEN)
        return NULL;
    if (c->streams && c->streams->hop != own_circuit_last_hop(c)) {
        if (c->streams->n_streams > 0)
            return NULL;
        circuit_end_streams(c);
    }
    return circuit_streams_get(c);
}

struct stream *stream_begin(struct circuit *c, enum relay_command command, const void *body,
                            uint16_t length, const struct stream_ops *ops, void *user)
{
    struct circuit_streams *of = circuit_streams_of_last_hop(c);
    uint16_t id = of ? free_id(of) : 0;
    struct half_closed *half_closed = id ? malloc(sizeof(*half_closed)) : NULL;
    struct stream *s = half_closed ? stream_new(c, id) : NULL;
    if (!s) {
        free(half_closed);
        return NULL;
    }
    s->half_closed = half_closed;
    s->begun_with = (uint8_t)command;
    stream_set_user(s, ops, user);
    circuit_originate(c, (uint8_t)command, id, body, length);
    if (command != RELAY_RESOLVE)
        stream_wake(s);
    return s;
}
