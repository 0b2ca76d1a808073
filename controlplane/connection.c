// SPDX-License-Identifier: BSD-3-Clause
// Connections of the dataplane: from messages to calls, and from calls to messages.
#include "connection.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "handle_map.h"
#include "relay.h"

struct connection_table {
    struct relay *relay;
    connection_accept_fn accept;
    struct handle_map *by_handle; // one per worker
    struct connection **dialling; // by slot; the cookie is {generation, slot + 1}
    uint32_t *dial_generations;
    uint32_t n_slots;
    size_t count;
};

struct connection_table *connection_table_create(struct relay *relay, connection_accept_fn accept)
{
    struct connection_table *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->relay = relay;
    t->accept = accept;
    t->by_handle = calloc(relay->n_workers, sizeof(*t->by_handle));
    if (t->by_handle)
        return t;
    free(t);
    return NULL;
}

void connection_table_free(struct connection_table *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < t->relay->n_workers; i++) {
        for (uint32_t j = 0; j < t->by_handle[i].capacity; j++)
            free(t->by_handle[i].slots[j].object);
        handle_map_release(&t->by_handle[i]);
    }
    for (uint32_t i = 0; i < t->n_slots; i++)
        free(t->dialling[i]);
    free(t->dialling);
    free(t->dial_generations);
    free(t->by_handle);
    free(t);
}

size_t connection_table_count(const struct connection_table *t)
{
    return t->count;
}

struct connection *connection_find(struct connection_table *t, uint8_t worker, struct handle handle)
{
    return worker < t->relay->n_workers ? handle_map_get(&t->by_handle[worker], handle) : NULL;
}

static struct message *message_for(struct connection *c, enum message_type type)
{
    struct message *m = channel_message_down(c->relay->channels[c->worker], type);
    m->conn = c->handle;
    return m;
}

static void send_message(struct connection *c, struct message *m)
{
    channel_send_down(c->relay->channels[c->worker], m);
}

// ---- dialling: connections that have no handle yet

static bool dial_slot(struct connection_table *t, uint32_t *slot)
{
    for (uint32_t i = 0; i < t->n_slots; i++) {
        if (!t->dialling[i]) {
            *slot = i;
            return true;
        }
    }
    uint32_t grown = t->n_slots ? 2 * t->n_slots : 16;
    struct connection **dialling = realloc(t->dialling, grown * sizeof(*dialling));
    if (!dialling)
        return false;
    t->dialling = dialling;
    uint32_t *generations = realloc(t->dial_generations, grown * sizeof(*generations));
    if (!generations)
        return false;
    t->dial_generations = generations;
    memset(dialling + t->n_slots, 0, (grown - t->n_slots) * sizeof(*dialling));
    memset(generations + t->n_slots, 0, (grown - t->n_slots) * sizeof(*generations));
    *slot = t->n_slots;
    t->n_slots = grown;
    return true;
}

// Takes the connection of a cookie out of the dialling ones; NULL if the cookie is stale.
static struct connection *take_dialled(struct connection_table *t, uint64_t cookie)
{
    uint32_t slot = (uint32_t)cookie - 1;
    if (slot >= t->n_slots || t->dial_generations[slot] != cookie >> 32)
        return NULL;
    struct connection *c = t->dialling[slot];
    t->dialling[slot] = NULL;
    return c;
}

struct connection *connection_dial(struct relay *relay, const struct address *remote,
                                   const struct connection_ops *ops, void *user)
{
    struct connection_table *t = relay->connections;
    uint32_t slot;
    struct connection *c = calloc(1, sizeof(*c));
    if (!c || !dial_slot(t, &slot)) {
        free(c);
        return NULL;
    }
    *c = (struct connection){
        .relay = relay, .ops = ops, .user = user, .remote = *remote, .dialled = true};
    c->worker = (uint8_t)(relay->next_worker++ % relay->n_workers);
    t->dialling[slot] = c;
    t->dial_generations[slot]++;
    t->count++;
    struct message *m = message_for(c, MSG_CONN_CONNECT);
    m->address = *remote;
    m->cookie = (uint64_t)t->dial_generations[slot] << 32 | (slot + 1);
    send_message(c, m);
    return c;
}

// ---- what a connection's user asks for

void connection_send(struct connection *c, const void *bytes, size_t length)
{
    const uint8_t *at = bytes;
    while (length > 0 && c->standing && !c->closing) {
        size_t piece = length < MESSAGE_PAYLOAD_MAX ? length : MESSAGE_PAYLOAD_MAX;
        struct message *m = message_for(c, MSG_CONN_SEND);
        m->length = (uint16_t)piece;
        memcpy(m->payload, at, piece);
        send_message(c, m);
        at += piece;
        length -= piece;
    }
}

void connection_consumed(struct connection *c, uint64_t offset)
{
    if (!c->standing)
        return;
    struct message *m = message_for(c, MSG_CONN_CONSUMED);
    m->offset = offset;
    send_message(c, m);
}

