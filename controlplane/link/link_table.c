// SPDX-License-Identifier: BSD-3-Clause
// All links: finding or making one, limits, timeouts, rotation of the link key.
#include "link/link_internal.h"

#include <openssl/ssl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/log.h"
#include "bootstrap.h"
#include "crypto/random.h"
#include "crypto/rsa.h"
#include "dos/dos.h"
#include "identity/identity.h"

enum {
    TICK_MS = 1000,
    MAX_LINKS_UNSET = 4096, // what a configuration without max_links gets
    MIN_UNFINISHED = 64,
};

uint64_t link_now_ms(const struct link_table *table)
{
    return uv_now(table->relay->loop);
}

size_t link_table_count(const struct link_table *t)
{
    return t->n_links;
}

static struct link_list *bucket_of(struct link_table *t, const uint8_t rsa_id[20])
{
    // Peers choose their ids: without a secret they could fill one bucket.
    uint64_t hash;
    uint8_t bytes[crypto_shorthash_BYTES];
    crypto_shorthash(bytes, rsa_id, 20, t->id_hash_key);
    memcpy(&hash, bytes, sizeof hash);
    return &t->by_id[hash % LINK_ID_BUCKETS];
}

void link_table_add_by_id(struct link *link)
{
    if (link->has_id_entry)
        return;
    LIST_INSERT_HEAD(bucket_of(link->table, link->rsa_id), link, id_entry);
    link->has_id_entry = true;
}

// ---- life

static void tick_timer(uv_timer_t *timer)
{
    struct link_table *t = timer->data;
    link_table_tick(t, link_now_ms(t));
}

