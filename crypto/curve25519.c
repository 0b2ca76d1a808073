// SPDX-License-Identifier: BSD-3-Clause
// X25519 over libsodium.
#include "crypto/curve25519.h"

#include <sodium.h>
#include <string.h>

#include "crypto/random.h"

void curve25519_clamp(uint8_t secret[32])
{
    secret[0] &= 248;
    secret[31] &= 127;
    secret[31] |= 64;
}

void curve25519_from_secret(const uint8_t secret[32], struct curve25519_key *out)
{
    memmove(out->secret, secret, sizeof(out->secret));
    curve25519_clamp(out->secret);
    (void)crypto_scalarmult_curve25519_base(out->public_key, out->secret); // cannot fail
}

void curve25519_generate(struct curve25519_key *out)
{
    uint8_t secret[32];

    random_bytes(secret, sizeof(secret));
    curve25519_from_secret(secret, out);
    explicit_bzero(secret, sizeof(secret));
}

bool curve25519_shared(const uint8_t secret[32], const uint8_t peer[32], uint8_t out[32])
{
    // libsodium turns points of small order away before it writes anything.
    memset(out, 0, 32);
    int failed = crypto_scalarmult_curve25519(out, secret, peer);
    int zero = sodium_is_zero(out, 32);
    return (failed | zero) == 0;
}

void curve25519_wipe(struct curve25519_key *key)
{
    explicit_bzero(key, sizeof(*key));
}
