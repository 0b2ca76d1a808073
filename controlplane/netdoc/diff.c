// SPDX-License-Identifier: BSD-3-Clause
// Applying the difference of two consensuses.
//
// Its commands go from the last line to the first, so the result is written from its end to its
// beginning into one buffer, and lines are found by walking backwards: a difference can cause
// neither many allocations nor more work than its length and the base's (13.47).
#include "netdoc/diff.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/digest.h"
#include "netdoc/consensus.h"
#include "netdoc/tokens.h"

enum { COMMAND_MAX = 127 };

#define VERSION_LINE "network-status-diff-version 1"

struct command {
    uint32_t first, last; // lines of the base, from 1; "0a" is before the first
    char action;          // 'a', 'c', 'd'
};

struct patch {
    const uint8_t *base;
    size_t kept;    // bytes of the base that no command has reached yet
    uint32_t lines; // in those
    uint8_t *out;
    uint8_t *at; // what is in front of it is yet to be written
};

static uint32_t count_lines(const uint8_t *text, size_t length)
{
    uint32_t n = 0;
    for (const uint8_t *at = text, *end = text + length;
         at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++)
        n++;
    return n;
}

static bool take_number(struct text *t, uint32_t *out)
{
    uint64_t value = 0;
    size_t n = 0;
    while (n < t->length && t->at[n] >= '0' && t->at[n] <= '9' && value <= INT32_MAX)
        value = value * 10 + (uint64_t)(t->at[n++] - '0');
    t->at += n;
    t->length -= n;
    *out = (uint32_t)value;
    return n > 0 && value <= INT32_MAX;
}

static bool take_character(struct text *t, char what)
{
    if (t->length == 0 || t->at[0] != what)
        return false;
    t->at++;
    t->length--;
    return true;
}

// "<n>a", "<n>[,<m>]c", "<n>[,<m>|,$]d"; `lines` is what "$" stands for.
static bool parse_command(struct text line, uint32_t lines, struct command *c)
{
    bool range = false, to_end = false;
    if (line.length > COMMAND_MAX || !take_number(&line, &c->first))
        return false;
    c->last = c->first;
    if (take_character(&line, ',')) {
        range = true;
        to_end = take_character(&line, '$');
        if (to_end)
            c->last = lines;
        else if (!take_number(&line, &c->last))
            return false;
        if (c->last <= c->first)
            return false;
    }
    if (line.length != 1)
        return false;
    c->action = line.at[0];
    switch (c->action) {
    case 'a':
        return !range;
    case 'c':
        return c->first > 0 && !to_end;
    case 'd':
        return c->first > 0;
    default:
        return false;
    }
}

// Where the base's bytes begin that come after its line `line`, no later than `kept`.
static size_t end_of_line(const struct patch *p, uint32_t line)
{
    size_t at = p->kept;
    for (uint32_t n = p->lines; n > line; n--) { // `at` is after the newline of line n
        const uint8_t *before = at > 1 ? memrchr(p->base, '\n', at - 1) : NULL;
        at = before == NULL ? 0 : (size_t)(before - p->base) + 1;
    }
    return at;
}

static void write_before(struct patch *p, const void *bytes, size_t length)
{
    p->at -= length;
    memcpy(p->at, bytes, length);
}

// The base's lines after `line` are in the result as they are, or (`keep` false) not at all.
static void step_back(struct patch *p, uint32_t line, bool keep)
{
    size_t from = end_of_line(p, line);
    if (keep && from < p->kept)
        write_before(p, p->base + from, p->kept - from);
    p->kept = from;
    p->lines = line;
}

// The lines up to ".", at least one.
static bool read_inserted(struct reader *r, struct text *out)
{
    const uint8_t *from = r->at;
    struct text line;
    do {
        if (!text_read_line(r, &line))
            return false;
    } while (!text_is(line, "."));
    *out = text_between(from, (const uint8_t *)line.at);
    return out->length > 0;
}

static bool apply_commands(struct patch *p, struct reader *r)
{
    uint32_t all = p->lines, limit = p->lines; // a command may reach up to line `limit`
    while (reader_left(r) > 0) {
        struct text line, inserted = {NULL, 0};
        struct command c;
        if (!text_read_line(r, &line) || !parse_command(line, all, &c) || c.last > limit)
            return false;
        if (c.action != 'd' && !read_inserted(r, &inserted))
            return false;
        step_back(p, c.last, true);
        if (inserted.length > 0)
            write_before(p, inserted.at, inserted.length);
        if (c.action != 'a')
            step_back(p, c.first - 1, false);
        limit = c.first > 0 ? c.first - 1 : 0;
        if (c.first == 0)
            return reader_left(r) == 0;
    }
    step_back(p, 0, true);
    return true;
}

static bool read_head(struct reader *r, uint8_t from[SHA3_256_LEN], uint8_t to[SHA3_256_LEN])
{
    struct text line, word;
    if (!text_read_line(r, &line) || !text_is(line, VERSION_LINE) || !text_read_line(r, &line))
        return false;
    if (!token_argument(&line, &word) || !text_is(word, "hash"))
        return false;
    if (!token_argument(&line, &word) || text_hex(word, from, SHA3_256_LEN) != 0)
        return false;
    return token_argument(&line, &word) && text_hex(word, to, SHA3_256_LEN) == 0 &&
           line.length == 0;
}

static bool base_is(const uint8_t *base, size_t length, const uint8_t wanted[SHA3_256_LEN])
{
    uint8_t digest[SHA3_256_LEN];
    size_t signed_length = consensus_signed_length(base, length);
    if (signed_length == 0 || base[length - 1] != '\n')
        return false;
    sha3_256(base, signed_length, digest);
    return memcmp(digest, wanted, sizeof(digest)) == 0;
}

struct blob *consensus_diff_apply(const uint8_t *base, size_t base_length, const uint8_t *diff,
                                  size_t diff_length)
{
    uint8_t from[SHA3_256_LEN], to[SHA3_256_LEN], digest[SHA3_256_LEN];
    struct reader r = reader_of(diff, diff_length);
    if (base_length > CONSENSUS_TEXT_MAX || diff_length > CONSENSUS_TEXT_MAX ||
        !read_head(&r, from, to) || !base_is(base, base_length, from))
        return NULL;
    size_t capacity =
        base_length + diff_length; // each byte of either is in the result at most once
    struct patch p = {.base = base, .kept = base_length, .lines = count_lines(base, base_length)};
    p.out = malloc(capacity);
    if (p.out == NULL)
        return NULL;
    p.at = p.out + capacity;
    struct blob *result = NULL;
    if (apply_commands(&p, &r)) {
        size_t length = (size_t)(p.out + capacity - p.at);
        sha3_256(p.at, length, digest);
        if (memcmp(digest, to, sizeof(digest)) == 0)
            result = blob_create(p.at, length);
    }
    free(p.out);
    return result;
}
