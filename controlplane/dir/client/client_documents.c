// SPDX-License-Identifier: BSD-3-Clause
// The documents that the consensus lists and that are missing: asked for in batches (9.11).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/encoding.h"
#include "dir/client/client_internal.h"
#include "dir/network_view.h"
#include "origin/guard/guard.h"
#include "origin/origin.h"

enum {
    BATCHES_LEAST = 3, // a directory that leaves some out is noticed by the others' answers
    BATCH_LEAST = 32,
    BATCH_MOST = 96,
    BATCH_MOST_MICRODESCRIPTORS = 90,
    BATCH_MOST_CLIENT = 500, // it asks over circuits
    PATH_BYTES = 32 + BATCH_MOST_CLIENT * 45,
    // A client with enough of them does not ask for fewer, for so long.
    WORTH_ASKING = 16,
    FEW_WAIT_S = 600,
    FEW_WAIT_TESTING_S = 5,
};

enum { PRIMARIES_MAX = 8 };

static const uint8_t no_digest[32];

static enum consensus_flavour flavour_of(enum fetch_kind kind)
{
    return kind == FETCH_MICRODESCRIPTORS ? CONSENSUS_MICRODESC : CONSENSUS_NS;
}

static size_t key_length(enum fetch_kind kind)
{
    return kind == FETCH_MICRODESCRIPTORS ? 32 : 20;
}

static const struct consensus *consensus_of(const struct directory_client *c, enum fetch_kind kind)
{
    const struct stored_consensus *held = store_consensus(c->relay->store, flavour_of(kind), 0);
    return held == NULL ? NULL : held->parsed;
}

// What this kind of document of the relay is called; NULL: it has none, or nobody can say yet.
static const uint8_t *digest_of(const struct directory_client *c, enum fetch_kind kind,
                                const struct router_status *r)
{
    if (kind == FETCH_MICRODESCRIPTORS)
        return memcmp(r->digest, no_digest, 32) == 0 ? NULL : r->digest;
    if (kind == FETCH_DESCRIPTORS)
        return r->digest;
    const struct router_document *d = store_descriptor(c->relay->store, r->digest);
    if (d == NULL || memcmp(d->extra_info_sha1, no_digest, 20) == 0)
        return NULL;
    return d->extra_info_sha1;
}

static bool is_here(const struct directory_client *c, enum fetch_kind kind, const uint8_t *digest)
{
    static const enum store_kind kinds[FETCH_KINDS] = {
        [FETCH_MICRODESCRIPTORS] = STORE_MICRODESCRIPTOR,
        [FETCH_DESCRIPTORS] = STORE_DESCRIPTOR,
        [FETCH_EXTRA_INFOS] = STORE_EXTRA_INFO,
    };
    return store_get(c->relay->store, kinds[kind], digest) != NULL;
}

size_t client_documents_here(const struct directory_client *c, enum fetch_kind kind, size_t *total)
{
    const struct consensus *consensus = consensus_of(c, kind);
    size_t here = 0;
    *total = 0;
    for (size_t i = 0; consensus != NULL && i < consensus->n_routers; i++) {
        const uint8_t *digest = digest_of(c, kind, &consensus->routers[i]);
        *total += digest != NULL;
        here += digest != NULL && is_here(c, kind, digest);
    }
    return here;
}

// ---- what is missing

struct missing {
    struct wanted *wanted;
    size_t n;
};

// Once most documents are there, authorities are spared: they are asked for what a cache has not
// got. Before, and every now and then when they fail, the other way round. Few caches have
// extra-infos.
static bool wants_cache(const struct directory_client *c, enum fetch_kind kind, unsigned failures)
{
    if (!c->cache)
        return false; // it has guards
    return c->complete && kind != FETCH_EXTRA_INFOS ? failures % 2 == 0
                                                    : failures >= 3 && failures % 2 == 1;
}

static bool find_missing(struct directory_client *c, enum fetch_kind kind, time_t now,
                         struct missing groups[2])
{
    const struct consensus *consensus = consensus_of(c, kind);
    size_t n = consensus == NULL ? 0 : consensus->n_routers;
    for (int g = 0; g < 2; g++)
        groups[g] = (struct missing){.wanted = calloc(n + 1, sizeof(struct wanted))};
    if (groups[0].wanted == NULL || groups[1].wanted == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *digest = digest_of(c, kind, &consensus->routers[i]);
        if (digest == NULL || is_here(c, kind, digest) ||
            !client_download_is_ready(c, kind, digest, now))
            continue;
        struct missing *m =
            &groups[wants_cache(c, kind, client_download_failures(c, kind, digest))];
        memcpy(m->wanted[m->n++].key, digest, key_length(kind));
    }
    return true;
}

