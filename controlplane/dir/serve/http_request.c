// SPDX-License-Identifier: BSD-3-Clause
// Request heads.
#include "dir/serve/http_request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dir/http_line.h"

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

size_t http_request_head_length(const uint8_t *bytes, size_t length, size_t searched)
{
    size_t at = searched > 3 ? searched - 3 : 0; // the end may have begun there
    while (at < length) {
        const uint8_t *newline = memchr(bytes + at, '\n', length - at);
        if (newline == NULL)
            return 0;
        at = (size_t)(newline - bytes) + 1;
        size_t next = at + (at < length && bytes[at] == '\r');
        if (next < length && bytes[next] == '\n')
            return next + 1;
    }
    return 0;
}

static bool is_printable(struct text t)
{
    for (size_t i = 0; i < t.length; i++)
        if (t.at[i] <= ' ' || t.at[i] > '~')
            return false;
    return t.length > 0;
}

// "GET PATH HTTP/1.0"; the path may have a scheme and a host before it.
static bool parse_request_line(struct text line, struct http_request *out)
{
    static const char scheme[] = "http://";
    struct text method = text_take_until(&line, " "), path = text_take_until(&line, " ");
    if (text_is(method, "GET"))
        out->method = HTTP_GET;
    else if (text_is(method, "POST"))
        out->method = HTTP_POST;
    else
        return false;
    if (!text_begins(line, "HTTP/1.") || !is_printable(path))
        return false;
    if (text_begins(path, scheme)) {
        path.at += sizeof(scheme) - 1;
        path.length -= sizeof(scheme) - 1;
        const char *slash = memchr(path.at, '/', path.length);
        if (slash == NULL)
            return false;
        path.length -= (size_t)(slash - path.at);
        path.at = slash;
    }
    out->path = path;
    return path.at[0] == '/';
}

static unsigned parse_encodings(struct text value)
{
    unsigned encodings = 0;
    while (value.length > 0) {
        struct text item = text_take_until(&value, ",");
        struct text name = text_trim(text_take_until(&item, ";"));
        enum compression c;
        if (compression_by_name(name.at, name.length, &c))
            encodings |= 1u << c;
    }
    return encodings;
}

static int parse_header(struct text line, struct http_request *out, bool *has_length)
{
    struct text value = line;
    struct text name = text_take_until(&value, ":");
    value = text_trim(value);
    if (http_is(name, "Content-Length")) {
        uint64_t length;
        if (text_number(value, UINT32_MAX, &length) != 0 ||
            (*has_length && length != out->content_length))
            return -EINVAL;
        *has_length = true;
        out->content_length = (size_t)length;
    } else if (http_is(name, "Accept-Encoding")) {
        out->encodings |= parse_encodings(value);
    } else if (http_is(name, "X-Or-Diff-From-Consensus")) {
        out->diff_from = value;
    } else if (http_is(name, "If-Modified-Since")) {
        out->if_modified_since = http_date_parse(value);
    }
    return 0;
}

int http_request_parse(const uint8_t *head, size_t length, struct http_request *out)
{
    struct reader r = reader_of(head, length);
    struct text line;
    bool has_length = false;
    *out = (struct http_request){.encodings = 1u << COMPRESSION_IDENTITY};
    if (!http_read_line(&r, &line) || !parse_request_line(line, out))
        return -EINVAL;
    while (http_read_line(&r, &line) && line.length > 0)
        if (parse_header(line, out, &has_length) != 0)
            return -EINVAL;
    return 0;
}

void http_date(time_t time, char out[HTTP_DATE_LEN + 1])
{
    struct tm tm = {0};
    char text[80];
    gmtime_r(&time, &tm);
    snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday],
             tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
    memcpy(out, text, HTTP_DATE_LEN);
    out[HTTP_DATE_LEN] = '\0';
}

time_t http_date_parse(struct text date)
{
    // "Sun, 06 Nov 1994 08:49:37 GMT": number its letters.
    enum { DAY = 5, MONTH = 8, YEAR = 12, CLOCK = 17 };
    uint64_t day;
    char text[11];
    time_t time;
    if (date.length != HTTP_DATE_LEN || memcmp(date.at + 25, " GMT", 4) != 0 ||
        text_number((struct text){date.at + DAY, 2}, 31, &day) != 0)
        return 0;
    for (int month = 0; month < 12; month++) {
        if (memcmp(date.at + MONTH, months[month], 3) != 0)
            continue;
        snprintf(text, sizeof(text), "%.4s-%02d-%.2s", date.at + YEAR, month + 1, date.at + DAY);
        struct text clock = {date.at + CLOCK, 8};
        return text_time((struct text){text, 10}, clock, &time) == 0 ? time : 0;
    }
    return 0;
}
