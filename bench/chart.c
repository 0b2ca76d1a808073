// SPDX-License-Identifier: BSD-3-Clause
// Bars and lines, in colours that can be told apart on light and dark backgrounds.
#include "chart.h"

#include <math.h>
#include <string.h>

enum {
    WIDTH = 720,
    BAR_LEFT_MIN = 150,
    CHAR_WIDTH = 7, // at most, on average
    BAR_RIGHT = 90,
    BAR_STEP = 30,
    LINES_HEIGHT = 320,
    LEFT = 70,
    RIGHT = 130,
    TOP = 16,
    BOTTOM = 48,
};

static const char *const colours[] = {"#2a78d6", "#d9822b", "#2f9e62", "#a04fb5"};

static const char style[] =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:760px;margin:2em auto;padding:0 1em;"
    "color:#1b1b1b;background:#fdfdfc}"
    "h1{font-size:1.5em}h2{font-size:1.15em;margin-top:2em}"
    "table{border-collapse:collapse;font-size:.9em}"
    "td,th{padding:.2em 1em .2em 0;text-align:left;vertical-align:bottom}td{white-space:nowrap}"
    ".wide{overflow-x:auto}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}"
    "svg{max-width:100%;height:auto}"
    "svg text{font:13px system-ui,sans-serif;fill:currentColor}svg{color:inherit}"
    ".note{opacity:.75}"
    "@media(prefers-color-scheme:dark){body{color:#e8e8e4;background:#191918}}";

void text_escaped(FILE *f, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            fputs("&lt;", f);
        else if (*text == '&')
            fputs("&amp;", f);
        else
            fputc(*text, f);
    }
}

void page_begin(FILE *f, const char *title)
{
    fprintf(f,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
            "<meta name=\"viewport\" content=\"width=device-width\"><title>%s</title>"
            "<style>%s</style></head>\n<body>\n<h1>%s</h1>\n",
            title, style, title);
}

void page_end(FILE *f)
{
    fputs("</body></html>\n", f);
}

void chart_bars(FILE *f, const struct chart_bar *bars, unsigned n, const char *unit)
{
    double most = 0;
    size_t longest = 0;
    for (unsigned i = 0; i < n; i++) {
        most = fmax(most, bars[i].value);
        longest = strlen(bars[i].name) > longest ? strlen(bars[i].name) : longest;
    }
    int left = (int)longest * CHAR_WIDTH + 20;
    left = left > BAR_LEFT_MIN ? left : BAR_LEFT_MIN;
    int decimals = most < 10 ? 2 : most < 100 ? 1 : 0;
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" color=\"#777\" font-family=\"sans-serif\" "
            "font-size=\"13\" fill=\"#777\" viewBox=\"0 0 %d %u\" role=\"img\">\n",
            WIDTH, n * BAR_STEP + 8);
    for (unsigned i = 0; i < n; i++) {
        double length = most > 0 ? bars[i].value / most * (WIDTH - left - BAR_RIGHT) : 0;
        unsigned y = i * BAR_STEP + 4;
        fprintf(f, "<text x=\"%d\" y=\"%u\" text-anchor=\"end\">", left - 10, y + 16);
        text_escaped(f, bars[i].name);
        fprintf(f,
                "</text><rect x=\"%d\" y=\"%u\" width=\"%.1f\" height=\"22\" rx=\"2\" "
                "fill=\"%s\"/><text x=\"%.1f\" y=\"%u\">%.*f %s</text>\n",
                left, y, length, bars[i].muted ? "#8a8f98" : colours[0], left + length + 8, y + 16,
                bars[i].value < 10 && !decimals ? 1 : decimals, bars[i].value, unit);
    }
    fputs("</svg>\n", f);
}

struct axis {
    double low, high;
    bool logarithmic;
    double from, to; // pixels
};

static double place(const struct axis *a, double value)
{
    double share = a->logarithmic ? log(fmax(value, a->low) / a->low) / log(a->high / a->low)
                                  : (value - a->low) / (a->high - a->low);
    return a->from + share * (a->to - a->from);
}

