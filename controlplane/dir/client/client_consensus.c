// SPDX-License-Identifier: BSD-3-Clause
// Both flavours of the consensus: when the next one is fetched, from whom, and whether it is taken.
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "bootstrap.h"
#include "crypto/encoding.h"
#include "crypto/random.h"
#include "dir/client/client_internal.h"
#include "dir/network_view.h"

enum {
    SETTLE_MAX_S = 120, // after a consensus went stale (6.29)
    WARN_AFTER_FAILURES = 8,
    CERTIFICATE_TRIES_MAX = 5,
    IF_MODIFIED_SLACK_S = 180,
    CLOCK_EARLY_S = 60, // a consensus comes no earlier than its time, but for small differences
    CLOCK_WARN_EVERY_S = 3600,
    PATH_MAX_LENGTH = 128 + CONFIG_AUTHORITIES_MAX * 41,
};

const char *client_flavour_name(enum consensus_flavour flavour)
{
    return flavour == CONSENSUS_NS ? "ns" : "microdesc";
}

// ---- when

static time_t at_most(time_t value, time_t most)
{
    return value < most ? value : most;
}

// A client fetches when caches had time to, and well before its consensus expires (9.02).
static time_t next_fetch_of_client(const struct stored_consensus *c)
{
    time_t start = c->fresh_until + (c->fresh_until - c->valid_after) * 3 / 4;
    time_t range = (c->valid_until - start) * 7 / 8;
    if (range < 1)
        range = 1;
    if (start + range >= c->valid_until)
        start = c->valid_until - range - 1;
    return start + (time_t)random_uniform((uint32_t)at_most(range, INT32_MAX));
}

// A cache fetches soon after its consensus is no longer fresh, at a random time in the first half
// of the next interval (6.29). With short intervals all that is brought inside its life.
static time_t next_fetch(const struct directory_client *client, enum consensus_flavour flavour,
                         time_t now)
{
    const struct stored_consensus *c = store_consensus(client->relay->store, flavour, 0);
    if (c == NULL || now < c->valid_after || now > c->valid_until)
        return now;
    if (!client->cache)
        return next_fetch_of_client(c);
    time_t interval = c->fresh_until - c->valid_after;
    time_t settle = at_most(SETTLE_MAX_S, interval / 16);
    time_t start = c->fresh_until + (settle > 0 ? settle : 1);
    time_t range = interval / 2 > 0 ? interval / 2 : 1;
    if (start + range >= c->valid_until)
        start = c->valid_until - range - 1;
    return start + (time_t)random_uniform((uint32_t)at_most(range, INT32_MAX));
}

void client_begin_consensuses(struct directory_client *c, time_t now)
{
    for (unsigned flavour = 0; flavour < CONSENSUS_FLAVOURS; flavour++) {
        struct consensus_download *d = &c->consensuses[flavour];
        d->due = next_fetch(c, flavour, now);
        d->download = d->attempt = (struct download){0};
    }
}

static bool is_due(const struct directory_client *c, enum consensus_flavour flavour, time_t now)
{
    const struct consensus_download *d = &c->consensuses[flavour];
    const struct stored_consensus *held = store_consensus(c->relay->store, flavour, 0);
    bool expired = held != NULL && now > held->valid_until;
    return d->n_fetching == 0 && d->waiting == NULL && (now >= d->due || expired) &&
           download_is_ready(&d->download, now);
}

// ---- asking

bool client_was_tried(void *download, const uint8_t rsa_id[20])
{
    const struct consensus_download *d = download;
    for (unsigned i = 0; i < d->n_tried; i++)
        if (memcmp(d->tried[i], rsa_id, 20) == 0)
            return true;
    return false;
}

// Each authority in turn, for each has it first. That none of them can be reached is no reason to
// go without.
static bool choose_source(const struct directory_client *c, struct consensus_download *d,
                          struct source *out)
{
    const struct relay *relay = c->relay;
    if (!c->cache)
        return client_choose_source(c, d->download.failures, out);
    if (d->download.failures % 3 == 2 && source_choose_cache(relay, &c->failures, NULL, NULL, out))
        return true;
    if (!source_choose_authority(relay, &c->failures, client_was_tried, d, out)) {
        d->n_tried = 0;
        if (!source_choose_authority(relay, &c->failures, NULL, NULL, out))
            return source_choose_cache(relay, &c->failures, NULL, NULL, out);
    }
    if (d->n_tried < CONFIG_AUTHORITIES_MAX)
        memcpy(d->tried[d->n_tried++], out->target.relay.rsa_id, 20);
    return true;
}

