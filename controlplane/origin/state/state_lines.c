// SPDX-License-Identifier: BSD-3-Clause
// The lines of a state file.
#include "origin/state/state_lines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char space[] = " \t";

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_printable(struct text t)
{
    for (size_t i = 0; i < t.length; i++)
        if (((unsigned char)t.at[i] < ' ' && !is_space(t.at[i])) || t.at[i] == 0x7f)
            return false;
    return true;
}

static int add_line(struct state_lines *out, struct text t)
{
    if ((out->n & (out->n - 1)) == 0) {
        size_t capacity = out->n == 0 ? 1 : 2 * out->n;
        struct state_line *grown = realloc(out->lines, capacity * sizeof(*grown));
        if (grown == NULL)
            return -ENOMEM;
        out->lines = grown;
    }
    struct state_line *line = &out->lines[out->n];
    line->text = strndup(t.at, t.length);
    if (line->text == NULL)
        return -ENOMEM;
    line->keyword = strcspn(line->text, space);
    line->value = line->text + line->keyword;
    line->value += strspn(line->value, space);
    out->n++;
    return 0;
}

static int read_lines(struct text rest, struct state_lines *out, const char **wrong)
{
    while (rest.length > 0) {
        struct text line = text_trim(text_take_until(&rest, "\r\n"));
        if (!is_printable(line)) {
            *wrong = "a line has bytes in it that are no text";
            return -EINVAL;
        }
        if (line.length == 0 || line.at[0] == '#')
            continue;
        int err = add_line(out, line);
        if (err < 0)
            return err;
    }
    return 0;
}

int state_lines_read(const char *text, size_t length, struct state_lines *out, const char **wrong)
{
    *out = (struct state_lines){0};
    int err = read_lines((struct text){text, length}, out, wrong);
    if (err < 0)
        state_lines_free(out);
    return err;
}

void state_lines_free(struct state_lines *lines)
{
    for (size_t i = 0; i < lines->n; i++)
        free(lines->lines[i].text);
    free(lines->lines);
    *lines = (struct state_lines){0};
}

bool state_line_is(const struct state_line *line, const char *keyword)
{
    return strlen(keyword) == line->keyword && strncasecmp(line->text, keyword, line->keyword) == 0;
}

int state_time_read(struct text t, time_t *out)
{
    struct text date = text_take_until(&t, "T ");
    return text_time(date, t, out);
}

const char *state_time_write(time_t time, char separator, char out[STATE_TIME_SIZE])
{
    const time_t last = 253402300799; // the year 9999's last second
    struct tm utc;
    time = time < 0 ? 0 : time > last ? last : time;
    gmtime_r(&time, &utc);
    strftime(out, STATE_TIME_SIZE, "%Y-%m-%d %H:%M:%S", &utc);
    out[10] = separator;
    return out;
}
