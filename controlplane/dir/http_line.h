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
