// SPDX-License-Identifier: BSD-3-Clause
// Which circuits have a role in onion services, and what ends it.
#include "onion/relay/onion.h"

#include <stdlib.h>
#include <string.h>

#include "link/link.h"
#include "onion/relay/onion_internal.h"
#include "stream/circuit_streams.h"

_Static_assert(offsetof(struct onion_entry, key) == sizeof(struct keyed_node),
               "the key follows the node");

struct onion_table *onion_table_create(struct relay *relay)
{
    struct onion_table *t = calloc(1, sizeof(*t));
    if (!t)
        return NULL;
    t->relay = relay;
    TAILQ_INIT(&t->waiting);
    unsigned half = relay->config->dataplane.max_circuits / 2;
    t->waiting_max = half > REND_WAITING_MIN ? half : REND_WAITING_MIN;
    if (keyed_map_init(&t->introductions, INTRO_AUTH_KEY_LEN) &&
        keyed_map_init(&t->cookies, REND_COOKIE_LEN) && replay_filter_init(&t->replays))
        return t;
    onion_table_free(t);
    return NULL;
}

void onion_table_free(struct onion_table *t)
{
    if (!t)
        return;
    keyed_map_release(&t->introductions);
    keyed_map_release(&t->cookies);
    replay_filter_release(&t->replays);
    free(t);
}

// ---- roles

bool onion_circuit_is_plain(const struct circuit *c)
{
    // One that was extended before may still wait for its layer towards the origin to come back;
    // nobody who builds circuits for a role makes such detours.
    return c->state == CIRCUIT_OPEN && c->role == CIRCUIT_NO_ROLE && circuit_stream_count(c) == 0 &&
           c->truncated.end.generation == 0;
}

bool onion_circuit_is_single_hop(const struct circuit *c)
{
    const struct link *link = link_find(c->relay, c->origin.worker, c->origin.conn);
    return !link || !link_peer_is_relay(link);
}

void onion_refuse(struct circuit *c, uint64_t *counter)
{
    ++*counter;
    circuit_close(c, DESTROY_PROTOCOL);
}

struct onion_entry *onion_entry_add(struct circuit *c, enum circuit_role role, const uint8_t *key,
                                    size_t key_length)
{
    struct onion_table *t = c->relay->onion;
    struct onion_entry *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    memcpy(e->key, key, key_length);
    e->circuit = c;
    e->since_s = c->relay->uptime_s;
    c->onion = e;
    c->role = role;
    if (role == CIRCUIT_INTRODUCTION) {
        keyed_map_add(&t->introductions, &e->node);
        c->relay->counters.intro_points_open++;
    } else {
        keyed_map_add(&t->cookies, &e->node);
        TAILQ_INSERT_TAIL(&t->waiting, e, waiting);
        c->relay->counters.rendezvous_waiting++;
    }
    return e;
}

void onion_entry_free(struct onion_entry *e)
{
    if (!e)
        return;
    struct circuit *c = e->circuit;
    struct onion_table *t = c->relay->onion;
    if (c->role == CIRCUIT_INTRODUCTION) {
        keyed_map_remove(&t->introductions, &e->node);
        c->relay->counters.intro_points_open--;
    } else {
        keyed_map_remove(&t->cookies, &e->node);
        TAILQ_REMOVE(&t->waiting, e, waiting);
        c->relay->counters.rendezvous_waiting--;
    }
    c->role = CIRCUIT_NO_ROLE;
    c->onion = NULL;
    explicit_bzero(e, sizeof(*e)); // a cookie is a secret
    free(e);
}

void onion_circuit_closed(struct circuit *c)
{
    onion_entry_free(c->onion);
    if (!c->joined_with)
        return;
    c->joined_with->joined_with = NULL;
    c->joined_with = NULL;
}

// ---- dispatch

bool onion_take_relay_message(struct circuit *c, const struct message *m)
{
    if (!c->relay->onion)
        return false;
    switch (m->relay.command) {
    case RELAY_ESTABLISH_INTRO:
        introduction_take_establish(c, m);
        return true;
    case RELAY_INTRODUCE1:
        introduction_take_introduce(c, m);
        return true;
    case RELAY_ESTABLISH_RENDEZVOUS:
        rendezvous_take_establish(c, m);
        return true;
    case RELAY_RENDEZVOUS1:
        rendezvous_take_rendezvous(c, m);
        return true;
    default:
        return false;
    }
}

void onion_tick(struct relay *relay)
{
    if (relay->onion)
        rendezvous_tick(relay->onion);
}
