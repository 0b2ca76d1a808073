// SPDX-License-Identifier: BSD-3-Clause
// Windows of a running relay, and what can be said of them.
#include "relay_measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

enum { WINDOWS_MAX = 1 << 16, TURNS_PER_LOOK = 16 };

static const double window_s = 0.002;
static const double warm_up_s = 0.15; // at most
static const double patience_s = 5;

// What a window must be to count. Latency bears less: a cell that waits for a thread which lost its
// CPU waits for all of that time.
struct quiet {
    double cpu_share_min;
    unsigned settle_windows; // until what waited through a disturbance has gone
};
static const struct quiet quiet_for_cost = {0.97, 4}, quiet_for_latency = {0.985, 10};

const char *const relay_stage_names[STAGES] = {
    "receive, IP", "TCP in, events",          "open records",
    "cells",       "schedule, seal, TCP out", "transmit"};
const char *const relay_stage_keys[STAGES] = {"rx",    "tcp_in",   "tls_open",
                                              "cells", "tls_seal", "tx"};

struct snapshot {
    uint64_t tsc;
    uint64_t own_ns, worker_ns[DATAPLANE_WORKERS_MAX];
    uint64_t latencies;
    uint64_t waiting, turns;
    struct counters sum;
};

struct window {
    double cycles_per_cell;
    double seconds, worker_seconds;
    double cells, busy, idle, waiting, turns;
    double stages[STAGES];
    double cells_in, records_in, records_out, rx_packets, tx_packets;
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t = {0};
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static void take(struct relay_bench *b, struct snapshot *s)
{
    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < dataplane_workers(b->dp); i++) {
        counters_add(&s->sum, dataplane_counters(b->dp, i));
        s->worker_ns[i] = clock_ns(b->clocks[i]);
    }
    s->own_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    s->tsc = rte_rdtsc();
    s->latencies = b->neighbours->n_latencies;
    s->waiting = b->neighbours->starved;
    s->turns = b->neighbours->turns;
}

static bool was_quiet(const struct relay_bench *b, const struct snapshot *from,
                      const struct snapshot *to, double cpu_share_min)
{
    double wall_ns = (double)(to->tsc - from->tsc) * 1e9 / (double)rte_get_tsc_hz();
    double least_ns = wall_ns * cpu_share_min;
    bool quiet = (double)(to->own_ns - from->own_ns) > least_ns;
    for (unsigned i = 0; i < dataplane_workers(b->dp); i++)
        quiet = quiet && (double)(to->worker_ns[i] - from->worker_ns[i]) > least_ns;
    return quiet && wall_ns < window_s * 1e9 * 2;
}

static void fill_window(const struct snapshot *from, const struct snapshot *to, unsigned workers,
                        double cpu_share, struct window *w)
{
    const struct counters *a = &from->sum, *z = &to->sum;
#define DELTA(counter) (double)(z->counter - a->counter)
    *w = (struct window){
        .seconds = (double)(to->tsc - from->tsc) / (double)rte_get_tsc_hz(),
        .cells = DELTA(cells_out),
        .busy = DELTA(cycles_busy),
        .idle = DELTA(cycles_idle),
        .waiting = (double)(to->waiting - from->waiting),
        .turns = (double)(to->turns - from->turns),
        .stages = {DELTA(cycles_rx), DELTA(cycles_tcp_in), DELTA(cycles_tls_open),
                   DELTA(cycles_cells), DELTA(cycles_tls_seal), DELTA(cycles_tx)},
        .cells_in = DELTA(cells_in),
        .records_in = DELTA(tls_records_in),
        .records_out = DELTA(tls_records_out),
        .rx_packets = DELTA(rx_packets),
        .tx_packets = DELTA(tx_packets),
    };
#undef DELTA
    // A thread that has the CPU for a part of the time counts cycles all the time.
    w->busy *= cpu_share;
    w->idle *= cpu_share;
    for (unsigned i = 0; i < STAGES; i++)
        w->stages[i] *= cpu_share;
    w->worker_seconds = w->seconds * workers;
    w->cycles_per_cell = w->cells > 0 ? w->busy / w->cells : 0;
}

// The part of the time that the workers had their CPUs.
static double cpu_share(const struct relay_bench *b, const struct snapshot *from,
                        const struct snapshot *to)
{
    double wall_ns = (double)(to->tsc - from->tsc) * 1e9 / (double)rte_get_tsc_hz(), had_ns = 0;
    unsigned workers = dataplane_workers(b->dp);
    for (unsigned i = 0; i < workers; i++)
        had_ns += (double)(to->worker_ns[i] - from->worker_ns[i]);
    return had_ns < wall_ns * workers ? had_ns / (wall_ns * workers) : 1;
}

