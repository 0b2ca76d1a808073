// SPDX-License-Identifier: BSD-3-Clause
// Opens TLS 1.3 records: from TCP's segments straight into the caller's buffer.
#include "tls/record_in.h"

#include <string.h>

#include "base/cursor.h"
#include "tcp/tcp.h"

enum handshake_type { NEW_SESSION_TICKET = 4, KEY_UPDATE = 24 };

enum {
    HANDSHAKE_HEADER_LEN = 4,
    KEY_UPDATE_BODY_LEN = 1,
    TICKET_LEN_MIN = 4 + 4 + 1 + (2 + 1) + 2, // RFC 8446, 4.6.1
};

static enum tls_in_result fail(const struct tls_worker *w, struct tls_in_event *event,
                               enum tls_alert alert)
{
    if (alert == TLS_ALERT_BAD_RECORD_MAC)
        w->counters->drop_tls_bad_record++;
    else
        w->counters->drop_tls_malformed++;
    event->alert = alert;
    return TLS_IN_ERROR;
}

// Copies `length` readable bytes that may lie in several segments.
static void peek_copy(struct tcp_conn *conn, size_t offset, uint8_t *dst, size_t length)
{
    while (length) {
        size_t n;
        const uint8_t *bytes = tcp_peek(conn, offset, &n);
        if (n > length)
            n = length;
        if (!bytes || n == 0) { // cannot be: tcp_readable said that they are there
            memset(dst, 0, length);
            return;
        }
        memcpy(dst, bytes, n);
        dst += n;
        offset += n;
        length -= n;
    }
}

// Opens the record that is wholly readable behind `header`, and consumes it.
static bool open_record(struct tls_in *in, const struct tls_worker *w, struct tcp_conn *conn,
                        const uint8_t header[TLS_HEADER_LEN], size_t length, uint8_t *staging)
{
    struct record_op op;
    uint8_t tag[RECORD_TAG_LEN];
    size_t content = length - RECORD_TAG_LEN;
    size_t offset = TLS_HEADER_LEN;

    record_aead_begin(w->aead, &op, &in->key, header);
    for (size_t done = 0; done < content;) {
        size_t n;
        const uint8_t *bytes = tcp_peek(conn, offset + done, &n);
        if (!bytes || n == 0)
            return false;
        if (n > content - done)
            n = content - done;
        record_aead_open(w->aead, &op, &in->key, staging + done, bytes, n);
        done += n;
    }
    peek_copy(conn, offset + content, tag, sizeof(tag));
    bool good = record_aead_open_end(w->aead, &op, &in->key, tag);
    tcp_consume(conn, TLS_HEADER_LEN + length);
    return good;
}

// The begin of a handshake message, which may have been split over records, is gathered in
// in->handshake. False: there is too little of it yet.
static bool gather(struct tls_in *in, struct reader *r, size_t need)
{
    size_t missing = need - in->handshake_length;
    size_t n = reader_left(r) < missing ? reader_left(r) : missing;
    read_into(r, in->handshake + in->handshake_length, n);
    in->handshake_length += (uint8_t)n;
    return n == missing;
}

static bool inside_handshake_message(const struct tls_in *in)
{
    return in->handshake_length > 0 || in->handshake_skip > 0;
}

static enum tls_in_result take_ticket(struct tls_in *in, const struct tls_worker *w,
                                      uint32_t length, struct tls_in_event *event)
{
    if (length < TICKET_LEN_MIN || length > TLS_TICKET_LEN_MAX)
        return fail(w, event, TLS_ALERT_DECODE_ERROR);
    if (++in->tickets_in_row > TLS_TICKETS_MAX)
        return fail(w, event, TLS_ALERT_UNEXPECTED_MESSAGE);
    w->counters->tls_tickets_ignored++;
    in->handshake_length = 0;
    in->handshake_skip = length;
    return TLS_IN_NEED_MORE;
}

