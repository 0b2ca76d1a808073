// SPDX-License-Identifier: BSD-3-Clause
// The life of a connection: table, TCP's events, closing, and its report to the control plane.
#include "cell/conn.h"

#include <errno.h>
#include <string.h>

#include <rte_malloc.h>

#include "worker.h"

int conn_table_init(struct conn_table *t, uint32_t capacity)
{
    t->capacity = capacity;
    TAILQ_INIT(&t->free);
    t->conns = rte_calloc("connections", capacity, sizeof(*t->conns), 64);
    t->messages = rte_calloc("messages of connections", capacity, sizeof(*t->messages), 0);
    if (!t->conns || !t->messages)
        return -ENOMEM;
    for (uint32_t i = 0; i < capacity; i++) {
        t->conns[i].self.index = i;
        TAILQ_INSERT_TAIL(&t->free, &t->conns[i], entry);
    }
    return 0;
}

static void wipe_keys(struct conn *c)
{
    tls_in_clear(&c->tls_in);
    tls_out_clear(&c->tls_out);
}

void conn_table_release(struct conn_table *t)
{
    for (uint32_t i = 0; t->conns && i < t->capacity; i++) {
        if (t->conns[i].state == CONN_FREE)
            continue;
        cell_queue_clear(&t->conns[i].link_cells);
        for (struct message *m = t->conns[i].outgoing, *next; m; m = next) {
            next = m->next;
            channel_free(m);
        }
        wipe_keys(&t->conns[i]);
    }
    rte_free(t->conns);
    rte_free(t->messages);
}

static struct conn *conn_new(struct worker *w, enum conn_state state)
{
    struct conn *c = TAILQ_FIRST(&w->conns.free);
    if (!c) {
        w->counters.drop_tcp_limit++;
        return NULL;
    }
    TAILQ_REMOVE(&w->conns.free, c, entry);
    struct handle self = {c->self.index, c->self.generation + 1};
    if (self.generation == 0)
        self.generation = 1;
    memset(c, 0, sizeof(*c));
    c->self = self;
    c->state = (uint8_t)state;
    c->circid_length = 2;
    TAILQ_INIT(&c->ends);
    TAILQ_INIT(&c->destroys);
    schedule_init(&c->schedule);
    return c;
}

static void conn_free(struct worker *w, struct conn *c)
{
    c->state = CONN_FREE;
    TAILQ_INSERT_HEAD(&w->conns.free, c, entry);
}

struct conn *conn_get(struct worker *w, struct handle handle)
{
    if (handle.generation == 0 || handle.index >= w->conns.capacity)
        return NULL;
    struct conn *c = &w->conns.conns[handle.index];
    bool valid =
        c->self.generation == handle.generation && c->state != CONN_FREE && c->state != CONN_DEAD;
    return valid ? c : NULL;
}

bool conn_dial(struct worker *w, const struct address *remote, uint64_t cookie)
{
    struct address local;
    if (!net_source_for(w->net, remote, &local))
        return false;
    struct conn *c = conn_new(w, CONN_CONNECTING);
    if (!c)
        return false;
    c->dialled = true;
    c->cookie = cookie;
    c->tcp = tcp_connect(w->tcp, &local, remote, c);
    if (!c->tcp)
        conn_free(w, c);
    return c->tcp != NULL;
}

void conn_wants_receive(struct worker *w, struct conn *c)
{
    if (c->is_receiving || c->is_paused || c->closing || c->state == CONN_DEAD)
        return;
    c->is_receiving = true;
    TAILQ_INSERT_TAIL(&w->receiving, c, receiving_entry);
}

void conn_wants_transmit(struct worker *w, struct conn *c)
{
    if (c->is_transmitting || c->state == CONN_DEAD)
        return;
    c->is_transmitting = true;
    TAILQ_INSERT_TAIL(&w->transmitting, c, transmitting_entry);
}

static void leave_lists(struct worker *w, struct conn *c)
{
    if (c->is_receiving)
        TAILQ_REMOVE(&w->receiving, c, receiving_entry);
    if (c->is_paused)
        TAILQ_REMOVE(&w->paused, c, receiving_entry);
    if (c->is_transmitting)
        TAILQ_REMOVE(&w->transmitting, c, transmitting_entry);
    c->is_receiving = c->is_paused = c->is_transmitting = false;
}

static void close_ends(struct worker *w, struct conn *c)
{
    struct circuit_end *end;
    while ((end = TAILQ_FIRST(&c->ends)))
        end_close(w, end, DESTROY_CHANNEL_CLOSED, END_CLOSE_REPORT);
    end_drop_destroys(w, c);
}

static void begin_closing(struct worker *w, struct conn *c, enum conn_close_reason reason)
{
    close_ends(w, c);
    c->closing = true;
    c->closing_since_us = w->now_us;
    c->close_reason = (uint8_t)reason;
    TAILQ_INSERT_TAIL(&w->closing, c, closing_entry);
}

