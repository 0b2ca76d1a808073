// SPDX-License-Identifier: BSD-3-Clause
// Ed25519 with expanded secret keys, over libsodium's scalar and point functions.
#include "crypto/ed25519.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <sodium.h>
#include <string.h>

#include "crypto/digest.h"
#include "crypto/random.h"

// `wide` mod the group's order.
static void scalar_reduce_32(const uint8_t scalar[32], uint8_t out[32])
{
    uint8_t wide[64] = {0};

    memcpy(wide, scalar, 32);
    crypto_core_ed25519_scalar_reduce(out, wide);
    explicit_bzero(wide, sizeof(wide));
}

int ed25519_from_expanded(const uint8_t expanded[64], struct ed25519_key *out)
{
    memmove(out->expanded, expanded, sizeof(out->expanded));
    return crypto_scalarmult_ed25519_base_noclamp(out->public_key, out->expanded) == 0 ? 0
                                                                                       : -EINVAL;
}

void ed25519_from_seed(const uint8_t seed[32], struct ed25519_key *out)
{
    uint8_t expanded[64];

    crypto_hash_sha512(expanded, seed, 32);
    expanded[0] &= 248;
    expanded[31] &= 63;
    expanded[31] |= 64;
    (void)ed25519_from_expanded(expanded, out); // a clamped scalar is no multiple of the order
    explicit_bzero(expanded, sizeof(expanded));
}

void ed25519_generate(struct ed25519_key *out)
{
    uint8_t seed[32];

    random_bytes(seed, sizeof(seed));
    ed25519_from_seed(seed, out);
    explicit_bzero(seed, sizeof(seed));
}

void ed25519_wipe(struct ed25519_key *key)
{
    explicit_bzero(key, sizeof(*key));
}

// H(a | b | message) mod the group's order; `b` may be NULL.
static void hash_to_scalar(const uint8_t a[32], const uint8_t *b, const void *message,
                           size_t length, uint8_t out[32])
{
    crypto_hash_sha512_state state;
    uint8_t wide[64];

    crypto_hash_sha512_init(&state);
    crypto_hash_sha512_update(&state, a, 32);
    if (b != NULL)
        crypto_hash_sha512_update(&state, b, 32);
    crypto_hash_sha512_update(&state, message, length);
    crypto_hash_sha512_final(&state, wide);
    crypto_core_ed25519_scalar_reduce(out, wide);
    explicit_bzero(&state, sizeof(state));
    explicit_bzero(wide, sizeof(wide));
}

void ed25519_sign(const struct ed25519_key *key, const void *message, size_t length,
                  uint8_t signature[64])
{
    uint8_t r[32], k[32], a[32], point[32];

    hash_to_scalar(key->expanded + 32, NULL, message, length, r);
    // Fails only for r = 0, one chance in 2^252; the signature would then not verify.
    if (crypto_scalarmult_ed25519_base_noclamp(point, r) != 0)
        memset(point, 0, sizeof(point));
    hash_to_scalar(point, key->public_key, message, length, k);
    scalar_reduce_32(key->expanded, a);
    crypto_core_ed25519_scalar_mul(k, k, a);
    crypto_core_ed25519_scalar_add(k, k, r);
    // `message` may overlap `signature` up to here.
    memcpy(signature, point, 32);
    memcpy(signature + 32, k, 32);
    explicit_bzero(r, sizeof(r));
    explicit_bzero(k, sizeof(k));
    explicit_bzero(a, sizeof(a));
}

bool ed25519_verify(const uint8_t public_key[32], const void *message, size_t length,
                    const uint8_t signature[64])
{
    return crypto_sign_ed25519_verify_detached(signature, message, length, public_key) == 0;
}

