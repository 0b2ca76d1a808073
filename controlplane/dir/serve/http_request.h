// SPDX-License-Identifier: BSD-3-Clause
// The head of an HTTP request, out of bytes that may be anything (dir-spec 5, protocol 6.22, 6.26,
// 6.27). Pure functions.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "dir/compress.h"
#include "netdoc/tokens.h"

enum { HTTP_REQUEST_HEAD_MAX = 50000 };

enum http_method { HTTP_GET, HTTP_POST };

struct http_request {
    enum http_method method;
    struct text path;         // in the head; begins with '/', printable, without spaces
    unsigned encodings;       // 1 << enum compression of each that is accepted; identity always
    struct text diff_from;    // value of X-Or-Diff-From-Consensus; no length: none
    time_t if_modified_since; // 0: none, or no date
    size_t content_length;    // 0 without one
};

// The length of the head with the empty line that ends it; 0: not all of it is there. The first
// `searched` bytes, of an earlier call, did not have it.
size_t http_request_head_length(const uint8_t *bytes, size_t length, size_t searched);
// A whole head. 0, or -EINVAL: it is no GET or POST of HTTP/1, or has a bad Content-Length.
int http_request_parse(const uint8_t *head, size_t length, struct http_request *out);

enum { HTTP_DATE_LEN = 29 };
// "Sun, 06 Nov 1994 08:49:37 GMT" and a NUL.
void http_date(time_t time, char out[HTTP_DATE_LEN + 1]);
// 0 if it is not of this form.
time_t http_date_parse(struct text date);
