// SPDX-License-Identifier: BSD-3-Clause
// Applications' streams that the test plays the network for, in the place of origin/stream.
#pragma once

#include "origin/stream/app_stream.h"

enum { FAKE_STREAMS_MAX = 64 };

struct app_stream {
    const struct app_stream_ops *ops;
    void *user;
    struct app_request request;
    unsigned onion_failure;
    unsigned wakes;
    size_t held_bytes;
    unsigned held_calls;
    bool close_asked, closed;
};

// In the order of their opening; those that are closed stay here.
extern struct app_stream *fake_streams[FAKE_STREAMS_MAX];
extern unsigned fake_streams_count;
extern bool fake_streams_refuse; // app_stream_open gives NULL

// The last one that was opened.
struct app_stream *fake_stream_last(void);
// Those that the user has ended hear of it.
void fake_streams_settle(void);
void fake_stream_close(struct app_stream *s, enum end_reason reason, enum app_failure failure);
// All that it can produce now, at most `capacity` bytes in pieces of a cell; `*ended` if it said
// so.
size_t fake_stream_pull(struct app_stream *s, uint8_t *out, size_t capacity, bool *ended);
void fake_streams_forget(void);
