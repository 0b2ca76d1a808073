// SPDX-License-Identifier: BSD-3-Clause
// A byte stream in the place of the TCP stack.
#include "fake_tcp.h"

#include <stdlib.h>
#include <string.h>

#include "tcp/tcp.h"

static void append(uint8_t **buffer, size_t *length, size_t *capacity, const void *bytes, size_t n)
{
    if (*length + n > *capacity) {
        *capacity = (*length + n) * 2;
        *buffer = realloc(*buffer, *capacity);
        if (!*buffer)
            abort();
    }
    if (n)
        memcpy(*buffer + *length, bytes, n);
    *length += n;
}

static void drop_span(struct tcp_conn *conn)
{
    free(conn->span);
    conn->span = NULL;
    conn->span_length = 0;
}

static uint8_t *new_span(struct tcp_conn *conn, size_t length)
{
    drop_span(conn);
    conn->span = malloc(length);
    if (!conn->span)
        abort();
    conn->span_length = length;
    return conn->span;
}

void fake_tcp_init(struct tcp_conn *conn)
{
    memset(conn, 0, sizeof(*conn));
    conn->spans_left = SIZE_MAX;
}

void fake_tcp_free(struct tcp_conn *conn)
{
    drop_span(conn);
    free(conn->in);
    free(conn->out);
}

void fake_tcp_arrive(struct tcp_conn *conn, const void *bytes, size_t length)
{
    append(&conn->in, &conn->in_length, &conn->in_capacity, bytes, length);
}

void fake_tcp_reset(struct tcp_conn *conn)
{
    drop_span(conn);
    conn->in_length = 0;
    conn->in_consumed = 0;
    conn->out_length = 0;
    conn->reserved = 0;
}

size_t tcp_readable(const struct tcp_conn *conn)
{
    return conn->in_length - conn->in_consumed;
}

const uint8_t *tcp_peek(struct tcp_conn *conn, size_t offset, size_t *length)
{
    size_t from = conn->in_consumed + offset;
    *length = 0;
    if (from >= conn->in_length)
        return NULL;
    size_t n = conn->in_length - from;
    if (conn->in_span_bytes && n > conn->in_span_bytes - from % conn->in_span_bytes)
        n = conn->in_span_bytes - from % conn->in_span_bytes;
    uint8_t *span = new_span(conn, n);
    memcpy(span, conn->in + from, n);
    *length = n;
    return span;
}

void tcp_consume(struct tcp_conn *conn, size_t length)
{
    drop_span(conn);
    if (length > tcp_readable(conn))
        abort();
    conn->in_consumed += length;
}

bool tcp_write_reserve(struct tcp_conn *conn, size_t length)
{
    if (conn->reserve_fails)
        return false;
    conn->reserved = length;
    return true;
}

uint8_t *tcp_write_span(struct tcp_conn *conn, size_t *length)
{
    if (conn->spans_left == 0 || *length == 0 || *length > conn->reserved) {
        *length = 0;
        return NULL;
    }
    conn->spans_left--;
    size_t segment = conn->out_span_bytes;
    if (segment && *length > segment - conn->out_length % segment)
        *length = segment - conn->out_length % segment;
    return new_span(conn, *length);
}

void tcp_write_commit(struct tcp_conn *conn, size_t length)
{
    if (length > conn->span_length)
        abort();
    append(&conn->out, &conn->out_length, &conn->out_capacity, conn->span, length);
    conn->reserved -= length;
    drop_span(conn);
}
