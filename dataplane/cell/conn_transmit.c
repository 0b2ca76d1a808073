// SPDX-License-Identifier: BSD-3-Clause
// What goes out on a connection: the control plane's bytes, cells in records, the closing alert.
// Which cell goes next is decided here, when TCP has room for it.
#include <errno.h>
#include <string.h>

#include "base/cursor.h"
#include "worker.h"

// How a message of the control plane's goes out; kept in its `command`.
enum outgoing_form { OUTGOING_RAW, OUTGOING_SEALED };

static bool speaks_tls(const struct conn *c)
{
    return c->state == CONN_RECORDS || c->state == CONN_OPEN;
}

void conn_send(struct worker *w, struct conn *c, struct message *m)
{
    if (c->closing || c->outgoing_count == CONN_OUTGOING_MAX) {
        if (!c->closing)
            conn_abort_stalled(w, c);
        channel_free(m);
        return;
    }
    if (!c->outgoing)
        TAILQ_INSERT_TAIL(&w->stalled, c, stalled_entry);
    m->next = NULL;
    // What is queued before records begin goes out raw, however late.
    m->command = speaks_tls(c) ? OUTGOING_SEALED : OUTGOING_RAW;
    if (c->outgoing_last)
        c->outgoing_last->next = m;
    else
        c->outgoing = m;
    c->outgoing_last = m;
    c->outgoing_count++;
    w->held_messages++;
    conn_wants_transmit(w, c);
    while (w->held_messages > w->held_messages_max)
        conn_abort_stalled(w, TAILQ_FIRST(&w->stalled));
}

static void drop_first_outgoing(struct worker *w, struct conn *c)
{
    struct message *m = c->outgoing;
    c->outgoing = m->next;
    c->outgoing_count--;
    c->outgoing_offset = 0;
    w->held_messages--;
    channel_free(m);
    if (!c->outgoing) { // a peer that takes a little now and then keeps its place
        c->outgoing_last = NULL;
        TAILQ_REMOVE(&w->stalled, c, stalled_entry);
    }
}

void conn_drop_outgoing(struct worker *w, struct conn *c)
{
    while (c->outgoing)
        drop_first_outgoing(w, c);
}

// Puts the tx key of a MSG_TLS_REKEY to use once what stands before it has gone out.
static int apply_tx_rekey(struct worker *w, struct conn *c, const struct message *m)
{
    if (m->length) {
        struct tls_span span = {m->payload, m->length};
        int error = tls_out_seal(&c->tls_out, &w->tls, c->tcp, TLS_CONTENT_HANDSHAKE, &span, 1);
        if (error)
            return error;
    }
    c->key_old_told = false;
    return tls_out_rekey(&c->tls_out, &w->tls, &m->tls.tx) ? 0 : -EINVAL;
}

void conn_rekey(struct worker *w, struct conn *c, struct message *m)
{
    if (!speaks_tls(c) || c->closing) {
        channel_free(m);
        return;
    }
    if (m->tls.rx.cipher != TLS_CIPHER_NONE) { // what comes in does not wait for what goes out
        if (!tls_in_rekey(&c->tls_in, &w->tls, &m->tls.rx)) {
            conn_close(w, c, CONN_CLOSE_TLS, TLS_ALERT_INTERNAL_ERROR);
            channel_free(m);
            return;
        }
        c->awaits_key = false;
        conn_wants_receive(w, c);
    }
    if (m->length || m->tls.tx.cipher != TLS_CIPHER_NONE)
        conn_send(w, c, m); // in its place among what is sealed
    else
        channel_free(m);
}

// RFC 8446, 5.5: a key seals only so much. Said once for each key.
static void tell_old_key(struct worker *w, struct conn *c)
{
    if (c->key_old_told || !tls_out_key_is_old(&c->tls_out))
        return;
    struct message *m = tell_new(w, MSG_TLS_KEY_OLD, c, NULL);
    if (!m)
        return; // the next record tries again
    m->conn = c->self;
    m->cookie = c->cookie;
    c->key_old_told = channel_send_up(w->channel, m);
    if (!c->key_old_told)
        channel_free(m);
}

