// SPDX-License-Identifier: BSD-3-Clause
// CERTS cells: an honest chain verifies, and each certificate missing, expired, doubled, mangled,
// mislabelled or of another key is refused. The cases are those of C tor's test_link_handshake.c.
#include "nodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/cross_cert.h"
#include "crypto/ed_cert.h"
#include "crypto/random.h"
#include "crypto/rsa.h"
#include "link/link_certs.h"
#include "link/tls_context.h"
#include "link/tls_x509.h"

enum { DAY_S = 86400, BUFFER = 2048 };

static struct identity identity, other;
static struct rsa_key *link_key;
static struct tls_context *context;
static time_t now;

// A chain in parts that a case may replace.
static uint8_t storage[CERTS_TYPE_LAST + 1][BUFFER];
static struct certs_parts parts;
static enum link_role role;

static int set_up_keys(void **state)
{
    (void)state;
    wire_reset();
    now = test_wall_clock();
    identity_make(&identity, now);
    identity_make(&other, now);
    link_key = rsa_generate(LINK_KEY_BITS);
    context = tls_context_create(&identity, link_key, now);
    assert_non_null(context);
    return 0;
}

static int tear_down_keys(void **state)
{
    (void)state;
    tls_context_release(context);
    rsa_free(link_key);
    identity_release(&identity);
    identity_release(&other);
    return 0;
}

static void put(enum certs_type type, const void *bytes, size_t length)
{
    assert_true(length <= BUFFER);
    if (length > 0)
        memcpy(storage[type], bytes, length);
    parts.part[type].bytes = storage[type];
    parts.part[type].length = length;
}

static void start_with(enum link_role peer)
{
    struct certs_parts honest;
    role = peer;
    parts = (struct certs_parts){0};
    assert_int_equal(
        peer == LINK_RESPONDER
            ? link_certs_split(context->responder_certs, context->responder_certs_length, &honest)
            : link_certs_split(context->initiator_certs, context->initiator_certs_length, &honest),
        0);
    for (unsigned i = 0; i <= CERTS_TYPE_LAST; i++)
        if (honest.part[i].bytes)
            put((enum certs_type)i, honest.part[i].bytes, honest.part[i].length);
}

static int check_body_at(const uint8_t *body, size_t length, time_t when, struct link_peer *peer)
{
    // Exactly as large as it is, for the address sanitizer.
    uint8_t *exact = malloc(length);
    memcpy(exact, body, length);
    int rc = link_certs_check(exact, length, role, context->link_cert_sha256, when, peer);
    free(exact);
    struct link_peer nobody = {0};
    if (rc != 0)
        assert_memory_equal(peer, &nobody, sizeof nobody);
    return rc;
}

static int check_at(time_t when)
{
    uint8_t body[CERTS_CELL_MAX];
    struct link_peer peer;
    int n = link_certs_encode(&parts, body, sizeof body);
    assert_true(n > 0);
    return check_body_at(body, (size_t)n, when, &peer);
}

static int check(void)
{
    return check_at(now);
}

static void honest_chains_verify(void **state)
{
    (void)state;
    struct link_peer peer;
    role = LINK_RESPONDER;
    assert_int_equal(
        check_body_at(context->responder_certs, context->responder_certs_length, now, &peer), 0);
    assert_memory_equal(peer.rsa_id, identity.rsa_id, 20);
    assert_memory_equal(peer.rsa_id_sha256, identity.rsa_id_sha256, 32);
    assert_memory_equal(peer.ed_id, identity.master.public_key, 32);
    role = LINK_INITIATOR;
    assert_int_equal(
        check_body_at(context->initiator_certs, context->initiator_certs_length, now, &peer), 0);
    assert_memory_equal(peer.ed_id, identity.master.public_key, 32);
    assert_memory_equal(peer.auth_key, context->auth_key.public_key, 32);
}

static void sends_what_c_tor_sends(void **state)
{
    (void)state;
    struct certs_parts p;
    link_certs_split(context->responder_certs, context->responder_certs_length, &p);
    for (unsigned type = 1; type <= CERTS_TYPE_LAST; type++)
        assert_int_equal(p.part[type].bytes != NULL, type != 3 && type != 6);
    link_certs_split(context->initiator_certs, context->initiator_certs_length, &p);
    for (unsigned type = 1; type <= CERTS_TYPE_LAST; type++)
        assert_int_equal(p.part[type].bytes != NULL,
                         type == 2 || type == 4 || type == 6 || type == 7);
}

