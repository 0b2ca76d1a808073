// SPDX-License-Identifier: BSD-3-Clause
// One TLS 1.3 handshake by OpenSSL, over memory.
#include "link/tls_handshake.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/digest.h"
#include "crypto/encoding.h"
#include "link/tls_x509.h"

enum {
    RECORD_CHANGE_CIPHER_SPEC = 20,
    RECORD_ALERT = 21,
    RECORD_APPLICATION_DATA = 23,
    ALERT_RECORD_LEN = TLS_RECORD_HEADER_LEN + 2,
    ALERT_FATAL = 2,
};

struct logged_secret {
    uint8_t bytes[TLS_SECRET_MAX];
    size_t length; // 0: not logged yet
};

struct tls_handshake {
    SSL *ssl;
    BIO *in, *out; // the SSL's own
    bool client;
    uint64_t begin;    // of the stream, where the first byte came
    uint64_t consumed; // stream offset
    bool begun;
    struct logged_secret client_traffic, server_traffic, exporter;
    size_t partial_length;
    uint8_t partial[TLS_RECORD_HEADER_LEN + TLS_RECORD_LENGTH_MAX];
};

// OpenSSL's only way to give the secrets is this callback, in the format of NSS key logs:
// "LABEL CLIENT_RANDOM SECRET" with the values in hexadecimal.
static void keep_secret(const SSL *ssl, const char *line)
{
    struct tls_handshake *h = SSL_get_app_data(ssl);
    static const struct {
        const char *label;
        size_t offset;
    } wanted[] = {
        {"CLIENT_TRAFFIC_SECRET_0 ", offsetof(struct tls_handshake, client_traffic)},
        {"SERVER_TRAFFIC_SECRET_0 ", offsetof(struct tls_handshake, server_traffic)},
        {"EXPORTER_SECRET ", offsetof(struct tls_handshake, exporter)},
    };
    const char *hex = strrchr(line, ' ');
    for (size_t i = 0; h && hex && i < sizeof wanted / sizeof *wanted; i++) {
        if (strncmp(line, wanted[i].label, strlen(wanted[i].label)) != 0)
            continue;
        struct logged_secret *s = (void *)((char *)h + wanted[i].offset);
        int n = hex_decode(hex + 1, strlen(hex + 1), s->bytes, sizeof s->bytes);
        s->length = n > 0 ? (size_t)n : 0;
    }
}

static bool set_up(struct tls_handshake *h, SSL_CTX *ctx)
{
    h->ssl = SSL_new(ctx);
    h->in = BIO_new(BIO_s_mem());
    h->out = BIO_new(BIO_s_mem());
    if (!h->ssl || !h->in || !h->out) {
        BIO_free(h->in);
        BIO_free(h->out);
        return false;
    }
    SSL_set_bio(h->ssl, h->in, h->out);
    SSL_set_app_data(h->ssl, h);
    SSL_CTX_set_keylog_callback(ctx, keep_secret);
    if (!h->client) {
        SSL_set_accept_state(h->ssl);
        return true;
    }
    char name[TLS_X509_NAME_MAX];
    tls_random_name(name, 4, 25, ".com");
    SSL_set_connect_state(h->ssl);
    return SSL_set_tlsext_host_name(h->ssl, name) == 1;
}

struct tls_handshake *tls_handshake_create(SSL_CTX *ctx, bool client)
{
    struct tls_handshake *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->client = client;
    if (set_up(h, ctx))
        return h;
    tls_handshake_free(h);
    ERR_clear_error();
    return NULL;
}

void tls_handshake_free(struct tls_handshake *h)
{
    if (!h)
        return;
    SSL_free(h->ssl);
    OPENSSL_cleanse(h, sizeof *h);
    free(h);
}

static enum tls_progress run(struct tls_handshake *h)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(h->ssl);
    int why = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(h->ssl, rc);
    ERR_clear_error();
    if (rc == 1)
        return TLS_PROGRESS_DONE;
    return why == SSL_ERROR_WANT_READ ? TLS_PROGRESS_MORE : TLS_PROGRESS_FAILED;
}

enum tls_progress tls_handshake_start(struct tls_handshake *h)
{
    return run(h);
}

static enum tls_progress fail(struct tls_handshake *h, enum tls_alert alert)
{
    const uint8_t record[ALERT_RECORD_LEN] = {RECORD_ALERT, 3, 3, 0, 2, ALERT_FATAL, alert};
    BIO_write(h->out, record, sizeof record);
    return TLS_PROGRESS_FAILED;
}

