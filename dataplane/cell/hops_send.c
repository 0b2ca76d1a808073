// SPDX-License-Identifier: BSD-3-Clause
// Relay messages of ours to the hops of a circuit that begins here: gathered over circuits, sealed
// from the last hop to the first in one burst for each, and sent in their order.
#include "cell/hops.h"

#include <errno.h>
#include <string.h>

#include "worker.h"

static void drop(struct worker *w, struct hops_cell *s)
{
    w->counters.drop_cell_unknown_circuit++;
    cell_free(s->cell);
    if (s->told)
        channel_free(s->told);
    s->end = NULL;
}

static bool is_open(const struct hops_cell *s)
{
    return s->end->state == END_OPEN && s->end->self.generation == s->end_generation;
}

// ---- gathering

static int build(struct worker *w, const struct hop *hop, const struct message *m,
                 struct hops_cell *s)
{
    struct relay_message message = {.command = m->relay.command,
                                    .stream_id = m->relay.stream_id,
                                    .length = m->length,
                                    .body = m->payload};
    s->cell = cell_new(w->cells);
    if (!s->cell) {
        w->counters.drop_cell_no_memory++;
        return -ENOMEM;
    }
    if (!layer_build(w, hop->kind, &message, s->cell->body)) {
        cell_free(s->cell);
        return -EINVAL;
    }
    s->cell->command = m->command == CELL_RELAY_EARLY ? CELL_RELAY_EARLY : CELL_RELAY;
    return 0;
}

static int gather(struct worker *w, struct circuit_end *end, const struct message *m)
{
    if (m->relay.hop == 0 || m->relay.hop > end->hops.n)
        return -ENOENT;
    struct hops_sending *all = &w->sending;
    struct hops_cell *s = &all->cells[all->n];
    *s = (struct hops_cell){.end = end,
                            .end_generation = end->self.generation,
                            .hop = m->relay.hop,
                            .asks_drained = m->relay.tell & ORIGINATE_TELL_DRAINED};
    // First: without it the cell's SENDME could not be checked, so the cell must not go.
    if ((m->relay.tell & ORIGINATE_TELL_TAG) &&
        !(s->told = channel_message_up(w->channel, MSG_CIRCUIT_ORIGINATED))) {
        w->counters.drop_message_ring_full++;
        return -ENOMEM;
    }
    int error = build(w, end->hops.hop[s->hop - 1], m, s);
    if (error && s->told)
        channel_free(s->told);
    all->n += !error;
    return error;
}

void hops_originate(struct worker *w, struct circuit_end *end, const struct message *m)
{
    int error = gather(w, end, m);
    if (error == -ENOMEM || (error && m->relay.tell)) {
        // A hole can't be mended; and who waits for an answer must not wait for ever.
        hops_flush(w);
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
    } else if (w->sending.n == LAYER_BURST_MAX) {
        hops_flush(w);
    }
}

// ---- the layers

static void seal(struct worker *w, struct hops_cell *cells, unsigned n, unsigned hop)
{
    for (unsigned i = 0; i < n; i++) {
        struct hops_cell *s = &cells[i];
        if (!s->end || s->hop < hop)
            continue;
        struct hop *h = s->end->hops.hop[hop - 1];
        bool begins = s->hop == hop;
        if (begins)
            layer_mark(&h->forward, h->kind, s->cell->body, s->tag);
        s->job = layer_burst_add(w, &h->forward, h->kind,
                                 begins ? CGO_CLIENT_ORIGINATE : CGO_CLIENT_FORWARD,
                                 s->cell->command, s->cell->body, s->cell->body);
    }
    layer_burst_run(w);
    for (unsigned i = 0; i < n; i++)
        if (cells[i].end && cells[i].hop == hop)
            layer_tag(cells[i].job, cells[i].tag);
}

// ---- on their way

// False: nobody heard of it, and the cell must not go.
static bool tell_tag(struct worker *w, struct hops_cell *s)
{
    struct message *m = s->told;
    s->told = NULL;
    m->circuit = s->end->self;
    m->cookie = s->end->cookie;
    m->relay.hop = s->hop;
    m->relay.tag_length = layer_tag_length(s->end->hops.hop[s->hop - 1]->kind);
    memcpy(m->relay.tag, s->tag, m->relay.tag_length);
    if (channel_send_up(w->channel, m))
        return true;
    channel_free(m);
    w->counters.drop_message_ring_full++;
    return false;
}

static void send(struct worker *w, struct hops_cell *s)
{
    struct circuit_end *end = s->end;
    if (!is_open(s)) { // one before it has closed the circuit
        drop(w, s);
        return;
    }
    if (s->told && !tell_tag(w, s)) {
        drop(w, s);
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
        return;
    }
    w->counters.cells_originated++;
    end_queue_cell(w, end, s->cell);
    if (s->asks_drained && is_open(s))
        end_ask_drained(w, end);
}

void hops_flush(struct worker *w)
{
    struct hops_cell *cells = w->sending.cells;
    unsigned n = w->sending.n, last = 0;
    w->sending.n = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!is_open(&cells[i]))
            drop(w, &cells[i]);
        else if (cells[i].hop > last)
            last = cells[i].hop;
    }
    for (unsigned hop = last; hop > 0; hop--)
        seal(w, cells, n, hop);
    for (unsigned i = 0; i < n; i++)
        if (cells[i].end)
            send(w, &cells[i]);
}

void hops_drop_sending(struct worker *w)
{
    while (w->sending.n > 0)
        drop(w, &w->sending.cells[--w->sending.n]);
}