// 1.06: v3, 8 bytes of serial, one CN each, no extensions, RSA-2048 signed with SHA-256.
static void link_certificate_has_the_right_shape(void **state)
{
    (void)state;
    start_with(LINK_RESPONDER);
    const uint8_t *at = parts.part[CERTS_TLS_LINK_X509].bytes;
    X509 *cert = d2i_X509(NULL, &at, (long)parts.part[CERTS_TLS_LINK_X509].length);
    char name[128];
    assert_non_null(cert);
    assert_int_equal(X509_get_version(cert), 2);
    assert_int_equal(X509_get_ext_count(cert), 0);
    assert_in_range(ASN1_STRING_length(X509_get0_serialNumber(cert)), 5, 8);
    assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(cert)), 1);
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof name);
    assert_string_equal(name + strlen(name) - 4, ".net");
    X509_NAME_get_text_by_NID(X509_get_issuer_name(cert), NID_commonName, name, sizeof name);
    assert_string_equal(name + strlen(name) - 4, ".com");
    assert_int_equal(EVP_PKEY_get_bits(X509_get0_pubkey(cert)), 2048);
    assert_int_equal(X509_get_signature_nid(cert), NID_sha256WithRSAEncryption);
    assert_int_equal(X509_verify(cert, rsa_evp(identity.rsa)), 1);
    X509_free(cert);
}

static void missing_certificates_are_refused(void **state)
{
    (void)state;
    for (enum link_role peer = LINK_INITIATOR; peer <= LINK_RESPONDER; peer++) {
        for (unsigned type = 1; type <= CERTS_TYPE_LAST; type++) {
            start_with(peer);
            bool needed = parts.part[type].bytes && type != CERTS_TLS_LINK_X509;
            parts.part[type].bytes = NULL;
            assert_int_equal(check(), needed ? -ENOENT : 0);
        }
    }
}

static void a_chain_for_the_other_role_is_refused(void **state)
{
    (void)state;
    start_with(LINK_RESPONDER);
    role = LINK_INITIATOR;
    assert_int_equal(check(), -ENOENT);
    start_with(LINK_INITIATOR);
    role = LINK_RESPONDER;
    assert_int_equal(check(), -ENOENT);
}

static void doubled_certificates_are_refused(void **state)
{
    (void)state;
    uint8_t body[CERTS_CELL_MAX];
    struct link_peer peer;
    start_with(LINK_RESPONDER);
    for (unsigned type = 1; type <= CERTS_TYPE_LAST; type++) {
        int n = link_certs_encode(&parts, body, sizeof body);
        struct writer w = writer_of(body + n, sizeof body - (size_t)n);
        body[0] += 2;
        for (int twice = 0; twice < 2; twice++) {
            write_u8(&w, (uint8_t)type);
            write_u16(&w, 1);
            write_u8(&w, 0);
        }
        assert_int_equal(check_body_at(body, (size_t)n + writer_length(&w), now, &peer), -EPROTO);
    }
}

static void unknown_certificates_are_ignored(void **state)
{
    (void)state;
    uint8_t body[CERTS_CELL_MAX];
    struct link_peer peer;
    start_with(LINK_RESPONDER);
    put(CERTS_TLS_LINK_X509, "junk", 4); // not needed, so not read
    int n = link_certs_encode(&parts, body, sizeof body);
    static const uint8_t extra[] = {8, 0, 1, 0, 8, 0, 0, 255, 0, 0, 0, 0, 0, /* left over */ 1, 2};
    body[0] += 4;
    memcpy(body + n, extra, sizeof extra);
    assert_int_equal(check_body_at(body, (size_t)n + sizeof extra, now, &peer), 0);
}

static void truncated_cells_are_refused(void **state)
{
    (void)state;
    struct link_peer peer;
    role = LINK_RESPONDER;
    for (size_t n = 0; n < context->responder_certs_length; n++)
        assert_int_not_equal(check_body_at(context->responder_certs, n, now, &peer), 0);
    role = LINK_INITIATOR;
    for (size_t n = 0; n < context->initiator_certs_length; n++)
        assert_int_not_equal(check_body_at(context->initiator_certs, n, now, &peer), 0);
}

