// SPDX-License-Identifier: BSD-3-Clause
// Making the difference of two consensuses.
//
// Both are sorted by the relays' identities, so lines are compared only between the same two
// relays' entries: a few lines each. What is between is small, or is replaced as a whole.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cursor.h"
#include "crypto/digest.h"
#include "netdoc/consensus.h"
#include "netdoc/diff.h"
#include "netdoc/tokens.h"

enum {
    ID_LEN = 20,
    TABLE_CELLS_MAX = 1 << 20, // lines times lines that are compared with each other
    COMMAND_BYTES = 48,        // more than any command and the "." after it
    LINES_MAX = 4 << 20,
};

struct line {
    const uint8_t *at;
    uint32_t length;
    bool changed; // not in the other document
};

struct entry {
    uint32_t line; // its "r" line
    uint8_t id[ID_LEN];
};

struct document {
    struct line *lines;
    uint32_t n_lines; // of those compared
    struct entry *entries;
    uint32_t n_entries;
};

static void release(struct document *d)
{
    free(d->lines);
    free(d->entries);
}

// "r NICKNAME IDENTITY …"
static bool read_entry(const struct line *line, uint8_t id[ID_LEN])
{
    if (line->length < 2 || line->at[0] != 'r' || line->at[1] != ' ')
        return false;
    struct text rest = {(const char *)line->at + 2, line->length - 2}, word;
    return token_argument(&rest, &word) && token_argument(&rest, &word) &&
           text_base64(word, id, ID_LEN) == 0;
}

static bool split(struct document *d, const uint8_t *text, size_t length)
{
    size_t lines = 0, entries = 0;
    for (size_t i = 0; i < length; i++)
        if (text[i] == '\n') {
            lines++;
            entries += i + 2 < length && text[i + 1] == 'r' && text[i + 2] == ' ';
        }
    if (lines == 0 || lines > LINES_MAX || text[length - 1] != '\n')
        return false;
    d->lines = calloc(lines, sizeof(*d->lines));
    d->entries = calloc(entries + 1, sizeof(*d->entries));
    if (d->lines == NULL || d->entries == NULL)
        return false;
    const uint8_t *at = text;
    while (d->n_lines < lines) {
        const uint8_t *end = memchr(at, '\n', (size_t)(text + length - at));
        struct line *line = &d->lines[d->n_lines];
        *line = (struct line){at, (uint32_t)(end - at), false};
        if (line->length == 1 && at[0] == '.') // would end the text it is inserted with
            return false;
        if (d->n_entries < entries && read_entry(line, d->entries[d->n_entries].id))
            d->entries[d->n_entries++].line = d->n_lines;
        d->n_lines++;
        at = end + 1;
    }
    return true;
}

static bool same(const struct line *a, const struct line *b)
{
    return a->length == b->length && memcmp(a->at, b->at, a->length) == 0;
}

// ---- which lines of two stretches are changed

static void mark(struct line *lines, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        lines[i].changed = true;
}

// The longest common subsequence. `table` has room for (n + 1) * (m + 1).
static void compare_small(struct line *a, uint32_t n, struct line *b, uint32_t m, uint16_t *table)
{
    uint32_t width = m + 1;
    memset(table + (size_t)n * width, 0, width * sizeof(*table));
    for (uint32_t i = n; i-- > 0;) {
        uint16_t *row = table + (size_t)i * width, *below = row + width;
        row[m] = 0;
        for (uint32_t j = m; j-- > 0;)
            row[j] = same(&a[i], &b[j])       ? (uint16_t)(below[j + 1] + 1)
                     : below[j] >= row[j + 1] ? below[j]
                                              : row[j + 1];
    }
    uint32_t i = 0, j = 0;
    while (i < n && j < m) {
        const uint16_t *row = table + (size_t)i * width;
        if (same(&a[i], &b[j])) {
            i++;
            j++;
        } else if (row[width + j] >= row[j + 1]) {
            a[i++].changed = true;
        } else {
            b[j++].changed = true;
        }
    }
    mark(a + i, n - i);
    mark(b + j, m - j);
}

static void compare(struct line *a, uint32_t n, struct line *b, uint32_t m, uint16_t *table)
{
    while (n > 0 && m > 0 && same(a, b)) {
        a++, n--;
        b++, m--;
    }
    while (n > 0 && m > 0 && same(&a[n - 1], &b[m - 1])) {
        n--;
        m--;
    }
    if (n > 0 && m > 0 && (uint64_t)(n + 1) * (m + 1) <= TABLE_CELLS_MAX) {
        compare_small(a, n, b, m, table);
    } else {
        mark(a, n);
        mark(b, m);
    }
}