static enum tls_in_result take_key_update(struct tls_in *in, const struct tls_worker *w,
                                          struct reader *r, uint32_t length,
                                          struct tls_in_event *event)
{
    if (length != KEY_UPDATE_BODY_LEN)
        return fail(w, event, TLS_ALERT_DECODE_ERROR);
    if (!gather(in, r, HANDSHAKE_HEADER_LEN + KEY_UPDATE_BODY_LEN))
        return TLS_IN_NEED_MORE;
    if (in->handshake[HANDSHAKE_HEADER_LEN] > 1) // update_requested
        return fail(w, event, TLS_ALERT_ILLEGAL_PARAMETER);
    if (reader_left(r)) // RFC 8446, 5.1: a key change ends its record
        return fail(w, event, TLS_ALERT_UNEXPECTED_MESSAGE);
    memcpy(event->handshake, in->handshake, sizeof(event->handshake));
    in->handshake_length = 0;
    in->awaits_key = true;
    return TLS_IN_KEY_UPDATE;
}

// TLS_IN_NEED_MORE: the record is dealt with, go on with the next.
static enum tls_in_result take_handshake(struct tls_in *in, const struct tls_worker *w,
                                         const uint8_t *bytes, size_t length,
                                         struct tls_in_event *event)
{
    struct reader r = reader_of(bytes, length);
    if (length == 0) // RFC 8446, 5.1
        return fail(w, event, TLS_ALERT_UNEXPECTED_MESSAGE);
    while (reader_left(&r)) {
        if (in->handshake_skip) {
            size_t left = reader_left(&r);
            uint32_t n = left < in->handshake_skip ? (uint32_t)left : in->handshake_skip;
            read_bytes(&r, n);
            in->handshake_skip -= n;
            continue;
        }
        if (in->handshake_length < HANDSHAKE_HEADER_LEN && !gather(in, &r, HANDSHAKE_HEADER_LEN))
            break;
        struct reader header = reader_of(in->handshake, HANDSHAKE_HEADER_LEN);
        uint8_t type = read_u8(&header);
        uint32_t body_length = read_u24(&header);
        enum tls_in_result result;
        if (type == NEW_SESSION_TICKET)
            result = take_ticket(in, w, body_length, event);
        else if (type == KEY_UPDATE)
            result = take_key_update(in, w, &r, body_length, event);
        else
            result = fail(w, event, TLS_ALERT_UNEXPECTED_MESSAGE);
        if (result != TLS_IN_NEED_MORE)
            return result;
    }
    return TLS_IN_NEED_MORE;
}

static enum tls_in_result take_alert(const struct tls_worker *w, const uint8_t *bytes,
                                     size_t length, struct tls_in_event *event)
{
    if (length == 0)
        return fail(w, event, TLS_ALERT_UNEXPECTED_MESSAGE);
    if (length != 2)
        return fail(w, event, TLS_ALERT_DECODE_ERROR);
    w->counters->tls_alerts_in++;
    event->alert_level = bytes[0];
    event->alert = bytes[1];
    return TLS_IN_ALERT;
}

// What an opened record holds. TLS_IN_NEED_MORE: nothing to tell, go on with the next.
static enum tls_in_result take_content(struct tls_in *in, const struct tls_worker *w,
                                       const uint8_t *inner, size_t length,
                                       struct tls_in_event *event)
{
    // TLSInnerPlaintext: content, type, any number of zeros (RFC 8446, 5.2 and 5.4).
    if (length > TLS_PLAINTEXT_MAX + 1)
        return fail(w, event, TLS_ALERT_RECORD_OVERFLOW);
    while (length && inner[length - 1] == 0)
        length--;
    if (length == 0)
        return fail(w, event, TLS_ALERT_UNEXPECTED_MESSAGE);
    uint8_t type = inner[--length];
    // RFC 8446, 5.1: nothing may come between the pieces of a handshake message.
    if (type != TLS_CONTENT_HANDSHAKE && inside_handshake_message(in))
        return fail(w, event, TLS_ALERT_UNEXPECTED_MESSAGE);