static void truncated_certificates_are_refused(void **state)
{
    (void)state;
    for (unsigned type = 2; type <= CERTS_TYPE_LAST; type++) {
        start_with(type == CERTS_ED_SIGNING_AUTH ? LINK_INITIATOR : LINK_RESPONDER);
        size_t whole = parts.part[type].length;
        for (size_t n = 0; parts.part[type].bytes && n < whole; n += 7) {
            parts.part[type].length = n;
            assert_int_not_equal(check(), 0);
        }
        parts.part[type].length = whole + 1; // something left over
        if (parts.part[type].bytes)
            assert_int_not_equal(check(), 0);
    }
}

static void every_bit_counts(void **state)
{
    (void)state;
    for (unsigned type = 2; type <= CERTS_TYPE_LAST; type++) {
        start_with(type == CERTS_ED_SIGNING_AUTH ? LINK_INITIATOR : LINK_RESPONDER);
        if (!parts.part[type].bytes)
            continue;
        for (size_t i = 0; i < parts.part[type].length; i++) {
            storage[type][i] ^= (uint8_t)(1u << i % 8);
            if (check() == 0)
                fail_msg("type %u, byte %zu may be changed", type, i);
            storage[type][i] ^= (uint8_t)(1u << i % 8);
        }
        assert_int_equal(check(), 0);
    }
}

static void put_ed_cert(enum certs_type place, uint8_t type, uint8_t key_type, const uint8_t *key,
                        time_t expires, const struct ed25519_key *signer, bool embed)
{
    uint8_t cert[ED_CERT_EMBEDDED_LEN];
    int n = ed_cert_encode(type, key_type, key, (uint32_t)(expires / 3600), signer, embed, cert,
                           sizeof cert);
    assert_true(n > 0);
    put(place, cert, (size_t)n);
}

static void expired_certificates_are_refused(void **state)
{
    (void)state;
    const struct identity *id = &identity;
    start_with(LINK_RESPONDER);
    put_ed_cert(CERTS_ED_ID_SIGNING, ED_CERT_ID_SIGNING, 1, id->signing.public_key, now - 3600,
                &id->master, true);
    assert_int_equal(check(), -EKEYEXPIRED);
    start_with(LINK_RESPONDER);
    put_ed_cert(CERTS_ED_SIGNING_LINK, ED_CERT_SIGNING_LINK, 3, context->link_cert_sha256,
                now - 3600, &id->signing, false);
    assert_int_equal(check(), -EKEYEXPIRED);
    start_with(LINK_INITIATOR);
    put_ed_cert(CERTS_ED_SIGNING_AUTH, ED_CERT_SIGNING_AUTH, 1, context->auth_key.public_key,
                now - 3600, &id->signing, false);
    assert_int_equal(check(), -EKEYEXPIRED);
    start_with(LINK_RESPONDER);
    uint8_t cross[CROSS_CERT_MAX];
    int n = cross_cert_make(id->rsa, id->master.public_key, (uint32_t)(now / 3600 - 1), cross,
                            sizeof cross);
    put(CERTS_RSA_ID_ED_ID, cross, (size_t)n);
    assert_int_equal(check(), -EKEYEXPIRED);

    start_with(LINK_RESPONDER);
    assert_int_equal(check_at(now + LINK_CERT_LIFETIME_S - 3600), 0);
    assert_int_equal(check_at(now + LINK_CERT_LIFETIME_S + 7200), -EKEYEXPIRED);
}

static void put_x509(const struct rsa_key *key, const struct rsa_key *signer, time_t made,
                     time_t lifetime)
{
    X509 *cert = tls_x509_make(key, signer, "www.a.com", "www.a.com", made, lifetime);
    size_t length;
    uint8_t *der = tls_x509_der(cert, &length);
    put(CERTS_RSA_ID_X509, der, length);
    OPENSSL_free(der);
    X509_free(cert);
}

static void bad_identity_certificates_are_refused(void **state)
{
    (void)state;
    const struct rsa_key *rsa = identity.rsa;
    start_with(LINK_RESPONDER);
    put_x509(rsa, rsa, now, 10 * DAY_S);
    assert_int_equal(check(), 0);
    put_x509(rsa, rsa, now - 10 * DAY_S, DAY_S);
    assert_int_equal(check(), -EBADMSG); // expired for longer than is forgiven
    put_x509(rsa, rsa, now - DAY_S, DAY_S);
    assert_int_equal(check(), 0);
    put_x509(rsa, rsa, now + 60 * DAY_S, DAY_S);
    assert_int_equal(check(), -EBADMSG); // not valid yet
    put_x509(rsa, other.rsa, now, 10 * DAY_S);
    assert_int_equal(check(), -EBADMSG); // not its own signature
    put_x509(link_key, link_key, now, 10 * DAY_S);
    assert_int_equal(check(), -EBADMSG); // 2048 bits
    put_x509(other.rsa, other.rsa, now, 10 * DAY_S);
    assert_int_not_equal(check(), 0); // not the key that signed the cross-certificate
}