// 0, or a negative errno when it has to wait or the stream is broken.
static int send_first_outgoing(struct worker *w, struct conn *c)
{
    struct message *m = c->outgoing;
    if (m->type == MSG_TLS_REKEY)
        return apply_tx_rekey(w, c, m);
    if (m->command == OUTGOING_SEALED) {
        struct tls_span span = {m->payload, m->length};
        return tls_out_seal(&c->tls_out, &w->tls, c->tcp, TLS_CONTENT_APPLICATION_DATA, &span, 1);
    }
    c->outgoing_offset += (uint32_t)tcp_write(c->tcp, m->payload + c->outgoing_offset,
                                              m->length - c->outgoing_offset);
    return c->outgoing_offset == m->length ? 0 : -ENOBUFS;
}

static struct cell *next_link_cell(struct worker *w, struct conn *c)
{
    struct cell *cell = cell_queue_pop(&c->link_cells);
    if (!cell)
        return NULL;
    w->link_cells--;
    if (!c->link_cells.head)
        TAILQ_REMOVE(&w->link_stalled, c, link_stalled_entry);
    return cell;
}

void conn_drop_link_cells(struct worker *w, struct conn *c)
{
    for (struct cell *cell; (cell = next_link_cell(w, c));)
        cell_free(cell);
}

static struct cell *next_relay_cell(struct worker *w, struct conn *c, bool any)
{
    int32_t node = schedule_next(&w->scheduler, &c->schedule, any);
    if (node == SCHEDULE_NONE)
        return NULL;
    struct circuit_end *end = &w->ends.ends[node];
    struct cell *cell = cell_queue_pop(&end->queue);
    c->relay_cells--;
    schedule_sent(&w->scheduler, &c->schedule, node, end->queue.count > 0);
    shed_taken(&w->shed, end);
    if (end->asks_drained && end->queue.count <= DRAINED_CELLS)
        end_tell_drained(w, end);
    struct writer header = writer_of(cell_wire(cell), CELL_LEN - CELL_BODY_LEN);
    write_u32(&header, end->circid);
    write_u8(&header, cell->command);
    return cell;
}

// A cell of link level: those that were queued, then DESTROYs, so that one never overtakes the
// CREATED of its circuit. A DESTROY is written into `room`, which is zero but for the one before.
static bool next_of_link(struct worker *w, struct conn *c, uint8_t room[CELL_LEN],
                         struct cell **cell)
{
    uint32_t circid;
    uint8_t reason;
    if ((*cell = next_link_cell(w, c)))
        return true;
    if (!end_next_destroy(w, c, &circid, &reason))
        return false;
    uint8_t head[] = {(uint8_t)(circid >> 24),
                      (uint8_t)(circid >> 16),
                      (uint8_t)(circid >> 8),
                      (uint8_t)circid,
                      CELL_DESTROY,
                      reason};
    memcpy(room, head, sizeof(head));
    return true;
}

// Link cells (CREATED2, DESTROY, …) and relay cells take turns, so that neither starves (5.05).
// `any`: relay cells in any order. False when none is left; a cell of NULL is in `room`.
static bool next_cell(struct worker *w, struct conn *c, bool any, uint8_t room[CELL_LEN],
                      struct cell **cell)
{
    c->cell_turn = !c->cell_turn;
    if (c->cell_turn && next_of_link(w, c, room, cell))
        return true;
    *cell = next_relay_cell(w, c, any);
    return *cell || next_of_link(w, c, room, cell);
}

static bool has_cells(const struct conn *c)
{
    return c->link_cells.head || !schedule_is_empty(&c->schedule) || !TAILQ_EMPTY(&c->destroys);
}

// How many cells the next record will have at most: as many as TCP can send now, and not many more
// than there are, because packets are taken for all of them.
static size_t record_cells(const struct conn *c, size_t writable)
{
    size_t waiting = (size_t)c->relay_cells + c->link_cells.count;
    size_t most = writable > CELL_LEN + TLS_RECORD_OVERHEAD
                      ? (writable - TLS_RECORD_OVERHEAD) / CELL_LEN
                      : 1; // a window smaller than a cell must not stop the link
    if (most > waiting && TAILQ_EMPTY(&c->destroys)) // which nobody counts
        most = waiting;
    return most < CONN_CELLS_PER_RECORD ? most : CONN_CELLS_PER_RECORD;
}

