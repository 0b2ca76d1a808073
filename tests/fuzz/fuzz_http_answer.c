// SPDX-License-Identifier: BSD-3-Clause
// The head of an HTTP answer, in pieces: the first byte is their length.
#include "dir/client/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    static struct http_answer answer;
    if (length == 0)
        return 0;
    size_t piece = bytes[0] ? bytes[0] : length;
    http_answer_begin(&answer);
    for (size_t at = 1; at < length; at += piece)
        http_answer_read(&answer, bytes + at, length - at < piece ? length - at : piece);
    if (answer.state == HTTP_DONE && (answer.status < 100 || answer.status > 599))
        __builtin_trap();
    return 0;
}
