// SPDX-License-Identifier: BSD-3-Clause
// Items of directory documents, one after another.
#include "netdoc/tokens.h"

#include <errno.h>
#include <string.h>

#include "crypto/encoding.h"

#define BEGIN "-----BEGIN "
#define END "-----END "
#define DASHES "-----"

enum { DASHES_LEN = sizeof(DASHES) - 1, LABEL_MAX = 64, NICKNAME_MAX = 19 };

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool text_begins(struct text t, const char *prefix)
{
    size_t length = strlen(prefix);
    return t.length >= length && memcmp(t.at, prefix, length) == 0;
}

struct text text_take_until(struct text *t, const char *characters)
{
    size_t n = 0;
    while (n < t->length && (t->at[n] == '\0' || strchr(characters, t->at[n]) == NULL))
        n++;
    struct text part = {t->at, n};
    size_t taken = n < t->length ? n + 1 : n;
    if (taken == 0)
        return part; // of an empty text, which may be nowhere
    t->at += taken;
    t->length -= taken;
    return part;
}

bool text_read_line(struct reader *r, struct text *line)
{
    size_t left = reader_left(r);
    const uint8_t *end = left > 0 ? memchr(r->at, '\n', left) : NULL;
    if (end == NULL)
        return false;
    *line = text_between(r->at, end);
    read_bytes(r, line->length + 1);
    return true;
}

bool text_is_clean(const uint8_t *bytes, size_t length)
{
    if (length == 0)
        return true;
    bool mark = (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) ||
                (length >= 2 && memcmp(bytes, "\xfe\xff", 2) == 0) ||
                (length >= 2 && memcmp(bytes, "\xff\xfe", 2) == 0);
    return !mark && memchr(bytes, '\0', length) == NULL;
}