int ed25519_from_curve25519(const struct curve25519_key *key, struct ed25519_key *out,
                            uint8_t *sign_bit)
{
    // The NUL at its end is hashed too.
    static const char label[] = "Derive high part of ed25519 key from curve25519 key";
    crypto_hash_sha512_state state;
    uint8_t hash[64];
    uint8_t expanded[64];

    crypto_hash_sha512_init(&state);
    crypto_hash_sha512_update(&state, key->secret, 32);
    crypto_hash_sha512_update(&state, (const uint8_t *)label, sizeof(label));
    crypto_hash_sha512_final(&state, hash);
    memcpy(expanded, key->secret, 32);
    memcpy(expanded + 32, hash, 32);
    int err = ed25519_from_expanded(expanded, out);
    *sign_bit = out->public_key[31] >> 7;
    explicit_bzero(&state, sizeof(state));
    explicit_bzero(hash, sizeof(hash));
    explicit_bzero(expanded, sizeof(expanded));
    return err;
}

// y = (u - 1) / (u + 1) modulo p = 2^255 - 19. False for u = -1, or for want of memory.
static bool edwards_y(const uint8_t montgomery_u[32], uint8_t y_out[32], BN_CTX *ctx)
{
    BIGNUM *p = BN_CTX_get(ctx), *u = BN_CTX_get(ctx), *y = BN_CTX_get(ctx);
    BIGNUM *below = BN_CTX_get(ctx), *above = BN_CTX_get(ctx);

    return above != NULL && BN_set_bit(p, 255) && BN_sub_word(p, 19) &&
           BN_lebin2bn(montgomery_u, 32, u) != NULL && BN_copy(below, u) != NULL &&
           BN_copy(above, u) != NULL && BN_add_word(above, 1) &&
           BN_mod_sub(below, below, BN_value_one(), p, ctx) &&
           BN_mod_inverse(above, above, p, ctx) != NULL && BN_mod_mul(y, below, above, p, ctx) &&
           BN_bn2lebinpad(y, y_out, 32) == 32;
}

int ed25519_public_from_curve25519(const uint8_t curve25519_public[32], uint8_t sign_bit,
                                   uint8_t out[32])
{
    uint8_t u[32];

    memcpy(u, curve25519_public, 32);
    u[31] &= 127; // X25519 ignores this bit
    BN_CTX *ctx = BN_CTX_new();
    if (ctx == NULL)
        return -ENOMEM;
    BN_CTX_start(ctx);
    bool ok = edwards_y(u, out, ctx);
    BN_CTX_end(ctx);
    BN_CTX_free(ctx);
    if (!ok) {
        ERR_clear_error();
        return -EINVAL;
    }
    out[31] |= (uint8_t)((sign_bit & 1) << 7);
    return 0;
}

static void blinding_factor(const uint8_t param[32], uint8_t out[32])
{
    memcpy(out, param, 32);
    out[0] &= 248;
    out[31] &= 63;
    out[31] |= 64;
}

int ed25519_blind(const struct ed25519_key *key, const uint8_t param[32], struct ed25519_key *out)
{
    static const char label[] = "Derive temporary signing key hash input";
    crypto_hash_sha512_state state;
    uint8_t factor[32], a[32], expanded[64], hash[64];

    blinding_factor(param, factor);
    scalar_reduce_32(factor, factor);
    scalar_reduce_32(key->expanded, a);
    crypto_core_ed25519_scalar_mul(expanded, factor, a);

    crypto_hash_sha512_init(&state);
    crypto_hash_sha512_update(&state, (const uint8_t *)label, sizeof(label) - 1);
    crypto_hash_sha512_update(&state, key->expanded + 32, 32);
    crypto_hash_sha512_final(&state, hash);
    memcpy(expanded + 32, hash, 32);

    int err = ed25519_from_expanded(expanded, out);
    explicit_bzero(&state, sizeof(state));
    explicit_bzero(factor, sizeof(factor));
    explicit_bzero(a, sizeof(a));
    explicit_bzero(expanded, sizeof(expanded));
    explicit_bzero(hash, sizeof(hash));
    return err;
}

int ed25519_public_blind(const uint8_t public_key[32], const uint8_t param[32], uint8_t out[32])
{
    uint8_t factor[32];

    blinding_factor(param, factor);
    return crypto_scalarmult_ed25519_noclamp(out, factor, public_key) == 0 ? 0 : -EINVAL;
}
