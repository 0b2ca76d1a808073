// SPDX-License-Identifier: BSD-3-Clause
// CERTS cells (protocol 1.18–1.24): building ours, and checking that a peer's chain is whole. Pure
// functions over bytes.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct identity;

enum {
    CERTS_CELL_MAX = 4096, // ours are about 1.6 KB
    LINK_CERT_LIFETIME_S = 2 * 24 * 3600,
};

enum certs_type {
    CERTS_TLS_LINK_X509 = 1,
    CERTS_RSA_ID_X509 = 2,
    CERTS_RSA_AUTH_X509 = 3,
    CERTS_ED_ID_SIGNING = 4,
    CERTS_ED_SIGNING_LINK = 5,
    CERTS_ED_SIGNING_AUTH = 6,
    CERTS_RSA_ID_ED_ID = 7,
    CERTS_TYPE_LAST = 7, // those above are ignored
};

struct certs_parts {
    struct {
        const uint8_t *bytes; // NULL: absent
        size_t length;
    } part[CERTS_TYPE_LAST + 1]; // by enum certs_type
};

// Every part that is present, in the order of C tor's responders. The body's length, or -EMSGSIZE.
int link_certs_encode(const struct certs_parts *parts, uint8_t *out, size_t capacity);
// 0, or -EPROTO: malformed, or a type that we know twice. Bytes after the last certificate and
// unknown types are ignored. `parts` points into `body`.
int link_certs_split(const uint8_t *body, size_t length, struct certs_parts *parts);

enum link_role { LINK_INITIATOR, LINK_RESPONDER };

// Who the peer says it is, after its certificates were checked. A responder has proved it with
// that; an initiator has to prove it yet by signing with auth_key (link_auth.h).
struct link_peer {
    uint8_t rsa_id[20];        // SHA-1 of the RSA identity key
    uint8_t rsa_id_sha256[32]; // the same by SHA-256
    uint8_t ed_id[32];
    uint8_t auth_key[32]; // of an initiator
};

// Checks the chain in the CERTS cell of a peer in `role`: types 2, 4, 7, and 5 for a responder or 6
// for an initiator; types 1 and 3 prove nothing more and are not read. `tls_cert_sha256` is the
// hash of the certificate that the responder used in TLS (unused for an initiator). A peer without
// Ed25519 certificates is refused: neither side could go on to AUTHENTICATE.
// 0, or -EPROTO (malformed, doubled, of wrong type), -ENOENT (a certificate is missing),
// -EKEYEXPIRED, -ENOKEY (certificates of different keys), -EBADMSG (signature; for type 2 anything
// that is wrong with it).
__attribute__((warn_unused_result)) int link_certs_check(const uint8_t *body, size_t length,
                                                         enum link_role role,
                                                         const uint8_t tls_cert_sha256[32],
                                                         time_t now, struct link_peer *out);
