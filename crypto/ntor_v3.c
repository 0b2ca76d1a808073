// SPDX-License-Identifier: BSD-3-Clause
// The ntor-v3 handshake (proposal 332): X25519, SHA3-256, SHAKE-256, AES-256-CTR.
#include "crypto/ntor_v3.h"

#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/aes_ctr.h"
#include "crypto/digest.h"

#define PROTOID "ntor3-curve25519-sha3_256-1"
#define T_MSGKDF PROTOID ":kdf_phase1"
#define T_MSGMAC PROTOID ":msg_mac"
#define T_KEY_SEED PROTOID ":key_seed"
#define T_VERIFY PROTOID ":verify"
#define T_FINAL PROTOID ":kdf_final"
#define T_AUTH PROTOID ":auth_final"
#define LITERAL(s) (s), sizeof(s) - 1

// Room for any input of a hash here: a message and less than 400 bytes of keys and labels.
enum { INPUT_MAX = NTOR_V3_MESSAGE_MAX + 512 };

struct phase1_keys {
    uint8_t encryption[32];
    uint8_t mac[32];
};

// What both sides know at the end; all point to 32 bytes.
struct final_input {
    const uint8_t *xy; // secret
    const uint8_t *xb; // secret
    const uint8_t *id;
    const uint8_t *b;
    const uint8_t *x;
    const uint8_t *y;
    const uint8_t *client_mac;
    const void *verification;
    size_t verification_length;
};

static void write_encap(struct writer *w, const void *bytes, size_t length)
{
    write_u64(w, length);
    write_bytes(w, bytes, length);
}

// Bx | ID | X | B | PROTOID | ENCAP(VER) → the keys that protect the client's message.
static void phase1_derive(const uint8_t xb[32], const uint8_t id[32], const uint8_t x[32],
                          const uint8_t b[32], const void *verification, size_t verification_length,
                          struct phase1_keys *out)
{
    uint8_t input[INPUT_MAX];
    struct writer w = writer_of(input, sizeof(input));

    write_encap(&w, LITERAL(T_MSGKDF));
    write_bytes(&w, xb, 32);
    write_bytes(&w, id, 32);
    write_bytes(&w, x, 32);
    write_bytes(&w, b, 32);
    write_bytes(&w, LITERAL(PROTOID));
    write_encap(&w, verification, verification_length);
    shake256(input, writer_length(&w), out, sizeof(*out));
    explicit_bzero(input, sizeof(input));
}

static void phase1_mac(const uint8_t mac_key[32], const uint8_t id[32], const uint8_t b[32],
                       const uint8_t x[32], const uint8_t *encrypted, size_t length,
                       uint8_t out[32])
{
    uint8_t input[INPUT_MAX];
    struct writer w = writer_of(input, sizeof(input));

    write_encap(&w, LITERAL(T_MSGMAC));
    write_encap(&w, mac_key, 32);
    write_bytes(&w, id, 32);
    write_bytes(&w, b, 32);
    write_bytes(&w, x, 32);
    write_bytes(&w, encrypted, length);
    sha3_256(input, writer_length(&w), out);
    explicit_bzero(input, sizeof(input));
}

// SHA3-256 of ENCAP(tweak) | secret_input.
static void final_hash(const struct final_input *f, const char *tweak, size_t tweak_length,
                       uint8_t out[32])
{
    uint8_t input[INPUT_MAX];
    struct writer w = writer_of(input, sizeof(input));

    write_encap(&w, tweak, tweak_length);
    write_bytes(&w, f->xy, 32);
    write_bytes(&w, f->xb, 32);
    write_bytes(&w, f->id, 32);
    write_bytes(&w, f->b, 32);
    write_bytes(&w, f->x, 32);
    write_bytes(&w, f->y, 32);
    write_bytes(&w, LITERAL(PROTOID));
    write_encap(&w, f->verification, f->verification_length);
    sha3_256(input, writer_length(&w), out);
    explicit_bzero(input, sizeof(input));
}

