// SPDX-License-Identifier: BSD-3-Clause
// A service's introduction points: which relays, how many, and when others (protocol 8.24, 8.25).
#include <string.h>

#include "base/log.h"
#include "dir/parameters.h"
#include "onion/service/service_internal.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "origin/path/path.h"
#include "relay.h"

// ---- how many there are

static unsigned count(const struct onion_service *s, enum onion_intro_state at_least)
{
    const struct intro_point *p;
    unsigned n = 0;
    TAILQ_FOREACH(p, &s->points, entry)
    n += p->retires_ms == 0 && p->circuit && p->state >= at_least;
    return n;
}

unsigned intro_points_asked(const struct onion_service *s)
{
    return count(s, ONION_INTRO_ESTABLISHING);
}

unsigned intro_points_established(const struct onion_service *s)
{
    return count(s, ONION_INTRO_READY);
}

// Those that visitors should come by: that they have lost their circuit for a moment says nothing.
unsigned service_intro_points(const struct onion_service *s, struct onion_intro_point *out,
                              unsigned capacity)
{
    const struct intro_point *p;
    unsigned n = 0;
    TAILQ_FOREACH(p, &s->points, entry)
    {
        if (p->established && p->retires_ms == 0 && n < capacity)
            out[n++] = p->info;
    }
    return n;
}

bool service_intro_points_ready(const struct onion_service *s)
{
    unsigned n = intro_points_established(s);
    return n > 0 && (n >= s->config->introduction_points || n >= s->n_points);
}

// ---- which relays

struct choice {
    const struct onion_service *s;
    bool relaxed; // also relays that are neither Fast nor Stable
};

static bool is_ours(const struct onion_service *s, const uint8_t rsa_id[20])
{
    const struct intro_point *p;
    TAILQ_FOREACH(p, &s->points, entry)
    {
        // One that retires may be chosen again, but not while its circuit is there.
        if (memcmp(p->hop.target.rsa_id, rsa_id, 20) == 0)
            return true;
    }
    return false;
}

static bool has_failed(const struct onion_service *s, const uint8_t rsa_id[20])
{
    uint64_t now_ms = origin_now_ms(s->origin);
    for (unsigned i = 0; i < INTRO_FAILED_MAX; i++)
        if (now_ms < s->failures[i].until_ms && memcmp(s->failures[i].rsa_id, rsa_id, 20) == 0)
            return true;
    return false;
}

static bool allowed(const void *user, const struct node *n)
{
    const struct choice *c = user;
    const struct node_list *nodes = c->s->origin->nodes;
    const struct node *self = node_list_self(nodes);
    unsigned flags = n->status->flags;
    bool good = n->has_keys && n->has_ed_id && n->extend2 && n->hs_intro &&
                !(flags & ROUTER_MIDDLE_ONLY) &&
                (c->relaxed || ((flags & ROUTER_FAST) && (flags & ROUTER_STABLE)));
    return good && !node_excluded(nodes, n, NODE_ANYWHERE) &&
           (!self || !node_related(nodes, self, n)) && !is_ours(c->s, n->status->rsa_id) &&
           !has_failed(c->s, n->status->rsa_id);
}

static const struct node *choose(const struct onion_service *s)
{
    struct choice c = {.s = s};
    const struct node *n = path_draw(s->origin->nodes, WEIGHT_MIDDLE, allowed, &c);
    c.relaxed = true;
    return n ? n : path_draw(s->origin->nodes, WEIGHT_MIDDLE, allowed, &c);
}

static void add(struct onion_service *s, const struct node *n)
{
    struct own_circuit_hop hop;
    node_hop(n, &hop);
    struct intro_point *p = intro_point_make(s, &hop);
    if (!p)
        return;
    TAILQ_INSERT_TAIL(&s->points, p, entry);
    s->n_points++;
    log_info("onion service: introduction point %s is chosen", n->status->nickname);
}

static unsigned count_staying(const struct onion_service *s)
{
    const struct intro_point *p;
    unsigned n = 0;
    TAILQ_FOREACH(p, &s->points, entry)
    n += p->retires_ms == 0;
    return n;
}

// At the beginning some more are tried, of which the fastest stay.
static unsigned extra_of(const struct onion_service *s)
{
    return (unsigned)parameters_of(s->origin->relay)->intro_extra;
}

