// SPDX-License-Identifier: BSD-3-Clause
// The CREATE_FAST handshake (tor-spec 5.1.6): KDF-TOR over both sides' random bytes.
#include "crypto/create_fast.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "crypto/digest.h"
#include "crypto/random.h"

// KH and keys from X | Y.
static int fast_derive(const uint8_t x[20], const uint8_t y[20], uint8_t kh[20], uint8_t *key_out,
                       size_t key_length)
{
    uint8_t secret[40], derived[20 + CREATE_FAST_KEYS_MAX];

    if (key_length > CREATE_FAST_KEYS_MAX)
        return -EINVAL;
    memcpy(secret, x, 20);
    memcpy(secret + 20, y, 20);
    int err = kdf_tor(secret, sizeof(secret), derived, 20 + key_length);
    if (err == 0) {
        memcpy(kh, derived, 20);
        memcpy(key_out, derived + 20, key_length);
    }
    explicit_bzero(secret, sizeof(secret));
    explicit_bzero(derived, sizeof(derived));
    return err;
}

int create_fast_server(const uint8_t skin[CREATE_FAST_LEN], uint8_t reply[CREATED_FAST_LEN],
                       uint8_t *key_out, size_t key_length)
{
    random_bytes(reply, 20);
    return fast_derive(skin, reply, reply + 20, key_out, key_length);
}

int create_fast_client(const uint8_t skin[CREATE_FAST_LEN], const uint8_t reply[CREATED_FAST_LEN],
                       uint8_t *key_out, size_t key_length)
{
    uint8_t kh[20];

    int err = fast_derive(skin, reply, kh, key_out, key_length);
    if (err != 0)
        return err;
    if (sodium_memcmp(kh, reply + 20, 20) != 0) {
        explicit_bzero(key_out, key_length);
        return -EPROTO;
    }
    return 0;
}