static void final_auth(const struct final_input *f, const uint8_t *encrypted, size_t length,
                       uint8_t out[32])
{
    uint8_t input[INPUT_MAX], verify[32];
    struct writer w = writer_of(input, sizeof(input));

    final_hash(f, LITERAL(T_VERIFY), verify);
    write_encap(&w, LITERAL(T_AUTH));
    write_bytes(&w, verify, 32);
    write_bytes(&w, f->id, 32);
    write_bytes(&w, f->b, 32);
    write_bytes(&w, f->y, 32);
    write_bytes(&w, f->x, 32);
    write_bytes(&w, f->client_mac, 32);
    write_encap(&w, encrypted, length);
    write_bytes(&w, LITERAL(PROTOID));
    write_bytes(&w, LITERAL("Server"));
    sha3_256(input, writer_length(&w), out);
    explicit_bzero(verify, sizeof(verify));
    explicit_bzero(input, sizeof(input));
}

// The key of the server's message, and the circuit's key material after it.
static void final_keys(const struct final_input *f, uint8_t encryption[32], uint8_t *key_out,
                       size_t key_length)
{
    uint8_t input[8 + sizeof(T_FINAL) - 1 + 32], seed[32], stream[32 + NTOR_V3_KEYS_MAX];
    struct writer w = writer_of(input, sizeof(input));

    final_hash(f, LITERAL(T_KEY_SEED), seed);
    write_encap(&w, LITERAL(T_FINAL));
    write_bytes(&w, seed, 32);
    shake256(input, sizeof(input), stream, 32 + key_length);
    memcpy(encryption, stream, 32);
    memcpy(key_out, stream + 32, key_length);
    explicit_bzero(input, sizeof(input));
    explicit_bzero(seed, sizeof(seed));
    explicit_bzero(stream, sizeof(stream));
}

static bool sizes_fit(size_t verification_length, size_t message_length, size_t key_length)
{
    return verification_length <= NTOR_V3_VERIFICATION_MAX &&
           message_length <= NTOR_V3_MESSAGE_MAX && key_length <= NTOR_V3_KEYS_MAX;
}

int ntor_v3_server_open(struct ntor_v3_server *server, const struct onion_keys *keys,
                        const void *verification, size_t verification_length, const uint8_t *skin,
                        size_t skin_length, uint8_t *message, size_t capacity)
{
    struct ntor_exchange exchange;

    ntor_v3_exchange_read(&exchange, skin, skin_length);
    if (exchange.client_key) {
        onion_keys_select(keys, exchange.wanted, &exchange.onion);
        exchange.good =
            curve25519_shared(exchange.onion.secret, exchange.client_key, exchange.shared_xb);
    }
    int result = ntor_v3_server_open_with_exchange(server, keys, &exchange, verification,
                                                   verification_length, skin, skin_length, message,
                                                   capacity);
    ntor_exchange_wipe(&exchange);
    return result;
}

int ntor_v3_server_open_with_exchange(struct ntor_v3_server *server, const struct onion_keys *keys,
                                      const struct ntor_exchange *exchange,
                                      const void *verification, size_t verification_length,
                                      const uint8_t *skin, size_t skin_length, uint8_t *message,
                                      size_t capacity)
{
    struct phase1_keys phase1;
    uint8_t mac[32];

    memset(server, 0, sizeof(*server));
    if (skin_length < NTOR_V3_SKIN_MIN)
        return -EPROTO;
    size_t message_length = skin_length - NTOR_V3_SKIN_MIN;
    if (!sizes_fit(verification_length, message_length, 0) || capacity < message_length)
        return -EMSGSIZE;
    struct reader r = reader_of(skin, skin_length);
    const uint8_t *id = read_bytes(&r, 32);
    read_bytes(&r, 32); // the onion key: in `exchange`
    read_into(&r, server->client_key, 32);
    const uint8_t *encrypted = read_bytes(&r, message_length);
    read_into(&r, server->client_mac, 32);

    // From here on nothing returns before the MAC is checked.
    memcpy(server->ed25519_id, keys->ed25519_id, 32);
    bool ok = sodium_memcmp(id, keys->ed25519_id, 32) == 0;
    memcpy(server->onion_key, exchange->onion.public_key, 32);
    memcpy(server->shared_xb, exchange->shared_xb, 32);
    ok &= exchange->good;
    phase1_derive(server->shared_xb, id, server->client_key, server->onion_key, verification,
                  verification_length, &phase1);
    phase1_mac(phase1.mac, server->ed25519_id, server->onion_key, server->client_key, encrypted,
               message_length, mac);
    ok &= sodium_memcmp(mac, server->client_mac, 32) == 0;
    ok &= aes256_ctr_zero_iv(phase1.encryption, encrypted, message_length, message) == 0;
    explicit_bzero(&phase1, sizeof(phase1));
    explicit_bzero(mac, sizeof(mac));
    if (!ok) {
        explicit_bzero(message, message_length);
        ntor_v3_server_wipe(server);
        return -EPROTO;
    }
    return (int)message_length;
}

