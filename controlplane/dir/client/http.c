// SPDX-License-Identifier: BSD-3-Clause
// HTTP/1.0 heads, read from an answer.
#include "dir/client/http.h"

#include <string.h>

#include "base/cursor.h"
#include "dir/http_line.h"

void http_answer_begin(struct http_answer *answer)
{
    answer->state = HTTP_MORE;
    answer->status = 0;
    answer->reason[0] = '\0';
    answer->descriptor_not_new = false;
    answer->length = 0;
}

// "HTTP/1.0 400 Reason phrase"
static bool parse_status(struct http_answer *answer, struct text line)
{
    struct reader r = reader_of(line.at, line.length);
    const uint8_t *version = read_bytes(&r, 8);
    if (version == NULL ||
        (memcmp(version, "HTTP/1.0", 8) != 0 && memcmp(version, "HTTP/1.1", 8) != 0))
        return false;
    if (read_u8(&r) != ' ')
        return false;
    for (int i = 0; i < 3; i++) {
        uint8_t digit = read_u8(&r);
        if (digit < '0' || digit > '9')
            return false;
        answer->status = answer->status * 10 + (digit - '0');
    }
    if (answer->status < 100 || answer->status > 599)
        return false;
    if (reader_left(&r) > 0 && read_u8(&r) != ' ')
        return false;
    size_t n = reader_left(&r);
    if (n > HTTP_REASON_MAX)
        n = HTTP_REASON_MAX;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = read_u8(&r);
        answer->reason[i] = c >= ' ' && c < 0x7f ? (char)c : '?';
    }
    answer->reason[n] = '\0';
    return true;
}

static enum http_state parse_head(struct http_answer *answer)
{
    struct reader r = reader_of(answer->head, answer->length);
    struct text line;
    if (!http_read_line(&r, &line) || !parse_status(answer, line))
        return HTTP_BAD;
    while (http_read_line(&r, &line) && line.length > 0)
        if (http_is(line, "X-Descriptor-Not-New: Yes"))
            answer->descriptor_not_new = true;
    return HTTP_DONE;
}

static bool head_is_whole(const struct http_answer *answer)
{
    struct reader r = reader_of(answer->head, answer->length);
    struct text line;
    while (http_read_line(&r, &line))
        if (line.length == 0)
            return true;
    return false;
}

enum http_state http_answer_read(struct http_answer *answer, const void *bytes, size_t length)
{
    if (answer->state != HTTP_MORE)
        return answer->state;
    size_t room = sizeof(answer->head) - answer->length;
    size_t taken = length < room ? length : room;
    memcpy(answer->head + answer->length, bytes, taken);
    answer->length += taken;
    if (head_is_whole(answer))
        answer->state = parse_head(answer);
    else if (answer->length == sizeof(answer->head))
        answer->state = HTTP_BAD;
    return answer->state;
}