// ---- asking

static size_t batch_size(const struct directory_client *c, enum fetch_kind kind, size_t n)
{
    size_t most = kind == FETCH_MICRODESCRIPTORS ? BATCH_MOST_MICRODESCRIPTORS : BATCH_MOST;
    if (!c->cache)
        most = BATCH_MOST_CLIENT;
    size_t size = (n + BATCHES_LEAST - 1) / BATCHES_LEAST;
    if (size < BATCH_LEAST)
        size = BATCH_LEAST;
    return size < most ? size : most;
}

static void write_path(enum fetch_kind kind, const struct wanted *wanted, size_t n,
                       char path[PATH_BYTES])
{
    static const char *const beginnings[FETCH_KINDS] = {
        [FETCH_MICRODESCRIPTORS] = "/tor/micro/d/",
        [FETCH_DESCRIPTORS] = "/tor/server/d/",
        [FETCH_EXTRA_INFOS] = "/tor/extra/d/",
    };
    bool micro = kind == FETCH_MICRODESCRIPTORS;
    size_t used = (size_t)snprintf(path, PATH_BYTES, "%s", beginnings[kind]);
    for (size_t i = 0; i < n; i++) {
        char text[48];
        if (micro)
            base64_encode(wanted[i].key, 32, false, text, sizeof(text));
        else
            hex_encode(wanted[i].key, 20, text, sizeof(text));
        used += (size_t)snprintf(path + used, PATH_BYTES - used, "%s%s",
                                 i == 0 ? "" : (micro ? "-" : "+"), text);
    }
}

static bool choose_source(struct directory_client *c, bool cache, unsigned failures,
                          struct source *out)
{
    const struct relay *relay = c->relay;
    if (!c->cache)
        return client_choose_source(c, failures, out);
    if (cache && source_choose_cache(relay, &c->failures, client_source_is_busy, c, out))
        return true;
    return source_choose_authority(relay, &c->failures, client_source_is_busy, c, out);
}

static unsigned most_failures(const struct directory_client *c, enum fetch_kind kind,
                              const struct wanted *wanted, size_t n)
{
    unsigned most = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned failures = client_download_failures(c, kind, wanted[i].key);
        most = failures > most ? failures : most;
    }
    return most;
}

// False: nobody can be asked for more at present.
static bool ask(struct directory_client *c, enum fetch_kind kind, const struct wanted *wanted,
                size_t n, bool cache)
{
    char path[PATH_BYTES];
    struct source source;
    unsigned failures = most_failures(c, kind, wanted, n);
    struct wanted *copy = NULL;
    if (c->n_fetches >= FETCHES_MAX || (copy = calloc(n, sizeof(*copy))) == NULL)
        return false;
    if (!choose_source(c, cache, failures, &source)) {
        free(copy);
        return false;
    }
    memcpy(copy, wanted, n * sizeof(*copy));
    write_path(kind, wanted, n, path);
    c->documents_asked_at = relay_now(c->relay);
    return client_fetch(c, kind, flavour_of(kind), &source, path, NULL, copy, n) != NULL;
}

static bool ask_for_all(struct directory_client *c, enum fetch_kind kind, const struct missing *m,
                        bool cache)
{
    size_t size = batch_size(c, kind, m->n);
    for (size_t at = 0; at < m->n; at += size) {
        size_t n = m->n - at < size ? m->n - at : size;
        if (!ask(c, kind, m->wanted + at, n, cache))
            return false;
    }
    return true;
}

// ---- a client's

struct primaries {
    uint8_t rsa_ids[PRIMARIES_MAX][20];
    unsigned n;
};

static void add_primary(void *user, const struct guard_info *info)
{
    struct primaries *p = user;
    if (info->primary && p->n < PRIMARIES_MAX)
        memcpy(p->rsa_ids[p->n++], info->rsa_id, 20);
}

// Circuits begin at the primary guards: theirs are asked for first.
static void put_primaries_first(const struct directory_client *c, struct missing *m)
{
    const struct origin *origin = c->relay->origin;
    const struct consensus *consensus = consensus_of(c, FETCH_MICRODESCRIPTORS);
    struct primaries p = {.n = 0};
    size_t first = 0;
    if (origin == NULL || origin->guards == NULL || m->n == 0)
        return;
    guards_each(origin->guards, add_primary, &p);
    for (unsigned i = 0; i < p.n; i++) {
        const struct router_status *r = consensus_find(consensus, p.rsa_ids[i]);
        for (size_t j = first; r != NULL && j < m->n; j++) {
            if (memcmp(m->wanted[j].key, r->digest, 32) != 0)
                continue;
            struct wanted other = m->wanted[first];
            m->wanted[first++] = m->wanted[j];
            m->wanted[j] = other;
            break;
        }
    }
}

