// SPDX-License-Identifier: BSD-3-Clause
// When a descriptor is built and what it says; the upload to each authority is upload.c.
#include "dir/publish/publish.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/log.h"
#include "config/config.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "dir/publish/bandwidth.h"
#include "dir/publish/descriptor.h"
#include "dir/publish/upload.h"
#include "dir/store/store.h"
#include "identity/identity.h"
#include "relay.h"

enum {
    // Republished between 17.5 and 18 hours after the last time (6.14).
    PUBLISH_INTERVAL_S = 17 * 3600 + 1800,
    PUBLISH_JITTER_S = 1800,
    // An authority that keeps its descriptor for less than 2 hours' difference takes the next one.
    PUBLISH_AFTER_DECLINED_S = 2 * 3600 + 900,
    PUBLISH_AFTER_UNLISTED_S = 90 * 60,
    CHANGE_SETTLE_S = 2,    // changes that come together are published together
    PUBLISH_SPACING_S = 60, // and not more often than this
    TESTING_PUBLISH_SPACING_S = 5,
    BUILD_RETRY_S = 60,
    MAINTAIN_INTERVAL_S = 3600,
    // Bandwidth that doubled or halved is news in the first day (6.14).
    BANDWIDTH_NEWS_UPTIME_S = 86400,
    BANDWIDTH_NEWS_SPACING_S = 3 * 3600,
    TESTING_BANDWIDTH_NEWS_SPACING_S = 20,
    TICK_MAX_S = 60,
};

// The one handle of libuv, which lives until the loop has closed it.
struct publisher_timer {
    uv_timer_t timer;
    struct publisher *publisher;
};

struct publisher {
    struct relay *relay;
    struct publisher_timer *timer;
    time_t started;
    time_t last_tick;
    time_t published;   // of the document; 0: there is none
    time_t publish_by;  // at the latest
    time_t not_before;  // after a build that failed
    time_t changed_at;  // 0: nothing changed
    time_t maintain_at; // when the keys are looked at next
    time_t bandwidth_news_at;
    uint32_t bandwidth_published;
    struct bandwidth bandwidth;
    struct publisher_listing listing; // all zeros: no consensus yet
    bool outdated;
    uint64_t serial; // of the newest document
    struct upload_document document;
    char *text; // descriptor, then extra-info
    size_t descriptor_length;
    unsigned n_uploads;
    struct upload *uploads;
};

static bool is_testing(const struct publisher *p)
{
    return p->relay->config->testing_network;
}

static void find_addresses(const struct config *config, struct address *ipv4, struct address *ipv6)
{
    memset(ipv4, 0, sizeof(*ipv4));
    memset(ipv6, 0, sizeof(*ipv6));
    for (unsigned i = 0; i < config->address_count; i++) {
        const struct address *a = &config->addresses[i];
        struct address *out = a->family == ADDRESS_IPV4 ? ipv4 : ipv6;
        if (out->family == ADDRESS_NONE)
            *out = *a;
        out->port = config->or_port;
    }
}

static int build_extra_info(struct publisher *p, time_t now, char *out,
                            struct extra_info_digest *digest)
{
    char lines[1024];
    bandwidth_history(&p->bandwidth, lines, sizeof(lines));
    struct extra_info in = {
        .identity = p->relay->identity,
        .nickname = p->relay->config->nickname,
        .published = now,
        .lines = lines,
    };
    return extra_info_build(&in, out, EXTRA_INFO_MAX, digest);
}

static int build_descriptor(struct publisher *p, time_t now, const struct extra_info_digest *digest,
                            char *out)
{
    // Streams do not end here, whatever the configuration would like.
    static const char *const policy[] = {"reject *:*"};
    const struct config *config = p->relay->config;
    struct descriptor in = {
        .identity = p->relay->identity,
        .nickname = config->nickname,
        .contact = config->contact,
        // Authorities judge the version of programs only that call themselves Tor.
        .platform = "ramson " RAMSON_VERSION " on Linux",
        .published = now,
        .uptime_s = now > p->started ? (uint64_t)(now - p->started) : 0,
        .bandwidth_rate = config->bandwidth_rate,
        .bandwidth_burst = config->bandwidth_burst,
        .bandwidth_observed = bandwidth_observed(&p->bandwidth),
        .extra_info = *digest,
        .without_tap_key = !parameters_of(p->relay)->publish_dummy_tap_key,
        .policy = policy,
        .policy_lines = 1,
    };
    find_addresses(config, &in.ipv4, &in.ipv6);
    p->bandwidth_published = in.bandwidth_observed;
    return descriptor_build(&in, out, DESCRIPTOR_MAX);
}

