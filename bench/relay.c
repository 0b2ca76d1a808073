// SPDX-License-Identifier: BSD-3-Clause
// `ramson-bench relay`: sets the relay and its neighbours up, measures, prints.
#include "relay.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "relay_report.h"

const struct relay_options relay_defaults = {
    .workers = 1,
    .mtus = {1500, 9000},
    .n_mtus = 2,
    .forward_percent = 50,
    .cipher = TLS_AES_256_GCM_SHA384_ID,
    .record_cells = 31,
    .run_cells = 1,
    .window_cells = 32,
    .seconds = 2,
    .latency = true,
    .nic_checksums = true,
    .cross = CROSS_UNSET,
    .cpus = {0, 1},
};

enum {
    LINKS = 64,
    CIRCUITS = 2000,
    LCORE_FIRST_WORKER = 1,
    RELAY_CELLS = 65536,
    RELAY_PACKETS = 32768,
    KINDS_ROUNDS = 5,
    FLOOR_ROUNDS_PER_S = 30,
};

static int tell_clock(void *arg)
{
    return pthread_getcpuclockid(pthread_self(), arg);
}

// Those that the relay sees.
static unsigned circuits(const struct relay_options *o)
{
    return o->joined ? 2 * o->circuits : o->circuits;
}

// Enough for the pools, with room for what lies between them.
static unsigned memory_mb(const struct relay_options *o)
{
    double packets = WIRE_FRAMES + WIRE_PACKETS + RELAY_PACKETS;
    double bytes = packets * (o->mtu + 640.0) + RELAY_CELLS * 704.0;
    bytes += o->workers * (24e6 + (2.0 * o->links + 8) * 4096 + (2.0 * circuits(o) + 1024) * 800);
    return (unsigned)(bytes * 1.4 / (1 << 20)) + 64;
}

static bool start_eal(const struct relay_options *o)
{
    char lcores[512], memory[16];
    int used = snprintf(lcores, sizeof(lcores), "--lcores=0@%d", o->cpus[0]);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    for (unsigned i = 0; i < o->workers; i++)
        used += snprintf(lcores + used, sizeof(lcores) - (size_t)used, ",%u@%ld",
                         LCORE_FIRST_WORKER + i, (o->cpus[1] + i) % cpus);
    snprintf(memory, sizeof(memory), "%u", o->memory_mb ? o->memory_mb : memory_mb(o));
    const char *arguments[] = {
        "ramson-bench", lcores, "--main-lcore=0", "--no-pci",    "--iova-mode=va",
        "-m",           memory, "--no-telemetry", "--no-shconf", "--log-level=error",
        NULL,           NULL};
    int n = 10;
    if (!o->hugepages)
        arguments[n++] = "--no-huge";
    else
        arguments[8] = "--in-memory";
    return rte_eal_init(n, (char **)(uintptr_t)arguments) >= 0;
}

static bool start_relay(struct relay_bench *b, char *error, size_t error_size)
{
    const struct relay_options *o = b->options;
    int rc = wire_open(&b->wire, o->workers, (uint16_t)o->mtu, o->loss_percent, o->nic_checksums);
    if (rc != 0) {
        snprintf(error, error_size, "no rings: %s", strerror(-rc));
        return false;
    }
    for (unsigned i = 0; i < o->workers; i++) {
        rte_eal_remote_launch(tell_clock, &b->clocks[i], LCORE_FIRST_WORKER + i);
        rte_eal_wait_lcore(LCORE_FIRST_WORKER + i);
    }
    struct dataplane_config config = {
        .n_workers = o->workers,
        .n_interfaces = 1,
        .interfaces = {{.port = b->wire.port,
                        .n_addresses = 1,
                        .addresses = {{address_ipv4(WIRE_RELAY_ADDRESS, 0), 24}},
                        .mtu = (uint16_t)o->mtu}},
        .max_links = o->workers * (2 * o->links + 8),     // half of them may be half-open
        .max_circuits = o->workers * (circuits(o) + 512), // some have a stub for a moment
        .max_cells = RELAY_CELLS,
        .max_packets = RELAY_PACKETS,
        .circuit_queue_max_cells = 32768, // the neighbours' window is the bound here
    };
    b->cpu_time = o->cpu_time || o->workers + 1 > sysconf(_SC_NPROCESSORS_ONLN);
    config.cpu_time_cycles = b->cpu_time;
    for (unsigned i = 0; i < o->workers; i++)
        config.lcores[i] = LCORE_FIRST_WORKER + i;
    b->dp = dataplane_start(&config, error, error_size);
    return b->dp != NULL;
}

