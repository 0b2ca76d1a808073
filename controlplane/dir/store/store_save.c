// SPDX-License-Identifier: BSD-3-Clause
// What goes from the store to disk, in C tor's layout.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dir/store/store_internal.h"
#include "relay.h"

enum { COMPACT_JOURNAL_BYTES = 16384 }; // a shorter journal is left alone

static enum disk_file file_of(enum document_kind kind)
{
    switch (kind) {
    case DOCUMENT_DESCRIPTOR:
        return DISK_DESCRIPTORS;
    case DOCUMENT_EXTRA_INFO:
        return DISK_EXTRA_INFOS;
    default:
        return DISK_MICRODESCRIPTORS;
    }
}

void store_save_consensus(struct directory_store *store, enum consensus_flavour flavour)
{
    const struct disk_piece piece = {.text = store->consensuses[flavour][0].text};
    disk_replace(store->disk, flavour == CONSENSUS_NS ? DISK_CONSENSUS : DISK_MICRODESC_CONSENSUS,
                 &piece, 1);
}

void store_save_certificates(struct directory_store *store)
{
    struct disk_piece pieces[STORE_CERTIFICATES_MAX];
    for (unsigned i = 0; i < store->n_certificates; i++)
        pieces[i] = (struct disk_piece){.text = store->certificates[i].text};
    disk_replace(store->disk, DISK_CERTIFICATES, pieces, store->n_certificates);
    store->certificates_changed = false;
}

// "@last-listed 2026-01-02 03:04:05\n", or "@downloaded-at …" of descriptors. C tor takes none
// before an extra-info.
static struct disk_piece piece_of(enum document_kind kind, const struct stored_document *d)
{
    struct disk_piece piece = {.text = d->text};
    bool micro = kind == DOCUMENT_MICRODESCRIPTOR;
    time_t when = micro ? d->listed : d->downloaded;
    char text[32];
    struct tm utc;
    if (kind != DOCUMENT_EXTRA_INFO && gmtime_r(&when, &utc) != NULL &&
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &utc) != 0)
        snprintf(piece.note, sizeof(piece.note), "@%s %s\n",
                 micro ? "last-listed" : "downloaded-at", text);
    return piece;
}

void store_save_later(struct directory_store *store, enum document_kind kind,
                      const struct stored_document *d)
{
    struct document_set *set = &store->sets[kind];
    if (set->n_unsaved == set->unsaved_capacity) {
        size_t capacity = set->unsaved_capacity == 0 ? 64 : 2 * set->unsaved_capacity;
        struct disk_piece *grown = realloc(set->unsaved, capacity * sizeof(*grown));
        if (grown == NULL)
            return; // it is fetched again after the next start
        set->unsaved = grown;
        set->unsaved_capacity = capacity;
    }
    struct disk_piece piece = piece_of(kind, d);
    blob_hold(piece.text);
    set->unsaved[set->n_unsaved++] = piece;
}

static void forget_unsaved(struct document_set *set)
{
    for (size_t i = 0; i < set->n_unsaved; i++)
        blob_drop(set->unsaved[i].text);
    set->n_unsaved = 0;
}

static void rewrite(struct directory_store *store, enum document_kind kind)
{
    struct document_set *set = &store->sets[kind];
    const struct stored_document *d;
    size_t n = 0;
    struct disk_piece *pieces = calloc(set->by_digest.n + 1, sizeof(*pieces));
    if (pieces == NULL)
        return;
    for (size_t i = 0; (d = digest_table_next(&set->by_digest, &i)) != NULL;)
        pieces[n++] = piece_of(kind, d);
    disk_replace(store->disk, file_of(kind), pieces, n);
    free(pieces);
    forget_unsaved(set);
    set->dropped_bytes = 0;
}

void store_save_compact(struct directory_store *store, enum document_kind kind)
{
    size_t file = disk_bytes(store->disk, file_of(kind), 0);
    size_t journal = disk_bytes(store->disk, file_of(kind), 1);
    const struct document_set *set = &store->sets[kind];
    if (file + journal < COMPACT_JOURNAL_BYTES)
        return;
    if (set->dropped_bytes > (file + journal) / 3 ||
        (journal > COMPACT_JOURNAL_BYTES && journal > file / 2))
        rewrite(store, kind);
}

void store_flush(struct directory_store *store)
{
    for (unsigned kind = 0; kind < DOCUMENT_KINDS; kind++) {
        struct document_set *set = &store->sets[kind];
        if (set->n_unsaved == 0)
            continue;
        disk_append(store->disk, file_of(kind), set->unsaved, set->n_unsaved);
        forget_unsaved(set);
        store_save_compact(store, kind);
    }
    if (store->certificates_changed)
        store_save_certificates(store);
}
