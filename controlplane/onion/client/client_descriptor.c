// SPDX-License-Identifier: BSD-3-Clause
// The descriptor of a service that is visited: where it is asked for, how long it is kept (protocol
// 8.05–8.11, 9.33; as C tor's cache for clients).
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "onion/client/client_internal.h"
#include "onion/directory/hsdir_request.h"
#include "onion/directory/hsdir_ring.h"
#include "onion/key/client_authorization.h"
#include "onion/key/onion_keys.h"
#include "origin/node/node.h"

static const struct consensus *consensus_of(const struct visit *v)
{
    return node_list_consensus(v->client->origin->nodes);
}

static const struct parameters *parameters_for(const struct visit *v)
{
    return parameters_of(v->client->origin->relay);
}

// By the consensus' time; false: there is none.
static bool epoch_of(const struct visit *v, struct onion_epoch *out)
{
    const struct consensus *c = consensus_of(v);
    if (c)
        *out = onion_epoch_of_client(c, parameters_for(v),
                                     v->client->origin->relay->config->testing_network);
    return c != NULL;
}

static bool same_period(struct time_period a, struct time_period b)
{
    return a.number == b.number && a.length_minutes == b.length_minutes;
}

static bool has_expired_pow(const struct visit *v)
{
    const struct onion_pow_params *pow = &v->descriptor.pow;
    return pow->present && pow->expires_s < (uint64_t)relay_now(v->client->origin->relay) &&
           client_now_ms(v->client) - v->fetched_ms > REFETCH_MS;
}

// ---- where

static const struct hsdir_ring *ring_of(const struct visit *v, const struct onion_epoch *e)
{
    struct onion_client *c = v->client;
    const struct node_list *nodes = c->origin->nodes;
    if (c->ring && same_period(c->ring_period, e->period) &&
        c->ring_generation == node_list_generation(nodes))
        return c->ring;
    hsdir_ring_free(c->ring);
    c->ring = hsdir_ring_make(nodes, e->period, e->srv);
    c->ring_period = e->period;
    c->ring_generation = node_list_generation(nodes);
    return c->ring;
}

static void expire_asked(struct visit *v)
{
    uint64_t now = client_now_ms(v->client);
    bool testing = v->client->origin->relay->config->testing_network;
    uint64_t limit_ms = testing ? HSDIR_ASK_AGAIN_TESTING_MS : HSDIR_ASK_AGAIN_MS;
    unsigned kept = 0;
    for (unsigned i = 0; i < v->n_asked; i++)
        if (now - v->asked[i].at_ms < limit_ms)
            v->asked[kept++] = v->asked[i];
    v->n_asked = kept;
}

static bool was_asked(const struct visit *v, const struct node *dir, const uint8_t blinded[32])
{
    for (unsigned i = 0; i < v->n_asked; i++)
        if (memcmp(v->asked[i].rsa_id, dir->status->rsa_id, 20) == 0 &&
            memcmp(v->asked[i].blinded, blinded, 32) == 0)
            return true;
    return false;
}

static bool note_asked(struct visit *v, const struct node *dir, const uint8_t blinded[32])
{
    if (v->n_asked == v->asked_capacity) {
        unsigned capacity = 2 * v->asked_capacity + 8;
        struct asked *asked = realloc(v->asked, capacity * sizeof(*asked));
        if (!asked)
            return false;
        v->asked = asked;
        v->asked_capacity = capacity;
    }
    struct asked *a = &v->asked[v->n_asked++];
    memcpy(a->rsa_id, dir->status->rsa_id, sizeof(a->rsa_id));
    memcpy(a->blinded, blinded, sizeof(a->blinded));
    a->at_ms = client_now_ms(v->client);
    return true;
}

void descriptor_forget_asked(struct visit *v)
{
    v->n_asked = 0;
}

// A random one; of those that the operator excludes only when there is no other, and he is not
// strict. NULL: all were asked lately, or none is known.
static const struct node *choose_directory(struct visit *v, const struct onion_epoch *e)
{
    const struct node *all[HSDIRS_MAX], *chosen[2] = {NULL, NULL};
    unsigned n_of[2] = {0, 0};
    const struct parameters *p = parameters_for(v);
    const struct node_list *nodes = v->client->origin->nodes;
    const struct hsdir_ring *ring = ring_of(v, e);
    unsigned n = ring ? hsdir_ring_responsible(ring, v->fetch_blinded, (unsigned)p->hsdir_replicas,
                                               (unsigned)p->hsdir_spread_fetch, all, HSDIRS_MAX)
                      : 0;
    expire_asked(v);
    for (unsigned i = 0; i < n; i++) {
        if (!all[i]->has_keys || was_asked(v, all[i], v->fetch_blinded))
            continue;
        unsigned kind = node_excluded(nodes, all[i], NODE_ANYWHERE);
        if (random_uniform(++n_of[kind]) == 0)
            chosen[kind] = all[i];
    }
    if (!chosen[0] && !v->client->origin->relay->config->nodes.strict)
        return chosen[1];
    return chosen[0];
}

// ---- what comes

// Introductions that have not left would be by keys that are none any more.
static void forget(struct visit *v)
{
    struct join *j;
    TAILQ_FOREACH(j, &v->joins, entry)
    {
        pow_drop(j);
        if (j->intro_state != INTRO_SENT)
            intro_close(j);
    }
    v->has_descriptor = false;
    explicit_bzero(&v->descriptor, sizeof(v->descriptor));
    explicit_bzero(v->subcredential, sizeof(v->subcredential));
}

