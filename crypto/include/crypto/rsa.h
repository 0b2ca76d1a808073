// SPDX-License-Identifier: BSD-3-Clause
// RSA keys: the relay's identity, its unused TAP onion key, authorities' signing keys.
//
// A key is immutable after it is made, so any thread may use it. Functions that make one return
// NULL for bad input; the caller frees it with rsa_free(). Functions that write return a length,
// or -EMSGSIZE when it does not fit, or -EINVAL (a public key where a private one is needed).
#pragma once

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rsa_key;

enum {
    RSA_BITS_MAX = 4096, // larger keys are refused when parsed
    RSA_SIG_MAX = RSA_BITS_MAX / 8,
    RSA_DER_MAX = RSA_SIG_MAX + 32,
    RSA_PUBLIC_PEM_MAX = 1024,
    RSA_PEM_MAX = 4096,
};

struct rsa_key *rsa_generate(unsigned bits); // exponent 65537
void rsa_free(struct rsa_key *key);          // NULL is fine

// Private key in PEM: "RSA PRIVATE KEY" (as C tor's keys/secret_id_key), or PKCS#8.
struct rsa_key *rsa_from_pem(const char *pem, size_t length);
int rsa_to_pem(const struct rsa_key *key, char *out,
               size_t capacity); // "RSA PRIVATE KEY", NUL-ended

// Public key: "RSA PUBLIC KEY" PEM, or the PKCS#1 RSAPublicKey DER within it, exact in length.
struct rsa_key *rsa_public_from_pem(const char *pem, size_t length);
int rsa_public_to_pem(const struct rsa_key *key, char *out, size_t capacity); // NUL-ended
struct rsa_key *rsa_public_from_der(const uint8_t *der, size_t length);
int rsa_public_to_der(const struct rsa_key *key, uint8_t *out, size_t capacity);
// The public key of an X.509 certificate (from X509_get0_pubkey); takes its own reference. NULL if
// it is not RSA.
struct rsa_key *rsa_public_from_evp(EVP_PKEY *pkey);

// Digests of the PKCS#1 DER of the public key. SHA-1 is the relay's fingerprint.
void rsa_fingerprint_sha1(const struct rsa_key *key, uint8_t out[20]);
void rsa_fingerprint_sha256(const struct rsa_key *key, uint8_t out[32]);

// PKCS#1 v1.5 block type 1 of `bytes` as they are, without DigestInfo: Tor's signatures.
int rsa_sign(const struct rsa_key *key, const void *bytes, size_t length, uint8_t *signature,
             size_t capacity);
__attribute__((warn_unused_result)) bool rsa_verify(const struct rsa_key *key, const void *bytes,
                                                    size_t length, const uint8_t *signature,
                                                    size_t signature_length);
bool rsa_equal(const struct rsa_key *a, const struct rsa_key *b); // the public halves
bool rsa_is_private(const struct rsa_key *key);
bool rsa_exponent_is_65537(const struct rsa_key *key); // what Tor's directory keys must have
unsigned rsa_bits(const struct rsa_key *key);
// For X.509 code; belongs to the key.
EVP_PKEY *rsa_evp(const struct rsa_key *key);
