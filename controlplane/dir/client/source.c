// SPDX-License-Identifier: BSD-3-Clause
// Choosing authorities, caches, fallback directories and guards.
#include "dir/client/source.h"

#include <stdio.h>
#include <string.h>

#include "config/config.h"
#include "crypto/random.h"
#include "dir/store/store.h"
#include "identity/identity.h"
#include "netdoc/microdescriptor.h"
#include "origin/guard/guard.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "relay.h"

enum {
    AVOIDED_S = 60, // after a failure, and longer after several
    AVOIDED_MAX_S = 1800,
    AVOIDED_TESTING_S = 5,
    CACHE_DRAWS = 16,
    GUARD_DRAWS = 6, // of the three that may be
};

static bool is_ourselves(const struct relay *relay, const uint8_t rsa_id[20])
{
    return relay->identity != NULL && memcmp(relay->identity->rsa_id, rsa_id, 20) == 0;
}

// ---- who failed

static int find_failure(const struct source_failures *f, const uint8_t rsa_id[20])
{
    for (int i = 0; i < SOURCE_FAILURES_MAX; i++)
        if (f->entries[i].failures > 0 && memcmp(f->entries[i].rsa_id, rsa_id, 20) == 0)
            return i;
    return -1;
}

static bool failed_lately(const struct source_failures *f, const uint8_t rsa_id[20], time_t now)
{
    int i = find_failure(f, rsa_id);
    return i >= 0 && now < f->entries[i].until && f->entries[i].until - now <= AVOIDED_MAX_S;
}

static unsigned failures_of(const struct source_failures *f, const uint8_t rsa_id[20])
{
    int i = find_failure(f, rsa_id);
    return i < 0 ? 0 : f->entries[i].failures;
}

void source_note_failure(struct source_failures *failures, const struct source *source, time_t now,
                         bool testing_network)
{
    const uint8_t *rsa_id = source->target.relay.rsa_id;
    int i = find_failure(failures, rsa_id);
    if (i < 0) {
        i = (int)(failures->next++ % SOURCE_FAILURES_MAX);
        memcpy(failures->entries[i].rsa_id, rsa_id, 20);
        failures->entries[i].failures = 0;
    }
    time_t avoided = AVOIDED_S;
    for (unsigned n = failures->entries[i].failures++; n > 0 && avoided < AVOIDED_MAX_S; n--)
        avoided *= 2;
    if (avoided > AVOIDED_MAX_S)
        avoided = AVOIDED_MAX_S;
    failures->entries[i].until = now + (testing_network ? AVOIDED_TESTING_S : avoided);
}

void source_note_success(struct source_failures *failures, const struct source *source)
{
    int i = find_failure(failures, source->target.relay.rsa_id);
    if (i >= 0)
        failures->entries[i].failures = 0;
}

// ---- authorities

// One whose OR port did not do is tried by its directory port every second time; but a client never
// asks in the clear.
static void fill_authority(const struct config_authority *a, bool dir_port, unsigned failures,
                           struct source *out)
{
    *out = (struct source){.kind = SOURCE_AUTHORITY};
    memcpy(out->target.relay.rsa_id, a->identity, 20);
    if (dir_port && a->dir_port != 0) {
        out->target.dir_port = a->address;
        out->target.dir_port.port = a->dir_port;
    }
    if (!dir_port || a->dir_port == 0 || failures % 2 == 0) {
        out->target.relay.addresses[0] = a->address;
        out->target.relay.addresses[0].port = a->or_port;
        out->target.relay.n_addresses = 1;
    }
    memcpy(out->name, a->nickname, sizeof(out->name) - 1);
}

_Static_assert((int)CONFIG_NICKNAME_MAX == (int)SOURCE_NAME_MAX, "names of authorities fit");

bool source_choose_authority(const struct relay *relay, const struct source_failures *failures,
                             source_busy_fn busy, void *user, struct source *out)
{
    const struct config *config = relay->config;
    const struct config_authority *chosen[2] = {NULL, NULL}; // good ones, and those that failed
    unsigned n[2] = {0, 0};
    for (unsigned i = 0; i < config->directory_authority_count; i++) {
        const struct config_authority *a = &config->directory_authorities[i];
        if (is_ourselves(relay, a->identity) || (busy != NULL && busy(user, a->identity)))
            continue;
        bool failed = failed_lately(failures, a->identity, relay_now(relay));
        if (random_uniform(++n[failed]) == 0) // each of them is as likely as the others
            chosen[failed] = a;
    }
    const struct config_authority *a = chosen[0] != NULL ? chosen[0] : chosen[1];
    if (a == NULL)
        return false;
    fill_authority(a, config_is_relay(config), failures_of(failures, a->identity), out);
    return true;
}

// ---- fallback directories

static void fill_fallback(const struct config_fallback *f, struct source *out)
{
    *out = (struct source){.kind = SOURCE_FALLBACK};
    struct link_target *target = &out->target.relay;
    memcpy(target->rsa_id, f->identity, 20);
    target->has_ed_id = f->has_ed_identity;
    memcpy(target->ed_id, f->ed_identity, sizeof(target->ed_id));
    target->addresses[0] = f->address;
    target->n_addresses = 1;
    if (f->nickname[0] != '\0')
        memcpy(out->name, f->nickname, sizeof(out->name) - 1);
    else
        snprintf(out->name, sizeof(out->name), "$%02X%02X%02X%02X", f->identity[0], f->identity[1],
                 f->identity[2], f->identity[3]);
}

