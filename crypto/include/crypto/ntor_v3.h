// SPDX-License-Identifier: BSD-3-Clause
// The ntor-v3 handshake (tor-spec 5.1.5, proposal 332), both sides. Any thread.
//
// Both sides give the same verification string; for circuits it is NTOR_V3_CIRCUIT. Key material is
// as in ntor.h. Results: a length or 0; -EPROTO for what the other side did wrong; -EMSGSIZE when
// `capacity` does not suffice or a message is above NTOR_V3_MESSAGE_MAX.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "crypto/curve25519.h"
#include "crypto/ntor_exchange.h"
#include "crypto/onion_keys.h"

#define NTOR_V3_CIRCUIT "circuit extend"
#define NTOR_V3_CIRCUIT_LEN 14

enum {
    NTOR_V3_SKIN_MIN = 128,    // the client's message adds to it
    NTOR_V3_REPLY_MIN = 64,    // the server's message adds to it
    NTOR_V3_MESSAGE_MAX = 512, // more than any cell carries
    NTOR_V3_VERIFICATION_MAX = 64,
    NTOR_V3_KEYS_MAX = 512,
};

// Between the server's two steps. Secret: wipe it, whether or not the handshake goes on.
struct ntor_v3_server {
    uint8_t ed25519_id[32];
    uint8_t onion_key[32];  // B
    uint8_t client_key[32]; // X
    uint8_t shared_xb[32];
    uint8_t client_mac[32];
};

// Step 1: opens the client's message into `message`. Its length (may be 0), or an error.
__attribute__((warn_unused_result)) int
ntor_v3_server_open(struct ntor_v3_server *server, const struct onion_keys *keys,
                    const void *verification, size_t verification_length, const uint8_t *skin,
                    size_t skin_length, uint8_t *message, size_t capacity);
// The same, its X25519 done: `exchange` has been read from this skin.
__attribute__((warn_unused_result)) int
ntor_v3_server_open_with_exchange(struct ntor_v3_server *server, const struct onion_keys *keys,
                                  const struct ntor_exchange *exchange, const void *verification,
                                  size_t verification_length, const uint8_t *skin,
                                  size_t skin_length, uint8_t *message, size_t capacity);
// Step 2: writes the reply with our message in it, and key material. The reply's length.
__attribute__((warn_unused_result)) int
ntor_v3_server_reply(const struct ntor_v3_server *server, const void *verification,
                     size_t verification_length, const uint8_t *message, size_t message_length,
                     uint8_t *reply, size_t capacity, uint8_t *key_out, size_t key_length);
// The same after ntor_v3_server_open_with_exchange. Never use an exchange twice.
__attribute__((warn_unused_result)) int ntor_v3_server_reply_with_exchange(
    const struct ntor_v3_server *server, const struct ntor_exchange *exchange,
    const void *verification, size_t verification_length, const uint8_t *message,
    size_t message_length, uint8_t *reply, size_t capacity, uint8_t *key_out, size_t key_length);
// The same with an ephemeral key that the caller made (tests). Never use one twice.
__attribute__((warn_unused_result)) int ntor_v3_server_reply_with_key(
    const struct ntor_v3_server *server, const struct curve25519_key *ephemeral,
    const void *verification, size_t verification_length, const uint8_t *message,
    size_t message_length, uint8_t *reply, size_t capacity, uint8_t *key_out, size_t key_length);
void ntor_v3_server_wipe(struct ntor_v3_server *server);

struct ntor_v3_client {
    struct curve25519_key ephemeral;
    uint8_t ed25519_id[32];
    uint8_t onion_key[32];
    uint8_t shared_bx[32];
    uint8_t client_mac[32];
};

// Writes the onion skin with our message in it. Its length; -EPROTO for a bad onion key.
__attribute__((warn_unused_result)) int
ntor_v3_client_start(struct ntor_v3_client *client, const uint8_t ed25519_id[32],
                     const uint8_t onion_key[32], const void *verification,
                     size_t verification_length, const uint8_t *message, size_t message_length,
                     uint8_t *skin, size_t capacity);
__attribute__((warn_unused_result)) int
ntor_v3_client_start_with_key(struct ntor_v3_client *client, const struct curve25519_key *ephemeral,
                              const uint8_t ed25519_id[32], const uint8_t onion_key[32],
                              const void *verification, size_t verification_length,
                              const uint8_t *message, size_t message_length, uint8_t *skin,
                              size_t capacity);
// Opens the server's message into `message`. Its length.
__attribute__((warn_unused_result)) int
ntor_v3_client_finish(const struct ntor_v3_client *client, const void *verification,
                      size_t verification_length, const uint8_t *reply, size_t reply_length,
                      uint8_t *message, size_t capacity, uint8_t *key_out, size_t key_length);
void ntor_v3_client_wipe(struct ntor_v3_client *client);