int ntor_v3_server_reply(const struct ntor_v3_server *server, const void *verification,
                         size_t verification_length, const uint8_t *message, size_t message_length,
                         uint8_t *reply, size_t capacity, uint8_t *key_out, size_t key_length)
{
    struct curve25519_key ephemeral;

    curve25519_generate(&ephemeral);
    int result = ntor_v3_server_reply_with_key(server, &ephemeral, verification,
                                               verification_length, message, message_length, reply,
                                               capacity, key_out, key_length);
    curve25519_wipe(&ephemeral);
    return result;
}

// `xy`: X and y's; `good` is false when it is all zeros.
static int reply_with(const struct ntor_v3_server *server, const uint8_t xy[32],
                      const uint8_t public_key[32], bool good, const void *verification,
                      size_t verification_length, const uint8_t *message, size_t message_length,
                      uint8_t *reply, size_t capacity, uint8_t *key_out, size_t key_length)
{
    uint8_t encryption[32];
    const struct final_input f = {.xy = xy,
                                  .xb = server->shared_xb,
                                  .id = server->ed25519_id,
                                  .b = server->onion_key,
                                  .x = server->client_key,
                                  .y = public_key,
                                  .client_mac = server->client_mac,
                                  .verification = verification,
                                  .verification_length = verification_length};

    size_t reply_length = NTOR_V3_REPLY_MIN + message_length;
    if (!sizes_fit(verification_length, message_length, key_length) || capacity < reply_length)
        return -EMSGSIZE;

    final_keys(&f, encryption, key_out, key_length);
    uint8_t *encrypted = reply + NTOR_V3_REPLY_MIN;
    bool ok = good & (aes256_ctr_zero_iv(encryption, message, message_length, encrypted) == 0);
    memcpy(reply, public_key, 32);
    final_auth(&f, encrypted, message_length, reply + 32);
    explicit_bzero(encryption, sizeof(encryption));
    if (!ok) {
        explicit_bzero(reply, reply_length);
        explicit_bzero(key_out, key_length);
        return -EPROTO;
    }
    return (int)reply_length;
}

int ntor_v3_server_reply_with_key(const struct ntor_v3_server *server,
                                  const struct curve25519_key *ephemeral, const void *verification,
                                  size_t verification_length, const uint8_t *message,
                                  size_t message_length, uint8_t *reply, size_t capacity,
                                  uint8_t *key_out, size_t key_length)
{
    uint8_t xy[32];

    bool good = curve25519_shared(ephemeral->secret, server->client_key, xy);
    int result =
        reply_with(server, xy, ephemeral->public_key, good, verification, verification_length,
                   message, message_length, reply, capacity, key_out, key_length);
    explicit_bzero(xy, sizeof(xy));
    return result;
}

int ntor_v3_server_reply_with_exchange(const struct ntor_v3_server *server,
                                       const struct ntor_exchange *exchange,
                                       const void *verification, size_t verification_length,
                                       const uint8_t *message, size_t message_length,
                                       uint8_t *reply, size_t capacity, uint8_t *key_out,
                                       size_t key_length)
{
    return reply_with(server, exchange->shared_xy, exchange->ephemeral.public_key, exchange->good,
                      verification, verification_length, message, message_length, reply, capacity,
                      key_out, key_length);
}

void ntor_v3_server_wipe(struct ntor_v3_server *server)
{
    explicit_bzero(server, sizeof(*server));
}

