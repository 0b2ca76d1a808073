// SPDX-License-Identifier: BSD-3-Clause
// Sending relay messages of our own, and telling of them.
#include "cell/originate.h"

#include <errno.h>
#include <string.h>

#include "worker.h"

// What the control plane calls the circuit of a layer.
static void name_circuit(struct worker *w, const struct circuit_end *end, struct message *m)
{
    const struct circuit_end *named = end->state == END_STUB ? end_get(w, end->peer) : end;
    m->circuit = named ? named->self : (struct handle){0};
    m->cookie = named ? named->cookie : 0;
}

static void pass(struct worker *w, struct circuit_end *end, struct cell *c, bool asking)
{
    const struct handle origin_end = end->peer; // a full queue closes it, and a stub with it
    if (asking && end->peer_worker != w->index) {
        end_pass_to_worker(w, end, c, CELL_KIND_ASKING);
        return;
    }
    end_pass_to_peer(w, end, c);
    struct circuit_end *origin = asking ? end_get(w, origin_end) : NULL;
    if (origin)
        end_ask_drained(w, origin);
}

// With `told`, which is sent up too.
static int send(struct worker *w, struct circuit_end *end, const struct relay_info *what,
                const void *body, uint16_t length, struct message *told)
{
    uint8_t tag[LAYER_TAG_MAX];
    struct relay_message message = {
        .command = what->command, .stream_id = what->stream_id, .length = length, .body = body};
    struct cell *c = cell_new(w->cells);
    if (!c) {
        w->counters.drop_cell_no_memory++;
        return -ENOMEM;
    }
    if (!layer_originate(w, &end->layer, end->layer_kind, &message, c->body, tag)) {
        cell_free(c);
        return -EINVAL;
    }
    if (told) {
        name_circuit(w, end, told);
        told->relay.tag_length = layer_tag_length(end->layer_kind);
        memcpy(told->relay.tag, tag, told->relay.tag_length);
        if (!channel_send_up(w->channel, told)) {
            w->counters.drop_message_ring_full++;
            cell_free(c);
            return -ENOMEM;
        }
    }
    c->command = CELL_RELAY;
    w->counters.cells_originated++;
    pass(w, end, c, what->tell & ORIGINATE_TELL_DRAINED);
    return 0;
}

int end_originate(struct worker *w, struct circuit_end *end, const struct relay_info *what,
                  const void *body, uint16_t length)
{
    if (!end->layer_kind || end_begins_here(end))
        return -ENOENT;
    struct message *told = NULL;
    // First: without it the cell's SENDME could not be checked, so the cell must not go.
    if ((what->tell & ORIGINATE_TELL_TAG) &&
        !(told = channel_message_up(w->channel, MSG_CIRCUIT_ORIGINATED))) {
        w->counters.drop_message_ring_full++;
        return -ENOMEM;
    }
    int error = send(w, end, what, body, length, told);
    if (error && told)
        channel_free(told);
    return error;
}

static bool is_due(const struct circuit_end *end)
{
    return end->state == END_OPEN && end->asks_drained && end->queue.count <= DRAINED_CELLS;
}

// False: there is no message now.
static bool try_to_tell(struct worker *w, struct circuit_end *end)
{
    struct message *m = channel_message_up(w->channel, MSG_CIRCUIT_DRAINED);
    if (!m)
        return false;
    m->circuit = end->self;
    m->cookie = end->cookie;
    end->asks_drained = !channel_send_up(w->channel, m);
    if (end->asks_drained)
        channel_free(m);
    return !end->asks_drained;
}

void end_tell_drained(struct worker *w, struct circuit_end *end)
{
    if (try_to_tell(w, end))
        return;
    w->counters.drop_message_ring_full++;
    w->drained = (struct drained){.owed = true};
}

void end_ask_drained(struct worker *w, struct circuit_end *end)
{
    end->asks_drained = true;
    if (is_due(end))
        end_tell_drained(w, end);
}

void drained_send_owed(struct worker *w)
{
    struct drained *d = &w->drained;
    for (unsigned i = 0; d->owed && i < DRAINED_STEPS_PER_TURN; i++) {
        struct circuit_end *end = &w->ends.ends[d->hand];
        if (is_due(end) && !try_to_tell(w, end))
            return;
        d->hand++;
        if (d->hand == w->ends.capacity)
            *d = (struct drained){0};
    }
}
