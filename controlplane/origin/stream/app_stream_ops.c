// SPDX-License-Identifier: BSD-3-Clause
// What comes for an application's stream: the exit's answers and refusals, and bytes.
#include <stdlib.h>
#include <string.h>

#include "origin/circuit/origin_circuit.h"
#include "origin/pool/circuit_pool.h"
#include "origin/stream/app_stream_internal.h"
#include "origin/stream/exit_answer.h"
#include "relay.h"

static struct circuit_pool *pool_of(const struct app_stream *s)
{
    return s->all->origin->pool;
}

static struct counters *counters_of(const struct app_stream *s)
{
    return &s->all->origin->relay->counters;
}

static void note_success(const struct app_stream *s)
{
    if (s->oc)
        origin_circuit_note_use(s->oc, true);
}

static bool is_private(const struct app_stream *s, const struct address *a)
{
    return address_is_internal(a) && !s->all->origin->relay->config->testing_network;
}

// An address that an exit names can be one that the application was told of and would trust, as its
// neighbours', and one that it did not ask for.
static bool may_be_told(const struct app_stream *s, const struct address *a)
{
    bool family = a->family == ADDRESS_IPV4 ? s->request.ipv4 : s->request.ipv6;
    return family && !exit_answer_is_null(a) && !is_private(s, a);
}

// Once it is connected, and all has been sent again.
static void drop_early(struct app_stream *s)
{
    if (s->state != APP_CONNECTED || s->early_sent < s->early_length)
        return;
    free(s->early);
    s->early = NULL;
    s->early_length = s->early_capacity = s->early_sent = 0;
}

// ---- the answer

static void connected(struct stream *stream, const uint8_t *body, size_t length)
{
    struct app_stream *s = stream_user(stream);
    struct address a;
    if (s->state != APP_BEGUN)
        return;
    // What a service says of addresses is not looked at.
    if (!s->is_onion && (!exit_answer_connected(body, length, &a) ||
                         (a.family != ADDRESS_NONE && !may_be_told(s, &a)))) {
        counters_of(s)->drop_exit_answer++;
        app_stream_end_soon(s, END_TORPROTOCOL, APP_FAILED_END);
        return;
    }
    note_success(s);
    s->state = APP_CONNECTED;
    drop_early(s);
    counters_of(s)->app_streams_connected++;
    s->ops->connected(s);
    // What was kept for another try may have been all that we want to keep.
    app_stream_wake(s);
}

// Private ones are left out.
static void take_private_out(const struct app_stream *s, struct exit_answers *answers)
{
    unsigned n = 0;
    for (unsigned i = 0; i < answers->n; i++) {
        const struct app_answer *a = &answers->list[i];
        if (a->kind == APP_ANSWER_NAME || !is_private(s, &a->address))
            answers->list[n++] = *a;
    }
    if (n == 0 && answers->n > 0)
        answers->error = EXIT_ANSWER_NOT_NOW; // as C tor says of such
    answers->n = n;
}

// RESOLVE is answered by addresses that the application can use, the best first; RESOLVE_PTR by
// names.
static void choose_answers(const struct app_stream *s, struct exit_answers *answers)
{
    const struct app_request *r = &s->request;
    struct exit_answers from = *answers;
    bool names = r->command == APP_RESOLVE_PTR;
    answers->n = 0;
    for (unsigned pass = 0; pass < 2; pass++) {
        bool v6 = (pass == 0) == r->prefer_ipv6;
        for (unsigned i = 0; i < from.n; i++) {
            const struct app_answer *a = &from.list[i];
            bool fits = names ? pass == 0 && a->kind == APP_ANSWER_NAME
                              : a->kind == APP_ANSWER_ADDRESS && (v6 ? r->ipv6 : r->ipv4) &&
                                    a->address.family == (v6 ? ADDRESS_IPV6 : ADDRESS_IPV4);
            if (fits)
                answers->list[answers->n++] = *a;
        }
    }
    if (answers->n == 0 && from.n > 0)
        answers->error = EXIT_ANSWER_NEVER;
}

