// SPDX-License-Identifier: BSD-3-Clause
// Every point is a process of its own, so that none inherits another's memory.
#include "scale.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "chart.h"
#include "machine.h"

enum { POINTS = 8, ROUNDS = 3, COMMAND_MAX = 4352, CELLS_INSIDE = 4096, LINK_SLOTS = 2 };

// Those of one series differ in one thing.
static const struct point {
    unsigned links, circuits;
    bool by_links;
} all_points[POINTS] = {
    {100, 20000, true}, {1000, 20000, true}, {3000, 20000, true},  {10000, 20000, true},
    {100, 1000, false}, {100, 10000, false}, {100, 100000, false}, {100, 500000, false},
};

struct scale_result {
    struct point point;
    double ns, ratio, gbit; // the least of all rounds, and what belongs to it
    double bytes;
    bool good;
};

struct scale {
    struct machine machine;
    const struct relay_options *options;
    unsigned rounds, n;
    struct scale_result results[POINTS];
};

// ---- running

// The same number of cells inside the relay, whatever the number of links.
static unsigned window_of(const struct point *p)
{
    unsigned window = CELLS_INSIDE / p->links;
    return window > 0 ? window : 1;
}

static void run_point(const char *program, const struct scale *s, struct scale_result *out)
{
    const struct relay_options *o = s->options;
    char command[COMMAND_MAX];
    snprintf(command, sizeof(command),
             "'%s' relay --json --no-latency --mtu 1500 --seconds %.3f --record-cells 8 --links %u "
             "--circuits %u --window %u --cpus %d,%d%s",
             program, o->seconds / 4, out->point.links, out->point.circuits, window_of(&out->point),
             o->cpus[0], o->cpus[1], o->hugepages ? " --hugepages" : "");
    FILE *f = popen(command, "re");
    json_error_t error;
    json_t *root = f ? json_loadf(f, 0, &error) : NULL;
    int status = f ? pclose(f) : -1;
    json_t *run = json_array_get(json_object_get(root, "runs"), 0);
    json_t *most = json_object_get(run, "maximum");
    double ns = json_number_value(json_object_get(most, "ns_per_cell"));
    out->good = status == 0 && ns > 0;
    out->bytes = json_number_value(json_object_get(run, "relay_memory_bytes"));
    if (out->good && (out->ns <= 0 || ns < out->ns)) {
        out->ns = ns;
        out->gbit = json_number_value(json_object_get(most, "gbit_per_core"));
        out->ratio = json_number_value(json_object_get(run, "ratio"));
    }
    json_decref(root);
}

// First and last of a series; NULL when there are not two.
static bool ends(const struct scale *s, bool by_links, const struct scale_result **first,
                 const struct scale_result **last)
{
    *first = *last = NULL;
    for (unsigned i = 0; i < s->n; i++) {
        if (s->results[i].point.by_links != by_links)
            continue;
        *first = *first ? *first : &s->results[i];
        *last = &s->results[i];
    }
    return *first != *last && (*first)->good && (*last)->good;
}

// How much more a cell costs at the end of the series than at its begin; 0: not known.
static double growth(const struct scale *s, bool by_links)
{
    const struct scale_result *first, *last;
    return ends(s, by_links, &first, &last) ? last->ns / first->ns : 0;
}

// Bytes for one more link, or circuit.
static double bytes_each(const struct scale *s, bool by_links)
{
    const struct scale_result *first, *last;
    if (!ends(s, by_links, &first, &last))
        return 0;
    double bytes = last->bytes - first->bytes;
    // The table has room for as many links that are still in their handshake.
    return by_links ? bytes / (last->point.links - first->point.links) / LINK_SLOTS
                    : bytes / (last->point.circuits - first->point.circuits);
}

// ---- telling

static void print_text(const struct scale *s)
{
    machine_print(stdout, &s->machine);
    printf("MTU 1500, records of 8 cells, the same number of cells inside the relay; least of %u "
           "rounds\n\n%10s %10s %10s %10s %10s %12s\n",
           s->rounds, "links", "circuits", "ns/cell", "Gbit/s", "ratio", "memory MB");
    for (unsigned i = 0; i < s->n; i++) {
        const struct scale_result *r = &s->results[i];
        printf("%10u %10u %10.0f %10.2f %10.3f %12.0f%s\n", r->point.links, r->point.circuits,
               r->ns, r->gbit, r->ratio, r->bytes / 1e6, r->good ? "" : "  FAILED");
    }
    for (unsigned by_links = 0; by_links < 2; by_links++)
        if (growth(s, by_links) > 0)
            printf("\nmost %s: a cell costs %.2f times as much as with fewest; each takes %.0f "
                   "bytes",
                   by_links ? "links" : "circuits", growth(s, by_links), bytes_each(s, by_links));
    printf("\n");
}

