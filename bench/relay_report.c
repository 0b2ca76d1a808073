// SPDX-License-Identifier: BSD-3-Clause
// The table and the JSON object.
#include "relay_report.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

const double relay_loads[RELAY_LOADS] = {0.10, 0.25, 0.50, 0.80, 0.95};

static const double busy_enough = 0.97;

static double mean(double a, double b)
{
    return (a + b) / 2;
}

struct relay_floor relay_floor(const struct relay_report *r)
{
    const struct floor_result *f = r->floors;
    double cells = r->most.out_record_cells;
    struct relay_floor floor = {
        .open_ns = mean(f[0].open_ns, f[1].open_ns),
        .cell_ns = mean(f[0].cell_ns, f[1].cell_ns),
        .seal_ns = mean(floor_seal_ns(&f[0], cells), floor_seal_ns(&f[1], cells)),
    };
    floor.all_ns = floor.open_ns + floor.cell_ns + floor.seal_ns;
    floor.before_ns = f[0].open_ns + f[0].cell_ns + floor_seal_ns(&f[0], cells);
    floor.after_ns = f[1].open_ns + f[1].cell_ns + floor_seal_ns(&f[1], cells);
    return floor;
}

static double ns(const struct relay_report *r, double cycles)
{
    return cycles * 1e9 / r->hz;
}

double relay_ratio(const struct relay_report *r)
{
    double cost_ns = ns(r, r->most.cycles_per_cell);
    return cost_ns > 0 ? relay_floor(r).all_ns / cost_ns : 0;
}

double relay_kinds_ratio(const struct relay_report *r)
{
    double first = r->kinds[0].cycles_per_cell;
    return first > 0 ? r->kinds[1].cycles_per_cell / first : 0;
}

const char *relay_cell_cipher(const struct relay_options *o)
{
    return o->cgo ? "cgo" : "tor1";
}

bool relay_neighbours_limit(const struct relay_report *r)
{
    return r->most.busy_share < busy_enough;
}

static double gbit(double cells_per_s)
{
    return cells_per_s * CELL_LEN * 8e-9;
}

// ---- the table

static void print_set_up(const struct relay_reports *all)
{
    const struct relay_options *o = &all->runs[0].options;
    machine_print(stdout, &all->machine);
    printf("%u links, %u circuits with %s, %u %% of the cells forward, %s, records of %u cells, %u "
           "in a "
           "row of one circuit,\n%u worker%s, checksums by %s, %s pages, %.2g %% loss\n",
           o->links, o->circuits, relay_cell_cipher(o), o->forward_percent,
           cipher_suite_name(o->cipher), o->record_cells, o->run_cells, o->workers,
           o->workers == 1 ? "" : "s", o->nic_checksums ? "the NIC" : "software",
           o->hugepages ? "huge" : "small", o->loss_percent);
}

static void print_costs(const struct relay_report *r)
{
    const struct relay_result *m = &r->most;
    struct relay_floor f = relay_floor(r);
    printf("%-28s %10s %10s\n", "per cell", "cycles", "ns");
    for (unsigned i = 0; i < STAGES; i++)
        printf("  %-26s %10.0f %10.1f\n", relay_stage_names[i], m->stages[i], ns(r, m->stages[i]));
    printf("%-28s %10.0f %10.1f\n", "all of it", m->cycles_per_cell, ns(r, m->cycles_per_cell));
    printf("%-28s %10.0f %10.1f   open %.0f, cell %.0f, seal %.0f; before %.0f, after %.0f\n",
           "crypto floor, same run", f.all_ns * r->hz / 1e9, f.all_ns, f.open_ns, f.cell_ns,
           f.seal_ns, f.before_ns, f.after_ns);
    printf("%-28s %21.3f\n\n", "ratio to the floor", relay_ratio(r));
}

static void print_flow(const struct relay_report *r)
{
    const struct relay_result *m = &r->most;
    printf("cells per record in %.1f, out %.1f; packets per cell in %.2f, out %.2f\n",
           m->in_record_cells, m->out_record_cells, m->in_packets, m->out_packets);
    printf("drops %" PRIu64 "%s%s%s, retransmits %" PRIu64 ", frames lost on purpose %" PRIu64
           "; worker busy %.1f %%;\n%u of %u windows of 2 ms count, in %u a thread had lost its "
           "CPU\n",
           m->drops, m->drops ? " (" : "", m->drop_names, m->drops ? ")" : "", m->retransmits,
           m->frames_lost, m->busy_share * 100, m->windows, m->windows_all, m->windows_taken);
    if (m->windows == 0)
        printf("THE CPUS WERE SHARED ALL THE TIME: costs are by the workers' CPU time, which is "
               "rougher; there should be %u CPUs with nothing else to do\n",
               r->options.workers + 1);
}

