// SPDX-License-Identifier: BSD-3-Clause
// Certificates of the authorities: those of which none is there, and those that a consensus was
// signed with.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/encoding.h"
#include "dir/client/client_internal.h"

enum { LIST_MAX = CONSENSUS_FLAVOURS * CONFIG_AUTHORITIES_MAX, ONE_MAX = 2 * 41 };

struct list {
    struct wanted wanted[LIST_MAX];
    unsigned n;
    unsigned failures; // the most that any of them had
};

static void add(struct directory_client *c, struct list *list, const struct wanted *w, time_t now)
{
    for (unsigned i = 0; i < list->n; i++)
        if (memcmp(list->wanted[i].key, w->key, 20) == 0)
            return;
    if (list->n == LIST_MAX || !client_download_is_ready(c, FETCH_CERTIFICATES, w->key, now))
        return;
    unsigned failures = client_download_failures(c, FETCH_CERTIFICATES, w->key);
    if (failures > list->failures)
        list->failures = failures;
    list->wanted[list->n++] = *w;
}

static bool is_under_way(const struct directory_client *c, const uint8_t key[20])
{
    const struct wanted_download *w = digest_table_get(&c->downloads[FETCH_CERTIFICATES], key);
    return w != NULL && w->under_way;
}

// Asked for by identity: the newest, whatever it signs with.
static void find_unknown(struct directory_client *c, struct list *list, time_t now)
{
    const struct config *config = c->relay->config;
    for (unsigned i = 0; i < config->directory_authority_count; i++) {
        struct wanted w = {0};
        memcpy(w.key, config->directory_authorities[i].v3_identity, 20);
        if (store_get(c->relay->store, STORE_CERTIFICATE, w.key) == NULL)
            add(c, list, &w, now);
    }
}

// Asked for by identity and signing key.
static void find_signers(struct directory_client *c, struct list *list, time_t now)
{
    for (unsigned flavour = 0; flavour < CONSENSUS_FLAVOURS; flavour++) {
        const struct consensus_download *d = &c->consensuses[flavour];
        for (unsigned i = 0; i < d->n_missing; i++)
            if (store_get(c->relay->store, STORE_CERTIFICATE_BY_SIGNING_KEY, d->missing[i].key) ==
                    NULL &&
                !is_under_way(c, d->missing[i].identity))
                add(c, list, &d->missing[i], now);
    }
}

// A client need not ask for those that it has no consensus for: it does so with that.
static bool may_wait(const struct directory_client *c)
{
    return !c->cache && client_is_beginning(c) &&
           c->consensuses[CONSENSUS_MICRODESC].waiting == NULL;
}

// Who gave a consensus has the certificates for it.
static bool choose_source(const struct directory_client *c, const struct list *list, bool by_key,
                          struct source *out)
{
    const struct relay *relay = c->relay;
    for (unsigned flavour = 0; by_key && list->failures == 0 && flavour < CONSENSUS_FLAVOURS;
         flavour++)
        if (c->consensuses[flavour].waiting != NULL) {
            *out = c->consensuses[flavour].waiting_source;
            return true;
        }
    if (!c->cache)
        return client_choose_source(c, list->failures, out);
    if (list->failures % 3 == 2 && source_choose_cache(relay, &c->failures, NULL, NULL, out))
        return true;
    return source_choose_authority(relay, &c->failures, NULL, NULL, out) ||
           source_choose_cache(relay, &c->failures, NULL, NULL, out);
}

static void ask(struct directory_client *c, const struct list *list, bool by_key,
                const struct source *source)
{
    char path[64 + LIST_MAX * ONE_MAX];
    int used = snprintf(path, sizeof(path), "/tor/keys/%s/", by_key ? "fp-sk" : "fp");
    for (unsigned i = 0; i < list->n; i++) {
        char key[HEX_TEXT_SIZE(20)], identity[HEX_TEXT_SIZE(20)];
        hex_encode(list->wanted[i].key, 20, key, sizeof(key));
        hex_encode(list->wanted[i].identity, 20, identity, sizeof(identity));
        used += snprintf(path + used, sizeof(path) - (size_t)used, "%s%s%s%s", i == 0 ? "" : "+",
                         by_key ? identity : "", by_key ? "-" : "", key);
    }
    struct wanted *wanted = calloc(list->n, sizeof(*wanted));
    if (wanted != NULL)
        memcpy(wanted, list->wanted, list->n * sizeof(*wanted));
    client_fetch(c, FETCH_CERTIFICATES, CONSENSUS_NS, source, path, NULL, wanted,
                 wanted == NULL ? 0 : list->n);
}

static void ask_somebody(struct directory_client *c, const struct list *list, bool by_key)
{
    struct source source;
    if (list->n > 0 && choose_source(c, list, by_key, &source))
        ask(c, list, by_key, &source);
}

void client_fetch_certificates(struct directory_client *c, time_t now)
{
    struct list unknown = {.n = 0}, signers = {.n = 0};
    if (may_wait(c))
        return;
    find_unknown(c, &unknown, now);
    ask_somebody(c, &unknown, false);
    find_signers(c, &signers, now);
    ask_somebody(c, &signers, true);
}

void client_ask_for_certificates(struct directory_client *c, const struct source *source)
{
    const struct config *config = c->relay->config;
    struct list list = {.n = 0};
    for (unsigned i = 0; i < config->directory_authority_count; i++) {
        const uint8_t *identity = config->directory_authorities[i].v3_identity;
        if (store_get(c->relay->store, STORE_CERTIFICATE, identity) == NULL)
            memcpy(list.wanted[list.n++].key, identity, 20);
    }
    if (list.n > 0)
        ask(c, &list, false, source);
}

void client_take_certificates(struct fetch *f)
{
    struct directory_client *c = f->client;
    unsigned n = 0;
    for (size_t i = 0; i < f->answer.n_documents; i++) {
        struct answer_document *d = &f->answer.documents[i];
        struct certificate *certificate = d->certificate;
        bool asked = client_was_asked_for(f, certificate->identity, 20) ||
                     client_was_asked_for(f, certificate->signing_key, 20);
        if (!asked) {
            c->relay->counters.drop_directory_document++;
            continue;
        }
        d->certificate = NULL;
        n +=
            store_put_certificate(c->relay->store, certificate, f->answer.text->bytes + d->at) == 0;
    }
    c->relay->counters.drop_directory_document += f->answer.n_malformed;
    c->relay->counters.directory_documents += n;
    store_flush(c->relay->store);
    log_info("directory: %u certificates from %s", n, f->source.name);
    if (n > 0)
        client_recheck_consensuses(c);
}
