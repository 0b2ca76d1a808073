// SPDX-License-Identifier: BSD-3-Clause
// What takes too long (protocol 9.22).
#include "origin/circuit/origin_circuit_internal.h"
#include "origin/origin.h"

// The time-out is learned of circuits of three hops, which send cells over six links and as many
// back; others have it in proportion, and a second more.
enum { LINKS_OF_THREE_HOPS = 6, LINKS_OF_FOUR_HOPS = 10, LINKS_OF_ONE_MORE = 4, SLACK_MS = 1000 };

// … and a service's circuit to its introduction point one message to and fro.
enum { LINKS_WITH_ESTABLISH_INTRO = 9 };

static uint64_t limit_ms(const struct origin_circuit *oc)
{
    uint64_t timeout_ms = build_times_timeout_ms(oc->all->times);
    uint64_t close_ms = build_times_close_ms(oc->all->times);
    unsigned n_hops = own_circuit_path(oc->circuit)->n_hops;
    if (oc->state == ORIGIN_TOO_SLOW)
        return close_ms;
    if (oc->extended_ms)
        return close_ms * LINKS_OF_ONE_MORE / LINKS_OF_THREE_HOPS + SLACK_MS;
    if (oc->purpose == ORIGIN_SERVICE_INTRO)
        return timeout_ms * LINKS_WITH_ESTABLISH_INTRO / LINKS_OF_THREE_HOPS + SLACK_MS;
    if (n_hops > BUILD_TIME_COUNTED_HOPS)
        return timeout_ms * LINKS_OF_FOUR_HOPS / LINKS_OF_THREE_HOPS + SLACK_MS;
    return timeout_ms;
}

// While nothing is open, the network itself may have become slow: there is time until measuring
// would end.
static bool relax(struct origin_circuit *oc, uint64_t age_ms)
{
    struct build_times *times = oc->all->times;
    if (origin_circuits_any_open(oc->all) || age_ms >= build_times_close_ms(times))
        return false;
    if (!oc->relaxed)
        build_times_timed_out(times, own_circuit_hops_built(oc->circuit) > 0);
    oc->relaxed = true;
    return true;
}

static void expire(struct origin_circuit *oc, uint64_t age_ms)
{
    struct build_times *times = oc->all->times;
    bool measured = origin_circuit_counts(oc) && build_times_enough(times);
    if (measured && oc->state != ORIGIN_TOO_SLOW) {
        origin_circuit_give_up(oc);
        return;
    }
    if (measured && age_ms <= 2 * build_times_close_ms(times) + 1000) // else the machine slept
        build_times_abandoned(times, oc->launched_ms);
    bias_timed_out(oc);
    own_circuit_close(oc->circuit, DESTROY_TIMEOUT);
}

static void look_at_building(struct origin_circuit *oc, uint64_t now_ms)
{
    // Before its first hop was asked it waits for a link, which has its own time-outs.
    uint64_t began_ms = oc->extended_ms ? oc->extended_ms : own_circuit_began_ms(oc->circuit);
    uint64_t age_ms = now_ms - began_ms;
    if (began_ms && age_ms > limit_ms(oc) && !relax(oc, age_ms))
        expire(oc, age_ms);
}

static void look_at_kept(struct origin_circuit *oc, uint64_t now_ms)
{
    if (!oc->kept_until_ms || now_ms < oc->kept_until_ms || own_circuit_is_gone(oc->circuit))
        return;
    if (oc->probe) {
        oc->bias = BIAS_USE_FAILED;
        bias_timed_out(oc);
    }
    own_circuit_close(oc->circuit, DESTROY_FINISHED);
}

static void look_at(struct origin_circuit *oc, uint64_t now_ms)
{
    switch (origin_circuit_state(oc)) {
    case ORIGIN_GUARD_WAIT:
        origin_circuit_look(oc);
        break;
    case ORIGIN_BUILDING:
    case ORIGIN_TOO_SLOW:
        look_at_building(oc, now_ms);
        break;
    case ORIGIN_OPEN:
        break;
    case ORIGIN_CLOSED:
        look_at_kept(oc, now_ms);
        break;
    }
}

void origin_circuits_tick(struct origin_circuits *all)
{
    struct origin_circuit *oc, *next;
    uint64_t now_ms = origin_circuits_now_ms(all);
    if (own_circuits_heard(all->origin->relay))
        build_times_heard(all->times, now_ms);
    for (oc = LIST_FIRST(&all->standing); oc; oc = next) { // what is closed is freed later
        next = LIST_NEXT(oc, entry);
        look_at(oc, now_ms);
    }
    for (oc = LIST_FIRST(&all->young); oc; oc = next) {
        next = LIST_NEXT(oc, entry);
        look_at(oc, now_ms);
    }
}
