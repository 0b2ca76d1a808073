// SPDX-License-Identifier: BSD-3-Clause
// The life of a circuit of ours: from its path to what its user is told.
#include "origin/circuit/origin_circuit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/message.h"
#include "bootstrap.h"
#include "circuit/circuit_internal.h"
#include "dir/parameters.h"
#include "origin/circuit/origin_circuit_internal.h"
#include "origin/origin.h"
#include "stream/circuit_streams.h"

uint64_t origin_circuits_now_ms(const struct origin_circuits *all)
{
    return streams_now_us(all->origin->relay->circuits->streams) / 1000;
}

// ---- what becomes of it

// The user's last word: what it is told comes from the loop.
static void tell_closed(struct origin_circuit *oc, enum destroy_reason reason)
{
    const struct origin_circuit_ops *ops = oc->ops;
    oc->ops = NULL;
    if (ops && ops->closed)
        ops->closed(oc, reason);
}

static void become_open(struct origin_circuit *oc)
{
    oc->state = ORIGIN_OPEN;
    LIST_REMOVE(oc, entry);
    LIST_INSERT_HEAD(&oc->all->standing, oc, entry);
    oc->opened_ms = origin_circuits_now_ms(oc->all);
    if (oc->purpose == ORIGIN_GENERAL)
        bootstrap_reached(oc->all->origin->relay, BOOTSTRAP_DONE);
    origin_circuit_log(oc);
    if (oc->ops && oc->ops->opened)
        oc->ops->opened(oc);
}

void origin_circuit_look(struct origin_circuit *oc)
{
    switch (guard_use_look(oc->guard)) {
    case GUARD_USABLE:
        become_open(oc);
        break;
    case GUARD_DISCARD:
        own_circuit_close(oc->circuit, DESTROY_TIMEOUT);
        break;
    case GUARD_WAIT:
        break;
    }
}

// A guard has answered, or has not: others may have waited for that. None is freed meanwhile.
static void look_at_waiting(struct origin_circuits *all)
{
    struct origin_circuit *oc, *next;
    for (oc = LIST_FIRST(&all->young); oc; oc = next) {
        next = LIST_NEXT(oc, entry);
        if (origin_circuit_state(oc) == ORIGIN_GUARD_WAIT)
            origin_circuit_look(oc);
    }
}

void origin_circuit_give_up(struct origin_circuit *oc)
{
    if (!oc->relaxed)
        build_times_timed_out(oc->all->times, own_circuit_hops_built(oc->circuit) > 0);
    oc->state = ORIGIN_TOO_SLOW;
    tell_closed(oc, DESTROY_TIMEOUT);
}

bool origin_circuits_any_open(const struct origin_circuits *all)
{
    const struct origin_circuit *oc;
    LIST_FOREACH(oc, &all->standing, entry)
    if (origin_circuit_state(oc) == ORIGIN_OPEN &&
        own_circuit_path(oc->circuit)->n_hops == BUILD_TIME_COUNTED_HOPS)
        return true;
    return false;
}

bool origin_circuit_counts(const struct origin_circuit *oc)
{
    return !oc->was_open && own_circuit_path(oc->circuit)->n_hops >= BUILD_TIME_COUNTED_HOPS &&
           own_circuit_hops_built(oc->circuit) <= BUILD_TIME_COUNTED_HOPS;
}

// ---- what its circuit tells

static void measure(struct origin_circuit *oc, unsigned hops)
{
    struct build_times *times = oc->all->times;
    uint64_t ms = origin_circuits_now_ms(oc->all) - own_circuit_began_ms(oc->circuit);
    if (ms > build_times_timeout_ms(times) && oc->state == ORIGIN_BUILDING &&
        origin_circuits_any_open(oc->all))
        origin_circuit_give_up(oc);
    if (hops == BUILD_TIME_COUNTED_HOPS)
        build_times_built(times, ms, oc->state != ORIGIN_TOO_SLOW);
}