bool source_choose_fallback(const struct relay *relay, const struct source_failures *failures,
                            source_busy_fn busy, void *user, struct source *out)
{
    const struct config *config = relay->config;
    const struct config_fallback *chosen[2] = {NULL, NULL}; // good ones, and those that failed
    unsigned n[2] = {0, 0};
    for (unsigned i = 0; i < config->fallback_directory_count; i++) {
        const struct config_fallback *f = &config->fallback_directories[i];
        if (busy != NULL && busy(user, f->identity))
            continue;
        bool failed = failed_lately(failures, f->identity, relay_now(relay));
        if (random_uniform(++n[failed]) == 0)
            chosen[failed] = f;
    }
    const struct config_fallback *f = chosen[0] != NULL ? chosen[0] : chosen[1];
    if (f != NULL)
        fill_fallback(f, out);
    return f != NULL;
}

// ---- guards

static void fill_guard(struct guard_use *use, const struct own_circuit_hop *hop,
                       const struct node *node, struct source *out)
{
    *out = (struct source){.kind = SOURCE_GUARD, .guard = use};
    out->target.relay = hop->target;
    out->target.has_ntor_key = hop->has_ntor_key;
    memcpy(out->target.ntor_key, hop->ntor_key, sizeof(out->target.ntor_key));
    if (node != NULL)
        memcpy(out->name, node->status->nickname, sizeof(out->name) - 1);
}

bool source_choose_guard(const struct relay *relay, const struct source_failures *failures,
                         struct source *out)
{
    const struct guard_restriction any = {.for_directory = true};
    if (relay->origin == NULL || relay->origin->guards == NULL)
        return false;
    for (unsigned i = 0; i < GUARD_DRAWS; i++) {
        struct own_circuit_hop hop = {0};
        const struct node *node = NULL;
        struct guard_use *use = guard_choose(relay->origin->guards, &any, &hop, &node);
        if (use == NULL)
            return false;
        bool last = i + 1 == GUARD_DRAWS;
        if (last || !failed_lately(failures, hop.target.rsa_id, relay_now(relay))) {
            fill_guard(use, &hop, node, out);
            return true;
        }
        guard_use_end(use);
    }
    return false;
}

const char *source_kind_name(const struct source *source)
{
    static const char *const names[] = {[SOURCE_CACHE] = "cache",
                                        [SOURCE_AUTHORITY] = "authority",
                                        [SOURCE_FALLBACK] = "fallback directory",
                                        [SOURCE_GUARD] = "guard"};
    return names[source->kind];
}

// ---- caches

static bool is_authority(const struct config *config, const uint8_t rsa_id[20])
{
    for (unsigned i = 0; i < config->directory_authority_count; i++)
        if (memcmp(config->directory_authorities[i].identity, rsa_id, 20) == 0)
            return true;
    return false;
}

static bool is_cache(const struct relay *relay, const struct router_status *r)
{
    return (r->flags & ROUTER_V2DIR) && r->ipv4.family == ADDRESS_IPV4 && r->ipv4.port != 0 &&
           !is_ourselves(relay, r->rsa_id) && !is_authority(relay->config, r->rsa_id);
}

static void fill_cache(const struct relay *relay, const struct router_status *r, struct source *out)
{
    struct relay_keys keys;
    *out = (struct source){0};
    struct link_target *target = &out->target.relay;
    memcpy(target->rsa_id, r->rsa_id, 20);
    target->addresses[0] = r->ipv4;
    target->n_addresses = 1;
    if (store_relay_keys(relay->store, r->rsa_id, &keys)) {
        target->has_ed_id = keys.has_ed_id;
        memcpy(target->ed_id, keys.ed_id, sizeof(keys.ed_id));
        out->target.has_ntor_key = true;
        memcpy(out->target.ntor_key, keys.ntor_key, sizeof(keys.ntor_key));
    }
    memcpy(out->name, r->nickname, sizeof(out->name) - 1);
}

static const struct consensus *consensus_of(const struct relay *relay)
{
    const struct stored_consensus *c = store_consensus(relay->store, CONSENSUS_MICRODESC, 0);
    if (c == NULL)
        c = store_consensus(relay->store, CONSENSUS_NS, 0);
    return c == NULL ? NULL : c->parsed;
}

static const struct router_status *draw(const struct relay *relay, const struct consensus *c,
                                        uint64_t total)
{
    uint64_t at;
    random_bytes(&at, sizeof(at));
    at %= total;
    for (size_t i = 0; i < c->n_routers; i++) {
        const struct router_status *r = &c->routers[i];
        if (!is_cache(relay, r))
            continue;
        uint64_t weight = (uint64_t)r->bandwidth + 1;
        if (at < weight)
            return r;
        at -= weight;
    }
    return NULL;
}

bool source_choose_cache(const struct relay *relay, const struct source_failures *failures,
                         source_busy_fn busy, void *user, struct source *out)
{
    const struct consensus *c = consensus_of(relay);
    uint64_t total = 0;
    for (size_t i = 0; c != NULL && i < c->n_routers; i++)
        if (is_cache(relay, &c->routers[i]))
            total += (uint64_t)c->routers[i].bandwidth + 1;
    for (int i = 0; i < CACHE_DRAWS && total > 0; i++) {
        const struct router_status *r = draw(relay, c, total);
        if (r == NULL || (busy != NULL && busy(user, r->rsa_id)) ||
            failed_lately(failures, r->rsa_id, relay_now(relay)))
            continue;
        fill_cache(relay, r, out);
        return true;
    }
    return false;
}
