// SPDX-License-Identifier: BSD-3-Clause
// Documents for tests.
#include "documents.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void fail(const char *what, const char *which)
{
    fprintf(stderr, "%s: %s\n", what, which);
    abort();
}

static struct document document_room(size_t length)
{
    struct document d = {malloc(length > 0 ? length : 1), length};
    if (d.bytes == NULL)
        fail("no memory for", "a document");
    return d;
}

struct document document_load(const char *name)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", NETDOC_DATA, name);
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0)
        fail("cannot read", path);
    struct document d = document_room((size_t)ftell(file));
    rewind(file);
    if (fread(d.bytes, 1, d.length, file) != d.length)
        fail("cannot read", path);
    fclose(file);
    return d;
}

struct document document_of(const char *text)
{
    struct document d = document_room(strlen(text));
    memcpy(d.bytes, text, d.length);
    return d;
}

struct document document_copy(const struct document *d, size_t length)
{
    struct document copy = document_room(length);
    memcpy(copy.bytes, d->bytes, length);
    return copy;
}

size_t document_find(const struct document *d, const char *what, unsigned skip)
{
    const uint8_t *at = d->bytes, *end = d->bytes + d->length;
    for (;;) {
        at = memmem(at, (size_t)(end - at), what, strlen(what));
        if (at == NULL)
            fail("it has no", what);
        if (skip-- == 0)
            return (size_t)(at - d->bytes);
        at++;
    }
}

struct document document_replace(const struct document *d, const char *what, const char *with,
                                 unsigned skip)
{
    size_t at = document_find(d, what, skip), old = strlen(what), new = strlen(with);
    struct document copy = document_room(d->length - old + new);
    memcpy(copy.bytes, d->bytes, at);
    memcpy(copy.bytes + at, with, new);
    memcpy(copy.bytes + at + new, d->bytes + at + old, d->length - at - old);
    return copy;
}

void document_drop(struct document *d)
{
    free(d->bytes);
    *d = (struct document){NULL, 0};
}