static void on_hop_built(struct circuit *c, unsigned hops)
{
    struct origin_circuit *oc = own_circuit_user(c);
    build_times_heard(oc->all->times, origin_circuits_now_ms(oc->all));
    if (hops == 2)
        bias_attempted(oc);
    if (origin_circuit_counts(oc) && build_times_is_learning(oc->all->times))
        measure(oc, hops);
}

static void first_opened(struct origin_circuit *oc)
{
    enum guard_verdict verdict = oc->guard ? guard_use_succeeded(oc->guard) : GUARD_USABLE;
    oc->was_open = true;
    bias_built(oc);
    if (verdict == GUARD_DISCARD)
        own_circuit_close(oc->circuit, DESTROY_TIMEOUT);
    else if (oc->state != ORIGIN_BUILDING || oc->purpose == ORIGIN_MEASURE)
        own_circuit_close(oc->circuit, DESTROY_FINISHED); // it was only to be measured
    else if (verdict == GUARD_USABLE)
        become_open(oc);
    else
        oc->state = ORIGIN_GUARD_WAIT;
    look_at_waiting(oc->all);
}

static void on_opened(struct circuit *c)
{
    struct origin_circuit *oc = own_circuit_user(c);
    if (!oc->was_open) {
        first_opened(oc);
        return;
    }
    oc->extended_ms = 0;
    if (oc->state == ORIGIN_BUILDING)
        become_open(oc);
}

static bool on_message(struct circuit *c, const struct message *m)
{
    struct origin_circuit *oc = own_circuit_user(c);
    if (m->relay.command == RELAY_PADDING_NEGOTIATED) {
        bool asked = padding_machine_take(&oc->padding, m->relay.hop, m->payload, m->length);
        if (asked && oc->kept_until_ms && !padding_machine_keeps(&oc->padding))
            own_circuit_close(c, DESTROY_FINISHED);
        return asked;
    }
    if (!oc->ops && oc->state == ORIGIN_CLOSED)
        return true; // what is under way when its user closes it
    return oc->ops && oc->ops->message && oc->ops->message(oc, m);
}

// The first hop did not answer as it should, for reasons of its own: one that closes the circuit by
// DESTROY is there.
static bool is_guards_fault(const struct origin_circuit *oc, enum destroy_reason reason,
                            bool by_network)
{
    bool ours = reason == DESTROY_INTERNAL || reason == DESTROY_RESOURCELIMIT ||
                reason == DESTROY_HIBERNATING || reason == DESTROY_REQUESTED ||
                reason == DESTROY_FINISHED;
    return own_circuit_hops_built(oc->circuit) == 0 && !by_network && !ours;
}

static void end_guard(struct origin_circuit *oc, bool failed)
{
    if (oc->guard && failed)
        guard_use_failed(oc->guard);
    else if (oc->guard)
        guard_use_end(oc->guard);
    oc->guard = NULL;
}

static void on_closed(struct circuit *c, enum destroy_reason reason, bool by_network)
{
    struct origin_circuit *oc = own_circuit_user(c);
    struct origin_circuits *all = oc->all;
    bias_closed(oc, reason, by_network);
    end_guard(oc, is_guards_fault(oc, reason, by_network));
    oc->state = ORIGIN_CLOSED;
    tell_closed(oc, reason);
    LIST_REMOVE(oc, entry);
    free(oc);
    look_at_waiting(all);
}

static const struct own_circuit_ops circuit_ops = {
    .hop_built = on_hop_built,
    .opened = on_opened,
    .message = on_message,
    .closed = on_closed,
};

// ---- its user

