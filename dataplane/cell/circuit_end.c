// SPDX-License-Identifier: BSD-3-Clause
// The table of circuit ends, how an end closes, and how cells get from one end to its peer.
#include "cell/circuit_end.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <rte_malloc.h>
#include <rte_prefetch.h>

#include "worker.h"

// A circuit has two ends; their nodes and their share of the map come on top.
_Static_assert(sizeof(struct circuit_end) + sizeof(struct schedule_node) + 2 * sizeof(uint32_t) <=
                   256,
               "a circuit is to cost 512 bytes at most");

int end_table_init(struct end_table *t, uint32_t capacity)
{
    t->capacity = capacity;
    TAILQ_INIT(&t->free);
    t->ends = rte_calloc("circuit ends", capacity, sizeof(*t->ends), RTE_CACHE_LINE_SIZE);
    t->messages = rte_calloc("messages of circuits", capacity, sizeof(*t->messages), 0);
    if (!t->ends || !t->messages || circid_map_init(&t->by_circid, t->ends, capacity) != 0)
        return -ENOMEM;
    for (uint32_t i = 0; i < capacity; i++) {
        t->ends[i].self.index = i;
        TAILQ_INSERT_TAIL(&t->free, &t->ends[i], entry);
    }
    return 0;
}

void end_table_release(struct end_table *t)
{
    for (uint32_t i = 0; t->ends && i < t->capacity; i++)
        if (t->ends[i].layer_kind)
            layer_clear(&t->ends[i].layer);
    circid_map_release(&t->by_circid);
    rte_free(t->ends);
    rte_free(t->messages);
}

struct circuit_end *end_new(struct worker *w, enum end_state state)
{
    struct circuit_end *end = TAILQ_FIRST(&w->ends.free);
    if (!end) {
        w->counters.drop_circuit_limit++;
        return NULL;
    }
    TAILQ_REMOVE(&w->ends.free, end, entry);
    struct handle self = {end->self.index, end->self.generation + 1};
    if (self.generation == 0)
        self.generation = 1;
    memset(end, 0, sizeof(*end));
    end->self = self;
    end->state = (uint8_t)state;
    end->relay_early_left = RELAY_EARLY_MAX;
    scheduler_forget(&w->scheduler, (int32_t)self.index);
    return end;
}

struct circuit_end *end_get(struct worker *w, struct handle handle)
{
    if (handle.generation == 0 || handle.index >= w->ends.capacity)
        return NULL;
    struct circuit_end *end = &w->ends.ends[handle.index];
    bool valid = end->self.generation == handle.generation && end->state != END_FREE &&
                 end->state != END_CLOSED;
    return valid ? end : NULL;
}

struct circuit_end *end_lookup(struct worker *w, const struct conn *conn, uint32_t circid)
{
    return circid_map_find(&w->ends.by_circid, conn, circid);
}

void end_lookup_many(struct worker *w, const struct conn *conn, const uint32_t *circids, unsigned n,
                     struct circuit_end **out)
{
    circid_map_find_many(&w->ends.by_circid, conn, circids, n, out);
    for (unsigned i = 0; i < n; i++) {
        if (!out[i])
            continue;
        const char *at = (const char *)out[i];
        for (size_t line = 0; line < offsetof(struct circuit_end, cookie);
             line += RTE_CACHE_LINE_SIZE)
            rte_prefetch0(at + line);
    }
}

void end_prefetch(const struct worker *w, struct handle handle)
{
    if (handle.index >= w->ends.capacity)
        return;
    const struct circuit_end *end = &w->ends.ends[handle.index];
    rte_prefetch0(&end->self);
    rte_prefetch0(&end->conn);
    rte_prefetch0(&w->scheduler.nodes[handle.index]);
}

void end_prefetch_stub(const struct worker *w, struct handle handle)
{
    if (handle.index < w->ends.capacity)
        rte_prefetch0(&w->ends.ends[handle.index].stub);
}

void end_prefetch_layer(const struct worker *w, struct handle handle)
{
    const struct circuit_end *stub =
        handle.index < w->ends.capacity ? w->ends.ends[handle.index].stub : NULL;
    if (!stub)
        return;
    const char *at = (const char *)stub;
    for (size_t line = 0; line < offsetof(struct circuit_end, cookie); line += RTE_CACHE_LINE_SIZE)
        rte_prefetch0(at + line);
}

void end_bind(struct worker *w, struct circuit_end *end, struct conn *conn, uint32_t circid)
{
    end->conn = conn;
    end->circid = circid;
    circid_map_add(&w->ends.by_circid, end);
    TAILQ_INSERT_TAIL(&conn->ends, end, on_conn);
}

static void end_unbind(struct worker *w, struct circuit_end *end)
{
    if (!end->conn)
        return;
    circid_map_remove(&w->ends.by_circid, end);
    TAILQ_REMOVE(&end->conn->ends, end, on_conn);
    shed_leave(&w->shed, end);
    if (end->queue.count)
        schedule_remove(&w->scheduler, &end->conn->schedule, (int32_t)end->self.index);
    end->conn->relay_cells -= end->queue.count;
    cell_queue_clear(&end->queue);
    end->conn = NULL;
}

