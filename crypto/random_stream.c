// SPDX-License-Identifier: BSD-3-Clause
// ChaCha20 with fast key erasure.
#include "crypto/random_stream.h"

#include <sodium.h>
#include <string.h>

#include "crypto/random.h"

void random_stream_init(struct random_stream *r)
{
    random_bytes(r->key, sizeof(r->key));
    r->used = sizeof(r->buffer);
}

void random_stream_clear(struct random_stream *r)
{
    sodium_memzero(r, sizeof(*r));
    r->used = sizeof(r->buffer);
}

static void refill(struct random_stream *r)
{
    // Each key is used once, so the nonce may always be zero.
    static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
    crypto_stream_chacha20(r->buffer, sizeof(r->buffer), nonce, r->key);
    memcpy(r->key, r->buffer, sizeof(r->key));
    sodium_memzero(r->buffer, sizeof(r->key));
    r->used = sizeof(r->key);
}

void random_stream_bytes(struct random_stream *r, void *out, size_t length)
{
    uint8_t *at = out;
    while (length > 0) {
        if (r->used == sizeof(r->buffer))
            refill(r);
        size_t n = sizeof(r->buffer) - r->used;
        if (n > length)
            n = length;
        memcpy(at, r->buffer + r->used, n);
        sodium_memzero(r->buffer + r->used, n);
        r->used += n;
        at += n;
        length -= n;
    }
}

uint64_t random_stream_u64(struct random_stream *r)
{
    uint64_t value;
    random_stream_bytes(r, &value, sizeof(value));
    return value;
}
