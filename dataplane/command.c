// SPDX-License-Identifier: BSD-3-Clause
// Carries out what the control plane asks for (base/message.h, "control → worker").
#include "command.h"

#include <errno.h>
#include <string.h>

#include "worker.h"

enum { CIRCID_TRIES = 64 }; // protocol 1.32

// Installs a circuit's keys at its only end: `ours` if it begins here. False: the end is closed.
static bool install_layers(struct worker *w, struct circuit_end *end,
                           const struct circuit_crypto *crypto, bool ours)
{
    struct circuit_end *stub = end_new(w, END_STUB);
    if (!stub) {
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
        return false;
    }
    end->stub = stub;
    bool known = !ours ? layers_init(w, &end->layer, &stub->layer, crypto)
                       : crypto->kind == CIRCUIT_CRYPTO_TOR1 && // the same at either of its ends
                             layers_init(w, &stub->layer, &end->layer, crypto);
    if (!known) {
        end_close(w, end, DESTROY_INTERNAL, END_CLOSE_DESTROY | END_CLOSE_REPORT);
        return false;
    }
    end->layer_kind = stub->layer_kind = crypto->kind;
    end->state = END_OPEN;
    end->origin_side = true;
    stub->peer_worker = (uint8_t)w->index;
    stub->peer = end->self;
    return true;
}

// A circuit of one hop that begins here.
static void circuit_own(struct worker *w, const struct message *m)
{
    struct circuit_end *end = end_get(w, m->circuit);
    bool fresh = end && end->state == END_OPEN && !end->origin_side && !end->layer_kind;
    if (!fresh)
        return;
    end->relay_early_left = 0; // never towards an origin
    install_layers(w, end, &m->crypto, true);
}

static void circuit_accept(struct worker *w, const struct message *m)
{
    struct circuit_end *end = end_get(w, m->circuit);
    if (!end || end->state != END_PENDING || !install_layers(w, end, &m->crypto, false))
        return;
    if (!conn_queue_cell(w, end->conn, end->circid, m->command, m->payload, m->length))
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
}

static uint32_t unused_circid(struct worker *w, const struct conn *c)
{
    for (int i = 0; i < CIRCID_TRIES; i++) {
        uint32_t circid = (uint32_t)worker_random(w) & ~CIRCID_INITIATOR_BIT;
        if (c->dialled)
            circid |= CIRCID_INITIATOR_BIT;
        if (circid != 0 && !end_lookup(w, c, circid))
            return circid;
    }
    return 0;
}

// The new end is told of at once: a peer that never answers must not be able to keep it.
static bool tell_dialled(struct worker *w, const struct circuit_end *end)
{
    struct message *m = channel_message_up(w->channel, MSG_CIRCUIT_DIALLED);
    if (!m) {
        w->counters.drop_message_ring_full++;
        return false;
    }
    m->circuit = end->self;
    m->cookie = end->cookie;
    if (channel_send_up(w->channel, m))
        return true;
    channel_free(m);
    return false;
}

static bool circuit_dial(struct worker *w, const struct message *m)
{
    struct conn *c = conn_get(w, m->conn);
    if (!c || c->closing || c->state != CONN_OPEN)
        return false;
    uint32_t circid = unused_circid(w, c);
    struct circuit_end *end = circid ? end_new(w, END_DIALLED) : NULL;
    if (!end)
        return false;
    end->cookie = m->cookie;
    end_bind(w, end, c, circid);
    bool queued = conn_queue_cell(w, c, circid, m->command, m->payload, m->length);
    if (queued && tell_dialled(w, end))
        return true;
    end_close(w, end, DESTROY_RESOURCELIMIT, queued ? END_CLOSE_DESTROY : 0);
    return false;
}

// `end` becomes the end away from the origin, with the layer towards it.
static void join(struct worker *w, struct circuit_end *end, const union layer *layer, uint8_t kind,
                 unsigned peer_worker, struct handle peer)
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
    return worker_send_peer(w, peer_worker, c);
}