static int print_json(const struct scale *s)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < s->n; i++) {
        const struct scale_result *r = &s->results[i];
        json_array_append_new(list,
                              json_pack("{s:s, s:i, s:i, s:f, s:f, s:f, s:f, s:b}", "series",
                                        r->point.by_links ? "links" : "circuits", "links",
                                        (int)r->point.links, "circuits", (int)r->point.circuits,
                                        "ns_per_cell", r->ns, "gbit_per_core", r->gbit, "ratio",
                                        r->ratio, "memory_bytes", r->bytes, "good", (int)r->good));
    }
    json_t *root =
        json_pack("{s:s, s:o, s:i, s:o, s:{s:f, s:f}, s:{s:f, s:f}}", "benchmark", "scale",
                  "machine", machine_json(&s->machine), "rounds", (int)s->rounds, "results", list,
                  "growth", "links", growth(s, true), "circuits", growth(s, false), "bytes", "link",
                  bytes_each(s, true), "circuit", bytes_each(s, false));
    int failed = !root || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0;
    printf("\n");
    json_decref(root);
    return failed;
}

static void draw(FILE *f, const struct scale *s, bool by_links, bool memory)
{
    double x[POINTS], y[POINTS];
    struct chart_line line = {memory ? "MB" : "ns", x, y, 0};
    for (unsigned i = 0; i < s->n; i++) {
        const struct scale_result *r = &s->results[i];
        if (!r->good || r->point.by_links != by_links)
            continue;
        x[line.n] = by_links ? r->point.links : r->point.circuits;
        y[line.n++] = memory ? r->bytes / 1e6 : r->ns;
    }
    chart_lines(f, &line, 1, by_links ? "links" : "circuits", memory ? "MB" : "ns per cell", true,
                false);
}

static void write_series(FILE *f, const struct scale *s, bool by_links)
{
    fprintf(f, "<h2>%s</h2>\n<h3>Cost of a cell</h3>\n",
            by_links ? "As links grow (20,000 circuits)" : "As circuits grow (100 links)");
    draw(f, s, by_links, false);
    if (growth(s, by_links) > 0)
        fprintf(f, "<p>The last is %.2f times the first.</p>\n", growth(s, by_links));
    fputs("<h3>Memory of the relay</h3>\n", f);
    draw(f, s, by_links, true);
    if (growth(s, by_links) > 0)
        fprintf(f, "<p>%.0f bytes for each %s.</p>\n", bytes_each(s, by_links),
                by_links ? "link" : "circuit (both of its ends)");
}

static void write_table(FILE *f, const struct scale *s)
{
    fputs("<h2>Every point</h2>\n<table><tr><th class=\"n\">links</th><th class=\"n\">circuits</th>"
          "<th class=\"n\">ns per cell</th><th class=\"n\">Gbit/s</th><th class=\"n\">ratio to the "
          "floor</th><th class=\"n\">MB</th></tr>\n",
          f);
    for (unsigned i = 0; i < s->n; i++) {
        const struct scale_result *r = &s->results[i];
        fprintf(
            f,
            "<tr><td class=\"n\">%u</td><td class=\"n\">%u</td><td class=\"n\">%.0f</td>"
            "<td class=\"n\">%.2f</td><td class=\"n\">%.3f</td><td class=\"n\">%.0f</td></tr>\n",
            r->point.links, r->point.circuits, r->ns, r->gbit, r->ratio, r->bytes / 1e6);
    }
    fputs("</table>\n", f);
}

static int write_page(const struct scale *s, const char *folder)
{
    char path[4096];
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return -errno;
    snprintf(path, sizeof(path), "%s/scale.html", folder);
    FILE *f = fopen(path, "we");
    if (!f)
        return -errno;
    page_begin(f, "ramson-bench scale");
    machine_print_html(f, &s->machine);
    fprintf(f,
            "<p class=\"note\">MTU 1500, incoming records of 8 cells, the same number of cells "
            "inside the relay at each point; the least of %u rounds. Memory: what the relay takes "
            "when it starts, with pools of fixed size.</p>\n",
            s->rounds);
    write_series(f, s, true);
    write_series(f, s, false);
    write_table(f, s);
    page_end(f);
    return fclose(f) == 0 ? 0 : -EIO;
}

int bench_scale(const char *program, const struct relay_options *options)
{
    static struct scale s;
    s.options = options;
    s.rounds = options->rounds ? options->rounds : ROUNDS;
    for (unsigned i = 0; i < POINTS; i++)
        if ((!options->links || all_points[i].links <= options->links) &&
            (!options->circuits || all_points[i].circuits <= options->circuits))
            s.results[s.n++].point = all_points[i];
    if (s.n == 0) {
        fprintf(stderr, "ramson-bench: no point has so few links and circuits\n");
        return 1;
    }
    machine_describe(&s.machine);
    int failed = 0;
    for (unsigned i = 0; i < s.rounds * s.n; i++) {
        run_point(program, &s, &s.results[i % s.n]);
        failed |= !s.results[i % s.n].good;
    }
    machine_end(&s.machine);
    if (options->json)
        failed |= print_json(&s);
    else
        print_text(&s);
    int rc = options->report ? write_page(&s, options->report) : 0;
    if (rc != 0)
        fprintf(stderr, "ramson-bench: can't write to %s: %s\n", options->report, strerror(-rc));
    return failed || rc != 0;
}
