// SPDX-License-Identifier: BSD-3-Clause
// The lines of a state file: "Keyword value", as C tor has them. Pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "netdoc/tokens.h"

struct state_line {
    char *text;        // the whole line, without its end and the space around it
    size_t keyword;    // length of its keyword
    const char *value; // in `text`; "" if there is none
};

struct state_lines {
    struct state_line *lines;
    size_t n;
};

// Comments and empty lines are left out; the last line may have no end. 0; -EINVAL, and `wrong` is
// set to a constant text; -ENOMEM.
int state_lines_read(const char *text, size_t length, struct state_lines *out, const char **wrong);
void state_lines_free(struct state_lines *lines);
// Keywords are compared without regard to case.
bool state_line_is(const struct state_line *line, const char *keyword);

// "YYYY-MM-DDTHH:MM:SS", or a space in the place of the T. 0 or -EINVAL.
enum { STATE_TIME_SIZE = 32 };
int state_time_read(struct text t, time_t *out);
// `separator` is 'T' or ' '. Times that have no such form are written as the nearest that has.
const char *state_time_write(time_t time, char separator, char out[STATE_TIME_SIZE]);
