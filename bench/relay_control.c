// SPDX-License-Identifier: BSD-3-Clause
// Links and circuits, set up over the workers' channels.
#include "relay_control.h"

#include <string.h>

#include <rte_cycles.h>
#include <rte_pause.h>
#include <rte_ring.h>

enum { CREATES_UNDER_WAY_MAX = 256, CONNECTS_UNDER_WAY_MAX = 48, MESSAGES = 64, PATIENCE_S = 20 };

struct setup {
    struct dataplane *dp;
    struct neighbours *n;
    unsigned links_open;
    unsigned circuits_asked, circuits_ready;
    uint64_t progress; // links and circuits, when there was one more
    uint64_t until_tsc;
};

static struct message *message_to(struct setup *s, unsigned worker, enum message_type type)
{
    return channel_message_down(dataplane_channel(s->dp, worker), type);
}

static void send(struct setup *s, struct message *m)
{
    channel_send_down(dataplane_channel(s->dp, m->worker), m);
}

static struct neighbour_link *link_by_port(struct neighbours *n, uint16_t port)
{
    for (unsigned i = 0; i < n->options->links; i++)
        if (n->links[i].port == port)
            return &n->links[i];
    return NULL;
}

static struct neighbour_link *link_by_handle(struct neighbours *n, unsigned worker,
                                             struct handle conn)
{
    for (unsigned i = 0; i < n->options->links; i++)
        if (n->links[i].worker == worker && n->links[i].conn.index == conn.index &&
            n->links[i].conn.generation == conn.generation)
            return &n->links[i];
    return NULL;
}

static void accepted(struct setup *s, const struct message *m)
{
    static const uint8_t versions[] = {0, 2, 0, 5};
    struct neighbours *n = s->n;
    struct neighbour_link *link = link_by_port(n, m->address.port);
    if (!link)
        return;
    unsigned index = (unsigned)(link - n->links);
    link->worker = m->worker;
    link->conn = m->conn;
    if (m->worker < n->wire->n_queues) // as RSS would bring it there
        n->wire->queue_of_port[link->port] = m->worker;
    struct message *start = message_to(s, m->worker, MSG_TLS_START);
    start->secret = true;
    start->conn = m->conn;
    neighbours_link_keys(n->options, index, true, &start->tls.rx);
    neighbours_link_keys(n->options, index, false, &start->tls.tx);
    send(s, start);
    neighbours_start_records(n, link);
    neighbours_send_cell(n, link, 0, CELL_VERSIONS, versions, sizeof(versions));
    neighbours_send_cell(n, link, 0, CELL_NETINFO, "", 0);
}

static void link_cell(struct setup *s, const struct message *m)
{
    if (m->link_cell.command != CELL_NETINFO || !link_by_handle(s->n, m->worker, m->conn))
        return;
    struct message *open = message_to(s, m->worker, MSG_LINK_OPEN);
    open->conn = m->conn;
    send(s, open);
    s->links_open++;
}

// Moves the circuit's other end to a link of the right worker, if there is one.
static void choose_away_link(struct neighbours *n, struct bench_circuit *c, unsigned worker)
{
    unsigned half = n->options->links / 2;
    enum relay_cross cross = n->options->cross;
    bool crosses = cross == CROSS_ALL || (cross == CROSS_HALF && (c - n->circuits) / half % 2);
    for (unsigned i = 0; i < half && cross != CROSS_ANY; i++) {
        unsigned link = half + (c->away_link - half + i) % half;
        if ((n->links[link].worker != worker) == crosses) {
            c->away_link = (uint16_t)link;
            return;
        }
    }
}

static void accept(struct setup *s, const struct message *m, uint32_t index, unsigned material)
{
    struct message *accept = message_to(s, m->worker, MSG_CIRCUIT_ACCEPT);
    accept->circuit = m->circuit;
    accept->secret = true;
    accept->command = CELL_CREATED2;
    accept->crypto.kind = s->n->options->cgo ? CIRCUIT_CRYPTO_CGO : CIRCUIT_CRYPTO_TOR1;
    neighbours_material(material, accept->crypto.material);
    accept->length = sizeof(index);
    memcpy(accept->payload, &index, sizeof(index));
    send(s, accept);
}

// The second of two circuits stands, so both do.
static void join(struct setup *s, struct bench_circuit *c)
{
    struct message *second = message_to(s, c->away_worker, MSG_CIRCUIT_JOIN);
    second->circuit = c->away_end;
    second->peer.worker = c->origin_worker;
    second->peer.circuit = c->origin_end;
    send(s, second);
    struct message *first = message_to(s, c->origin_worker, MSG_CIRCUIT_JOIN);
    first->circuit = c->origin_end;
    first->peer.worker = c->away_worker;
    first->peer.circuit = c->away_end;
    first->peer.relay.command = RELAY_RENDEZVOUS2;
    send(s, first);
    c->ready = true;
    s->circuits_ready++;
}

