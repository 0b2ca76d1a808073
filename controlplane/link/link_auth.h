// SPDX-License-Identifier: BSD-3-Clause
// AUTH_CHALLENGE and AUTHENTICATE cells (protocol 1.25–1.29): how a relay that made a connection
// proves who it is. Pure functions over bytes.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ed25519_key;

enum {
    AUTH_METHOD_ED25519 = 3, // the only one left: Ed25519-SHA256-RFC5705
    AUTH_CHALLENGE_LEN = 32 + 2 + 2,
    AUTHENTICATE_LEN = 352,
    AUTHENTICATE_CELL_LEN = 4 + AUTHENTICATE_LEN,
};

#define AUTH_EXPORTER_LABEL "EXPORTER FOR TOR TLS CLIENT BINDING AUTH0003"

// What both sides know alike at the end of an honest handshake.
struct auth_context {
    uint8_t initiator_rsa_id_sha256[32];
    uint8_t responder_rsa_id_sha256[32];
    uint8_t initiator_ed_id[32];
    uint8_t responder_ed_id[32];
    uint8_t responder_log[32];   // SHA-256 of all it sent up to AUTH_CHALLENGE
    uint8_t initiator_log[32];   // SHA-256 of all it sent before AUTHENTICATE
    uint8_t tls_cert_sha256[32]; // the responder's
    uint8_t tls_secrets[32];     // exported with AUTH_EXPORTER_LABEL and the initiator's RSA id
};

// Body of our AUTH_CHALLENGE, with a fresh challenge.
void auth_challenge_build(uint8_t out[AUTH_CHALLENGE_LEN]);
// 0 and whether the Ed25519 method is offered, or -EPROTO for a malformed body.
__attribute__((warn_unused_result)) int auth_challenge_read(const uint8_t *body, size_t length,
                                                            bool *offers_ed25519);

// Body of our AUTHENTICATE cell, signed with the key that our type-6 certificate certifies.
void authenticate_build(const struct auth_context *context, const struct ed25519_key *auth_key,
                        uint8_t out[AUTHENTICATE_CELL_LEN]);
// 0, or -EPROTO (malformed, or another method), -EINVAL (a field differs), -EBADMSG (signature).
// `auth_key` is that of the peer's type-6 certificate.
__attribute__((warn_unused_result)) int authenticate_check(const uint8_t *body, size_t length,
                                                           const struct auth_context *context,
                                                           const uint8_t auth_key[32]);
