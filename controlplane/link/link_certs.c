// SPDX-License-Identifier: BSD-3-Clause
// CERTS cells: building ours, checking a peer's.
#include "link/link_certs.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/cross_cert.h"
#include "crypto/ed_cert.h"
#include "crypto/rsa.h"
#include "link/tls_x509.h"

int link_certs_encode(const struct certs_parts *parts, uint8_t *out, size_t capacity)
{
    struct writer w = writer_of(out, capacity);
    uint8_t count = 0;
    for (unsigned type = 1; type <= CERTS_TYPE_LAST; type++)
        count += parts->part[type].bytes != NULL;
    write_u8(&w, count);
    for (unsigned type = 1; type <= CERTS_TYPE_LAST; type++) {
        if (!parts->part[type].bytes)
            continue;
        write_u8(&w, (uint8_t)type);
        write_u16(&w, (uint16_t)parts->part[type].length);
        write_bytes(&w, parts->part[type].bytes, parts->part[type].length);
    }
    return w.failed ? -EMSGSIZE : (int)writer_length(&w);
}

int link_certs_split(const uint8_t *body, size_t length, struct certs_parts *parts)
{
    struct reader r = reader_of(body, length);
    unsigned count = read_u8(&r);
    *parts = (struct certs_parts){0};
    for (unsigned i = 0; i < count && !r.failed; i++) {
        uint8_t type = read_u8(&r);
        uint16_t cert_length = read_u16(&r);
        const uint8_t *cert = read_bytes(&r, cert_length);
        if (r.failed || type == 0 || type > CERTS_TYPE_LAST)
            continue;
        if (parts->part[type].bytes)
            return -EPROTO;
        parts->part[type].bytes = cert;
        parts->part[type].length = cert_length;
    }
    return r.failed ? -EPROTO : 0;
}

// One Ed25519 certificate of the chain: there, well-formed, of the type that its place asks for.
static int read_ed_cert(const struct certs_parts *parts, enum certs_type place,
                        enum ed_cert_type type, struct ed_cert *out)
{
    if (!parts->part[place].bytes)
        return -ENOENT;
    int rc = ed_cert_parse(parts->part[place].bytes, parts->part[place].length, out);
    if (rc != 0)
        return rc;
    // Old versions of C tor label the hash in their link certificate an Ed25519 key.
    bool key_fits = out->key_type == ED_CERT_KEY_ED25519 ||
                    (type == ED_CERT_SIGNING_LINK && out->key_type == ED_CERT_KEY_X509_SHA256);
    return out->type == type && key_fits ? 0 : -EPROTO;
}

static int check_ed_chain(const struct certs_parts *parts, enum link_role role,
                          const uint8_t tls_cert_sha256[32], time_t now, struct link_peer *out)
{
    struct ed_cert signing, leaf;
    int rc = read_ed_cert(parts, CERTS_ED_ID_SIGNING, ED_CERT_ID_SIGNING, &signing);
    if (rc == 0 && !signing.has_signing_key)
        rc = -ENOKEY;
    if (rc == 0 && role == LINK_RESPONDER)
        rc = read_ed_cert(parts, CERTS_ED_SIGNING_LINK, ED_CERT_SIGNING_LINK, &leaf);
    if (rc == 0 && role == LINK_INITIATOR)
        rc = read_ed_cert(parts, CERTS_ED_SIGNING_AUTH, ED_CERT_SIGNING_AUTH, &leaf);
    if (rc == 0 && role == LINK_RESPONDER && CRYPTO_memcmp(leaf.key, tls_cert_sha256, 32) != 0)
        rc = -ENOKEY;
    if (rc == 0)
        rc = ed_cert_check(&signing, NULL, (uint64_t)now);
    if (rc == 0)
        rc = ed_cert_check(&leaf, signing.key, (uint64_t)now);
    if (rc != 0)
        return rc;
    memcpy(out->ed_id, signing.signing_key, sizeof out->ed_id);
    if (role == LINK_INITIATOR)
        memcpy(out->auth_key, leaf.key, sizeof out->auth_key);
    return 0;
}

static int check_rsa_id(const struct certs_parts *parts, time_t now, struct link_peer *out)
{
    if (!parts->part[CERTS_RSA_ID_X509].bytes || !parts->part[CERTS_RSA_ID_ED_ID].bytes)
        return -ENOENT;
    struct rsa_key *key = tls_x509_identity(parts->part[CERTS_RSA_ID_X509].bytes,
                                            parts->part[CERTS_RSA_ID_X509].length, now);
    if (!key)
        return -EBADMSG;
    int rc =
        cross_cert_check(parts->part[CERTS_RSA_ID_ED_ID].bytes,
                         parts->part[CERTS_RSA_ID_ED_ID].length, key, out->ed_id, (uint64_t)now);
    rsa_fingerprint_sha1(key, out->rsa_id);
    rsa_fingerprint_sha256(key, out->rsa_id_sha256);
    rsa_free(key);
    return rc;
}

int link_certs_check(const uint8_t *body, size_t length, enum link_role role,
                     const uint8_t tls_cert_sha256[32], time_t now, struct link_peer *out)
{
    struct certs_parts parts;
    struct link_peer peer = {0};
    int rc = link_certs_split(body, length, &parts);
    if (rc == 0)
        rc = check_ed_chain(&parts, role, tls_cert_sha256, now, &peer);
    if (rc == 0)
        rc = check_rsa_id(&parts, now, &peer);
    *out = rc == 0 ? peer : (struct link_peer){0};
    return rc;
}