// The authorities that we know: who is asked has one that most of them signed, or says 404.
static void write_path(const struct directory_client *c, enum consensus_flavour flavour,
                       char path[PATH_MAX_LENGTH])
{
    const struct config *config = c->relay->config;
    int used = snprintf(path, PATH_MAX_LENGTH, "/tor/status-vote/current/consensus%s/",
                        flavour == CONSENSUS_NS ? "" : "-microdesc");
    for (unsigned i = 0; i < config->directory_authority_count; i++) {
        char hex[HEX_TEXT_SIZE(20)];
        hex_encode(config->directory_authorities[i].v3_identity, 20, hex, sizeof(hex));
        used +=
            snprintf(path + used, PATH_MAX_LENGTH - (size_t)used, "%s%s", i == 0 ? "" : "+", hex);
    }
}

static void write_headers(const struct directory_client *c, enum consensus_flavour flavour,
                          char *out, size_t capacity)
{
    const struct stored_consensus *held = store_consensus(c->relay->store, flavour, 0);
    int used = snprintf(out, capacity, ANSWER_ENCODINGS);
    if (held == NULL)
        return;
    time_t slack = at_most(IF_MODIFIED_SLACK_S, (held->fresh_until - held->valid_after) / 2);
    time_t since = held->valid_after + slack;
    char date[64], hex[HEX_TEXT_SIZE(STORE_DIGEST_LEN)];
    struct tm utc;
    if (gmtime_r(&since, &utc) != NULL &&
        strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &utc) > 0)
        used += snprintf(out + used, capacity - (size_t)used, "If-Modified-Since: %s\r\n", date);
    if (c->consensuses[flavour].without_diff)
        return;
    hex_encode(held->sha3_signed, sizeof(held->sha3_signed), hex, sizeof(hex));
    snprintf(out + used, capacity - (size_t)used, "X-Or-Diff-From-Consensus: %s\r\n", hex);
}

static uint32_t delay_max_s(const struct directory_client *c)
{
    if (client_is_testing(c))
        return DOWNLOAD_DELAY_TESTING_MAX_S;
    return !c->cache && client_is_beginning(c) ? (uint32_t)DOWNLOAD_DELAY_BEGINNING_MAX_S
                                               : (uint32_t)DOWNLOAD_DELAY_CONSENSUS_MAX_S;
}

bool client_ask_for_consensus(struct directory_client *c, enum consensus_flavour flavour,
                              const struct source *source, bool attempt)
{
    char path[PATH_MAX_LENGTH], headers[512];
    write_path(c, flavour, path);
    write_headers(c, flavour, headers, sizeof(headers));
    struct fetch *f = client_fetch(c, FETCH_CONSENSUS, flavour, source, path, headers, NULL, 0);
    if (f != NULL)
        f->attempt = attempt;
    return f != NULL;
}

static void fetch(struct directory_client *c, enum consensus_flavour flavour, time_t now)
{
    struct consensus_download *d = &c->consensuses[flavour];
    struct source source;
    if (choose_source(c, d, &source) && !client_ask_for_consensus(c, flavour, &source, false))
        download_failed(&d->download, now, delay_max_s(c));
}

// Whoever made up a consensus can name keys that nobody has certificates for: it waits no longer
// than several directories were asked for them.
static bool waits_in_vain(const struct directory_client *c, const struct consensus_download *d,
                          time_t now)
{
    time_t patience =
        client_is_testing(c) ? (time_t)CERTIFICATES_WAIT_TESTING_S : (time_t)CERTIFICATES_WAIT_S;
    time_t waited = now - d->waiting_since;
    if (waited < 0 || waited >= patience)
        return true; // below 0 the clock was set back: nobody knows how long
    if (waited < patience / 10)
        return false;
    for (unsigned i = 0; i < d->n_missing; i++)
        if (client_download_failures(c, FETCH_CERTIFICATES, d->missing[i].key) <
            CERTIFICATE_TRIES_MAX)
            return false;
    return true;
}

