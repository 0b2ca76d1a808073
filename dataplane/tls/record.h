// SPDX-License-Identifier: BSD-3-Clause
// What both directions of the TLS 1.3 record layer share (RFC 8446, 5 and 6).
#pragma once

#include <stdint.h>

#include "base/counters.h"
#include "crypto/record_aead.h"

enum {
    TLS_HEADER_LEN = 5,
    TLS_PLAINTEXT_MAX = 1 << 14,                  // content of one record
    TLS_CIPHERTEXT_MAX = TLS_PLAINTEXT_MAX + 256, // its length field at most
    // What a sealed record has on the wire besides its content: header, content type, tag.
    TLS_RECORD_OVERHEAD = TLS_HEADER_LEN + 1 + RECORD_TAG_LEN,
    // Room that tls_in_next needs to open a record into.
    TLS_STAGING_LEN = TLS_CIPHERTEXT_MAX,
};

enum tls_content_type {
    TLS_CONTENT_CHANGE_CIPHER_SPEC = 20,
    TLS_CONTENT_ALERT = 21,
    TLS_CONTENT_HANDSHAKE = 22,
    TLS_CONTENT_APPLICATION_DATA = 23,
};

enum tls_alert_level { TLS_ALERT_WARNING = 1, TLS_ALERT_FATAL = 2 };

enum tls_alert {
    TLS_ALERT_CLOSE_NOTIFY = 0,
    TLS_ALERT_UNEXPECTED_MESSAGE = 10,
    TLS_ALERT_BAD_RECORD_MAC = 20,
    TLS_ALERT_RECORD_OVERFLOW = 22,
    TLS_ALERT_ILLEGAL_PARAMETER = 47,
    TLS_ALERT_DECODE_ERROR = 50,
    TLS_ALERT_INTERNAL_ERROR = 80,
    TLS_ALERT_USER_CANCELED = 90,
};

// A worker's; shared by all its connections.
struct tls_worker {
    const struct record_aead *aead;
    struct counters *counters;
};
