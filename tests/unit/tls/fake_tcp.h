// SPDX-License-Identifier: BSD-3-Clause
// A byte stream in the place of the TCP stack: the part of tcp/tcp.h that the record layer calls.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tcp_conn {
    // What the peer sent. Spans end at multiples of in_span_bytes (0: never), and each is a heap
    // object of exactly its length that dies at the next call, so that misuse is seen.
    uint8_t *in;
    size_t in_length;
    size_t in_capacity;
    size_t in_consumed;
    size_t in_span_bytes;
    // What was written, in segments of out_span_bytes (0: whatever is asked for).
    uint8_t *out;
    size_t out_length;
    size_t out_capacity;
    size_t out_span_bytes;
    size_t reserved;
    bool reserve_fails;
    size_t spans_left; // then tcp_write_span fails, whatever was reserved
    uint8_t *span;
    size_t span_length;
};

void fake_tcp_init(struct tcp_conn *conn);
void fake_tcp_free(struct tcp_conn *conn);
void fake_tcp_arrive(struct tcp_conn *conn, const void *bytes, size_t length);
// Forgets all that came and went.
void fake_tcp_reset(struct tcp_conn *conn);
