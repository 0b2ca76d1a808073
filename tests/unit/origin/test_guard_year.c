// SPDX-License-Identifier: BSD-3-Clause
// A year with 500 relays that come and go, fail and return, with circuits and restarts in between:
// what must always be true of guards is true at every hour.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/random.h"
#include "guard_world.h"

enum { HOUR = 3600, DAY = 86400, RELAYS = 500, HOURS = 365 * 24, OPEN_MAX = 16 };

static bool chance(unsigned one_in)
{
    return random_uniform(one_in) == 0;
}

// ---- what must be true

static void check_sets(const struct world *w)
{
    const struct guard_selection *s = w->origin.guards->current;
    size_t primary = 0, confirmed = 0, filtered_confirmed = 0;
    bool indices[GUARD_SAMPLE_MAX] = {false};
    assert_in_range(s->n, 3, 60); // it grows when one is looked for
    for (size_t i = 0; i < s->n; i++) {
        const struct guard *g = s->sampled[i];
        const struct node *n = node_find(w->origin.nodes, g->rsa_id);
        assert_true(g->listed == (n != NULL));
        assert_true(g->listed == (g->unlisted_since == 0));
        assert_true(g->filtered == g->listed);
        assert_true(guard_is_confirmed(g) == (g->confirmed_on != 0));
        assert_false(g->gone);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(s->sampled[k]->rsa_id, g->rsa_id, 20);
        if (g->primary)
            assert_true(g->filtered);
        primary += g->primary;
        if (!guard_is_confirmed(g))
            continue;
        confirmed++;
        assert_in_range(g->confirmed_idx, 0, s->n - 1);
        assert_false(indices[g->confirmed_idx]);
        indices[g->confirmed_idx] = true;
        // The first ones that are confirmed and can be used are primary before all others.
        if (g->filtered && filtered_confirmed++ < 3)
            assert_true(g->primary);
    }
    assert_int_equal(primary, 3); // there are always so many that can be used
}

// A guard goes when it is too old or was away for too long, and then only.
static bool may_go(const struct guard *g)
{
    return (!g->listed && g->unlisted_since < world_now - 20 * DAY) ||
           (g->confirmed_on == 0 ? g->sampled_on < world_now - 120 * DAY
                                 : g->confirmed_on < world_now - 60 * DAY);
}

struct sample {
    struct guard guards[GUARD_SAMPLE_MAX];
    size_t n;
};

static void remember(const struct world *w, struct sample *out)
{
    const struct guard_selection *s = w->origin.guards->current;
    out->n = s->n;
    for (size_t i = 0; i < s->n; i++)
        out->guards[i] = *s->sampled[i];
}

static void check_change(const struct world *w, const struct sample *before)
{
    const struct guard_selection *s = w->origin.guards->current;
    size_t k = 0;
    for (size_t i = 0; i < before->n; i++) {
        const struct guard *was = &before->guards[i];
        // In the same order, new ones behind.
        if (k < s->n && memcmp(s->sampled[k]->rsa_id, was->rsa_id, 20) == 0 &&
            s->sampled[k]->sampled_on == was->sampled_on) {
            assert_false(may_go(s->sampled[k]));
            k++;
        } else {
            assert_true(may_go(was));
        }
    }
    for (; k < s->n; k++) {
        assert_in_range(s->sampled[k]->sampled_on, world_now - 12 * DAY - HOUR, world_now);
        assert_string_equal(s->sampled[k]->sampled_by, "ramson-" RAMSON_VERSION);
    }
}

// What is written is what is there.
static void check_text(const struct world *w)
{
    const struct guard_selection *s = w->origin.guards->current;
    size_t length, n = 0;
    char *text = state_file_text(w->origin.state, &length);
    for (char *at = text; (at = strstr(at, "\nGuard ")) != NULL; n++) {
        struct guard_line line;
        const char *wrong;
        char *end = strchr(at += strlen("\nGuard "), '\n');
        *end = '\0';
        assert_int_equal(guard_line_read(at, world_now, &line, &wrong), 0);
        *end = '\n';
        const struct guard *g = s->sampled[n], *read = line.guard;
        assert_true(n < s->n);
        assert_int_equal(read->loaded_idx, n);
        assert_memory_equal(read->rsa_id, g->rsa_id, 20);
        assert_string_equal(read->nickname, g->nickname);
        assert_int_equal(read->sampled_on, g->sampled_on);
        assert_int_equal(read->listed, g->listed);
        assert_int_equal(read->unlisted_since, g->unlisted_since);
        assert_int_equal(read->confirmed_idx, g->confirmed_idx);
        assert_int_equal(read->confirmed_on, g->confirmed_on);
        guard_free(line.guard);
        at = end;
    }
    assert_int_equal(n, s->n);
    free(text);
}

// ---- what happens

static void relays_come_and_go(struct world *w)
{
    for (size_t i = 0; i < w->n_relays; i++) {
        struct world_relay *r = &w->relays[i];
        // Some for hours, some for weeks.
        if (chance(r->listed ? 400 : i % 2 ? 12 : 900))
            r->listed = !r->listed;
        if (chance(r->up ? 200 : 20))
            r->up = !r->up;
    }
}

static void end_one(struct guard_use **open)
{
    unsigned i = random_uniform(OPEN_MAX);
    if (open[i] != NULL)
        guard_use_end(open[i]);
    open[i] = NULL;
}

static void try_some(struct world *w, struct guard_use **open)
{
    unsigned n = random_uniform(6);
    for (unsigned k = 0; k < n; k++) {
        unsigned i = random_uniform(OPEN_MAX);
        if (open[i] != NULL) {
            guard_use_look(open[i]);
            continue;
        }
        struct guard_use *use = world_choose(w);
        struct world_relay *r = world_guard_of(w, use);
        if (use == NULL)
            continue;
        if (!r->up) {
            guard_use_failed(use);
            continue;
        }
        open[i] = use;
        if (!chance(10))
            guard_use_succeeded(use);
    }
}

static void test_a_year(void **state)
{
    (void)state;
    struct world *w = world_create(RELAYS);
    struct guard_use *open[OPEN_MAX] = {NULL};
    static struct sample before;
    unsigned restarts = 0;
    for (unsigned hour = 0; hour < HOURS; hour++) {
        remember(w, &before);
        relays_come_and_go(w);
        world_publish(w);
        check_change(w, &before);
        try_some(w, open);
        for (unsigned k = 0; k < 4; k++)
            end_one(open);
        guards_update_primary(w->origin.guards, w->origin.guards->current);
        check_sets(w);
        check_text(w);
        if (chance(100)) {
            for (unsigned k = 0; k < OPEN_MAX; k++)
                if (open[k] != NULL)
                    guard_use_end(open[k]);
            memset(open, 0, sizeof(open));
            remember(w, &before);
            world_restart(w);
            check_change(w, &before);
            restarts++;
        }
        world_pass(w, HOUR);
    }
    for (unsigned k = 0; k < OPEN_MAX; k++)
        if (open[k] != NULL)
            guard_use_end(open[k]);
    assert_true(restarts > 20);
    assert_false(temp_exists(&w->dir, "state.0"));
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_year),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
