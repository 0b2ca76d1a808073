// SPDX-License-Identifier: BSD-3-Clause
// The table of circuits, their creation, and their closing.
#include "circuit/circuit.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "circuit/circuit_internal.h"
#include "connection.h"
#include "dos/dos.h"
#include "link/link.h"
#include "onion/relay/onion.h"
#include "stream/circuit_streams.h"

// ---- table

struct circuit *circuit_get(struct circuit_table *t, uint64_t id)
{
    uint32_t slot = (uint32_t)id - 1;
    struct circuit *c = slot < t->n_slots ? t->slots[slot] : NULL;
    return c && c->id == id ? c : NULL;
}

static bool grow(struct circuit_table *t)
{
    uint32_t grown = t->n_slots ? 2 * t->n_slots : 64;
    struct circuit **slots = realloc(t->slots, grown * sizeof(*slots));
    if (slots)
        t->slots = slots;
    uint32_t *generations = realloc(t->generations, grown * sizeof(*generations));
    if (generations)
        t->generations = generations;
    uint32_t *free_slots = realloc(t->free_slots, grown * sizeof(*free_slots));
    if (free_slots)
        t->free_slots = free_slots;
    if (!slots || !generations || !free_slots)
        return false;
    for (uint32_t i = t->n_slots; i < grown; i++) {
        slots[i] = NULL;
        generations[i] = 0;
        free_slots[t->n_free++] = grown - 1 - (i - t->n_slots);
    }
    t->n_slots = grown;
    return true;
}

struct circuit *circuit_new(struct circuit_table *t)
{
    struct circuit *c = calloc(1, sizeof(*c));
    if (!c || (t->n_free == 0 && !grow(t))) {
        free(c);
        return NULL;
    }
    uint32_t slot = t->free_slots[--t->n_free];
    t->slots[slot] = c;
    c->id = (uint64_t)++t->generations[slot] << 32 | (slot + 1);
    c->relay = t->relay;
    c->sendme_inc_cells = SENDME_INC_CELLS;
    return c;
}

void circuit_renew_id(struct circuit *c)
{
    uint32_t slot = (uint32_t)c->id - 1;
    c->id = (uint64_t)++c->relay->circuits->generations[slot] << 32 | (slot + 1);
}

// False without memory.
static bool enter(struct circuit *c, struct circuit_place *place, struct handle end)
{
    if (!handle_map_put(&c->relay->circuits->by_end[place->worker], end, c))
        return false;
    place->end = end;
    return true;
}

void circuit_leave(struct circuit *c, struct circuit_place *place)
{
    if (place->end.generation)
        handle_map_remove(&c->relay->circuits->by_end[place->worker], place->end);
    if (place->conn.generation)
        link_note_circuit(c->relay, place->worker, place->conn, -1);
    *place = (struct circuit_place){0};
}

static void circuit_free(struct circuit *c, enum destroy_reason reason)
{
    struct circuit_table *t = c->relay->circuits;
    uint32_t slot = (uint32_t)c->id - 1;
    onion_circuit_closed(c);
    if (c->skin)
        onion_queue_cancel(t->skins, c->skin);
    circuit_stop_extending(c);
    circuit_end_streams(c);
    circuit_leave(c, &c->origin);
    circuit_leave(c, &c->next);
    circuit_leave(c, &c->truncated);
    t->slots[slot] = NULL;
    t->free_slots[t->n_free++] = slot;
    if (c->state != CIRCUIT_SKIN_QUEUED && !c->own)
        t->relay->counters.circuits_open--;
    if (c->own) { // is freed when its user has heard of it
        own_circuit_gone(c, reason);
        return;
    }
    explicit_bzero(c, sizeof(*c));
    free(c);
}

static void circuit_answered(struct relay *relay, uint64_t id, const struct onion_skin *skin,
                             const struct onion_answer *answer);

struct circuit_table *circuit_table_create(struct relay *relay)
{
    struct circuit_table *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->relay = relay;
    t->by_end = calloc(relay->n_workers, sizeof(*t->by_end));
    t->skins = onion_queue_create(relay, circuit_answered);
    t->streams = streams_create(relay);
    t->owns = own_circuits_create(t);
    if (t->by_end && t->skins && t->streams && t->owns)
        return t;
    own_circuits_free(t->owns);
    streams_free(t->streams);
    if (t->skins)
        onion_queue_free(t->skins);
    free(t->by_end);
    free(t);
    return NULL;
}

void circuit_table_free(struct circuit_table *t)
{
    for (uint32_t i = 0; i < t->n_slots; i++)
        if (t->slots[i])
            circuit_free(t->slots[i], DESTROY_HIBERNATING);
    own_circuits_free(t->owns);
    streams_free(t->streams);
    onion_queue_free(t->skins);
    for (unsigned i = 0; i < t->relay->n_workers; i++)
        handle_map_release(&t->by_end[i]);
    free(t->by_end);
    free(t->slots);
    free(t->generations);
    free(t->free_slots);
    free(t);
}

