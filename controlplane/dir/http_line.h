// SPDX-License-Identifier: BSD-3-Clause
// What heads of requests and of answers have in common: their lines (dir-spec 5).
#pragma once

#include <string.h>
#include <strings.h>

#include "netdoc/tokens.h"

// Lines end with LF; a CR before it belongs to the end. False: no whole line is left.
static inline bool http_read_line(struct reader *r, struct text *line)
{
    if (!text_read_line(r, line))
        return false;
    if (line->length > 0 && line->at[line->length - 1] == '\r')
        line->length--;
    return true;
}

// Upper and lower case are one.
static inline bool http_is(struct text t, const char *word)
{
    return t.length == strlen(word) && strncasecmp(t.at, word, t.length) == 0;
}

// Without spaces and tabs around it.
static inline struct text http_trim(struct text t)
{
    while (t.length > 0 && (t.at[0] == ' ' || t.at[0] == '\t')) {
        t.at++;
        t.length--;
    }
    while (t.length > 0 && (t.at[t.length - 1] == ' ' || t.at[t.length - 1] == '\t'))
        t.length--;
    return t;
}
