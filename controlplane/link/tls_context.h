// SPDX-License-Identifier: BSD-3-Clause
// What a TLS connection is set up with: OpenSSL's contexts, the link key and certificate of the
// hour, and the CERTS cells that go with them (protocol 1.01–1.08). Control thread only, but for
// the making of a link key.
#pragma once

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "crypto/ed25519.h"
#include "link/link_certs.h"

struct rsa_key;

enum { LINK_KEY_BITS = 2048 };

// Immutable after it is made, and counted: a connection holds the one that it began with until its
// handshake is done, so that it presents the certificates that match (1.08).
struct tls_context {
    unsigned references;
    SSL_CTX *server;
    uint8_t link_cert_sha256[32];
    struct ed25519_key auth_key; // signs AUTHENTICATE; certified in initiator_certs
    uint8_t responder_certs[CERTS_CELL_MAX];
    size_t responder_certs_length;
    uint8_t initiator_certs[CERTS_CELL_MAX];
    size_t initiator_certs_length;
    uint64_t identity_generation; // of the signing key in the certificates
};

// With one reference. Does not keep `link_key` or `identity`. NULL: no memory, or OpenSSL refused.
struct tls_context *tls_context_create(const struct identity *identity,
                                       const struct rsa_key *link_key, time_t now);
struct tls_context *tls_context_hold(struct tls_context *context); // NULL is fine
void tls_context_release(struct tls_context *context); // NULL is fine; wipes with the last

// For connections that we make; carries no keys. The caller frees it with SSL_CTX_free.
SSL_CTX *tls_client_context_create(void);
