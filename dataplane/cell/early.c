// SPDX-License-Identifier: BSD-3-Clause
// Cells that wait for the control plane's word.
#include "cell/early.h"

#include <stdatomic.h>

#include "worker.h"

void early_init(struct worker *w)
{
    w->early.cells_max = w->cells->size / (EARLY_SHARE * w->n_workers);
}

void early_release(struct worker *w)
{
    for (unsigned i = 0; i < w->early.n; i++)
        cell_queue_clear(&w->early.waiting[i].cells);
    w->early.n = 0;
}

static struct early_cells *find(struct early *e, const struct circuit_end *end,
                                enum early_kind kind)
{
    for (unsigned i = 0; i < e->n; i++) {
        struct early_cells *at = &e->waiting[i];
        if (at->kind == kind && at->end.index == end->self.index &&
            at->end.generation == end->self.generation)
            return at;
    }
    return NULL;
}

// Something was sent up that is not answered yet. (cell/tell.h)
static bool awaits_answer(const struct worker *w, struct handle end)
{
    return atomic_load_explicit(&w->ends.messages[end.index], memory_order_acquire) > 0;
}

bool early_hold(struct worker *w, const struct circuit_end *end, struct cell *c,
                enum early_kind kind)
{
    struct early *e = &w->early;
    struct early_cells *at = find(e, end, kind);
    bool is_expected = kind == EARLY_FROM_PEER || (end->rendezvous && awaits_answer(w, end->self));
    bool may_begin = is_expected && e->n < EARLY_CIRCUITS_MAX;
    if (e->cells >= e->cells_max || (at ? at->cells.count >= EARLY_CELLS_MAX : !may_begin))
        return false;
    if (!at) {
        at = &e->waiting[e->n++];
        *at = (struct early_cells){.end = end->self, .kind = (uint8_t)kind};
    }
    cell_queue_push(&at->cells, c);
    e->cells++;
    w->counters.cells_early++;
    return true;
}

static struct early_cells take_out(struct early *e, struct early_cells *at)
{
    struct early_cells taken = *at;
    *at = e->waiting[--e->n];
    e->cells -= taken.cells.count;
    return taken;
}

struct cell_queue early_take(struct worker *w, const struct circuit_end *end, enum early_kind kind)
{
    struct early_cells *at = find(&w->early, end, kind);
    return at ? take_out(&w->early, at).cells : (struct cell_queue){0};
}

// The other circuit's worker joined them just before the control thread freed its message; so what
// is said to this one is on its ring.
void early_look(struct worker *w)
{
    for (unsigned i = 0; i < w->early.n; i++) {
        struct early_cells *at = &w->early.waiting[i];
        at->is_due = at->kind == EARLY_FROM_PEER || !awaits_answer(w, at->end);
    }
}

static void give_up(struct worker *w, struct early_cells *given)
{
    struct circuit_end *end = end_get(w, given->end);
    if (end && given->kind == EARLY_FROM_PEER) {
        for (struct cell *c; (c = cell_queue_pop(&given->cells));)
            batch_add_joined(w, c);
        batch_run_joined(w);
        return;
    }
    if (end) {
        w->counters.drop_cell_unrecognised++;
        end_close(w, end, DESTROY_PROTOCOL, END_CLOSE_DESTROY | END_CLOSE_REPORT);
    } else {
        w->counters.drop_cell_unknown_circuit += given->cells.count;
    }
    cell_queue_clear(&given->cells);
}

bool early_settle(struct worker *w, bool all)
{
    struct early *e = &w->early;
    bool busy = false;
    for (unsigned i = 0; i < e->n;) {
        struct early_cells *at = &e->waiting[i];
        busy |= at->kind == EARLY_FROM_PEER;
        if (end_get(w, at->end) && !(at->is_due && all)) {
            i++;
            continue;
        }
        struct early_cells given = take_out(e, at);
        give_up(w, &given);
        busy = true;
    }
    return busy;
}
