// SPDX-License-Identifier: BSD-3-Clause
// One record in segments, in the place of TCP.
#include "stream.h"

#include "tcp/tcp.h"

static uint8_t *at_offset(struct tcp_conn *conn, size_t offset, size_t end, size_t *length)
{
    *length = 0;
    if (offset >= end)
        return NULL;
    size_t in_segment = STREAM_SEGMENT - offset % STREAM_SEGMENT;
    *length = end - offset < in_segment ? end - offset : in_segment;
    return &conn->segments[offset / STREAM_SEGMENT][offset % STREAM_SEGMENT];
}

size_t tcp_readable(const struct tcp_conn *conn)
{
    return conn->readable;
}

const uint8_t *tcp_peek(struct tcp_conn *conn, size_t offset, size_t *length)
{
    return at_offset(conn, offset, conn->readable, length);
}

// The same record is there again.
void tcp_consume(struct tcp_conn *conn, size_t length)
{
    (void)conn;
    (void)length;
}

bool tcp_write_reserve(struct tcp_conn *conn, size_t length)
{
    return conn->written + length <= STREAM_SEGMENT * STREAM_SEGMENTS;
}

uint8_t *tcp_write_span(struct tcp_conn *conn, size_t *length)
{
    return at_offset(conn, conn->written, conn->written + *length, length);
}

void tcp_write_commit(struct tcp_conn *conn, size_t length)
{
    conn->written += length;
}
