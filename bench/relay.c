// SPDX-License-Identifier: BSD-3-Clause
// `ramson-bench relay`: sets the relay and its neighbours up, measures, prints.
#include "relay.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "relay_measure.h"

const struct relay_options relay_defaults = {
    .links = 64,
    .circuits = 2000,
    .workers = 1,
    .mtu = 1500,
    .forward = true,
    .backward = true,
    .cipher = TLS_AES_256_GCM_SHA384_ID,
    .record_cells = 31,
    .run_cells = 1,
    .window_cells = 64,
    .seconds = 2,
    .latency = true,
    .nic_checksums = true,
    .memory_mb = 768,
    .cpus = {0, 1},
};

enum { LCORE_FIRST_WORKER = 1 };

static int tell_clock(void *arg)
{
    return pthread_getcpuclockid(pthread_self(), arg);
}

static bool start_eal(const struct relay_options *o)
{
    char lcores[512], memory[16];
    int used = snprintf(lcores, sizeof(lcores), "--lcores=0@%d", o->cpus[0]);
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    for (unsigned i = 0; i < o->workers; i++)
        used += snprintf(lcores + used, sizeof(lcores) - (size_t)used, ",%u@%ld",
                         LCORE_FIRST_WORKER + i, (o->cpus[1] + i) % cpus);
    snprintf(memory, sizeof(memory), "%u", o->memory_mb);
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
        .max_links = o->workers * (2 * o->links + 8), // half of them may be half-open
        .max_circuits = o->workers * (2 * o->circuits + 8),
        .max_cells = 65536,
        .max_packets = 65536,
        .circuit_queue_max_cells = 32768, // the neighbours' window is the bound here
    };
    for (unsigned i = 0; i < o->workers; i++)
        config.lcores[i] = LCORE_FIRST_WORKER + i;
    b->dp = dataplane_start(&config, error, error_size);
    return b->dp != NULL;
}

static void print_result(const struct relay_result *r)
{
    double ns = 1e9 / (double)rte_get_tsc_hz();
    printf("%.2f s, %u windows quiet (%.0f %%)\n", r->seconds, r->windows, r->quiet_share * 100);
    printf("%.2f Gbit/s per core; %.2f Mcells/s; worker busy %.1f %%; neighbours waited %.0f %%\n",
           r->gbit_per_core, r->cells_per_s / 1e6, r->busy_share * 100, r->waiting_share * 100);
    printf("%-26s %8.0f cycles %8.1f ns\n", "per cell", r->cycles_per_cell,
           r->cycles_per_cell * ns);
    for (unsigned i = 0; i < STAGES; i++)
        printf("  %-24s %8.0f cycles %8.1f ns\n", relay_stage_names[i], r->stages[i],
               r->stages[i] * ns);
    printf("cells per record: in %.1f, out %.1f; packets per cell: in %.2f, out %.2f\n",
           r->in_record_cells, r->out_record_cells, r->in_packets, r->out_packets);
    printf("drops %lu, retransmits %lu, frames lost %lu\n", r->drops, r->retransmits,
           r->frames_lost);
    printf("latency p50 %.0f µs, p99 %.0f µs, p99.9 %.0f µs of %u\n", r->latency_us[0],
           r->latency_us[1], r->latency_us[2], r->latencies);
}

static int run(struct relay_bench *b)
{
    struct neighbours *n = b->neighbours;
    n->window_cells = (uint64_t)b->options->window_cells * b->options->links;
    struct relay_result r;
    if (!control_set_up(b->dp, n) || !relay_measure(b, b->options->seconds, 0, &r)) {
        fprintf(stderr, "ramson-bench: %s\n", n->broken ? n->broken : "no memory");
        counters_print(stderr, "worker", dataplane_counters(b->dp, 0));
        counters_print(stderr, "neighbours", &n->counters);
        return 1;
    }
    print_result(&r);
    printf("%lu cells of those that came out were decrypted and compared, %lu were wrong\n",
           n->checked, n->wrong);
    return n->broken || n->wrong;
}

int bench_relay(const struct relay_options *options)
{
    static struct relay_bench b;
    char error[256] = "";
    const char *why = error;
    b.options = options;
    int status = 1;
    if (!start_eal(options)) {
        why = "DPDK does not start";
    } else if (start_relay(&b, error, sizeof(error)) &&
               (b.neighbours = neighbours_create(options, &b.wire, &why))) {
        status = run(&b);
        why = NULL;
    }
    if (why)
        fprintf(stderr, "ramson-bench: %s\n", why);
    if (b.dp) {
        dataplane_stop(b.dp);
        if (b.neighbours)
            neighbours_destroy(b.neighbours);
    }
    return status;
}
