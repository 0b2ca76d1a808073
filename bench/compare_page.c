// SPDX-License-Identifier: BSD-3-Clause
// Draws what compare-tor.sh has measured, so that its page looks like the others.
#include "compare_page.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "chart.h"

enum { BARS = 6 };

static double number(const json_t *object, const char *relay, const char *field)
{
    return json_number_value(json_object_get(json_object_get(object, relay), field));
}

static const char *text(const json_t *object, const char *field)
{
    const char *value = json_string_value(json_object_get(object, field));
    return value ? value : "?";
}

static void write_bars(FILE *f, const json_t *root)
{
    const struct chart_bar bars[BARS] = {
        {"C tor", number(root, "tor", "seconds_per_gb"), true},
        {"ramson, all of it", number(root, "ramson", "seconds_per_gb"), false},
        {"its worker, busy", number(root, "ramson", "worker_busy_seconds_per_gb"), false},
        {"of it the driver's bursts", number(root, "ramson", "driver_seconds_per_gb"), false},
        {"its control thread", number(root, "ramson", "control_seconds_per_gb"), false},
        {"ramson without the bursts", number(root, "ramson", "without_driver_seconds_per_gb"),
         false},
    };
    chart_bars(f, bars, BARS, "s");
}

// What the page says of the machine, from the object's strings.
static void write_machine(FILE *f, const json_t *root)
{
    const json_t *m = json_object_get(root, "machine");
    fputs("<p class=\"note\">", f);
    text_escaped(f, text(m, "cpu"));
    fprintf(f, ", %d CPUs with %s; %s; governor %s; huge pages %s; load %s before; ",
            (int)json_integer_value(json_object_get(m, "cpus")), text(m, "flags"),
            text(m, "kernel"), text(m, "governor"), text(m, "huge_pages"), text(m, "load"));
    text_escaped(f, text(root, "tor_version"));
    fputs(".</p>\n", f);
}

static void write_rounds(FILE *f, const json_t *root)
{
    static const char *const relays[] = {"tor", "ramson"};
    const json_t *rounds = json_object_get(root, "rounds");
    fputs("<table><tr><th>relay</th><th class=\"n\">MB</th><th class=\"n\">seconds</th>"
          "<th class=\"n\">CPU s per GB</th><th class=\"n\">others had its CPU</th></tr>\n",
          f);
    for (unsigned i = 0; i < 2; i++) {
        size_t n;
        json_t *round;
        json_array_foreach(json_object_get(rounds, relays[i]), n, round)
        {
            fprintf(f,
                    "<tr><td>%s</td><td class=\"n\">%.0f</td><td class=\"n\">%.1f</td>"
                    "<td class=\"n\">%.2f</td><td class=\"n\">%.1f %%</td></tr>\n",
                    relays[i], json_number_value(json_object_get(round, "bytes")) / 1e6,
                    json_number_value(json_object_get(round, "seconds")),
                    json_number_value(json_object_get(round, "seconds_per_gb")),
                    json_number_value(json_object_get(round, "waited_share")) * 100);
        }
    }
    fputs("</table>\n", f);
}

static void write_page(FILE *f, const json_t *root)
{
    const json_t *o = json_object_get(root, "options");
    page_begin(f, "C tor and ramson as the middle relay of the same network");
    fprintf(f,
            "<p><strong>C tor needs %.1f times ramson's CPU per GB</strong>, and %.1f times what "
            "ramson needs without its driver's bursts.</p>\n",
            json_number_value(json_object_get(root, "ratio")),
            json_number_value(json_object_get(root, "ratio_without_driver")));
    write_machine(f, root);
    fputs("<h2>CPU seconds per GB (medians)</h2>\n", f);
    write_bars(f, root);
    fprintf(f,
            "<p>client → C tor → middle → C tor → HTTP server, %d circuits. The middle has CPU %d "
            "to itself. C tor: user and system time of its whole process. ramson: its worker's "
            "busy cycles (poll %s, what was only polling does not count), and the CPU time of its "
            "other threads.</p>\n",
            (int)json_integer_value(json_object_get(o, "circuits")),
            (int)json_integer_value(json_object_get(o, "cpu")), text(o, "poll"));
    fprintf(f,
            "<p>ramson's port is of the kind %s here, MTU %d: the kernel copies its frames in "
            "system calls. A NIC's driver has none, so the last bar is closer to what a NIC would "
            "show.</p>\n",
            text(o, "device"), (int)json_integer_value(json_object_get(o, "mtu")));
    fputs("<h2>Every round</h2>\n", f);
    write_rounds(f, root);
    page_end(f);
}

static int write_file(const char *folder, const char *name, const json_t *root,
                      void (*write)(FILE *f, const json_t *root))
{
    char path[4096];
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return -errno;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    if (!f)
        return -errno;
    write(f, root);
    return fclose(f) == 0 ? 0 : -EIO;
}

int bench_page(const char *folder)
{
    json_error_t error;
    json_t *root = json_loadf(stdin, 0, &error);
    if (!root || strcmp(text(root, "benchmark"), "compare-tor") != 0) {
        fprintf(stderr, "ramson-bench: standard input is not what compare-tor.sh --json prints\n");
        json_decref(root);
        return 1;
    }
    int rc = write_file(folder, "compare-tor.html", root, write_page);
    if (rc == 0)
        rc = write_file(folder, "compare-tor.svg", root, write_bars);
    if (rc != 0)
        fprintf(stderr, "ramson-bench: can't write to %s: %s\n", folder, strerror(-rc));
    json_decref(root);
    return rc != 0;
}