static void wipe_layer(struct worker *w, struct circuit_end *end)
{
    if (end_begins_here(end))
        hops_free(w, &end->hops);
    else if (end->layer_kind)
        layer_clear(&end->layer);
    end->layer_kind = 0;
}

static void end_free(struct worker *w, struct circuit_end *end)
{
    wipe_layer(w, end);
    end->state = END_FREE;
    TAILQ_INSERT_HEAD(&w->ends.free, end, entry);
}

static void free_if_settled(struct worker *w, struct circuit_end *end)
{
    if (!end->owes_report && !end->owes_destroy)
        end_free(w, end);
}

void end_close(struct worker *w, struct circuit_end *end, enum destroy_reason reason,
               unsigned flags)
{
    if (end->state == END_CLOSED || end->state == END_FREE)
        return; // a cell before this one has closed it, when the batch ran
    struct conn *conn = end->conn;
    if (end->stub) {
        end_free(w, end->stub);
        end->stub = NULL;
    }
    end_unbind(w, end);
    end->close_reason = (uint8_t)reason;
    end->hides_reason = end_begins_here(end);
    wipe_layer(w, end);
    end->state = END_CLOSED;
    end->close_by_peer = (flags & END_CLOSE_BY_PEER) != 0;
    if ((flags & END_CLOSE_DESTROY) && conn && !conn->closing) {
        end->owes_destroy = true;
        TAILQ_INSERT_TAIL(&conn->destroys, end, on_conn);
        conn_wants_transmit(w, conn);
    }
    if (flags & END_CLOSE_REPORT) {
        end->owes_report = true;
        TAILQ_INSERT_TAIL(&w->reports, end, entry);
    }
    free_if_settled(w, end);
}

bool end_next_destroy(struct worker *w, struct conn *conn, uint32_t *circid, uint8_t *reason)
{
    struct circuit_end *end = TAILQ_FIRST(&conn->destroys);
    if (!end)
        return false;
    *circid = end->circid;
    *reason = end->hides_reason ? DESTROY_NONE : end->close_reason;
    TAILQ_REMOVE(&conn->destroys, end, on_conn);
    end->owes_destroy = false;
    free_if_settled(w, end);
    return true;
}

void end_drop_destroys(struct worker *w, struct conn *conn)
{
    uint32_t circid;
    uint8_t reason;
    while (end_next_destroy(w, conn, &circid, &reason))
        ;
}

void end_send_reports(struct worker *w)
{
    struct circuit_end *end;
    while ((end = TAILQ_FIRST(&w->reports))) {
        struct message *m = channel_message_up(w->channel, MSG_CIRCUIT_CLOSED);
        if (!m)
            return;
        m->circuit = end->self;
        m->cookie = end->cookie;
        m->close.reason = end->close_reason;
        m->close.by_peer = end->close_by_peer;
        if (!channel_send_up(w->channel, m)) {
            channel_free(m);
            return;
        }
        TAILQ_REMOVE(&w->reports, end, entry);
        end->owes_report = false;
        free_if_settled(w, end);
    }
}

static void add_to_schedule(struct worker *w, struct circuit_end *end)
{
    struct conn *c = end->conn;
    if (schedule_is_empty(&c->schedule))
        c->waits_since_us = w->now_us;
    schedule_add(&w->scheduler, &c->schedule, (int32_t)end->self.index);
}

void end_queue_cell(struct worker *w, struct circuit_end *end, struct cell *c)
{
    if (end->state != END_OPEN) {
        w->counters.drop_cell_unknown_circuit++;
        cell_free(c);
        return;
    }
    if (end->queue.count >= w->queue_max_cells[end->origin_side]) {
        w->counters.drop_cell_queue_full++;
        cell_free(c);
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
        return;
    }
    cell_queue_push(&end->queue, c);
    end->conn->relay_cells++;
    if (end->queue.count == 1)
        add_to_schedule(w, end);
    shed_added(&w->shed, end);
    conn_wants_transmit(w, end->conn);
}

void end_pass_to_worker(struct worker *w, struct circuit_end *end, struct cell *c,
                        enum cell_kind kind)
{
    c->kind = (uint8_t)kind;
    c->target = end->peer;
    if (!crossing_send(w, end->peer_worker, c)) // a hole can't be mended
        end_close(w, end, DESTROY_RESOURCELIMIT, END_CLOSE_DESTROY | END_CLOSE_REPORT);
}

void end_pass_to_peer(struct worker *w, struct circuit_end *end, struct cell *c)
{
    if (end->peer_worker != w->index) {
        end_pass_to_worker(w, end, c, CELL_KIND_CELL);
        return;
    }
    struct circuit_end *peer = end_get(w, end->peer);
    if (peer) {
        end_queue_cell(w, peer, c);
    } else {
        w->counters.drop_cell_unknown_circuit++;
        cell_free(c);
    }
}
