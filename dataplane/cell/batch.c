// SPDX-License-Identifier: BSD-3-Clause
// Gathering relay cells, running their ciphers in a burst, and handing them on.
#include "cell/batch.h"

#include <errno.h>
#include <string.h>

#include <rte_malloc.h>

#include "worker.h"

int batch_init(struct cell_batch *b)
{
    b->n = b->n_cgo = b->n_joined = 0;
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

// NULL with tor1.
static const struct cgo_job *add_job(struct worker *w, struct circuit_end *end, struct cell *c,
                                     const uint8_t *body)
{
    struct cell_batch *b = &w->batch;
    if (end->layer_kind != CIRCUIT_CRYPTO_CGO) {
        cell_cipher_add(w->cipher, &end->layer.tor1.cipher, body, c->body);
        return NULL;
    }
    struct cgo_job *job = &b->cgo_jobs[b->n_cgo++];
    job->layer = &end->layer.cgo;
    job->src = body;
    job->dst = c->body;
    job->operation = end->origin_side ? CGO_RELAY_FORWARD : CGO_RELAY_BACKWARD;
    job->command = c->command;
    return job;
}

static void run_ciphers(struct worker *w)
{
    struct cell_batch *b = &w->batch;
    cell_cipher_run(w->cipher);
    cgo_run(w->cgo, b->cgo_jobs, b->n_cgo);
    w->counters.cells_cgo += b->n_cgo;
    b->n_cgo = 0;
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

void batch_add(struct worker *w, struct circuit_end *end, uint8_t command, const uint8_t *body)
{
    struct cell_batch *b = &w->batch;
    struct cell *c = cell_new(w->cells);
    if (!c && !(c = make_room(w, end)))
        return;
    c->command = command;
    if (end->peer_worker == w->index) {
        end_prefetch(w, end->peer);
        if (end->joined) {
            end_prefetch_stub(w, end->peer);
            b->n_for_joined++;
        }
    }
    struct batch_item *item = &b->items[b->n++];
    *item = (struct batch_item){c, end, end->self.generation, NULL};
    item->cgo = add_job(w, end, c, body);
    if (b->n == BATCH_CELLS_MAX)
        batch_run(w);
}

// A relay message to us. False: it is against the protocol, or nobody can take it now.
static bool hand_up(struct worker *w, struct circuit_end *end, const struct cell *c,
                    const uint8_t *tag, enum destroy_reason *reason)
{
    struct relay_message message;
    w->counters.cells_recognised++;
    *reason = DESTROY_PROTOCOL;
    if (!layer_parse(end->layer_kind, c->body, &message)) {
        w->counters.drop_cell_protocol++;
        return false;
    }
    if (message.command == RELAY_DROP)
        return true; // padding, made to be thrown away (protocol 4.07)
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
    m->relay.stream_id = message.stream_id;
    m->relay.tag_length = layer_tag_length(end->layer_kind);
    memcpy(m->relay.tag, tag, m->relay.tag_length);
    m->length = message.length;
    memcpy(m->payload, message.body, message.length);
    crossing_flush(w); // the cells before it
    if (channel_send_up(w->channel, m))
        return true;
    channel_free(m);
    w->counters.drop_message_ring_full++;
    return false;
}

// To the other of two joined circuits; what was RELAY_EARLY ends here (protocol 7.22).
static void join_on(struct worker *w, struct circuit_end *end, struct cell *c)
{
    w->counters.cells_joined++;
    c->command = CELL_RELAY;
    if (end->peer_worker != w->index) {
        end_pass_to_worker(w, end, c, CELL_KIND_JOINED);
        return;
    }
    c->target = end->peer;
    batch_add_joined(w, c);
}

// A decrypted cell from the origin: ours, the next hop's, or nobody's.
static void hand_on_forward(struct worker *w, struct circuit_end *end, struct cell *c,
                            const struct cgo_job *cgo)
{
    uint8_t tor1_tag[TOR1_TAG_LEN];
    const uint8_t *tag = cgo ? cgo->tag : tor1_tag;
    enum destroy_reason reason;
    if (cgo ? cgo->recognised : tor1_recognise(&end->layer.tor1, c->body, tor1_tag)) {
        bool taken = hand_up(w, end, c, tag, &reason);
        cell_free(c);
        if (!taken)
            end_close(w, end, reason, END_CLOSE_DESTROY | END_CLOSE_REPORT);
    } else if (end->joined) {
        join_on(w, end, c);
    } else if (end->peer.generation) {
        w->counters.cells_forward++;
        end_pass_to_peer(w, end, c);
    } else {
        w->counters.drop_cell_unrecognised++;
        cell_free(c);
        end_close(w, end, DESTROY_PROTOCOL, END_CLOSE_DESTROY | END_CLOSE_REPORT);
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
    run_ciphers(w);
    b->n = 0;
    for (unsigned i = 0; i < n; i++) {
        struct circuit_end *end = b->items[i].end;
        struct cell *c = b->items[i].cell;
        bool open = end->state == END_OPEN && end->self.generation == b->items[i].end_generation;
        if (!open) { // an earlier cell of the batch closed it
            w->counters.drop_cell_unknown_circuit++;
            cell_free(c);
        } else if (end->origin_side) {
            hand_on_forward(w, end, c, b->items[i].cgo);
        } else {
            w->counters.cells_backward++;
            end_pass_to_peer(w, end, c);
        }
    }
    batch_run_joined(w);
    crossing_flush(w);
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
    add_job(w, end->stub, c, c->body);
    return end;
}

void batch_run_joined(struct worker *w)
{
    struct cell_batch *b = &w->batch;
    struct circuit_end *ends[BATCH_CELLS_MAX];
    unsigned n = b->n_joined;
    for (unsigned i = 0; i < n; i++)
        ends[i] = add_second_layer(w, b->joined[i]);
    run_ciphers(w);
    b->n_joined = 0;
    for (unsigned i = 0; i < n; i++)
        if (ends[i])
            end_queue_cell(w, ends[i], b->joined[i]);
}
