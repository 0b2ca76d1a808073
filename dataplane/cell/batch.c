// SPDX-License-Identifier: BSD-3-Clause
// Gathering relay cells, running their ciphers in a burst, and handing them on.
#include "cell/batch.h"

#include <errno.h>
#include <string.h>

#include <rte_malloc.h>

#include "worker.h"

int batch_init(struct cell_batch *b)
{
    b->n = b->n_joined = b->n_of_ours = 0;
    b->staging_used = 0;
    b->staging = rte_malloc("staging", BATCH_STAGING_LEN, 64);
    return b->staging ? 0 : -ENOMEM;
}

void batch_release(struct cell_batch *b)
{
    for (unsigned i = 0; i < b->n; i++)
        cell_free(b->items[i].cell);
    rte_free(b->staging);
}

bool batch_item_is_open(const struct batch_item *item)
{
    return item->end->state == END_OPEN && item->end->self.generation == item->end_generation;
}

uint8_t *batch_staging(struct worker *w, size_t length)
{
    struct cell_batch *b = &w->batch;
    if (b->staging_used + CELL_FRONT_LEN + length > BATCH_STAGING_LEN)
        batch_run(w);
    // Not reset by batch_run itself: it may run while a record is still being cut into cells.
    if (b->n == 0)
        b->staging_used = 0;
    return b->staging + b->staging_used + CELL_FRONT_LEN;
}

void batch_staging_keep(struct worker *w, size_t length)
{
    w->batch.staging_used += CELL_FRONT_LEN + length;
}

// The pool is empty. Another circuit may be heavier; else this one is closed, since a hole in its
// stream can't be mended.
static struct cell *make_room(struct worker *w, struct circuit_end *end)
{
    const struct handle self = end->self;
    batch_run(w);
    shed_now(w);
    if (end_get(w, self) != end) {
        w->counters.drop_cell_unknown_circuit++;
        return NULL;
    }
    struct cell *c = cell_new(w->cells);
    if (!c) {
        w->counters.drop_cell_no_memory++;
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
    }
    return c;
}

// The outermost layer of a circuit of ours.
static void add_of_ours(struct worker *w, struct batch_item *item, const uint8_t *body)
{
    struct hop *first = item->end->hops.hop[0];
    w->batch.n_of_ours++;
    item->cgo = layer_burst_add(w, &first->backward, first->kind, CGO_CLIENT_BACKWARD,
                                item->cell->command, body, item->cell->body);
}

static void add_passing(struct worker *w, struct batch_item *item, const uint8_t *body)
{
    struct circuit_end *end = item->end;
    if (end->peer_worker == w->index) {
        end_prefetch(w, end->peer);
        if (end->joined) {
            end_prefetch_stub(w, end->peer);
            w->batch.n_for_joined++;
        }
    }
    item->cgo = layer_burst_add(w, &end->layer, end->layer_kind,
                                end->origin_side ? CGO_RELAY_FORWARD : CGO_RELAY_BACKWARD,
                                item->cell->command, body, item->cell->body);
}

void batch_add(struct worker *w, struct circuit_end *end, uint8_t command, const uint8_t *body)
{
    struct cell_batch *b = &w->batch;
    struct cell *c = cell_new(w->cells);
    if (!c && !(c = make_room(w, end)))
        return;
    c->command = command;
    struct batch_item *item = &b->items[b->n++];
    *item = (struct batch_item){.cell = c, .end = end, .end_generation = end->self.generation};
    if (end_begins_here(end))
        add_of_ours(w, item, body);
    else
        add_passing(w, item, body);
    if (b->n == BATCH_CELLS_MAX)
        batch_run(w);
}

// A relay message to us, from a layer of this kind. False: it is against the protocol, or nobody
// can take it now.
static bool try_to_hand_up(struct worker *w, const struct batch_item *item, uint8_t kind,
                           const uint8_t *tag, enum destroy_reason *reason)
{
    struct circuit_end *end = item->end;
    const struct cell *c = item->cell;
    struct relay_message message;
    w->counters.cells_recognised++;
    *reason = DESTROY_PROTOCOL;
    if (!layer_parse(kind, c->body, &message)) {
        w->counters.drop_cell_protocol++;
        return false;
    }
    if (message.command == RELAY_DROP) {
        w->counters.cells_drop++;
        return true; // padding, made to be thrown away (protocol 4.07)
    }
    *reason = DESTROY_RESOURCELIMIT;
    struct message *m = tell_new(w, MSG_CIRCUIT_RELAY, end->conn, end);
    if (!m) {
        w->counters.drop_message_ring_full++;
        return false;
    }
    m->circuit = end->self;
    m->cookie = end->cookie;
    m->command = c->command;
    m->relay.command = message.command;
    m->relay.hop = item->hop;
    m->relay.stream_id = message.stream_id;
    m->relay.tag_length = layer_tag_length(kind);
    memcpy(m->relay.tag, tag, m->relay.tag_length);
    m->length = message.length;
    memcpy(m->payload, message.body, message.length);
    if (message.command == RELAY_RENDEZVOUS1 || message.command == RELAY_RENDEZVOUS2)
        end->rendezvous = true;
    crossing_flush(w); // the cells before it
    if (channel_send_up(w->channel, m))
        return true;
    channel_free(m);
    w->counters.drop_message_ring_full++;
    return false;
}

