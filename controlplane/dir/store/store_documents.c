// SPDX-License-Identifier: BSD-3-Clause
// Microdescriptors, descriptors and extra-infos in the store: put in, marked as listed, dropped.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dir/store/store_internal.h"
#include "relay.h"

struct stored_document *store_find_document(const struct directory_store *store,
                                            enum document_kind kind, const uint8_t *digest)
{
    return digest_table_get(&store->sets[kind].by_digest, digest);
}

static void free_document(struct stored_document *d)
{
    blob_drop(d->text);
    free(d);
}

static int add_by_identity(struct document_set *set, struct stored_document *d)
{
    const struct stored_document *known = digest_table_get(&set->by_identity, d->info.rsa_id);
    if (known != NULL && known->info.published > d->info.published)
        return 0;
    return digest_table_put(&set->by_identity, d->info.rsa_id, d);
}

// After some were dropped that were the newest of their relays.
static void rebuild_identities(struct document_set *set)
{
    struct stored_document *d;
    digest_table_release(&set->by_identity);
    for (size_t i = 0; (d = digest_table_next(&set->by_digest, &i)) != NULL;)
        (void)add_by_identity(set, d); // without memory it is found by its digest only
}

static time_t kept_s(enum document_kind kind)
{
    return kind == DOCUMENT_MICRODESCRIPTOR ? (time_t)STORE_MICRODESCRIPTOR_KEPT_S
                                            : (time_t)STORE_DESCRIPTOR_KEPT_S;
}

// Drops all that were listed before `cutoff` only.
static void sweep(struct document_set *set, enum document_kind kind, time_t cutoff)
{
    size_t n = 0;
    struct stored_document *d;
    struct stored_document **old = calloc(set->by_digest.n + 1, sizeof(*old));
    if (old == NULL)
        return;
    for (size_t i = 0; (d = digest_table_next(&set->by_digest, &i)) != NULL;)
        if (!d->own && d->listed < cutoff)
            old[n++] = d;
    for (size_t i = 0; i < n; i++) {
        digest_table_remove(&set->by_digest, old[i]->digest);
        set->bytes -= old[i]->text->length;
        set->dropped_bytes += old[i]->text->length;
    }
    if (n > 0 && kind != DOCUMENT_MICRODESCRIPTOR)
        rebuild_identities(set);
    for (size_t i = 0; i < n; i++)
        free_document(old[i]);
    free(old);
}

static bool is_full(const struct document_set *set, size_t length)
{
    return set->by_digest.n >= STORE_DOCUMENTS_MAX ||
           set->bytes + length > STORE_DOCUMENT_BYTES_MAX;
}

int store_add_document(struct directory_store *store, enum document_kind kind,
                       const struct stored_document *d, const uint8_t *text, size_t length)
{
    struct document_set *set = &store->sets[kind];
    if (store_find_document(store, kind, d->digest) != NULL)
        return -EEXIST;
    if (is_full(set, length)) // what is not listed now must do without
        sweep(set, kind, relay_now(store->relay));
    if (is_full(set, length))
        return -ENOSPC;
    struct stored_document *new = malloc(sizeof(*new));
    if (new == NULL)
        return -ENOMEM;
    *new = *d;
    new->text = blob_create(text, length);
    if (new->text == NULL || digest_table_put(&set->by_digest, new->digest, new) < 0) {
        free_document(new);
        return -ENOMEM;
    }
    if (kind != DOCUMENT_MICRODESCRIPTOR)
        (void)add_by_identity(set, new);
    set->bytes += length;
    if (!store->loading)
        store_save_later(store, kind, new);
    return 0;
}

void store_document_of_microdescriptor(const struct microdescriptor *m, struct stored_document *d)
{
    memcpy(d->digest, m->sha256, sizeof(m->sha256));
    memcpy(d->ntor_key, m->ntor_key, sizeof(m->ntor_key));
    memcpy(d->info.ed_id, m->ed_id, sizeof(m->ed_id));
    d->info.has_ed_id = m->has_ed_id;
    d->info.text_length = m->text_length;
}

int store_put_microdescriptor(struct directory_store *store, const struct microdescriptor *m,
                              const uint8_t *text)
{
    time_t now = relay_now(store->relay);
    struct stored_document d = {.listed = now, .downloaded = now};
    store_document_of_microdescriptor(m, &d);
    return store_add_document(store, DOCUMENT_MICRODESCRIPTOR, &d, text, m->text_length);
}