    switch (type) {
    case TLS_CONTENT_APPLICATION_DATA:
        in->data_seen = true;
        if (length == 0) {
            if (++in->empty_in_row > TLS_EMPTY_RECORDS_MAX)
                return fail(w, event, TLS_ALERT_UNEXPECTED_MESSAGE);
            return TLS_IN_NEED_MORE;
        }
        in->empty_in_row = 0;
        in->tickets_in_row = 0;
        event->length = length;
        return TLS_IN_DATA;
    case TLS_CONTENT_HANDSHAKE:
        return take_handshake(in, w, inner, length, event);
    case TLS_CONTENT_ALERT:
        return take_alert(w, inner, length, event);
    default:
        return fail(w, event, TLS_ALERT_UNEXPECTED_MESSAGE);
    }
}

// RFC 8446, D.4: a peer in compatibility mode sends this around its handshake, unprotected.
static enum tls_in_result take_change_cipher_spec(struct tls_in *in, const struct tls_worker *w,
                                                  struct tcp_conn *conn, size_t length,
                                                  struct tls_in_event *event)
{
    uint8_t value;
    peek_copy(conn, TLS_HEADER_LEN, &value, 1);
    bool good = length == 1 && value == 1 && !in->data_seen && !inside_handshake_message(in) &&
                ++in->change_cipher_specs <= TLS_CHANGE_CIPHER_SPEC_MAX;
    if (!good)
        return fail(w, event, TLS_ALERT_UNEXPECTED_MESSAGE);
    tcp_consume(conn, TLS_HEADER_LEN + length);
    return TLS_IN_NEED_MORE;
}

// What can be said of a record by its header alone; 0 if nothing is wrong with it.
static enum tls_alert header_alert(uint8_t type, size_t length)
{
    if (type == TLS_CONTENT_CHANGE_CIPHER_SPEC)
        return length == 1 ? 0 : TLS_ALERT_UNEXPECTED_MESSAGE;
    if (type != TLS_CONTENT_APPLICATION_DATA)
        return TLS_ALERT_UNEXPECTED_MESSAGE; // alerts too: nothing goes unprotected any more
    if (length > TLS_CIPHERTEXT_MAX)
        return TLS_ALERT_RECORD_OVERFLOW;
    if (length < RECORD_TAG_LEN)
        return TLS_ALERT_BAD_RECORD_MAC;
    return 0;
}

enum tls_in_result tls_in_next(struct tls_in *in, const struct tls_worker *w, struct tcp_conn *conn,
                               uint8_t *staging, struct tls_in_event *event)
{
    memset(event, 0, sizeof(*event));
    while (!in->awaits_key) {
        uint8_t header[TLS_HEADER_LEN];
        size_t readable = tcp_readable(conn);
        if (readable < TLS_HEADER_LEN)
            return TLS_IN_NEED_MORE;
        peek_copy(conn, 0, header, TLS_HEADER_LEN);
        struct reader r = reader_of(header, sizeof(header));
        uint8_t type = read_u8(&r);
        read_u16(&r); // the version means nothing (RFC 8446, 5.1)
        size_t length = read_u16(&r);

        enum tls_alert alert = header_alert(type, length);
        if (alert)
            return fail(w, event, alert);
        if (readable < TLS_HEADER_LEN + length)
            return TLS_IN_NEED_MORE;
        enum tls_in_result result;
        if (type == TLS_CONTENT_CHANGE_CIPHER_SPEC) {
            result = take_change_cipher_spec(in, w, conn, length, event);
        } else {
            if (!open_record(in, w, conn, header, length, staging))
                return fail(w, event, TLS_ALERT_BAD_RECORD_MAC);
            w->counters->tls_records_in++;
            result = take_content(in, w, staging, length - RECORD_TAG_LEN, event);
        }
        if (result != TLS_IN_NEED_MORE)
            return result;
    }
    return TLS_IN_AWAITS_KEY;
}
