// SPDX-License-Identifier: BSD-3-Clause
// The table and the JSON object.
#include "relay_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

const double relay_loads[RELAY_LOADS] = {0.10, 0.25, 0.50, 0.80, 0.95};

static const double busy_enough = 0.97;

static double mean(double a, double b)
{
    return (a + b) / 2;
}

static struct floor_result floor_mean(const struct relay_report *r)
{
    const struct floor_result *f = r->floors;
    return (struct floor_result){mean(f[0].open_ns, f[1].open_ns), mean(f[0].cell_ns, f[1].cell_ns),
                                 mean(f[0].seal_ns, f[1].seal_ns)};
}

double relay_floor_ns(const struct relay_report *r)
{
    struct floor_result f = floor_mean(r);
    return f.open_ns + f.cell_ns + f.seal_ns;
}

static double ns(const struct relay_report *r, double cycles)
{
    return cycles * 1e9 / r->hz;
}

double relay_ratio(const struct relay_report *r)
{
    return relay_floor_ns(r) / ns(r, r->most.cycles_per_cell);
}

bool relay_neighbours_limit(const struct relay_report *r)
{
    return r->most.busy_share < busy_enough;
}

const char *relay_cell_cipher(const struct relay_report *r)
{
    return r->options->cgo ? "cgo" : "tor1";
}

static const char *direction(const struct relay_options *o)
{
    return o->forward && o->backward ? "both directions" : o->forward ? "forward" : "backward";
}

static void print_set_up(const struct relay_report *r)
{
    const struct relay_options *o = r->options;
    printf("CPU: %s, %ld of them, load %s; cells: %s; records: ipsec-mb %s\n", r->machine.cpu,
           r->machine.cpus, r->machine.load, r->machine.cell_cipher, r->machine.record_aead);
    printf("%u links, %u circuits with %s, %s, MTU %u, %s, records of %u cells, %u worker%s, "
           "checksums by %s, %s pages, %.2g %% loss\n\n",
           o->links, o->circuits, relay_cell_cipher(r), direction(o), o->mtu,
           cipher_suite_name(o->cipher), o->record_cells, o->workers, o->workers == 1 ? "" : "s",
           o->nic_checksums ? "the NIC" : "software", o->hugepages ? "huge" : "small",
           o->loss_percent);
}

static void print_costs(const struct relay_report *r)
{
    const struct relay_result *m = &r->most;
    struct floor_result f = floor_mean(r);
    printf("%-28s %10s %10s\n", "per cell", "cycles", "ns");
    for (unsigned i = 0; i < STAGES; i++)
        printf("  %-26s %10.0f %10.1f\n", relay_stage_names[i], m->stages[i], ns(r, m->stages[i]));
    printf("%-28s %10.0f %10.1f\n", "all of it", m->cycles_per_cell, ns(r, m->cycles_per_cell));
    printf("%-28s %10.0f %10.1f   open %.0f, cell %.0f, seal %.0f\n", "crypto floor, same run",
           relay_floor_ns(r) * r->hz / 1e9, relay_floor_ns(r), f.open_ns, f.cell_ns, f.seal_ns);
    printf("%-28s %21.3f\n\n", "ratio to the floor", relay_ratio(r));
}

static void print_latency(const struct relay_report *r)
{
    printf("\n%-12s %12s %10s %10s %10s %12s\n", "load", "Gbit/s", "p50 µs", "p99 µs", "p99.9 µs",
           "cells");
    for (unsigned i = 0; i < RELAY_LOADS; i++) {
        const struct relay_result *l = &r->loads[i];
        printf("%10.0f %% %12.2f %10.0f %10.0f %10.0f %12u\n", relay_loads[i] * 100,
               l->cells_per_s * CELL_LEN * 8e-9, l->latency_us[0], l->latency_us[1],
               l->latency_us[2], l->latencies);
    }
}

