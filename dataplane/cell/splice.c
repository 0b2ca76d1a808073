// SPDX-License-Identifier: BSD-3-Clause
// The layer towards the origin moves between a circuit's ends, or two circuits become one path.
#include "cell/splice.h"

#include <string.h>

#include "worker.h"

// `end` becomes the end away from the origin, with the layer towards it.
static void attach(struct worker *w, struct circuit_end *end, const union layer *layer,
                   uint8_t kind, unsigned peer_worker, struct handle peer)
{
    if (end->state != END_OPEN || end->layer_kind) {
        w->counters.drop_cell_protocol++;
        return;
    }
    end->layer = *layer;
    end->layer_kind = kind;
    end->peer_worker = (uint8_t)peer_worker;
    end->peer = peer;
}

// Sends the layer of `from` to another worker, in a cell. False without memory; it is lost then,
// and the circuit with it.
static bool send_layer(struct worker *w, unsigned peer_worker, enum cell_kind kind,
                       struct handle target, struct handle own, const struct circuit_end *from)
{
    struct cell *c = cell_new(w->cells);
    if (!c) {
        w->counters.drop_cell_no_memory++;
        return false;
    }
    c->kind = (uint8_t)kind;
    c->target = target;
    c->peer = own;
    c->peer_worker = (uint8_t)w->index;
    memcpy(c->body + offsetof(struct layer_parcel, layer), &from->layer, sizeof(from->layer));
    c->body[offsetof(struct layer_parcel, kind)] = from->layer_kind;
    return crossing_send(w, peer_worker, c);
}

void splice_extend(struct worker *w, const struct message *m)
{
    struct circuit_end *end = end_get(w, m->circuit);
    if (!end || end->state != END_OPEN)
        return;
    struct circuit_end *stub = end->stub;
    // Without a stub, the layer is still on its way back from the hop before (UNSPLICE).
    if (!stub || end->joined ||
        end_originate(w, stub, &m->peer.relay, m->payload, m->length) != 0) {
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
        return;
    }
    end = end_get(w, m->circuit); // a full queue may have closed it
    if (!end)
        return;
    end->peer_worker = m->peer.worker;
    end->peer = m->peer.circuit;
    struct circuit_end *next = NULL;
    bool passed = true;
    if (m->peer.worker != w->index)
        passed = send_layer(w, m->peer.worker, CELL_KIND_SPLICE, m->peer.circuit, end->self, stub);
    else if ((next = end_get(w, m->peer.circuit)))
        attach(w, next, &stub->layer, stub->layer_kind, w->index, end->self);
    end->stub = NULL;
    end_close(w, stub, DESTROY_NONE, 0);
    if (!passed)
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
}

// The end towards the origin gets its layer back and ends the circuit again.
static void take_back(struct worker *w, struct circuit_end *end, const union layer *layer,
                      uint8_t kind)
{
    struct circuit_end *stub = end->stub ? NULL : end_new(w, END_STUB);
    if (!stub) {
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
        return;
    }
    stub->layer = *layer;
    stub->layer_kind = kind;
    stub->peer_worker = (uint8_t)w->index;
    stub->peer = end->self;
    end->stub = stub;
    end->peer = (struct handle){0};
}

void splice_truncate(struct worker *w, const struct message *m)
{
    struct circuit_end *end = end_get(w, m->circuit);
    if (!end || end->state != END_OPEN || end->origin_side || end_begins_here(end))
        return;
    enum destroy_reason reason = (enum destroy_reason)m->close.reason;
    // No layer: the splice is still on its way through the origin's worker.
    if (end_originate(w, end, &m->relay, m->payload, m->length) != 0) {
        end_close(w, end, reason, END_CLOSE_DESTROY | END_CLOSE_REPORT);
        return;
    }
    end = end_get(w, m->circuit); // a full ring may have closed it
    if (!end)
        return;
    struct circuit_end *origin = NULL;
    bool passed = true;
    if (end->peer_worker != w->index)
        passed = send_layer(w, end->peer_worker, CELL_KIND_UNSPLICE, end->peer, end->self, end);
    else if ((origin = end_get(w, end->peer)))
        take_back(w, origin, &end->layer, end->layer_kind);
    end_close(w, end, reason, END_CLOSE_DESTROY | (passed ? 0 : END_CLOSE_REPORT));
}

void splice_take_parcel(struct worker *w, struct circuit_end *end, const struct cell *c)
{
    struct layer_parcel parcel;
    memcpy(&parcel, c->body, sizeof(parcel)); // a body has no alignment
    if (c->kind == CELL_KIND_SPLICE)
        attach(w, end, &parcel.layer, parcel.kind, c->peer_worker, c->peer);
    else
        take_back(w, end, &parcel.layer, parcel.kind);
    layer_clear(&parcel.layer);
}

static bool is_same(struct handle a, struct handle b)
{
    return a.index == b.index && a.generation == b.generation;
}

// A circuit that ends here.
static bool ends_here(const struct circuit_end *end)
{
    return end && end->state == END_OPEN && end->stub;
}

// What is known here. When the other circuit is another worker's, its cells find out there.
static bool can_join(struct worker *w, const struct circuit_end *end, unsigned other_worker,
                     struct handle other_end)
{
    if (!ends_here(end) || end->peer.generation || other_worker >= w->n_workers)
        return false;
    if (other_worker != w->index)
        return other_end.generation != 0;
    const struct circuit_end *other = end_get(w, other_end);
    if (!ends_here(other) || other == end)
        return false;
    bool is_free = !other->peer.generation;
    return is_free || (other->peer_worker == w->index && is_same(other->peer, end->self));
}

// What came before: from its origin, and for it.
static void pass_early(struct worker *w, struct circuit_end *end)
{
    struct cell_queue from_origin = early_take(w, end, EARLY_FROM_LINK);
    struct cell_queue for_origin = early_take(w, end, EARLY_FROM_PEER);
    for (struct cell *c; (c = cell_queue_pop(&for_origin));)
        batch_add_joined(w, c);
    batch_run_joined(w);
    for (struct cell *c; (c = cell_queue_pop(&from_origin));)
        batch_pass_joined(w, end, c);
    batch_run_joined(w);
}

void splice_join(struct worker *w, const struct message *m)
{
    struct circuit_end *end = end_get(w, m->circuit);
    if (!can_join(w, end, m->peer.worker, m->peer.circuit)) {
        w->counters.drop_join++;
        return;
    }
    if (m->peer.relay.command &&
        end_originate(w, end->stub, &m->peer.relay, m->payload, m->length) != 0) {
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
        return;
    }
    end = end_get(w, m->circuit); // a full queue may have closed it
    if (!end)
        return;
    end->joined = true;
    end->peer_worker = m->peer.worker;
    end->peer = m->peer.circuit;
    pass_early(w, end);
}
