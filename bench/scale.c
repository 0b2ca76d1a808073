// SPDX-License-Identifier: BSD-3-Clause
// Every point is a process of its own, so that none inherits another's memory.
#include "scale.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "chart.h"

enum { POINTS = 7, FIRST_OF_CIRCUITS = 3, COMMAND_MAX = 4352 };

static const struct {
    unsigned links, circuits;
} points[POINTS] = {{100, 20000}, {1000, 20000}, {10000, 20000}, {100, 1000},
                    {100, 10000}, {100, 100000}, {100, 500000}};

struct scale_result {
    double ns, ratio, mbytes, gbit;
    bool good;
};

static void run_point(const char *program, unsigned i, struct scale_result *out)
{
    char command[COMMAND_MAX];
    // The same number of cells inside the relay, whatever the number of links.
    unsigned window = points[i].links >= 2048 ? 1 : 4096 / points[i].links;
    snprintf(command, sizeof(command),
             "'%s' relay --json --no-latency --mtu 1500 --seconds 0.6 --record-cells 8 --links %u "
             "--circuits %u --window %u",
             program, points[i].links, points[i].circuits, window);
    *out = (struct scale_result){0};
    FILE *f = popen(command, "re");
    json_error_t error;
    json_t *root = f ? json_loadf(f, 0, &error) : NULL;
    int status = f ? pclose(f) : -1;
    const char *cost = "ns_per_cell";
    json_t *run = json_array_get(json_object_get(root, "runs"), 0);
    json_t *most = json_object_get(run, "maximum");
    out->ns = json_number_value(json_object_get(most, cost));
    out->gbit = json_number_value(json_object_get(most, "gbit_per_core"));
    out->ratio = json_number_value(json_object_get(run, "ratio"));
    out->mbytes = json_number_value(json_object_get(run, "relay_memory_bytes")) / 1e6;
    out->good = status == 0 && out->ns > 0;
    json_decref(root);
}

static void print_text(const struct scale_result *results)
{
    printf("%10s %10s %10s %10s %10s %12s\n", "links", "circuits", "ns/cell", "Gbit/s", "ratio",
           "memory MB");
    for (unsigned i = 0; i < POINTS; i++)
        printf("%10u %10u %10.0f %10.2f %10.3f %12.0f%s\n", points[i].links, points[i].circuits,
               results[i].ns, results[i].gbit, results[i].ratio, results[i].mbytes,
               results[i].good ? "" : "  FAILED");
}

static int print_json(const struct scale_result *results)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < POINTS; i++)
        json_array_append_new(
            list, json_pack("{s:i, s:i, s:f, s:f, s:f, s:f, s:b}", "links", (int)points[i].links,
                            "circuits", (int)points[i].circuits, "ns_per_cell", results[i].ns,
                            "gbit_per_core", results[i].gbit, "ratio", results[i].ratio,
                            "memory_mb", results[i].mbytes, "good", (int)results[i].good));
    json_t *root = json_pack("{s:s, s:o}", "benchmark", "scale", "results", list);
    int failed = !root || json_dumpf(root, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) != 0;
    printf("\n");
    json_decref(root);
    return failed;
}

static void draw(FILE *f, const struct scale_result *results, unsigned from, unsigned to,
                 bool by_links)
{
    double x[POINTS], y[POINTS];
    struct chart_line line = {"ns", x, y, 0};
    for (unsigned i = from; i < to; i++) {
        if (!results[i].good)
            continue;
        x[line.n] = by_links ? points[i].links : points[i].circuits;
        y[line.n++] = results[i].ns;
    }
    chart_lines(f, &line, 1, by_links ? "links" : "circuits", "ns per cell", true, false);
}

static int write_page(const char *folder, const struct scale_result *results)
{
    char path[4096];
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return -errno;
    snprintf(path, sizeof(path), "%s/scale.html", folder);
    FILE *f = fopen(path, "we");
    if (!f)
        return -errno;
    page_begin(f, "ramson-bench scale");
    fputs("<h2>Cost of a cell as links grow (20,000 circuits)</h2>\n", f);
    draw(f, results, 0, FIRST_OF_CIRCUITS, true);
    fputs("<h2>… and as circuits grow (100 links)</h2>\n", f);
    draw(f, results, FIRST_OF_CIRCUITS, POINTS, false);
    page_end(f);
    return fclose(f) == 0 ? 0 : -EIO;
}

int bench_scale(const char *program, bool json, const char *report)
{
    struct scale_result results[POINTS];
    int failed = 0;
    for (unsigned i = 0; i < POINTS; i++) {
        run_point(program, i, &results[i]);
        failed |= !results[i].good;
    }
    if (json)
        failed |= print_json(results);
    else
        print_text(results);
    int rc = report ? write_page(report, results) : 0;
    if (rc != 0)
        fprintf(stderr, "ramson-bench: can't write to %s: %s\n", report, strerror(-rc));
    return failed || rc != 0;
}