static void choose_missing(struct onion_service *s)
{
    unsigned have = count_staying(s), wanted = s->config->introduction_points;
    if (have == 0)
        wanted += extra_of(s);
    for (; have < wanted && s->n_points < SERVICE_POINTS_MAX; have++) {
        const struct node *n = choose(s);
        if (!n)
            return;
        add(s, n);
    }
}

// ---- circuits

// So that a network in which nothing works is not asked again and again.
static bool may_launch(struct onion_service *s, uint64_t now_ms)
{
    unsigned wanted = s->config->introduction_points;
    if (s->intro_period_ms == 0 || now_ms - s->intro_period_ms >= INTRO_PERIOD_MS) {
        s->intro_period_ms = now_ms;
        s->intro_circuits = 0;
    }
    return s->intro_circuits < wanted + extra_of(s) + wanted * INTRO_TRIES_MAX;
}

static void remember_failure(struct onion_service *s, const uint8_t rsa_id[20], uint64_t now_ms)
{
    struct intro_failure *oldest = &s->failures[0];
    for (unsigned i = 1; i < INTRO_FAILED_MAX; i++)
        if (s->failures[i].until_ms < oldest->until_ms)
            oldest = &s->failures[i];
    memcpy(oldest->rsa_id, rsa_id, 20);
    oldest->until_ms = now_ms + INTRO_PERIOD_MS;
}

static void remove_point(struct onion_service *s, struct intro_point *p, const char *why)
{
    bool told = p->established;
    log_info("onion service: introduction point %s is given up: %s",
             service_relay_name(s->origin, p->hop.target.rsa_id), why);
    TAILQ_REMOVE(&s->points, p, entry);
    s->n_points--;
    intro_point_free(p);
    if (told)
        service_descriptors_changed(s);
}

// NULL: it stays.
static const char *why_remove(const struct onion_service *s, const struct intro_point *p,
                              uint64_t now_ms)
{
    bool others = intro_points_established(s) >= s->config->introduction_points;
    if (p->retires_ms != 0 && (others || now_ms >= p->retires_ms || !p->circuit))
        return "others have its place";
    if (!p->circuit && p->tries > INTRO_TRIES_MAX)
        return "it could not be reached";
    return NULL;
}

static void look_at(struct onion_service *s, struct intro_point *p, uint64_t now_ms)
{
    intro_point_tick(p, now_ms);
    const char *why = why_remove(s, p, now_ms);
    if (why && p->retires_ms == 0)
        remember_failure(s, p->hop.target.rsa_id, now_ms);
    if (why)
        remove_point(s, p, why);
}

static void tell_ready(struct onion_service *s)
{
    bool ready = intro_points_established(s) >= s->config->introduction_points;
    if (ready && !s->ready_told)
        log_info("onion service: all %u introduction points are established",
                 s->config->introduction_points);
    s->ready_told = ready;
}

void intro_points_tick(struct onion_service *s)
{
    struct intro_point *p, *next;
    uint64_t now_ms = origin_now_ms(s->origin);
    for (p = TAILQ_FIRST(&s->points); p; p = next) {
        next = TAILQ_NEXT(p, entry);
        look_at(s, p, now_ms);
    }
    tell_ready(s);
    if (!origin_may_build(s->origin, NULL))
        return;
    choose_missing(s);
    TAILQ_FOREACH(p, &s->points, entry)
    {
        if (!p->circuit && may_launch(s, now_ms) && intro_point_launch(p))
            s->intro_circuits++;
    }
}

void intro_points_network_changed(struct onion_service *s)
{
    struct intro_point *p, *next;
    if (node_count(s->origin->nodes) == 0)
        return;
    for (p = TAILQ_FIRST(&s->points); p; p = next) {
        next = TAILQ_NEXT(p, entry);
        if (!node_find(s->origin->nodes, p->hop.target.rsa_id))
            remove_point(s, p, "it is not listed any more");
    }
}

void intro_points_free(struct onion_service *s)
{
    struct intro_point *p;
    while ((p = TAILQ_FIRST(&s->points))) {
        TAILQ_REMOVE(&s->points, p, entry);
        intro_point_free(p);
    }
    s->n_points = 0;
}
