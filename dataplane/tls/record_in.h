// SPDX-License-Identifier: BSD-3-Clause
// Opens TLS 1.3 records from a TCP byte stream (RFC 8446, 5).
//
// Worker thread only; no allocation. A struct tls_in is one connection's receiving direction and is
// embedded in what its owner has for the connection (64-byte aligned).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/message.h"
#include "tls/record.h"

struct tcp_conn;

enum {
    TLS_EMPTY_RECORDS_MAX = 32,   // in a row
    TLS_TICKETS_MAX = 32,         // between two records of data
    TLS_TICKET_LEN_MAX = 1 << 14, // of a NewSessionTicket, which is skipped
    TLS_CHANGE_CIPHER_SPEC_MAX = 2,
};

struct tls_in {
    struct record_key key;
    uint32_t handshake_skip;  // bytes of a NewSessionTicket still to come
    uint8_t handshake[5];     // a handshake message's begin: header, body of a KeyUpdate
    uint8_t handshake_length; // how much of it is there
    uint8_t empty_in_row;     // records without content
    uint8_t tickets_in_row;
    uint8_t change_cipher_specs;
    bool data_seen;  // a record of data came: no change_cipher_spec after it
    bool awaits_key; // a KeyUpdate was handed up: nothing is opened before tls_in_rekey
};

enum tls_in_result {
    TLS_IN_NEED_MORE,  // no whole record is there
    TLS_IN_DATA,       // event.length > 0 bytes of application data are in `staging`
    TLS_IN_ALERT,      // event.alert_level, event.alert. All but close_notify and user_canceled are
                       // fatal, whatever the level says. The caller closes.
    TLS_IN_KEY_UPDATE, // event.handshake: the whole message (5 bytes), for the control plane
    TLS_IN_AWAITS_KEY, // nothing is opened until tls_in_rekey
    TLS_IN_ERROR,      // event.alert: to be sent before closing. Nothing more may be opened.
};

struct tls_in_event {
    size_t length;
    uint8_t alert_level;
    uint8_t alert; // enum tls_alert
    uint8_t handshake[5];
};

// False for a cipher suite that we do not have.
bool tls_in_init(struct tls_in *in, const struct tls_worker *w, const struct tls_keys *keys)
    __attribute__((warn_unused_result));
// The next record is opened with the new key; ends the wait after TLS_IN_KEY_UPDATE.
// keys->cipher TLS_CIPHER_NONE changes nothing, and a wait goes on.
bool tls_in_rekey(struct tls_in *in, const struct tls_worker *w, const struct tls_keys *keys)
    __attribute__((warn_unused_result));
void tls_in_clear(struct tls_in *in); // wipes

// Takes the next record with something to tell from `conn`, skipping empty ones and tickets.
// `staging` has room for TLS_STAGING_LEN bytes; it is overwritten from its beginning (also without
// a result), and may lie at any address.
enum tls_in_result tls_in_next(struct tls_in *in, const struct tls_worker *w, struct tcp_conn *conn,
                               uint8_t *staging, struct tls_in_event *event);
