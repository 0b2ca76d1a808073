// SPDX-License-Identifier: BSD-3-Clause
// Applications' streams: how they come, wait and go.
#include "origin/stream/app_stream.h"

#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "onion/client/onion_client.h"
#include "onion/key/onion_address.h"
#include "origin/pool/circuit_pool.h"
#include "origin/stream/app_stream_internal.h"
#include "origin/stream/destination.h"
#include "relay.h"

static struct counters *counters_of(const struct app_streams *all)
{
    return &all->origin->relay->counters;
}

// ---- the turn after this one

static void run_soon(struct app_streams *all);

static void on_soon(uv_timer_t *timer)
{
    run_soon(timer->data);
}

static void soon(struct app_streams *all)
{
    if (!all->ending && !uv_is_active((uv_handle_t *)all->soon))
        uv_timer_start(all->soon, on_soon, 0, 0);
}

static void not_due(struct app_stream *s)
{
    if (!s->due)
        return;
    s->due = false;
    TAILQ_REMOVE(&s->all->due, s, due_entry);
    s->all->n_due--;
}

static void end_due(struct app_streams *all)
{
    for (unsigned n = all->n_due; n > 0; n--) { // who comes meanwhile waits for the next turn
        struct app_stream *s = TAILQ_FIRST(&all->due);
        not_due(s);
        if (s->knows_answer && s->ops->resolved) {
            struct app_answer answer = {.kind = APP_ANSWER_ADDRESS, .address = s->request.address};
            s->ops->resolved(s, &answer, 1);
        }
        app_stream_finish(s, s->reason, s->failure);
    }
    if (all->n_due > 0)
        soon(all);
}

static void run_soon(struct app_streams *all)
{
    struct app_stream *s, *next;
    end_due(all);
    circuit_pool_begin_look(all->origin->pool);
    for (s = TAILQ_FIRST(&all->waiting); s; s = next) {
        next = TAILQ_NEXT(s, due_entry);
        app_stream_try(s);
    }
}

void app_streams_look(struct app_streams *all)
{
    if (all && !TAILQ_EMPTY(&all->waiting))
        soon(all);
}

// ---- one stream's life

void app_stream_wait(struct app_stream *s)
{
    s->state = APP_WAITS;
    s->waits_since_ms = origin_now_ms(s->all->origin);
    TAILQ_INSERT_TAIL(&s->all->waiting, s, due_entry);
    soon(s->all);
}

static void set_due(struct app_stream *s)
{
    if (s->due)
        return;
    s->due = true;
    TAILQ_INSERT_TAIL(&s->all->due, s, due_entry);
    s->all->n_due++;
    soon(s->all);
}

void app_stream_end_soon(struct app_stream *s, enum end_reason reason, enum app_failure failure)
{
    if (s->state == APP_ENDS)
        return;
    if (s->state == APP_WAITS)
        TAILQ_REMOVE(&s->all->waiting, s, due_entry);
    s->state = APP_ENDS;
    s->reason = reason;
    s->failure = failure;
    if (s->stream)
        stream_close(s->stream, END_MISC); // `closed` follows
    else
        set_due(s);
}

static void forget(struct app_stream *s)
{
    if (s->state == APP_WAITS)
        TAILQ_REMOVE(&s->all->waiting, s, due_entry);
    not_due(s);
    TAILQ_REMOVE(&s->all->list, s, entry);
    s->all->n_streams--;
    counters_of(s->all)->app_streams_open--;
}

void app_stream_finish(struct app_stream *s, enum end_reason reason, enum app_failure failure)
{
    bool succeeded = s->state == APP_CONNECTED || s->state == APP_ANSWERED;
    bool by_user = s->state == APP_ENDS && reason == END_DONE;
    forget(s);
    s->state = APP_ENDS;
    if (!succeeded && !by_user)
        counters_of(s->all)->app_streams_failed++;
    s->ops->closed(s, reason, failure);
    free(s->early);
    free(s);
}

// False: the address is none.
static bool take_onion(struct app_stream *s)
{
    s->is_onion = onion_address_parse(s->request.host, s->onion_key) == ONION_ADDRESS_GOOD;
    s->onion_failure = s->is_onion ? ONION_NO_FAILURE : ONION_ADDRESS_BAD;
    return s->is_onion && s->all->origin->onion_client;
}

static void decide(struct app_stream *s)
{
    struct app_request *r = &s->request;
    bool internal_allowed = s->all->origin->relay->config->testing_network;
    switch (destination_normalise(r, internal_allowed)) {
    case DESTINATION_ASK:
        circuit_pool_note_port(s->all->origin->pool, r->command == APP_CONNECT ? r->port : 0);
        app_stream_wait(s);
        return;
    case DESTINATION_ONION:
        if (take_onion(s)) {
            app_stream_wait(s);
            return;
        }
        counters_of(s->all)->drop_app_stream_refused++;
        s->reason = END_TORPROTOCOL;
        s->failure = s->is_onion ? APP_FAILED_REFUSED : APP_FAILED_ONION;
        break;
    case DESTINATION_KNOWN:
        s->knows_answer = true;
        s->reason = END_DONE;
        break;
    case DESTINATION_REFUSED:
        counters_of(s->all)->drop_app_stream_refused++;
        s->reason = END_TORPROTOCOL;
        s->failure = APP_FAILED_REFUSED;
        break;
    case DESTINATION_INTERNAL:
        counters_of(s->all)->drop_app_stream_refused++;
        s->reason = END_RESOLVEFAILED;
        s->failure = APP_FAILED_RESOLVE_NOW;
        break;
    }
    s->state = APP_ENDS;
    set_due(s);
}

