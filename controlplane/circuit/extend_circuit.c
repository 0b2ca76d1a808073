// SPDX-License-Identifier: BSD-3-Clause
// Extending a circuit: a link to the next hop, CREATE2 on it, and the splice when it answers
// (protocol 2.26–2.34).
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "circuit/circuit_internal.h"
#include "connection.h"
#include "crypto/cgo_message.h"
#include "dir/store/store.h"
#include "identity/identity.h"
#include "link/link.h"
#include "stream/circuit_streams.h"

static void refuse(struct circuit *c, enum destroy_reason reason)
{
    c->relay->counters.drop_extend_refused++;
    circuit_close(c, reason);
}

void circuit_stop_extending(struct circuit *c)
{
    if (c->link_request)
        link_request_cancel(c->link_request);
    c->link_request = NULL;
    free(c->extend);
    c->extend = NULL;
}

static void link_ready(void *user, struct link *link, enum destroy_reason reason)
{
    struct circuit *c = user;
    c->link_request = NULL;
    if (!link) {
        c->relay->counters.drop_extend_failed++;
        circuit_close(c, reason);
        return;
    }
    struct connection *conn = link_connection(link);
    struct message *m = channel_message_down(c->relay->channels[conn->worker], MSG_CIRCUIT_DIAL);
    m->conn = conn->handle;
    m->cookie = c->id;
    m->command = CELL_CREATE2;
    m->length = c->extend->create2_length;
    memcpy(m->payload, c->extend->create2, m->length);
    circuit_stop_extending(c);
    c->state = CIRCUIT_DIALLED;
    c->next = (struct circuit_place){.worker = conn->worker, .conn = conn->handle};
    link_note_circuit(c->relay, conn->worker, conn->handle, 1);
    circuit_send(c, m);
}

// The sender may know less of the next hop than we do (2.31).
static void complete(const struct circuit *c, struct link_target *target)
{
    struct relay_keys keys;
    if (target->has_ed_id || !store_relay_keys(c->relay->store, target->rsa_id, &keys) ||
        !keys.has_ed_id)
        return;
    memcpy(target->ed_id, keys.ed_id, sizeof(keys.ed_id));
    target->has_ed_id = true;
}

// Neither ourselves nor the hop that it came from (2.30).
static bool leads_back(const struct circuit *c, const struct link_target *target)
{
    const struct identity *identity = c->relay->identity;
    if (memcmp(target->rsa_id, identity->rsa_id, sizeof(target->rsa_id)) == 0)
        return true;
    if (target->has_ed_id &&
        memcmp(target->ed_id, identity->master.public_key, sizeof(target->ed_id)) == 0)
        return true;
    struct link *previous = link_find(c->relay, c->origin.worker, c->origin.conn);
    return previous && link_peer_is_relay(previous) && link_peer_is(previous, target->rsa_id, NULL);
}

void circuit_extend(struct circuit *c, const uint8_t *body, size_t length)
{
    bool may = c->role == CIRCUIT_NO_ROLE || c->role == CIRCUIT_INTRODUCING;
    if (c->state != CIRCUIT_OPEN || !may) {
        refuse(c, DESTROY_PROTOCOL);
        return;
    }
    struct extend_request *extend = malloc(sizeof(*extend));
    if (!extend) {
        refuse(c, DESTROY_RESOURCELIMIT);
        return;
    }
    c->extend = extend;
    if (!extend_parse(body, length, extend)) {
        c->relay->counters.drop_extend_malformed++;
        circuit_close(c, DESTROY_PROTOCOL);
        return;
    }
    complete(c, &extend->target);
    if (!extend_filter_addresses(&extend->target, c->relay->config->testing_network) ||
        leads_back(c, &extend->target)) {
        refuse(c, DESTROY_PROTOCOL);
        return;
    }
    c->state = CIRCUIT_LINKING;
    uint64_t id = c->id;
    struct circuit_table *t = c->relay->circuits;
    struct link_request *request = link_get(c->relay, &extend->target, link_ready, c);
    // The answer may have come already, and have closed the circuit.
    if (request && circuit_get(t, id))
        c->link_request = request;
}

void circuit_extended(struct circuit *c, const struct message *m)
{
    struct reader r = reader_of(m->payload, m->length);
    uint16_t data_length = read_u16(&r);
    int most = c->crypto_kind == CIRCUIT_CRYPTO_CGO ? CGO_MESSAGE_BODY_MAX : RELAY_BODY_MAX;
    bool fits = read_bytes(&r, data_length) && 2 + data_length <= most; // 2.03
    if (m->command != CELL_CREATED2 || !fits) {
        circuit_close(c, DESTROY_PROTOCOL);
        return;
    }
    struct message *splice = circuit_message(c, &c->origin, MSG_CIRCUIT_SPLICE);
    splice->peer.worker = c->next.worker;
    splice->peer.circuit = c->next.end;
    splice->peer.relay.command = RELAY_EXTENDED2;
    splice->length = (uint16_t)(2 + data_length);
    memcpy(splice->payload, m->payload, splice->length);
    circuit_send(c, splice);
    c->state = CIRCUIT_EXTENDED;
    c->relay->counters.circuits_extended++;
    circuit_streams_resume(c);
}

static void truncate_next_hop(struct circuit *c, enum destroy_reason reason)
{
    struct message *m = circuit_message(c, &c->next, MSG_CIRCUIT_TRUNCATE);
    m->close.reason = (uint8_t)reason;
    m->relay.command = RELAY_TRUNCATED;
    m->length = 1;
    m->payload[0] = DESTROY_REQUESTED;
    circuit_send(c, m);
    struct circuit_place next = c->next;
    c->next.end.generation = 0; // is found by its handle until it can't close any more
    circuit_leave(c, &c->next);
    circuit_leave(c, &c->truncated);
    c->truncated = (struct circuit_place){.worker = next.worker, .end = next.end};
}

void circuit_truncate(struct circuit *c, enum destroy_reason reason)
{
    const uint8_t requested = DESTROY_REQUESTED;
    if (c->state == CIRCUIT_EXTENDED) {
        truncate_next_hop(c, reason);
        c->state = CIRCUIT_OPEN;
        circuit_streams_resume(c);
        return;
    }
    circuit_stop_extending(c);
    circuit_close_place(c, &c->next, reason);
    circuit_leave(c, &c->next);
    circuit_renew_id(c); // what a dial still says finds nobody, and its end is closed
    c->state = CIRCUIT_OPEN;
    circuit_originate(c, RELAY_TRUNCATED, 0, &requested, 1);
    circuit_streams_resume(c);
}