static void resolved(struct stream *stream, const uint8_t *body, size_t length)
{
    struct app_stream *s = stream_user(stream);
    struct exit_answers answers;
    if (s->state != APP_BEGUN)
        return;
    if (!exit_answer_resolved(body, length, &answers)) {
        counters_of(s)->drop_exit_answer++;
        app_stream_end_soon(s, END_TORPROTOCOL, APP_FAILED_END);
        return;
    }
    note_success(s);
    take_private_out(s, &answers);
    choose_answers(s, &answers);
    if (answers.n == 0) {
        app_stream_end_soon(s, END_RESOLVEFAILED,
                            answers.error == EXIT_ANSWER_NOT_NOW ? APP_FAILED_RESOLVE_NOW
                                                                 : APP_FAILED_RESOLVE);
        return;
    }
    s->state = APP_ANSWERED; // the stream has ended, and `closed` comes
    counters_of(s)->app_streams_connected++;
    if (s->ops->resolved)
        s->ops->resolved(s, answers.list, answers.n);
}

// ---- refusals (9.32; what C tor does of each)

static void remember_exit(struct app_stream *s)
{
    if (s->n_not_exits < APP_NOT_EXITS_MAX)
        memcpy(s->not_exits[s->n_not_exits++], s->exit_id, sizeof(s->exit_id));
    else
        s->failures = APP_FAILURES_MAX;
}

// Which address the exit's policy refused tells whether it is to be believed. Unlike C tor, which
// asks the next exit for that address, the next one is asked for the name: else this one could
// choose where the stream goes without carrying it.
static bool policy_can_be_retried(struct app_stream *s)
{
    size_t length = 0;
    const uint8_t *body = stream_end_body(s->stream, &length);
    struct address a = exit_answer_refused(body, length);
    if (a.family != ADDRESS_NONE && !may_be_told(s, &a)) {
        counters_of(s)->drop_exit_answer++;
        s->reason = END_TORPROTOCOL;
        return false;
    }
    // It refused the port, which its policy's summary accepts, wherever it leads.
    if (a.family == ADDRESS_NONE)
        circuit_pool_exit_refuses(pool_of(s), s->exit_id);
    remember_exit(s);
    return s->failures < APP_FAILURES_MAX;
}

static bool can_be_retried(struct app_stream *s)
{
    if (s->is_onion) // nobody else can be asked
        return false;
    switch (s->reason) {
    case END_EXITPOLICY:
        return policy_can_be_retried(s);
    case END_RESOLVEFAILED:
    case END_MISC:
    case END_NOROUTE:
        if (++s->failures >= APP_FAILURES_MAX)
            return false;
        if (s->oc)
            circuit_pool_retire(pool_of(s), s->oc);
        return true;
    case END_HIBERNATING:
    case END_RESOURCELIMIT:
        circuit_pool_exit_refuses(pool_of(s), s->exit_id);
        remember_exit(s);
        return s->failures < APP_FAILURES_MAX;
    default:
        return false;
    }
}

// The circuit went. What the exit had of it may have reached its target: then it is not for us to
// say it twice.
static bool loss_can_be_retried(struct app_stream *s)
{
    return s->early_sent == 0 && ++s->losses < APP_FAILURES_MAX;
}

static bool was_told(const struct stream *stream)
{
    size_t length;
    return stream_end_body(stream, &length) != NULL;
}

// It ended before it was connected.
static void refused(struct app_stream *s, enum end_reason reason)
{
    bool told = was_told(s->stream);
    s->reason = reason;
    if (told && reason != END_INTERNAL && reason != END_TORPROTOCOL && reason != END_DESTROY)
        note_success(s);
    bool retry = !s->user_ended && (told ? can_be_retried(s) : loss_can_be_retried(s));
    if (retry && s->oc && !s->is_onion)
        origin_circuit_note_detached(s->oc);
    s->stream = NULL;
    s->oc = NULL;
    if (retry)
        app_stream_retry(s);
    else
        app_stream_finish(s, s->reason, APP_FAILED_END);
}