// The next of 1, 2, 5, 10, 20, …
static double next_tick(double tick)
{
    double power = pow(10, floor(log10(tick) + 1e-9));
    double lead = tick / power;
    return (lead < 1.5 ? 2 : lead < 3.5 ? 5 : 10) * power;
}

static struct axis axis_over(const struct chart_line *lines, unsigned n, bool y, bool logarithmic)
{
    struct axis a = {.low = INFINITY, .high = 0, .logarithmic = logarithmic};
    for (unsigned i = 0; i < n; i++) {
        for (unsigned j = 0; j < lines[i].n; j++) {
            double value = y ? lines[i].y[j] : lines[i].x[j];
            if (value > 0)
                a.low = fmin(a.low, value);
            a.high = fmax(a.high, value);
        }
    }
    if (!(a.low < INFINITY))
        a.low = a.high = 1;
    if (!logarithmic) {
        a.low = 0;
        a.high *= 1.05;
    } else {
        a.low = pow(10, floor(log10(a.low)));
        a.high = fmax(a.high * 1.2, a.low * 10);
    }
    return a;
}

static double first_tick(const struct axis *a)
{
    if (a->logarithmic)
        return a->low;
    double tick = pow(10, floor(log10(a->high)));
    while (a->high / tick < 4)
        tick /= 2;
    return tick;
}

static void draw_axes(FILE *f, const struct axis *x, const struct axis *y, const char *x_name,
                      const char *y_name)
{
    double step = first_tick(y);
    for (double t = y->logarithmic ? step : 0; t <= y->high;
         t = y->logarithmic ? next_tick(t) : t + step)
        fprintf(f,
                "<line stroke=\"#777\" stroke-opacity=\".25\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" "
                "y2=\"%.1f\"/>"
                "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
                x->from, x->to, place(y, t), place(y, t), x->from - 8, place(y, t) + 4, t);
    step = first_tick(x);
    for (double t = x->logarithmic ? step : 0; t <= x->high; t = x->logarithmic ? t * 10 : t + step)
        fprintf(f, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"middle\">%g</text>\n", place(x, t),
                y->from + 18, t);
    fprintf(f, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">%s</text>\n",
            (x->from + x->to) / 2, y->from + 38, x_name);
    fprintf(f,
            "<text transform=\"translate(16,%.0f) rotate(-90)\" text-anchor=\"middle\">%s</text>\n",
            (y->from + y->to) / 2, y_name);
}

void chart_lines(FILE *f, const struct chart_line *lines, unsigned n, const char *x_name,
                 const char *y_name, bool log_x, bool log_y)
{
    struct axis x = axis_over(lines, n, false, log_x), y = axis_over(lines, n, true, log_y);
    x.from = LEFT;
    x.to = WIDTH - RIGHT;
    y.from = LINES_HEIGHT - BOTTOM;
    y.to = TOP;
    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" color=\"#777\" font-family=\"sans-serif\" "
            "font-size=\"13\" fill=\"#777\" viewBox=\"0 0 %d %d\" role=\"img\">\n",
            WIDTH, LINES_HEIGHT);
    draw_axes(f, &x, &y, x_name, y_name);
    double label_y = INFINITY; // the lowest line comes first, and labels keep apart
    for (unsigned i = 0; i < n; i++) {
        const struct chart_line *line = &lines[i];
        const char *colour = colours[i % (sizeof(colours) / sizeof(colours[0]))];
        fprintf(f, "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"%s\" points=\"", colour);
        for (unsigned j = 0; j < line->n; j++)
            fprintf(f, "%.1f,%.1f ", place(&x, line->x[j]), place(&y, line->y[j]));
        fputs("\"/>\n", f);
        for (unsigned j = 0; j < line->n; j++)
            fprintf(f,
                    "<circle r=\"4\" fill=\"%s\" cx=\"%.1f\" cy=\"%.1f\"><title>%g: "
                    "%.4g</title></circle>",
                    colour, place(&x, line->x[j]), place(&y, line->y[j]), line->x[j], line->y[j]);
        if (line->n) {
            label_y = fmin(place(&y, line->y[line->n - 1]) + 4, label_y - 16);
            fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" style=\"fill:%s\">%s</text>\n", x.to + 10,
                    label_y, colour, line->name);
        }
    }
    fputs("</svg>\n", f);
}
