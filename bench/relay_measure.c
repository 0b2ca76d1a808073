// SPDX-License-Identifier: BSD-3-Clause
// Windows of a running relay, and what can be said of them.
#include "relay_measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

enum { WINDOWS_MAX = 1 << 16, TURNS_PER_LOOK = 16 };

static const double window_s = 0.002;
static const double quiet_share_min = 0.97;
static const double warm_up_s = 0.15;
static const unsigned settle_windows = 4; // until what waited through a disturbance has gone

const char *const relay_stage_names[STAGES] = {
    "receive, IP", "TCP in, events",          "open records",
    "cells",       "schedule, seal, TCP out", "transmit"};

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
                      const struct snapshot *to)
{
    double wall_ns = (double)(to->tsc - from->tsc) * 1e9 / (double)rte_get_tsc_hz();
    bool quiet = (double)(to->own_ns - from->own_ns) > wall_ns * quiet_share_min;
    for (unsigned i = 0; i < dataplane_workers(b->dp); i++)
        quiet =
            quiet && (double)(to->worker_ns[i] - from->worker_ns[i]) > wall_ns * quiet_share_min;
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
    r->latencies = n->n_latencies;
    qsort(n->latencies, n->n_latencies, sizeof(*n->latencies), by_value);
    for (unsigned i = 0; n->n_latencies && i < 3; i++) {
        unsigned at = (unsigned)((double)(n->n_latencies - 1) * which[i]);
        r->latency_us[i] = (double)n->latencies[at] * 16e6 / (double)rte_get_tsc_hz();
    }
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

static void run_until(struct relay_bench *b, uint64_t until)
{
    do {
        for (unsigned i = 0; i < TURNS_PER_LOOK; i++)
            neighbours_turn(b->neighbours);
    } while (rte_rdtsc() < until && !b->neighbours->broken);
}

bool relay_measure(struct relay_bench *b, double seconds, double cells_per_s,
                   struct relay_result *out)
{
    struct neighbours *n = b->neighbours;
    const double hz = (double)rte_get_tsc_hz();
    struct window *windows = calloc(WINDOWS_MAX, sizeof(*windows));
    struct snapshot first, from, to;
    unsigned count = 0, all = 0;
    unsigned quiet_before = 0;

    memset(out, 0, sizeof(*out));
    if (!windows)
        return false;
    n->cells_per_cycle = cells_per_s / hz;
    n->credit_cells = 0;
    n->last_tsc = rte_rdtsc();
    n->sending = true;
    n->n_latencies = 0;
    n->keep_latencies = false;
    run_until(b, rte_rdtsc() + (uint64_t)(warm_up_s * hz));
    n->keep_latencies = true;
    take(b, &first);
    from = first;
    uint64_t end = first.tsc + (uint64_t)(seconds * hz), lost = b->wire.lost;
    while (from.tsc < end && all < WINDOWS_MAX && !n->broken) {
        run_until(b, from.tsc + (uint64_t)(window_s * hz));
        control_listen(b->dp, n);
        take(b, &to);
        bool quiet = was_quiet(b, &from, &to);
        if (quiet && quiet_before)
            fill_window(&from, &to, dataplane_workers(b->dp), 1, &windows[count++]);
        if (!quiet || quiet_before < settle_windows)
            n->n_latencies = (unsigned)from.latencies;
        quiet_before = quiet ? quiet_before + 1 : 0;
        all++;
        to.latencies = n->n_latencies;
        from = to;
    }
    if (count == 0 && !n->broken) { // the CPUs are shared all the time: by CPU time then
        fill_window(&first, &to, dataplane_workers(b->dp), cpu_share(b, &first, &to), windows);
        sum_middle(windows, 1, out);
    }
    out->seconds = (double)(to.tsc - first.tsc) / hz;
    out->quiet_share = all ? (double)count / all : 0;
    out->windows = count;
    note_drops(&first.sum, &to.sum, out);
    out->retransmits = to.sum.tcp_retransmits - first.sum.tcp_retransmits;
    out->frames_lost = b->wire.lost - lost;
    sum_middle(windows, count, out);
    percentiles(n, out);
    free(windows);
    return !n->broken;
}
