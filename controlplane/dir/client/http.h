// SPDX-License-Identifier: BSD-3-Clause
// As much of HTTP/1.0 as a request of ours needs: the head of its answer, from a stream that comes
// in pieces and may be anything (dir-spec 5).
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HTTP_HEAD_MAX = 8192, HTTP_REASON_MAX = 200 };

enum http_state {
    HTTP_MORE, // the head is not whole yet
    HTTP_DONE, // status, reason and descriptor_not_new are valid
    HTTP_BAD,  // no HTTP, or a head of more than HTTP_HEAD_MAX bytes
};

struct http_answer {
    enum http_state state;
    unsigned status;                  // 100–599
    char reason[HTTP_REASON_MAX + 1]; // printable ASCII only; fit for a log line
    bool descriptor_not_new;          // the authority keeps the descriptor that it has
    size_t length;
    char head[HTTP_HEAD_MAX];
};

void http_answer_begin(struct http_answer *answer);
// Takes the next bytes of the stream; what follows the head is not looked at. Once the state is
// not HTTP_MORE, it stays.
enum http_state http_answer_read(struct http_answer *answer, const void *bytes, size_t length);
