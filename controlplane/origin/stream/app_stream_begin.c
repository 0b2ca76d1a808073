// SPDX-License-Identifier: BSD-3-Clause
// How an application's stream begins on a circuit, leaves it, and tries another.
#include <string.h>

#include "onion/client/onion_client.h"
#include "origin/circuit/origin_circuit.h"
#include "origin/pool/circuit_pool.h"
#include "origin/stream/app_stream_internal.h"
#include "origin/stream/destination.h"
#include "relay.h"

static struct circuit_pool *pool_of(const struct app_stream *s)
{
    return s->all->origin->pool;
}

static struct onion_client *onion_of(const struct app_stream *s)
{
    return s->all->origin->onion_client;
}

static void retire(const struct app_stream *s, struct origin_circuit *oc)
{
    if (s->is_onion)
        onion_client_failed(onion_of(s), oc);
    else
        circuit_pool_retire(pool_of(s), oc);
}

void app_stream_retire_circuit(const struct app_stream *s)
{
    if (s->oc)
        retire(s, s->oc);
}

static struct stream *begin(struct app_stream *s, struct origin_circuit *oc)
{
    const struct app_request *r = &s->request;
    uint8_t body[DESTINATION_BODY_MAX];
    struct circuit *c = origin_circuit_circuit(oc);
    if (s->is_onion)
        return stream_begin(c, RELAY_BEGIN, body, (uint16_t)destination_onion_body(r, body),
                            &app_stream_connect_ops, s);
    if (r->command != APP_CONNECT)
        return stream_begin(c, RELAY_RESOLVE, body, (uint16_t)destination_resolve_body(r, body),
                            &app_stream_resolve_ops, s);
    bool ipv6 = circuit_pool_exit_has_ipv6(pool_of(s), oc, r->port);
    return stream_begin(c, RELAY_BEGIN, body, (uint16_t)destination_begin_body(r, ipv6, body),
                        &app_stream_connect_ops, s);
}

static void attach(struct app_stream *s, struct origin_circuit *oc)
{
    const struct own_circuit_path *path = origin_circuit_path(oc);
    if (s->is_onion)
        onion_client_attached(onion_of(s), oc);
    else
        circuit_pool_attach(pool_of(s), oc, &s->request);
    origin_circuit_note_use(oc, false);
    if (s->tries++ > 0)
        s->all->origin->relay->counters.app_streams_retried++;
    s->early_sent = 0;
    memcpy(s->exit_id, path->hops[path->n_hops - 1].target.rsa_id, sizeof(s->exit_id));
    s->stream = begin(s, oc);
    if (!s->stream) { // no memory, or no more streams on this circuit
        retire(s, oc);
        if (++s->losses >= APP_FAILURES_MAX)
            app_stream_end_soon(s, END_RESOURCELIMIT, APP_FAILED_MEMORY);
        return;
    }
    TAILQ_REMOVE(&s->all->waiting, s, due_entry);
    s->state = APP_BEGUN;
    s->oc = oc;
    s->begun_ms = origin_now_ms(s->all->origin);
}

bool app_stream_is_too_old(const struct app_stream *s)
{
    uint64_t age_ms = origin_now_ms(s->all->origin) - s->opened_ms;
    bool works = s->is_onion && onion_client_takes_longer(onion_of(s), s->onion_key);
    return age_ms >= (works ? APP_TOTAL_WITH_WORK_MS : APP_TOTAL_MS);
}

enum app_failure app_stream_too_old_failure(struct app_stream *s)
{
    if (!s->is_onion)
        return APP_FAILED_TIMEOUT;
    s->onion_failure = onion_client_blame(onion_of(s), &s->request, s->onion_key);
    return APP_FAILED_ONION;
}

static void try_onion(struct app_stream *s)
{
    struct origin_circuit *oc = NULL;
    enum onion_failure failure;
    if (app_stream_is_too_old(s)) {
        enum app_failure what = app_stream_too_old_failure(s);
        app_stream_end_soon(s, END_TIMEOUT, what);
        return;
    }
    switch (onion_client_find(onion_of(s), &s->request, s->onion_key, s->waits_since_ms, &oc,
                              &failure)) {
    case ONION_FOUND:
        attach(s, oc);
        break;
    case ONION_WAIT:
        break;
    case ONION_FAILED:
        s->onion_failure = failure;
        app_stream_end_soon(s, END_RESOLVEFAILED, APP_FAILED_ONION);
        break;
    }
}

void app_stream_try(struct app_stream *s)
{
    struct origin_circuit *oc = NULL;
    if (s->is_onion) {
        try_onion(s);
        return;
    }
    if (app_stream_is_too_old(s)) { // C tor tells this from one that waited for a circuit only
        app_stream_end_soon(s, END_MISC, APP_FAILED_NO_CIRCUIT);
        return;
    }
    switch (circuit_pool_find(pool_of(s), &s->request, (const uint8_t(*)[20])s->not_exits,
                              s->n_not_exits, &oc)) {
    case CIRCUIT_POOL_FOUND:
        attach(s, oc);
        break;
    case CIRCUIT_POOL_WAIT:
        break;
    case CIRCUIT_POOL_NEVER:
        // What the exits said that were asked says more.
        if (s->reason)
            app_stream_end_soon(s, s->reason, APP_FAILED_END);
        else
            app_stream_end_soon(s, END_MISC, APP_FAILED_NO_CIRCUIT);
        break;
    }
}

void app_stream_leave(struct app_stream *s)
{
    struct stream *stream = s->stream;
    s->stream = NULL;
    s->oc = NULL;
    if (!stream)
        return;
    stream_set_user(stream, &app_stream_left_ops, NULL);
    stream_close(stream, END_MISC);
}

void app_stream_retry(struct app_stream *s)
{
    app_stream_leave(s);
    app_stream_wait(s);
}

void app_stream_timed_out(struct app_stream *s)
{
    s->timeouts++;
    s->reason = END_TIMEOUT;
    s->all->origin->relay->counters.app_streams_timed_out++;
    app_stream_retire_circuit(s);
    if (s->is_onion) { // nobody else has it
        app_stream_end_soon(s, END_TIMEOUT, APP_FAILED_END);
        return;
    }
    if (s->oc)
        origin_circuit_note_detached(s->oc);
    app_stream_retry(s);
}