void relay_print_text(const struct relay_report *r)
{
    const struct relay_result *m = &r->most;
    print_set_up(r);
    printf("%.2f Gbit/s of cells per core (%.2f Mcells/s at the worker's busy cycles)\n",
           m->gbit_per_core, r->hz / m->cycles_per_cell / 1e6);
    printf("%.2f Gbit/s as it went; %s\n\n", m->cells_per_s * CELL_LEN * 8e-9,
           relay_neighbours_limit(r)
               ? "the generators were the limit, so the busy cycles are what counts"
               : "the worker was the limit");
    print_costs(r);
    printf("cells per record in %.1f, out %.1f; packets per cell in %.2f, out %.2f\n",
           m->in_record_cells, m->out_record_cells, m->in_packets, m->out_packets);
    printf("drops %" PRIu64 "%s%s%s, retransmits %" PRIu64 ", frames lost %" PRIu64
           "; worker busy %.1f %%; %u windows of 2 ms count (%.0f %% of them)\n",
           m->drops, m->drops ? " (" : "", m->drop_names, m->drops ? ")" : "", m->retransmits,
           m->frames_lost, m->busy_share * 100, m->windows, m->quiet_share * 100);
    if (m->windows == 0)
        printf("THE CPUS WERE SHARED ALL THE TIME: costs are by the workers' CPU time, which is "
               "rougher; there should be %u CPUs with nothing else to do\n",
               r->options->workers + 1);
    if (r->has_loads)
        print_latency(r);
    printf("\n%" PRIu64 " cells of those that came out were decrypted and compared: %" PRIu64
           " were wrong\n",
           r->checked, r->wrong);
    if (r->options->cgo)
        printf("%" PRIu64
               " of them whole, since the cell before was, too; the others but for their "
               "first 16 bytes\n",
               r->followed);
}

static json_t *json_of_result(const struct relay_report *r, const struct relay_result *m)
{
    json_t *stages = json_object();
    for (unsigned i = 0; i < STAGES; i++)
        json_object_set_new(stages, relay_stage_names[i], json_real(m->stages[i]));
    return json_pack(
        "{s:f, s:f, s:f, s:f, s:f, s:o, s:f, s:f, s:I, s:I, s:I, s:f, s:f, s:f, s:i, s:i, s:f}",
        "gbit_per_core", m->gbit_per_core, "cells_per_second", m->cells_per_s, "worker_busy",
        m->busy_share, "cycles_per_cell", m->cycles_per_cell, "ns_per_cell",
        ns(r, m->cycles_per_cell), "stages_cycles", stages, "cells_per_record_in",
        m->in_record_cells, "cells_per_record_out", m->out_record_cells, "drops",
        (json_int_t)m->drops, "retransmits", (json_int_t)m->retransmits, "frames_lost",
        (json_int_t)m->frames_lost, "latency_p50_us", m->latency_us[0], "latency_p99_us",
        m->latency_us[1], "latency_p999_us", m->latency_us[2], "latency_cells", (int)m->latencies,
        "windows", (int)m->windows, "windows_share", m->quiet_share);
}

int relay_print_json(const struct relay_report *r)
{
    const struct relay_options *o = r->options;
    struct floor_result f = floor_mean(r);
    json_t *loads = json_array();
    for (unsigned i = 0; r->has_loads && i < RELAY_LOADS; i++) {
        json_t *load = json_of_result(r, &r->loads[i]);
        json_object_set_new(load, "load", json_real(relay_loads[i]));
        json_array_append_new(loads, load);
    }
    json_t *root = json_pack(
        "{s:s, s:{s:s, s:i, s:s, s:s, s:s, s:s, s:f}, "
        "s:{s:i, s:i, s:i, s:i, s:s, s:s, s:s, s:i, s:i, s:f, s:b, s:b}, "
        "s:o, s:{s:f, s:f, s:f, s:f}, s:f, s:b, s:o, s:I, s:I, s:I, s:I}",
        "benchmark", "relay", "machine", "cpu", r->machine.cpu, "cpus", (int)r->machine.cpus,
        "kernel", r->machine.kernel, "load", r->machine.load, "cell_cipher", r->machine.cell_cipher,
        "ipsec_mb", r->machine.record_aead, "tsc_hz", r->hz, "options", "links", (int)o->links,
        "circuits", (int)o->circuits, "workers", (int)o->workers, "mtu", (int)o->mtu, "cipher",
        cipher_suite_name(o->cipher), "cell_cipher", relay_cell_cipher(r), "direction",
        direction(o), "record_cells", (int)o->record_cells, "window_cells", (int)o->window_cells,
        "loss_percent", o->loss_percent, "nic_checksums", (int)o->nic_checksums, "hugepages",
        (int)o->hugepages, "maximum", json_of_result(r, &r->most), "crypto_floor", "open_ns",
        f.open_ns, "cell_ns", f.cell_ns, "seal_ns", f.seal_ns, "ns", relay_floor_ns(r), "ratio",
        relay_ratio(r), "generators_were_the_limit", (int)relay_neighbours_limit(r), "loads", loads,
        "checked", (json_int_t)r->checked, "wrong", (json_int_t)r->wrong, "followed",
        (json_int_t)r->followed, "relay_memory_bytes", (json_int_t)r->relay_bytes);
    int failed = !root || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0;
    printf("\n");
    json_decref(root);
    return failed;
}