static void note_worst(struct visit *v, enum onion_failure failure)
{
    if (v->worst != ONION_DESCRIPTOR_INVALID)
        v->worst = failure;
}

static void keep(struct visit *v, const struct onion_descriptor *d, const uint8_t subcredential[32])
{
    bool is_older = v->has_descriptor && same_period(v->period, v->fetch_period) &&
                    v->descriptor.revision > d->revision;
    v->fetched_ms = client_now_ms(v->client);
    client_counters(v->client)->onion_descriptors_read++;
    if (!is_older) {
        v->descriptor = *d;
        v->period = v->fetch_period;
        memcpy(v->subcredential, subcredential, sizeof(v->subcredential));
        v->has_descriptor = true;
    }
    log_info("onion client: the descriptor is here: revision %llu, %u introduction points%s%s",
             (unsigned long long)v->descriptor.revision, v->descriptor.n_intro_points,
             v->descriptor.pow.present ? ", asks for work" : "", is_older ? " (as before)" : "");
    if (trouble_any_usable(v)) {
        v->worst = ONION_NO_FAILURE;
        return;
    }
    visit_fail(v, trouble_failure(v));
    descriptor_forget_asked(v); // the next request may try again
}

static void read_descriptor(struct visit *v, const struct blob *text)
{
    struct onion_descriptor d;
    uint8_t subcredential[32];
    const struct client_authorization *keys = v->client->authorization;
    const uint8_t *secret = keys ? client_authorization_find(keys, v->identity) : NULL;
    onion_subcredential(v->identity, v->fetch_blinded, subcredential);
    switch (onion_descriptor_read(text->bytes, text->length, v->fetch_blinded, subcredential,
                                  secret, (uint64_t)consensus_of(v)->valid_after, &d)) {
    case DESCRIPTOR_GOOD:
        keep(v, &d, subcredential);
        break;
    case DESCRIPTOR_NEEDS_AUTH:
        visit_fail(v, ONION_AUTH_MISSING);
        descriptor_forget_asked(v);
        break;
    case DESCRIPTOR_BAD_AUTH:
        visit_fail(v, ONION_AUTH_WRONG);
        descriptor_forget_asked(v);
        break;
    case DESCRIPTOR_MALFORMED:
        client_counters(v->client)->drop_onion_descriptor++;
        note_worst(v, ONION_DESCRIPTOR_INVALID);
        break;
    case DESCRIPTOR_NO_MEMORY:
        note_worst(v, ONION_DESCRIPTOR_NOT_FOUND);
        break;
    }
    explicit_bzero(subcredential, sizeof(subcredential));
}

static void fetched(void *user, enum hsdir_result result, struct blob *text)
{
    struct visit *v = user;
    v->fetch = NULL;
    if (result == HSDIR_REQUEST_DONE && consensus_of(v))
        read_descriptor(v, text);
    else
        note_worst(v, ONION_DESCRIPTOR_NOT_FOUND);
    if (result != HSDIR_REQUEST_DONE)
        log_info("onion client: a directory %s", result == HSDIR_REQUEST_NOT_FOUND
                                                     ? "does not have the descriptor"
                                                     : "could not be asked for the descriptor");
    visit_advance(v);
}

// ---- asking

// They are told what is wrong with what is known, if something is.
static void give_up(struct visit *v)
{
    if (v->has_descriptor && trouble_any_usable(v)) { // there is no newer one
        v->fetched_ms = client_now_ms(v->client);
        return;
    }
    enum onion_failure failure = v->worst ? v->worst : ONION_DESCRIPTOR_NOT_FOUND;
    visit_fail(v, v->has_descriptor ? trouble_failure(v) : failure);
    descriptor_forget_asked(v);
}

static void ask(struct visit *v, const struct onion_epoch *e)
{
    const char *why = "there is no memory";
    v->fetch_period = e->period;
    if (!onion_blind_public(v->identity, e->period, v->fetch_blinded)) {
        visit_fail(v, ONION_ADDRESS_BAD);
        return;
    }
    const struct node *dir = choose_directory(v, e);
    if (!dir) {
        give_up(v);
        return;
    }
    v->fetch = hsdir_request_fetch(v->client->origin, dir, v->fetch_blinded, fetched, v, &why);
    if (!v->fetch) { // there will be another try
        log_info("onion client: a directory can't be asked for a descriptor now: %s", why);
        return;
    }
    note_asked(v, dir, v->fetch_blinded);
    client_counters(v->client)->onion_descriptor_fetches++;
    log_info("onion client: asks directory %s for a descriptor", dir->status->nickname);
}

bool descriptor_want(struct visit *v)
{
    struct onion_epoch now;
    if (!epoch_of(v, &now))
        return false;
    if (v->has_descriptor && !same_period(now.period, v->period))
        forget(v);
    bool usable = v->has_descriptor && trouble_any_usable(v);
    if (usable && !has_expired_pow(v))
        return true;
    if (!v->fetch)
        ask(v, &now);
    return false;
}

void descriptor_tick(struct visit *v)
{
    struct onion_epoch now;
    if (v->has_descriptor && epoch_of(v, &now) && !same_period(v->period, now.period))
        forget(v);
}

void descriptor_drop(struct visit *v)
{
    hsdir_request_cancel(v->fetch);
    v->fetch = NULL;
    forget(v);
}