static void closed(struct stream *stream, enum end_reason reason)
{
    struct app_stream *s = stream_user(stream);
    if (s->state == APP_BEGUN) {
        refused(s, reason);
        return;
    }
    s->stream = NULL;
    if (s->state == APP_ENDS)
        app_stream_finish(s, s->reason, s->failure);
    else
        app_stream_finish(s, reason, APP_FAILED_END);
}

// ---- bytes

static void data(struct stream *stream, const uint8_t *bytes, size_t length)
{
    struct app_stream *s = stream_user(stream);
    if (s->state != APP_CONNECTED)
        return;
    s->received_bytes += length;
    s->ops->data(s, bytes, length);
}

static int produce_again(struct app_stream *s, uint8_t *out, size_t capacity)
{
    size_t left = s->early_length - s->early_sent, n = left < capacity ? left : capacity;
    memcpy(out, s->early + s->early_sent, n);
    s->early_sent += n;
    drop_early(s);
    return (int)n;
}

static bool keep_room(struct app_stream *s, size_t n)
{
    if (s->early_capacity - s->early_length >= n)
        return true;
    size_t capacity = 2 * s->early_capacity + n;
    if (capacity > APP_OPTIMISTIC_MAX)
        capacity = APP_OPTIMISTIC_MAX;
    uint8_t *early = realloc(s->early, capacity);
    if (!early)
        return false;
    s->early = early;
    s->early_capacity = capacity;
    return true;
}

// Before it is connected all is kept, so far as there is room for it.
static int produce_early(struct app_stream *s, uint8_t *out, size_t capacity)
{
    size_t room = APP_OPTIMISTIC_MAX - s->early_length;
    size_t most = room < capacity ? room : capacity;
    if (most == 0 || !keep_room(s, most))
        return 0;
    int n = s->ops->produce(s, out, most);
    if (n > 0) {
        memcpy(s->early + s->early_length, out, (size_t)n);
        s->early_length += (size_t)n;
        s->early_sent = s->early_length;
    }
    return n;
}

static int produce(struct stream *stream, uint8_t *out, size_t capacity)
{
    struct app_stream *s = stream_user(stream);
    int n;
    if (s->state != APP_BEGUN && s->state != APP_CONNECTED)
        return 0;
    if (s->early_sent < s->early_length)
        n = produce_again(s, out, capacity);
    else if (s->state == APP_CONNECTED)
        n = s->ops->produce(s, out, capacity);
    else
        n = produce_early(s, out, capacity);
    if (n > 0)
        s->sent_bytes += (uint64_t)n;
    else if (n == STREAM_END)
        s->user_ended = true;
    return n;
}

const struct stream_ops app_stream_connect_ops = {
    .connected = connected, .data = data, .produce = produce, .closed = closed};

static int produce_nothing(struct stream *stream, uint8_t *out, size_t capacity)
{
    (void)stream, (void)out, (void)capacity;
    return 0;
}

static void ignore_data(struct stream *stream, const uint8_t *bytes, size_t length)
{
    (void)stream, (void)bytes, (void)length;
}

static void ignore_closed(struct stream *stream, enum end_reason reason)
{
    (void)stream, (void)reason;
}

const struct stream_ops app_stream_resolve_ops = {
    .resolved = resolved, .data = ignore_data, .produce = produce_nothing, .closed = closed};

// Of a stream that nobody waits for any more.
const struct stream_ops app_stream_left_ops = {.connected = ignore_data,
                                               .resolved = ignore_data,
                                               .data = ignore_data,
                                               .produce = produce_nothing,
                                               .closed = ignore_closed};
