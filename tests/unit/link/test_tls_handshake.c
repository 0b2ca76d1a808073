// SPDX-License-Identifier: BSD-3-Clause
// The TLS handshake against OpenSSL peers: keys, exporter and key updates are those that the peer
// uses, nothing after the handshake is swallowed, and what we don't speak gets an alert.
#include "nodes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <string.h>

#include "crypto/digest.h"
#include "crypto/rsa.h"
#include "link/tls_x509.h"

static struct identity identity;
static struct rsa_key *link_key;
static struct tls_context *context;
static SSL_CTX *our_client;

static int set_up(void **state)
{
    (void)state;
    wire_reset();
    identity_make(&identity, test_wall_clock());
    link_key = rsa_generate(LINK_KEY_BITS);
    context = tls_context_create(&identity, link_key, test_wall_clock());
    our_client = tls_client_context_create();
    assert_true(link_key && context && our_client);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    SSL_CTX_free(our_client);
    tls_context_release(context);
    rsa_free(link_key);
    identity_release(&identity);
    return 0;
}

// ---- records, as the worker would open and seal them

static const EVP_CIPHER *aead_of(uint16_t cipher)
{
    return cipher == TLS_AES_128_GCM_SHA256_ID   ? EVP_aes_128_gcm()
           : cipher == TLS_AES_256_GCM_SHA384_ID ? EVP_aes_256_gcm()
                                                 : EVP_chacha20_poly1305();
}

static void nonce_of(const struct tls_keys *keys, uint8_t nonce[12])
{
    memcpy(nonce, keys->iv, 12);
    for (int i = 0; i < 8; i++)
        nonce[11 - i] ^= (uint8_t)(keys->sequence >> 8 * i);
}

// Length of the plaintext, whose last byte is the content type; -1: does not verify.
static int open_record(struct tls_keys *keys, const uint8_t *record, size_t length, uint8_t *out)
{
    uint8_t nonce[12], tag[16];
    int n, last, body = (int)length - 5 - 16;
    assert_true(body > 0);
    nonce_of(keys, nonce);
    memcpy(tag, record + length - 16, 16);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    EVP_DecryptInit_ex(c, aead_of(keys->cipher), NULL, keys->key, nonce);
    EVP_DecryptUpdate(c, NULL, &n, record, 5);
    EVP_DecryptUpdate(c, out, &n, record + 5, body);
    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, 16, tag);
    int ok = EVP_DecryptFinal_ex(c, out + n, &last);
    EVP_CIPHER_CTX_free(c);
    keys->sequence++;
    return ok == 1 ? n : -1;
}

static size_t seal_record(struct tls_keys *keys, const char *text, uint8_t type, size_t length,
                          uint8_t *out)
{
    uint8_t nonce[12], plain[64];
    int n, last;
    size_t body = length + 1 + 16;
    memcpy(plain, text, length);
    plain[length] = type;
    memcpy(out, (uint8_t[]){23, 3, 3, (uint8_t)(body >> 8), (uint8_t)body}, 5);
    nonce_of(keys, nonce);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(c, aead_of(keys->cipher), NULL, keys->key, nonce);
    EVP_EncryptUpdate(c, NULL, &n, out, 5);
    EVP_EncryptUpdate(c, out + 5, &n, plain, (int)length + 1);
    EVP_EncryptFinal_ex(c, out + 5 + n, &last);
    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, 16, out + 5 + length + 1);
    EVP_CIPHER_CTX_free(c);
    keys->sequence++;
    return 5 + body;
}

// ---- the peer

struct peer {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
};

