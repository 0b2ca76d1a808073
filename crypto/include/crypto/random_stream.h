// SPDX-License-Identifier: BSD-3-Clause
// Unpredictable numbers without a system call for each: ChaCha20 under a key from the kernel, which
// replaces its own key with every refill, so that earlier output can't be computed from the state.
//
// A stream belongs to one thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { RANDOM_STREAM_BUFFER = 1024 };

struct random_stream {
    uint8_t key[32];
    uint8_t buffer[RANDOM_STREAM_BUFFER];
    size_t used; // of the buffer
};

void random_stream_init(struct random_stream *r); // a system call
void random_stream_clear(struct random_stream *r);
void random_stream_bytes(struct random_stream *r, void *out, size_t length);
uint64_t random_stream_u64(struct random_stream *r);
