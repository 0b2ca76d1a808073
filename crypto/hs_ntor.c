// SPDX-License-Identifier: BSD-3-Clause
// The handshake of onion services (rend-spec-v3 3.3): X25519, SHA3-256, SHAKE256.
#include "crypto/hs_ntor.h"

#include <sodium.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/digest.h"

#define PROTOID "tor-hs-ntor-curve25519-sha3-256-1"
#define T_HSENC PROTOID ":hs_key_extract"
#define T_HSVERIFY PROTOID ":hs_verify"
#define T_HSMAC PROTOID ":hs_mac"
#define M_HSEXPAND PROTOID ":hs_key_expand"
#define LITERAL(s) (s), sizeof(s) - 1

enum {
    PROTOID_LEN = sizeof(PROTOID) - 1,
    INTRO_KDF_INPUT_LEN = 32 * 4 + PROTOID_LEN + sizeof(T_HSENC) - 1 + sizeof(M_HSEXPAND) - 1 + 32,
    REND_SECRET_LEN = 32 * 6 + PROTOID_LEN,
    AUTH_INPUT_LEN = 32 * 5 + PROTOID_LEN + 6,
    EXPAND_INPUT_LEN = 32 + sizeof(M_HSEXPAND) - 1,
};

// What is known to both sides, 32 bytes each.
struct rendezvous {
    const uint8_t *xy, *xb; // secret
    const uint8_t *auth_key;
    const uint8_t *b, *x, *y; // public keys: the introduction point's, client's, service's
};

static void derive_introduction(const uint8_t bx[32], const uint8_t auth_key[32],
                                const uint8_t x[32], const uint8_t b[32],
                                const uint8_t subcredential[32], struct hs_ntor_intro_keys *out)
{
    uint8_t input[INTRO_KDF_INPUT_LEN], keys[64];

    struct writer w = writer_of(input, sizeof(input));
    write_bytes(&w, bx, 32);
    write_bytes(&w, auth_key, 32);
    write_bytes(&w, x, 32);
    write_bytes(&w, b, 32);
    write_bytes(&w, LITERAL(PROTOID));
    write_bytes(&w, LITERAL(T_HSENC));
    write_bytes(&w, LITERAL(M_HSEXPAND));
    write_bytes(&w, subcredential, 32);
    shake256(input, sizeof(input), keys, sizeof(keys));
    memcpy(out->encryption, keys, 32);
    memcpy(out->mac, keys + 32, 32);
    explicit_bzero(input, sizeof(input));
    explicit_bzero(keys, sizeof(keys));
}

bool hs_ntor_client_introduce(const struct hs_ntor_point *point,
                              const struct curve25519_key *ephemeral,
                              const uint8_t subcredential[32], struct hs_ntor_intro_keys *out)
{
    uint8_t bx[32];

    bool good = curve25519_shared(ephemeral->secret, point->enc_key, bx);
    derive_introduction(bx, point->auth_key, ephemeral->public_key, point->enc_key, subcredential,
                        out);
    if (!good)
        explicit_bzero(out, sizeof(*out));
    explicit_bzero(bx, sizeof(bx));
    return good;
}

bool hs_ntor_service_introduce(const uint8_t auth_key[32], const struct curve25519_key *enc_key,
                               const uint8_t client_public[32], const uint8_t (*subcredentials)[32],
                               unsigned n, struct hs_ntor_intro_keys *out)
{
    uint8_t bx[32];

    bool good = curve25519_shared(enc_key->secret, client_public, bx);
    for (unsigned i = 0; i < n; i++)
        derive_introduction(bx, auth_key, client_public, enc_key->public_key, subcredentials[i],
                            &out[i]);
    if (!good)
        explicit_bzero(out, n * sizeof(*out));
    explicit_bzero(bx, sizeof(bx));
    return good;
}

void hs_ntor_mac(const uint8_t key[32], const void *bytes, uint64_t length, uint8_t out[32])
{
    sha3_256_mac(key, 32, bytes, length, out);
}

