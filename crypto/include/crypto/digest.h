// SPDX-License-Identifier: BSD-3-Clause
// Hashes, MACs and key derivation.
//
// Functions without a result cannot fail for any input. Should the library itself fail (no
// memory), their output is random, so that nothing verifies against it. Any thread.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SHA1_LEN = 20, SHA256_LEN = 32, SHA3_256_LEN = 32, SHA512_LEN = 64 };

void sha1(const void *bytes, size_t length, uint8_t out[SHA1_LEN]);
void sha256(const void *bytes, size_t length, uint8_t out[SHA256_LEN]);
void sha512(const void *bytes, size_t length, uint8_t out[SHA512_LEN]);
void sha3_256(const void *bytes, size_t length, uint8_t out[SHA3_256_LEN]);
// Of the first `part` bytes, and of all `length`, in the time of the latter.
void sha3_256_both(const void *bytes, size_t part, size_t length, uint8_t part_out[SHA3_256_LEN],
                   uint8_t out[SHA3_256_LEN]);
// MAC(key, m) of onion services: SHA3-256(INT8(key_length) | key | m) (rend-spec-v3 0.3).
void sha3_256_mac(const void *key, size_t key_length, const void *bytes, size_t length,
                  uint8_t out[SHA3_256_LEN]);
void shake256(const void *bytes, size_t length, void *out, size_t out_length);
void hmac_sha256(const void *key, size_t key_length, const void *bytes, size_t length,
                 uint8_t out[SHA256_LEN]);

enum { HKDF_INFO_MAX = 128, HKDF_OUT_MAX = 255 * SHA256_LEN, KDF_TOR_OUT_MAX = 256 * SHA1_LEN };

// RFC 5869: extract with `salt`, expand with `info`. 0, or -EINVAL when info_length is above
// HKDF_INFO_MAX or out_length above HKDF_OUT_MAX.
int hkdf_sha256(const void *secret, size_t secret_length, const void *salt, size_t salt_length,
                const void *info, size_t info_length, void *out, size_t out_length);
// KDF-TOR (tor-spec 5.2.1): SHA1(secret | [0]) | SHA1(secret | [1]) | … for CREATE_FAST.
// 0, or -EINVAL when secret_length is above 64 or out_length above KDF_TOR_OUT_MAX.
int kdf_tor(const void *secret, size_t secret_length, void *out, size_t out_length);

// SHA-256 of bytes that come in pieces (the logs of a link handshake). Plain data: may be embedded
// and copied; holds nothing that needs to be freed.
struct sha256 {
    _Alignas(8) uint8_t state[104];
};

void sha256_init(struct sha256 *h);
void sha256_update(struct sha256 *h, const void *bytes, size_t length);
// The digest of all bytes so far; more may follow.
void sha256_peek(const struct sha256 *h, uint8_t out[SHA256_LEN]);