// The extra-info is built first, for the descriptor holds its digest, and is uploaded behind it.
static int build_text(struct publisher *p, time_t now)
{
    struct extra_info_digest digest;
    char *extra_info = malloc(EXTRA_INFO_MAX);
    if (extra_info == NULL)
        return -ENOMEM;
    int extra_length = build_extra_info(p, now, extra_info, &digest);
    int length = extra_length < 0 ? extra_length : build_descriptor(p, now, &digest, p->text);
    if (length >= 0) {
        p->descriptor_length = (size_t)length;
        memcpy(p->text + length, extra_info, (size_t)extra_length);
        length += extra_length;
    }
    free(extra_info);
    return length;
}

// What we publish we also serve.
static void offer_own(struct publisher *p, size_t length)
{
    size_t split = p->descriptor_length;
    if (p->relay->store == NULL)
        return;
    struct blob *descriptor = blob_create(p->text, split);
    struct blob *extra_info = blob_create(p->text + split, length - split);
    if (descriptor != NULL && extra_info != NULL)
        store_set_own(p->relay->store, descriptor, extra_info);
    blob_drop(descriptor);
    blob_drop(extra_info);
}

static void build(struct publisher *p, time_t now)
{
    // Uploads of the old text must end before it goes.
    for (unsigned i = 0; i < p->n_uploads; i++)
        upload_renew(&p->uploads[i], now);
    int length = build_text(p, now);
    if (length < 0) {
        log_error("no descriptor can be built: %s", strerror(-length));
        p->document.serial = 0;
        p->not_before = now + BUILD_RETRY_S;
        return;
    }
    offer_own(p, (size_t)length);
    p->document.serial = ++p->serial;
    p->document.bytes = p->text;
    p->document.length = (size_t)length;
    p->published = now;
    p->publish_by = now + PUBLISH_INTERVAL_S + (time_t)random_uniform(PUBLISH_JITTER_S);
    p->changed_at = 0;
    log_info("built a descriptor of %d bytes with its extra-info", length);
}

static time_t build_due(const struct publisher *p)
{
    time_t due = p->published == 0 ? p->started : p->publish_by;
    time_t spacing = is_testing(p) ? TESTING_PUBLISH_SPACING_S : PUBLISH_SPACING_S;
    if (p->changed_at != 0 && p->changed_at + CHANGE_SETTLE_S < due)
        due = p->changed_at + CHANGE_SETTLE_S;
    if (p->published != 0 && due < p->published + spacing)
        due = p->published + spacing;
    return due < p->not_before ? p->not_before : due;
}

static void note_change(struct publisher *p, time_t now)
{
    if (p->changed_at == 0)
        p->changed_at = now;
}

static void check_bandwidth(struct publisher *p, time_t now)
{
    uint64_t old = p->bandwidth_published;
    uint64_t new = bandwidth_observed(&p->bandwidth);
    time_t spacing = is_testing(p) ? TESTING_BANDWIDTH_NEWS_SPACING_S : BANDWIDTH_NEWS_SPACING_S;
    bool news = (old == 0) != (new == 0) || new > 2 * old || new < old / 2;
    if (p->published == 0 || !news || now - p->started > BANDWIDTH_NEWS_UPTIME_S)
        return;
    if (old != 0 && now - p->bandwidth_news_at < spacing)
        return;
    p->bandwidth_news_at = now;
    note_change(p, now);
}

static void check_listing(struct publisher *p, time_t now)
{
    const struct publisher_listing *l = &p->listing;
    bool live = l->valid_after <= now && now <= l->valid_until;
    bool wrong = !l->listed || (l->stale && l->valid_after > p->published);
    if (live && wrong && p->published != 0 && now - p->published >= PUBLISH_AFTER_UNLISTED_S)
        note_change(p, now);
}

// Deadlines are in wall-clock time, as the descriptor is. When the clock is set back they would lie
// far in the future: everything is due again then.
static void check_clock(struct publisher *p, time_t now)
{
    if (now < p->last_tick) {
        log_notice("the clock was set back; publishing again");
        p->started = now;
        p->published = 0;
        p->not_before = 0;
        p->maintain_at = now;
        p->bandwidth_news_at = 0;
    }
    p->last_tick = now;
}

static time_t earlier(time_t a, time_t b)
{
    return b != 0 && b < a ? b : a;
}

static void on_timer(uv_timer_t *timer)
{
    struct publisher_timer *t = timer->data;
    if (t->publisher != NULL)
        publisher_tick(t->publisher);
}

static void arm(struct publisher *p, time_t now, time_t next)
{
    time_t seconds = next <= now ? 1 : next - now;
    if (seconds > TICK_MAX_S)
        seconds = TICK_MAX_S;
    uv_timer_start(&p->timer->timer, on_timer, (uint64_t)seconds * 1000, 0);
}