static void circuit_splice(struct worker *w, const struct message *m)
{
    struct circuit_end *end = end_get(w, m->circuit);
    if (!end || end->state != END_OPEN)
        return;
    struct circuit_end *stub = end->stub;
    // Without a stub, the layer is still on its way back from the hop before (UNSPLICE).
    if (!stub || end_originate(w, stub, &m->peer.relay, m->payload, m->length) != 0) {
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
        join(w, next, &stub->layer, stub->layer_kind, w->index, end->self);
    end->stub = NULL;
    end_close(w, stub, DESTROY_NONE, 0);
    if (!passed)
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
}

// The end towards the origin gets its layer back and ends the circuit again.
static void unjoin(struct worker *w, struct circuit_end *end, const union layer *layer,
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

static void circuit_truncate(struct worker *w, const struct message *m)
{
    struct circuit_end *end = end_get(w, m->circuit);
    if (!end || end->state != END_OPEN || end->origin_side)
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
        unjoin(w, origin, &end->layer, end->layer_kind);
    end_close(w, end, reason, END_CLOSE_DESTROY | (passed ? 0 : END_CLOSE_REPORT));
}

static void circuit_originate(struct worker *w, const struct message *m)
{
    struct circuit_end *end = end_get(w, m->circuit);
    if (!end)
        return;
    struct circuit_end *holder = end->origin_side ? end->stub : end;
    int error = holder ? end_originate(w, holder, &m->relay, m->payload, m->length) : -ENOENT;
    // A hole can't be mended; and who waits for an answer must not wait for ever.
    if (error == -ENOMEM || (error && m->relay.tell))
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
}

static void circuit_close(struct worker *w, const struct message *m)
{
    struct circuit_end *end = end_get(w, m->circuit);
    if (end)
        end_close(w, end, (enum destroy_reason)m->close.reason, END_CLOSE_DESTROY);
}

static void execute_on_conn(struct worker *w, struct conn *c, struct message *m)
{
    switch ((enum message_type)m->type) {
    case MSG_CONN_SEND:
        conn_send(w, c, m);
        return;
    case MSG_TLS_REKEY:
        conn_rekey(w, c, m);
        return;
    case MSG_CONN_CONSUMED:
        conn_consumed(w, c, m->offset);
        break;
    case MSG_CONN_CLOSE:
        conn_close(w, c, (enum conn_close_reason)m->close.reason, m->close.alert);
        break;
    case MSG_TLS_START:
        conn_start_tls(w, c, m);
        break;
    default: // MSG_LINK_OPEN: nothing to do, the peer's NETINFO has opened it
        break;
    }
    channel_free(m);
}

// Keeps a dial that failed, to be answered by command_send_refusals.
static void refuse(struct worker *w, struct message *m)
{
    m->next = w->refused;
    w->refused = m;
}

void command_execute(struct worker *w, struct message *m)
{
    struct conn *c;
    switch ((enum message_type)m->type) {
    case MSG_LISTEN:
        tcp_listen(w->tcp, &m->address);
        break;
    case MSG_CONN_CONNECT:
        if (!conn_dial(w, &m->address, m->cookie)) {
            refuse(w, m);
            return;
        }
        break;
    case MSG_CIRCUIT_DIAL:
        if (!circuit_dial(w, m)) {
            refuse(w, m);
            return;
        }
        break;
    case MSG_CIRCUIT_ACCEPT:
        if (m->command)
            circuit_accept(w, m);
        else
            circuit_own(w, m);
        break;
    case MSG_CIRCUIT_SPLICE:
        circuit_splice(w, m);
        break;
    case MSG_CIRCUIT_TRUNCATE:
        circuit_truncate(w, m);
        break;
    case MSG_CIRCUIT_ORIGINATE:
        circuit_originate(w, m);
        break;
    case MSG_CIRCUIT_CLOSE:
        circuit_close(w, m);
        break;
    case MSG_PARAMETERS:
        worker_set_parameters(w, &m->parameters);
        break;
    case MSG_STOP:
        w->stopping = true;
        break;
    default:
        c = conn_get(w, m->conn);
        if (c) {
            execute_on_conn(w, c, m);
            return;
        }
        break;
    }
    channel_free(m);
}

void command_take_peer_cell(struct worker *w, struct cell *c)
{
    struct circuit_end *end = end_get(w, c->target);
    if (end && c->kind == CELL_KIND_CELL) {
        end_queue_cell(w, end, c);
        return;
    }
    if (end && c->kind == CELL_KIND_ASKING) {
        end_queue_cell(w, end, c);
        if (end->state == END_OPEN)
            end_ask_drained(w, end);
        return;
    }
    if (!end) {
        w->counters.drop_cell_unknown_circuit++;
    } else {
        struct layer_parcel parcel;
        memcpy(&parcel, c->body, sizeof(parcel)); // a body has no alignment
        if (c->kind == CELL_KIND_SPLICE)
            join(w, end, &parcel.layer, parcel.kind, c->peer_worker, c->peer);
        else
            unjoin(w, end, &parcel.layer, parcel.kind);
        layer_clear(&parcel.layer);
    }
    if (cell_kind_is_secret(c->kind))
        explicit_bzero(c->body, sizeof(c->body));
    cell_free(c);
}

void command_send_refusals(struct worker *w)
{
    while (w->refused) {
        struct message *dial = w->refused;
        bool is_circuit = dial->type == MSG_CIRCUIT_DIAL;
        struct message *m =
            channel_message_up(w->channel, is_circuit ? MSG_CIRCUIT_CLOSED : MSG_CONN_CLOSED);
        if (!m)
            return;
        m->cookie = dial->cookie;
        m->close.reason = is_circuit ? DESTROY_CHANNEL_CLOSED : CONN_CLOSE_UNREACHABLE;
        if (!channel_send_up(w->channel, m)) {
            channel_free(m);
            return;
        }
        w->refused = dial->next;
        channel_free(dial);
    }
}
