// SPDX-License-Identifier: BSD-3-Clause
// TOR_VEGAS: a window that grows until the cells that it lets wait somewhere on the way, which the
// round-trip time tells, are as many as they should be.
#include "stream/vegas.h"

enum {
    JUMP_RATIO = 5000, // a round trip so many times longer or shorter than usual is none
    EWMA_MIN = 2,
};

const struct vegas_parameters vegas_defaults = {
    .cwnd_init = 124,
    .cwnd_min = 124,
    .cwnd_max = INT32_MAX,
    .cwnd_inc = 1,
    .cwnd_inc_pct_ss = 100,
    .cwnd_inc_rate = 31,
    .ss_cwnd_cap = 600,
    .ss_cwnd_max = 5000,
    .alpha = 186,
    .beta = 248,
    .gamma = 186,
    .delta = 310,
    .ewma_cwnd_pct = 50,
    .ewma_max = 10,
    .ewma_ss = 2,
    .rtt_reset_pct = 100,
    .cwnd_full_gap = 4,
    .cwnd_full_minpct = 25,
    .cwnd_full_per_cwnd = true,
};

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void vegas_begin(struct vegas *v, const struct vegas_parameters *parameters, uint32_t sendme_inc)
{
    *v = (struct vegas){
        .parameters = parameters,
        .sendme_inc = sendme_inc,
        .cwnd = parameters->cwnd_init,
        .slow_start = true,
    };
}

void vegas_sent(struct vegas *v)
{
    v->in_flight++;
}

uint64_t vegas_room(const struct vegas *v)
{
    return v->in_flight < v->cwnd ? v->cwnd - v->in_flight : 0; // it may just have shrunk
}

// ---- in acknowledgements, rounded

static uint64_t sendmes_per_cwnd(const struct vegas *v)
{
    return (v->cwnd + v->sendme_inc / 2) / v->sendme_inc;
}

static uint64_t update_rate(const struct vegas *v)
{
    uint64_t cells = (uint64_t)v->parameters->cwnd_inc_rate * v->sendme_inc;
    return v->slow_start ? 1 : (v->cwnd + cells / 2) / cells;
}

// ---- the round-trip time

bool vegas_clock_jumped(struct vegas *v, uint64_t old_us, uint64_t new_us)
{
    if (new_us == 0) {
        v->clock_broken = true;
        return true;
    }
    if (v->slow_start || v->ewma_rtt_us == 0)
        return false; // nothing yet to compare it with
    if (old_us > new_us * JUMP_RATIO)
        return v->clock_broken; // else it may be the network
    if (new_us > old_us * JUMP_RATIO)
        return true;
    v->clock_broken = false;
    return false;
}

static uint64_t ewma_samples(const struct vegas *v)
{
    const struct vegas_parameters *p = v->parameters;
    uint64_t n =
        v->slow_start ? p->ewma_ss : least(update_rate(v) * p->ewma_cwnd_pct / 100, p->ewma_max);
    return most(n, EWMA_MIN);
}

static uint64_t mix(uint64_t a, uint64_t b, uint64_t pct_of_larger)
{
    return pct_of_larger * most(a, b) / 100 + (100 - pct_of_larger) * least(a, b) / 100;
}

bool vegas_update_rtt(struct vegas *v, uint64_t sent_us, uint64_t now_us)
{
    uint64_t rtt = now_us > sent_us ? now_us - sent_us : 0;
    if (vegas_clock_jumped(v, v->ewma_rtt_us, rtt))
        return false;
    uint64_t n = ewma_samples(v);
    v->ewma_rtt_us = v->ewma_rtt_us == 0 ? rtt : (2 * rtt + (n - 1) * v->ewma_rtt_us) / (n + 1);
    if (v->min_rtt_us == 0)
        v->min_rtt_us = v->ewma_rtt_us;
    else if (v->cwnd == v->parameters->cwnd_min && !v->slow_start)
        // A least that was much too low would keep the window at its least for ever.
        v->min_rtt_us = mix(v->ewma_rtt_us, v->min_rtt_us, v->parameters->rtt_reset_pct);
    else
        v->min_rtt_us = least(v->min_rtt_us, v->ewma_rtt_us);
    return true;
}

// ---- the bandwidth-delay product

// The clock has never moved: all that is known is how long our own queue is.
static void estimate_without_clock(struct vegas *v, bool blocked, uint64_t queued_cells)
{
    uint64_t cwnd = v->cwnd;
    if (blocked)
        cwnd = most(queued_cells < cwnd ? cwnd - queued_cells : 0, v->parameters->cwnd_min);
    v->blocked = blocked;
    v->bdp = cwnd;
}