void publisher_tick(struct publisher *p)
{
    time_t now = relay_now(p->relay);
    if (p->relay->stopping)
        return;
    check_clock(p, now);
    if (now >= p->maintain_at) {
        p->maintain_at = now + MAINTAIN_INTERVAL_S;
        if (identity_maintain(p->relay->identity, now))
            note_change(p, now);
    }
    check_bandwidth(p, now);
    check_listing(p, now);
    if (p->outdated) {
        arm(p, now, now + TICK_MAX_S);
        return;
    }
    if (now >= build_due(p))
        build(p, now);
    time_t next = earlier(build_due(p), p->maintain_at);
    for (unsigned i = 0; i < p->n_uploads; i++)
        next = earlier(next, upload_tick(&p->uploads[i], now));
    arm(p, now, next);
}

static void on_upload_ended(struct upload *u, bool declined)
{
    struct publisher *p = u->user;
    time_t again = p->published + PUBLISH_AFTER_DECLINED_S;
    if (declined && again < p->publish_by)
        p->publish_by = again;
    uv_timer_start(&p->timer->timer, on_timer, 0, 0);
}

static void warn_of_config(const struct config *config)
{
    if (config->exit_policy_count != 1 || strcmp(config->exit_policy[0], "reject *:*") != 0)
        log_warn("exit_policy: this relay is no exit yet and publishes \"reject *:*\"");
}

static bool create_parts(struct publisher *p)
{
    const struct config *config = p->relay->config;
    p->n_uploads = config->directory_authority_count;
    p->uploads = calloc(p->n_uploads > 0 ? p->n_uploads : 1, sizeof(*p->uploads));
    p->text = malloc(DESCRIPTOR_MAX + EXTRA_INFO_MAX);
    p->timer = calloc(1, sizeof(*p->timer));
    if (p->uploads == NULL || p->text == NULL || p->timer == NULL)
        return false;
    for (unsigned i = 0; i < p->n_uploads; i++) {
        p->uploads[i].relay = p->relay;
        p->uploads[i].authority = &config->directory_authorities[i];
        p->uploads[i].document = &p->document;
        p->uploads[i].ended = on_upload_ended;
        p->uploads[i].user = p;
    }
    return uv_timer_init(p->relay->loop, &p->timer->timer) == 0;
}

struct publisher *publisher_create(struct relay *relay)
{
    struct publisher *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return NULL;
    p->relay = relay;
    if (!create_parts(p)) {
        free(p->uploads);
        free(p->text);
        free(p->timer);
        free(p);
        return NULL;
    }
    p->timer->publisher = p;
    p->timer->timer.data = p->timer;
    p->started = relay_now(relay);
    p->last_tick = p->started;
    p->maintain_at = p->started;
    bandwidth_begin(&p->bandwidth, p->started, 0, 0);
    warn_of_config(relay->config);
    uv_timer_start(&p->timer->timer, on_timer, 0, 0);
    return p;
}

static void free_timer(uv_handle_t *handle)
{
    free(handle->data);
}

void publisher_free(struct publisher *p)
{
    if (p == NULL)
        return;
    for (unsigned i = 0; i < p->n_uploads; i++)
        upload_cancel(&p->uploads[i]);
    p->timer->publisher = NULL;
    uv_close((uv_handle_t *)&p->timer->timer, free_timer);
    free(p->uploads);
    free(p->text);
    free(p);
}

void publisher_changed(struct publisher *p)
{
    note_change(p, relay_now(p->relay));
    uv_timer_start(&p->timer->timer, on_timer, CHANGE_SETTLE_S * 1000, 0);
}

void publisher_traffic(struct publisher *p, uint64_t read_bytes, uint64_t written_bytes)
{
    time_t now = relay_now(p->relay);
    bandwidth_sample(&p->bandwidth, now, read_bytes, written_bytes);
    bool known = p->changed_at != 0;
    check_bandwidth(p, now);
    if (!known && p->changed_at != 0)
        uv_timer_start(&p->timer->timer, on_timer, CHANGE_SETTLE_S * 1000, 0);
}

void publisher_listed(struct publisher *p, const struct publisher_listing *listing)
{
    p->listing = *listing;
}

bool publisher_set_outdated(struct publisher *p, bool outdated)
{
    if (outdated == p->outdated)
        return false;
    p->outdated = outdated;
    for (unsigned i = 0; outdated && i < p->n_uploads; i++)
        upload_cancel(&p->uploads[i]);
    uv_timer_start(&p->timer->timer, on_timer, 0, 0);
    return true;
}