int text_compare(struct text a, struct text b)
{
    size_t length = a.length < b.length ? a.length : b.length;
    int order = length == 0 ? 0 : memcmp(a.at, b.at, length);
    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

// The line that `r` is at, without its newline, which `r` skips. False: none ends here.
static bool line_next(struct reader *r, size_t most, struct text *out)
{
    size_t left = reader_left(r);
    size_t seen = left <= most ? left : most + 1;
    const uint8_t *end = seen == 0 ? NULL : memchr(r->at, '\n', seen);
    if (end == NULL) {
        r->failed = true;
        return false;
    }
    out->length = (size_t)(end - r->at);
    out->at = (const char *)read_bytes(r, out->length + 1);
    return out->at != NULL;
}

struct text text_trim(struct text t)
{
    while (t.length > 0 && is_space(t.at[0]))
        t = (struct text){t.at + 1, t.length - 1};
    while (t.length > 0 && is_space(t.at[t.length - 1]))
        t.length--;
    return t;
}

// The first word of a line may be "opt", which means nothing.
static bool line_split(struct text line, struct token *out)
{
    size_t length = 0;
    while (length < line.length && (is_alphanumeric(line.at[length]) || line.at[length] == '-'))
        length++;
    if (length == 0 || line.at[0] == '-' || (length < line.length && !is_space(line.at[length])))
        return false;
    out->keyword = (struct text){line.at, length};
    out->arguments = text_trim((struct text){line.at + length, line.length - length});
    return true;
}

static bool label_is_valid(struct text label)
{
    if (label.length == 0 || label.length > LABEL_MAX)
        return false;
    for (size_t i = 0; i < label.length; i++)
        if (!is_alphanumeric(label.at[i]) && label.at[i] != ' ' && label.at[i] != '-')
            return false;
    return true;
}

// The label of a "-----BEGIN LABEL-----" or "-----END LABEL-----".
static bool line_label(struct text line, const char *what, struct text *label)
{
    size_t before = strlen(what);
    if (!text_begins(line, what) || line.length < before + DASHES_LEN ||
        memcmp(line.at + line.length - DASHES_LEN, DASHES, DASHES_LEN) != 0)
        return false;
    *label = (struct text){line.at + before, line.length - before - DASHES_LEN};
    return label_is_valid(*label);
}

// `r` is at the line after "-----BEGIN".
static bool object_read(struct reader *r, struct token *out)
{
    const uint8_t *start = r->at;
    struct text line, label;
    do {
        const uint8_t *end = r->at;
        if (!line_next(r, TOKEN_LINE_MAX, &line) || r->at - start > TOKEN_OBJECT_MAX + LABEL_MAX)
            return false;
        out->object = text_between(start, end);
    } while (!text_begins(line, DASHES));
    return line_label(line, END, &label) && text_compare(label, out->label) == 0;
}

static int token_fail(struct reader *r)
{
    r->failed = true;
    return -EINVAL;
}

int token_next(struct reader *r, struct token *out)
{
    struct text line;
    *out = (struct token){0};
    if (r->failed)
        return -EINVAL;
    do {
        if (r->at == r->end)
            return 0;
        out->start = r->at;
        if (!line_next(r, TOKEN_LINE_MAX, &line))
            return -EINVAL;
    } while (text_trim(line).length == 0);
    if (text_begins(line, "opt "))
        line = text_trim((struct text){line.at + 4, line.length - 4});
    if (!line_split(line, out))
        return token_fail(r);
    out->line_end = out->end = r->at;
    if (r->at == r->end || *r->at != '-')
        return 1;
    if (!line_next(r, TOKEN_LINE_MAX, &line) || !line_label(line, BEGIN, &out->label) ||
        !object_read(r, out))
        return token_fail(r);
    out->end = r->at;
    return 1;
}

bool token_argument(struct text *rest, struct text *out)
{
    struct text t = *rest;
    while (t.length > 0 && is_space(t.at[0]))
        t = (struct text){t.at + 1, t.length - 1};
    size_t length = 0;
    while (length < t.length && !is_space(t.at[length]))
        length++;
    *out = (struct text){t.at, length};
    *rest = (struct text){t.at + length, t.length - length};
    return length > 0;
}

unsigned token_arguments(const struct token *t, struct text *out, unsigned most)
{
    struct text rest = t->arguments;
    unsigned n = 0;
    while (n < most && token_argument(&rest, &out[n]))
        n++;
    for (unsigned i = n; i < most; i++)
        out[i] = (struct text){"", 0};
    return n;
}

int token_object(const struct token *t, const char *label, void *out, size_t capacity)
{
    if (t->label.length == 0 || (label != NULL && !text_is(t->label, label)))
        return -EINVAL;
    int n = base64_decode(t->object.at, t->object.length, out, capacity);
    return n < 0 ? -EINVAL : n;
}

int token_time(const struct token *t, time_t *out)
{
    struct text argument[3];
    return token_arguments(t, argument, 3) == 2 ? text_time(argument[0], argument[1], out)
                                                : -EINVAL;
}

// Two digits at `at`; 100 if they are none.
static unsigned two_digits(const char *at)
{
    unsigned tens = (unsigned)(uint8_t)at[0] - '0', ones = (unsigned)(uint8_t)at[1] - '0';
    return tens > 9 || ones > 9 ? 100 : tens * 10 + ones;
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (leap && month == 2);
}

// Days since 1970-01-01 in the Gregorian calendar. Years that begin in March have their odd day
// last.
static int64_t days_since_epoch(unsigned year, unsigned month, unsigned day)
{
    unsigned y = month > 2 ? year : year - 1;
    unsigned m = month > 2 ? month - 3 : month + 9;
    return (int64_t)365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 719469;
}

int text_time(struct text date, struct text clock, time_t *out)
{
    if (date.length != 10 || date.at[4] != '-' || date.at[7] != '-' || clock.length != 8 ||
        clock.at[2] != ':' || clock.at[5] != ':')
        return -EINVAL;
    unsigned century = two_digits(date.at), year = two_digits(date.at + 2);
    unsigned month = two_digits(date.at + 5), day = two_digits(date.at + 8);
    unsigned hour = two_digits(clock.at), minute = two_digits(clock.at + 3);
    unsigned second = two_digits(clock.at + 6);
    if (century > 99 || year > 99 || month < 1 || month > 12 || hour > 23 || minute > 59 ||
        second > 60)
        return -EINVAL;
    year += century * 100;
    if (year < 1970 || day < 1 || day > days_of_month(year, month))
        return -EINVAL;
    *out =
        days_since_epoch(year, month, day) * 86400 + (time_t)(hour * 3600 + minute * 60 + second);
    return 0;
}

int text_number(struct text t, uint64_t most, uint64_t *out)
{
    uint64_t value = 0;
    if (t.length == 0)
        return -EINVAL;
    for (size_t i = 0; i < t.length; i++) {
        unsigned digit = (unsigned)(uint8_t)t.at[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value) || value > most)
            return -EINVAL;
    }
    *out = value;
    return 0;
}

int text_int32(struct text t, int32_t *out)
{
    uint64_t value;
    bool negative = t.length > 0 && t.at[0] == '-';
    if (negative)
        t = (struct text){t.at + 1, t.length - 1};
    if (text_number(t, (uint64_t)INT32_MAX + negative, &value) < 0)
        return -EINVAL;
    *out = (int32_t)(negative ? -(int64_t)value : (int64_t)value);
    return 0;
}

int text_hex(struct text t, void *out, size_t length)
{
    return t.length == 2 * length && hex_decode(t.at, t.length, out, length) == (int)length
               ? 0
               : -EINVAL;
}

int text_base64(struct text t, void *out, size_t length)
{
    return base64_decode(t.at, t.length, out, length) == (int)length ? 0 : -EINVAL;
}

bool text_is_nickname(struct text t)
{
    if (t.length < 1 || t.length > NICKNAME_MAX)
        return false;
    for (size_t i = 0; i < t.length; i++)
        if (!is_alphanumeric(t.at[i]))
            return false;
    return true;
}

size_t text_next_document(const uint8_t *text, size_t length, const char *keyword)
{
    const uint8_t *end = text + length, *at = text;
    size_t keyword_length = strlen(keyword);
    while (at != end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        at++;
        if ((size_t)(end - at) > keyword_length && memcmp(at, keyword, keyword_length) == 0 &&
            (at[keyword_length] == '\n' || is_space((char)at[keyword_length])))
            return (size_t)(at - text);
    }
    return length;
}