// False if nothing new is known.
static bool estimate(struct vegas *v, bool measured, bool blocked, uint64_t queued_cells)
{
    if (v->ewma_rtt_us == 0) {
        estimate_without_clock(v, blocked, queued_cells);
        return blocked;
    }
    v->bdp = v->cwnd * v->min_rtt_us / v->ewma_rtt_us;
    if (v->blocked != blocked)
        v->next_cc_event = 0; // whichever it is, the window is looked at at once
    v->blocked = blocked;
    return blocked || measured;
}

// ---- the window

// RFC 3742, limited slow start.
static uint64_t slow_start_increment(const struct vegas *v)
{
    const struct vegas_parameters *p = v->parameters;
    if (v->cwnd <= p->ss_cwnd_cap)
        return ((uint64_t)p->cwnd_inc_pct_ss * v->sendme_inc + 50) / 100;
    uint64_t inc = ((uint64_t)v->sendme_inc * p->ss_cwnd_cap + v->cwnd) / (2 * v->cwnd);
    return most(inc, 1);
}

static void update_in_slow_start(struct vegas *v, uint64_t queue_use)
{
    const struct vegas_parameters *p = v->parameters;
    if (queue_use >= p->gamma || v->blocked) {
        v->cwnd = v->bdp + p->gamma;
        v->slow_start = false;
    } else if (v->cwnd_full) {
        uint64_t inc = slow_start_increment(v);
        v->cwnd += inc;
        if (inc * sendmes_per_cwnd(v) <= (uint64_t)p->cwnd_inc * p->cwnd_inc_rate)
            v->slow_start = false; // it would grow faster without
    }
    if (v->cwnd >= p->ss_cwnd_max) {
        v->cwnd = p->ss_cwnd_max;
        v->slow_start = false;
    }
}

static void update_in_steady_state(struct vegas *v, uint64_t queue_use)
{
    const struct vegas_parameters *p = v->parameters;
    uint64_t lower = v->cwnd > p->cwnd_inc ? v->cwnd - p->cwnd_inc : 0;
    if (queue_use > p->delta)
        v->cwnd = v->bdp + p->delta > p->cwnd_inc ? v->bdp + p->delta - p->cwnd_inc : 0;
    else if (queue_use > p->beta || v->blocked)
        v->cwnd = lower;
    else if (v->cwnd_full && queue_use < p->alpha)
        v->cwnd += p->cwnd_inc;
    v->cwnd = most(v->cwnd, p->cwnd_min);
}

// A window that isn't used does not grow: a burst would fill all of it (13.44).
static void note_fullness(struct vegas *v)
{
    const struct vegas_parameters *p = v->parameters;
    if (v->in_flight + (uint64_t)p->cwnd_full_gap * v->sendme_inc >= v->cwnd)
        v->cwnd_full = true;
    else if (100 * v->in_flight < p->cwnd_full_minpct * v->cwnd)
        v->cwnd_full = false;
}

static void begin_next_events(struct vegas *v)
{
    if (v->next_cwnd_event == 0)
        v->next_cwnd_event = sendmes_per_cwnd(v);
    if (v->next_cc_event == 0)
        v->next_cc_event = update_rate(v);
    bool passed = v->parameters->cwnd_full_per_cwnd ? v->next_cwnd_event == sendmes_per_cwnd(v)
                                                    : v->next_cc_event == update_rate(v);
    if (passed)
        v->cwnd_full = false;
}

void vegas_acknowledged(struct vegas *v, uint64_t sent_us, uint64_t now_us, bool blocked,
                        uint64_t queued_cells)
{
    v->next_cc_event -= v->next_cc_event > 0;
    v->next_cwnd_event -= v->next_cwnd_event > 0;
    bool measured = vegas_update_rtt(v, sent_us, now_us);
    if (estimate(v, measured, blocked, queued_cells)) {
        uint64_t queue_use = v->bdp < v->cwnd ? v->cwnd - v->bdp : 0;
        note_fullness(v);
        if (v->slow_start)
            update_in_slow_start(v, queue_use);
        else if (v->next_cc_event == 0)
            update_in_steady_state(v, queue_use);
        v->cwnd = least(v->cwnd, v->parameters->cwnd_max);
        begin_next_events(v);
    }
    v->in_flight = v->in_flight > v->sendme_inc ? v->in_flight - v->sendme_inc : 0; // 13.45
}
