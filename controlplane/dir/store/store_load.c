// SPDX-License-Identifier: BSD-3-Clause
// What is on disk at the start: everything is parsed and verified as if it came from the network.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cursor.h"
#include "base/log.h"
#include "config/config.h"
#include "dir/store/consensus_check.h"
#include "dir/store/store_internal.h"
#include "relay.h"

// Documents are split at lines that begin with '@', which is none in a document.
static size_t piece_length(const uint8_t *text, size_t size)
{
    const uint8_t *at = text;
    while ((at = memchr(at, '\n', size - (size_t)(at - text))) != NULL) {
        at++;
        if ((size_t)(at - text) == size)
            break;
        if (*at == '@')
            return (size_t)(at - text);
    }
    return size;
}

// The time in "@last-listed 2026-01-02 03:04:05"; 0: another line, or none.
static time_t note_time(const uint8_t *line, size_t length, const char *keyword)
{
    char text[64];
    struct tm utc = {0};
    size_t skip = strlen(keyword);
    if (length >= sizeof(text) || length <= skip || memcmp(line, keyword, skip) != 0)
        return 0;
    memcpy(text, line, length);
    text[length] = '\0';
    if (strptime(text + skip, " %Y-%m-%d %H:%M:%S", &utc) == NULL)
        return 0;
    return timegm(&utc);
}

struct load {
    struct directory_store *store;
    enum document_kind kind;
    time_t now;
    time_t listed, downloaded; // from the last annotations
    unsigned kept, dropped;
};

// Takes annotation lines off the front; returns their length.
static size_t read_notes(struct load *load, const uint8_t *text, size_t size)
{
    size_t used = 0;
    while (used < size && text[used] == '@') {
        const uint8_t *end = memchr(text + used, '\n', size - used);
        size_t length = end == NULL ? size - used : (size_t)(end - text) - used;
        time_t listed = note_time(text + used, length, "@last-listed");
        time_t downloaded = note_time(text + used, length, "@downloaded-at");
        if (listed != 0 && listed <= load->now)
            load->listed = listed;
        if (downloaded != 0 && downloaded <= load->now)
            load->downloaded = downloaded;
        used += end == NULL ? length : length + 1;
    }
    return used;
}

static int parse_one(enum document_kind kind, const uint8_t *text, size_t size,
                     struct stored_document *d, size_t *length)
{
    struct microdescriptor m;
    int result;
    switch (kind) {
    case DOCUMENT_MICRODESCRIPTOR:
        result = microdescriptor_parse(text, size, &m, length);
        if (result == 0)
            store_document_of_microdescriptor(&m, d);
        return result;
    case DOCUMENT_DESCRIPTOR:
        result = router_descriptor_parse(text, size, &d->info, length);
        break;
    default:
        result = router_extra_info_parse(text, size, &d->info, length);
        break;
    }
    memcpy(d->digest, d->info.sha1, sizeof(d->info.sha1));
    return result;
}

// Annotations and what they stand before, mostly one document. Returns the length of both.
static size_t load_piece(struct load *load, const uint8_t *text, size_t left)
{
    load->listed = load->downloaded = 0;
    size_t at = read_notes(load, text, left);
    size_t size = at + piece_length(text + at, left - at);
    time_t downloaded = load->downloaded != 0 ? load->downloaded : load->now;
    while (at < size) {
        // What nobody has seen listed is as old as its download.
        struct stored_document d = {.downloaded = downloaded,
                                    .listed = load->listed != 0 ? load->listed : downloaded};
        size_t length = size - at;
        bool good =
            parse_one(load->kind, text + at, size - at, &d, &length) == 0 &&
            store_add_document(load->store, load->kind, &d, text + at, d.info.text_length) == 0;
        load->kept += good;
        load->dropped += !good;
        if (length == 0 || length > size - at)
            break;
        at += length;
    }
    return size;
}

static void load_documents(struct directory_store *store, enum document_kind kind,
                           enum disk_file file)
{
    struct load load = {.store = store, .kind = kind, .now = relay_now(store->relay)};
    for (int journal = 0; journal < 2; journal++) {
        struct blob *text = disk_read(store->disk, file, journal);
        if (text == NULL)
            continue;
        for (size_t at = 0; at < text->length;)
            at += load_piece(&load, text->bytes + at, text->length - at);
        blob_drop(text);
    }
    if (load.kept + load.dropped > 0)
        log_info("directory: %u documents from disk, %u of them not used", load.kept + load.dropped,
                 load.dropped);
}

static void load_certificates(struct directory_store *store)
{
    struct blob *text = disk_read(store->disk, DISK_CERTIFICATES, 0);
    for (size_t at = 0; text != NULL && at < text->length;) {
        struct certificate *c = NULL;
        size_t length = 0;
        if (certificate_parse(text->bytes + at, text->length - at, &c, &length) == 0)
            (void)store_put_certificate(store, c, text->bytes + at);
        if (length == 0)
            break;
        at += length;
    }
    blob_drop(text);
    store->certificates_changed = false;
}

static const char *judge(struct directory_store *store, const struct consensus *c,
                         enum consensus_flavour flavour)
{
    struct consensus_signers signers;
    time_t now = relay_now(store->relay);
    if (c->flavour != flavour)
        return "it is of another flavour";
    if (c->valid_until < now - STORE_CONSENSUS_LOADED_AFTER_S || c->valid_after > now + 86400)
        return "it is not of this time";
    if (consensus_check(store->relay->config, c, store->parsed_certificates, store->n_certificates,
                        now, &signers) != CONSENSUS_BELIEVED)
        return "too few of its signatures are good";
    return NULL;
}

static void load_consensus(struct directory_store *store, enum consensus_flavour flavour,
                           enum disk_file file)
{
    struct blob *text = disk_read(store->disk, file, 0);
    struct consensus *c = NULL;
    const char *wrong = NULL;
    if (text == NULL)
        return;
    if (consensus_parse(text->bytes, text->length, &c, &wrong) < 0)
        wrong = wrong != NULL ? wrong : "it cannot be read";
    else
        wrong = judge(store, c, flavour);
    if (wrong == NULL) {
        (void)store_put_consensus(store, text, c);
    } else {
        log_info("directory: the %sconsensus on disk is not used: %s",
                 flavour == CONSENSUS_NS ? "" : "microdesc ", wrong);
        consensus_free(c);
    }
    blob_drop(text);
}

void store_load(struct directory_store *store)
{
    load_certificates(store);
    load_consensus(store, CONSENSUS_NS, DISK_CONSENSUS);
    load_consensus(store, CONSENSUS_MICRODESC, DISK_MICRODESC_CONSENSUS);
    load_documents(store, DOCUMENT_MICRODESCRIPTOR, DISK_MICRODESCRIPTORS);
    load_documents(store, DOCUMENT_DESCRIPTOR, DISK_DESCRIPTORS);
    load_documents(store, DOCUMENT_EXTRA_INFO, DISK_EXTRA_INFOS);
    for (unsigned flavour = 0; flavour < CONSENSUS_FLAVOURS; flavour++)
        if (store->n_consensuses[flavour] > 0)
            store_mark_listed(store, store->consensuses[flavour][0].parsed);
}
