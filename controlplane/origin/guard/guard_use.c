// SPDX-License-Identifier: BSD-3-Clause
// A circuit's guard: which one it gets, and whether the circuit may be used when it stands
// (guard-spec 4.9 to 4.13; protocol 9.19, 9.21).
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "crypto/random.h"
#include "origin/guard/guard_internal.h"

// ---- choosing

static struct guard *choose_primary(struct guards *g, struct guard_selection *s,
                                    const struct guard_rule *rule, bool for_directory)
{
    const struct parameters *p = guard_parameters(g);
    size_t most = (size_t)(for_directory ? p->guard_primary_dir_to_use : p->guard_primary_to_use);
    struct guard *usable[GUARD_SAMPLE_MAX];
    size_t n = 0, considered = 0;
    for (size_t i = 0; i < s->n && (considered < most || n == 0); i++) {
        struct guard *guard = s->sampled[i];
        if (!guard->primary)
            continue;
        guard_consider_retry(g, guard);
        if (!guard_obeys(g, guard, rule)) {
            considered++; // one that can't be reached doesn't count, one that must not be used does
            continue;
        }
        if (guard->reach == REACH_NO || (!for_directory && !guard_has_descriptor(g, guard)))
            continue;
        guard->tried_on = guards_now(g);
        usable[n++] = guard;
        considered++;
    }
    return n > 0 ? usable[random_uniform((uint32_t)n)] : NULL;
}

static struct guard *choose_confirmed(struct guards *g, struct guard_selection *s,
                                      const struct guard_rule *rule, bool for_directory)
{
    for (size_t i = 0; i < s->n; i++) {
        struct guard *guard = s->sampled[i];
        if (!guard_is_confirmed(guard) || guard->primary || !guard_obeys(g, guard, rule))
            continue;
        guard_consider_retry(g, guard);
        if (guard_is_usable(guard) && guard->pending == NULL &&
            (for_directory || guard_has_descriptor(g, guard)))
            return guard;
    }
    return NULL;
}

static struct guard *choose(struct guards *g, const struct guard_rule *rule, bool for_directory,
                            enum use_state *state)
{
    struct guard_selection *s = g->current;
    guards_update_primary(g, s);
    *state = USE_ON_COMPLETION;
    struct guard *guard = choose_primary(g, s, rule, for_directory);
    if (guard != NULL)
        return guard;
    *state = USE_IF_NO_BETTER;
    guard = choose_confirmed(g, s, rule, for_directory);
    if (guard == NULL)
        guard = guard_first_usable(g, s, rule,
                                   GUARD_NOT_CONFIRMED | GUARD_NOT_PRIMARY | GUARD_NOT_PENDING |
                                       (for_directory ? 0 : GUARD_WITH_DESCRIPTOR));
    if (guard == NULL)
        guards_mark_maybe(s, false); // from the beginning again, the next time
    else
        guard->tried_on = guards_now(g);
    return guard;
}

// Its microdescriptor is not here: it can be asked for directory documents, with CREATE_FAST.
static void hop_without_keys(const struct node *n, struct own_circuit_hop *hop)
{
    *hop = (struct own_circuit_hop){0};
    memcpy(hop->target.rsa_id, n->status->rsa_id, sizeof(hop->target.rsa_id));
    if (n->status->ipv4.family != ADDRESS_NONE)
        hop->target.addresses[hop->target.n_addresses++] = n->status->ipv4;
    if (n->status->ipv6.family != ADDRESS_NONE)
        hop->target.addresses[hop->target.n_addresses++] = n->status->ipv6;
}

static struct guard_use *begin_use(struct guards *g, struct guard *guard, enum use_state state,
                                   const struct guard_rule *rule)
{
    struct guard_use *use = malloc(sizeof(*use));
    if (use == NULL)
        return NULL;
    *use = (struct guard_use){.guards = g,
                              .guard = guard,
                              .state = state,
                              .since = guards_now(g),
                              .rule = *rule,
                              .next = g->uses};
    if (g->uses != NULL)
        g->uses->previous = use;
    g->uses = use;
    guard->n_uses++;
    if (state == USE_IF_NO_BETTER)
        guard->pending = use;
    return use;
}

struct guard_use *guard_choose(struct guards *g, const struct guard_restriction *restriction,
                               struct own_circuit_hop *hop, const struct node **node)
{
    struct guard_rule rule = {0};
    enum use_state state;
    bool for_directory = restriction != NULL && restriction->for_directory;
    if (restriction != NULL && restriction->exit != NULL) {
        rule.has_exit = true;
        memcpy(rule.exit, restriction->exit->status->rsa_id, sizeof(rule.exit));
    }
    struct guard *guard = choose(g, &rule, for_directory, &state);
    const struct node *n = guard != NULL ? guard_node(g, guard) : NULL;
    if (n == NULL || (!for_directory && !n->has_keys))
        return NULL;
    if (n->has_keys)
        node_hop(n, hop);
    else
        hop_without_keys(n, hop);
    if (node != NULL)
        *node = n;
    return begin_use(g, guard, state, &rule);
}

// ---- which of two is better