size_t circuit_table_count(const struct circuit_table *t)
{
    return t->n_slots - t->n_free;
}

// ---- messages to the workers

struct message *circuit_message(const struct circuit *c, const struct circuit_place *place,
                                enum message_type type)
{
    struct message *m = channel_message_down(c->relay->channels[place->worker], type);
    m->circuit = place->end;
    return m;
}

void circuit_send(const struct circuit *c, struct message *m)
{
    if (c->own && m->type == MSG_CIRCUIT_ORIGINATE)
        own_circuit_address(c, m);
    channel_send_down(c->relay->channels[m->worker], m);
}

const struct circuit_place *circuit_holder(const struct circuit *c)
{
    // Once extended, the layer towards the origin is with the other end (base/message.h).
    return c->own || c->state == CIRCUIT_EXTENDED ? &c->next : &c->origin;
}

void circuit_originate(struct circuit *c, uint8_t command, uint16_t stream_id, const void *body,
                       uint16_t length)
{
    struct message *m = circuit_message(c, circuit_holder(c), MSG_CIRCUIT_ORIGINATE);
    m->relay.command = command;
    m->relay.stream_id = stream_id;
    m->length = length;
    if (length)
        memcpy(m->payload, body, length);
    circuit_send(c, m);
}

void circuit_close_place(const struct circuit *c, const struct circuit_place *place,
                         enum destroy_reason reason)
{
    if (!place->end.generation)
        return;
    struct message *m = circuit_message(c, place, MSG_CIRCUIT_CLOSE);
    m->close.reason = (uint8_t)reason;
    circuit_send(c, m);
}

void circuit_close(struct circuit *c, enum destroy_reason reason)
{
    circuit_close_place(c, &c->origin, reason);
    circuit_close_place(c, &c->next, c->own ? DESTROY_NONE : DESTROY_DESTROYED);
    c->relay->counters.circuits_destroyed_protocol += reason == DESTROY_PROTOCOL;
    struct circuit *joined_with = c->joined_with;
    circuit_free(c, reason);
    if (joined_with) // which stands alone now
        circuit_close(joined_with, DESTROY_DESTROYED);
}

void circuit_table_close_all(struct circuit_table *t)
{
    for (uint32_t i = 0; i < t->n_slots; i++)
        if (t->slots[i])
            circuit_close(t->slots[i], DESTROY_HIBERNATING);
}

// An end that a worker made and that we don't want.
static void refuse(struct relay *relay, const struct message *m, enum destroy_reason reason)
{
    struct message *close = channel_message_down(relay->channels[m->worker], MSG_CIRCUIT_CLOSE);
    close->circuit = m->circuit;
    close->close.reason = (uint8_t)reason;
    channel_send_down(relay->channels[m->worker], close);
}

// ---- creation

static enum destroy_reason may_create(struct relay *relay, const struct message *m,
                                      struct onion_skin *skin)
{
    if (relay->stopping)
        return DESTROY_HIBERNATING;
    if (!relay->identity)
        return DESTROY_PROTOCOL; // who is a client carries nobody's circuits (2.40)
    struct link *link = link_find(relay, m->worker, m->conn);
    if (!link)
        return DESTROY_PROTOCOL; // its handshake is not done
    if (!link_peer_is_known_relay(link) && !dos_may_create(relay, &link_connection(link)->remote))
        return DESTROY_RESOURCELIMIT;
    return onion_skin_parse(m->command, m->payload, skin);
}

static void create(struct circuit_table *t, const struct message *m)
{
    struct onion_skin skin;
    enum destroy_reason reason = may_create(t->relay, m, &skin);
    if (reason != DESTROY_NONE) {
        t->relay->counters.drop_handshake_bad += reason == DESTROY_PROTOCOL;
        refuse(t->relay, m, reason);
        return;
    }
    struct circuit *c = circuit_new(t);
    if (c)
        c->origin.worker = m->worker;
    if (!c || !enter(c, &c->origin, m->circuit)) {
        refuse(t->relay, m, DESTROY_RESOURCELIMIT);
        if (c)
            circuit_free(c, DESTROY_RESOURCELIMIT);
        return;
    }
    c->origin.conn = m->conn;
    link_note_circuit(t->relay, m->worker, m->conn, 1);
    c->skin = onion_queue_add(t->skins, c->id, m->worker, m->conn, &skin);
    if (!c->skin)
        circuit_close(c, DESTROY_RESOURCELIMIT);
}

static void count_handshake(struct counters *counters, const struct onion_skin *skin,
                            const struct onion_answer *answer)
{
    counters->circuits_created++;
    counters->circuits_open++;
    counters->handshakes_fast += skin->handshake == HANDSHAKE_FAST;
    counters->handshakes_ntor += skin->handshake == HANDSHAKE_NTOR;
    counters->handshakes_ntor_v3 += skin->handshake == HANDSHAKE_NTOR_V3;
    counters->circuits_congestion_control += answer->params.congestion_control;
    counters->circuits_cgo += answer->crypto.kind == CIRCUIT_CRYPTO_CGO;
}

