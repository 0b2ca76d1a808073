// SPDX-License-Identifier: BSD-3-Clause
// Which of the sampled guards are confirmed and which are primary, and when those that could not be
// reached are tried again (guard-spec 4.6 to 4.8; protocol 9.19, 9.21).
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "origin/guard/guard_internal.h"

enum { HOUR_S = 3600, DAY_S = 86400 };

// ---- retries

static long long retry_after_s(const struct guard *guard, time_t now)
{
    static const struct {
        long long failing_s, primary_s, other_s;
    } steps[] = {
        {6 * HOUR_S, 600, 1 * HOUR_S},
        {4 * DAY_S, 5400, 4 * HOUR_S},
        {7 * DAY_S, 4 * HOUR_S, 18 * HOUR_S},
        {LLONG_MAX, 9 * HOUR_S, 36 * HOUR_S},
    };
    long long failing_s = now > guard->failing_since ? now - guard->failing_since : 0;
    unsigned i = 0;
    while (failing_s > steps[i].failing_s)
        i++;
    return guard->primary ? steps[i].primary_s : steps[i].other_s;
}

bool guard_retry_is_due(const struct guard *guard, time_t now)
{
    return guard->reach == REACH_NO &&
           guard_is_over(guard->tried_on, now, retry_after_s(guard, now) - 1);
}

void guard_consider_retry(const struct guards *g, struct guard *guard)
{
    if (guard_retry_is_due(guard, guards_now(g)))
        guard->reach = REACH_MAYBE; // it still counts as failing since then
}

void guards_mark_maybe(struct guard_selection *s, bool primary_only)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->sampled[i]->reach == REACH_NO && (!primary_only || s->sampled[i]->primary))
            s->sampled[i]->reach = REACH_MAYBE;
}

// ---- choosing one

bool guard_obeys(const struct guards *g, const struct guard *guard, const struct guard_rule *rule)
{
    if (!rule->has_exit)
        return true;
    if (memcmp(guard->rsa_id, rule->exit, sizeof(rule->exit)) == 0)
        return false;
    const struct node *n = guard_node(g, guard);
    const struct node *exit = n != NULL ? node_find(g->origin->nodes, rule->exit) : NULL;
    return exit == NULL || !node_related(g->origin->nodes, n, exit);
}

static size_t count_usable(struct guards *g, struct guard_selection *s,
                           const struct guard_rule *rule)
{
    size_t usable = 0;
    for (size_t i = 0; i < s->n; i++) {
        guard_consider_retry(g, s->sampled[i]);
        usable += guard_is_usable(s->sampled[i]) && guard_obeys(g, s->sampled[i], rule);
    }
    return usable;
}

struct guard *guard_first_usable(struct guards *g, struct guard_selection *s,
                                 const struct guard_rule *rule, unsigned flags)
{
    if (count_usable(g, s, rule) < (size_t)guard_parameters(g)->guard_filtered_min)
        guard_sample_expand(g, s);
    if (!(flags & GUARD_KEEP_PRIMARY))
        guards_update_primary(g, s);
    for (size_t i = 0; i < s->n; i++) {
        struct guard *guard = s->sampled[i];
        if (!guard_is_usable(guard) ||
            ((flags & GUARD_NOT_CONFIRMED) && guard_is_confirmed(guard)) ||
            ((flags & GUARD_NOT_PRIMARY) && guard->primary) ||
            ((flags & GUARD_NOT_PENDING) && guard->pending != NULL) ||
            ((flags & GUARD_WITH_DESCRIPTOR) && !guard_has_descriptor(g, guard)) ||
            !guard_obeys(g, guard, rule))
            continue;
        return guard;
    }
    return NULL;
}

// ---- confirmed

static int by_confirmed_idx(const void *a, const void *b)
{
    const struct guard *const *x = a, *const *y = b;
    if ((*x)->confirmed_idx != (*y)->confirmed_idx)
        return (*x)->confirmed_idx < (*y)->confirmed_idx ? -1 : 1;
    return (*x)->sampled_on < (*y)->sampled_on ? -1 : (*x)->sampled_on > (*y)->sampled_on;
}

void guards_renumber_confirmed(struct guards *g, struct guard_selection *s)
{
    struct guard *confirmed[GUARD_SAMPLE_MAX];
    size_t n = 0;
    for (size_t i = 0; i < s->n && n < GUARD_SAMPLE_MAX; i++)
        if (guard_is_confirmed(s->sampled[i]))
            confirmed[n++] = s->sampled[i];
    qsort(confirmed, n, sizeof(confirmed[0]), by_confirmed_idx);
    for (size_t i = 0; i < n; i++) {
        if (confirmed[i]->confirmed_idx != (int)i)
            guards_changed(g);
        confirmed[i]->confirmed_idx = (int)i;
    }
    s->next_confirmed_idx = (int)n;
}

void guard_confirm(struct guards *g, struct guard *guard)
{
    time_t lifetime_s = (time_t)guard_parameters(g)->guard_lifetime_days * DAY_S;
    guard->confirmed_on = guards_random_time(guards_now(g), lifetime_s / 10);
    guard->confirmed_idx = guard->selection->next_confirmed_idx++;
    guard->selection->primary_stale = true;
    log_info("guard %s is confirmed", guard->nickname);
    guards_changed(g);
}

// ---- primary

// Those of the sample that `fits`, in its order, as long as there is room.
static size_t take(struct guard_selection *s, bool *chosen, size_t n, size_t most,
                   bool (*fits)(const struct guard *guard))
{
    for (size_t i = 0; i < s->n && n < most; i++)
        if (!chosen[i] && s->sampled[i]->filtered && fits(s->sampled[i])) {
            chosen[i] = true;
            n++;
        }
    return n;
}

static bool fits_confirmed(const struct guard *guard)
{
    return guard_is_confirmed(guard);
}

static bool fits_primary(const struct guard *guard)
{
    return guard->primary;
}

void guards_update_primary(struct guards *g, struct guard_selection *s)
{
    static const struct guard_rule anybody;
    bool chosen[GUARD_SAMPLE_MAX] = {false};
    size_t most = (size_t)guard_parameters(g)->guard_primary;
    if (!s->primary_stale)
        return;
    s->primary_stale = false;
    size_t n = take(s, chosen, 0, most, fits_confirmed);
    n = take(s, chosen, n, most, fits_primary);
    for (size_t i = 0; i < s->n; i++)
        s->sampled[i]->primary = chosen[i];
    while (n < most) {
        struct guard *guard = guard_first_usable(
            g, s, &anybody, GUARD_NOT_CONFIRMED | GUARD_NOT_PRIMARY | GUARD_KEEP_PRIMARY);
        if (guard == NULL)
            break;
        guard->primary = true;
        n++;
    }
    s->primary_stale = false; // sampling more may have said otherwise
}
