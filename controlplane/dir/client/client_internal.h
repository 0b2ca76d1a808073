// SPDX-License-Identifier: BSD-3-Clause
// What the files of the directory client share.
#pragma once

#include <sys/queue.h>
#include <uv.h>

#include "config/config.h"
#include "dir/client/answer.h"
#include "dir/client/client.h"
#include "dir/client/download.h"
#include "dir/client/source.h"
#include "dir/store/consensus_check.h"
#include "dir/store/digest_table.h"
#include "dir/store/store.h"
#include "relay.h"

enum {
    FETCHES_MAX = 16, // at a time
    ATTEMPTS_MAX = 3, // for the first consensus, at a time
    // In a row, of a document or of the first consensus: then a client no longer asks somebody else
    // at once.
    CLIENT_AT_ONCE_FAILURES = 3,
    CERTIFICATES_WAIT_S = 1200, // a consensus waits for certificates that long (9.03)
    CERTIFICATES_WAIT_TESTING_S = 20,
};

// What is asked for by its key; the store, the downloads and the requests all know it by that.
struct wanted {
    uint8_t key[32];      // a document's digest; of certificates the identity's or signing key's
    uint8_t identity[20]; // of certificates that are asked for by both
};

// A try to fetch one document.
struct wanted_download {
    struct download download;
    bool under_way;
};

struct fetch {
    LIST_ENTRY(fetch) entry;
    struct directory_client *client; // NULL: gone
    enum fetch_kind kind;
    enum consensus_flavour flavour;
    struct source source;
    bool reached;                      // a circuit to it stood
    bool attempt;                      // one of several for the first consensus
    struct dir_connection *connection; // NULL: answered
    bool reading;                      // a helper thread is
    uv_work_t work;
    uv_sem_t read;
    struct answer answer;
    struct wanted *wanted;
    size_t n_wanted;
};

// One flavour of the consensus.
struct consensus_download {
    struct download download;
    time_t due; // by the one that we have
    bool without_diff;
    unsigned n_fetching;
    // A client's first one: the next directory is tried while others have not answered.
    struct download attempt;
    time_t attempts_began;
    struct fetch *answering;                   // one of them does; NULL: none yet
    uint8_t tried[CONFIG_AUTHORITIES_MAX][20]; // authorities, since the last success
    unsigned n_tried;
    // Enough signatures if only some certificates were there.
    struct consensus *waiting;
    struct blob *waiting_text;
    bool waiting_was_diff;
    time_t waiting_since;
    struct source waiting_source;
    // Whose certificates were missing at the last look.
    struct wanted missing[CONFIG_AUTHORITIES_MAX];
    unsigned n_missing;
};

struct client_timer {
    uv_timer_t timer;
    struct directory_client *client;
};

struct directory_client {
    struct relay *relay;
    bool cache; // of a relay, which is a directory cache; else a client's
    struct client_timer *timer;
    LIST_HEAD(, fetch) fetches;
    unsigned n_fetches;
    struct source_failures failures;
    struct consensus_download consensuses[CONSENSUS_FLAVOURS];
    struct digest_table downloads[FETCH_KINDS]; // struct wanted_download
    bool missing_known; // nothing has happened since the last look for missing documents
    time_t look_at;     // when one of them may be tried again; 0: none
    time_t last_tick, expire_at;
    time_t documents_asked_at; // by a client
    time_t clock_warned_at;
    bool complete; // has been since the start
    unsigned told; // progress, in percent
    time_t told_at;
};

static inline bool client_is_testing(const struct directory_client *c)
{
    return c->relay->config->testing_network;
}

// A client needs one flavour, and microdescriptors only.
static inline bool client_wants_flavour(const struct directory_client *c,
                                        enum consensus_flavour flavour)
{
    return c->cache || flavour == CONSENSUS_MICRODESC;
}

static inline bool client_wants_kind(const struct directory_client *c, enum fetch_kind kind)
{
    return c->cache || kind <= FETCH_MICRODESCRIPTORS;
}

static inline uint32_t client_delay_max_s(const struct directory_client *c)
{
    return client_is_testing(c) ? DOWNLOAD_DELAY_TESTING_MAX_S : DOWNLOAD_DELAY_MAX_S;
}

const char *client_flavour_name(enum consensus_flavour flavour); // "ns", "microdesc"

// ---- client.c
void client_wake(struct directory_client *c); // tick soon

// ---- client_fetch.c
// Asks; `path` and `headers` (may be NULL) are copied, `wanted` and the source's guard are the
// fetch's from now on, also when it fails. Its outcome comes later.
struct fetch *client_fetch(struct directory_client *c, enum fetch_kind kind,
                           enum consensus_flavour flavour, const struct source *source,
                           const char *path, const char *headers, struct wanted *wanted,
                           size_t n_wanted);
// True: this source is being asked for documents.
bool client_source_is_busy(void *client, const uint8_t rsa_id[20]);
void client_cancel_all(struct directory_client *c);
// Other tries for this consensus that were not answered yet.
void client_cancel_attempts(struct directory_client *c, enum consensus_flavour flavour,
                            const struct fetch *but);

// ---- client_attempts.c: how a client begins (9.01)
// It has no consensus that is good for circuits.
bool client_is_beginning(const struct directory_client *c);
// Another directory is asked, if it is time.
void client_attempt_consensus(struct directory_client *c, time_t now);
// Whom a client asks: a guard once it has any, else, and every now and then after failures,
// fallback directories and authorities.
bool client_choose_source(const struct directory_client *c, unsigned failures, struct source *out);

// ---- client_downloads.c: what is known of the tries for single documents
bool client_download_is_ready(struct directory_client *c, enum fetch_kind kind, const uint8_t *key,
                              time_t now);
unsigned client_download_failures(const struct directory_client *c, enum fetch_kind kind,
                                  const uint8_t *key);
void client_downloads_begin(struct directory_client *c, enum fetch_kind kind,
                            const struct wanted *wanted, size_t n);
// Those that are in the store now are done, the others have failed.
void client_downloads_end(struct directory_client *c, enum fetch_kind kind,
                          const struct wanted *wanted, size_t n);
bool client_was_asked_for(const struct fetch *f, const uint8_t *key, size_t length);
// Every document may be asked for at once again.
void client_downloads_reset(struct directory_client *c);
void client_downloads_free(struct directory_client *c);

// ---- client_consensus.c
// This source was, since the last success of a struct consensus_download.
bool client_was_tried(void *download, const uint8_t rsa_id[20]);
void client_begin_consensuses(struct directory_client *c, time_t now);
void client_fetch_consensuses(struct directory_client *c, time_t now);
void client_take_consensus(struct fetch *f);
// Asks this one for it.
bool client_ask_for_consensus(struct directory_client *c, enum consensus_flavour flavour,
                              const struct source *source, bool attempt);
void client_consensus_failed(struct directory_client *c, enum consensus_flavour flavour,
                             const struct source *source, const char *why);
// Certificates came: what waited for them is looked at again.
void client_recheck_consensuses(struct directory_client *c);
void client_drop_waiting(struct consensus_download *d);

// ---- client_certificates.c
void client_fetch_certificates(struct directory_client *c, time_t now);
void client_take_certificates(struct fetch *f);
// Those of which none is there, of this one, even if others have been asked.
void client_ask_for_certificates(struct directory_client *c, const struct source *source);

// ---- client_documents.c
void client_fetch_documents(struct directory_client *c, time_t now);
void client_take_documents(struct fetch *f);
// How many of `*total` that the consensus lists are there.
size_t client_documents_here(const struct directory_client *c, enum fetch_kind kind, size_t *total);