static int put_router_document(struct directory_store *store, enum document_kind kind,
                               const struct router_document *info, const uint8_t *text)
{
    time_t now = relay_now(store->relay);
    struct stored_document d = {.info = *info, .listed = now, .downloaded = now};
    memcpy(d.digest, info->sha1, sizeof(info->sha1));
    return store_add_document(store, kind, &d, text, info->text_length);
}

int store_put_descriptor(struct directory_store *store, const struct router_document *d,
                         const uint8_t *text)
{
    return put_router_document(store, DOCUMENT_DESCRIPTOR, d, text);
}

int store_put_extra_info(struct directory_store *store, const struct router_document *d,
                         const uint8_t *text)
{
    return put_router_document(store, DOCUMENT_EXTRA_INFO, d, text);
}

// ---- our own

static void replace_own(struct directory_store *store, enum document_kind kind, struct blob *text,
                        int (*parse)(const uint8_t *, size_t, struct router_document *, size_t *))
{
    struct document_set *set = &store->sets[kind];
    time_t now = relay_now(store->relay);
    size_t length;
    struct stored_document *d, new = {.own = true, .listed = now, .downloaded = now};
    if (parse(text->bytes, text->length, &new.info, &length) < 0) {
        log_warn("our own %s is not served: it does not verify",
                 kind == DOCUMENT_DESCRIPTOR ? "descriptor" : "extra-info");
        return;
    }
    memcpy(new.digest, new.info.sha1, sizeof(new.info.sha1));
    for (size_t i = 0; (d = digest_table_next(&set->by_digest, &i)) != NULL;)
        if (d->own) {
            d->own = false; // kept as long as another's
            d->listed = now;
        }
    if (store_add_document(store, kind, &new, text->bytes, new.info.text_length) == -EEXIST)
        store_find_document(store, kind, new.digest)->own = true;
}

void store_set_own(struct directory_store *store, struct blob *descriptor, struct blob *extra_info)
{
    if (descriptor != NULL)
        replace_own(store, DOCUMENT_DESCRIPTOR, descriptor, router_descriptor_parse);
    if (extra_info != NULL)
        replace_own(store, DOCUMENT_EXTRA_INFO, extra_info, router_extra_info_parse);
}

// ---- listed and not

static const uint8_t no_digest[20];

// An extra-info is listed when the descriptor is that names it.
static void mark_descriptor(struct directory_store *store, const uint8_t *sha1, time_t now)
{
    struct stored_document *d = store_find_document(store, DOCUMENT_DESCRIPTOR, sha1);
    if (d == NULL)
        return;
    d->listed = now;
    if (memcmp(d->info.extra_info_sha1, no_digest, sizeof(no_digest)) == 0)
        return;
    struct stored_document *e =
        store_find_document(store, DOCUMENT_EXTRA_INFO, d->info.extra_info_sha1);
    if (e != NULL)
        e->listed = now;
}

void store_mark_listed(struct directory_store *store, const struct consensus *consensus)
{
    time_t now = relay_now(store->relay);
    for (size_t i = 0; i < consensus->n_routers; i++) {
        const uint8_t *digest = consensus->routers[i].digest;
        if (consensus->flavour == CONSENSUS_NS) {
            mark_descriptor(store, digest, now);
            continue;
        }
        struct stored_document *d = store_find_document(store, DOCUMENT_MICRODESCRIPTOR, digest);
        if (d != NULL)
            d->listed = now;
    }
}

// The relay's clock may have been off, or it may have been off the network: without a consensus of
// today nobody knows what is listed.
static bool knows_the_network(const struct directory_store *store, enum document_kind kind,
                              time_t now)
{
    enum consensus_flavour flavour =
        kind == DOCUMENT_MICRODESCRIPTOR ? CONSENSUS_MICRODESC : CONSENSUS_NS;
    const struct stored_consensus *c = store_consensus(store, flavour, 0);
    return c != NULL && now <= c->valid_until + 86400;
}

void store_expire_documents(struct directory_store *store, time_t now)
{
    for (unsigned kind = 0; kind < DOCUMENT_KINDS; kind++)
        if (knows_the_network(store, kind, now))
            sweep(&store->sets[kind], kind, now - kept_s(kind));
}

void store_free_documents(struct directory_store *store)
{
    for (unsigned kind = 0; kind < DOCUMENT_KINDS; kind++) {
        struct document_set *set = &store->sets[kind];
        struct stored_document *d;
        for (size_t i = 0; (d = digest_table_next(&set->by_digest, &i)) != NULL;)
            free_document(d);
        for (size_t i = 0; i < set->n_unsaved; i++)
            blob_drop(set->unsaved[i].text);
        free(set->unsaved);
        digest_table_release(&set->by_digest);
        digest_table_release(&set->by_identity);
    }
}
