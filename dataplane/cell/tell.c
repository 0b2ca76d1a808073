// SPDX-License-Identifier: BSD-3-Clause
// Accounts of the messages on their way to the control thread.
#include "cell/tell.h"

#include <stdatomic.h>

#include "worker.h"

static unsigned held(const _Atomic uint16_t *account)
{
    return atomic_load_explicit(account, memory_order_relaxed);
}

struct message *tell_new(struct worker *w, enum message_type type, const struct conn *c,
                         const struct circuit_end *end)
{
    _Atomic uint16_t *of_conn = &w->conns.messages[c->self.index];
    _Atomic uint16_t *of_end = end ? &w->ends.messages[end->self.index] : NULL;
    if (held(of_conn) >= channel_room_up(w->channel) / TELL_SHARE + TELL_ON_TOP)
        return NULL;
    if (of_end &&
        held(of_end) >= (end_begins_here(end) ? TELL_CIRCUIT_OF_OURS_MAX : TELL_CIRCUIT_MAX)) {
        w->counters.drop_circuit_messages++;
        return NULL;
    }
    struct message *m = channel_message_up(w->channel, type);
    if (m)
        channel_charge(m, of_conn, of_end);
    return m;
}

static bool is_within_share(const struct worker *w, const struct conn *c)
{
    unsigned n = held(&w->conns.messages[c->self.index]);
    unsigned gathered = w->batch.n; // of this link perhaps, and perhaps messages
    return n == 0 || n + gathered < channel_room_up(w->channel) / TELL_SHARE;
}

bool tell_may_read(struct worker *w, struct conn *c)
{
    if (is_within_share(w, c))
        return true;
    if (!c->is_paused) {
        w->counters.reads_put_off++;
        c->is_paused = true;
        TAILQ_INSERT_TAIL(&w->paused, c, receiving_entry);
    }
    return false;
}

void tell_resume(struct worker *w)
{
    struct conn *next;
    for (struct conn *c = TAILQ_FIRST(&w->paused); c; c = next) {
        next = TAILQ_NEXT(c, receiving_entry);
        if (!c->closing && !is_within_share(w, c))
            continue;
        c->is_paused = false;
        TAILQ_REMOVE(&w->paused, c, receiving_entry);
        conn_wants_receive(w, c);
    }
}