static void other_keys_are_refused(void **state)
{
    (void)state;
    start_with(LINK_RESPONDER);
    put_ed_cert(CERTS_ED_ID_SIGNING, ED_CERT_ID_SIGNING, 1, identity.signing.public_key,
                now + DAY_S, &identity.master, false);
    assert_int_equal(check(), -ENOKEY); // signing key not embedded
    put_ed_cert(CERTS_ED_ID_SIGNING, ED_CERT_ID_SIGNING, 1, identity.signing.public_key,
                now + DAY_S, &other.master, true);
    assert_int_equal(check(), -ENOKEY); // cross-certificate is for another identity
    put_ed_cert(CERTS_ED_ID_SIGNING, ED_CERT_ID_SIGNING, 1, other.signing.public_key, now + DAY_S,
                &identity.master, true);
    assert_int_not_equal(check(), 0); // link certificate is of another signing key
    start_with(LINK_RESPONDER);
    put_ed_cert(CERTS_ED_SIGNING_LINK, ED_CERT_SIGNING_LINK, 3, other.rsa_id_sha256, now + DAY_S,
                &identity.signing, false);
    assert_int_equal(check(), -ENOKEY); // not the certificate that TLS used
    put_ed_cert(CERTS_ED_SIGNING_LINK, ED_CERT_SIGNING_LINK, 1, context->link_cert_sha256,
                now + DAY_S, &identity.signing, false);
    assert_int_equal(check(), 0); // as old versions of C tor label it
}

static void wrong_labels_are_refused(void **state)
{
    (void)state;
    start_with(LINK_RESPONDER);
    put_ed_cert(CERTS_ED_SIGNING_LINK, ED_CERT_SIGNING_AUTH, 3, context->link_cert_sha256,
                now + DAY_S, &identity.signing, false);
    assert_int_equal(check(), -EPROTO);
    start_with(LINK_RESPONDER);
    put_ed_cert(CERTS_ED_ID_SIGNING, ED_CERT_SIGNING_LINK, 1, identity.signing.public_key,
                now + DAY_S, &identity.master, true);
    assert_int_equal(check(), -EPROTO);
    start_with(LINK_RESPONDER);
    put_ed_cert(CERTS_ED_ID_SIGNING, ED_CERT_ID_SIGNING, 3, identity.signing.public_key,
                now + DAY_S, &identity.master, true);
    assert_int_equal(check(), -EPROTO);
    start_with(LINK_INITIATOR);
    put_ed_cert(CERTS_ED_SIGNING_AUTH, ED_CERT_SIGNING_AUTH, 3, context->auth_key.public_key,
                now + DAY_S, &identity.signing, false);
    assert_int_equal(check(), -EPROTO);
    // Swapped places (wrong_labels_1 to _3 there).
    start_with(LINK_RESPONDER);
    put_x509(link_key, identity.rsa, now, 10 * DAY_S);
    assert_int_equal(check(), -EBADMSG);
}

static void encoding_is_bounded(void **state)
{
    (void)state;
    uint8_t small[100];
    start_with(LINK_RESPONDER);
    assert_int_equal(link_certs_encode(&parts, small, sizeof small), -EMSGSIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(honest_chains_verify),
        cmocka_unit_test(sends_what_c_tor_sends),
        cmocka_unit_test(link_certificate_has_the_right_shape),
        cmocka_unit_test(missing_certificates_are_refused),
        cmocka_unit_test(a_chain_for_the_other_role_is_refused),
        cmocka_unit_test(doubled_certificates_are_refused),
        cmocka_unit_test(unknown_certificates_are_ignored),
        cmocka_unit_test(truncated_cells_are_refused),
        cmocka_unit_test(truncated_certificates_are_refused),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(expired_certificates_are_refused),
        cmocka_unit_test(bad_identity_certificates_are_refused),
        cmocka_unit_test(other_keys_are_refused),
        cmocka_unit_test(wrong_labels_are_refused),
        cmocka_unit_test(encoding_is_bounded),
    };
    return cmocka_run_group_tests(tests, set_up_keys, tear_down_keys);
}
