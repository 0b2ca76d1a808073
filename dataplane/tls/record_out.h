// SPDX-License-Identifier: BSD-3-Clause
// Seals TLS 1.3 records into a TCP connection's outgoing segments (RFC 8446, 5).
//
// Worker thread only; no allocation. A struct tls_out is one connection's sending direction and is
// embedded in what its owner has for the connection (64-byte aligned).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/message.h"
#include "tls/record.h"

struct tcp_conn;

struct tls_out {
    struct record_key key;
    bool broken; // a record could not be finished: the connection can only be aborted
};

struct tls_span {
    const uint8_t *bytes;
    size_t length;
};

// False for a cipher suite that we do not have.
bool tls_out_init(struct tls_out *out, const struct tls_worker *w, const struct tls_keys *keys)
    __attribute__((warn_unused_result));
// The next record goes out under the new key. keys->cipher TLS_CIPHER_NONE keeps the key.
bool tls_out_rekey(struct tls_out *out, const struct tls_worker *w, const struct tls_keys *keys)
    __attribute__((warn_unused_result));
void tls_out_clear(struct tls_out *out); // wipes

// Seals the concatenation of n spans as one record of content type `type`, straight into the room
// that TCP gives; the caller calls tcp_push when it has no more to write. It takes
// TLS_RECORD_OVERHEAD bytes more than the content. 0, or
//   -EMSGSIZE  more than TLS_PLAINTEXT_MAX bytes; nothing was written
//   -ENOBUFS   TCP has no memory for the record now; nothing was written
//   -EPIPE     TCP ran out of memory within the record: the stream is broken, abort it
// It does not ask tcp_writable: deciding how much to send now is the caller's.
int tls_out_seal(struct tls_out *out, const struct tls_worker *w, struct tcp_conn *conn,
                 enum tls_content_type type, const struct tls_span *spans, unsigned n)
    __attribute__((warn_unused_result));
// The same for an alert; close_notify and user_canceled go out as warnings, all others as fatal.
int tls_out_alert(struct tls_out *out, const struct tls_worker *w, struct tcp_conn *conn,
                  uint8_t alert) __attribute__((warn_unused_result));
// RFC 8446, 5.5: so many records were sealed under one key that it should be changed.
bool tls_out_key_is_old(const struct tls_out *out);
