// SPDX-License-Identifier: BSD-3-Clause
// A guard's line in the state file: "in=default rsa_id=… nickname=…" and so on, as C tor reads and
// writes it. What is not known is kept; what is known and wrong is mended.
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "origin/guard/guard_internal.h"
#include "origin/state/state_file.h"
#include "origin/state/state_lines.h"

enum field {
    FIELD_IN,
    FIELD_RSA_ID,
    FIELD_NICKNAME,
    FIELD_SAMPLED_ON,
    FIELD_SAMPLED_IDX,
    FIELD_SAMPLED_BY,
    FIELD_UNLISTED_SINCE,
    FIELD_LISTED,
    FIELD_CONFIRMED_ON,
    FIELD_CONFIRMED_IDX,
    FIELD_BIAS, // the first of BIAS_COUNTS
    FIELDS = FIELD_BIAS + BIAS_COUNTS,
};

static const char *const names[FIELDS] = {
    [FIELD_IN] = "in",
    [FIELD_RSA_ID] = "rsa_id",
    [FIELD_NICKNAME] = "nickname",
    [FIELD_SAMPLED_ON] = "sampled_on",
    [FIELD_SAMPLED_IDX] = "sampled_idx",
    [FIELD_SAMPLED_BY] = "sampled_by",
    [FIELD_UNLISTED_SINCE] = "unlisted_since",
    [FIELD_LISTED] = "listed",
    [FIELD_CONFIRMED_ON] = "confirmed_on",
    [FIELD_CONFIRMED_IDX] = "confirmed_idx",
    [FIELD_BIAS + BIAS_USE_ATTEMPTS] = "pb_use_attempts",
    [FIELD_BIAS + BIAS_USE_SUCCESSES] = "pb_use_successes",
    [FIELD_BIAS + BIAS_CIRCUIT_ATTEMPTS] = "pb_circ_attempts",
    [FIELD_BIAS + BIAS_CIRCUIT_SUCCESSES] = "pb_circ_successes",
    [FIELD_BIAS + BIAS_CLOSED] = "pb_successful_circuits_closed",
    [FIELD_BIAS + BIAS_COLLAPSED] = "pb_collapsed_circuits",
    [FIELD_BIAS + BIAS_UNUSABLE] = "pb_unusable_circuits",
    [FIELD_BIAS + BIAS_TIMEOUTS] = "pb_timeouts",
};

// ---- taking it apart

// So that a line never grows out of its limit by what is added to it.
enum { EXTRA_MAX = 2048, SAMPLED_BY_MAX = 128 };

struct parts {
    struct text fields[FIELDS]; // `at` is NULL: not there
    char extra[EXTRA_MAX];
    size_t extra_length;
};

static int field_of(struct text name)
{
    for (int i = 0; i < FIELDS; i++)
        if (text_is(name, names[i]))
            return i;
    return -1;
}

static void add_extra(struct parts *parts, struct text word)
{
    if (parts->extra_length + 1 + word.length > sizeof(parts->extra))
        return;
    if (parts->extra_length > 0)
        parts->extra[parts->extra_length++] = ' ';
    memcpy(parts->extra + parts->extra_length, word.at, word.length);
    parts->extra_length += word.length;
}

static void take_apart(struct text line, struct parts *parts)
{
    while (line.length > 0) {
        struct text word = text_take_until(&line, " \t");
        if (word.length == 0)
            continue;
        struct text value = word;
        struct text name = text_take_until(&value, "=");
        int field = name.length < word.length ? field_of(name) : -1;
        if (field < 0)
            add_extra(parts, word);
        else if (parts->fields[field].at == NULL)
            parts->fields[field] = value; // the first one counts
    }
}

// ---- values

static time_t read_time(struct text t, time_t otherwise)
{
    time_t time;
    return t.at != NULL && state_time_read(t, &time) == 0 ? time : otherwise;
}

// Digits, and perhaps a point and more of them; at most 10^9. 0 for anything else.
static double read_count(struct text t)
{
    uint64_t whole;
    struct text integer = text_take_until(&t, ".");
    if (integer.at == NULL || text_number(integer, 1000000000, &whole) < 0)
        return 0;
    double value = (double)whole, unit = 0.1;
    for (size_t i = 0; i < t.length; i++, unit /= 10) {
        if (t.at[i] < '0' || t.at[i] > '9')
            return 0;
        value += unit * (t.at[i] - '0');
    }
    return value <= 1e9 ? value : 0;
}

static bool read_index(struct text t, uint32_t *out)
{
    uint64_t index;
    if (t.at == NULL || text_number(t, INT_MAX, &index) < 0)
        return false;
    *out = (uint32_t)index;
    return true;
}

static bool copy_text(char **out, const char *at, size_t length)
{
    *out = length > 0 ? strndup(at, length) : NULL;
    return length == 0 || *out != NULL;
}

// ---- reading