// Stretch by stretch: from one relay that both have to the next.
static bool compare_documents(struct document *a, struct document *b)
{
    uint16_t *table = malloc(TABLE_CELLS_MAX * sizeof(*table));
    if (table == NULL)
        return false;
    uint32_t i = 0, j = 0, line_a = 0, line_b = 0;
    while (i < a->n_entries && j < b->n_entries) {
        int order = memcmp(a->entries[i].id, b->entries[j].id, ID_LEN);
        if (order == 0) {
            uint32_t next_a = a->entries[i].line, next_b = b->entries[j].line;
            compare(a->lines + line_a, next_a - line_a, b->lines + line_b, next_b - line_b, table);
            line_a = next_a;
            line_b = next_b;
        }
        i += order <= 0;
        j += order >= 0;
    }
    compare(a->lines + line_a, a->n_lines - line_a, b->lines + line_b, b->n_lines - line_b, table);
    free(table);
    return true;
}

// ---- writing it

static void write_command(struct writer *w, uint32_t first, uint32_t last, char action)
{
    char text[COMMAND_BYTES];
    int n = first == last || action == 'a'
                ? snprintf(text, sizeof(text), "%u%c\n", first, action)
                : snprintf(text, sizeof(text), "%u,%u%c\n", first, last, action);
    write_bytes(w, text, (size_t)n);
}

// Lines i (of a) and j (of b) are the last that are not dealt with. From one command to the next.
static void write_commands(struct writer *w, const struct document *a, const struct document *b)
{
    uint32_t i = a->n_lines, j = b->n_lines;
    while (i > 0 || j > 0) {
        uint32_t last_a = i, last_b = j;
        while (i > 0 && a->lines[i - 1].changed)
            i--;
        while (j > 0 && b->lines[j - 1].changed)
            j--;
        if (i == last_a && j == last_b) { // unchanged in both
            i--;
            j--;
            continue;
        }
        if (i == last_a)
            write_command(w, i, i, 'a');
        else
            write_command(w, i + 1, last_a, j == last_b ? 'd' : 'c');
        for (uint32_t k = j; k < last_b; k++)
            write_bytes(w, b->lines[k].at, b->lines[k].length + 1);
        if (j < last_b)
            write_bytes(w, ".\n", 2);
    }
}

static void write_head(struct writer *w, const uint8_t from[SHA3_256_LEN],
                       const uint8_t to[SHA3_256_LEN])
{
    char hex[2][2 * SHA3_256_LEN + 1], text[256];
    for (unsigned i = 0; i < SHA3_256_LEN; i++) {
        snprintf(hex[0] + 2 * i, 3, "%02X", from[i]);
        snprintf(hex[1] + 2 * i, 3, "%02X", to[i]);
    }
    int n =
        snprintf(text, sizeof(text), "network-status-diff-version 1\nhash %s %s\n", hex[0], hex[1]);
    write_bytes(w, text, (size_t)n);
}

// The base's signatures are all replaced: it is named by what they sign, whoever signed it.
static void write_without_signatures(struct writer *w, struct document *a, size_t signed_length)
{
    const uint8_t *start = a->lines[0].at + signed_length - strlen("directory-signature ");
    uint32_t all = a->n_lines;
    while (a->n_lines > 0 && a->lines[a->n_lines - 1].at >= start)
        a->n_lines--;
    char text[COMMAND_BYTES];
    int n =
        snprintf(text, sizeof(text), a->n_lines + 1 == all ? "%ud\n" : "%u,$d\n", a->n_lines + 1);
    write_bytes(w, text, (size_t)n);
}

static uint32_t count_changed(const struct document *d)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->n_lines; i++)
        n += d->lines[i].changed;
    return n;
}

struct blob *consensus_diff_make(const uint8_t *from, size_t from_length, const uint8_t *to,
                                 size_t to_length)
{
    size_t signed_length = consensus_signed_length(from, from_length);
    if (signed_length == 0 || consensus_signed_length(to, to_length) == 0 ||
        from_length > CONSENSUS_TEXT_MAX || to_length > CONSENSUS_TEXT_MAX)
        return NULL;
    struct document a = {0}, b = {0};
    struct blob *diff = NULL;
    uint8_t *buffer = NULL;
    uint8_t from_digest[SHA3_256_LEN], to_digest[SHA3_256_LEN];
    if (!split(&a, from, from_length) || !split(&b, to, to_length))
        goto end;
    sha3_256(from, signed_length, from_digest);
    sha3_256(to, to_length, to_digest);
    uint8_t head[256 + COMMAND_BYTES];
    struct writer h = writer_of(head, sizeof(head));
    write_head(&h, from_digest, to_digest);
    write_without_signatures(&h, &a, signed_length);
    while (a.n_entries > 0 && a.entries[a.n_entries - 1].line >= a.n_lines)
        a.n_entries--;
    if (!compare_documents(&a, &b))
        goto end;
    size_t changed = (size_t)count_changed(&a) + count_changed(&b);
    size_t capacity = sizeof(head) + to_length + changed * COMMAND_BYTES;
    buffer = malloc(capacity);
    if (buffer == NULL)
        goto end;
    struct writer w = writer_of(buffer, capacity);
    write_bytes(&w, head, writer_length(&h));
    write_commands(&w, &a, &b);
    if (!w.failed && !h.failed)
        diff = blob_create(buffer, writer_length(&w));
end:
    free(buffer);
    release(&a);
    release(&b);
    return diff;
}
