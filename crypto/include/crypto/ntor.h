// SPDX-License-Identifier: BSD-3-Clause
// The ntor handshake (tor-spec 5.1.4), both sides. Any thread; nothing allocates.
//
// Key material: of any length up to NTOR_KEYS_MAX. For a circuit it is the hop's keys (72 bytes for
// tor1), then 20 bytes KH, the circuit's nonce. Functions return 0, or -EPROTO for what the other
// side did wrong; key material is then not to be used (it is random or zero).
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "crypto/curve25519.h"
#include "crypto/ntor_exchange.h"
#include "crypto/onion_keys.h"

enum { NTOR_SKIN_LEN = 84, NTOR_REPLY_LEN = 64, NTOR_KEYS_MAX = 512, CIRCUIT_NONCE_LEN = 20 };

// A skin for another relay or of another length, or with a point of small order, is -EPROTO. A skin
// for an onion key that we do not have is answered in the same time with a reply that does not
// verify (the client may have an old descriptor, and learns nothing from the time).
__attribute__((warn_unused_result)) int ntor_server(const struct onion_keys *keys,
                                                    const uint8_t *skin, size_t skin_length,
                                                    uint8_t reply[NTOR_REPLY_LEN], uint8_t *key_out,
                                                    size_t key_length);
// The same, its X25519 done: `exchange` has been read from this skin.
__attribute__((warn_unused_result)) int
ntor_server_with_exchange(const struct onion_keys *keys, const struct ntor_exchange *exchange,
                          const uint8_t *skin, size_t skin_length, uint8_t reply[NTOR_REPLY_LEN],
                          uint8_t *key_out, size_t key_length);
// The same with an ephemeral key that the caller made (tests). Never use one twice.
__attribute__((warn_unused_result)) int
ntor_server_with_key(const struct onion_keys *keys, const struct curve25519_key *ephemeral,
                     const uint8_t *skin, size_t skin_length, uint8_t reply[NTOR_REPLY_LEN],
                     uint8_t *key_out, size_t key_length);

struct ntor_client {
    struct curve25519_key ephemeral;
    uint8_t rsa_id[20];
    uint8_t onion_key[32];
};

void ntor_client_start(struct ntor_client *client, const uint8_t rsa_id[20],
                       const uint8_t onion_key[32], uint8_t skin[NTOR_SKIN_LEN]);
void ntor_client_start_with_key(struct ntor_client *client, const struct curve25519_key *ephemeral,
                                const uint8_t rsa_id[20], const uint8_t onion_key[32],
                                uint8_t skin[NTOR_SKIN_LEN]);
__attribute__((warn_unused_result)) int ntor_client_finish(const struct ntor_client *client,
                                                           const uint8_t *reply,
                                                           size_t reply_length, uint8_t *key_out,
                                                           size_t key_length);
void ntor_client_wipe(struct ntor_client *client);
