// SPDX-License-Identifier: BSD-3-Clause
// The page: where the time of a cell goes, and latency against load, at each MTU.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "chart.h"
#include "relay_report.h"

enum { COLUMNS = 3 };

static void write_set_up(FILE *f, const struct relay_reports *all)
{
    const struct relay_options *o = &all->runs[0].options;
    machine_print_html(f, &all->machine);
    fprintf(
        f,
        "<p class=\"note\">%u links, %u circuits with %s, %u %% of the cells forward, %s, incoming "
        "records of %u cells, %u in a row of one circuit, %u worker%s; checksums by %s; %s "
        "pages; %.3g %% of the frames lost on purpose. The wire is a pair of rings, and the "
        "generators' core copies what a NIC's DMA would.</p>\n",
        o->links, o->circuits, relay_cell_cipher(o), o->forward_percent,
        cipher_suite_name(o->cipher), o->record_cells, o->run_cells, o->workers,
        o->workers == 1 ? "" : "s", o->nic_checksums ? "the NIC" : "software",
        o->hugepages ? "huge" : "small", o->loss_percent);
}

static void write_stages(FILE *f, const struct relay_report *r)
{
    struct chart_bar bars[STAGES + 2];
    double ns = 1e9 / r->hz;
    for (unsigned i = 0; i < STAGES; i++)
        bars[i] = (struct chart_bar){relay_stage_names[i], r->most.stages[i] * ns, false};
    bars[STAGES] = (struct chart_bar){"all of it", r->most.cycles_per_cell * ns, false};
    bars[STAGES + 1] = (struct chart_bar){"the ciphers alone", relay_floor(r).all_ns, true};
    chart_bars(f, bars, STAGES + 2, "ns");
}

static void write_latency(FILE *f, const struct relay_report *r)
{
    static const char *const names[COLUMNS] = {"p50", "p99", "p99.9"};
    double x[RELAY_LOADS], y[COLUMNS][RELAY_LOADS];
    struct chart_line lines[COLUMNS];
    unsigned n = 0;
    for (unsigned i = 0; i < RELAY_LOADS; i++) {
        if (!r->loads[i].latencies)
            continue;
        x[n] = relay_loads[i] * 100;
        for (unsigned p = 0; p < COLUMNS; p++)
            y[p][n] = r->loads[i].latency_us[p];
        n++;
    }
    for (unsigned p = 0; p < COLUMNS; p++)
        lines[p] = (struct chart_line){names[p], x, y[p], n};
    chart_lines(f, lines, COLUMNS, "load, % of the maximum", "µs", false, true);
}

static void write_latency_table(FILE *f, const struct relay_report *r)
{
    fputs("<div class=\"wide\"><table><tr><th class=\"n\">load</th><th class=\"n\">Gbit/s</th><th "
          "class=\"n\">p50 "
          "µs</th><th class=\"n\">p99</th><th class=\"n\">p99.9</th><th class=\"n\">p99, all "
          "windows</th><th class=\"n\">windows</th><th class=\"n\">worker busy</th>"
          "<th class=\"n\">generators</th>"
          "<th class=\"n\">cells a record</th></tr>\n",
          f);
    for (unsigned i = 0; i < RELAY_LOADS; i++) {
        const struct relay_result *l = &r->loads[i];
        fprintf(f, "<tr><td class=\"n\">%.0f %%</td><td class=\"n\">%.2f</td>",
                relay_loads[i] * 100, l->cells_per_s * CELL_LEN * 8e-9);
        for (unsigned p = 0; p < COLUMNS; p++)
            fprintf(f, l->latencies ? "<td class=\"n\">%.0f</td>" : "<td class=\"n\">–</td>",
                    l->latency_us[p]);
        fprintf(f,
                "<td class=\"n\">%.0f</td><td class=\"n\">%u of %u</td><td class=\"n\">%.0f "
                "%%</td><td class=\"n\">%.0f %%</td><td class=\"n\">%.1f</td></tr>\n",
                l->all_latency_us[1], l->windows, l->windows_all, l->busy_share * 100,
                l->generator_busy * 100, l->out_record_cells);
    }
    fputs("</table></div>\n", f);
}

