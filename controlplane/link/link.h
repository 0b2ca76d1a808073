// SPDX-License-Identifier: BSD-3-Clause
// Links: TLS connections with other nodes that have finished the link handshake, who is at their
// other end, and the finding or making of one to a given relay (protocol section 1).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/cell.h"
#include "base/message.h"

struct relay;
struct connection;
struct link;

enum { LINK_TARGET_ADDRESSES_MAX = 4 };

// Who an EXTEND2 asks for.
struct link_target {
    uint8_t rsa_id[20]; // SHA-1 of the RSA identity key, never zero
    bool has_ed_id;
    uint8_t ed_id[32];
    unsigned n_addresses;
    struct address addresses[LINK_TARGET_ADDRESSES_MAX];
};

// Takes about 100 ms for an RSA key; the next ones are made on helper threads. NULL: no memory, or
// TLS set-up failed.
struct link_table *link_table_create(struct relay *relay);
// After the connection table, or at least after its last callback. The loop must run once more for
// timers to go. NULL is fine.
void link_table_free(struct link_table *t);
size_t link_table_count(const struct link_table *t); // of any state
void link_table_close_all(struct link_table *t);     // close_notify to every peer
// For connection_table_create.
void link_accept(struct relay *relay, struct connection *c);

struct link_request;
// `link` is open and lives at least until this returns, or NULL with the reason for a DESTROY.
typedef void (*link_ready_fn)(void *user, struct link *link, enum destroy_reason reason);
// Finds an open link to the target, or joins a dial under way, or dials (1.38, 1.39). The answer
// may come from inside this call; then the result is NULL. Otherwise the request may be cancelled,
// until the answer came.
struct link_request *link_get(struct relay *relay, const struct link_target *target,
                              link_ready_fn ready, void *user);
void link_request_cancel(struct link_request *request);

// The open link over this connection, or NULL.
struct link *link_find(struct relay *relay, uint8_t worker, struct handle conn);
struct connection *link_connection(struct link *link);
// True when the peer has proved to be a relay; false: a client, or a peer that did not
// authenticate.
bool link_peer_is_relay(const struct link *link);
// … and that a consensus lists it, or that there is none: it is not held to a client's share.
bool link_peer_is_known_relay(const struct link *link);
// A circuit end on this link began (+1) or ended (-1): a link without circuits is closed after a
// while (1.37).
void link_note_circuit(struct relay *relay, uint8_t worker, struct handle conn, int change);
// A circuit of ours with more than one hop begins on it: a pure client hides from netflow records
// when it is used (1.36). A relay's own links are not told from those of its clients' circuits.
void link_used_by_client(struct link *link);
// True when both given identities are the peer's; `ed_id` may be NULL.
bool link_peer_is(const struct link *link, const uint8_t rsa_id[20], const uint8_t *ed_id);