static void peer_open(struct peer *p, bool client, int max_version, const char *suite)
{
    p->ctx = SSL_CTX_new(client ? TLS_client_method() : TLS_server_method());
    SSL_CTX_set_max_proto_version(p->ctx, max_version);
    SSL_CTX_set_security_level(p->ctx, 1);
    if (suite)
        assert_int_equal(SSL_CTX_set_ciphersuites(p->ctx, suite), 1);
    if (!client) {
        X509 *cert = tls_x509_make(link_key, identity.rsa, "www.a.net", "www.b.com",
                                   test_wall_clock(), 86400);
        assert_int_equal(SSL_CTX_use_certificate(p->ctx, cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey(p->ctx, rsa_evp(link_key)), 1);
        X509_free(cert);
    }
    p->ssl = SSL_new(p->ctx);
    p->in = BIO_new(BIO_s_mem());
    p->out = BIO_new(BIO_s_mem());
    SSL_set_bio(p->ssl, p->in, p->out);
    if (client)
        SSL_set_connect_state(p->ssl);
    else
        SSL_set_accept_state(p->ssl);
}

static void peer_close(struct peer *p)
{
    SSL_free(p->ssl);
    SSL_CTX_free(p->ctx);
    ERR_clear_error();
}

static size_t peer_output(struct peer *p, uint8_t *out, size_t capacity)
{
    int n = BIO_read(p->out, out, (int)capacity);
    return n > 0 ? (size_t)n : 0;
}

static void to_peer(struct peer *p, struct tls_handshake *h)
{
    const uint8_t *bytes;
    size_t n = tls_handshake_output(h, &bytes);
    if (n > 0)
        assert_int_equal(BIO_write(p->in, bytes, (int)n), n);
    tls_handshake_sent(h);
}

struct run {
    struct tls_handshake *h;
    struct peer peer;
    enum tls_progress progress;
    uint64_t given; // to h, by stream offset
    size_t left;    // bytes that the peer wrote and h did not take
    uint8_t rest[4096];
};

// Runs until one side is done or fails. The peer writes "hello" with its last flight if it can.
static void run_handshake(struct run *r, bool we_are_client, int max_version, const char *suite,
                          size_t chunk)
{
    uint8_t bytes[8192];
    bool said_hello = false;
    *r = (struct run){.given = 1000};
    peer_open(&r->peer, !we_are_client, max_version, suite);
    r->h = tls_handshake_create(we_are_client ? our_client : context->server, we_are_client);
    r->progress = we_are_client ? tls_handshake_start(r->h) : TLS_PROGRESS_MORE;
    for (int turn = 0; turn < 6 && r->progress == TLS_PROGRESS_MORE; turn++) {
        to_peer(&r->peer, r->h);
        int rc = SSL_do_handshake(r->peer.ssl);
        if (rc == 1 && !said_hello) {
            assert_int_equal(SSL_write(r->peer.ssl, "hello", 5), 5);
            said_hello = true;
        }
        size_t n = peer_output(&r->peer, bytes, sizeof bytes);
        for (size_t at = 0; at < n && r->progress == TLS_PROGRESS_MORE; at += chunk) {
            size_t piece = n - at < chunk ? n - at : chunk;
            r->progress = tls_handshake_feed(r->h, r->given, bytes + at, piece);
            r->given += piece;
        }
        size_t taken = (size_t)(tls_handshake_consumed(r->h) - (r->given - n));
        if (r->progress == TLS_PROGRESS_DONE && chunk >= n) {
            r->left = n - taken;
            memcpy(r->rest, bytes + taken, r->left);
        }
    }
    const uint8_t *out;
    if (r->progress == TLS_PROGRESS_DONE && tls_handshake_output(r->h, &out) > 0) {
        to_peer(&r->peer, r->h);
        assert_int_equal(SSL_do_handshake(r->peer.ssl), 1);
    }
}

static void run_end(struct run *r)
{
    tls_handshake_free(r->h);
    peer_close(&r->peer);
}

// Length of the first record among the bytes.
static size_t record_length(const uint8_t *bytes)
{
    return 5u + (size_t)(bytes[3] << 8 | bytes[4]);
}

static size_t peer_says(struct run *r, const char *text, uint8_t *out, size_t capacity)
{
    assert_int_equal(SSL_write(r->peer.ssl, text, (int)strlen(text)), strlen(text));
    size_t n = peer_output(&r->peer, out, capacity);
    assert_int_equal(n, record_length(out));
    return n;
}

static void check_exchange(struct run *r, struct tls_keys *rx, struct tls_keys *tx)
{
    uint8_t record[256], plain[256];
    size_t n = peer_says(r, "a cell", record, sizeof record);
    assert_int_equal(open_record(rx, record, n, plain), 7);
    assert_memory_equal(plain, "a cell\x17", 7);
    n = seal_record(tx, "another", 23, 7, record);
    BIO_write(r->peer.in, record, (int)n);
    assert_int_equal(SSL_read(r->peer.ssl, plain, sizeof plain), 7);
    assert_memory_equal(plain, "another", 7);
}

static void check_exporter(struct run *r, const struct tls_result *result)
{
    static const char label[] = "EXPORTER FOR TOR TLS CLIENT BINDING AUTH0003";
    uint8_t contextual[32], ours[32], theirs[32];
    memset(contextual, 0x5a, sizeof contextual);
    assert_int_equal(SSL_export_keying_material(r->peer.ssl, theirs, 32, label, strlen(label),
                                                contextual, 32, 1),
                     1);
    assert_int_equal(tls_export(&result->exporter, label, contextual, 32, ours, 32), 0);
    assert_memory_equal(ours, theirs, 32);
}

static void check_key_update(struct run *r, struct tls_result *result, struct tls_keys *rx,
                             struct tls_keys *tx)
{
    uint8_t record[256], plain[256];
    assert_int_equal(SSL_key_update(r->peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_int_equal(SSL_do_handshake(r->peer.ssl), 1);
    size_t n = peer_output(&r->peer, record, sizeof record);
    assert_int_equal(open_record(rx, record, n, plain), 6);
    assert_memory_equal(plain, "\x18\x00\x00\x01\x01\x16", 6);
    assert_int_equal(tls_secret_update(&result->rx), 0);
    assert_int_equal(tls_keys_derive(&result->rx, rx), 0);
    n = seal_record(tx, "\x18\x00\x00\x01\x00", 22, 5, record);
    BIO_write(r->peer.in, record, (int)n);
    assert_int_equal(tls_secret_update(&result->tx), 0);
    assert_int_equal(tls_keys_derive(&result->tx, tx), 0);
    check_exchange(r, rx, tx);
}

static void check_suite(bool we_are_client, const char *suite, uint16_t id, size_t chunk)
{
    struct run r;
    struct tls_result result;
    struct tls_keys rx, tx;
    uint8_t plain[256];
    run_handshake(&r, we_are_client, TLS1_3_VERSION, suite, chunk);
    assert_int_equal(r.progress, TLS_PROGRESS_DONE);
    assert_int_equal(tls_handshake_result(r.h, &result), 0);
    assert_int_equal(result.rx.cipher, id);
    assert_int_equal(tls_keys_derive(&result.rx, &rx), 0);
    assert_int_equal(tls_keys_derive(&result.tx, &tx), 0);
    if (!we_are_client) { // what the client sent with its Finished is still there
        if (chunk > 1) {
            assert_int_equal(r.left, 5 + 5 + 1 + 16);
            assert_int_equal(open_record(&rx, r.rest, r.left, plain), 6);
            assert_memory_equal(plain, "hello", 5);
        } else {
            rx.sequence++;
        }
    }
    if (we_are_client) { // the server's session tickets are records of application keys
        SSL_write(r.peer.ssl, "", 0);
        uint8_t records[4096];
        size_t n = peer_output(&r.peer, records, sizeof records);
        for (size_t at = 0; at < n; at += record_length(records + at))
            assert_true(open_record(&rx, records + at, record_length(records + at),
                                    (uint8_t[4096]){0}) > 0);
    }
    check_exporter(&r, &result);
    check_exchange(&r, &rx, &tx);
    check_key_update(&r, &result, &rx, &tx);
    run_end(&r);
}

static void agrees_with_openssl(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        uint16_t id;
    } suites[] = {
        {"TLS_AES_128_GCM_SHA256", TLS_AES_128_GCM_SHA256_ID},
        {"TLS_AES_256_GCM_SHA384", TLS_AES_256_GCM_SHA384_ID},
        {"TLS_CHACHA20_POLY1305_SHA256", TLS_CHACHA20_POLY1305_SHA256_ID},
    };
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        check_suite(false, suites[i].name, suites[i].id, 8192);
        check_suite(true, suites[i].name, suites[i].id, 8192);
        check_suite(false, suites[i].name, suites[i].id, 1);
        check_suite(true, suites[i].name, suites[i].id, 1);
    }
}

static void learns_the_certificate(void **state)
{
    (void)state;
    struct run r;
    struct tls_result result;
    run_handshake(&r, true, TLS1_3_VERSION, NULL, 8192);
    assert_int_equal(tls_handshake_result(r.h, &result), 0);
    size_t length;
    uint8_t hash[32], *der = tls_x509_der(SSL_get_certificate(r.peer.ssl), &length);
    sha256(der, length, hash);
    OPENSSL_free(der);
    assert_memory_equal(result.peer_cert_sha256, hash, 32);
    // A random name of the right form.
    const char *name = SSL_get_servername(r.peer.ssl, TLSEXT_NAMETYPE_host_name);
    assert_non_null(name);
    assert_memory_equal(name, "www.", 4);
    assert_string_equal(name + strlen(name) - 4, ".com");
    run_end(&r);

    run_handshake(&r, false, TLS1_3_VERSION, NULL, 8192);
    assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(r.peer.ssl)), 1); // 1.05
    der = tls_x509_der(SSL_get0_peer_certificate(r.peer.ssl), &length);
    sha256(der, length, hash);
    OPENSSL_free(der);
    assert_memory_equal(context->link_cert_sha256, hash, 32);
    run_end(&r);
}

