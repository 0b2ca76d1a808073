// SPDX-License-Identifier: BSD-3-Clause
// A link and the table of links, as the files of this folder see them.
//
//   link.c            a link's life: dial or accept, open, fail, closed; its connection's calls
//   link_tls.c        … while TLS is negotiated, and key updates after that
//   link_handshake.c  … while VERSIONS to NETINFO are exchanged
//   link_padding.c    … once it is open: padding
//   link_table.c      all links: finding them, limits, timeouts, rotation of the link key
#pragma once

#include <openssl/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <time.h>

#include "connection.h"
#include "crypto/digest.h"
#include "link/link.h"
#include "link/link_certs.h"
#include "link/link_failures.h"
#include "link/tls_context.h"
#include "link/tls_handshake.h"
#include "link/tls_keys.h"
#include "relay.h"

struct uv_timer_s;
struct uv_work_s;

enum {
    LINK_STAGE_TIMEOUT_MS = 30 * 1000,      // of TCP, of TLS, of the link handshake
    LINK_AGE_MAX_MS = 7 * 24 * 3600 * 1000, // then it takes no new circuits (1.38)
    LINK_CELL_ASSEMBLED_MAX = 16 * 1024,    // CERTS is the longest, with 2 KB
    LINK_KEY_LIFETIME_MS = 110 * 60 * 1000, // less than 2 h, with room for making the next
    LINK_KEY_RETRY_MS = 60 * 1000,
    // KeyUpdates of a peer: so many at once, then one in so much time. A key lasts for 2^24
    // records.
    LINK_KEY_UPDATES_BURST = 16,
    LINK_KEY_UPDATE_EVERY_MS = 1000,
    LINK_ID_BUCKETS = 4096, // of the table by RSA id
    LINK_PADDING_SLOTS = 128,
    LINK_PADDING_SLOT_MS = 100,
};

enum link_state {
    LINK_CONNECTING, // dialled, TCP is under way
    LINK_TLS,        // TLS handshake
    LINK_CELLS,      // VERSIONS to NETINFO
    LINK_OPEN,
    LINK_CLOSING, // connection_close was called; waits for `closed`
};

// Waits for a dial. On its link's list until it is answered or cancelled.
struct link_request {
    LIST_ENTRY(link_request) entry;
    link_ready_fn ready;
    void *user;
};

// What a link needs only until it is open. The two logs are of every byte of cells (1.29).
struct link_handshake {
    struct link_target target; // of a dialled link
    LIST_HEAD(, link_request) requests;

    struct tls_context *context; // held; NULL: we are a pure client
    struct tls_handshake *tls;   // NULL once TLS is done
    struct tls_secret exporter;
    uint8_t tls_cert_sha256[32]; // the responder's certificate, ours or the peer's

    uint8_t link_version; // 0 until the peer's VERSIONS
    time_t versions_sent; // wall clock
    bool got_certs, got_challenge, sent_netinfo;
    struct link_peer peer; // valid with got_certs
    struct sha256 log_received, log_sent;
    bool log_sent_ended; // NETINFO is not in it

    // A variable cell whose pieces are gathered.
    uint8_t *cell; // NULL: it is only hashed
    uint32_t cell_length;
};

struct link {
    struct link_table *table;
    struct connection *connection;
    uint8_t state; // enum link_state
    bool initiator;
    bool authenticated;    // rsa_id and ed_id are proved: the peer is a relay
    bool counted_as_relay; // by dos/dos.h
    bool canonical;
    bool canonical_to_peer;
    uint8_t rsa_id[20];               // of a dialled link: who is wanted, until authenticated
    uint8_t ed_id[32];                // only when authenticated
    struct link_handshake *handshake; // NULL once it is open
    struct tls_secret rx, tx;         // kept for key updates
    uint64_t key_updates_until_ms;    // when the peer's would be spent if they came evenly
    uint64_t deadline_ms;             // of the stage; when open, of idleness
    uint64_t opened_ms;
    uint32_t circuits;
    uint32_t idle_timeout_ms;
    LIST_ENTRY(link) entry; // of all links
    TAILQ_ENTRY(link) accepting_entry;
    bool is_accepting;
    LIST_ENTRY(link) id_entry; // by rsa_id: links dialled, and those open and authenticated
    bool has_id_entry;

