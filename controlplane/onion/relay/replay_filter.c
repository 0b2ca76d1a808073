// SPDX-License-Identifier: BSD-3-Clause
// One slot by the low bits of a keyed hash, and the whole hash in it.
#include "onion/relay/replay_filter.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "crypto/random.h"

_Static_assert(sizeof(((struct replay_filter *)0)->secret) == crypto_shorthash_KEYBYTES,
               "SipHash key");

bool replay_filter_init(struct replay_filter *f)
{
    f->slots = calloc(REPLAY_FILTER_SLOTS, sizeof(*f->slots));
    random_bytes(f->secret, sizeof(f->secret));
    return f->slots != NULL;
}

void replay_filter_release(struct replay_filter *f)
{
    free(f->slots);
    explicit_bzero(f, sizeof(*f));
}

bool replay_filter_seen(struct replay_filter *f, const void *bytes, size_t length)
{
    uint64_t hash;
    uint8_t out[crypto_shorthash_BYTES];
    crypto_shorthash(out, bytes, length, f->secret);
    memcpy(&hash, out, sizeof(hash));
    hash |= hash == 0;
    uint64_t *slot = &f->slots[hash % REPLAY_FILTER_SLOTS];
    bool seen = *slot == hash;
    *slot = hash;
    return seen;
}
