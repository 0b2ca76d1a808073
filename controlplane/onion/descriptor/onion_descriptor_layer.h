// SPDX-License-Identifier: BSD-3-Clause
// How both layers of a descriptor are encrypted, and what gives an authorised client the key of the
// inner one (protocol 8.15, 8.16, 8.19; rend-spec-v3 2.5.3). Any thread.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DESCRIPTOR_SALT_LEN = 16,
    DESCRIPTOR_MAC_LEN = 32,
    DESCRIPTOR_LAYER_OVERHEAD = DESCRIPTOR_SALT_LEN + DESCRIPTOR_MAC_LEN,
    DESCRIPTOR_COOKIE_LEN = 16,
    DESCRIPTOR_CLIENT_ID_LEN = 8,
};

enum descriptor_layer { DESCRIPTOR_LAYER_OUTER, DESCRIPTOR_LAYER_INNER };

// What the keys are derived from.
struct descriptor_secret {
    const uint8_t *blinded_key; // 32 bytes
    const uint8_t *cookie;      // of the inner layer with client authorisation; or NULL
    const uint8_t *subcredential;
    uint64_t revision;
};

// With a new salt into `out`, DESCRIPTOR_LAYER_OVERHEAD longer than `plain`. 0, or -ENOMEM.
__attribute__((warn_unused_result)) int
descriptor_layer_seal(const struct descriptor_secret *secret, enum descriptor_layer layer,
                      const uint8_t *plain, size_t length, uint8_t *out);
// Into `out`, DESCRIPTOR_LAYER_OVERHEAD shorter than `sealed`. 0, or -EINVAL (nothing can be in
// it), -EBADMSG (other keys, or changed), -ENOMEM.
__attribute__((warn_unused_result)) int
descriptor_layer_open(const struct descriptor_secret *secret, enum descriptor_layer layer,
                      const uint8_t *sealed, size_t length, uint8_t *out);

// One client's line in the middle text.
struct descriptor_client {
    uint8_t id[DESCRIPTOR_CLIENT_ID_LEN];
    uint8_t iv[16];
    uint8_t cookie[DESCRIPTOR_COOKIE_LEN]; // encrypted
};

// What a client and a service share by X25519: who finds its line by `id`, decrypts with `key`.
struct descriptor_client_keys {
    uint8_t id[DESCRIPTOR_CLIENT_ID_LEN];
    uint8_t key[32];
};

// `secret` and `peer`: the service's ephemeral secret and the client's key, or the other way round.
// False: the exchange gives zeros, so that everybody would know the keys.
__attribute__((warn_unused_result)) bool descriptor_client_keys(const uint8_t secret[32],
                                                                const uint8_t peer[32],
                                                                const uint8_t subcredential[32],
                                                                struct descriptor_client_keys *out);