static void circuit_answered(struct relay *relay, uint64_t id, const struct onion_skin *skin,
                             const struct onion_answer *answer)
{
    struct circuit *c = circuit_get(relay->circuits, id);
    if (!c)
        return; // closed meanwhile
    c->skin = NULL;
    if (answer->refused != DESTROY_NONE) {
        relay->counters.drop_handshake_bad += answer->refused == DESTROY_PROTOCOL;
        circuit_close(c, answer->refused);
        return;
    }
    c->state = CIRCUIT_OPEN;
    memcpy(c->nonce, answer->nonce, sizeof(c->nonce));
    c->crypto_kind = answer->crypto.kind;
    c->created_fast = skin->command == CELL_CREATE_FAST;
    c->congestion_control = answer->params.congestion_control;
    if (answer->params.congestion_control)
        c->sendme_inc_cells = answer->params.sendme_inc_cells;
    count_handshake(&relay->counters, skin, answer);
    struct message *m = circuit_message(c, &c->origin, MSG_CIRCUIT_ACCEPT);
    m->secret = true;
    m->command = answer->command;
    m->crypto = answer->crypto;
    m->length = answer->body_length;
    memcpy(m->payload, answer->body, answer->body_length);
    circuit_send(c, m);
}

// ---- what workers tell

static bool is_at(const struct circuit_place *place, const struct message *m)
{
    return place->end.generation && place->worker == m->worker &&
           place->end.index == m->circuit.index && place->end.generation == m->circuit.generation;
}

static void dialled(struct circuit_table *t, const struct message *m)
{
    struct circuit *c = circuit_get(t, m->cookie);
    if (!c || c->state != CIRCUIT_DIALLED) { // closed or truncated meanwhile
        refuse(t->relay, m, m->cookie & CIRCUIT_ID_OWN ? DESTROY_NONE : DESTROY_DESTROYED);
    } else if (!enter(c, &c->next, m->circuit)) {
        refuse(t->relay, m, DESTROY_RESOURCELIMIT);
        circuit_close(c, DESTROY_RESOURCELIMIT);
    }
}

static void created(struct circuit_table *t, const struct message *m)
{
    struct circuit *c = handle_map_get(&t->by_end[m->worker], m->circuit);
    if (!c || c->state != CIRCUIT_DIALLED || !is_at(&c->next, m))
        return; // it was closed or truncated, and CIRCUIT_CLOSE is under way
    if (c->own)
        own_circuit_created(c, m);
    else
        circuit_extended(c, m);
}

// A worker has freed one end; the circuit goes with it.
static void end_closed(struct circuit_table *t, const struct message *m)
{
    struct circuit *c = handle_map_get(&t->by_end[m->worker], m->circuit);
    if (!c && m->cookie)
        c = circuit_get(t, m->cookie); // a dial that could not begin
    if (!c)
        return;
    enum destroy_reason reason = (enum destroy_reason)m->close.reason;
    if (is_at(&c->origin, m)) {
        circuit_leave(c, &c->origin);
    } else {
        t->relay->counters.drop_extend_failed += c->state == CIRCUIT_DIALLED && !c->own;
        if (is_at(&c->next, m))
            circuit_leave(c, &c->next);
    }
    if (c->own && m->close.by_peer)
        own_circuit_ended(c, m->close.reason);
    else
        circuit_close(c, m->close.by_peer ? DESTROY_DESTROYED : reason);
}

static void relay_message(struct circuit_table *t, const struct message *m)
{
    struct circuit *c = handle_map_get(&t->by_end[m->worker], m->circuit);
    if (c && is_at(c->own ? &c->next : &c->origin, m))
        circuit_take_relay_message(c, m);
}

static void told(struct circuit_table *t, const struct message *m)
{
    struct circuit *c = handle_map_get(&t->by_end[m->worker], m->circuit);
    if (c && m->type == MSG_CIRCUIT_ORIGINATED)
        circuit_originated(c, m);
    else if (c)
        circuit_drained(c);
}

bool circuit_handle_message(struct circuit_table *t, const struct message *m)
{
    switch ((enum message_type)m->type) {
    case MSG_CIRCUIT_CREATE:
        create(t, m);
        return true;
    case MSG_CIRCUIT_DIALLED:
        dialled(t, m);
        return true;
    case MSG_CIRCUIT_CREATED:
        created(t, m);
        return true;
    case MSG_CIRCUIT_RELAY:
        relay_message(t, m);
        return true;
    case MSG_CIRCUIT_ORIGINATED:
    case MSG_CIRCUIT_DRAINED:
        told(t, m);
        return true;
    case MSG_CIRCUIT_CLOSED:
        end_closed(t, m);
        return true;
    default:
        return false;
    }
}