static struct origin_circuit *make(struct origin_circuits *all, enum origin_purpose purpose,
                                   const struct path_request *request, const struct path *path)
{
    struct origin_circuit *oc = calloc(1, sizeof(*oc));
    if (oc)
        oc->circuit = own_circuit_build(all->origin->relay, &path->hops, &circuit_ops, oc);
    if (!oc || !oc->circuit) {
        free(oc);
        return NULL;
    }
    oc->all = all;
    oc->purpose = purpose;
    oc->guard = path->guard;
    oc->request = *request;
    oc->request.not_exits = NULL; // the caller's
    oc->request.n_not_exits = 0;
    oc->launched_ms = origin_circuits_now_ms(all);
    if (path->hops.n_hops >= BUILD_TIME_COUNTED_HOPS)
        all->last_launch_ms = oc->launched_ms;
    LIST_INSERT_HEAD(&all->young, oc, entry);
    return oc;
}

static bool is_too_many(const struct origin_circuits *all, enum origin_purpose purpose)
{
    const struct origin_circuit *oc;
    unsigned n = 0;
    if (purpose != ORIGIN_SERVICE_REND)
        return origin_circuits_building(all) >= ORIGIN_BUILDING_MAX;
    LIST_FOREACH(oc, &all->young, entry)
    n += oc->purpose == ORIGIN_SERVICE_REND && origin_circuit_state(oc) == ORIGIN_BUILDING;
    return n >= ORIGIN_RENDEZVOUS_BUILDING_MAX;
}

int origin_circuit_launch(struct origin *origin, enum origin_purpose purpose,
                          const struct path_request *request, const struct origin_circuit_ops *ops,
                          void *user, struct origin_circuit **out, const char **why)
{
    struct origin_circuits *all = origin->circuits;
    struct path path;
    if (is_too_many(all, purpose)) {
        if (why)
            *why = "too many circuits are being built";
        return -ENOBUFS;
    }
    int error = path_choose(origin, request, &path, why);
    if (error)
        return error;
    struct origin_circuit *oc = make(all, purpose, request, &path);
    if (!oc) {
        if (path.guard)
            guard_use_end(path.guard);
        if (why)
            *why = "there is no memory";
        return -ENOMEM;
    }
    oc->ops = ops;
    oc->user = user;
    *out = oc;
    return 0;
}

void origin_circuit_close(struct origin_circuit *oc)
{
    if (oc->state == ORIGIN_CLOSED)
        return;
    bool stands = origin_circuit_state(oc) == ORIGIN_OPEN;
    oc->ops = NULL;
    oc->state = ORIGIN_CLOSED;
    uint64_t now = origin_circuits_now_ms(oc->all);
    if (stands && padding_machine_keeps(&oc->padding))
        oc->kept_until_ms = now + PADDING_KEEPS_MAX_MS;
    else if (stands && bias_probe(oc))
        oc->kept_until_ms = now + build_times_close_ms(oc->all->times);
    else
        own_circuit_close(oc->circuit, DESTROY_FINISHED);
}

void origin_circuit_set_user(struct origin_circuit *oc, enum origin_purpose purpose,
                             const struct origin_circuit_ops *ops, void *user)
{
    bool tell = oc->purpose != purpose && origin_circuit_state(oc) == ORIGIN_OPEN;
    oc->purpose = purpose;
    oc->ops = ops;
    oc->user = user;
    if (tell)
        origin_circuit_log(oc);
}

bool origin_circuit_extend(struct origin_circuit *oc, const struct own_circuit_hop *hop)
{
    if (origin_circuit_state(oc) != ORIGIN_OPEN || !own_circuit_extend(oc->circuit, hop))
        return false;
    oc->state = ORIGIN_BUILDING;
    LIST_REMOVE(oc, entry);
    LIST_INSERT_HEAD(&oc->all->young, oc, entry);
    oc->extended_ms = origin_circuits_now_ms(oc->all);
    oc->request.has_last = true;
    oc->request.last = *hop;
    return true;
}