static void write_kinds(FILE *f, const struct relay_report *r)
{
    bool joined = r->options.joined;
    double ns = 1e9 / r->hz;
    const struct chart_bar bars[] = {
        {joined ? "extended to a next hop" : "stay on their worker",
         r->kinds[0].cycles_per_cell * ns, false},
        {joined ? "joined in pairs" : "cross to the other", r->kinds[1].cycles_per_cell * ns,
         false},
    };
    fputs(joined ? "<h3>Circuits that are joined</h3>\n" : "<h3>Circuits of two workers</h3>\n", f);
    chart_bars(f, bars, 2, "ns");
    fprintf(f, "<p>A cell that %s costs %.2f times one that doesn't.</p>\n",
            joined ? "passes from circuit to circuit" : "crosses", relay_kinds_ratio(r));
}

static void write_run(FILE *f, const struct relay_report *r)
{
    const struct relay_result *m = &r->most;
    fprintf(f,
            "<h2>MTU %u</h2>\n<p><strong>%.2f Gbit/s of cells per core</strong> (%.2f million "
            "cells a second at the worker's busy cycles, %.0f cycles each); %.2f Gbit/s as it "
            "went: %s.</p>\n<h3>Where a cell's time goes</h3>\n",
            r->options.mtu, m->gbit_per_core, r->hz / m->cycles_per_cell / 1e6, m->cycles_per_cell,
            m->cells_per_s * CELL_LEN * 8e-9,
            relay_neighbours_limit(r)
                ? "the generators were the limit, so the busy cycles are what counts"
                : "the worker was the limit");
    write_stages(f, r);
    fprintf(f,
            "<p>The ciphers alone (open, cell, seal, on the same sizes, on the same core in the "
            "same run) are %.3f of it. %.1f cells a record come in, %.1f go out.</p>\n",
            relay_ratio(r), m->in_record_cells, m->out_record_cells);
    if (r->has_kinds)
        write_kinds(f, r);
    if (r->has_loads) {
        fputs("<h3>Latency through the relay</h3>\n", f);
        write_latency(f, r);
        write_latency_table(f, r);
        fputs("<p class=\"note\">From the sealing of a cell's record by one neighbour until the "
              "other has all of the record that holds it; the generators' own loop is part of it. "
              "Windows in which a thread had lost its CPU don't count, nor do the 20 ms behind "
              "them; “all windows” is with them.</p>\n",
              f);
    }
    fprintf(f,
            "<h3>Checks</h3><p>%" PRIu64 " of the cells that came out were decrypted and "
            "compared, %" PRIu64 " were wrong; %" PRIu64 " cells did not come out. Drops %" PRIu64
            ", retransmits %" PRIu64 ". %u of %u windows of 2 ms count: those in which nobody else "
            "had the CPUs.</p>\n",
            r->checked, r->wrong, r->lost, m->drops, m->retransmits, m->windows, m->windows_all);
}

static int open_in(const char *folder, const char *name, FILE **f)
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    *f = fopen(path, "we");
    return *f ? 0 : -errno;
}

static int close_file(FILE *f)
{
    return fclose(f) == 0 ? 0 : -EIO;
}

static int write_page(const struct relay_reports *all, const char *folder)
{
    FILE *f;
    int rc = open_in(folder, "relay.html", &f);
    if (rc != 0)
        return rc;
    page_begin(f, "ramson-bench relay");
    write_set_up(f, all);
    for (unsigned i = 0; i < all->n; i++)
        write_run(f, &all->runs[i]);
    page_end(f);
    return close_file(f);
}

static int write_chart(const struct relay_report *r, const char *folder, const char *kind,
                       void (*write)(FILE *f, const struct relay_report *r))
{
    char name[64];
    FILE *f;
    snprintf(name, sizeof(name), "relay-%s-%u.svg", kind, r->options.mtu);
    int rc = open_in(folder, name, &f);
    if (rc != 0)
        return rc;
    write(f, r);
    return close_file(f);
}

int relay_write_page(const struct relay_reports *all, const char *folder)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return -errno;
    int rc = write_page(all, folder);
    for (unsigned i = 0; rc == 0 && i < all->n; i++) {
        rc = write_chart(&all->runs[i], folder, "stages", write_stages);
        if (rc == 0 && all->runs[i].has_loads)
            rc = write_chart(&all->runs[i], folder, "latency", write_latency);
    }
    return rc;
}
