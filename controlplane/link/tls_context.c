// SPDX-License-Identifier: BSD-3-Clause
// What a TLS connection is set up with: OpenSSL's contexts, link key, certificates.
#include "link/tls_context.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "crypto/cross_cert.h"
#include "crypto/digest.h"
#include "crypto/ed_cert.h"
#include "crypto/rsa.h"
#include "identity/identity.h"
#include "link/tls_x509.h"

enum {
    DAY_S = 24 * 3600,
    LINK_X509_LIFETIME_S = 180 * DAY_S,
    IDENTITY_X509_LIFETIME_S = 365 * DAY_S,
    CROSS_CERT_LIFETIME_S = 365 * DAY_S,
};

// Any certificate will do for TLS: who the peer is is proved in its CERTS cell (1.07).
static int accept_any(X509_STORE_CTX *store, void *arg)
{
    (void)store;
    (void)arg;
    return 1;
}

static SSL_CTX *context_common(const SSL_METHOD *method, const char *suites)
{
    SSL_CTX *ctx = SSL_CTX_new(method);
    if (!ctx)
        return NULL;
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    // The identity key that signs link certificates has 1024 bits.
    SSL_CTX_set_security_level(ctx, 1);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
        SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
        SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
        SSL_CTX_set1_groups_list(ctx, "P-256:X25519") == 1 &&
        SSL_CTX_set_ciphersuites(ctx, suites) == 1)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

SSL_CTX *tls_client_context_create(void)
{
    // In C tor's order (1.03).
    SSL_CTX *ctx = context_common(
        TLS_client_method(),
        "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384");
    if (ctx)
        SSL_CTX_set_cert_verify_callback(ctx, accept_any, NULL);
    ERR_clear_error();
    return ctx;
}

static SSL_CTX *server_context_create(X509 *cert, const struct rsa_key *link_key)
{
    // AES first: the workers are fastest at it.
    SSL_CTX *ctx = context_common(
        TLS_server_method(),
        "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
    if (ctx && SSL_CTX_use_certificate(ctx, cert) == 1 &&
        SSL_CTX_use_PrivateKey(ctx, rsa_evp(link_key)) == 1)
        return ctx;
    SSL_CTX_free(ctx);
    return NULL;
}

struct cert_buffers {
    uint8_t *link_x509, *id_x509;
    size_t link_x509_length, id_x509_length;
    uint8_t signing_link[ED_CERT_LEN], signing_auth[ED_CERT_LEN];
    uint8_t cross[CROSS_CERT_MAX];
    int signing_link_length, signing_auth_length, cross_length;
};

static X509 *make_x509(const struct identity *identity, const struct rsa_key *link_key, time_t now,
                       struct cert_buffers *b)
{
    char subject[TLS_X509_NAME_MAX], issuer[TLS_X509_NAME_MAX];
    tls_random_name(subject, 8, 20, ".net");
    tls_random_name(issuer, 8, 20, ".com");
    X509 *link = tls_x509_make(link_key, identity->rsa, subject, issuer, now, LINK_X509_LIFETIME_S);
    X509 *id =
        tls_x509_make(identity->rsa, identity->rsa, issuer, issuer, now, IDENTITY_X509_LIFETIME_S);
    if (link && id) {
        b->link_x509 = tls_x509_der(link, &b->link_x509_length);
        b->id_x509 = tls_x509_der(id, &b->id_x509_length);
    }
    X509_free(id);
    if (b->link_x509 && b->id_x509)
        return link;
    X509_free(link);
    return NULL;
}

static bool make_ed_certs(struct tls_context *c, const struct identity *identity, time_t now,
                          struct cert_buffers *b)
{
    uint32_t expires = ed_cert_hours((uint64_t)now + LINK_CERT_LIFETIME_S);
    sha256(b->link_x509, b->link_x509_length, c->link_cert_sha256);
    ed25519_generate(&c->auth_key);
    b->signing_link_length =
        ed_cert_encode(ED_CERT_SIGNING_LINK, ED_CERT_KEY_X509_SHA256, c->link_cert_sha256, expires,
                       &identity->signing, false, b->signing_link, sizeof b->signing_link);
    b->signing_auth_length =
        ed_cert_encode(ED_CERT_SIGNING_AUTH, ED_CERT_KEY_ED25519, c->auth_key.public_key, expires,
                       &identity->signing, false, b->signing_auth, sizeof b->signing_auth);
    b->cross_length = cross_cert_make(identity->rsa, identity->master.public_key,
                                      ed_cert_hours((uint64_t)now + CROSS_CERT_LIFETIME_S),
                                      b->cross, sizeof b->cross);
    return b->signing_link_length > 0 && b->signing_auth_length > 0 && b->cross_length > 0;
}

// CERTS cells as C tor sends them, without type 3, which nobody needs (1.20).
static bool encode_cells(struct tls_context *c, const struct identity *identity,
                         const struct cert_buffers *b)
{
    struct certs_parts parts = {0};
    parts.part[CERTS_RSA_ID_X509].bytes = b->id_x509;
    parts.part[CERTS_RSA_ID_X509].length = b->id_x509_length;
    parts.part[CERTS_ED_ID_SIGNING].bytes = identity->signing_cert;
    parts.part[CERTS_ED_ID_SIGNING].length = identity->signing_cert_length;
    parts.part[CERTS_RSA_ID_ED_ID].bytes = b->cross;
    parts.part[CERTS_RSA_ID_ED_ID].length = (size_t)b->cross_length;

    struct certs_parts initiator = parts, responder = parts;
    initiator.part[CERTS_ED_SIGNING_AUTH].bytes = b->signing_auth;
    initiator.part[CERTS_ED_SIGNING_AUTH].length = (size_t)b->signing_auth_length;
    responder.part[CERTS_TLS_LINK_X509].bytes = b->link_x509;
    responder.part[CERTS_TLS_LINK_X509].length = b->link_x509_length;
    responder.part[CERTS_ED_SIGNING_LINK].bytes = b->signing_link;
    responder.part[CERTS_ED_SIGNING_LINK].length = (size_t)b->signing_link_length;

    int i = link_certs_encode(&initiator, c->initiator_certs, sizeof c->initiator_certs);
    int r = link_certs_encode(&responder, c->responder_certs, sizeof c->responder_certs);
    c->initiator_certs_length = i > 0 ? (size_t)i : 0;
    c->responder_certs_length = r > 0 ? (size_t)r : 0;
    return i > 0 && r > 0;
}

struct tls_context *tls_context_create(const struct identity *identity,
                                       const struct rsa_key *link_key, time_t now)
{
    struct cert_buffers b = {0};
    struct tls_context *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->references = 1;
    c->identity_generation = identity->generation;
    X509 *link = make_x509(identity, link_key, now, &b);
    if (link && make_ed_certs(c, identity, now, &b) && encode_cells(c, identity, &b))
        c->server = server_context_create(link, link_key);
    X509_free(link);
    OPENSSL_free(b.link_x509);
    OPENSSL_free(b.id_x509);
    ERR_clear_error();
    if (c->server)
        return c;
    tls_context_release(c);
    return NULL;
}

struct tls_context *tls_context_hold(struct tls_context *context)
{
    if (context)
        context->references++;
    return context;
}

void tls_context_release(struct tls_context *context)
{
    if (!context || --context->references > 0)
        return;
    SSL_CTX_free(context->server);
    OPENSSL_cleanse(context, sizeof *context);
    free(context);
}