void conn_close(struct worker *w, struct conn *c, enum conn_close_reason reason, uint8_t alert)
{
    if (c->closing || c->state == CONN_DEAD)
        return;
    begin_closing(w, c, reason);
    c->close_alert = alert;
    if (c->state == CONN_CONNECTING)
        tcp_abort(c->tcp);
    else
        conn_wants_transmit(w, c);
}

void conn_abort(struct worker *w, struct conn *c, enum conn_close_reason reason)
{
    if (c->state == CONN_DEAD)
        return;
    if (!c->closing)
        begin_closing(w, c, reason);
    c->finished = true;
    conn_drop_outgoing(w, c);
    conn_drop_link_cells(w, c);
    tcp_abort(c->tcp);
}

void conn_abort_stalled(struct worker *w, struct conn *c)
{
    w->counters.drop_conn_stalled++;
    conn_abort(w, c, CONN_CLOSE_LIMIT);
}

void conn_end_slow_closings(struct worker *w)
{
    struct conn *c = TAILQ_FIRST(&w->closing);
    if (c && w->now_us - c->closing_since_us > CONN_CLOSING_MAX_US) {
        // Once is enough: TCP_EVENT_CLOSED takes it off the list.
        c->closing_since_us = w->now_us;
        conn_abort(w, c, CONN_CLOSE_TIMEOUT);
    }
}

static void accept_conn(struct worker *w, struct tcp_conn *tcp)
{
    struct message *m = channel_message_up(w->channel, MSG_CONN_ACCEPTED);
    struct conn *c = m ? conn_new(w, CONN_RAW) : NULL;
    if (c) {
        c->tcp = tcp;
        m->conn = c->self;
        m->address = tcp_remote(tcp);
        m->local_address = tcp_local(tcp);
        if (channel_send_up(w->channel, m)) {
            tcp_set_user(tcp, c);
            return;
        }
        conn_free(w, c);
    }
    if (m)
        channel_free(m);
    w->counters.drop_message_ring_full++;
    tcp_abort(tcp); // its CLOSED event will have no user
}

static void connected(struct worker *w, struct conn *c)
{
    struct message *m = channel_message_up(w->channel, MSG_CONN_CONNECTED);
    if (m) {
        m->conn = c->self;
        m->cookie = c->cookie;
        m->address = tcp_remote(c->tcp);
        m->local_address = tcp_local(c->tcp);
        c->state = CONN_RAW;
        if (channel_send_up(w->channel, m))
            return;
        channel_free(m);
    }
    w->counters.drop_message_ring_full++;
    conn_abort(w, c, CONN_CLOSE_LIMIT);
}

// TCP has forgotten the connection.
static void tcp_gone(struct worker *w, struct conn *c, enum conn_close_reason reason)
{
    close_ends(w, c);
    leave_lists(w, c);
    conn_drop_outgoing(w, c);
    conn_drop_link_cells(w, c);
    wipe_keys(c);
    if (c->closing)
        TAILQ_REMOVE(&w->closing, c, closing_entry);
    else
        c->close_reason = (uint8_t)reason;
    c->tcp = NULL;
    c->state = CONN_DEAD;
    TAILQ_INSERT_TAIL(&w->dead, c, entry);
}

void conn_event(struct worker *w, const struct tcp_event *event)
{
    if (event->events & TCP_EVENT_ACCEPTED) {
        if (event->events & TCP_EVENT_CLOSED)
            return; // gone before anybody knew of it
        accept_conn(w, event->conn);
    }
    struct conn *c = event->events & TCP_EVENT_CLOSED ? event->user : tcp_user(event->conn);
    if (!c)
        return;
    if (event->events & TCP_EVENT_CLOSED) {
        tcp_gone(w, c, event->reason);
        return;
    }
    if (event->events & TCP_EVENT_CONNECTED)
        connected(w, c);
    if (event->events & TCP_EVENT_PEER_FIN)
        c->peer_done = true;
    if (event->events & (TCP_EVENT_READABLE | TCP_EVENT_PEER_FIN))
        conn_wants_receive(w, c);
    if (event->events & TCP_EVENT_WRITABLE)
        conn_wants_transmit(w, c);
}

void conn_send_reports(struct worker *w)
{
    struct conn *c;
    while ((c = TAILQ_FIRST(&w->dead))) {
        struct message *m = channel_message_up(w->channel, MSG_CONN_CLOSED);
        if (!m)
            return;
        m->conn = c->self;
        m->cookie = c->cookie;
        m->close.reason = c->close_reason;
        if (!channel_send_up(w->channel, m)) {
            channel_free(m);
            return;
        }
        TAILQ_REMOVE(&w->dead, c, entry);
        conn_free(w, c);
    }
}
