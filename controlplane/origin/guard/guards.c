// SPDX-License-Identifier: BSD-3-Clause
// All guards: their life, their lines in the state file, and who looks at them.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "origin/guard/guard_internal.h"
#include "origin/state/state_file.h"

static const char *const keywords[] = {"Guard", NULL};

// ---- reading lines

static struct guard_selection *selection_named(struct guards *g, struct text name)
{
    for (unsigned i = 0; i < SELECTIONS; i++)
        if (text_is(name, g->selections[i].name))
            return &g->selections[i];
    return NULL;
}

// Bridges', and those of programs to come.
static void keep_foreign(struct guards *g, const char *value)
{
    if (g->n_foreign == GUARD_FOREIGN_MAX)
        return;
    char *copy = strdup(value);
    if (copy != NULL)
        g->foreign[g->n_foreign++] = copy;
}

static void leave_out(struct guards *g, const char *why)
{
    g->n_left_out++;
    g->left_out_why = why;
}

static void load_one(struct guards *g, struct guard_line *line, const char *value)
{
    struct guard_selection *s = selection_named(g, line->in);
    if (s == NULL) {
        keep_foreign(g, value);
    } else if (guard_find(s, line->guard->rsa_id) != NULL) {
        leave_out(g, "it is there twice");
    } else if (s->n == GUARD_SAMPLE_MAX) {
        leave_out(g, "there are too many");
    } else {
        guard_bias_check(g, line->guard);
        if (guard_sample_append(s, line->guard))
            return;
    }
    guard_free(line->guard);
}

static void load(void *user, const char *keyword, const char *value)
{
    struct guards *g = user;
    struct guard_line line;
    const char *wrong = "no memory";
    (void)keyword;
    if (guard_line_read(value, guards_now(g), &line, &wrong) < 0)
        leave_out(g, wrong);
    else
        load_one(g, &line, value);
}

// Stable, and nearly sorted it is.
static void sort_loaded(struct guard_selection *s)
{
    for (size_t i = 1; i < s->n; i++) {
        struct guard *guard = s->sampled[i];
        size_t k = i;
        for (; k > 0 && s->sampled[k - 1]->loaded_idx > guard->loaded_idx; k--)
            s->sampled[k] = s->sampled[k - 1];
        s->sampled[k] = guard;
    }
}

static void save(void *user, struct state_writer *w)
{
    struct guards *g = user;
    for (unsigned i = 0; i < SELECTIONS; i++)
        for (size_t k = 0; k < g->selections[i].n; k++)
            guard_line_write(w, g, g->selections[i].sampled[k], k);
    for (size_t i = 0; i < g->n_foreign; i++)
        state_write(w, "Guard", "%s", g->foreign[i]);
}

static const struct state_section section = {keywords, load, save};

// ---- life

struct guards *guards_create(struct origin *origin)
{
    struct guards *g = calloc(1, sizeof(*g));
    if (g == NULL)
        return NULL;
    g->origin = origin;
    g->relay = origin->relay;
    g->foreign = calloc(GUARD_FOREIGN_MAX, sizeof(*g->foreign));
    if (g->foreign == NULL) {
        free(g);
        return NULL;
    }
    g->selections[SELECTION_DEFAULT] = (struct guard_selection){.name = "default"};
    g->selections[SELECTION_RESTRICTED] =
        (struct guard_selection){.name = "restricted", .restricted = true};
    g->current = &g->selections[SELECTION_DEFAULT];
    state_file_register(origin->state, &section, g);
    if (g->n_left_out > 0)
        log_warn("the state file: %u guards are left out (the last one: %s)", g->n_left_out,
                 g->left_out_why);
    for (unsigned i = 0; i < SELECTIONS; i++) {
        sort_loaded(&g->selections[i]);
        guards_renumber_confirmed(g, &g->selections[i]);
    }
    if (origin->nodes != NULL)
        guards_refresh(g);
    return g;
}

void guards_free(struct guards *g)
{
    if (g == NULL)
        return;
    state_file_unregister(g->origin->state, g);
    for (unsigned i = 0; i < SELECTIONS; i++) {
        for (size_t k = 0; k < g->selections[i].n; k++)
            guard_free(g->selections[i].sampled[k]);
        free(g->selections[i].sampled);
    }
    for (size_t i = 0; i < g->n_foreign; i++)
        free(g->foreign[i]);
    free(g->foreign);
    free(g);
}

bool guards_refresh(struct guards *g)
{
    bool changed = guards_choose_selection(g);
    struct guard_selection *s = g->current;
    guard_sample_update(g, s);
    guard_sample_filter(g, s);
    guards_renumber_confirmed(g, s);
    s->primary_stale = true;
    guards_update_primary(g, s);
    return changed;
}

void guards_tick(struct guards *g)
{
    for (size_t i = 0; i < g->current->n; i++)
        guard_consider_retry(g, g->current->sampled[i]);
}

// ---- what is to be known of them

bool guards_have_descriptors(const struct guards *g)
{
    // One more than is used at a time, so that the loss of one is no loss of time.
    size_t left = (size_t)guard_parameters(g)->guard_primary_to_use + 1;
    for (size_t i = 0; i < g->current->n && left > 0; i++) {
        const struct guard *guard = g->current->sampled[i];
        bool down = guard->reach == REACH_NO && !guard_retry_is_due(guard, guards_now(g));
        if (!guard->primary || down)
            continue;
        if (!guard_has_descriptor(g, guard))
            return false;
        left--;
    }
    return true;
}

bool guards_network_down(const struct guards *g)
{
    size_t primary = 0;
    for (size_t i = 0; i < g->current->n; i++) {
        const struct guard *guard = g->current->sampled[i];
        if (!guard->primary)
            continue;
        primary++;
        // Those that may be tried again have not answered either.
        if (guard->failing_since == 0 || guard->reach == REACH_YES)
            return false;
    }
    return primary > 0 &&
           guard_is_over(g->last_answer, guards_now(g), guard_parameters(g)->guard_network_down_s);
}

static void tell(const struct guard *guard, void (*each)(void *user, const struct guard_info *info),
                 void *user)
{
    struct guard_info info = {
        .listed = guard->listed,
        .filtered = guard->filtered,
        .confirmed = guard_is_confirmed(guard),
        .primary = guard->primary,
        .reachable = guard->reach == REACH_YES  ? GUARD_REACHABLE_YES
                     : guard->reach == REACH_NO ? GUARD_REACHABLE_NO
                                                : GUARD_REACHABLE_MAYBE,
        .sampled_on = guard->sampled_on,
        .confirmed_on = guard->confirmed_on,
        .unlisted_since = guard->unlisted_since,
        .circuits = guard->n_uses,
    };
    memcpy(info.rsa_id, guard->rsa_id, sizeof(info.rsa_id));
    memcpy(info.nickname, guard->nickname, sizeof(info.nickname));
    each(user, &info);
}

static unsigned rank(const struct guard *guard)
{
    return guard->primary ? 0 : guard_is_confirmed(guard) ? 1 : 2;
}

void guards_each(const struct guards *g, void (*each)(void *user, const struct guard_info *info),
                 void *user)
{
    for (unsigned r = 0; r < 3; r++)
        for (size_t i = 0; i < g->current->n; i++)
            if (rank(g->current->sampled[i]) == r)
                tell(g->current->sampled[i], each, user);
}
