// SPDX-License-Identifier: BSD-3-Clause
// A state file that anyone may have written: its lines, its guards, and what is written again.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "guard_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RELAYS = 64 };

// Its relays' ids are 0 to 63, so that an input can have them.
static struct world *make_world(void)
{
    struct world *w = world_create(RELAYS);
    world_end(w);
    temp_dir_remove(&w->dir); // nothing is written from now on
    for (unsigned i = 0; i < RELAYS; i++) {
        memset(w->relays[i].status.rsa_id, 0, 20);
        w->relays[i].status.rsa_id[19] = (uint8_t)i;
        w->relays[i].up = i % 3 != 0;
        w->relays[i].excluded = i % 7 == 0;
        w->relays[i].family = i % 5;
    }
    log_set_level(LOG_LEVEL_ERROR);
    return w;
}

static void check(const struct guard_selection *s)
{
    if (s->n > GUARD_SAMPLE_MAX)
        abort();
    for (size_t i = 0; i < s->n; i++)
        if (s->sampled[i]->confirmed_idx >= s->next_confirmed_idx || s->sampled[i]->gone ||
            memchr(s->sampled[i]->nickname, '\0', sizeof(s->sampled[i]->nickname)) == NULL)
            abort();
}

static void use(struct world *w)
{
    for (unsigned i = 0; i < 8; i++) {
        world_try(w, NULL);
        check(w->origin.guards->current);
    }
    world_pass(w, 1);
    world_look(w);
}

// What was written is read and written as it is.
static void check_again(struct world *w, const char *text, size_t length)
{
    struct node_list *nodes = w->origin.nodes;
    size_t length_again;
    w->origin.nodes = NULL; // so that nothing is sampled
    world_begin_of(w, text, length);
    char *again = state_file_text(w->origin.state, &length_again);
    if (again == NULL || length_again != length || memcmp(again, text, length) != 0)
        abort();
    free(again);
    world_end(w);
    w->origin.nodes = nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world *w;
    size_t length;
    if (w == NULL)
        w = make_world();
    world_now = 1800000000;
    world_publish(w);
    world_begin_of(w, (const char *)data, size);
    for (unsigned i = 0; i < SELECTIONS; i++)
        check(&w->origin.guards->selections[i]);
    use(w);
    char *text = state_file_text(w->origin.state, &length);
    if (text == NULL)
        abort();
    world_end(w);
    check_again(w, text, length);
    free(text);
    return 0;
}
