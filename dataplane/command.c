// SPDX-License-Identifier: BSD-3-Clause
// Carries out what the control plane asks for (base/message.h, "control → worker").
#include "command.h"

#include <errno.h>
#include <string.h>

#include "cell/splice.h"
#include "worker.h"

enum {
    CIRCID_TRIES = 64, // protocol 1.32
    HELD_MAX = 256,    // messages that wait for a layer; more are lost, as they would be without
};

// Installs a circuit's keys at its only end. False: the end is closed.
static bool install_layers(struct worker *w, struct circuit_end *end,
                           const struct circuit_crypto *crypto)
{
    struct circuit_end *stub = end_new(w, END_STUB);
    if (!stub) {
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
        return false;
    }
    end->stub = stub;
    if (!layers_init(w, &end->layer, &stub->layer, crypto)) {
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

static void circuit_accept(struct worker *w, const struct message *m)
{
    struct circuit_end *end = end_get(w, m->circuit);
    if (!end || end->state != END_PENDING || !install_layers(w, end, &m->crypto))
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

static void circuit_add_hop(struct worker *w, const struct message *m)
{
    struct circuit_end *end = end_get(w, m->circuit);
    if (end)
        hops_add(w, end, &m->crypto);
}

static void circuit_originate(struct worker *w, const struct message *m)
{
    struct circuit_end *end = end_get(w, m->circuit);
    if (!end)
        return;
    if (end_begins_here(end)) {
        hops_originate(w, end, m);
        return;
    }
    struct circuit_end *holder = end->origin_side ? end->stub : end;
    int error = holder ? end_originate(w, holder, &m->relay, m->payload, m->length) : -ENOENT;
    // A hole can't be mended; and who waits for an answer must not wait for ever.
    if (error == -ENOMEM || (error && m->relay.tell))
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
}

// Its layer is on the way from another worker, or, once that came, others for it still wait.
static bool must_wait(struct worker *w, const struct message *m)
{
    const struct circuit_end *end = end_get(w, m->circuit);
    if (!end || w->n_held >= HELD_MAX)
        return false;
    if (end->origin_side ? !end->stub : !end->layer_kind && end->state == END_OPEN)
        return true;
    for (const struct message *held = w->held; held; held = held->next)
        if (held->circuit.index == m->circuit.index)
            return true;
    return false;
}

static void hold(struct worker *w, struct message *m)
{
    struct message **last = &w->held;
    while (*last)
        last = &(*last)->next;
    m->next = NULL;
    *last = m;
    w->n_held++;
}

void command_run_held(struct worker *w)
{
    for (struct message **at = &w->held, *m; (m = *at);) {
        const struct circuit_end *end = end_get(w, m->circuit);
        if (end && (end->origin_side ? !end->stub : !end->layer_kind)) {
            at = &m->next;
            continue;
        }
        *at = m->next;
        w->n_held--;
        circuit_originate(w, m); // nothing, if its end is gone
        channel_free(m);
    }
}

static void circuit_close(struct worker *w, const struct message *m)
{
    struct circuit_end *end = end_get(w, m->circuit);
    if (!end)
        return;
    if (end_begins_here(end))
        hops_flush(w); // who waits for a tag hears of it
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
    if (w->held && m->type != MSG_CIRCUIT_ORIGINATE)
        command_run_held(w); // what it changes may be what they wait for
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
        circuit_accept(w, m);
        break;
    case MSG_CIRCUIT_ADD_HOP:
        circuit_add_hop(w, m);
        break;
    case MSG_CIRCUIT_SPLICE:
        splice_extend(w, m);
        break;
    case MSG_CIRCUIT_TRUNCATE:
        splice_truncate(w, m);
        break;
    case MSG_CIRCUIT_JOIN:
        splice_join(w, m);
        break;
    case MSG_CIRCUIT_ORIGINATE:
        if (must_wait(w, m)) {
            hold(w, m);
            return;
        }
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