static void assert_alert(struct run *r, uint8_t alert)
{
    const uint8_t *out;
    assert_int_equal(r->progress, TLS_PROGRESS_FAILED);
    assert_int_equal(tls_handshake_output(r->h, &out), 7);
    assert_memory_equal(out, ((uint8_t[]){21, 3}), 2);
    assert_memory_equal(out + 3, ((uint8_t[]){0, 2, 2, alert}), 4);
}

static void refuses_tls_1_2(void **state)
{
    (void)state;
    struct run r;
    struct tls_result result;
    run_handshake(&r, false, TLS1_2_VERSION, NULL, 8192);
    assert_alert(&r, 70); // protocol_version
    assert_int_not_equal(tls_handshake_result(r.h, &result), 0);
    run_end(&r);
    run_handshake(&r, true, TLS1_2_VERSION, NULL, 8192);
    assert_int_equal(r.progress, TLS_PROGRESS_FAILED);
    run_end(&r);
}

static void feed_alone(struct run *r, const uint8_t *bytes, size_t length)
{
    *r = (struct run){.h = tls_handshake_create(context->server, false)};
    r->progress = tls_handshake_feed(r->h, 0, bytes, length);
}

static void refuses_what_is_not_tls(void **state)
{
    (void)state;
    struct run r;
    feed_alone(&r, (const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18);
    assert_alert(&r, TLS_ALERT_UNEXPECTED_MESSAGE);
    tls_handshake_free(r.h);
    feed_alone(&r, (const uint8_t[]){22, 3, 1, 0x41, 0x01}, 5); // 16641
    assert_alert(&r, TLS_ALERT_RECORD_OVERFLOW);
    tls_handshake_free(r.h);
    feed_alone(&r, (const uint8_t[]){22, 3, 1, 0x41, 0x00}, 5); // 16640: waits
    assert_int_equal(r.progress, TLS_PROGRESS_MORE);
    assert_int_equal(tls_handshake_consumed(r.h), 0);
    tls_handshake_free(r.h);
}

static void bounds_what_a_peer_may_send(void **state)
{
    (void)state;
    struct run r;
    uint8_t record[5 + 16384] = {22, 3, 1, 0x40, 0x00, 1, 1, 0xff, 0xff}; // a ClientHello of 128 KB
    feed_alone(&r, record, sizeof record);
    for (unsigned i = 1; i < 8 && r.progress == TLS_PROGRESS_MORE; i++)
        r.progress = tls_handshake_feed(r.h, i * sizeof record, record, sizeof record);
    assert_int_equal(r.progress, TLS_PROGRESS_FAILED);
    assert_true(tls_handshake_consumed(r.h) <= TLS_HANDSHAKE_BYTES_MAX);
    tls_handshake_free(r.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_openssl),
        cmocka_unit_test(learns_the_certificate),
        cmocka_unit_test(refuses_tls_1_2),
        cmocka_unit_test(refuses_what_is_not_tls),
        cmocka_unit_test(bounds_what_a_peer_may_send),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