static bool fill_in(const struct parts *parts, time_t now, struct guard_line *out)
{
    const struct text *f = parts->fields;
    struct guard *guard = out->guard;
    uint32_t index = 0;
    if (f[FIELD_NICKNAME].at != NULL && text_is_nickname(f[FIELD_NICKNAME]))
        memcpy(guard->nickname, f[FIELD_NICKNAME].at, f[FIELD_NICKNAME].length);
    guard->sampled_on = read_time(f[FIELD_SAMPLED_ON], now);
    guard->unlisted_since = read_time(f[FIELD_UNLISTED_SINCE], 0);
    guard->listed = f[FIELD_LISTED].at != NULL && !text_is(f[FIELD_LISTED], "0");
    guard->confirmed_idx = read_index(f[FIELD_CONFIRMED_IDX], &index) ? (int)index : -1;
    guard->confirmed_on = read_time(f[FIELD_CONFIRMED_ON], 0);
    if (guard->sampled_on == 0)
        guard->sampled_on = now;
    // Before guards were kept in order of sampling, that of confirmation was it.
    guard->loaded_idx = guard_is_confirmed(guard) ? index : UINT32_MAX;
    if (f[FIELD_SAMPLED_IDX].at != NULL && !read_index(f[FIELD_SAMPLED_IDX], &guard->loaded_idx))
        guard->loaded_idx = UINT32_MAX;
    struct text by = f[FIELD_SAMPLED_BY];
    if (by.length > SAMPLED_BY_MAX)
        by.length = SAMPLED_BY_MAX;
    for (unsigned i = 0; i < BIAS_COUNTS; i++)
        guard->bias.counts[i] = read_count(f[FIELD_BIAS + i]);
    return copy_text(&guard->sampled_by, by.at, by.length) &&
           copy_text(&guard->extra, parts->extra, parts->extra_length);
}

int guard_line_read(const char *value, time_t now, struct guard_line *out, const char **wrong)
{
    struct parts parts = {0};
    *out = (struct guard_line){0};
    size_t length = strlen(value);
    if (length >= GUARD_LINE_MAX) {
        *wrong = "too long";
        return -EINVAL;
    }
    take_apart((struct text){value, length}, &parts);
    uint8_t rsa_id[20];
    if (parts.fields[FIELD_IN].at == NULL) {
        *wrong = "no in=";
        return -EINVAL;
    }
    if (parts.fields[FIELD_RSA_ID].at == NULL ||
        text_hex(parts.fields[FIELD_RSA_ID], rsa_id, sizeof(rsa_id)) < 0) {
        *wrong = "no rsa_id= with 40 hexadecimal digits";
        return -EINVAL;
    }
    out->in = parts.fields[FIELD_IN];
    out->guard = calloc(1, sizeof(*out->guard));
    if (out->guard == NULL)
        return -ENOMEM;
    memcpy(out->guard->rsa_id, rsa_id, sizeof(rsa_id));
    if (fill_in(&parts, now, out))
        return 0;
    guard_free(out->guard);
    return -ENOMEM;
}

// ---- writing

struct line {
    char text[GUARD_LINE_MAX];
    size_t length;
};

__attribute__((format(printf, 3, 4))) static void add(struct line *line, const char *name,
                                                      const char *format, ...)
{
    va_list args;
    size_t room = sizeof(line->text) - line->length;
    int n = snprintf(line->text + line->length, room, "%s%s=", line->length > 0 ? " " : "", name);
    if (n < 0 || (size_t)n >= room)
        return;
    va_start(args, format);
    int m = vsnprintf(line->text + line->length + n, room - (size_t)n, format, args);
    va_end(args);
    if (m < 0 || (size_t)m >= room - (size_t)n)
        line->text[line->length] = '\0';
    else
        line->length += (size_t)n + (size_t)m;
}

static void add_time(struct line *line, enum field field, time_t time)
{
    char text[STATE_TIME_SIZE];
    add(line, names[field], "%s", state_time_write(time, 'T', text));
}

static void add_bias(struct line *line, const struct guards *g, const struct guard *guard)
{
    for (unsigned i = 0; i < BIAS_COUNTS; i++) {
        double n = guard_bias_successes(g, guard, i);
        if (n >= 1e-6)
            add(line, names[FIELD_BIAS + i], "%f", n < 1e9 ? n : 1e9);
    }
}

void guard_line_write(struct state_writer *w, const struct guards *g, const struct guard *guard,
                      size_t index)
{
    struct line line = {.length = 0};
    char rsa_id[41];
    for (unsigned i = 0; i < sizeof(guard->rsa_id); i++)
        snprintf(rsa_id + 2 * i, 3, "%02X", guard->rsa_id[i]);
    add(&line, names[FIELD_IN], "%s", guard->selection->name);
    add(&line, names[FIELD_RSA_ID], "%s", rsa_id);
    if (guard->nickname[0] != '\0')
        add(&line, names[FIELD_NICKNAME], "%s", guard->nickname);
    add_time(&line, FIELD_SAMPLED_ON, guard->sampled_on);
    add(&line, names[FIELD_SAMPLED_IDX], "%zu", index);
    if (guard->sampled_by != NULL)
        add(&line, names[FIELD_SAMPLED_BY], "%s", guard->sampled_by);
    if (guard->unlisted_since > 0)
        add_time(&line, FIELD_UNLISTED_SINCE, guard->unlisted_since);
    add(&line, names[FIELD_LISTED], "%d", guard->listed);
    if (guard_is_confirmed(guard)) {
        add_time(&line, FIELD_CONFIRMED_ON, guard->confirmed_on);
        add(&line, names[FIELD_CONFIRMED_IDX], "%d", guard->confirmed_idx);
    }
    add_bias(&line, g, guard);
    if (guard->extra != NULL)
        state_write(w, "Guard", "%s %s", line.text, guard->extra);
    else
        state_write(w, "Guard", "%s", line.text);
}
