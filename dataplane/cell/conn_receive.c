// SPDX-License-Identifier: BSD-3-Clause
// What comes in on a connection: raw bytes to the control plane, or records into cells.
#include <string.h>

#include <rte_cycles.h>

#include "cell/framing.h"
#include "worker.h"

// Copies what the control plane has not seen yet. The bytes stay in TCP until they are consumed, so
// the receive window bounds how much is under way.
static void deliver_raw(struct worker *w, struct conn *c)
{
    while (!c->closing) {
        size_t length;
        const uint8_t *bytes = tcp_peek(c->tcp, c->raw_delivered - c->raw_consumed, &length);
        if (!bytes || length == 0)
            break;
        if (length > MESSAGE_PAYLOAD_MAX)
            length = MESSAGE_PAYLOAD_MAX;
        if (!tell_may_read(w, c))
            return;
        struct message *m = tell_new(w, MSG_CONN_DATA, c, NULL);
        if (!m) {
            conn_wants_receive(w, c); // again in the next turn
            return;
        }
        m->conn = c->self;
        m->cookie = c->cookie;
        m->offset = c->raw_delivered;
        m->length = (uint16_t)length;
        memcpy(m->payload, bytes, length);
        if (!channel_send_up(w->channel, m)) {
            channel_free(m);
            conn_wants_receive(w, c);
            return;
        }
        c->raw_delivered += length;
    }
    if (c->peer_done && !c->closing)
        conn_close(w, c, CONN_CLOSE_DONE, 0);
}

static void tell_key_update(struct worker *w, struct conn *c, const uint8_t handshake[5])
{
    c->awaits_key = true;
    w->counters.tls_key_updates++;
    struct message *m = tell_new(w, MSG_TLS_HANDSHAKE, c, NULL);
    if (m) {
        m->conn = c->self;
        m->cookie = c->cookie;
        m->length = 5;
        memcpy(m->payload, handshake, 5);
        if (channel_send_up(w->channel, m))
            return;
        channel_free(m);
    }
    w->counters.drop_message_ring_full++;
    batch_run(w);
    conn_close(w, c, CONN_CLOSE_LIMIT, TLS_ALERT_INTERNAL_ERROR);
}

// One record. False when there is nothing more to do now.
static bool receive_record(struct worker *w, struct conn *c)
{
    uint8_t *room = batch_staging(w, CELL_LEN + TLS_STAGING_LEN);
    struct tls_in_event event;
    // The begin of a cell from the last record stands right in front of what comes now.
    uint8_t *staging = room + c->partial_length;
    uint64_t began = rte_rdtsc();
    enum tls_in_result result = tls_in_next(&c->tls_in, &w->tls, c->tcp, staging, &event);
    w->counters.cycles_tls_open += rte_rdtsc() - began;
    switch (result) {
    case TLS_IN_DATA: {
        size_t length = c->partial_length + event.length;
        memcpy(room, c->partial, c->partial_length);
        batch_staging_keep(w, length);
        framing_take(w, c, room, length);
        return !c->closing;
    }
    case TLS_IN_NEED_MORE:
    case TLS_IN_AWAITS_KEY:
        return false;
    case TLS_IN_KEY_UPDATE:
        tell_key_update(w, c, event.handshake);
        return false;
    case TLS_IN_ALERT: {
        batch_run(w);
        bool graceful = event.alert == TLS_ALERT_CLOSE_NOTIFY;
        conn_close(w, c, graceful ? CONN_CLOSE_DONE : CONN_CLOSE_TLS, TLS_ALERT_CLOSE_NOTIFY);
        return false;
    }
    case TLS_IN_ERROR:
        batch_run(w);
        conn_close(w, c, CONN_CLOSE_TLS, event.alert);
        return false;
    }
    return false;
}

static void receive_records(struct worker *w, struct conn *c)
{
    unsigned records = 0;
    while (!c->awaits_key && records < CONN_RECORDS_PER_TURN && tell_may_read(w, c) &&
           receive_record(w, c))
        records++;
    if (c->closing || c->is_paused)
        return;
    if (records == CONN_RECORDS_PER_TURN)
        conn_wants_receive(w, c); // others first
    else if (c->peer_done && !c->awaits_key)
        conn_close(w, c, CONN_CLOSE_DONE, TLS_ALERT_CLOSE_NOTIFY);
}

void conn_receive(struct worker *w, struct conn *c)
{
    TAILQ_REMOVE(&w->receiving, c, receiving_entry);
    c->is_receiving = false;
    if (c->closing)
        return;
    if (c->state == CONN_RAW)
        deliver_raw(w, c);
    else if (c->state == CONN_RECORDS || c->state == CONN_OPEN)
        receive_records(w, c);
}

void conn_consumed(struct worker *w, struct conn *c, uint64_t offset)
{
    if (c->state != CONN_RAW || offset <= c->raw_consumed || offset > c->raw_delivered)
        return;
    tcp_consume(c->tcp, offset - c->raw_consumed);
    c->raw_consumed = offset;
    conn_wants_receive(w, c);
}

void conn_start_tls(struct worker *w, struct conn *c, const struct message *m)
{
    if (c->state != CONN_RAW || c->closing)
        return;
    conn_consumed(w, c, m->offset);
    if (!tls_in_init(&c->tls_in, &w->tls, &m->tls.rx) ||
        !tls_out_init(&c->tls_out, &w->tls, &m->tls.tx)) {
        conn_close(w, c, CONN_CLOSE_TLS, 0);
        return;
    }
    c->state = CONN_RECORDS;
    conn_wants_receive(w, c);
}
