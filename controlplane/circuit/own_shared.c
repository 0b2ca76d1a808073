// SPDX-License-Identifier: BSD-3-Clause
// Circuits of one hop that are shared by those who ask for the same relay: directory requests.
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <uv.h>

#include "circuit/own_internal.h"
#include "stream/circuit_streams.h"

enum {
    TICK_MS = 1000,
    BUILD_MS = 30 * 1000,
    IDLE_MS = 60 * 1000,
    AGE_MAX_MS = 10 * 60 * 1000, // then new streams get a new one
};

struct own_circuit_request {
    own_circuit_ready_fn ready;
    void *user;
    LIST_ENTRY(own_circuit_request) entry;
};

struct shared_circuit {
    struct own_shared *all;
    struct circuit *circuit;
    bool open, gone;
    uint64_t made_ms;
    uint64_t deadline_ms; // until it is open; then, while it has no streams
    LIST_HEAD(, own_circuit_request) requests;
    LIST_ENTRY(shared_circuit) entry;
};

struct own_shared {
    struct relay *relay;
    uv_timer_t *timer; // runs while there are any
    LIST_HEAD(, shared_circuit) list;
};

static uint64_t now_ms(const struct own_shared *all)
{
    return streams_now_us(all->relay->circuits->streams) / 1000;
}

// ---- who asked

// Takes the requests first: who is answered may ask again.
static void answer_all(struct shared_circuit *s, struct circuit *c, enum destroy_reason reason)
{
    struct own_circuit_request *request, *waiting = LIST_FIRST(&s->requests);
    LIST_HEAD(, own_circuit_request) answered = LIST_HEAD_INITIALIZER(answered);
    LIST_INIT(&s->requests);
    if (waiting) { // the list has another head now
        LIST_FIRST(&answered) = waiting;
        waiting->entry.le_prev = &LIST_FIRST(&answered);
    }
    while ((request = LIST_FIRST(&answered))) {
        own_circuit_ready_fn ready = request->ready;
        void *user = request->user;
        LIST_REMOVE(request, entry);
        free(request);
        ready(user, c, reason);
    }
}

void own_circuit_cancel(struct own_circuit_request *request)
{
    LIST_REMOVE(request, entry);
    free(request);
}

// ---- the circuit

static void opened(struct circuit *c)
{
    struct shared_circuit *s = own_circuit_user(c);
    s->open = true;
    s->deadline_ms = now_ms(s->all) + IDLE_MS;
    answer_all(s, c, DESTROY_NONE);
}

static void closed(struct circuit *c, enum destroy_reason reason, bool by_network)
{
    struct shared_circuit *s = own_circuit_user(c);
    LIST_REMOVE(s, entry);
    answer_all(s, NULL, by_network || reason == DESTROY_NONE ? DESTROY_DESTROYED : reason);
    free(s);
}

static const struct own_circuit_ops ops = {.opened = opened, .closed = closed};

// ---- time

static void tick_one(struct shared_circuit *s, uint64_t now)
{
    if (own_circuit_is_gone(s->circuit))
        return; // `closed` follows
    if (s->open && !LIST_EMPTY(&s->requests))
        answer_all(s, s->circuit, DESTROY_NONE);
    if (s->open && circuit_stream_count(s->circuit) > 0)
        s->deadline_ms = now + IDLE_MS;
    else if (now >= s->deadline_ms)
        own_circuit_close(s->circuit, s->open ? DESTROY_FINISHED : DESTROY_TIMEOUT);
}

static void tick(uv_timer_t *timer)
{
    struct own_shared *all = timer->data;
    uv_unref((uv_handle_t *)timer); // that circuits grow old keeps nobody from ending
    for (struct shared_circuit *s = LIST_FIRST(&all->list), *next; s; s = next) {
        next = LIST_NEXT(s, entry);
        tick_one(s, now_ms(all));
    }
    if (LIST_EMPTY(&all->list))
        uv_timer_stop(timer);
}

// ---- asking

static bool same_hop(const struct own_circuit_hop *a, const struct own_circuit_hop *b)
{
    return memcmp(a->target.rsa_id, b->target.rsa_id, sizeof(a->target.rsa_id)) == 0 &&
           a->target.has_ed_id == b->target.has_ed_id &&
           (!a->target.has_ed_id ||
            memcmp(a->target.ed_id, b->target.ed_id, sizeof(a->target.ed_id)) == 0) &&
           a->target.n_addresses == b->target.n_addresses &&
           memcmp(a->target.addresses, b->target.addresses,
                  a->target.n_addresses * sizeof(a->target.addresses[0])) == 0 &&
           a->has_ntor_key == b->has_ntor_key &&
           (!a->has_ntor_key || memcmp(a->ntor_key, b->ntor_key, sizeof(a->ntor_key)) == 0);
}

static struct shared_circuit *find(struct own_shared *all, const struct own_circuit_path *path)
{
    struct shared_circuit *s = LIST_FIRST(&all->list);
    for (; s; s = LIST_NEXT(s, entry))
        if (!own_circuit_is_gone(s->circuit) &&
            same_hop(&own_circuit_path(s->circuit)->hops[0], &path->hops[0]) &&
            now_ms(all) - s->made_ms < AGE_MAX_MS &&
            circuit_stream_count(s->circuit) < STREAMS_OF_CIRCUIT_MAX / 2)
            break;
    return s;
}

static struct shared_circuit *make(struct own_shared *all, const struct own_circuit_path *path)
{
    struct shared_circuit *s = calloc(1, sizeof(*s));
    if (s)
        s->circuit = own_circuit_build(all->relay, path, &ops, s);
    if (!s || !s->circuit) {
        free(s);
        return NULL;
    }
    s->all = all;
    s->made_ms = now_ms(all);
    s->deadline_ms = s->made_ms + BUILD_MS;
    LIST_INSERT_HEAD(&all->list, s, entry);
    return s;
}

struct own_circuit_request *own_circuit_get(struct relay *relay,
                                            const struct own_circuit_path *path,
                                            own_circuit_ready_fn ready, void *user)
{
    struct own_shared *all = relay->circuits->owns->shared;
    if (path->n_hops != 1)
        return NULL;
    struct own_circuit_request *request = calloc(1, sizeof(*request));
    struct shared_circuit *s = request ? find(all, path) : NULL;
    if (request && !s)
        s = make(all, path);
    if (!s) {
        free(request);
        return NULL;
    }
    request->ready = ready;
    request->user = user;
    LIST_INSERT_HEAD(&s->requests, request, entry);
    uv_ref((uv_handle_t *)all->timer);
    uv_timer_start(all->timer, tick, 0, TICK_MS);
    return request;
}

// ---- life

struct own_shared *own_shared_create(struct relay *relay)
{
    struct own_shared *all = calloc(1, sizeof(*all));
    if (all)
        all->timer = calloc(1, sizeof(*all->timer));
    if (!all || !all->timer) {
        free(all);
        return NULL;
    }
    all->relay = relay;
    uv_timer_init(relay->loop, all->timer);
    all->timer->data = all;
    return all;
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void own_shared_free(struct own_shared *all)
{
    if (!all)
        return;
    uv_timer_stop(all->timer);
    uv_close((uv_handle_t *)all->timer, timer_closed);
    free(all);
}