// 9.11: a few are not worth a request, unless circuits need them.
static bool is_worth_asking(struct directory_client *c, const struct missing *m, time_t now)
{
    if (m->n == 0 || m->n >= WORTH_ASKING ||
        (c->relay->origin != NULL && !origin_may_build(c->relay->origin, NULL)))
        return m->n > 0;
    time_t at = c->documents_asked_at +
                (client_is_testing(c) ? (time_t)FEW_WAIT_TESTING_S : (time_t)FEW_WAIT_S);
    if (now >= at || now < c->documents_asked_at)
        return true;
    if (c->look_at == 0 || at < c->look_at)
        c->look_at = at;
    return false;
}

static bool is_asked_for(struct directory_client *c, enum fetch_kind kind, struct missing *m,
                         time_t now)
{
    if (c->cache)
        return m->n > 0;
    if (kind == FETCH_MICRODESCRIPTORS)
        put_primaries_first(c, m);
    return is_worth_asking(c, m, now);
}

// Whenever a fetch ends it is called again; so what nobody could be asked for has its turn then.
void client_fetch_documents(struct directory_client *c, time_t now)
{
    if (c->missing_known && (c->look_at == 0 || now < c->look_at))
        return;
    c->missing_known = true;
    c->look_at = 0;
    for (unsigned kind = FETCH_MICRODESCRIPTORS; kind < FETCH_KINDS; kind++) {
        struct missing groups[2];
        if (!client_wants_kind(c, kind))
            continue;
        bool found = find_missing(c, kind, now, groups);
        for (int g = 0; found && g < 2; g++)
            if (is_asked_for(c, kind, &groups[g], now) &&
                !ask_for_all(c, kind, &groups[g], g == 1) && c->n_fetches == 0)
                c->look_at = now + 1;
        free(groups[0].wanted);
        free(groups[1].wanted);
    }
}

// ---- taking

// The identity key that signs an extra-info is the descriptor's that names it.
static bool belongs(const struct directory_client *c, const struct router_document *extra_info)
{
    const struct consensus *consensus = consensus_of(c, FETCH_EXTRA_INFOS);
    const struct router_status *r =
        consensus == NULL ? NULL : consensus_find(consensus, extra_info->rsa_id);
    const struct router_document *d =
        r == NULL ? NULL : store_descriptor(c->relay->store, r->digest);
    return d != NULL && memcmp(d->extra_info_sha1, extra_info->sha1, 20) == 0 &&
           (!d->has_ed_id ||
            (extra_info->has_ed_id && memcmp(d->ed_id, extra_info->ed_id, sizeof(d->ed_id)) == 0));
}

static bool put(struct fetch *f, const struct answer_document *d)
{
    struct directory_store *store = f->client->relay->store;
    const uint8_t *text = f->answer.text->bytes + d->at;
    switch (f->kind) {
    case FETCH_MICRODESCRIPTORS:
        return client_was_asked_for(f, d->microdescriptor.sha256, 32) &&
               store_put_microdescriptor(store, &d->microdescriptor, text) == 0;
    case FETCH_DESCRIPTORS:
        return client_was_asked_for(f, d->router.sha1, 20) &&
               store_put_descriptor(store, &d->router, text) == 0;
    default:
        return client_was_asked_for(f, d->router.sha1, 20) && belongs(f->client, &d->router) &&
               store_put_extra_info(store, &d->router, text) == 0;
    }
}

void client_take_documents(struct fetch *f)
{
    struct directory_client *c = f->client;
    struct counters *counters = &c->relay->counters;
    size_t n = 0;
    for (size_t i = 0; i < f->answer.n_documents; i++)
        n += put(f, &f->answer.documents[i]);
    size_t bad = f->answer.n_documents - n + f->answer.n_malformed;
    counters->directory_documents += n;
    counters->drop_directory_document += bad;
    if (bad > 0 || (!c->cache && n < f->n_wanted))
        source_note_failure(&c->failures, &f->source, relay_now(c->relay), client_is_testing(c));
    store_flush(c->relay->store);
    if (f->kind == FETCH_MICRODESCRIPTORS && n > 0)
        network_microdescriptors_came(c->relay);
    log_debug("directory: %zu of %zu documents from %s", n, f->n_wanted, f->source.name);
}
