// SPDX-License-Identifier: BSD-3-Clause
// A TCP connection's two streams reduced to one record in segments, so that the record layer can be
// timed without TCP. Implements the part of tcp/tcp.h that the record layer calls.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { STREAM_SEGMENT = 1448, STREAM_SEGMENTS = 12 };

struct tcp_conn {
    size_t written;
    size_t readable;
    // Apart from each other, as packets are.
    uint8_t segments[STREAM_SEGMENTS][2048];
};
