// SPDX-License-Identifier: BSD-3-Clause
// The sampled guards: drawn from the consensus, kept for months, dropped when they are old or no
// longer listed (guard-spec 4.2 to 4.5; protocol 9.19, 9.20).
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/random.h"
#include "identity/identity.h"
#include "origin/guard/guard_internal.h"
#include "origin/path/path.h"
#include "origin/state/state_file.h"

enum { DAY_S = 86400 };

time_t guards_random_time(time_t now, time_t most_s)
{
    if (most_s > UINT32_MAX)
        most_s = UINT32_MAX;
    time_t time = now - (time_t)random_uniform((uint32_t)(most_s > 0 ? most_s : 1)) - 1;
    return time > 0 ? time : 1;
}

void guards_changed(struct guards *g)
{
    state_file_changed(g->origin->state, GUARD_SAVE_S);
}

// ---- nodes

const struct node *guard_node(const struct guards *g, const struct guard *guard)
{
    return g->origin->nodes != NULL ? node_find(g->origin->nodes, guard->rsa_id) : NULL;
}

bool guard_has_descriptor(const struct guards *g, const struct guard *guard)
{
    const struct node *n = guard_node(g, guard);
    return n != NULL && n->has_keys;
}

static bool node_is_possible(const struct guards *g, const struct node *n)
{
    const unsigned needed =
        ROUTER_GUARD | ROUTER_STABLE | ROUTER_FAST | ROUTER_VALID | ROUTER_V2DIR;
    const struct identity *own = g->relay->identity;
    return (n->status->flags & needed) == needed &&
           (own == NULL || memcmp(own->rsa_id, n->status->rsa_id, sizeof(own->rsa_id)) != 0);
}

static bool node_is_allowed(const struct guards *g, const struct node *n)
{
    return !node_excluded(g->origin->nodes, n, NODE_GUARD);
}

// Only a consensus of these days tells who is a guard.
static bool has_live_consensus(const struct guards *g)
{
    const struct consensus *c =
        g->origin->nodes != NULL ? node_list_consensus(g->origin->nodes) : NULL;
    return c != NULL && consensus_is_reasonably_live(c, guards_now(g));
}

// ---- the list

struct guard *guard_find(const struct guard_selection *s, const uint8_t rsa_id[20])
{
    for (size_t i = 0; i < s->n; i++)
        if (memcmp(s->sampled[i]->rsa_id, rsa_id, sizeof(s->sampled[i]->rsa_id)) == 0)
            return s->sampled[i];
    return NULL;
}

bool guard_sample_append(struct guard_selection *s, struct guard *guard)
{
    if (s->n == s->capacity) {
        size_t capacity = s->capacity == 0 ? 64 : 2 * s->capacity;
        struct guard **grown = realloc(s->sampled, capacity * sizeof(struct guard *));
        if (grown == NULL)
            return false;
        s->sampled = grown;
        s->capacity = capacity;
    }
    guard->selection = s;
    s->sampled[s->n++] = guard;
    return true;
}

void guard_free(struct guard *guard)
{
    if (guard == NULL)
        return;
    free(guard->sampled_by);
    free(guard->extra);
    free(guard);
}

void guard_drop(struct guard_selection *s, size_t index)
{
    struct guard *guard = s->sampled[index];
    s->n--;
    memmove(s->sampled + index, s->sampled + index + 1, (s->n - index) * sizeof(struct guard *));
    s->primary_stale = true;
    guard->gone = true;
    guard->primary = false;
    guard->filtered = false;
    if (guard->n_uses == 0)
        guard_free(guard);
}

// ---- by the consensus

static bool note_presence(const struct guards *g, struct guard *guard)
{
    const struct node *n = guard_node(g, guard);
    bool listed = n != NULL && node_is_possible(g, n);
    if (listed == guard->listed && listed == (guard->unlisted_since == 0))
        return false;
    guard->listed = listed;
    time_t slop = (time_t)guard_parameters(g)->guard_unlisted_days * DAY_S / 5;
    guard->unlisted_since = listed ? 0 : guards_random_time(guards_now(g), slop);
    log_info("guard %s is %s", guard->nickname, listed ? "listed again" : "no longer listed");
    return true;
}

static bool is_obsolete(const struct guards *g, const struct guard *guard)
{
    const struct parameters *p = guard_parameters(g);
    time_t now = guards_now(g);
    if (!guard->listed && guard->unlisted_since < now - (time_t)p->guard_unlisted_days * DAY_S)
        return true;
    if (guard->confirmed_on == 0)
        return guard->sampled_on < now - (time_t)p->guard_lifetime_days * DAY_S;
    return guard->confirmed_on < now - (time_t)p->guard_confirmed_lifetime_days * DAY_S;
}

void guard_sample_update(struct guards *g, struct guard_selection *s)
{
    bool changed = false;
    if (!has_live_consensus(g))
        return;
    for (size_t i = 0; i < s->n; i++)
        changed |= note_presence(g, s->sampled[i]);
    for (size_t i = s->n; i-- > 0;) {
        if (!is_obsolete(g, s->sampled[i]))
            continue;
        log_info("guard %s is dropped after its time", s->sampled[i]->nickname);
        guard_drop(s, i);
        changed = true;
    }
    if (changed)
        guards_changed(g);
}

static void filter_one(struct guards *g, struct guard_selection *s, struct guard *guard)
{
    const struct node *n = guard->listed && !guard->bias.disabled ? guard_node(g, guard) : NULL;
    bool filtered = n != NULL && node_is_allowed(g, n);
    if (filtered != guard->filtered)
        s->primary_stale = true;
    guard->filtered = filtered;
}

