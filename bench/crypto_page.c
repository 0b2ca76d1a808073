// SPDX-License-Identifier: BSD-3-Clause
// The page of `ramson-bench crypto`: one chart for each kind of thing that is measured.
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "chart.h"
#include "crypto.h"
#include "machine.h"

enum { GROUP_MAX = 16 };

// Those of the group that begins at list[from], ours next to OpenSSL's. Returns where the next one
// begins.
static unsigned write_group(FILE *f, const struct measurement *list, unsigned from, unsigned n)
{
    char names[2 * GROUP_MAX][96];
    struct chart_bar bars[2 * GROUP_MAX];
    unsigned used = 0, i = from;
    for (; i < n && i < from + GROUP_MAX && strcmp(list[i].group, list[from].group) == 0; i++) {
        snprintf(names[used], sizeof(names[used]), "%s", list[i].name);
        bars[used] = (struct chart_bar){names[used], list[i].ours_ns, false};
        used++;
        if (list[i].openssl)
            bars[used++] = (struct chart_bar){"OpenSSL", list[i].openssl_ns, true};
    }
    fprintf(f, "<h2>%s</h2>\n", list[from].group);
    chart_bars(f, bars, used, "ns");
    return i;
}

int crypto_write_page(const struct measurement *list, unsigned n, const struct machine *machine,
                      const char *folder)
{
    char path[4096];
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return -errno;
    snprintf(path, sizeof(path), "%s/crypto.html", folder);
    FILE *f = fopen(path, "we");
    if (!f)
        return -errno;
    page_begin(f, "ramson-bench crypto");
    machine_print_html(f, machine);
    fprintf(f,
            "<p class=\"note\">Nanoseconds of CPU time for a cell or a record, next to %s on the "
            "same input: less is better. OpenSSL has no Counter Galois Onion.</p>\n",
            OpenSSL_version(OPENSSL_VERSION));
    for (unsigned i = 0; i < n;)
        i = write_group(f, list, i, n);
    page_end(f);
    return fclose(f) == 0 ? 0 : -EIO;
}
