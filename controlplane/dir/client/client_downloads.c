// SPDX-License-Identifier: BSD-3-Clause
// What is known of each document that is missing: whether it is being asked for, and when it may be
// asked for again.
#include <stdlib.h>
#include <string.h>

#include "dir/client/client_internal.h"

static struct wanted_download *find(const struct directory_client *c, enum fetch_kind kind,
                                    const uint8_t *key)
{
    return digest_table_get(&c->downloads[kind], key);
}

static bool is_here(const struct directory_client *c, enum fetch_kind kind, const uint8_t *key)
{
    const struct directory_store *store = c->relay->store;
    switch (kind) {
    case FETCH_MICRODESCRIPTORS:
        return store_get(store, STORE_MICRODESCRIPTOR, key) != NULL;
    case FETCH_DESCRIPTORS:
        return store_get(store, STORE_DESCRIPTOR, key) != NULL;
    case FETCH_EXTRA_INFOS:
        return store_get(store, STORE_EXTRA_INFO, key) != NULL;
    default: // by either of its keys
        return store_get(store, STORE_CERTIFICATE, key) != NULL ||
               store_get(store, STORE_CERTIFICATE_BY_SIGNING_KEY, key) != NULL;
    }
}

bool client_download_is_ready(struct directory_client *c, enum fetch_kind kind, const uint8_t *key,
                              time_t now)
{
    const struct wanted_download *w = find(c, kind, key);
    if (w == NULL)
        return true;
    if (w->under_way)
        return false;
    if (download_is_ready(&w->download, now))
        return true;
    if (c->look_at == 0 || w->download.next_try < c->look_at)
        c->look_at = w->download.next_try;
    return false;
}

unsigned client_download_failures(const struct directory_client *c, enum fetch_kind kind,
                                  const uint8_t *key)
{
    const struct wanted_download *w = find(c, kind, key);
    return w == NULL ? 0 : w->download.failures;
}

void client_downloads_begin(struct directory_client *c, enum fetch_kind kind,
                            const struct wanted *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct wanted_download *w = find(c, kind, wanted[i].key);
        if (w == NULL) {
            w = calloc(1, sizeof(*w));
            if (w == NULL || digest_table_put(&c->downloads[kind], wanted[i].key, w) < 0) {
                free(w);
                continue; // at worst it is asked for twice
            }
        }
        w->under_way = true;
    }
}

void client_downloads_end(struct directory_client *c, enum fetch_kind kind,
                          const struct wanted *wanted, size_t n)
{
    time_t now = relay_now(c->relay);
    for (size_t i = 0; i < n; i++) {
        struct wanted_download *w = find(c, kind, wanted[i].key);
        if (w == NULL)
            continue;
        w->under_way = false;
        if (is_here(c, kind, wanted[i].key)) {
            free(digest_table_remove(&c->downloads[kind], wanted[i].key));
            continue;
        }
        download_failed(&w->download, now, client_delay_max_s(c));
        // A client's other guards may have it, or a fallback directory: somebody may be waiting.
        if (!c->cache && w->download.failures <= CLIENT_AT_ONCE_FAILURES)
            w->download.next_try = now;
    }
}

bool client_was_asked_for(const struct fetch *f, const uint8_t *key, size_t length)
{
    for (size_t i = 0; i < f->n_wanted; i++)
        if (memcmp(f->wanted[i].key, key, length) == 0)
            return true;
    return false;
}

static void free_downloads(struct digest_table *t)
{
    struct wanted_download *w;
    for (size_t i = 0; (w = digest_table_next(t, &i)) != NULL;)
        free(w);
    digest_table_release(t);
}

// Those under way stay, and end as if it were their first try.
void client_downloads_reset(struct directory_client *c)
{
    for (unsigned kind = FETCH_MICRODESCRIPTORS; kind < FETCH_KINDS; kind++) {
        struct digest_table *t = &c->downloads[kind], kept;
        struct wanted_download *w;
        digest_table_init(&kept, t->key_length);
        for (size_t i = 0; (w = digest_table_next(t, &i)) != NULL;) {
            w->download = (struct download){0};
            if (!w->under_way || digest_table_put(&kept, digest_table_key(t, i), w) < 0)
                free(w);
        }
        digest_table_release(t);
        *t = kept;
    }
}

void client_downloads_free(struct directory_client *c)
{
    for (unsigned kind = 0; kind < FETCH_KINDS; kind++)
        free_downloads(&c->downloads[kind]);
}
