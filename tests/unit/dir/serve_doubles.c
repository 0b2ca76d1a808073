// SPDX-License-Identifier: BSD-3-Clause
// Streams, a store and onion services' descriptors as the test wants them.
#include "serve_doubles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onion/relay/hsdir.h"

struct fake_store fake_store;
struct fake_hsdir fake_hsdir;

// ---- streams

struct stream *fake_stream_new(bool from_client)
{
    struct stream *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    s->from_client = from_client;
    return s;
}

static void close_now(struct stream *s, enum end_reason reason)
{
    if (s->closed)
        return;
    s->closed = true;
    s->reason = reason;
    if (s->ops != NULL)
        s->ops->closed(s, reason);
}

void fake_stream_free(struct stream *s)
{
    close_now(s, s->ended ? s->reason : END_DESTROY);
    free(s->got);
    free(s);
}

void fake_stream_send(struct stream *s, const void *bytes, size_t length, size_t piece)
{
    for (size_t at = 0; at < length && !s->ended; at += piece) {
        size_t n = length - at < piece ? length - at : piece;
        uint8_t *copy = malloc(n); // of this size, so that a sanitizer sees more
        memcpy(copy, (const uint8_t *)bytes + at, n);
        s->ops->data(s, copy, n);
        free(copy);
    }
    if (s->ended)
        close_now(s, s->reason);
}

void fake_stream_pull(struct stream *s, size_t most)
{
    size_t given = 0;
    while (s->wakes && !s->ended && given < most) {
        if (s->capacity - s->length < RELAY_BODY_MAX) {
            s->capacity = s->capacity * 2 + 4096;
            s->got = realloc(s->got, s->capacity);
        }
        int n = s->ops->produce(s, s->got + s->length, RELAY_BODY_MAX);
        if (n == STREAM_END) {
            s->ended = true;
            s->reason = END_DONE;
        } else {
            assert_in_range(n, 0, RELAY_BODY_MAX);
            s->wakes = n > 0;
            s->length += (size_t)n;
            given += (size_t)n;
        }
    }
    if (s->ended)
        close_now(s, s->reason);
}

void stream_set_user(struct stream *s, const struct stream_ops *ops, void *user)
{
    s->ops = ops;
    s->user = user;
}

void *stream_user(const struct stream *s)
{
    return s->user;
}

struct stream_info stream_info(const struct stream *s)
{
    return (struct stream_info){.from_client = s->from_client, .peer = s->peer};
}

void stream_wake(struct stream *s)
{
    assert_false(s->closed);
    s->wakes = true;
}

void stream_close(struct stream *s, enum end_reason reason)
{
    assert_false(s->ended);
    s->ended = true;
    s->reason = reason;
}

// ---- the store

struct blob *fake_store_add(enum store_kind kind, uint8_t name, const char *text)
{
    assert_true(fake_store.n_documents < FAKE_DOCUMENTS_MAX);
    struct fake_document *d = &fake_store.documents[fake_store.n_documents++];
    d->kind = kind;
    memset(d->digest, name, sizeof(d->digest));
    d->text = blob_create(text, strlen(text));
    return d->text;
}

void fake_store_clear(void)
{
    for (unsigned i = 0; i < fake_store.n_documents; i++)
        blob_drop(fake_store.documents[i].text);
    memset(&fake_store, 0, sizeof(fake_store));
    blob_drop(fake_hsdir.descriptor);
    memset(&fake_hsdir, 0, sizeof(fake_hsdir));
}

const struct stored_consensus *store_consensus(const struct directory_store *store,
                                               enum consensus_flavour flavour, unsigned index)
{
    (void)store;
    return index < fake_store.n_consensuses[flavour] ? &fake_store.consensuses[flavour][index]
                                                     : NULL;
}

uint64_t store_generation(const struct directory_store *store)
{
    (void)store;
    return fake_store.generation;
}

struct blob *store_get(const struct directory_store *store, enum store_kind kind,
                       const uint8_t *digest)
{
    (void)store;
    for (unsigned i = 0; i < fake_store.n_documents; i++)
        if (fake_store.documents[i].kind == kind &&
            memcmp(fake_store.documents[i].digest, digest,
                   kind == STORE_MICRODESCRIPTOR ? 32 : 20) == 0)
            return fake_store.documents[i].text;
    return NULL;
}

void store_each(const struct directory_store *store, enum store_kind kind,
                void (*each)(void *user, struct blob *text), void *user)
{
    (void)store;
    for (unsigned i = 0; i < fake_store.n_documents; i++)
        if (fake_store.documents[i].kind == kind)
            each(user, fake_store.documents[i].text);
}

// ---- onion services' descriptors

enum hsdir_answer hsdir_publish(struct hsdir *hsdir, const uint8_t *text, size_t length)
{
    (void)hsdir;
    assert_true(length <= sizeof(fake_hsdir.published));
    memcpy(fake_hsdir.published, text, length);
    fake_hsdir.published_length = length;
    return fake_hsdir.refuse ? HSDIR_REFUSED : HSDIR_STORED;
}

struct blob *hsdir_fetch(struct hsdir *hsdir, const uint8_t blinded_key[HSDIR_BLINDED_KEY_LEN])
{
    (void)hsdir;
    uint8_t key[HSDIR_BLINDED_KEY_LEN];
    memset(key, 7, sizeof(key));
    bool good = fake_hsdir.descriptor && memcmp(key, blinded_key, sizeof(key)) == 0;
    return good ? blob_hold(fake_hsdir.descriptor) : NULL;
}
