// SPDX-License-Identifier: BSD-3-Clause
// Items of a document, and every kind of value that an argument may be read as.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "netdoc/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_values(const struct token *t)
{
    struct text argument[3];
    uint8_t bytes[64], object[512];
    uint64_t number;
    int32_t value;
    time_t time;
    unsigned n = token_arguments(t, argument, 3);
    for (unsigned i = 0; i < n; i++) {
        if (argument[i].length == 0)
            abort();
        text_number(argument[i], UINT64_MAX, &number);
        text_int32(argument[i], &value);
        text_hex(argument[i], bytes, 20);
        text_base64(argument[i], bytes, 32);
        text_is_nickname(argument[i]);
    }
    if (token_time(t, &time) == 0 && time < 0)
        abort();
    token_object(t, NULL, object, sizeof(object));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_of(data, size);
    struct token t;
    const uint8_t *end = data;
    while (token_next(&r, &t) > 0) {
        if (t.start < end || t.line_end <= t.start || t.end < t.line_end || t.end > data + size ||
            t.keyword.length == 0)
            abort();
        end = t.end;
        read_values(&t);
    }
    return 0;
}
