// SPDX-License-Identifier: BSD-3-Clause
// The ntor handshake (tor-spec 5.1.4): X25519, HMAC-SHA256, HKDF-SHA256.
#include "crypto/ntor.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/digest.h"

#define PROTOID "ntor-curve25519-sha256-1"
#define T_MAC PROTOID ":mac"
#define T_KEY PROTOID ":key_extract"
#define T_VERIFY PROTOID ":verify"
#define M_EXPAND PROTOID ":key_expand"
#define LITERAL(s) (s), sizeof(s) - 1

enum {
    SECRET_INPUT_LEN = 32 * 2 + 20 + 32 * 3 + sizeof(PROTOID) - 1,
    AUTH_INPUT_LEN = 32 + 20 + 32 * 3 + sizeof(PROTOID) - 1 + 6,
};

// What both sides know at the end.
struct ntor_result {
    const uint8_t *xy; // secret, 32 bytes each
    const uint8_t *xb;
    const uint8_t *id; // RSA identity of the relay
    const uint8_t *b;  // public keys: onion, client's, server's
    const uint8_t *x;
    const uint8_t *y;
};

static int ntor_derive(const struct ntor_result *n, uint8_t auth[32], uint8_t *key_out,
                       size_t key_length)
{
    uint8_t secret_input[SECRET_INPUT_LEN], auth_input[AUTH_INPUT_LEN], verify[32];

    struct writer w = writer_of(secret_input, sizeof(secret_input));
    write_bytes(&w, n->xy, 32);
    write_bytes(&w, n->xb, 32);
    write_bytes(&w, n->id, 20);
    write_bytes(&w, n->b, 32);
    write_bytes(&w, n->x, 32);
    write_bytes(&w, n->y, 32);
    write_bytes(&w, LITERAL(PROTOID));
    hmac_sha256(LITERAL(T_VERIFY), secret_input, sizeof(secret_input), verify);

    w = writer_of(auth_input, sizeof(auth_input));
    write_bytes(&w, verify, 32);
    write_bytes(&w, n->id, 20);
    write_bytes(&w, n->b, 32);
    write_bytes(&w, n->y, 32);
    write_bytes(&w, n->x, 32);
    write_bytes(&w, LITERAL(PROTOID));
    write_bytes(&w, LITERAL("Server"));
    hmac_sha256(LITERAL(T_MAC), auth_input, sizeof(auth_input), auth);

    int err = hkdf_sha256(secret_input, sizeof(secret_input), LITERAL(T_KEY), LITERAL(M_EXPAND),
                          key_out, key_length);
    explicit_bzero(secret_input, sizeof(secret_input));
    explicit_bzero(auth_input, sizeof(auth_input));
    explicit_bzero(verify, sizeof(verify));
    return err;
}

int ntor_server(const struct onion_keys *keys, const uint8_t *skin, size_t skin_length,
                uint8_t reply[NTOR_REPLY_LEN], uint8_t *key_out, size_t key_length)
{
    struct ntor_exchange exchange;

    ntor_exchange_read(&exchange, skin, skin_length);
    ntor_exchange_many(NULL, keys, &exchange, 1);
    int err =
        ntor_server_with_exchange(keys, &exchange, skin, skin_length, reply, key_out, key_length);
    ntor_exchange_wipe(&exchange);
    return err;
}

int ntor_server_with_key(const struct onion_keys *keys, const struct curve25519_key *ephemeral,
                         const uint8_t *skin, size_t skin_length, uint8_t reply[NTOR_REPLY_LEN],
                         uint8_t *key_out, size_t key_length)
{
    struct ntor_exchange exchange;

    ntor_exchange_read(&exchange, skin, skin_length);
    ntor_exchange_with_key(keys, ephemeral, &exchange);
    int err =
        ntor_server_with_exchange(keys, &exchange, skin, skin_length, reply, key_out, key_length);
    ntor_exchange_wipe(&exchange);
    return err;
}

int ntor_server_with_exchange(const struct onion_keys *keys, const struct ntor_exchange *exchange,
                              const uint8_t *skin, size_t skin_length,
                              uint8_t reply[NTOR_REPLY_LEN], uint8_t *key_out, size_t key_length)
{
    struct reader r = reader_of(skin, skin_length);
    const uint8_t *id = read_bytes(&r, 20);
    read_bytes(&r, 32); // the onion key: in `exchange`
    const uint8_t *client = read_bytes(&r, 32);
    if (!reader_done(&r) || memcmp(id, keys->rsa_id, 20) != 0)
        return -EPROTO;

    const struct ntor_result n = {.xy = exchange->shared_xy,
                                  .xb = exchange->shared_xb,
                                  .id = keys->rsa_id,
                                  .b = exchange->onion.public_key,
                                  .x = client,
                                  .y = exchange->ephemeral.public_key};
    memcpy(reply, exchange->ephemeral.public_key, 32);
    int err = ntor_derive(&n, reply + 32, key_out, key_length);
    if (err == 0 && !exchange->good)
        err = -EPROTO;
    if (err != 0)
        explicit_bzero(key_out, key_length);
    return err;
}

void ntor_client_start(struct ntor_client *client, const uint8_t rsa_id[20],
                       const uint8_t onion_key[32], uint8_t skin[NTOR_SKIN_LEN])
{
    struct curve25519_key ephemeral;

    curve25519_generate(&ephemeral);
    ntor_client_start_with_key(client, &ephemeral, rsa_id, onion_key, skin);
    curve25519_wipe(&ephemeral);
}

void ntor_client_start_with_key(struct ntor_client *client, const struct curve25519_key *ephemeral,
                                const uint8_t rsa_id[20], const uint8_t onion_key[32],
                                uint8_t skin[NTOR_SKIN_LEN])
{
    struct writer w = writer_of(skin, NTOR_SKIN_LEN);

    client->ephemeral = *ephemeral;
    memcpy(client->rsa_id, rsa_id, 20);
    memcpy(client->onion_key, onion_key, 32);
    write_bytes(&w, rsa_id, 20);
    write_bytes(&w, onion_key, 32);
    write_bytes(&w, ephemeral->public_key, 32);
}

int ntor_client_finish(const struct ntor_client *client, const uint8_t *reply, size_t reply_length,
                       uint8_t *key_out, size_t key_length)
{
    uint8_t xy[32], xb[32], expected[32];

    struct reader r = reader_of(reply, reply_length);
    const uint8_t *server = read_bytes(&r, 32);
    const uint8_t *auth = read_bytes(&r, 32);
    if (!reader_done(&r))
        return -EPROTO;

    const struct ntor_result n = {.xy = xy,
                                  .xb = xb,
                                  .id = client->rsa_id,
                                  .b = client->onion_key,
                                  .x = client->ephemeral.public_key,
                                  .y = server};
    bool ok = curve25519_shared(client->ephemeral.secret, server, xy);
    ok &= curve25519_shared(client->ephemeral.secret, client->onion_key, xb);
    int err = ntor_derive(&n, expected, key_out, key_length);
    ok &= sodium_memcmp(expected, auth, 32) == 0;
    explicit_bzero(xy, sizeof(xy));
    explicit_bzero(xb, sizeof(xb));
    explicit_bzero(expected, sizeof(expected));
    if (err == 0 && !ok)
        err = -EPROTO;
    if (err != 0)
        explicit_bzero(key_out, key_length);
    return err;
}

void ntor_client_wipe(struct ntor_client *client)
{
    explicit_bzero(client, sizeof(*client));
}
