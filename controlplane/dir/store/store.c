// SPDX-License-Identifier: BSD-3-Clause
// The store of directory documents: its life, and finding what is in it.
#include "dir/store/store.h"

#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "dir/store/store_internal.h"
#include "relay.h"

struct directory_store *directory_store_create(struct relay *relay)
{
    struct directory_store *store = calloc(1, sizeof(*store));
    if (store == NULL)
        return NULL;
    store->relay = relay;
    for (unsigned kind = 0; kind < DOCUMENT_KINDS; kind++) {
        digest_table_init(&store->sets[kind].by_digest, document_digest_length(kind));
        digest_table_init(&store->sets[kind].by_identity, 20);
    }
    store->disk = disk_create(relay->loop, relay->config->data_directory);
    if (store->disk == NULL) {
        free(store);
        return NULL;
    }
    store->loading = true;
    store_load(store);
    store->loading = false;
    return store;
}

void directory_store_free(struct directory_store *store)
{
    if (store == NULL)
        return;
    store_flush(store);
    disk_free(store->disk);
    store_free_documents(store);
    store_free_consensuses(store);
    store_free_certificates(store);
    free(store);
}

const struct stored_consensus *store_consensus(const struct directory_store *store,
                                               enum consensus_flavour flavour, unsigned index)
{
    return index < store->n_consensuses[flavour] ? &store->consensuses[flavour][index] : NULL;
}

uint64_t store_generation(const struct directory_store *store)
{
    return store->generation;
}

struct place {
    enum document_kind kind;
    bool by_identity;
};

static struct place place_of(enum store_kind kind)
{
    switch (kind) {
    case STORE_DESCRIPTOR:
        return (struct place){DOCUMENT_DESCRIPTOR, false};
    case STORE_DESCRIPTOR_BY_IDENTITY:
        return (struct place){DOCUMENT_DESCRIPTOR, true};
    case STORE_EXTRA_INFO:
        return (struct place){DOCUMENT_EXTRA_INFO, false};
    case STORE_EXTRA_INFO_BY_IDENTITY:
        return (struct place){DOCUMENT_EXTRA_INFO, true};
    default:
        return (struct place){DOCUMENT_MICRODESCRIPTOR, false};
    }
}

static const struct digest_table *table_of(const struct directory_store *store,
                                           enum store_kind kind)
{
    struct place place = place_of(kind);
    const struct document_set *set = &store->sets[place.kind];
    return place.by_identity ? &set->by_identity : &set->by_digest;
}

static bool is_certificate(enum store_kind kind)
{
    return kind == STORE_CERTIFICATE || kind == STORE_CERTIFICATE_BY_SIGNING_KEY;
}

struct blob *store_get(const struct directory_store *store, enum store_kind kind,
                       const uint8_t *digest)
{
    if (is_certificate(kind))
        return store_find_certificate(store, kind, digest);
    const struct stored_document *d = digest_table_get(table_of(store, kind), digest);
    return d != NULL ? d->text : NULL;
}

void store_each(const struct directory_store *store, enum store_kind kind,
                void (*each)(void *user, struct blob *text), void *user)
{
    if (is_certificate(kind)) {
        store_each_certificate(store, kind, each, user);
        return;
    }
    const struct digest_table *table = table_of(store, kind);
    const struct stored_document *d;
    for (size_t i = 0; (d = digest_table_next(table, &i)) != NULL;)
        each(user, d->text);
}

const struct router_document *store_descriptor(const struct directory_store *store,
                                               const uint8_t sha1[20])
{
    const struct stored_document *d = store_find_document(store, DOCUMENT_DESCRIPTOR, sha1);
    return d != NULL ? &d->info : NULL;
}

bool store_relay_keys(const struct directory_store *store, const uint8_t rsa_id[20],
                      struct relay_keys *out)
{
    const struct stored_consensus *c =
        store != NULL ? store_consensus(store, CONSENSUS_MICRODESC, 0) : NULL;
    const struct router_status *r = c != NULL ? consensus_find(c->parsed, rsa_id) : NULL;
    const struct stored_document *d =
        r != NULL ? store_find_document(store, DOCUMENT_MICRODESCRIPTOR, r->digest) : NULL;
    if (d == NULL)
        return false;
    out->has_ed_id = d->info.has_ed_id;
    memcpy(out->ed_id, d->info.ed_id, sizeof(out->ed_id));
    memcpy(out->ntor_key, d->ntor_key, sizeof(out->ntor_key));
    return true;
}

size_t store_bytes(const struct directory_store *store)
{
    size_t bytes = 0;
    for (unsigned kind = 0; kind < DOCUMENT_KINDS; kind++)
        bytes += store->sets[kind].bytes;
    for (unsigned flavour = 0; flavour < CONSENSUS_FLAVOURS; flavour++)
        for (unsigned i = 0; i < store->n_consensuses[flavour]; i++)
            bytes += store->consensuses[flavour][i].text->length;
    for (unsigned i = 0; i < store->n_certificates; i++)
        bytes += store->certificates[i].text->length;
    return bytes;
}

void store_expire(struct directory_store *store)
{
    time_t now = relay_now(store->relay);
    store_expire_consensuses(store, now);
    store_expire_certificates(store, now);
    store_expire_documents(store, now);
    for (unsigned kind = 0; kind < DOCUMENT_KINDS; kind++)
        store_save_compact(store, kind);
}
