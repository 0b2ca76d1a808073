// SPDX-License-Identifier: BSD-3-Clause
// Answers of the directory server: heads, and documents piece by piece (protocol 6.26, 6.27).
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dir/serve/serve_internal.h"

enum { DOCUMENTS_FIRST = 8 };

static void put(struct request *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

// SERVE_HEAD_ROOM is enough for all heads that there are.
static void put(struct request *r, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = sizeof(r->head) - r->answer_head_length;
    int n = vsnprintf(r->head + r->answer_head_length, room, format, arguments);
    va_end(arguments);
    if (n > 0 && (size_t)n < room)
        r->answer_head_length += (unsigned)n;
}

static void put_date(struct request *r, const char *name, time_t time)
{
    char date[HTTP_DATE_LEN + 1];
    http_date(time, date);
    put(r, "%s: %s\r\n", name, date);
}

static void drop_documents(struct request *r)
{
    for (size_t i = r->next; i < r->n_documents; i++)
        blob_drop(r->documents[i]);
    free(r->documents);
    r->documents = NULL;
    r->n_documents = r->documents_capacity = r->next = r->at = 0;
}

static void drop_compressor(struct request *r)
{
    if (r->compressor != NULL)
        r->server->compressor_bytes -= COMPRESSOR_QUICK_BYTES;
    compressor_free(r->compressor);
    r->compressor = NULL;
}

void reply_release(struct request *r)
{
    drop_documents(r);
    drop_compressor(r);
}

void reply_status(struct request *r, unsigned status, const char *reason)
{
    drop_documents(r);
    r->answer_head_length = 0;
    put(r, "HTTP/1.0 %u %s\r\n", status, reason);
    put_date(r, "Date", relay_now(r->server->relay));
    put(r, "\r\n");
    r->state = REQUEST_ANSWER;
    r->server->relay->counters.serve_refusals++;
}

void reply_busy(struct request *r)
{
    r->server->relay->counters.drop_serve_busy++;
    reply_status(r, 503, "Directory busy, try again later");
}

bool reply_add(struct request *r, struct blob *document)
{
    if (r->n_documents == r->documents_capacity) {
        size_t capacity = r->documents_capacity ? 2 * r->documents_capacity : DOCUMENTS_FIRST;
        size_t more = (capacity - r->documents_capacity) * sizeof(*r->documents);
        struct blob **larger =
            request_charge(r, more) ? realloc(r->documents, capacity * sizeof(*larger)) : NULL;
        if (larger == NULL) {
            reply_busy(r);
            return false;
        }
        r->documents = larger;
        r->documents_capacity = capacity;
    }
    r->documents[r->n_documents++] = blob_hold(document);
    return true;
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = (uintptr_t) * (struct blob *const *)a, y = (uintptr_t) * (struct blob *const *)b;
    return x < y ? -1 : x > y;
}

void reply_unique(struct request *r)
{
    size_t n = 0;
    if (r->n_documents > 1)
        qsort(r->documents, r->n_documents, sizeof(*r->documents), by_address);
    for (size_t i = 0; i < r->n_documents; i++)
        if (n > 0 && r->documents[n - 1] == r->documents[i])
            blob_drop(r->documents[i]);
        else
            r->documents[n++] = r->documents[i];
    r->n_documents = n;
}

enum compression reply_encoding(const struct request *r, unsigned accepted)
{
    static const enum compression order[] = {COMPRESSION_ZSTD, COMPRESSION_DEFLATE,
                                             COMPRESSION_GZIP};
    if (r->server->compressor_bytes + COMPRESSOR_QUICK_BYTES > SERVE_COMPRESSOR_SHARE_BYTES)
        return COMPRESSION_IDENTITY;
    for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
        if (accepted & 1u << order[i])
            return order[i];
    return COMPRESSION_IDENTITY;
}

static enum compression begin_compressor(struct request *r, enum compression encoding)
{
    if (encoding == COMPRESSION_IDENTITY || !request_charge(r, COMPRESSOR_QUICK_BYTES))
        return COMPRESSION_IDENTITY;
    r->compressor = compressor_create(encoding, COMPRESSOR_QUICK);
    if (r->compressor == NULL)
        return COMPRESSION_IDENTITY;
    r->server->compressor_bytes += COMPRESSOR_QUICK_BYTES;
    return encoding;
}

// How the client, or the relay before us, can learn its own address.
static void put_address(struct request *r)
{
    char text[INET6_ADDRSTRLEN];
    struct address peer = stream_info(r->stream).peer;
    int family = peer.family == ADDRESS_IPV6 ? AF_INET6 : AF_INET;
    if (peer.family != ADDRESS_NONE && !address_is_internal(&peer) &&
        inet_ntop(family, peer.bytes, text, sizeof(text)) != NULL)
        put(r, "X-Your-Address-Is: %s\r\n", text);
}

static void count(struct counters *counters, enum compression encoding)
{
    counters->serve_answers++;
    counters->serve_deflate += encoding == COMPRESSION_DEFLATE;
    counters->serve_gzip += encoding == COMPRESSION_GZIP;
    counters->serve_zstd += encoding == COMPRESSION_ZSTD;
    counters->serve_lzma += encoding == COMPRESSION_LZMA;
}

void reply_begin(struct request *r, const struct reply_head *head)
{
    time_t now = relay_now(r->server->relay);
    size_t length = 0;
    enum compression encoding =
        head->compress ? begin_compressor(r, head->encoding) : head->encoding;
    for (size_t i = 0; i < r->n_documents; i++)
        length += r->documents[i]->length;
    r->answer_head_length = 0;
    put(r, "HTTP/1.0 200 OK\r\n");
    put_date(r, "Date", now);
    put(r, "Content-Type: text/plain\r\nContent-Encoding: %s\r\n", compression_name(encoding));
    put_address(r);
    if (r->compressor == NULL)
        put(r, "Content-Length: %zu\r\n", length);
    if (head->lifetime_s > 0)
        put_date(r, "Expires", now + head->lifetime_s);
    else
        put(r, "Pragma: no-cache\r\n");
    if (head->varies_by_diff)
        put(r, "Vary: X-Or-Diff-From-Consensus\r\n");
    put(r, "\r\n");
    r->state = REQUEST_ANSWER;
    count(&r->server->relay->counters, encoding);
}

void reply_text(struct request *r, const void *text, size_t length, long lifetime_s)
{
    struct blob *blob = blob_create(text, length);
    if (blob == NULL) {
        reply_busy(r);
        return;
    }
    bool added = reply_add(r, blob);
    blob_drop(blob);
    if (added)
        reply_begin(r, &(struct reply_head){.lifetime_s = lifetime_s});
}

// ---- sending

// The document under way is at its end: the next one.
static void step_on(struct request *r)
{
    while (r->next < r->n_documents && r->at == r->documents[r->next]->length) {
        blob_drop(r->documents[r->next]);
        r->next++;
        r->at = 0;
    }
}

static size_t produce_plain(struct request *r, uint8_t *out, size_t capacity)
{
    size_t n = 0;
    for (step_on(r); n < capacity && r->next < r->n_documents; step_on(r)) {
        const struct blob *document = r->documents[r->next];
        size_t left = document->length - r->at;
        size_t piece = left < capacity - n ? left : capacity - n;
        memcpy(out + n, document->bytes + r->at, piece);
        n += piece;
        r->at += piece;
    }
    return n;
}

// -1: out of memory.
static int produce_compressed(struct request *r, uint8_t *out, size_t capacity)
{
    struct compress_step step = {.out = out, .out_left = capacity};
    int state = COMPRESS_MORE;
    step_on(r);
    while (state == COMPRESS_MORE && step.out_left > 0) {
        bool last = r->next + 1 >= r->n_documents;
        const struct blob *document = r->next < r->n_documents ? r->documents[r->next] : NULL;
        step.in = document ? document->bytes + r->at : NULL;
        step.in_left = document ? document->length - r->at : 0;
        state = compressor_run(r->compressor, &step, last);
        if (document != NULL)
            r->at = document->length - step.in_left;
        if (!last)
            step_on(r);
    }
    if (state < 0)
        return -1;
    if (state == COMPRESS_END) {
        drop_compressor(r);
        drop_documents(r);
    }
    return (int)(capacity - step.out_left);
}

int reply_produce(struct request *r, uint8_t *out, size_t capacity)
{
    size_t n = r->answer_head_length - r->answer_head_sent;
    n = n < capacity ? n : capacity;
    memcpy(out, r->head + r->answer_head_sent, n);
    r->answer_head_sent += (unsigned)n;
    if (r->compressor == NULL) {
        n += produce_plain(r, out + n, capacity - n);
    } else if (n < capacity) {
        int more = produce_compressed(r, out + n, capacity - n);
        if (more < 0) {
            request_close(r, END_INTERNAL);
            return 0;
        }
        n += (size_t)more;
    }
    if (n > 0)
        return (int)n;
    r->state = REQUEST_CLOSED;
    return STREAM_END;
}
