// SPDX-License-Identifier: BSD-3-Clause
// The page: where the time of a cell goes, and latency against load.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "chart.h"
#include "relay_report.h"

static void write_machine(FILE *f, const struct relay_report *r)
{
    const struct relay_options *o = r->options;
    fputs("<p class=\"note\">", f);
    text_escaped(f, r->machine.cpu);
    fprintf(f,
            ", %ld CPUs, %s, load %s before; cells by %s, records by ipsec-mb %s.<br>"
            "%u links, %u circuits with %s, MTU %u, %s, incoming records of %u cells, %u worker%s; "
            "checksums by %s; %s pages; %.3g %% of the frames lost on purpose. The wire is a pair "
            "of rings, and the generators' core copies what a NIC's DMA would.</p>\n",
            r->machine.cpus, r->machine.kernel, r->machine.load, r->machine.cell_cipher,
            r->machine.record_aead, o->links, o->circuits, relay_cell_cipher(r), o->mtu,
            cipher_suite_name(o->cipher), o->record_cells, o->workers, o->workers == 1 ? "" : "s",
            o->nic_checksums ? "the NIC" : "software", o->hugepages ? "huge" : "small",
            o->loss_percent);
}

static void write_stages(FILE *f, const struct relay_report *r)
{
    struct chart_bar bars[STAGES + 2];
    double ns = 1e9 / r->hz;
    for (unsigned i = 0; i < STAGES; i++)
        bars[i] = (struct chart_bar){relay_stage_names[i], r->most.stages[i] * ns, false};
    bars[STAGES] = (struct chart_bar){"all of it", r->most.cycles_per_cell * ns, false};
    bars[STAGES + 1] = (struct chart_bar){"the ciphers alone", relay_floor_ns(r), true};
    chart_bars(f, bars, STAGES + 2, "ns");
}

static void write_stages_section(FILE *f, const struct relay_report *r)
{
    fputs("<h2>Where a cell's time goes</h2>\n", f);
    write_stages(f, r);
    fprintf(f,
            "<p>The ciphers alone (open, cell, seal, on the same sizes, on the same core in the "
            "same run) are %.3f of it.</p>\n",
            relay_ratio(r));
}

static void write_latency(FILE *f, const struct relay_report *r)
{
    static const char *const names[3] = {"p50", "p99", "p99.9"};
    double x[RELAY_LOADS], y[3][RELAY_LOADS];
    struct chart_line lines[3];
    for (unsigned i = 0; i < RELAY_LOADS; i++) {
        x[i] = relay_loads[i] * 100;
        for (unsigned p = 0; p < 3; p++)
            y[p][i] = r->loads[i].latency_us[p];
    }
    for (unsigned p = 0; p < 3; p++)
        lines[p] = (struct chart_line){names[p], x, y[p], RELAY_LOADS};
    chart_lines(f, lines, 3, "load, % of the maximum", "µs", false, true);
}

static void write_latency_section(FILE *f, const struct relay_report *r)
{
    fputs("<h2>Latency through the relay</h2>\n", f);
    write_latency(f, r);
    fputs("<p class=\"note\">From the sealing of a cell's record by one neighbour until the other "
          "has all of the record that holds it; the generators' own loop is part of it.</p>\n",
          f);
}

static void write_page(FILE *f, const struct relay_report *r)
{
    page_begin(f, "ramson-bench relay");
    fprintf(f,
            "<p><strong>%.2f Gbit/s of cells per core</strong> (%.2f million cells a second at "
            "the worker's busy cycles); %.2f Gbit/s as it went: %s.</p>\n",
            r->most.gbit_per_core, r->hz / r->most.cycles_per_cell / 1e6,
            r->most.cells_per_s * CELL_LEN * 8e-9,
            relay_neighbours_limit(r) ? "the generators were the limit"
                                      : "the worker was the limit");
    write_machine(f, r);
    write_stages_section(f, r);
    if (r->has_loads)
        write_latency_section(f, r);
    fprintf(f,
            "<h2>Checks</h2><p>%" PRIu64 " of the cells that came out were decrypted and "
            "compared, %" PRIu64 " were wrong. Drops %" PRIu64 ", retransmits %" PRIu64
            ". %u windows of 2 ms count, %.0f %% of all: those in which nobody else had the "
            "CPUs.</p>\n",
            r->checked, r->wrong, r->most.drops, r->most.retransmits, r->most.windows,
            r->most.quiet_share * 100);
    page_end(f);
}

static int write_file(const struct relay_report *r, const char *folder, const char *name,
                      void (*write)(FILE *f, const struct relay_report *r))
{
    char path[4096];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    if (!f)
        return -errno;
    write(f, r);
    return fclose(f) == 0 ? 0 : -EIO;
}

int relay_write_page(const struct relay_report *r, const char *folder)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return -errno;
    int rc = write_file(r, folder, "relay.html", write_page);
    if (rc == 0)
        rc = write_file(r, folder, "relay-stages.svg", write_stages);
    if (rc == 0 && r->has_loads)
        rc = write_file(r, folder, "relay-latency.svg", write_latency);
    return rc;
}