void client_fetch_consensuses(struct directory_client *c, time_t now)
{
    for (unsigned flavour = 0; flavour < CONSENSUS_FLAVOURS; flavour++) {
        struct consensus_download *d = &c->consensuses[flavour];
        if (d->waiting != NULL && waits_in_vain(c, d, now)) {
            struct source source = d->waiting_source;
            client_drop_waiting(d);
            source_note_failure(&c->failures, &source, now, client_is_testing(c));
            client_consensus_failed(c, flavour, &source, "its certificates could not be fetched");
        }
        if (!client_wants_flavour(c, flavour))
            continue;
        if (!c->cache && client_is_beginning(c))
            client_attempt_consensus(c, now);
        else if (is_due(c, flavour, now))
            fetch(c, flavour, now);
    }
}

void client_consensus_failed(struct directory_client *c, enum consensus_flavour flavour,
                             const struct source *source, const char *why)
{
    struct consensus_download *d = &c->consensuses[flavour];
    download_failed(&d->download, relay_now(c->relay), delay_max_s(c));
    if (!c->cache && d->download.failures < CLIENT_AT_ONCE_FAILURES && client_is_beginning(c))
        d->download.delay_s = 0; // it grows when it is no single directory's fault
    enum log_level level =
        d->download.failures == WARN_AFTER_FAILURES ? LOG_LEVEL_WARN : LOG_LEVEL_INFO;
    log_write(level, "directory: no new %s consensus from %s %s: %s; trying again",
              client_flavour_name(flavour), source_kind_name(source), source->name, why);
}

// ---- taking

static void note_missing(struct consensus_download *d, const struct consensus_signers *signers)
{
    d->n_missing = 0;
    for (unsigned i = 0; i < signers->n_missing && d->n_missing < CONFIG_AUTHORITIES_MAX; i++) {
        struct wanted *w = &d->missing[d->n_missing++];
        *w = (struct wanted){0};
        memcpy(w->key, signers->missing[i]->signing_key, 20);
        memcpy(w->identity, signers->missing[i]->identity, 20);
    }
}

static enum consensus_verdict check(struct directory_client *c, const struct consensus *consensus)
{
    struct consensus_signers signers;
    unsigned n;
    const struct certificate *const *certificates = store_certificates(c->relay->store, &n);
    enum consensus_verdict verdict = consensus_check(c->relay->config, consensus, certificates, n,
                                                     relay_now(c->relay), &signers);
    if (verdict != CONSENSUS_UNSIGNED)
        note_missing(&c->consensuses[consensus->flavour], &signers);
    return verdict;
}

// Once an hour, in words that somebody with a wrong clock understands.
static void judge_clock(struct directory_client *c, const struct consensus *consensus)
{
    time_t now = relay_now(c->relay);
    time_t ahead_s = consensus->valid_after - now, late_s = now - consensus->valid_until;
    bool told = c->clock_warned_at != 0 && now - c->clock_warned_at < CLOCK_WARN_EVERY_S &&
                now >= c->clock_warned_at;
    if (c->cache || told || (ahead_s < CLOCK_EARLY_S && late_s <= 0))
        return;
    c->clock_warned_at = now;
    if (ahead_s >= CLOCK_EARLY_S)
        log_warn("our clock is %lld s behind the consensus, which is of the future by it: the "
                 "network can be used only with the right time; check date and time zone",
                 (long long)ahead_s);
    else
        log_warn("the consensus expired %lld s ago by our clock: it is ahead (check date and time "
                 "zone), or the authorities make no new one",
                 (long long)late_s);
}

static const char *judge_times(const struct directory_client *c, const struct consensus *consensus)
{
    time_t now = relay_now(c->relay);
    const struct stored_consensus *held = store_consensus(c->relay->store, consensus->flavour, 0);
    if (held != NULL && consensus->valid_after <= held->valid_after)
        return "it is not newer than ours";
    if (!consensus_is_reasonably_live(consensus, now))
        return consensus->valid_after > now ? "it is of the future (or our clock is wrong)"
                                            : "it has long expired";
    return NULL;
}