// On the worker's core, while the generators' core does the same: it is busy when the relay runs,
// too, and the two may be halves of one.
static bool measure_floor(const struct relay_options *o, struct floor_result *out)
{
    struct floor_request worker = {
        .cipher = o->cipher, .cgo = o->cgo, .record_cells = o->record_cells};
    double rounds = o->seconds * FLOOR_ROUNDS_PER_S;
    worker.rounds = (unsigned)RTE_MAX(3, RTE_MIN(rounds, FLOOR_ROUNDS_MAX));
    struct floor_request other = worker;
    rte_eal_remote_launch(floor_run, &worker, LCORE_FIRST_WORKER);
    floor_run(&other);
    rte_eal_wait_lcore(LCORE_FIRST_WORKER);
    *out = worker.result;
    return worker.good;
}

// Latency at shares of what went at most.
static bool measure_loads(struct relay_bench *b, struct relay_report *r)
{
    for (unsigned i = 0; i < RELAY_LOADS; i++)
        if (!relay_measure(b, b->options->seconds, relay_loads[i] * r->most.cells_per_s,
                           &r->loads[i]))
            return false;
    r->has_loads = true;
    return true;
}

static int by_cycles(const void *a, const void *b)
{
    double x = ((const struct relay_result *)a)->cycles_per_cell;
    double y = ((const struct relay_result *)b)->cycles_per_cell;
    return (x > y) - (x < y);
}

// Circuits of both kinds in turns, so that what disturbs the machine disturbs both; the median of
// each.
static bool measure_kinds(struct relay_bench *b, struct relay_report *r)
{
    struct relay_result results[2][KINDS_ROUNDS];
    for (unsigned i = 0; i < 2 * KINDS_ROUNDS; i++) {
        b->neighbours->only = i % 2 ? FLOWS_SECOND : FLOWS_FIRST;
        if (!relay_measure(b, b->options->seconds / KINDS_ROUNDS, 0, &results[i % 2][i / 2]))
            return false;
    }
    for (unsigned kind = 0; kind < 2; kind++) {
        qsort(results[kind], KINDS_ROUNDS, sizeof(results[kind][0]), by_cycles);
        r->kinds[kind] = results[kind][KINDS_ROUNDS / 2];
    }
    b->neighbours->only = FLOWS_ALL;
    r->has_kinds = true;
    return true;
}

static bool run(struct relay_bench *b, struct relay_report *r)
{
    const struct relay_options *o = b->options;
    struct neighbours *n = b->neighbours;
    n->window_cells = (uint64_t)o->window_cells * o->links;
    bool good = control_set_up(b->dp, n) && relay_measure(b, o->seconds, 0, &r->most) &&
                ((o->cross != CROSS_HALF && !o->joined) || measure_kinds(b, r)) &&
                (!o->latency || measure_loads(b, r));
    if (good)
        r->lost = relay_drain(b);
    if (!good || n->broken) {
        fprintf(stderr, "ramson-bench: %s\n", n->broken ? n->broken : "no memory");
        for (unsigned i = 0; i < dataplane_workers(b->dp); i++)
            counters_print(stderr, "worker", dataplane_counters(b->dp, i));
        counters_print(stderr, "neighbours", &n->counters);
    }
    r->checked = n->checked;
    r->wrong = n->wrong;
    r->followed = n->followed;
    return good && !n->broken;
}