void guard_sample_filter(struct guards *g, struct guard_selection *s)
{
    for (size_t i = 0; i < s->n; i++)
        filter_one(g, s, s->sampled[i]);
}

// ---- sampling

// Of each node by its index: it may be sampled.
struct eligible {
    const bool *nodes;
    size_t n;
};

static bool is_eligible(const void *user, const struct node *n)
{
    const struct eligible *e = user;
    return n->index < e->n && e->nodes[n->index];
}

// The number of guards that there are, sampled ones too.
static size_t find_eligible(const struct guards *g, const struct guard_selection *s, bool *eligible,
                            size_t n)
{
    size_t guards = 0;
    for (size_t i = 0; i < n; i++) {
        const struct node *node = node_at(g->origin->nodes, i);
        eligible[i] = node_is_possible(g, node) && (!s->restricted || node_is_allowed(g, node));
        guards += eligible[i];
    }
    for (size_t i = 0; i < s->n; i++) {
        const struct node *node = guard_node(g, s->sampled[i]);
        if (node != NULL && node->index < n)
            eligible[node->index] = false;
    }
    return guards;
}

static size_t sample_max(const struct guards *g, size_t guards)
{
    const struct parameters *p = guard_parameters(g);
    size_t most = guards * (size_t)p->guard_sample_percent / 100;
    if (most > (size_t)p->guard_sample_max)
        most = (size_t)p->guard_sample_max;
    if (most < (size_t)p->guard_filtered_min)
        most = (size_t)p->guard_filtered_min;
    return most < GUARD_SAMPLE_MAX ? most : GUARD_SAMPLE_MAX;
}

static struct guard *sample_one(struct guards *g, struct guard_selection *s, const struct node *n)
{
    struct guard *guard = calloc(1, sizeof(*guard));
    if (guard == NULL)
        return NULL;
    memcpy(guard->rsa_id, n->status->rsa_id, sizeof(guard->rsa_id));
    snprintf(guard->nickname, sizeof(guard->nickname), "%s", n->status->nickname);
    guard->sampled_on = guards_random_time(
        guards_now(g), (time_t)guard_parameters(g)->guard_lifetime_days * DAY_S / 10);
    guard->sampled_by = strdup("ramson-" RAMSON_VERSION);
    guard->listed = true;
    guard->confirmed_idx = -1;
    if (!guard_sample_append(s, guard)) {
        guard_free(guard);
        return NULL;
    }
    filter_one(g, s, guard);
    guards_changed(g);
    return guard;
}

static size_t count_usable(struct guards *g, const struct guard_selection *s)
{
    size_t usable = 0;
    for (size_t i = 0; i < s->n; i++) {
        guard_consider_retry(g, s->sampled[i]);
        usable += guard_is_usable(s->sampled[i]);
    }
    return usable;
}

void guard_sample_expand(struct guards *g, struct guard_selection *s)
{
    size_t wanted = (size_t)guard_parameters(g)->guard_filtered_min;
    size_t usable = count_usable(g, s),
           n = has_live_consensus(g) ? node_count(g->origin->nodes) : 0;
    if (n == 0 || usable >= wanted)
        return;
    bool *nodes = calloc(n, sizeof(*nodes));
    if (nodes == NULL)
        return;
    struct eligible eligible = {nodes, n};
    size_t most = sample_max(g, find_eligible(g, s, nodes, n));
    while (usable < wanted && s->n < most) {
        const struct node *drawn =
            path_draw(g->origin->nodes, WEIGHT_GUARD, is_eligible, &eligible);
        struct guard *guard = drawn != NULL ? sample_one(g, s, drawn) : NULL;
        if (guard == NULL)
            break;
        nodes[drawn->index] = false;
        usable += guard_is_usable(guard);
    }
    free(nodes);
}

// ---- which selection

// What part of the guards the config must leave us, in percent, for this selection to be the
// default one. What is in force changes only by a step beyond the limit.
static bool wants_restricted(struct guards *g, size_t guards, size_t allowed)
{
    const struct parameters *p = guard_parameters(g);
    double limit = (double)guards * p->guard_restriction_percent / 100;
    double extreme = (double)guards * p->guard_extreme_percent / 100;
    if (guards > 0 && allowed < (size_t)extreme && !g->said_extreme) {
        g->said_extreme = true;
        log_warn("the configuration excludes %u %% of all guards: that sets this client apart from "
                 "all others",
                 (unsigned)((guards - allowed) * 100 / guards));
    }
    if (!g->has_chosen)
        return allowed < (size_t)limit;
    if (g->current == &g->selections[SELECTION_RESTRICTED])
        return allowed < (size_t)(limit * 1.05);
    return allowed < (size_t)(limit * 0.95);
}

bool guards_choose_selection(struct guards *g)
{
    size_t guards = 0, allowed = 0;
    if (!has_live_consensus(g))
        return false;
    for (size_t i = 0; i < node_count(g->origin->nodes); i++) {
        const struct node *n = node_at(g->origin->nodes, i);
        if (!node_is_possible(g, n))
            continue;
        guards++;
        allowed += node_is_allowed(g, n);
    }
    struct guard_selection *s =
        &g->selections[wants_restricted(g, guards, allowed) ? SELECTION_RESTRICTED
                                                            : SELECTION_DEFAULT];
    g->has_chosen = true;
    if (s == g->current)
        return false;
    log_notice("guards are chosen from the %s selection now", s->name);
    g->current = s;
    return true;
}