void client_drop_waiting(struct consensus_download *d)
{
    consensus_free(d->waiting);
    blob_drop(d->waiting_text);
    d->waiting = NULL;
    d->waiting_text = NULL;
}

static void put(struct directory_client *c, struct blob *text, struct consensus *consensus,
                bool was_diff)
{
    struct relay *relay = c->relay;
    enum consensus_flavour flavour = consensus->flavour;
    struct consensus_download *d = &c->consensuses[flavour];
    time_t now = relay_now(relay);
    if (store_put_consensus(relay->store, text, consensus) < 0)
        return; // asked for again when it is due
    relay->counters.directory_consensuses++;
    relay->counters.directory_diffs += was_diff;
    d->download = d->attempt = (struct download){0};
    d->without_diff = false;
    d->n_tried = 0;
    d->due = next_fetch(c, flavour, now);
    client_cancel_attempts(c, flavour, NULL);
    client_downloads_reset(c);
    c->missing_known = false;
    log_info("directory: a new %s consensus%s, %zu bytes; the next one in %lld s",
             client_flavour_name(flavour), was_diff ? " by a diff" : "", text->length,
             (long long)(d->due - now));
    network_view_changed(relay);
}

static void wait_for_certificates(struct directory_client *c, struct fetch *f)
{
    struct consensus_download *d = &c->consensuses[f->flavour];
    client_drop_waiting(d);
    d->waiting = f->answer.consensus;
    d->waiting_text = blob_hold(f->answer.text);
    d->waiting_was_diff = f->answer.was_diff;
    d->waiting_since = relay_now(c->relay);
    d->waiting_source = f->source;
    d->waiting_source.guard = NULL;
    client_cancel_attempts(c, f->flavour, f);
    bootstrap_reached(c->relay, BOOTSTRAP_LOADING_CERTIFICATES);
    f->answer.consensus = NULL;
    log_info("directory: the %s consensus waits for %u certificates",
             client_flavour_name(f->flavour), d->n_missing);
}

static void refuse(struct fetch *f, const char *why, bool lied)
{
    struct directory_client *c = f->client;
    c->relay->counters.drop_directory_consensus += lied;
    if (lied)
        source_note_failure(&c->failures, &f->source, relay_now(c->relay), client_is_testing(c));
    client_consensus_failed(c, f->flavour, &f->source, why);
}

void client_take_consensus(struct fetch *f)
{
    struct directory_client *c = f->client;
    if (f->attempt && !client_is_beginning(c))
        return; // another one was quicker
    const char *wrong = judge_times(c, f->answer.consensus);
    judge_clock(c, f->answer.consensus);
    if (wrong != NULL) {
        refuse(f, wrong, false);
        return;
    }
    switch (check(c, f->answer.consensus)) {
    case CONSENSUS_BELIEVED:
        put(c, f->answer.text, f->answer.consensus, f->answer.was_diff);
        f->answer.consensus = NULL;
        break;
    case CONSENSUS_CERTIFICATES_MISSING:
        wait_for_certificates(c, f);
        break;
    default:
        refuse(f, "too few of its signatures are good", true);
        break;
    }
}

void client_recheck_consensuses(struct directory_client *c)
{
    for (unsigned flavour = 0; flavour < CONSENSUS_FLAVOURS; flavour++) {
        struct consensus_download *d = &c->consensuses[flavour];
        if (d->waiting == NULL)
            continue;
        enum consensus_verdict verdict = check(c, d->waiting);
        if (verdict == CONSENSUS_BELIEVED) {
            put(c, d->waiting_text, d->waiting, d->waiting_was_diff);
            d->waiting = NULL;
            client_drop_waiting(d);
        } else if (verdict == CONSENSUS_UNSIGNED) {
            struct source source = d->waiting_source;
            client_drop_waiting(d);
            c->relay->counters.drop_directory_consensus++;
            client_consensus_failed(c, flavour, &source, "too few of its signatures are good");
        }
    }
}