static uv_timer_t *timer_new(struct link_table *t)
{
    uv_timer_t *timer = calloc(1, sizeof *timer);
    if (!timer)
        return NULL;
    uv_timer_init(t->relay->loop, timer);
    timer->data = t;
    return timer;
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static void timer_free(uv_timer_t *timer)
{
    if (!timer)
        return;
    uv_timer_stop(timer);
    uv_close((uv_handle_t *)timer, timer_closed);
}

static bool set_up(struct link_table *t)
{
    t->client = tls_client_context_create();
    t->timer = timer_new(t);
    t->padding_timer = timer_new(t);
    if (!t->client || !t->timer || !t->padding_timer)
        return false;
    if (t->relay->identity) {
        struct rsa_key *key = rsa_generate(LINK_KEY_BITS);
        if (key)
            t->context = tls_context_create(t->relay->identity, key, relay_now(t->relay));
        rsa_free(key);
        if (!t->context)
            return false;
    }
    t->context_made_ms = link_now_ms(t);
    return uv_timer_start(t->timer, tick_timer, TICK_MS, TICK_MS) == 0;
}

struct link_table *link_table_create(struct relay *relay)
{
    struct link_table *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->relay = relay;
    TAILQ_INIT(&t->accepting);
    unsigned max_links = relay->config->dataplane.max_links;
    t->max_links = max_links > 0 ? max_links : MAX_LINKS_UNSET;
    t->max_unfinished = t->max_links / 4 > MIN_UNFINISHED ? t->max_links / 4 : MIN_UNFINISHED;
    random_bytes(t->id_hash_key, sizeof t->id_hash_key);
    if (set_up(t))
        return t;
    link_table_free(t);
    return NULL;
}

void link_table_free(struct link_table *t)
{
    if (!t)
        return;
    while (!LIST_EMPTY(&t->links)) {
        struct link *link = LIST_FIRST(&t->links);
        while (link->handshake && !LIST_EMPTY(&link->handshake->requests))
            link_request_cancel(LIST_FIRST(&link->handshake->requests));
        link_free(link);
    }
    link_rotation_forget(t);
    timer_free(t->timer);
    timer_free(t->padding_timer);
    tls_context_release(t->context);
    SSL_CTX_free(t->client);
    free(t);
}

void link_table_close_all(struct link_table *t)
{
    for (struct link *link = LIST_FIRST(&t->links), *next; link; link = next) {
        next = LIST_NEXT(link, entry);
        link_fail(link, CONN_CLOSE_DONE, TLS_ALERT_CLOSE_NOTIFY, DESTROY_HIBERNATING, NULL,
                  "we stop");
    }
}

// ---- time

static bool is_too_old(const struct link *link, uint64_t now_ms)
{
    return now_ms - link->opened_ms >= LINK_AGE_MAX_MS;
}

static void check_deadline(struct link *link, uint64_t now_ms)
{
    if (link->state < LINK_OPEN && now_ms >= link->deadline_ms)
        link_fail(link, CONN_CLOSE_TIMEOUT, TLS_ALERT_CLOSE_NOTIFY, DESTROY_CONNECTFAILED,
                  &link->table->relay->counters.drop_link_timeout, "the handshake took too long");
    else if (link->state == LINK_OPEN && link->circuits == 0 &&
             (now_ms >= link->deadline_ms || is_too_old(link, now_ms)))
        link_fail(link, CONN_CLOSE_DONE, TLS_ALERT_CLOSE_NOTIFY, DESTROY_CHANNEL_CLOSED, NULL,
                  "it has no circuits");
}

void link_table_tick(struct link_table *t, uint64_t now_ms)
{
    for (struct link *link = LIST_FIRST(&t->links), *next; link; link = next) {
        next = LIST_NEXT(link, entry);
        check_deadline(link, now_ms);
    }
    if (!t->context)
        return;
    // Certificates by a signing key that was replaced would not verify for long.
    bool due = now_ms - t->context_made_ms >= LINK_KEY_LIFETIME_MS ||
               t->context->identity_generation != t->relay->identity->generation;
    if (due && now_ms >= t->rotation_not_before_ms)
        link_rotation_start(t);
}

void link_note_circuit(struct relay *relay, uint8_t worker, struct handle conn, int change)
{
    struct link *link = link_find(relay, worker, conn);
    if (!link)
        return;
    if (change > 0)
        link->circuits++;
    else if (change < 0 && link->circuits > 0)
        link->circuits--;
    link->deadline_ms = link_now_ms(link->table) + link->idle_timeout_ms;
}

// ---- accepting, finding, dialling

// Peers that connect and are silent would keep others out until they time out. So a new one takes
// the place of the one that has taken longest; an honest peer needs but a second.
static void make_room(struct link_table *t)
{
    if (t->n_accepting >= t->max_unfinished)
        link_fail(TAILQ_FIRST(&t->accepting), CONN_CLOSE_LIMIT, TLS_ALERT_CLOSE_NOTIFY,
                  DESTROY_NONE, &t->relay->counters.drop_link_limit,
                  "newer ones need its place in the handshake");
}

void link_accept(struct relay *relay, struct connection *c)
{
    struct link_table *t = relay->links;
    struct link *link = NULL;
    if (!t->context || !dos_may_connect(relay, &c->remote)) {
        connection_close(c, CONN_CLOSE_LIMIT, TLS_ALERT_CLOSE_NOTIFY);
        return;
    }
    if (!relay->stopping && t->n_links < t->max_links) {
        make_room(t);
        link = link_new(t, false);
    }
    if (!link) {
        relay->counters.drop_link_limit++;
        connection_close(c, CONN_CLOSE_LIMIT, TLS_ALERT_CLOSE_NOTIFY);
        return;
    }
    link->connection = c;
    c->ops = &link_connection_ops;
    c->user = link;
}

struct link *link_find(struct relay *relay, uint8_t worker, struct handle conn)
{
    struct connection *c = connection_find(relay->connections, worker, conn);
    struct link *link = c && c->ops == &link_connection_ops ? c->user : NULL;
    return link && link->state == LINK_OPEN ? link : NULL;
}

static bool has_address(const struct link_target *target, const struct address *remote)
{
    for (unsigned i = 0; i < target->n_addresses; i++)
        if (address_same_host(&target->addresses[i], remote))
            return true;
    return false;
}

static bool is_usable(const struct link *link, const struct link_target *target, uint64_t now_ms)
{
    return link->state == LINK_OPEN && !link->connection->closing &&
           link_peer_is(link, target->rsa_id, target->has_ed_id ? target->ed_id : NULL) &&
           !is_too_old(link, now_ms) &&
           (link->canonical || has_address(target, &link->connection->remote));
}

// Between equals the older one, so that nobody can draw circuits over to a new connection.
static bool is_better(const struct link *a, const struct link *b)
{
    if (a->canonical != b->canonical)
        return a->canonical;
    if (a->canonical_to_peer != b->canonical_to_peer)
        return a->canonical_to_peer;
    return a->opened_ms < b->opened_ms;
}

static struct link *find_open(struct link_table *t, const struct link_target *target)
{
    struct link *best = NULL, *link = LIST_FIRST(bucket_of(t, target->rsa_id));
    uint64_t now_ms = link_now_ms(t);
    for (; link; link = LIST_NEXT(link, id_entry))
        if (is_usable(link, target, now_ms) && (!best || is_better(link, best)))
            best = link;
    return best;
}

// A dial under way whose success would serve `target`, and whose failure is its failure too.
static struct link *find_dial(struct link_table *t, const struct link_target *target)
{
    struct link *link = LIST_FIRST(bucket_of(t, target->rsa_id));
    for (; link; link = LIST_NEXT(link, id_entry)) {
        if (!link->initiator || link->state >= LINK_OPEN)
            continue;
        const struct link_target *under_way = &link->handshake->target;
        if (memcmp(under_way->rsa_id, target->rsa_id, 20) == 0 &&
            under_way->has_ed_id == target->has_ed_id &&
            (!target->has_ed_id || memcmp(under_way->ed_id, target->ed_id, 32) == 0) &&
            has_address(target, &link->connection->remote))
            return link;
    }
    return NULL;
}

static struct link *dial(struct link_table *t, const struct link_target *target,
                         enum destroy_reason *reason)
{
    const struct address *address = NULL;
    *reason = DESTROY_CONNECTFAILED;
    for (unsigned i = 0; i < target->n_addresses && !address; i++)
        if (target->addresses[i].family == ADDRESS_IPV4 &&
            !link_failures_has(&t->failures, target, &target->addresses[i], link_now_ms(t)))
            address = &target->addresses[i];
    if (!address)
        return NULL;
    *reason = DESTROY_RESOURCELIMIT;
    if (t->n_links >= t->max_links || t->n_dialling >= t->max_unfinished) {
        t->relay->counters.drop_link_limit++;
        return NULL;
    }
    struct link *link = link_new(t, true);
    if (!link)
        return NULL;
    link->handshake->target = *target;
    memcpy(link->rsa_id, target->rsa_id, sizeof link->rsa_id);
    link->connection = connection_dial(t->relay, address, &link_connection_ops, link);
    if (!link->connection) {
        link_free(link);
        return NULL;
    }
    link_table_add_by_id(link);
    bootstrap_link_dialled(t->relay);
    return link;
}

struct link_request *link_get(struct relay *relay, const struct link_target *target,
                              link_ready_fn ready, void *user)
{
    struct link_table *t = relay->links;
    enum destroy_reason reason = DESTROY_HIBERNATING;
    struct link *link = find_open(t, target);
    if (link) {
        ready(user, link, DESTROY_NONE);
        return NULL;
    }
    if (!relay->stopping) {
        link = find_dial(t, target);
        if (!link)
            link = dial(t, target, &reason);
    }
    struct link_request *request = link ? calloc(1, sizeof *request) : NULL;
    if (!request) {
        ready(user, NULL, link ? DESTROY_RESOURCELIMIT : reason);
        return NULL;
    }
    request->ready = ready;
    request->user = user;
    LIST_INSERT_HEAD(&link->handshake->requests, request, entry);
    return request;
}

void link_request_cancel(struct link_request *request)
{
    LIST_REMOVE(request, entry);
    free(request);
}
