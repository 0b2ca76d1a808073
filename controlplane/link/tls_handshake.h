// SPDX-License-Identifier: BSD-3-Clause
// One TLS 1.3 handshake by OpenSSL, over memory. The bytes of a raw stream go in, exactly one
// record at a time, so that what follows the handshake's last record is left to the worker; bytes
// to be sent come out; and at the end the secrets, with which OpenSSL is off the path for good.
#pragma once

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "link/tls_keys.h"

struct tls_handshake;

enum {
    TLS_RECORD_HEADER_LEN = 5,
    TLS_RECORD_LENGTH_MAX = 16384 + 256,
    TLS_HANDSHAKE_BYTES_MAX = 64 * 1024, // of the peer; a handshake has a few KB
};

enum tls_alert {
    TLS_ALERT_CLOSE_NOTIFY = 0,
    TLS_ALERT_UNEXPECTED_MESSAGE = 10,
    TLS_ALERT_RECORD_OVERFLOW = 22,
    TLS_ALERT_ILLEGAL_PARAMETER = 47,
    TLS_ALERT_DECODE_ERROR = 50,
    TLS_ALERT_INTERNAL_ERROR = 80,
};

enum tls_progress { TLS_PROGRESS_MORE, TLS_PROGRESS_DONE, TLS_PROGRESS_FAILED };

// Secrets: wiped by their holder.
struct tls_result {
    struct tls_secret rx, tx, exporter;
    uint8_t peer_cert_sha256[32]; // as client: of the server's certificate; otherwise zero
};

// NULL: no memory.
struct tls_handshake *tls_handshake_create(SSL_CTX *ctx, bool client);
void tls_handshake_free(struct tls_handshake *h); // NULL is fine; wipes
// As client, makes the first flight.
enum tls_progress tls_handshake_start(struct tls_handshake *h);
// Bytes at `offset` of the peer's stream, which follow those of the last call. After DONE, what
// was not fed is forgotten. After FAILED, the output ends with an alert that says why.
enum tls_progress tls_handshake_feed(struct tls_handshake *h, uint64_t offset, const uint8_t *bytes,
                                     size_t length);
// The stream offset up to which records were fed.
uint64_t tls_handshake_consumed(const struct tls_handshake *h);
// What is to be sent; stays valid and is not given again after tls_handshake_sent.
size_t tls_handshake_output(struct tls_handshake *h, const uint8_t **bytes);
void tls_handshake_sent(struct tls_handshake *h);
// After DONE. 0, or -EIO when OpenSSL didn't tell the secrets.
__attribute__((warn_unused_result)) int tls_handshake_result(struct tls_handshake *h,
                                                             struct tls_result *out);
