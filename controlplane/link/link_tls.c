// SPDX-License-Identifier: BSD-3-Clause
// TLS of a link: the handshake, and key updates after it (RFC 8446, 4.6.3).
#include "link/link_internal.h"

#include <openssl/crypto.h>
#include <string.h>

#include "base/cursor.h"

enum {
    TLS_HANDSHAKE_KEY_UPDATE = 24,
    KEY_UPDATE_LEN = 5,
    KEY_UPDATE_NOT_REQUESTED = 0,
    KEY_UPDATE_REQUESTED = 1,
};

static void fail(struct link *link, uint8_t alert, const char *why)
{
    link_fail(link, CONN_CLOSE_TLS, alert, DESTROY_CONNECTFAILED,
              &link->table->relay->counters.drop_link_tls, why);
}

static void send_output(struct link *link)
{
    const uint8_t *bytes;
    size_t length = tls_handshake_output(link->handshake->tls, &bytes);
    if (length > 0)
        connection_send(link->connection, bytes, length);
    tls_handshake_sent(link->handshake->tls);
}

// From here on the worker has the connection's bytes, beginning with the record after the last one
// that the handshake took.
static void finish(struct link *link)
{
    struct link_handshake *h = link->handshake;
    struct tls_result result;
    struct tls_keys rx = {0}, tx = {0};
    bool ok = tls_handshake_result(h->tls, &result) == 0 && tls_keys_derive(&result.rx, &rx) == 0 &&
              tls_keys_derive(&result.tx, &tx) == 0;
    if (ok) {
        link->rx = result.rx;
        link->tx = result.tx;
        h->exporter = result.exporter;
        memcpy(h->tls_cert_sha256,
               link->initiator ? result.peer_cert_sha256 : h->context->link_cert_sha256,
               sizeof h->tls_cert_sha256);
        connection_start_tls(link->connection, tls_handshake_consumed(h->tls), &rx, &tx);
    }
    OPENSSL_cleanse(&result, sizeof result);
    OPENSSL_cleanse(&rx, sizeof rx);
    OPENSSL_cleanse(&tx, sizeof tx);
    tls_handshake_free(h->tls);
    h->tls = NULL;
    if (ok)
        link_handshake_start(link);
    else
        fail(link, TLS_ALERT_INTERNAL_ERROR, "TLS gave no secrets");
}

void link_tls_start(struct link *link)
{
    link->handshake->tls = tls_handshake_create(link->table->client, true);
    if (!link->handshake->tls || tls_handshake_start(link->handshake->tls) != TLS_PROGRESS_MORE) {
        fail(link, TLS_ALERT_INTERNAL_ERROR, "TLS could not begin");
        return;
    }
    send_output(link);
}

void link_tls_data(struct link *link, uint64_t offset, const uint8_t *bytes, size_t length)
{
    struct link_handshake *h = link->handshake;
    // A peer that connects and says nothing costs no OpenSSL object.
    if (!h->tls && !link->initiator)
        h->tls = tls_handshake_create(h->context->server, false);
    if (!h->tls) {
        fail(link, TLS_ALERT_INTERNAL_ERROR, "no memory for TLS");
        return;
    }
    enum tls_progress progress = tls_handshake_feed(h->tls, offset, bytes, length);
    send_output(link); // our Finished goes before connection_start_tls; an alert before the close
    connection_consumed(link->connection, tls_handshake_consumed(h->tls));
    if (progress == TLS_PROGRESS_FAILED)
        fail(link, 0, "the TLS handshake failed");
    else if (progress == TLS_PROGRESS_DONE)
        finish(link);
}

static bool key_update_read(const uint8_t *bytes, size_t length, uint8_t *request)
{
    struct reader r = reader_of(bytes, length);
    uint8_t type = read_u8(&r);
    uint32_t body_length = read_u24(&r);
    *request = read_u8(&r);
    return reader_done(&r) && type == TLS_HANDSHAKE_KEY_UPDATE && body_length == 1;
}

static const uint8_t key_update[KEY_UPDATE_LEN] = {TLS_HANDSHAKE_KEY_UPDATE, 0, 0, 1,
                                                   KEY_UPDATE_NOT_REQUESTED};

void link_tls_key_old(struct link *link)
{
    const struct tls_keys unchanged = {.cipher = TLS_CIPHER_NONE};
    struct tls_keys tx = {0};
    if (tls_secret_update(&link->tx) == 0 && tls_keys_derive(&link->tx, &tx) == 0)
        connection_rekey(link->connection, &unchanged, &tx, key_update, sizeof key_update);
    else
        fail(link, TLS_ALERT_INTERNAL_ERROR, "no keys for a key update");
    OPENSSL_cleanse(&tx, sizeof tx);
}

static bool may_update_key(struct link *link)
{
    uint64_t now_ms = link_now_ms(link->table);
    if (link->key_updates_until_ms < now_ms)
        link->key_updates_until_ms = now_ms;
    if (link->key_updates_until_ms - now_ms >= LINK_KEY_UPDATES_BURST * LINK_KEY_UPDATE_EVERY_MS)
        return false;
    link->key_updates_until_ms += LINK_KEY_UPDATE_EVERY_MS;
    return true;
}

void link_tls_message(struct link *link, const uint8_t *bytes, size_t length)
{
    uint8_t request;
    if (!key_update_read(bytes, length, &request)) {
        fail(link, TLS_ALERT_UNEXPECTED_MESSAGE, "an unexpected TLS message");
        return;
    }
    if (request > KEY_UPDATE_REQUESTED) {
        fail(link, TLS_ALERT_ILLEGAL_PARAMETER, "a malformed key update");
        return;
    }
    if (!may_update_key(link)) {
        fail(link, TLS_ALERT_UNEXPECTED_MESSAGE, "too many key updates");
        return;
    }
    bool both = request == KEY_UPDATE_REQUESTED;
    struct tls_keys rx = {0}, tx = {0};
    bool ok =
        tls_secret_update(&link->rx) == 0 && tls_keys_derive(&link->rx, &rx) == 0 &&
        (!both || (tls_secret_update(&link->tx) == 0 && tls_keys_derive(&link->tx, &tx) == 0));
    if (ok)
        connection_rekey(link->connection, &rx, &tx, both ? key_update : NULL,
                         both ? sizeof key_update : 0);
    else
        fail(link, TLS_ALERT_INTERNAL_ERROR, "no keys after a key update");
    OPENSSL_cleanse(&rx, sizeof rx);
    OPENSSL_cleanse(&tx, sizeof tx);
}
