// SPDX-License-Identifier: BSD-3-Clause
// Rendezvous cookies, and the joining of the two circuits that named the same.
//
// A cookie is a secret of client and service: who knows it could take the service's place until the
// client has checked its handshake. It is compared in constant time, is good for one RENDEZVOUS1,
// and while somebody waits under it, nobody else can.
#include "onion/relay/rendezvous.h"

#include <string.h>

#include "dos/dos.h"
#include "onion/relay/onion_internal.h"

// When too many wait, whoever has waited longest gives way: its service will hardly come any more,
// while that of the newest may be on its way.
static void make_room(struct onion_table *t)
{
    if (t->cookies.n_nodes < t->waiting_max)
        return;
    t->relay->counters.drop_rendezvous_limit++;
    circuit_close(TAILQ_FIRST(&t->waiting)->circuit, DESTROY_RESOURCELIMIT);
}

void rendezvous_take_establish(struct circuit *c, const struct message *m)
{
    struct relay *relay = c->relay;
    struct onion_table *t = relay->onion;
    struct counters *counters = &relay->counters;
    if (!onion_circuit_is_plain(c)) {
        onion_refuse(c, &counters->drop_onion_role);
        return;
    }
    if (dos_refuses_single_hop(relay) && onion_circuit_is_single_hop(c)) {
        counters->drop_rendezvous_single_hop++; // without a word (5.12)
        return;
    }
    if (m->length != REND_COOKIE_LEN) {
        onion_refuse(c, &counters->drop_rendezvous_malformed);
        return;
    }
    if (keyed_map_find(&t->cookies, m->payload)) {
        onion_refuse(c, &counters->drop_rendezvous_cookie_used);
        return;
    }
    make_room(t);
    if (!onion_entry_add(c, CIRCUIT_RENDEZVOUS, m->payload, REND_COOKIE_LEN)) {
        circuit_close(c, DESTROY_RESOURCELIMIT);
        return;
    }
    counters->rendezvous_established++;
    circuit_originate(c, RELAY_RENDEZVOUS_ESTABLISHED, 0, NULL, 0);
}

// What comes on the first circuit and is not for us goes to the origin of the second from now on.
static struct message *join_message(struct circuit *from, const struct circuit *to)
{
    struct message *m = circuit_message(from, &from->origin, MSG_CIRCUIT_JOIN);
    m->peer.worker = to->origin.worker;
    m->peer.circuit = to->origin.end;
    from->role = CIRCUIT_JOINED;
    return m;
}

static void join(struct circuit *service, struct circuit *client, const uint8_t *handshake,
                 size_t length)
{
    service->joined_with = client;
    client->joined_with = service;
    // The client's first: whatever the service has said already goes behind RENDEZVOUS2.
    struct message *m = join_message(client, service);
    m->peer.relay.command = RELAY_RENDEZVOUS2;
    m->length = (uint16_t)length;
    if (length)
        memcpy(m->payload, handshake, length);
    circuit_send(client, m);
    circuit_send(service, join_message(service, client));
    service->relay->counters.rendezvous_joined++;
}

void rendezvous_take_rendezvous(struct circuit *c, const struct message *m)
{
    struct onion_table *t = c->relay->onion;
    struct counters *counters = &c->relay->counters;
    if (!onion_circuit_is_plain(c)) {
        onion_refuse(c, &counters->drop_onion_role);
        return;
    }
    if (m->length < REND_COOKIE_LEN) {
        onion_refuse(c, &counters->drop_rendezvous_malformed);
        return;
    }
    struct onion_entry *waiting = (struct onion_entry *)keyed_map_find(&t->cookies, m->payload);
    if (!waiting) { // the client may just have given up
        onion_refuse(c, &counters->drop_rendezvous_unknown);
        return;
    }
    struct circuit *client = waiting->circuit;
    onion_entry_free(waiting);
    join(c, client, m->payload + REND_COOKIE_LEN, m->length - REND_COOKIE_LEN);
}

void rendezvous_tick(struct onion_table *t)
{
    for (unsigned i = 0; i < ONION_TICK_MAX; i++) {
        struct onion_entry *oldest = TAILQ_FIRST(&t->waiting);
        if (!oldest || t->relay->uptime_s - oldest->since_s < REND_COOKIE_LIFETIME_S)
            return;
        t->relay->counters.drop_rendezvous_timeout++;
        circuit_close(oldest->circuit, DESTROY_TIMEOUT);
    }
}