bool origin_circuit_start_padding(struct origin_circuit *oc, enum padding_machine_type type)
{
    uint8_t body[PADDING_NEGOTIATE_LEN];
    const struct own_circuit_path *path = own_circuit_path(oc->circuit);
    if (parameters_of(oc->all->origin->relay)->circuit_padding_disabled ||
        origin_circuit_state(oc) != ORIGIN_OPEN || path->n_hops < PADDING_HOP ||
        !path->hops[PADDING_HOP - 1].padding || !padding_machine_start(&oc->padding, type, body))
        return false;
    own_circuit_send(oc->circuit, PADDING_HOP, RELAY_PADDING_NEGOTIATE, body, sizeof(body));
    for (unsigned n = padding_machine_cells(&oc->padding); n > 0; n--)
        own_circuit_send(oc->circuit, PADDING_HOP, RELAY_DROP, NULL, 0);
    return true;
}

void *origin_circuit_user(const struct origin_circuit *oc)
{
    return oc->user;
}

enum origin_purpose origin_circuit_purpose(const struct origin_circuit *oc)
{
    return oc->purpose;
}

enum origin_circuit_state origin_circuit_state(const struct origin_circuit *oc)
{
    return oc->state == ORIGIN_CLOSED || own_circuit_is_gone(oc->circuit) ? ORIGIN_CLOSED
                                                                          : oc->state;
}

struct circuit *origin_circuit_circuit(const struct origin_circuit *oc)
{
    return oc->circuit;
}

const struct own_circuit_path *origin_circuit_path(const struct origin_circuit *oc)
{
    return own_circuit_path(oc->circuit);
}

const struct path_request *origin_circuit_request(const struct origin_circuit *oc)
{
    return &oc->request;
}

uint64_t origin_circuit_opened_ms(const struct origin_circuit *oc)
{
    return oc->opened_ms;
}

// ---- all of them

unsigned origin_circuits_building(const struct origin_circuits *all)
{
    const struct origin_circuit *oc;
    unsigned n = 0;
    LIST_FOREACH(oc, &all->young, entry)
    n += !oc->was_open && oc->purpose != ORIGIN_SERVICE_REND &&
         origin_circuit_state(oc) == ORIGIN_BUILDING;
    return n;
}

void origin_circuits_each(const struct origin_circuits *all,
                          void (*each)(void *user, const struct origin_circuit *oc), void *user)
{
    const struct origin_circuit *oc;
    LIST_FOREACH(oc, &all->young, entry)
    if (origin_circuit_state(oc) != ORIGIN_CLOSED)
        each(user, oc);
    LIST_FOREACH(oc, &all->standing, entry)
    if (origin_circuit_state(oc) != ORIGIN_CLOSED)
        each(user, oc);
}

uint64_t origin_circuits_build_timeout_ms(const struct origin_circuits *all, unsigned *learned_of)
{
    if (learned_of)
        *learned_of = build_times_enough(all->times) ? build_times_count(all->times) : 0;
    return build_times_timeout_ms(all->times);
}

bool origin_circuits_want_measure(const struct origin_circuits *all)
{
    return build_times_want_circuit(all->times, all->last_launch_ms, origin_circuits_now_ms(all));
}

struct origin_circuits *origin_circuits_create(struct origin *origin)
{
    struct origin_circuits *all = calloc(1, sizeof(*all));
    if (all)
        all->times = build_times_create(origin->relay, origin->state);
    if (!all || !all->times) {
        free(all);
        return NULL;
    }
    all->origin = origin;
    return all;
}

void origin_circuits_free(struct origin_circuits *all)
{
    struct origin_circuit *oc;
    if (!all)
        return;
    while ((oc = LIST_FIRST(&all->young)) || (oc = LIST_FIRST(&all->standing))) {
        own_circuit_set_user(oc->circuit, NULL, NULL);
        own_circuit_close(oc->circuit, DESTROY_FINISHED);
        bias_forget_probe(oc);
        end_guard(oc, false);
        LIST_REMOVE(oc, entry);
        free(oc);
    }
    build_times_free(all->times);
    free(all);
}
