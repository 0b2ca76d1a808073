// SPDX-License-Identifier: BSD-3-Clause
// A connection of the dataplane as the control thread sees it. Links and directory uploads are
// built on it: it turns messages about a connection into calls, and calls into messages.
//
// A connection belongs to the connection table from connection_dial, or from the worker's
// MSG_CONN_ACCEPTED, until `closed` has returned. Its user must not use it after that.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/message.h"

struct relay;
struct connection;

struct connection_ops {
    // The TCP connection stands (dialled ones only; accepted ones stand from the start).
    void (*connected)(struct connection *c);
    // Raw bytes at `offset` of the received stream. They are kept by the worker until
    // connection_consumed; what was not consumed is not given again.
    void (*data)(struct connection *c, uint64_t offset, const uint8_t *bytes, size_t length);
    // The last call.
    void (*closed)(struct connection *c, enum conn_close_reason reason);
    // Records and open mode only; may be NULL for users that never call connection_start_tls.
    void (*link_cell)(struct connection *c, const struct link_cell_info *cell, const uint8_t *bytes,
                      size_t length);
    void (*tls_handshake)(struct connection *c, const uint8_t *bytes, size_t length);
    void (*tls_key_old)(struct connection *c); // our record key should be changed
};

struct connection {
    struct relay *relay;
    const struct connection_ops *ops;
    void *user;
    uint8_t worker;
    struct handle handle; // generation 0 until connected
    struct address local, remote;
    bool dialled;
    bool standing; // connected and not yet closed
    bool closing;  // connection_close was called
};

// Called for every accepted connection; sets ops and user, or calls connection_close.
typedef void (*connection_accept_fn)(struct relay *relay, struct connection *c);

struct connection_table *connection_table_create(struct relay *relay, connection_accept_fn accept);
void connection_table_free(struct connection_table *t);
size_t connection_table_count(const struct connection_table *t);

// NULL: no memory. The outcome comes as `connected` or `closed`, never from inside this call.
struct connection *connection_dial(struct relay *relay, const struct address *remote,
                                   const struct connection_ops *ops, void *user);
// The connection of a message's handle, or NULL.
struct connection *connection_find(struct connection_table *t, uint8_t worker,
                                   struct handle handle);

void connection_send(struct connection *c, const void *bytes, size_t length);
void connection_consumed(struct connection *c, uint64_t offset);
// From raw to records; `keys_rx` and `keys_tx` are copied.
void connection_start_tls(struct connection *c, uint64_t records_begin_at,
                          const struct tls_keys *keys_rx, const struct tls_keys *keys_tx);
// New keys for one or both directions (cipher TLS_CIPHER_NONE: unchanged). `handshake` (may be
// empty) is sealed under the old key first.
void connection_rekey(struct connection *c, const struct tls_keys *keys_rx,
                      const struct tls_keys *keys_tx, const void *handshake, size_t length);
// From records to open.
void connection_open_link(struct connection *c);
// Sends what is queued, then closes; `closed` follows. Harmless when called again.
void connection_close(struct connection *c, enum conn_close_reason reason, uint8_t tls_alert);

// For the dispatcher. Returns false if the message's type is not about connections.
bool connection_handle_message(struct connection_table *t, const struct message *m);