static void created_by_peer(struct setup *s, const struct message *m)
{
    struct neighbours *n = s->n;
    uint32_t index;
    memcpy(&index, m->payload, sizeof(index));
    struct bench_circuit *c = &n->circuits[index & ~NEIGHBOUR_SECOND];
    if (index & NEIGHBOUR_SECOND) {
        index &= ~NEIGHBOUR_SECOND;
        c->away_end = m->circuit;
        accept(s, m, index, neighbours_second(index));
        join(s, c);
        return;
    }
    choose_away_link(n, c, m->worker);
    const struct neighbour_link *away = &n->links[c->away_link];
    c->origin_end = m->circuit;
    c->origin_worker = m->worker;
    c->away_worker = away->worker;
    accept(s, m, index, index);
    if (c->joined) {
        neighbours_begin_second(n, index);
        return;
    }
    struct message *dial = message_to(s, away->worker, MSG_CIRCUIT_DIAL);
    dial->conn = away->conn;
    dial->cookie = index + 1;
    dial->command = CELL_CREATE2;
    dial->length = sizeof(index);
    memcpy(dial->payload, &index, sizeof(index));
    send(s, dial);
}

static void splice(struct setup *s, const struct message *m)
{
    struct bench_circuit *c = &s->n->circuits[m->cookie - 1];
    struct message *splice = message_to(s, c->origin_worker, MSG_CIRCUIT_SPLICE);
    splice->circuit = c->origin_end;
    splice->peer.worker = c->away_worker;
    splice->peer.circuit = c->away_end;
    splice->peer.relay.command = RELAY_EXTENDED2;
    send(s, splice);
    c->ready = true;
    s->circuits_ready++;
}

static void take_message(struct setup *s, const struct message *m)
{
    switch ((enum message_type)m->type) {
    case MSG_CONN_ACCEPTED:
        accepted(s, m);
        break;
    case MSG_LINK_CELL:
        link_cell(s, m);
        break;
    case MSG_CIRCUIT_CREATE:
        created_by_peer(s, m);
        break;
    case MSG_CIRCUIT_DIALLED:
        s->n->circuits[m->cookie - 1].away_end = m->circuit;
        break;
    case MSG_CIRCUIT_CREATED:
        splice(s, m);
        break;
    case MSG_CIRCUIT_CLOSED:
        s->n->broken = "the relay ended a circuit";
        break;
    case MSG_CONN_CLOSED:
        s->n->broken = "the relay ended a link";
        break;
    default:
        break;
    }
}

static void turn(struct setup *s)
{
    for (unsigned w = 0; w < dataplane_workers(s->dp); w++) {
        struct message *messages[MESSAGES];
        unsigned count = channel_receive_up(dataplane_channel(s->dp, w), messages, MESSAGES);
        for (unsigned i = 0; i < count; i++) {
            take_message(s, messages[i]);
            channel_free(messages[i]);
        }
    }
    neighbours_turn(s->n);
    uint64_t progress = s->links_open + s->circuits_ready + s->n->extended;
    if (progress != s->progress)
        s->until_tsc = rte_rdtsc() + PATIENCE_S * rte_get_tsc_hz();
    s->progress = progress;
    if (rte_rdtsc() > s->until_tsc && !s->n->broken)
        s->n->broken = "links and circuits did not come about in time";
}

static bool open_links(struct setup *s)
{
    struct message *listen = message_to(s, 0, MSG_LISTEN);
    struct address address = address_ipv4(WIRE_RELAY_ADDRESS, 9001);
    for (unsigned w = 0; w < dataplane_workers(s->dp); w++) {
        if (w)
            listen = message_to(s, w, MSG_LISTEN);
        listen->address = address;
        send(s, listen);
        // Once it has been taken it is carried out before the worker looks at another packet.
        while (!rte_ring_empty(dataplane_channel(s->dp, w)->down))
            rte_pause();
    }
    unsigned links = s->n->options->links, asked = 0;
    while (!s->n->broken && s->links_open < links) {
        for (; asked < links && asked - s->links_open < CONNECTS_UNDER_WAY_MAX; asked++)
            if (!neighbours_connect(s->n, &s->n->links[asked]))
                s->n->broken = "a neighbour could not connect";
        turn(s);
    }
    return !s->n->broken;
}

static bool open_circuits(struct setup *s)
{
    struct neighbours *n = s->n;
    while (!n->broken && n->extended < n->options->circuits) {
        while (s->circuits_asked < n->options->circuits &&
               s->circuits_asked - n->extended < CREATES_UNDER_WAY_MAX) {
            uint32_t index = s->circuits_asked++;
            struct bench_circuit *c = &n->circuits[index];
            uint32_t circid = CIRCID_INITIATOR_BIT | (index + 1);
            c->forward.in_circid = c->backward.out_circid = circid;
            neighbours_send_cell(n, &n->links[c->origin_link], circid, CELL_CREATE2, &index,
                                 sizeof(index));
        }
        turn(s);
    }
    return !n->broken;
}

bool control_set_up(struct dataplane *dp, struct neighbours *n)
{
    struct setup s = {.dp = dp, .n = n};
    s.until_tsc = rte_rdtsc() + PATIENCE_S * rte_get_tsc_hz();
    if (!open_links(&s) || !open_circuits(&s))
        return false;
    if (!neighbours_make_flows(n))
        n->broken = "no memory for the generators";
    return !n->broken;
}

void control_listen(struct dataplane *dp, struct neighbours *n)
{
    struct setup s = {.dp = dp, .n = n, .until_tsc = UINT64_MAX};
    for (unsigned w = 0; w < dataplane_workers(dp); w++) {
        struct message *messages[MESSAGES];
        unsigned count = channel_receive_up(dataplane_channel(dp, w), messages, MESSAGES);
        for (unsigned i = 0; i < count; i++) {
            take_message(&s, messages[i]);
            channel_free(messages[i]);
        }
    }
}
