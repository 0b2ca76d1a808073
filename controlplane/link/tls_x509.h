// SPDX-License-Identifier: BSD-3-Clause
// The X.509 certificates of links: the one that TLS uses, and the RSA identity's own (protocol
// 1.06, 1.19, 1.41). Pure functions.
#pragma once

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct rsa_key;

enum { TLS_X509_NAME_MAX = 40 };

// "www.<random base32>SUFFIX" with `min` to `max` (at most 25) random characters.
void tls_random_name(char out[TLS_X509_NAME_MAX], unsigned min, unsigned max, const char *suffix);

// A certificate for `key` that `signer` signs, with one CN each and nothing else. It is valid since
// a random day in the past, so that its dates don't tell when the relay started. NULL: no memory.
X509 *tls_x509_make(const struct rsa_key *key, const struct rsa_key *signer, const char *subject,
                    const char *issuer, time_t now, time_t lifetime_s);
// A new buffer to be freed with OPENSSL_free; NULL and 0 on failure.
uint8_t *tls_x509_der(const X509 *cert, size_t *length);

// The key of an RSA identity certificate (CERTS type 2): whole, canonical DER, signed by itself,
// valid now (two days' grace after, thirty before, as C tor allows), RSA of 1024 bits. NULL
// otherwise. The caller frees it with rsa_free.
struct rsa_key *tls_x509_identity(const uint8_t *der, size_t length, time_t now);
