// SPDX-License-Identifier: BSD-3-Clause
// Reading a directory's answer: the encoding, a diff, the documents in it.
#include "dir/client/answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dir/compress.h"
#include "netdoc/diff.h"

static size_t text_max(const struct answer *a)
{
    return a->kind == FETCH_CONSENSUS ? (size_t)ANSWER_CONSENSUS_MAX : (size_t)ANSWER_DOCUMENTS_MAX;
}

static bool unpack(struct answer *a)
{
    enum compression c = COMPRESSION_IDENTITY;
    if (a->encoding[0] != '\0' && !compression_by_name(a->encoding, strlen(a->encoding), &c)) {
        a->wrong = "it has an encoding that we did not ask for";
        return false;
    }
    switch (decompress(c, a->body->bytes, a->body->length, text_max(a), &a->text)) {
    case 0:
        return true;
    case -EFBIG:
        a->wrong = "it is too long when unpacked";
        break;
    case -ENOMEM:
        a->wrong = "no memory";
        break;
    default:
        a->wrong = "it cannot be unpacked";
        break;
    }
    a->text = NULL;
    return false;
}

static bool is_diff(const struct blob *text)
{
    static const char first[] = "network-status-diff-version ";
    return text->length >= strlen(first) && memcmp(text->bytes, first, strlen(first)) == 0;
}

static void read_consensus(struct answer *a)
{
    if (is_diff(a->text)) {
        struct blob *diff = a->text;
        a->was_diff = true;
        a->text = a->base == NULL ? NULL
                                  : consensus_diff_apply(a->base->bytes, a->base->length,
                                                         diff->bytes, diff->length);
        blob_drop(diff);
        if (a->text == NULL) {
            a->wrong = "its diff does not fit the consensus that we have";
            return;
        }
    }
    if (consensus_parse(a->text->bytes, a->text->length, &a->consensus, &a->wrong) < 0) {
        a->consensus = NULL;
        if (a->wrong == NULL)
            a->wrong = "it is malformed";
    } else if (a->consensus->flavour != a->flavour) {
        a->wrong = "it is of another flavour";
        consensus_free(a->consensus);
        a->consensus = NULL;
    } else {
        a->wrong = NULL;
    }
}

static int read_document(const struct answer *a, const uint8_t *text, size_t size,
                         struct answer_document *d, size_t *length)
{
    switch (a->kind) {
    case FETCH_CERTIFICATES:
        return certificate_parse(text, size, &d->certificate, length);
    case FETCH_MICRODESCRIPTORS:
        return microdescriptor_parse(text, size, &d->microdescriptor, length);
    case FETCH_DESCRIPTORS:
        return router_descriptor_parse(text, size, &d->router, length);
    default:
        return router_extra_info_parse(text, size, &d->router, length);
    }
}

static void read_documents(struct answer *a)
{
    size_t capacity = 0;
    for (size_t at = 0; at < a->text->length && a->n_documents < ANSWER_DOCUMENT_COUNT_MAX;) {
        size_t left = a->text->length - at, length = 0;
        if (a->n_documents == capacity) {
            capacity = capacity == 0 ? 128 : 2 * capacity;
            struct answer_document *grown = realloc(a->documents, capacity * sizeof(*grown));
            if (grown == NULL) {
                a->wrong = "no memory";
                return;
            }
            a->documents = grown;
        }
        struct answer_document *d = &a->documents[a->n_documents];
        *d = (struct answer_document){.at = at};
        if (read_document(a, a->text->bytes + at, left, d, &length) == 0)
            a->n_documents++;
        else
            a->n_malformed++;
        if (length == 0 || length > left)
            break;
        at += length;
    }
}

void answer_read(struct answer *a)
{
    if (!unpack(a))
        return;
    if (a->kind == FETCH_CONSENSUS)
        read_consensus(a);
    else
        read_documents(a);
}

void answer_release(struct answer *a)
{
    if (a->kind == FETCH_CERTIFICATES)
        for (size_t i = 0; i < a->n_documents; i++)
            certificate_free(a->documents[i].certificate);
    free(a->documents);
    consensus_free(a->consensus);
    blob_drop(a->text);
    a->documents = NULL;
    a->n_documents = 0;
    a->consensus = NULL;
    a->text = NULL;
}