// What is allocated, of DPDK's memory and of the C library's.
static uint64_t used_bytes(void)
{
    struct rte_malloc_socket_stats stats;
    struct mallinfo2 heap = mallinfo2();
    uint64_t bytes = heap.uordblks + heap.hblkhd;
    if (rte_malloc_get_socket_stats(SOCKET_ID_ANY, &stats) == 0 ||
        rte_malloc_get_socket_stats(0, &stats) == 0)
        bytes += stats.heap_allocsz_bytes;
    return bytes;
}

static bool start_run_stop(struct relay_bench *b, struct relay_report *r)
{
    char error[256] = "";
    const char *why = error;
    uint64_t before = used_bytes();
    bool good = start_relay(b, error, sizeof(error));
    r->relay_bytes = used_bytes() - before;
    good = good && (b->neighbours = neighbours_create(b->options, &b->wire, &why));
    if (!good)
        fprintf(stderr, "ramson-bench: %s\n", why);
    good = good && run(b, r);
    if (b->dp)
        dataplane_stop(b->dp);
    if (b->neighbours)
        neighbours_destroy(b->neighbours);
    return good;
}

// The child's part: everything that belongs to one run, which has all of DPDK to itself.
static bool run_one(struct relay_report *r)
{
    static struct relay_bench b;
    b.options = &r->options;
    if (!start_eal(b.options)) {
        fprintf(stderr, "ramson-bench: DPDK does not start; see --memory and --hugepages\n");
        return false;
    }
    r->hz = (double)rte_get_tsc_hz();
    if (!measure_floor(b.options, &r->floors[0])) {
        fprintf(stderr, "ramson-bench: this CPU or its memory does not do\n");
        return false;
    }
    return start_run_stop(&b, r) && measure_floor(b.options, &r->floors[1]);
}

// Runs one of the runs in a process of its own. `r` is in memory that both share.
static bool run_in_child(struct relay_report *r)
{
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(run_one(r) ? 0 : 1);
    }
    int status = 0;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (child < 0 || WIFSIGNALED(status))
        fprintf(stderr, "ramson-bench: %s\n",
                child < 0 ? strerror(errno) : strsignal(WTERMSIG(status)));
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int tell(const struct relay_reports *all, const struct relay_options *options)
{
    int failed = 0;
    if (options->json)
        failed = relay_print_json(all);
    else
        relay_print_text(all);
    int rc = options->report ? relay_write_page(all, options->report) : 0;
    if (rc != 0)
        fprintf(stderr, "ramson-bench: can't write to %s: %s\n", options->report, strerror(-rc));
    return failed || rc != 0;
}

int bench_relay(const struct relay_options *options)
{
    static struct relay_reports all;
    size_t bytes = options->n_mtus * sizeof(*all.runs);
    all.n = options->n_mtus;
    all.runs = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (all.runs == MAP_FAILED) {
        fprintf(stderr, "ramson-bench: no memory\n");
        return 1;
    }
    machine_describe(&all.machine);
    bool good = true;
    for (unsigned i = 0; good && i < all.n; i++) {
        struct relay_options *o = &all.runs[i].options;
        *o = *options;
        o->mtu = options->mtus[i];
        o->links = options->links ? options->links : LINKS;
        o->circuits = options->circuits ? options->circuits : CIRCUITS;
        if (options->cross == CROSS_UNSET)
            o->cross = options->workers == 1 ? CROSS_ANY : o->joined ? CROSS_NONE : CROSS_HALF;
        good = run_in_child(&all.runs[i]);
    }
    machine_end(&all.machine);
    int failed = !good || tell(&all, options);
    for (unsigned i = 0; good && i < all.n; i++)
        if (all.runs[i].wrong || all.runs[i].lost || !all.runs[i].checked)
            failed = 1;
    if (good && failed)
        fprintf(stderr, "ramson-bench: FAILED: cells that were wrong, or lost, or none checked\n");
    munmap(all.runs, bytes);
    return failed;
}
