// SPDX-License-Identifier: BSD-3-Clause
// Encryption of a descriptor's layers: SALT | AES-256-CTR | MAC, with keys from SHAKE-256.
#include "onion/descriptor/onion_descriptor_layer.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/aes_ctr.h"
#include "crypto/curve25519.h"
#include "crypto/digest.h"
#include "crypto/random.h"

struct layer_keys {
    uint8_t key[32];
    uint8_t iv[16];
    uint8_t mac_key[32];
};

_Static_assert(sizeof(struct layer_keys) == 80, "filled as one run of bytes");

static void derive_keys(const struct descriptor_secret *secret, enum descriptor_layer layer,
                        const uint8_t salt[DESCRIPTOR_SALT_LEN], struct layer_keys *out)
{
    const char *label =
        layer == DESCRIPTOR_LAYER_OUTER ? "hsdir-superencrypted-data" : "hsdir-encrypted-data";
    uint8_t input[32 + DESCRIPTOR_COOKIE_LEN + 32 + 8 + DESCRIPTOR_SALT_LEN + 32];
    struct writer w = writer_of(input, sizeof(input));
    write_bytes(&w, secret->blinded_key, 32);
    if (secret->cookie)
        write_bytes(&w, secret->cookie, DESCRIPTOR_COOKIE_LEN);
    write_bytes(&w, secret->subcredential, 32);
    write_u64(&w, secret->revision);
    write_bytes(&w, salt, DESCRIPTOR_SALT_LEN);
    write_bytes(&w, label, strlen(label));
    shake256(input, writer_length(&w), out, sizeof(*out));
    explicit_bzero(input, sizeof(input));
}

// Over salt and ciphertext as they stand one behind the other.
static int compute_mac(const uint8_t mac_key[32], const uint8_t *sealed, size_t ciphertext_length,
                       uint8_t out[DESCRIPTOR_MAC_LEN])
{
    size_t size = 8 + 32 + 8 + DESCRIPTOR_SALT_LEN + ciphertext_length;
    uint8_t *input = malloc(size);
    if (!input)
        return -ENOMEM;
    struct writer w = writer_of(input, size);
    write_u64(&w, 32);
    write_bytes(&w, mac_key, 32);
    write_u64(&w, DESCRIPTOR_SALT_LEN);
    write_bytes(&w, sealed, DESCRIPTOR_SALT_LEN + ciphertext_length);
    sha3_256(input, size, out);
    explicit_bzero(input, 8 + 32);
    free(input);
    return 0;
}

int descriptor_layer_seal(const struct descriptor_secret *secret, enum descriptor_layer layer,
                          const uint8_t *plain, size_t length, uint8_t *out)
{
    struct layer_keys keys;
    random_bytes(out, DESCRIPTOR_SALT_LEN);
    derive_keys(secret, layer, out, &keys);
    int error = aes256_ctr(keys.key, keys.iv, plain, length, out + DESCRIPTOR_SALT_LEN);
    if (error == 0)
        error = compute_mac(keys.mac_key, out, length, out + DESCRIPTOR_SALT_LEN + length);
    explicit_bzero(&keys, sizeof(keys));
    return error < 0 ? -ENOMEM : 0;
}

int descriptor_layer_open(const struct descriptor_secret *secret, enum descriptor_layer layer,
                          const uint8_t *sealed, size_t length, uint8_t *out)
{
    struct layer_keys keys;
    uint8_t mac[DESCRIPTOR_MAC_LEN];
    if (length <= DESCRIPTOR_LAYER_OVERHEAD)
        return -EINVAL;
    size_t plain_length = length - DESCRIPTOR_LAYER_OVERHEAD;
    derive_keys(secret, layer, sealed, &keys);
    int error = compute_mac(keys.mac_key, sealed, plain_length, mac);
    if (error == 0 &&
        sodium_memcmp(mac, sealed + length - DESCRIPTOR_MAC_LEN, DESCRIPTOR_MAC_LEN) != 0)
        error = -EBADMSG;
    if (error == 0 &&
        aes256_ctr(keys.key, keys.iv, sealed + DESCRIPTOR_SALT_LEN, plain_length, out) < 0)
        error = -ENOMEM;
    explicit_bzero(&keys, sizeof(keys));
    return error;
}

bool descriptor_client_keys(const uint8_t secret[32], const uint8_t peer[32],
                            const uint8_t subcredential[32], struct descriptor_client_keys *out)
{
    uint8_t input[64], derived[DESCRIPTOR_CLIENT_ID_LEN + 32];
    memcpy(input, subcredential, 32);
    bool good = curve25519_shared(secret, peer, input + 32);
    shake256(input, sizeof(input), derived, sizeof(derived));
    memcpy(out->id, derived, sizeof(out->id));
    memcpy(out->key, derived + sizeof(out->id), sizeof(out->key));
    explicit_bzero(input, sizeof(input));
    explicit_bzero(derived, sizeof(derived));
    return good;
}
