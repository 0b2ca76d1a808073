// SPDX-License-Identifier: BSD-3-Clause
// The page: what a second holds, and what X25519 takes in each way.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "chart.h"
#include "handshake_report.h"

// X25519 alone, in microseconds; the others are whole handshakes.
static bool is_part(const struct handshake_row *row)
{
    return strncmp(row->name, "ntor", 4) != 0;
}

static void write_bars(FILE *f, const struct handshake_report *r, bool parts)
{
    struct chart_bar bars[HANDSHAKE_ROWS];
    char names[HANDSHAKE_ROWS][64];
    unsigned n = 0;
    for (unsigned i = 0; i < r->n_rows; i++) {
        const struct handshake_row *row = &r->rows[i];
        if (is_part(row) != parts)
            continue;
        snprintf(names[n], sizeof(names[n]), row->batch > 1 ? "%s, %u at a time" : "%s", row->name,
                 row->batch);
        bars[n] = (struct chart_bar){names[n], parts ? row->us : 1e6 / row->us, row->compared};
        n++;
    }
    chart_bars(f, bars, n, parts ? "µs" : "/s");
}

static void write_page(FILE *f, const struct handshake_report *r)
{
    page_begin(f, "ramson-bench handshake");
    machine_print_html(f, &r->machine);
    fprintf(f, "<p class=\"note\">X25519 by %s. CPU time of one core, medians of %u rounds.</p>\n",
            r->x25519, r->rounds);
    fputs("<h2>Onion skins answered per second and core</h2>\n", f);
    write_bars(f, r, false);
    fputs("<h2>The parts: microseconds for one</h2>\n", f);
    write_bars(f, r, true);
    fprintf(f,
            "<h2>An onion skin that comes alone</h2>\n<p>Through the queue, a helper thread and "
            "back, everything asleep before: %.0f µs (p50), %.0f µs (p99), %.0f to %.0f µs in all, "
            "of %u.</p>\n",
            r->latency.p50_us, r->latency.p99_us, r->latency.least_us, r->latency.most_us,
            r->latency.times);
    page_end(f);
}

int handshake_write_page(const struct handshake_report *r, const char *folder)
{
    char path[4096];
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return -errno;
    snprintf(path, sizeof(path), "%s/handshake.html", folder);
    FILE *f = fopen(path, "we");
    if (!f)
        return -errno;
    write_page(f, r);
    return fclose(f) == 0 ? 0 : -EIO;
}
