// SPDX-License-Identifier: BSD-3-Clause
// The directory client's life: its timer, what it looks after in turn, and what it says of its
// progress.
#include "dir/client/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "dir/client/client_internal.h"
#include "dir/network_view.h"

enum {
    TICK_MS = 1000,
    EXPIRE_EVERY_S = 3600,
    CLOCK_JUMP_S = 60,
    TELL_STEP = 10, // percent
    TELL_EVERY_S = 60,
    COMPLETE_OF_100 = 95, // so many of the documents are enough: some relays are gone by now
};

// ---- progress

static unsigned share(const struct directory_client *c, enum fetch_kind kind)
{
    size_t total, here = client_documents_here(c, kind, &total);
    return total == 0 ? 0 : (unsigned)(here * 100 / total);
}

// Certificates 5, consensuses 15 each, microdescriptors 35, descriptors 30.
static unsigned progress(const struct directory_client *c)
{
    const struct directory_store *store = c->relay->store;
    unsigned n, micro = share(c, FETCH_MICRODESCRIPTORS);
    unsigned full = c->cache ? share(c, FETCH_DESCRIPTORS) : micro;
    store_certificates(store, &n);
    if (micro >= COMPLETE_OF_100 && full >= COMPLETE_OF_100)
        return 100;
    return (n > 0 ? 5 : 0) + (store_consensus(store, CONSENSUS_MICRODESC, 0) != NULL ? 15 : 0) +
           (store_consensus(store, CONSENSUS_NS, 0) != NULL ? 15 : 0) + micro * 35 / 100 +
           full * 29 / 100;
}

// A client tells how far it is in bootstrap.h's words.
static void tell_progress(struct directory_client *c, time_t now)
{
    if (c->complete || !c->cache)
        return;
    unsigned percent = progress(c);
    size_t total, here = client_documents_here(c, FETCH_MICRODESCRIPTORS, &total);
    c->complete = percent == 100;
    if (percent == c->told ||
        (!c->complete && percent < c->told + TELL_STEP && now - c->told_at < TELL_EVERY_S))
        return;
    c->told = percent;
    c->told_at = now;
    if (c->complete)
        log_notice("directory: bootstrap 100 %%: %zu relays", total);
    else if (total == 0)
        log_notice("directory: bootstrap %u %%: no consensus yet", percent);
    else
        log_notice("directory: bootstrap %u %%: %zu of %zu microdescriptors, %u %% of the "
                   "descriptors",
                   percent, here, total, share(c, FETCH_DESCRIPTORS));
}

unsigned directory_client_progress(const struct directory_client *c)
{
    return c->complete ? 100 : progress(c);
}

unsigned directory_client_requests(const struct directory_client *c)
{
    return c->n_fetches;
}

// ---- the timer

static void on_timer(uv_timer_t *timer)
{
    struct client_timer *t = timer->data;
    if (t->client != NULL)
        directory_client_tick(t->client);
}

void client_wake(struct directory_client *c)
{
    uv_timer_start(&c->timer->timer, on_timer, 0, TICK_MS);
}

// Deadlines were set by a clock that was wrong.
static void check_clock(struct directory_client *c, time_t now)
{
    if (now < c->last_tick - CLOCK_JUMP_S) {
        client_begin_consensuses(c, now);
        client_downloads_reset(c);
        c->missing_known = false;
        c->expire_at = now;
    }
    c->last_tick = now;
}

void directory_client_tick(struct directory_client *c)
{
    time_t now = relay_now(c->relay);
    if (c->relay->stopping)
        return;
    check_clock(c, now);
    if (now >= c->expire_at) {
        c->expire_at = now + EXPIRE_EVERY_S;
        store_expire(c->relay->store);
    }
    client_fetch_consensuses(c, now);
    client_fetch_certificates(c, now);
    if (!c->missing_known)
        tell_progress(c, now);
    client_fetch_documents(c, now);
}

// ---- life

static void init_downloads(struct directory_client *c)
{
    for (unsigned kind = 0; kind < FETCH_KINDS; kind++)
        digest_table_init(&c->downloads[kind], kind == FETCH_MICRODESCRIPTORS ? 32 : 20);
}

struct directory_client *directory_client_create(struct relay *relay)
{
    struct directory_client *c = calloc(1, sizeof(*c));
    struct client_timer *timer = calloc(1, sizeof(*timer));
    if (c == NULL || timer == NULL || uv_timer_init(relay->loop, &timer->timer) != 0) {
        free(timer);
        free(c);
        return NULL;
    }
    time_t now = relay_now(relay);
    c->relay = relay;
    c->cache = config_is_relay(relay->config);
    c->timer = timer;
    timer->client = c;
    timer->timer.data = timer;
    LIST_INIT(&c->fetches);
    init_downloads(c);
    c->last_tick = now;
    c->expire_at = now + EXPIRE_EVERY_S;
    client_begin_consensuses(c, now);
    if (store_generation(relay->store) != 0)
        network_view_changed(relay);
    if (relay->config->directory_authority_count > 0)
        client_wake(c);
    return c;
}

static void free_timer(uv_handle_t *handle)
{
    free(handle->data);
}

void directory_client_free(struct directory_client *c)
{
    if (c == NULL)
        return;
    client_cancel_all(c);
    for (unsigned flavour = 0; flavour < CONSENSUS_FLAVOURS; flavour++)
        client_drop_waiting(&c->consensuses[flavour]);
    client_downloads_free(c);
    c->timer->client = NULL;
    uv_close((uv_handle_t *)&c->timer->timer, free_timer);
    free(c);
}