static void print_kinds(const struct relay_report *r)
{
    static const char *const names[2] = {"cross from worker to worker: ", "are joined in pairs: "};
    const struct relay_result *first = &r->kinds[0], *second = &r->kinds[1];
    printf("\ncircuits that %s%.0f cycles per cell, %.2f Gbit/s per core; that don't: %.0f, %.2f; "
           "cycles %.3f times\n(medians of turns in the same run; %u and %u windows)\n",
           names[r->options.joined], second->cycles_per_cell, second->gbit_per_core,
           first->cycles_per_cell, first->gbit_per_core, relay_kinds_ratio(r), second->windows,
           first->windows);
}

// A latency, or a dash where no window counted.
static void print_us(double us, unsigned count, int width)
{
    if (count)
        printf(" %*.0f", width, us);
    else
        printf(" %*s", width, "-");
}

static void print_latency(const struct relay_report *r)
{
    printf("\nlatency, µs    windows that count%15s all windows    busy\n", "");
    printf("%6s %7s %7s %7s %7s %8s %8s %8s %7s %6s %8s %7s %8s\n", "load", "Gbit/s", "p50", "p99",
           "p99.9", "cells", "p99", "p99.9", "worker", "gen.", "windows", "record", "turns");
    for (unsigned i = 0; i < RELAY_LOADS; i++) {
        const struct relay_result *l = &r->loads[i];
        printf("%4.0f %% %7.2f", relay_loads[i] * 100, gbit(l->cells_per_s));
        for (unsigned p = 0; p < 3; p++)
            print_us(l->latency_us[p], l->latencies, 7);
        printf(" %8u %8.0f %8.0f %5.0f %% %4.0f %% %3u/%-4u %7.1f %4.0f/%.0f\n", l->latencies,
               l->all_latency_us[1], l->all_latency_us[2], l->busy_share * 100,
               l->generator_busy * 100, l->windows, l->windows_all, l->out_record_cells,
               l->worker_turn_us[1], l->generator_turn_us[1]);
    }
    printf("(busy: the worker, the generators. record: cells in those that go out. turns: of the "
           "worker's and the\ngenerators' loops, µs, p99 of what a moment finds. In the other "
           "windows cells waited for a thread that\nhad lost its CPU.)\n");
}

static void print_run(const struct relay_report *r)
{
    const struct relay_result *m = &r->most;
    printf("\nMTU %u: %.2f Gbit/s of cells per core (%.2f Mcells/s at the worker's busy cycles)\n",
           r->options.mtu, m->gbit_per_core,
           m->cycles_per_cell > 0 ? r->hz / m->cycles_per_cell / 1e6 : 0);
    printf("%.2f Gbit/s as it went; %s\n\n", gbit(m->cells_per_s),
           relay_neighbours_limit(r)
               ? "the generators were the limit, so the busy cycles are what counts"
               : "the worker was the limit");
    print_costs(r);
    print_flow(r);
    if (r->has_kinds)
        print_kinds(r);
    if (r->has_loads)
        print_latency(r);
    printf("\n%" PRIu64 " cells of those that came out were decrypted and compared: %" PRIu64
           " were wrong; %" PRIu64 " did not come out\n",
           r->checked, r->wrong, r->lost);
    if (r->options.cgo)
        printf("%" PRIu64
               " of them whole, since the cell before was, too; the others but for their "
               "first 16 bytes\n",
               r->followed);
}

void relay_print_text(const struct relay_reports *all)
{
    print_set_up(all);
    for (unsigned i = 0; i < all->n; i++)
        print_run(&all->runs[i]);
}

// ---- JSON

static void set(json_t *object, const char *name, double value)
{
    json_object_set_new(object, name, json_real(value));
}