// The secret is the MAC's key here, and the label its message.
static void derive_rendezvous(const struct rendezvous *r, uint8_t auth[HS_NTOR_AUTH_LEN],
                              uint8_t material[HS_NTOR_MATERIAL_LEN])
{
    uint8_t secret[REND_SECRET_LEN], auth_input[AUTH_INPUT_LEN], verify[32];
    uint8_t expand_input[EXPAND_INPUT_LEN], seed[32];

    struct writer w = writer_of(secret, sizeof(secret));
    write_bytes(&w, r->xy, 32);
    write_bytes(&w, r->xb, 32);
    write_bytes(&w, r->auth_key, 32);
    write_bytes(&w, r->b, 32);
    write_bytes(&w, r->x, 32);
    write_bytes(&w, r->y, 32);
    write_bytes(&w, LITERAL(PROTOID));
    sha3_256_mac(secret, sizeof(secret), LITERAL(T_HSVERIFY), verify);

    w = writer_of(auth_input, sizeof(auth_input));
    write_bytes(&w, verify, 32);
    write_bytes(&w, r->auth_key, 32);
    write_bytes(&w, r->b, 32);
    write_bytes(&w, r->y, 32);
    write_bytes(&w, r->x, 32);
    write_bytes(&w, LITERAL(PROTOID));
    write_bytes(&w, LITERAL("Server"));
    sha3_256_mac(auth_input, sizeof(auth_input), LITERAL(T_HSMAC), auth);

    sha3_256_mac(secret, sizeof(secret), LITERAL(T_HSENC), seed);
    w = writer_of(expand_input, sizeof(expand_input));
    write_bytes(&w, seed, 32);
    write_bytes(&w, LITERAL(M_HSEXPAND));
    shake256(expand_input, sizeof(expand_input), material, HS_NTOR_MATERIAL_LEN);

    explicit_bzero(secret, sizeof(secret));
    explicit_bzero(auth_input, sizeof(auth_input));
    explicit_bzero(verify, sizeof(verify));
    explicit_bzero(seed, sizeof(seed));
    explicit_bzero(expand_input, sizeof(expand_input));
}

bool hs_ntor_service_rendezvous(const uint8_t auth_key[32], const struct curve25519_key *enc_key,
                                const struct curve25519_key *ephemeral,
                                const uint8_t client_public[32], uint8_t auth[HS_NTOR_AUTH_LEN],
                                uint8_t material[HS_NTOR_MATERIAL_LEN])
{
    uint8_t xy[32], xb[32];

    bool good = curve25519_shared(ephemeral->secret, client_public, xy);
    good &= curve25519_shared(enc_key->secret, client_public, xb);
    derive_rendezvous(&(const struct rendezvous){.xy = xy,
                                                 .xb = xb,
                                                 .auth_key = auth_key,
                                                 .b = enc_key->public_key,
                                                 .x = client_public,
                                                 .y = ephemeral->public_key},
                      auth, material);
    if (!good) {
        explicit_bzero(auth, HS_NTOR_AUTH_LEN);
        explicit_bzero(material, HS_NTOR_MATERIAL_LEN);
    }
    explicit_bzero(xy, sizeof(xy));
    explicit_bzero(xb, sizeof(xb));
    return good;
}

bool hs_ntor_client_rendezvous(const struct hs_ntor_point *point,
                               const struct curve25519_key *ephemeral,
                               const uint8_t service_public[32],
                               const uint8_t auth[HS_NTOR_AUTH_LEN],
                               uint8_t material[HS_NTOR_MATERIAL_LEN])
{
    uint8_t xy[32], xb[32], expected[HS_NTOR_AUTH_LEN];

    bool good = curve25519_shared(ephemeral->secret, service_public, xy);
    good &= curve25519_shared(ephemeral->secret, point->enc_key, xb);
    derive_rendezvous(&(const struct rendezvous){.xy = xy,
                                                 .xb = xb,
                                                 .auth_key = point->auth_key,
                                                 .b = point->enc_key,
                                                 .x = ephemeral->public_key,
                                                 .y = service_public},
                      expected, material);
    good &= sodium_memcmp(expected, auth, sizeof(expected)) == 0;
    if (!good)
        explicit_bzero(material, HS_NTOR_MATERIAL_LEN);
    explicit_bzero(xy, sizeof(xy));
    explicit_bzero(xb, sizeof(xb));
    explicit_bzero(expected, sizeof(expected));
    return good;
}