static int by_cost(const void *a, const void *b)
{
    const struct window *x = a, *y = b;
    return (x->cycles_per_cell > y->cycles_per_cell) - (x->cycles_per_cell < y->cycles_per_cell);
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

// The middle half of the windows by cost: neither the luckiest nor the most disturbed.
static void sum_middle(struct window *windows, unsigned n, struct relay_result *r)
{
    struct window sum = {0};
    qsort(windows, n, sizeof(*windows), by_cost);
    for (unsigned i = n / 4; i < n - n / 4; i++) {
        const double *from = (const double *)&windows[i];
        double *to = (double *)&sum;
        for (unsigned f = 0; f < sizeof(sum) / sizeof(double); f++)
            to[f] += from[f];
    }
    if (sum.cells <= 0)
        return;
    r->cells_per_s = sum.cells / sum.seconds;
    r->busy_share = sum.busy / (sum.busy + sum.idle);
    r->cycles_per_cell = sum.busy / sum.cells;
    for (unsigned i = 0; i < STAGES; i++)
        r->stages[i] = sum.stages[i] / sum.cells;
    r->gbit_per_core = CELL_LEN * 8e-9 * (double)rte_get_tsc_hz() / r->cycles_per_cell;
    r->in_record_cells = sum.records_in > 0 ? sum.cells_in / sum.records_in : 0;
    r->out_record_cells = sum.records_out > 0 ? sum.cells / sum.records_out : 0;
    r->in_packets = sum.rx_packets / sum.cells;
    r->out_packets = sum.tx_packets / sum.cells;
    r->waiting_share = sum.turns > 0 ? sum.waiting / sum.turns : 0;
}

static void percentiles(struct neighbours *n, struct relay_result *r)
{
    static const double which[3] = {0.5, 0.99, 0.999};
    const double us = 1e6 / (double)rte_get_tsc_hz();
    r->latencies = n->n_latencies;
    r->all_latencies = n->all_latencies.n;
    qsort(n->latencies, n->n_latencies, sizeof(*n->latencies), by_value);
    for (unsigned i = 0; i < 3; i++) {
        unsigned at = n->n_latencies ? (unsigned)((double)(n->n_latencies - 1) * which[i]) : 0;
        r->latency_us[i] = n->n_latencies ? (double)n->latencies[at] * 16 * us : 0;
        r->all_latency_us[i] = histogram_at(&n->all_latencies, which[i]) * us;
    }
}

// A worker counts its cells as they go and its cycles at a turn's end, which may be far off when it
// has lost its CPU: a cost needs both.
static bool measured_something(const struct snapshot *from, const struct snapshot *to)
{
    return to->sum.cells_out != from->sum.cells_out && to->sum.cycles_busy != from->sum.cycles_busy;
}

// What was dropped, and by which counters ("tcp_window 3, …").
static void note_drops(const struct counters *before, const struct counters *after,
                       struct relay_result *r)
{
    size_t used = 0;
#define NOTE_DROP(name, what)                                                                      \
    if (strncmp(#name, "drop_", 5) == 0 && after->name != before->name) {                          \
        r->drops += after->name - before->name;                                                    \
        if (used < sizeof(r->drop_names))                                                          \
            used += (size_t)snprintf(r->drop_names + used, sizeof(r->drop_names) - used,           \
                                     "%s%s %lu", used ? ", " : "", #name + 5,                      \
                                     (unsigned long)(after->name - before->name));                 \
    }
    COUNTERS(NOTE_DROP)
#undef NOTE_DROP
}

// ---- turns of the threads' loops

// How long a turn is that goes on at some moment, in the windows that count: so a turn weighs as
// much as it is long. The worker's are seen from outside: its counters change at a turn's end, and
// the generators look after each of their own (shorter) turns.
struct turns {
    struct histogram worker, generator; // TSC cycles
    uint64_t generator_busy;            // of them, in turns with something to do
};

struct watch {
    uint64_t last_tsc, last_busy;
    struct turns window, counting;
};

static void look_at_turns(struct relay_bench *b, struct watch *watch, bool worked)
{
    uint64_t now = rte_rdtsc();
    uint64_t busy = __atomic_load_n(&dataplane_counters(b->dp, 0)->cycles_busy, __ATOMIC_RELAXED);
    uint64_t own = now - watch->last_tsc, worker = busy - watch->last_busy;
    histogram_add_times(&watch->window.generator, own, own);
    watch->window.generator_busy += worked ? own : 0;
    histogram_add_times(&watch->window.worker, worker, worker);
    watch->last_tsc = now;
    watch->last_busy = busy;
}

static void end_turns_of_window(struct watch *watch, bool counts)
{
    if (counts) {
        histogram_merge(&watch->counting.worker, &watch->window.worker);
        histogram_merge(&watch->counting.generator, &watch->window.generator);
        watch->counting.generator_busy += watch->window.generator_busy;
    }
    memset(&watch->window, 0, sizeof(watch->window));
}

static void note_turns(const struct watch *watch, struct relay_result *r)
{
    static const double which[3] = {0.5, 0.99, 1};
    const struct turns *t = &watch->counting;
    r->generator_busy = t->generator.n ? (double)t->generator_busy / (double)t->generator.n : 0;
    const double us = 1e6 / (double)rte_get_tsc_hz();
    for (unsigned i = 0; i < 3; i++) {
        r->worker_turn_us[i] = histogram_at(&t->worker, which[i]) * us;
        r->generator_turn_us[i] = histogram_at(&t->generator, which[i]) * us;
    }
}

// ---- measuring

static void run_until(struct relay_bench *b, uint64_t until, struct watch *watch)
{
    do {
        for (unsigned i = 0; i < TURNS_PER_LOOK; i++) {
            bool worked = neighbours_turn(b->neighbours);
            if (watch)
                look_at_turns(b, watch, worked);
        }
    } while (rte_rdtsc() < until && !b->neighbours->broken);
}

static void begin(struct relay_bench *b, double seconds, double cells_per_s)
{
    struct neighbours *n = b->neighbours;
    const double hz = (double)rte_get_tsc_hz();
    n->cells_per_cycle = cells_per_s / hz;
    n->credit_cells = 0;
    n->last_tsc = rte_rdtsc();
    n->sending = true;
    n->n_latencies = 0;
    n->keep_latencies = false;
    run_until(b, rte_rdtsc() + (uint64_t)(RTE_MIN(warm_up_s, seconds) * hz), NULL);
    memset(&n->all_latencies, 0, sizeof(n->all_latencies));
    n->keep_latencies = true;
}

// The state of one measurement.
struct measuring {
    struct window *windows;
    struct watch watch;
    unsigned quiet_before; // windows in a row
};

// One window, from `from` to now, which becomes the next one's `from`.
static void run_window(struct relay_bench *b, struct measuring *m, bool paced,
                       struct snapshot *from, struct relay_result *out)
{
    const struct quiet *need = paced ? &quiet_for_latency : &quiet_for_cost;
    struct neighbours *n = b->neighbours;
    struct snapshot to;
    run_until(b, from->tsc + (uint64_t)(window_s * (double)rte_get_tsc_hz()),
              paced ? &m->watch : NULL);
    control_listen(b->dp, n);
    take(b, &to);
    bool quiet = was_quiet(b, from, &to, need->cpu_share_min);
    bool counts = quiet && m->quiet_before >= need->settle_windows;
    if (counts || (quiet && !paced && m->quiet_before))
        fill_window(from, &to, dataplane_workers(b->dp), 1, &m->windows[out->windows++]);
    if (!counts)
        n->n_latencies = (unsigned)from->latencies;
    end_turns_of_window(&m->watch, counts);
    m->quiet_before = quiet ? m->quiet_before + 1 : 0;
    out->windows_all++;
    out->windows_taken += !quiet;
    to.latencies = n->n_latencies;
    *from = to;
}

bool relay_measure(struct relay_bench *b, double seconds, double cells_per_s,
                   struct relay_result *out)
{
    struct neighbours *n = b->neighbours;
    struct snapshot first, from;
    struct measuring *m = calloc(1, sizeof(*m));
    memset(out, 0, sizeof(*out));
    if (m)
        m->windows = calloc(WINDOWS_MAX, sizeof(*m->windows));
    if (!m || !m->windows) {
        free(m);
        return false;
    }
    begin(b, seconds, cells_per_s);
    take(b, &first);
    from = first;
    m->watch.last_tsc = first.tsc;
    m->watch.last_busy = dataplane_counters(b->dp, 0)->cycles_busy;
    const double hz = (double)rte_get_tsc_hz();
    uint64_t end = first.tsc + (uint64_t)(seconds * hz);
    uint64_t last = end + (uint64_t)(patience_s * hz); // for a first cell, where CPUs are scarce
    uint64_t lost = b->wire.lost;
    while ((from.tsc < end || (!measured_something(&first, &from) && from.tsc < last)) &&
           out->windows_all < WINDOWS_MAX && !n->broken)
        run_window(b, m, cells_per_s > 0, &from, out);
    out->cpu_share = cpu_share(b, &first, &from);
    if (!b->cpu_time)
        sum_middle(m->windows, out->windows, out);
    // The CPUs are shared all the time, or what was forwarded went outside of the windows that
    // count: by CPU time then.
    if (out->cycles_per_cell <= 0 && !n->broken) {
        fill_window(&first, &from, dataplane_workers(b->dp), b->cpu_time ? 1 : out->cpu_share,
                    m->windows);
        sum_middle(m->windows, 1, out);
    }
    out->seconds = (double)(from.tsc - first.tsc) / (double)rte_get_tsc_hz();
    note_drops(&first.sum, &from.sum, out);
    out->retransmits = from.sum.tcp_retransmits - first.sum.tcp_retransmits;
    out->frames_lost = b->wire.lost - lost;
    percentiles(n, out);
    note_turns(&m->watch, out);
    free(m->windows);
    free(m);
    return !n->broken;
}

uint64_t relay_drain(struct relay_bench *b)
{
    struct neighbours *n = b->neighbours;
    uint64_t until = rte_rdtsc() + (uint64_t)(patience_s * (double)rte_get_tsc_hz());
    n->keep_latencies = false;
    n->draining = true;
    while (!n->broken && n->arrived != n->sent && rte_rdtsc() < until) {
        neighbours_turn(n);
        control_listen(b->dp, n);
    }
    return n->sent > n->arrived ? n->sent - n->arrived : n->arrived - n->sent;
}