// What was RELAY_EARLY ends here (protocol 7.22).
void batch_pass_joined(struct worker *w, struct circuit_end *end, struct cell *c)
{
    w->counters.cells_joined++;
    c->command = CELL_RELAY;
    if (end->peer_worker != w->index) {
        end_pass_to_worker(w, end, c, CELL_KIND_JOINED);
        return;
    }
    c->target = end->peer;
    batch_take_joined(w, c);
}

void batch_hand_up(struct worker *w, const struct batch_item *item, uint8_t kind,
                   const uint8_t *tag)
{
    enum destroy_reason reason;
    bool taken = try_to_hand_up(w, item, kind, tag, &reason);
    cell_free(item->cell);
    if (!taken)
        end_close(w, item->end, reason, END_CLOSE_DESTROY | END_CLOSE_REPORT);
}

// Nobody's; but there may be somebody soon, when a message of the circuit's has been answered.
void batch_refuse(struct worker *w, const struct batch_item *item)
{
    if (early_hold(w, item->end, item->cell, EARLY_FROM_LINK))
        return;
    w->counters.drop_cell_unrecognised++;
    cell_free(item->cell);
    end_close(w, item->end, DESTROY_PROTOCOL, END_CLOSE_DESTROY | END_CLOSE_REPORT);
}

// A decrypted cell from the origin: ours, the next hop's, or nobody's.
static void hand_on_forward(struct worker *w, const struct batch_item *item)
{
    struct circuit_end *end = item->end;
    uint8_t tag[LAYER_TAG_MAX];
    if (layer_recognise(&end->layer, end->layer_kind, item->cgo, item->cell->body, tag)) {
        batch_hand_up(w, item, end->layer_kind, tag);
    } else if (end->joined) {
        batch_pass_joined(w, end, item->cell);
    } else if (end->peer.generation) {
        w->counters.cells_forward++;
        end_pass_to_peer(w, end, item->cell);
    } else {
        batch_refuse(w, item);
    }
}

static void hand_on(struct worker *w, const struct batch_item *item, const uint8_t *tag)
{
    struct circuit_end *end = item->end;
    if (!batch_item_is_open(item)) {
        w->counters.drop_cell_unknown_circuit++;
        cell_free(item->cell);
    } else if (end->origin_side) {
        hand_on_forward(w, item);
    } else if (!end_begins_here(end)) {
        w->counters.cells_backward++;
        end_pass_to_peer(w, end, item->cell);
    } else if (item->hop) {
        batch_hand_up(w, item, end->hops.hop[item->hop - 1]->kind, tag);
    } else {
        batch_refuse(w, item); // 3.07
    }
}

// The second layers: while the ciphers do the first, they come into the cache.
static void fetch_second_layers(struct worker *w)
{
    const struct cell_batch *b = &w->batch;
    for (unsigned i = 0; i < b->n; i++) {
        const struct circuit_end *end = b->items[i].end;
        if (end->joined && end->peer_worker == w->index)
            end_prefetch_layer(w, end->peer);
    }
}

void batch_run(struct worker *w)
{
    struct cell_batch *b = &w->batch;
    unsigned n = b->n;
    if (b->n_for_joined)
        fetch_second_layers(w);
    b->n_for_joined = 0;
    layer_burst_run(w);
    if (b->n_of_ours)
        hops_open(w);
    b->n_of_ours = b->n = 0;
    for (unsigned i = 0; i < n; i++)
        hand_on(w, &b->items[i], b->tags[i]);
    batch_run_joined(w);
    crossing_flush(w);
}

void batch_take_joined(struct worker *w, struct cell *c)
{
    struct circuit_end *end = end_get(w, c->target);
    if (!end || end->joined) {
        batch_add_joined(w, c);
    } else if (!early_hold(w, end, c, EARLY_FROM_PEER)) {
        w->counters.drop_cell_unknown_circuit++;
        cell_free(c);
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
    }
}

void batch_add_joined(struct worker *w, struct cell *c)
{
    struct cell_batch *b = &w->batch;
    b->joined[b->n_joined++] = c;
    if (b->n_joined == BATCH_CELLS_MAX)
        batch_run_joined(w);
}

// No end closes between this and the cipher's run.
static struct circuit_end *add_second_layer(struct worker *w, struct cell *c)
{
    struct circuit_end *end = end_get(w, c->target);
    if (!end || !end->stub) { // gone, or not joined at all
        w->counters.drop_cell_unknown_circuit++;
        cell_free(c);
        return NULL;
    }
    layer_burst_add(w, &end->stub->layer, end->stub->layer_kind, CGO_RELAY_BACKWARD, c->command,
                    c->body, c->body);
    return end;
}

void batch_run_joined(struct worker *w)
{
    struct cell_batch *b = &w->batch;
    struct circuit_end *ends[BATCH_CELLS_MAX];
    unsigned n = b->n_joined;
    for (unsigned i = 0; i < n; i++)
        ends[i] = add_second_layer(w, b->joined[i]);
    layer_burst_run(w);
    b->n_joined = 0;
    for (unsigned i = 0; i < n; i++)
        if (ends[i])
            end_queue_cell(w, ends[i], b->joined[i]);
}