static bool is_better(const struct guard *a, const struct guard *b)
{
    if (a == b)
        return false;
    if (guard_is_confirmed(a) != guard_is_confirmed(b))
        return guard_is_confirmed(a);
    if (guard_is_confirmed(a))
        return a->confirmed_idx < b->confirmed_idx;
    if ((a->pending != NULL) != (b->pending != NULL))
        return a->pending != NULL;
    return a->pending != NULL && a->tried_on < b->tried_on;
}

static bool is_ours(const struct guards *g, const struct guard_use *use)
{
    return !use->guard->gone && use->guard->selection == g->current;
}

static bool all_primary_are_down(struct guards *g)
{
    guards_update_primary(g, g->current);
    for (size_t i = 0; i < g->current->n; i++) {
        struct guard *guard = g->current->sampled[i];
        if (!guard->primary)
            continue;
        guard_consider_retry(g, guard);
        if (guard->reach != REACH_NO)
            return false;
    }
    return true;
}

static struct guard_use *best_waiting(const struct guards *g)
{
    struct guard_use *best = NULL;
    for (struct guard_use *use = g->uses; use != NULL; use = use->next)
        if (use->state == USE_WAITING && is_ours(g, use) &&
            (best == NULL || is_better(use->guard, best->guard)))
            best = use;
    return best;
}

// A circuit with a better guard that the other one could have had stands, or may yet.
static bool is_blocked(const struct guards *g, const struct guard_use *waiting)
{
    int timeout_s = guard_parameters(g)->guard_connect_timeout_s;
    for (const struct guard_use *use = g->uses; use != NULL; use = use->next) {
        bool counts = use->state == USE_COMPLETE ||
                      (use->state == USE_IF_NO_BETTER &&
                       !guard_is_over(use->since, guards_now(g), timeout_s - 1));
        if (counts && is_ours(g, use) && guard_obeys(g, use->guard, &waiting->rule) &&
            is_better(use->guard, waiting->guard))
            return true;
    }
    return false;
}

// The best of those that wait, and those that are as good, may be used, unless something better may
// still come.
static void release_waiting(struct guards *g)
{
    struct guard_use *best = best_waiting(g);
    if (best == NULL || !all_primary_are_down(g) || is_blocked(g, best))
        return;
    for (struct guard_use *use = g->uses; use != NULL; use = use->next) {
        if (use->state != USE_WAITING || !is_ours(g, use) || (use != best && best->rule.has_exit) ||
            (use != best && is_better(best->guard, use->guard)))
            continue;
        use->state = USE_COMPLETE;
        use->since = guards_now(g);
    }
}

// ---- what becomes of it

// The guard answered. True: after so long a time without an answer that primary ones may, too.
static bool note_answer(struct guards *g)
{
    time_t before = g->last_answer;
    g->last_answer = guards_now(g);
    return guard_is_over(before, guards_now(g), guard_parameters(g)->guard_network_down_s);
}

enum guard_verdict guard_use_succeeded(struct guard_use *use)
{
    struct guards *g = use->guards;
    struct guard *guard = use->guard;
    if (guard->gone)
        return GUARD_DISCARD;
    bool was_down = note_answer(g);
    guard->reach = REACH_YES;
    guard->failing_since = 0;
    guard->pending = NULL;
    if (!guard_is_confirmed(guard))
        guard_confirm(g, guard);
    guards_update_primary(g, guard->selection);
    if (use->state == USE_ON_COMPLETION || (use->state == USE_IF_NO_BETTER && guard->primary))
        use->state = USE_COMPLETE;
    else if (use->state == USE_IF_NO_BETTER)
        use->state = USE_WAITING;
    use->since = guards_now(g);
    if (!guard->primary && was_down)
        guards_mark_maybe(guard->selection, true);
    return use->state == USE_COMPLETE ? GUARD_USABLE : GUARD_WAIT;
}

enum guard_verdict guard_use_look(struct guard_use *use)
{
    struct guards *g = use->guards;
    if (use->state == USE_COMPLETE)
        return GUARD_USABLE;
    if (use->guard->gone)
        return GUARD_DISCARD;
    if (use->state != USE_WAITING)
        return GUARD_WAIT;
    release_waiting(g);
    if (use->state == USE_COMPLETE)
        return GUARD_USABLE;
    return guard_is_over(use->since, guards_now(g), guard_parameters(g)->guard_idle_timeout_s)
               ? GUARD_DISCARD
               : GUARD_WAIT;
}

void guard_use_failed(struct guard_use *use)
{
    struct guards *g = use->guards;
    struct guard *guard = use->guard;
    guard->reach = REACH_NO;
    guard->pending = NULL;
    if (guard->failing_since == 0)
        guard->failing_since = guards_now(g);
    log_info("guard %s%s cannot be reached", guard->primary ? "(primary) " : "", guard->nickname);
    guard_use_end(use);
}

void guard_use_end(struct guard_use *use)
{
    struct guard *guard = use->guard;
    if (guard->pending == use)
        guard->pending = NULL;
    if (use->previous != NULL)
        use->previous->next = use->next;
    else
        use->guards->uses = use->next;
    if (use->next != NULL)
        use->next->previous = use->previous;
    free(use);
    if (--guard->n_uses == 0 && guard->gone)
        guard_free(guard);
}

const uint8_t *guard_use_rsa_id(const struct guard_use *use)
{
    return use->guard->rsa_id;
}