// One record of cells. 0 or a negative errno.
static int send_cells(struct worker *w, struct conn *c, size_t writable)
{
    size_t most = record_cells(c, writable);
    if (!tcp_write_reserve(c->tcp, most * CELL_LEN + TLS_RECORD_OVERHEAD))
        return -ENOBUFS;
    struct cell *cells[CONN_CELLS_PER_RECORD];
    struct tls_span spans[CONN_CELLS_PER_RECORD];
    bool any = c->relay_cells + c->link_cells.count <= most && TAILQ_EMPTY(&c->destroys);
    unsigned n = 0;
    while (n < most && next_cell(w, c, any, w->destroys[n], &cells[n])) {
        spans[n] = (struct tls_span){cells[n] ? cell_wire(cells[n]) : w->destroys[n], CELL_LEN};
        n++;
    }
    int error = tls_out_seal(&c->tls_out, &w->tls, c->tcp, TLS_CONTENT_APPLICATION_DATA, spans, n);
    for (unsigned i = 0; i < n; i++)
        if (cells[i])
            cell_free(cells[i]);
    if (error)
        return -EPIPE; // cells are lost: no circuit could go on
    c->waits_since_us = w->now_us;
    w->counters.cells_out += n;
    tell_old_key(w, c);
    return 0;
}

// The end of a connection that is closing: an alert where records flow, then FIN.
static void finish_closing(struct worker *w, struct conn *c)
{
    if (speaks_tls(c)) {
        int error = tls_out_alert(&c->tls_out, &w->tls, c->tcp, c->close_alert);
        if (error == -ENOBUFS) {
            conn_wants_transmit(w, c);
            return;
        }
    }
    c->finished = true;
    tcp_push(c->tcp);
    tcp_close(c->tcp);
}

void conn_transmit(struct worker *w, struct conn *c)
{
    TAILQ_REMOVE(&w->transmitting, c, transmitting_entry);
    c->is_transmitting = false;
    if (c->state == CONN_CONNECTING || c->state == CONN_DEAD || c->finished)
        return;
    int error = 0;
    size_t writable;
    while (!error && (c->outgoing || has_cells(c)) && (writable = tcp_writable(c->tcp)) > 0) {
        if (c->outgoing) {
            error = send_first_outgoing(w, c);
            if (!error)
                drop_first_outgoing(w, c);
        } else {
            error = send_cells(w, c, writable);
        }
    }
    if (error == -ENOBUFS)
        conn_wants_transmit(w, c); // no packet memory: again in the next turn
    else if (error)
        conn_abort(w, c, CONN_CLOSE_TLS);
    if (error && error != -ENOBUFS)
        return;
    if (c->closing && !c->outgoing && !has_cells(c))
        finish_closing(w, c);
    else
        tcp_push(c->tcp);
}

bool conn_queue_cell(struct worker *w, struct conn *c, uint32_t circid, uint8_t command,
                     const void *body, size_t length)
{
    struct cell *cell =
        c->link_cells.count < CONN_CELLS_MAX && !c->closing ? cell_new(w->cells) : NULL;
    if (!cell) {
        w->counters.drop_cell_no_memory++;
        return false;
    }
    struct writer wire = writer_of(cell_wire(cell), CELL_LEN);
    write_u32(&wire, circid);
    write_u8(&wire, command);
    write_bytes(&wire, body, length);
    write_zeros(&wire, CELL_BODY_LEN - length);
    cell->command = command;
    if (!c->link_cells.head)
        TAILQ_INSERT_TAIL(&w->link_stalled, c, link_stalled_entry);
    w->link_cells++;
    cell_queue_push(&c->link_cells, cell);
    conn_wants_transmit(w, c);
    return true;
}

void conn_queue_destroy(struct worker *w, struct conn *c, uint32_t circid,
                        enum destroy_reason reason)
{
    uint8_t body = (uint8_t)reason;
    conn_queue_cell(w, c, circid, CELL_DESTROY, &body, 1);
}