static void set_count(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *json_of_result(const struct relay_report *r, const struct relay_result *m)
{
    json_t *o = json_object(), *stages = json_object();
    for (unsigned i = 0; i < STAGES; i++)
        set(stages, relay_stage_keys[i], m->stages[i]);
    set(o, "gbit_per_core", m->gbit_per_core);
    set(o, "gbit_as_it_went", gbit(m->cells_per_s));
    set(o, "cells_per_second", m->cells_per_s);
    set(o, "worker_busy", m->busy_share);
    set(o, "worker_cpu_share", m->cpu_share);
    set(o, "cycles_per_cell", m->cycles_per_cell);
    set(o, "ns_per_cell", ns(r, m->cycles_per_cell));
    json_object_set_new(o, "stages_cycles", stages);
    set(o, "cells_per_record_in", m->in_record_cells);
    set(o, "cells_per_record_out", m->out_record_cells);
    set(o, "packets_per_cell_in", m->in_packets);
    set(o, "packets_per_cell_out", m->out_packets);
    set_count(o, "drops", m->drops);
    json_object_set_new(o, "drops_by", json_string(m->drop_names));
    set_count(o, "retransmits", m->retransmits);
    set_count(o, "frames_lost", m->frames_lost);
    set_count(o, "windows", m->windows);
    set_count(o, "windows_all", m->windows_all);
    set_count(o, "windows_without_cpu", m->windows_taken);
    return o;
}

static json_t *json_of_load(const struct relay_report *r, unsigned i)
{
    static const char *const percentiles[3] = {"p50_us", "p99_us", "p999_us"};
    static const char *const lengths[3] = {"p50_us", "p99_us", "longest_us"};
    const struct relay_result *m = &r->loads[i];
    json_t *o = json_of_result(r, m);
    json_t *counting = json_object(), *every = json_object();
    json_t *worker = json_object(), *generator = json_object();
    for (unsigned p = 0; p < 3; p++) {
        set(counting, percentiles[p], m->latency_us[p]);
        set(every, percentiles[p], m->all_latency_us[p]);
        set(worker, lengths[p], m->worker_turn_us[p]);
        set(generator, lengths[p], m->generator_turn_us[p]);
    }
    set_count(counting, "cells", m->latencies);
    set_count(every, "cells", m->all_latencies);
    set(o, "load", relay_loads[i]);
    set(o, "generators_busy", m->generator_busy);
    json_object_set_new(o, "latency", counting);
    json_object_set_new(o, "latency_all_windows", every);
    json_object_set_new(o, "worker_turn", worker);
    json_object_set_new(o, "generator_turn", generator);
    return o;
}

static json_t *json_of_options(const struct relay_options *o)
{
    return json_pack("{s:i, s:i, s:i, s:i, s:s, s:s, s:i, s:i, s:i, s:i, s:f, s:b, s:b, s:b}",
                     "links", (int)o->links, "circuits", (int)o->circuits, "workers",
                     (int)o->workers, "mtu", (int)o->mtu, "cipher", cipher_suite_name(o->cipher),
                     "cell_cipher", relay_cell_cipher(o), "forward_percent",
                     (int)o->forward_percent, "record_cells", (int)o->record_cells, "run_cells",
                     (int)o->run_cells, "window_cells", (int)o->window_cells, "loss_percent",
                     o->loss_percent, "nic_checksums", (int)o->nic_checksums, "hugepages",
                     (int)o->hugepages, "joined", (int)o->joined);
}

static json_t *json_of_run(const struct relay_report *r)
{
    struct relay_floor f = relay_floor(r);
    json_t *o = json_object(), *loads = json_array();
    json_object_set_new(o, "options", json_of_options(&r->options));
    set(o, "tsc_hz", r->hz);
    json_object_set_new(o, "maximum", json_of_result(r, &r->most));
    json_object_set_new(o, "crypto_floor",
                        json_pack("{s:f, s:f, s:f, s:f, s:f, s:f}", "open_ns", f.open_ns, "cell_ns",
                                  f.cell_ns, "seal_ns", f.seal_ns, "ns", f.all_ns, "before_ns",
                                  f.before_ns, "after_ns", f.after_ns));
    set(o, "ratio", relay_ratio(r));
    json_object_set_new(o, "generators_were_the_limit", json_boolean(relay_neighbours_limit(r)));
    for (unsigned i = 0; r->has_loads && i < RELAY_LOADS; i++)
        json_array_append_new(loads, json_of_load(r, i));
    json_object_set_new(o, "loads", loads);
    if (r->has_kinds) {
        bool joined = r->options.joined;
        json_object_set_new(o, joined ? "extended" : "staying", json_of_result(r, &r->kinds[0]));
        json_object_set_new(o, joined ? "joined" : "crossing", json_of_result(r, &r->kinds[1]));
        set(o, joined ? "joined_ratio" : "crossing_ratio", relay_kinds_ratio(r));
    }
    set_count(o, "checked", r->checked);
    set_count(o, "wrong", r->wrong);
    set_count(o, "followed", r->followed);
    set_count(o, "lost", r->lost);
    set_count(o, "relay_memory_bytes", r->relay_bytes);
    return o;
}

int relay_print_json(const struct relay_reports *all)
{
    json_t *runs = json_array();
    for (unsigned i = 0; i < all->n; i++)
        json_array_append_new(runs, json_of_run(&all->runs[i]));
    json_t *root = json_pack("{s:s, s:o, s:o}", "benchmark", "relay", "machine",
                             machine_json(&all->machine), "runs", runs);
    int failed = !root || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0;
    printf("\n");
    json_decref(root);
    return failed;
}