void connection_start_tls(struct connection *c, uint64_t records_begin_at,
                          const struct tls_keys *keys_rx, const struct tls_keys *keys_tx)
{
    struct message *m = message_for(c, MSG_TLS_START);
    m->secret = true;
    m->offset = records_begin_at;
    m->tls.rx = *keys_rx;
    m->tls.tx = *keys_tx;
    send_message(c, m);
}

void connection_rekey(struct connection *c, const struct tls_keys *keys_rx,
                      const struct tls_keys *keys_tx, const void *handshake, size_t length)
{
    if (length > MESSAGE_PAYLOAD_MAX)
        return;
    struct message *m = message_for(c, MSG_TLS_REKEY);
    m->secret = true;
    m->tls.rx = *keys_rx;
    m->tls.tx = *keys_tx;
    m->length = (uint16_t)length;
    if (length)
        memcpy(m->payload, handshake, length);
    send_message(c, m);
}

void connection_open_link(struct connection *c)
{
    send_message(c, message_for(c, MSG_LINK_OPEN));
}

void connection_close(struct connection *c, enum conn_close_reason reason, uint8_t tls_alert)
{
    if (c->closing)
        return;
    c->closing = true;
    if (!c->standing)
        return; // the answer to the dial is still to come; it is closed then
    struct message *m = message_for(c, MSG_CONN_CLOSE);
    m->close.reason = (uint8_t)reason;
    m->close.alert = tls_alert;
    send_message(c, m);
}

// ---- what the worker tells

static void forget(struct connection_table *t, struct connection *c, enum conn_close_reason reason)
{
    if (c->handle.generation)
        handle_map_remove(&t->by_handle[c->worker], c->handle);
    c->standing = false;
    c->closing = true;
    t->count--;
    if (c->ops && c->ops->closed)
        c->ops->closed(c, reason);
    free(c);
}

// The worker knows a connection that we have no place for.
static void turn_away(struct connection_table *t, const struct message *m)
{
    struct message *close = channel_message_down(t->relay->channels[m->worker], MSG_CONN_CLOSE);
    close->conn = m->conn;
    close->close.reason = CONN_CLOSE_LIMIT;
    channel_send_down(t->relay->channels[m->worker], close);
}

static void accepted(struct connection_table *t, const struct message *m)
{
    struct connection *c = calloc(1, sizeof(*c));
    if (!c || !handle_map_put(&t->by_handle[m->worker], m->conn, c)) {
        free(c);
        turn_away(t, m);
        return;
    }
    *c = (struct connection){.relay = t->relay,
                             .worker = m->worker,
                             .handle = m->conn,
                             .local = m->local_address,
                             .remote = m->address,
                             .standing = true};
    t->count++;
    t->accept(t->relay, c);
}

static void connected(struct connection_table *t, const struct message *m)
{
    struct connection *c = take_dialled(t, m->cookie);
    if (!c || !handle_map_put(&t->by_handle[m->worker], m->conn, c)) {
        turn_away(t, m);
        if (c)
            forget(t, c, CONN_CLOSE_LIMIT);
        return;
    }
    c->handle = m->conn;
    c->local = m->local_address;
    c->standing = true;
    if (c->closing) { // its user gave up meanwhile
        turn_away(t, m);
        return;
    }
    c->ops->connected(c);
}

static void closed(struct connection_table *t, const struct message *m)
{
    struct connection *c = m->conn.generation ? connection_find(t, m->worker, m->conn) : NULL;
    if (!c && m->cookie)
        c = take_dialled(t, m->cookie);
    if (c)
        forget(t, c, (enum conn_close_reason)m->close.reason);
}

bool connection_handle_message(struct connection_table *t, const struct message *m)
{
    struct connection *c = NULL;
    switch ((enum message_type)m->type) {
    case MSG_CONN_ACCEPTED:
        accepted(t, m);
        return true;
    case MSG_CONN_CONNECTED:
        connected(t, m);
        return true;
    case MSG_CONN_CLOSED:
        closed(t, m);
        return true;
    case MSG_CONN_DATA:
    case MSG_LINK_CELL:
    case MSG_TLS_HANDSHAKE:
    case MSG_TLS_KEY_OLD:
        c = connection_find(t, m->worker, m->conn);
        break;
    default:
        return false;
    }
    if (!c || c->closing)
        return true;
    if (m->type == MSG_CONN_DATA)
        c->ops->data(c, m->offset, m->payload, m->length);
    else if (m->type == MSG_LINK_CELL && c->ops->link_cell)
        c->ops->link_cell(c, &m->link_cell, m->payload, m->length);
    else if (m->type == MSG_TLS_HANDSHAKE && c->ops->tls_handshake)
        c->ops->tls_handshake(c, m->payload, m->length);
    else if (m->type == MSG_TLS_KEY_OLD && c->ops->tls_key_old)
        c->ops->tls_key_old(c);
    return true;
}