    // Padding (1.35, 1.36); not padded while padding_next_ms is 0.
    uint64_t padding_next_ms;
    uint16_t padding_low_ms, padding_high_ms;
    uint8_t version;
    LIST_ENTRY(link) padding_entry;
};

LIST_HEAD(link_list, link);
TAILQ_HEAD(link_queue, link);

// A pure client proves to nobody who it is, and is nobody (1.16).
static inline bool link_we_are_relay(const struct link *link)
{
    return link->handshake->context != NULL;
}

struct link_key_job; // makes the next link key on a helper thread

struct link_table {
    struct relay *relay;
    SSL_CTX *client;
    struct tls_context *context; // current; NULL: we are a pure client
    uint64_t context_made_ms;
    struct link_key_job *key_job;
    uint64_t rotation_not_before_ms;  // after a failure
    struct uv_timer_s *timer;         // once a second
    struct uv_timer_s *padding_timer; // runs while a link is padded
    struct link_list links;
    struct link_queue accepting;        // accepted, neither open nor closing; oldest first
    unsigned n_accepting;               // of them
    unsigned n_links;                   // of any state
    unsigned n_dialling;                // made, not open; closing ones too until they are gone
    unsigned max_links, max_unfinished; // of accepting and of dialling links each
    uint64_t next_skew_warning_ms;
    uint8_t id_hash_key[16];
    struct link_list by_id[LINK_ID_BUCKETS];
    struct link_failures failures;
    unsigned n_padded;
    uint64_t padding_slot;
    struct link_list padded[LINK_PADDING_SLOTS];
};

// ---- link.c
extern const struct connection_ops link_connection_ops;
struct link *link_new(struct link_table *table, bool initiator); // NULL: no memory
void link_free(struct link *link); // no callbacks; takes it from all lists
// Sends close_notify or `alert` and closes. Answers requests with `reason`. Does nothing to a link
// that is closing. `counter` is counted up; may be NULL. `why` is for the log.
void link_fail(struct link *link, enum conn_close_reason close, uint8_t alert,
               enum destroy_reason reason, uint64_t *counter, const char *why);
// NETINFO came and all is proved.
void link_opened(struct link *link);
void link_stage(struct link *link, enum link_state state); // and its deadline

// ---- link_tls.c
void link_tls_start(struct link *link);
void link_tls_data(struct link *link, uint64_t offset, const uint8_t *bytes, size_t length);
// Changes the key that we seal with.
void link_tls_key_old(struct link *link);
void link_tls_message(struct link *link, const uint8_t *bytes, size_t length);

// ---- link_handshake.c
void link_handshake_start(struct link *link); // TLS is done
void link_handshake_cell(struct link *link, const struct link_cell_info *cell, const uint8_t *bytes,
                         size_t length);
void link_handshake_free(struct link_handshake *h); // NULL is fine; wipes

// ---- link_padding.c
void link_padding_start(struct link *link); // when it opens
void link_padding_stop(struct link *link);
void link_padding_negotiate(struct link *link, const uint8_t body[CELL_BODY_LEN]);
void link_padding_run(struct link_table *table, uint64_t now_ms); // of the timer

// ---- link_rotation.c
// Begins to make a link key on a helper thread; with it the table gets a new context.
void link_rotation_start(struct link_table *table);
void link_rotation_forget(struct link_table *table); // the table goes

// ---- link_table.c
uint64_t link_now_ms(const struct link_table *table);
void link_table_add_by_id(struct link *link); // once it has rsa_id; again does nothing
void link_table_tick(struct link_table *table, uint64_t now_ms); // of the timer
