// SPDX-License-Identifier: BSD-3-Clause
// Charts as SVG, for pages that need nothing but themselves.
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct chart_bar {
    const char *name;
    double value;
    bool muted; // something to compare with, not what is measured
};

struct chart_line {
    const char *name;
    const double *x, *y;
    unsigned n;
};

void page_begin(FILE *f, const char *title);
void page_end(FILE *f);
// Horizontal bars, longest to the full width; `unit` stands behind the values.
void chart_bars(FILE *f, const struct chart_bar *bars, unsigned n, const char *unit);
// Lines over a linear x axis; the y axis is logarithmic if `log_y`.
void chart_lines(FILE *f, const struct chart_line *lines, unsigned n, const char *x_name,
                 const char *y_name, bool log_x, bool log_y);
void text_escaped(FILE *f, const char *text);