// Takes from `r` what the record under way lacks to have `wanted` bytes. True when it has them.
static bool fill_partial(struct tls_handshake *h, struct reader *r, size_t wanted)
{
    if (h->partial_length >= wanted)
        return true;
    size_t lacks = wanted - h->partial_length;
    size_t n = reader_left(r) < lacks ? reader_left(r) : lacks;
    read_into(r, h->partial + h->partial_length, n);
    h->partial_length += n;
    return n == lacks;
}

// Feeds the record that begins in `partial` or `r`, if all of it is there.
static enum tls_progress feed_record(struct tls_handshake *h, struct reader *r, bool *fed)
{
    *fed = false;
    if (!fill_partial(h, r, TLS_RECORD_HEADER_LEN))
        return TLS_PROGRESS_MORE;
    struct reader header = reader_of(h->partial, TLS_RECORD_HEADER_LEN);
    uint8_t type = read_u8(&header);
    uint8_t major = read_u8(&header);
    read_u8(&header);
    size_t length = read_u16(&header);
    if (type < RECORD_CHANGE_CIPHER_SPEC || type > RECORD_APPLICATION_DATA || major != 3)
        return fail(h, TLS_ALERT_UNEXPECTED_MESSAGE);
    if (length > TLS_RECORD_LENGTH_MAX)
        return fail(h, TLS_ALERT_RECORD_OVERFLOW);
    if (!fill_partial(h, r, TLS_RECORD_HEADER_LEN + length))
        return TLS_PROGRESS_MORE;
    if (h->consumed - h->begin + h->partial_length > TLS_HANDSHAKE_BYTES_MAX)
        return fail(h, TLS_ALERT_UNEXPECTED_MESSAGE);

    int written = BIO_write(h->in, h->partial, (int)h->partial_length);
    if (written != (int)h->partial_length)
        return fail(h, TLS_ALERT_INTERNAL_ERROR);
    h->consumed += h->partial_length;
    h->partial_length = 0;
    *fed = true;
    return run(h);
}

enum tls_progress tls_handshake_feed(struct tls_handshake *h, uint64_t offset, const uint8_t *bytes,
                                     size_t length)
{
    if (!h->begun) {
        h->begun = true;
        h->begin = h->consumed = offset;
    }
    if (offset != h->consumed + h->partial_length)
        return fail(h, TLS_ALERT_INTERNAL_ERROR);
    struct reader r = reader_of(bytes, length);
    enum tls_progress progress;
    bool fed;
    do {
        progress = feed_record(h, &r, &fed);
    } while (progress == TLS_PROGRESS_MORE && fed);
    return progress;
}

uint64_t tls_handshake_consumed(const struct tls_handshake *h)
{
    return h->consumed;
}

size_t tls_handshake_output(struct tls_handshake *h, const uint8_t **bytes)
{
    char *data = NULL;
    long length = BIO_get_mem_data(h->out, &data);
    *bytes = (const uint8_t *)data;
    return length > 0 ? (size_t)length : 0;
}

void tls_handshake_sent(struct tls_handshake *h)
{
    (void)BIO_reset(h->out);
}

static int take_secret(const struct logged_secret *s, uint16_t cipher, struct tls_secret *out)
{
    if (s->length == 0 || s->length != tls_secret_length(cipher))
        return -EIO;
    out->cipher = cipher;
    memcpy(out->bytes, s->bytes, sizeof out->bytes);
    return 0;
}

int tls_handshake_result(struct tls_handshake *h, struct tls_result *out)
{
    const SSL_CIPHER *suite = SSL_get_current_cipher(h->ssl);
    uint16_t cipher = suite ? SSL_CIPHER_get_protocol_id(suite) : 0;
    *out = (struct tls_result){0};
    if (!SSL_is_init_finished(h->ssl) ||
        take_secret(h->client ? &h->server_traffic : &h->client_traffic, cipher, &out->rx) != 0 ||
        take_secret(h->client ? &h->client_traffic : &h->server_traffic, cipher, &out->tx) != 0 ||
        take_secret(&h->exporter, cipher, &out->exporter) != 0)
        return -EIO;
    if (!h->client)
        return 0;
    X509 *cert = SSL_get0_peer_certificate(h->ssl);
    size_t length;
    uint8_t *der = cert ? tls_x509_der(cert, &length) : NULL;
    if (!der)
        return -EIO;
    sha256(der, length, out->peer_cert_sha256);
    OPENSSL_free(der);
    return 0;
}