int ntor_v3_client_start(struct ntor_v3_client *client, const uint8_t ed25519_id[32],
                         const uint8_t onion_key[32], const void *verification,
                         size_t verification_length, const uint8_t *message, size_t message_length,
                         uint8_t *skin, size_t capacity)
{
    struct curve25519_key ephemeral;

    curve25519_generate(&ephemeral);
    int result =
        ntor_v3_client_start_with_key(client, &ephemeral, ed25519_id, onion_key, verification,
                                      verification_length, message, message_length, skin, capacity);
    curve25519_wipe(&ephemeral);
    return result;
}

int ntor_v3_client_start_with_key(struct ntor_v3_client *client,
                                  const struct curve25519_key *ephemeral,
                                  const uint8_t ed25519_id[32], const uint8_t onion_key[32],
                                  const void *verification, size_t verification_length,
                                  const uint8_t *message, size_t message_length, uint8_t *skin,
                                  size_t capacity)
{
    struct phase1_keys phase1;
    struct writer w = writer_of(skin, capacity);

    memset(client, 0, sizeof(*client));
    if (!sizes_fit(verification_length, message_length, 0) ||
        capacity < NTOR_V3_SKIN_MIN + message_length)
        return -EMSGSIZE;
    if (!curve25519_shared(ephemeral->secret, onion_key, client->shared_bx))
        return -EPROTO;
    client->ephemeral = *ephemeral;
    memcpy(client->ed25519_id, ed25519_id, 32);
    memcpy(client->onion_key, onion_key, 32);

    write_bytes(&w, ed25519_id, 32);
    write_bytes(&w, onion_key, 32);
    write_bytes(&w, ephemeral->public_key, 32);
    uint8_t *encrypted = write_room(&w, message_length);
    phase1_derive(client->shared_bx, ed25519_id, ephemeral->public_key, onion_key, verification,
                  verification_length, &phase1);
    int err = aes256_ctr_zero_iv(phase1.encryption, message, message_length, encrypted);
    phase1_mac(phase1.mac, ed25519_id, onion_key, ephemeral->public_key, encrypted, message_length,
               client->client_mac);
    write_bytes(&w, client->client_mac, 32);
    explicit_bzero(&phase1, sizeof(phase1));
    if (err != 0) {
        ntor_v3_client_wipe(client);
        return err;
    }
    return (int)writer_length(&w);
}

int ntor_v3_client_finish(const struct ntor_v3_client *client, const void *verification,
                          size_t verification_length, const uint8_t *reply, size_t reply_length,
                          uint8_t *message, size_t capacity, uint8_t *key_out, size_t key_length)
{
    uint8_t xy[32], encryption[32], expected[32];

    if (reply_length < NTOR_V3_REPLY_MIN)
        return -EPROTO;
    size_t message_length = reply_length - NTOR_V3_REPLY_MIN;
    if (!sizes_fit(verification_length, message_length, key_length) || capacity < message_length)
        return -EMSGSIZE;
    struct reader r = reader_of(reply, reply_length);
    const uint8_t *server_key = read_bytes(&r, 32);
    const uint8_t *auth = read_bytes(&r, 32);
    const uint8_t *encrypted = read_bytes(&r, message_length);
    const struct final_input f = {.xy = xy,
                                  .xb = client->shared_bx,
                                  .id = client->ed25519_id,
                                  .b = client->onion_key,
                                  .x = client->ephemeral.public_key,
                                  .y = server_key,
                                  .client_mac = client->client_mac,
                                  .verification = verification,
                                  .verification_length = verification_length};

    bool ok = curve25519_shared(client->ephemeral.secret, server_key, xy);
    final_auth(&f, encrypted, message_length, expected);
    ok &= sodium_memcmp(expected, auth, 32) == 0;
    final_keys(&f, encryption, key_out, key_length);
    ok &= aes256_ctr_zero_iv(encryption, encrypted, message_length, message) == 0;
    explicit_bzero(xy, sizeof(xy));
    explicit_bzero(encryption, sizeof(encryption));
    explicit_bzero(expected, sizeof(expected));
    if (!ok) {
        explicit_bzero(message, message_length);
        explicit_bzero(key_out, key_length);
        return -EPROTO;
    }
    return (int)message_length;
}

void ntor_v3_client_wipe(struct ntor_v3_client *client)
{
    explicit_bzero(client, sizeof(*client));
}