struct app_stream *app_stream_open(struct origin *origin, const struct app_request *request,
                                   const struct app_stream_ops *ops, void *user)
{
    struct app_streams *all = origin->streams;
    bool room = all && !all->ending && all->n_streams < APP_STREAMS_MAX;
    struct app_stream *s = room ? calloc(1, sizeof(*s)) : NULL;
    if (!s)
        return NULL;
    s->all = all;
    s->ops = ops;
    s->user = user;
    s->request = *request;
    s->request.isolation.epoch = circuit_pool_epoch(origin->pool);
    s->id = ++all->next_id;
    s->opened_ms = origin_now_ms(origin);
    TAILQ_INSERT_TAIL(&all->list, s, entry);
    all->n_streams++;
    counters_of(all)->app_streams++;
    counters_of(all)->app_streams_open++;
    decide(s);
    return s;
}

unsigned app_stream_onion_failure(const struct app_stream *s)
{
    return s->onion_failure;
}

// ---- what the user says

void *app_stream_user(const struct app_stream *s)
{
    return s->user;
}

void app_stream_wake(struct app_stream *s)
{
    if (s->stream && (s->state == APP_BEGUN || s->state == APP_CONNECTED))
        stream_wake(s->stream);
}

void app_stream_set_held(struct app_stream *s, size_t bytes)
{
    if (s->stream && s->state == APP_CONNECTED)
        stream_set_held(s->stream, bytes);
}

void app_stream_close(struct app_stream *s)
{
    s->knows_answer = false;
    app_stream_end_soon(s, END_DONE, APP_FAILED_END);
}

// ---- time

static void tick_one(struct app_stream *s, uint64_t now)
{
    uint64_t patience_ms = s->is_onion                     ? APP_TOTAL_MS
                           : s->timeouts < APP_FIRST_TRIES ? APP_TRY_FIRST_MS
                                                           : APP_TRY_LATER_MS;
    if (s->state == APP_WAITS && app_stream_is_too_old(s))
        app_stream_finish(s, END_TIMEOUT, app_stream_too_old_failure(s));
    else if (s->state == APP_BEGUN && now - s->begun_ms >= patience_ms)
        app_stream_timed_out(s);
}

void app_streams_tick(struct app_streams *all)
{
    struct app_stream *s, *next;
    uint64_t now = origin_now_ms(all->origin);
    for (s = TAILQ_FIRST(&all->list); s; s = next) {
        next = TAILQ_NEXT(s, entry);
        tick_one(s, now);
    }
    app_streams_look(all);
}

// ---- all of them

struct app_streams *app_streams_create(struct origin *origin)
{
    struct app_streams *all = calloc(1, sizeof(*all));
    if (all)
        all->soon = calloc(1, sizeof(*all->soon));
    if (!all || !all->soon) {
        free(all);
        return NULL;
    }
    all->origin = origin;
    TAILQ_INIT(&all->list);
    TAILQ_INIT(&all->waiting);
    TAILQ_INIT(&all->due);
    uv_timer_init(origin->relay->loop, all->soon);
    all->soon->data = all;
    return all;
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

void app_streams_free(struct app_streams *all)
{
    struct app_stream *s;
    if (!all)
        return;
    all->ending = true;
    while ((s = TAILQ_FIRST(&all->list))) {
        app_stream_leave(s);
        app_stream_finish(s, END_DONE, APP_FAILED_NO_CIRCUIT);
    }
    uv_timer_stop(all->soon);
    uv_close((uv_handle_t *)all->soon, timer_closed);
    free(all);
}

void app_streams_circuit_gone(struct app_streams *all, const struct origin_circuit *oc)
{
    struct app_stream *s;
    if (!all)
        return;
    for (s = TAILQ_FIRST(&all->list); s; s = TAILQ_NEXT(s, entry))
        if (s->oc == oc)
            s->oc = NULL;
}

unsigned app_streams_count(const struct app_streams *all)
{
    return all->n_streams;
}

void app_streams_each(const struct app_streams *all,
                      void (*each)(void *user, const struct app_stream_info *info), void *user)
{
    const struct app_stream *s;
    uint64_t now = origin_now_ms(all->origin);
    for (s = TAILQ_FIRST(&all->list); s; s = TAILQ_NEXT(s, entry)) {
        struct app_stream_info info = {
            .id = s->id,
            .request = &s->request,
            .circuit = s->oc,
            .connected = s->state == APP_CONNECTED,
            .tries = s->tries,
            .age_ms = now - s->opened_ms,
            .received_bytes = s->received_bytes,
            .sent_bytes = s->sent_bytes,
        };
        each(user, &info);
    }
}
