// SPDX-License-Identifier: BSD-3-Clause
// The head of an HTTP request, and what its path asks for.
#include <stdlib.h>
#include <string.h>

#include "dir/serve/resource.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void in_the_head(struct text t, const uint8_t *bytes, size_t length)
{
    if (t.length > 0 && ((const uint8_t *)t.at < bytes || t.length > length ||
                         (const uint8_t *)t.at + t.length > bytes + length))
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    uint8_t digest[40];
    struct text fingerprint;
    struct http_request http;
    size_t whole = http_request_head_length(bytes, length, 0);
    for (size_t n = 0; n < length && n < 64; n++) // the same in two pieces
        if (http_request_head_length(bytes, n, 0) == 0 &&
            http_request_head_length(bytes, length, n) != whole)
            __builtin_trap();
    if (http_request_parse(bytes, whole ? whole : length, &http) != 0)
        return 0;
    in_the_head(http.path, bytes, length);
    in_the_head(http.diff_from, bytes, length);
    struct resource r = resource_of(http.method, http.path), again = r;
    in_the_head(r.list, bytes, length);
    while (resource_next(&r, digest))
        ;
    while (resource_next_fingerprint(&again, &fingerprint))
        in_the_head(fingerprint, bytes, length);
    while (diff_from_next(&http.diff_from, digest))
        ;
    return 0;
}
