// SPDX-License-Identifier: BSD-3-Clause
// Seals TLS 1.3 records: from the caller's spans straight into TCP's segments.
#include "tls/record_out.h"

#include <errno.h>
#include <string.h>

#include <rte_prefetch.h>

#include "tcp/tcp.h"

enum { SPANS_AHEAD = 3 }; // that are fetched while one is copied

// The record under way, and where its bytes go.
//
// Content is copied into the segment first and sealed there in place, once for each segment: a
// cipher call costs about as much as copying 2 KB, and cells and segments end in different places.
// What fills a segment by itself is sealed without being copied.
struct sink {
    const struct tls_worker *w;
    struct tls_out *out;
    struct tcp_conn *conn;
    struct record_op op;
    uint8_t *at;
    size_t room;     // at `at`
    size_t unsealed; // bytes before `at` that wait to be sealed
    size_t filled;   // in this segment, not committed yet
    size_t left;     // of the record, behind this segment
};

static void sink_seal(struct sink *s)
{
    uint8_t *from = s->at - s->unsealed;
    record_aead_seal(s->w->aead, &s->op, &s->out->key, from, from, s->unsealed);
    s->unsealed = 0;
}

static void sink_commit(struct sink *s)
{
    if (s->filled)
        tcp_write_commit(s->conn, s->filled);
    s->filled = 0;
    s->room = 0;
}

// Goes on to the next segment when this one is full.
static bool sink_room(struct sink *s)
{
    if (s->room)
        return true;
    if (s->unsealed)
        sink_seal(s);
    sink_commit(s);
    size_t room = s->left;
    s->at = room ? tcp_write_span(s->conn, &room) : NULL;
    if (!s->at)
        return false;
    s->room = room < s->left ? room : s->left;
    s->left -= s->room;
    return s->room > 0;
}

static void sink_advance(struct sink *s, size_t length)
{
    s->at += length;
    s->room -= length;
    s->filled += length;
}

static bool put_plain(struct sink *s, const uint8_t *bytes, size_t length)
{
    while (length) {
        if (!sink_room(s))
            return false;
        size_t n = length < s->room ? length : s->room;
        memcpy(s->at, bytes, n);
        sink_advance(s, n);
        bytes += n;
        length -= n;
    }
    return true;
}

static bool put_sealed(struct sink *s, const uint8_t *bytes, size_t length)
{
    while (length) {
        if (!sink_room(s))
            return false;
        size_t n = length < s->room ? length : s->room;
        if (n == s->room && s->unsealed == 0) {
            record_aead_seal(s->w->aead, &s->op, &s->out->key, s->at, bytes, n);
        } else {
            memcpy(s->at, bytes, n);
            s->unsealed += n;
        }
        sink_advance(s, n);
        bytes += n;
        length -= n;
    }
    return true;
}

// What a span holds was written some time ago, and is wanted while the ones before it are copied.
static void prefetch_span(const struct tls_span *span)
{
    for (size_t at = 0; at < span->length; at += RTE_CACHE_LINE_SIZE)
        rte_prefetch0(span->bytes + at);
}

static bool put_record(struct sink *s, enum tls_content_type type, const struct tls_span *spans,
                       unsigned n, size_t length)
{
    uint8_t inner_type = (uint8_t)type, tag[RECORD_TAG_LEN];
    size_t sealed = length + 1 + RECORD_TAG_LEN;
    const uint8_t header[TLS_HEADER_LEN] = {TLS_CONTENT_APPLICATION_DATA, 3, 3,
                                            (uint8_t)(sealed >> 8), (uint8_t)sealed};
    record_aead_begin(s->w->aead, &s->op, &s->out->key, header);
    bool good = put_plain(s, header, sizeof(header));
    for (unsigned i = 0; i < n && i < SPANS_AHEAD; i++)
        prefetch_span(&spans[i]);
    for (unsigned i = 0; i < n && good; i++) {
        if (i + SPANS_AHEAD < n)
            prefetch_span(&spans[i + SPANS_AHEAD]);
        good = put_sealed(s, spans[i].bytes, spans[i].length);
    }
    good = good && put_sealed(s, &inner_type, 1);
    if (s->unsealed)
        sink_seal(s);
    record_aead_seal_end(s->w->aead, &s->op, &s->out->key, tag);
    good = good && put_plain(s, tag, sizeof(tag));
    sink_commit(s);
    return good;
}

int tls_out_seal(struct tls_out *out, const struct tls_worker *w, struct tcp_conn *conn,
                 enum tls_content_type type, const struct tls_span *spans, unsigned n)
{
    if (out->broken || out->key.cipher == TLS_CIPHER_NONE)
        return -EPIPE;
    size_t length = 0;
    for (unsigned i = 0; i < n; i++)
        length += spans[i].length;
    if (length > TLS_PLAINTEXT_MAX)
        return -EMSGSIZE;
    struct sink s = {.w = w, .out = out, .conn = conn, .left = length + TLS_RECORD_OVERHEAD};
    if (!tcp_write_reserve(conn, s.left))
        return -ENOBUFS;
    bool good = put_record(&s, type, spans, n, length);
    if (!good) { // TCP did not keep its word
        out->broken = true;
        return -EPIPE;
    }
    w->counters->tls_records_out++;
    return 0;
}

int tls_out_alert(struct tls_out *out, const struct tls_worker *w, struct tcp_conn *conn,
                  uint8_t alert)
{
    bool warning = alert == TLS_ALERT_CLOSE_NOTIFY || alert == TLS_ALERT_USER_CANCELED;
    uint8_t bytes[2] = {warning ? TLS_ALERT_WARNING : TLS_ALERT_FATAL, alert};
    struct tls_span span = {bytes, sizeof(bytes)};
    int error = tls_out_seal(out, w, conn, TLS_CONTENT_ALERT, &span, 1);
    if (!error)
        w->counters->tls_alerts_out++;
    return error;
}
