// SPDX-License-Identifier: BSD-3-Clause
// X25519 of server-side handshakes, many at a time.
#include "crypto/ntor_exchange.h"

#include <string.h>

#include "crypto/ntor.h"
#include "crypto/ntor_v3.h"
#include "crypto/random.h"

enum { AT_A_TIME = 32 };

// Both kinds of skin begin with an identity, and then come B and X.
static void read_keys(struct ntor_exchange *exchange, const uint8_t *skin, bool fits,
                      size_t identity_length)
{
    exchange->wanted = fits ? skin + identity_length : NULL;
    exchange->client_key = fits ? skin + identity_length + 32 : NULL;
}

void ntor_exchange_read(struct ntor_exchange *exchange, const uint8_t *skin, size_t length)
{
    read_keys(exchange, skin, length == NTOR_SKIN_LEN, 20);
}

void ntor_v3_exchange_read(struct ntor_exchange *exchange, const uint8_t *skin, size_t length)
{
    read_keys(exchange, skin, length >= NTOR_V3_SKIN_MIN, 32);
}

// Y, xy and xb of one.
enum { EACH = 3 };

static void plan(struct ntor_exchange *x, struct curve25519_exchange jobs[EACH])
{
    jobs[0] = (struct curve25519_exchange){x->ephemeral.secret, NULL, x->ephemeral.public_key, 0};
    jobs[1] = (struct curve25519_exchange){x->ephemeral.secret, x->client_key, x->shared_xy, 0};
    jobs[2] = (struct curve25519_exchange){x->onion.secret, x->client_key, x->shared_xb, 0};
}

static void exchange_some(const struct curve25519_batch *batch, const struct onion_keys *keys,
                          struct ntor_exchange *list, size_t n)
{
    uint8_t secrets[AT_A_TIME][32];
    struct curve25519_exchange jobs[AT_A_TIME * EACH];
    size_t n_jobs = 0;
    random_bytes(secrets, n * sizeof(secrets[0]));
    for (size_t i = 0; i < n; i++) {
        struct ntor_exchange *x = &list[i];
        if (!x->client_key)
            continue;
        onion_keys_select(keys, x->wanted, &x->onion);
        memcpy(x->ephemeral.secret, secrets[i], 32);
        curve25519_clamp(x->ephemeral.secret);
        plan(x, jobs + n_jobs);
        n_jobs += EACH;
    }
    curve25519_many(batch, jobs, n_jobs);
    n_jobs = 0;
    for (size_t i = 0; i < n; i++) {
        list[i].good = false;
        if (!list[i].client_key)
            continue;
        list[i].good = jobs[n_jobs + 1].good & jobs[n_jobs + 2].good;
        n_jobs += EACH;
    }
    explicit_bzero(secrets, sizeof(secrets));
}

void ntor_exchange_many(const struct curve25519_batch *batch, const struct onion_keys *keys,
                        struct ntor_exchange *list, size_t n)
{
    while (n > 0) {
        size_t some = n < AT_A_TIME ? n : AT_A_TIME;
        exchange_some(batch, keys, list, some);
        list += some;
        n -= some;
    }
}

void ntor_exchange_with_key(const struct onion_keys *keys, const struct curve25519_key *ephemeral,
                            struct ntor_exchange *exchange)
{
    exchange->good = false;
    if (!exchange->client_key)
        return;
    onion_keys_select(keys, exchange->wanted, &exchange->onion);
    exchange->ephemeral = *ephemeral;
    bool y = curve25519_shared(ephemeral->secret, exchange->client_key, exchange->shared_xy);
    bool b = curve25519_shared(exchange->onion.secret, exchange->client_key, exchange->shared_xb);
    exchange->good = y & b;
}

void ntor_exchange_wipe(struct ntor_exchange *exchange)
{
    explicit_bzero(exchange, sizeof(*exchange));
}
