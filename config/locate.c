// SPDX-License-Identifier: BSD-3-Clause
// A small tokenizer over JSON text, to find the place that belongs to a key path and the other way
// round.
#include "config/locate.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum token_kind { TOKEN_END, TOKEN_STRING, TOKEN_WORD, TOKEN_MARK };

struct token {
    enum token_kind kind;
    char mark; // of TOKEN_MARK: one of { } [ ] : ,
    size_t start, end;
};

struct scanner {
    const char *text;
    size_t length;
    size_t at;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_mark(char c)
{
    return c != '\0' && strchr("{}[]:,", c) != NULL;
}

static void scan_string(struct scanner *s)
{
    for (s->at++; s->at < s->length && s->text[s->at] != '\n'; s->at++) {
        if (s->text[s->at] == '"') {
            s->at++;
            return;
        }
        if (s->text[s->at] == '\\' && s->at + 1 < s->length && s->text[s->at + 1] != '\n')
            s->at++;
    }
}

static struct token scan_token(struct scanner *s)
{
    while (s->at < s->length && is_space(s->text[s->at]))
        s->at++;
    struct token t = {.start = s->at, .end = s->at};
    if (s->at == s->length)
        return t;
    char c = s->text[s->at];
    if (c == '"') {
        t.kind = TOKEN_STRING;
        scan_string(s);
    } else if (is_mark(c)) {
        t.kind = TOKEN_MARK;
        t.mark = c;
        s->at++;
    } else {
        t.kind = TOKEN_WORD;
        while (s->at < s->length && !is_space(s->text[s->at]) && !is_mark(s->text[s->at]) &&
               s->text[s->at] != '"')
            s->at++;
    }
    t.end = s->at;
    return t;
}

// Goes past the rest of a value whose first token was `t`.
static void skip_value(struct scanner *s, struct token t)
{
    size_t depth = 0;
    for (;; t = scan_token(s)) {
        if (t.kind == TOKEN_END)
            return;
        if (t.kind == TOKEN_MARK && (t.mark == '{' || t.mark == '['))
            depth++;
        else if (t.kind == TOKEN_MARK && (t.mark == '}' || t.mark == ']') && depth > 0)
            depth--;
        if (depth == 0)
            return;
    }
}

static bool token_is_key(const struct scanner *s, const struct token *t,
                         const struct key_step *step)
{
    const char *text = s->text + t->start;
    size_t length = t->end - t->start;
    if (memchr(text, '\\', length) == NULL)
        return length == step->key_length + 2 && memcmp(text + 1, step->key, length - 2) == 0;
    json_t *decoded = json_loadb(text, length, JSON_DECODE_ANY, NULL);
    bool equal = json_string_length(decoded) == step->key_length &&
                 memcmp(json_string_value(decoded), step->key, step->key_length) == 0;
    json_decref(decoded);
    return equal;
}

// Both leave the scanner before the value that the step leads to. `*key_at` is set by find_member
// only.
static bool find_member(struct scanner *s, const struct key_step *step, size_t *key_at)
{
    for (;;) {
        struct token t = scan_token(s);
        if (t.kind == TOKEN_MARK && t.mark == ',')
            continue;
        if (t.kind != TOKEN_STRING)
            return false;
        struct token colon = scan_token(s);
        if (colon.kind != TOKEN_MARK || colon.mark != ':')
            return false;
        if (token_is_key(s, &t, step)) {
            *key_at = t.start;
            return true;
        }
        skip_value(s, scan_token(s));
    }
}

static bool find_item(struct scanner *s, size_t index)
{
    for (size_t i = 0;; i++) {
        struct scanner before = *s;
        struct token t = scan_token(s);
        if (t.kind == TOKEN_END || (t.kind == TOKEN_MARK && t.mark == ']'))
            return false;
        if (i == index) {
            *s = before;
            return true;
        }
        skip_value(s, t);
        t = scan_token(s);
        if (t.kind != TOKEN_MARK || t.mark != ',')
            return false;
    }
}

size_t locate_path(const char *text, size_t length, const struct key_path *path, bool of_key)
{
    struct scanner s = {.text = text, .length = length};
    struct token value = scan_token(&s);
    for (size_t i = 0; i < path->depth; i++) {
        const struct key_step *step = &path->steps[i];
        size_t key_at = 0;
        if (value.kind != TOKEN_MARK || value.mark != (step->key ? '{' : '['))
            break;
        if (step->key ? !find_member(&s, step, &key_at) : !find_item(&s, step->index))
            break;
        if (of_key && step->key && i + 1 == path->depth)
            return key_at;
        value = scan_token(&s);
    }
    return value.start;
}

struct text_place text_place_of(const char *text, size_t length, size_t offset)
{
    struct text_place place = {1, 1};
    for (size_t i = 0; i < offset && i < length; i++) {
        if (text[i] == '\n') {
            place.line++;
            place.column = 1;
        } else if (((uint8_t)text[i] & 0xc0) != 0x80) { // not inside a UTF-8 sequence
            place.column++;
        }
    }
    return place;
}

// ---- from a place to its path

struct open_container {
    bool is_list;
    size_t key_start, key_length; // of the member we are in, without quotes; length 0: none yet
    size_t index;                 // of the item we are in
};

// Containers around the current token. Deeper ones than `around` has room for are only counted.
struct nesting {
    struct open_container around[KEY_PATH_DEPTH_MAX];
    size_t depth;
    bool expect_key;
};

static struct open_container *innermost(struct nesting *n)
{
    return n->depth > 0 && n->depth <= KEY_PATH_DEPTH_MAX ? &n->around[n->depth - 1] : NULL;
}

static void nesting_mark(struct nesting *n, char mark)
{
    if (mark == '{' || mark == '[') {
        n->depth++;
        if (innermost(n))
            *innermost(n) = (struct open_container){.is_list = mark == '['};
        n->expect_key = mark == '{';
    } else if (mark == '}' || mark == ']') {
        n->depth -= n->depth > 0;
        n->expect_key = false;
    } else if (mark == ',' && innermost(n)) {
        innermost(n)->index++;
        n->expect_key = !innermost(n)->is_list;
        innermost(n)->key_length = 0;
    }
}

static void nesting_token(struct nesting *n, const struct token *t)
{
    if (t->kind == TOKEN_MARK) {
        nesting_mark(n, t->mark);
    } else if (t->kind == TOKEN_STRING && n->expect_key) {
        n->expect_key = false;
        if (innermost(n) && t->end - t->start >= 2) {
            innermost(n)->key_start = t->start + 1;
            innermost(n)->key_length = t->end - t->start - 2;
        }
    }
}

struct path_writer {
    char *text;
    size_t used;
};

static void path_add(struct path_writer *w, const char *part, size_t length)
{
    char piece[64];
    printable(part, length, piece, sizeof(piece));
    int n =
        snprintf(w->text + w->used, KEY_PATH_TEXT_MAX - w->used, "%s%s", w->used ? "." : "", piece);
    if (n > 0)
        w->used += (size_t)n;
    if (w->used >= KEY_PATH_TEXT_MAX)
        w->used = KEY_PATH_TEXT_MAX - 1;
}

static void path_add_index(struct path_writer *w, size_t index)
{
    int n = snprintf(w->text + w->used, KEY_PATH_TEXT_MAX - w->used, "[%zu]", index);
    if (n > 0)
        w->used += (size_t)n;
    if (w->used >= KEY_PATH_TEXT_MAX)
        w->used = KEY_PATH_TEXT_MAX - 1;
}

size_t locate_token(const char *text, size_t length, size_t offset, size_t *token_length,
                    char path[KEY_PATH_TEXT_MAX])
{
    struct scanner s = {.text = text, .length = length};
    struct nesting n = {0};
    struct token last = {.start = length, .end = length};
    for (;;) {
        struct token t = scan_token(&s);
        if (t.kind == TOKEN_END || t.start >= offset)
            break;
        last = t;
        nesting_token(&n, &t);
    }
    struct path_writer w = {.text = path};
    path[0] = '\0';
    for (size_t i = 0; i < n.depth && i < KEY_PATH_DEPTH_MAX; i++) {
        const struct open_container *c = &n.around[i];
        if (c->is_list)
            path_add_index(&w, c->index);
        else if (c->key_length)
            path_add(&w, text + c->key_start, c->key_length);
    }
    *token_length = last.end - last.start;
    return last.start;
}

const char *key_path_format(const struct key_path *path, char text[KEY_PATH_TEXT_MAX])
{
    struct path_writer w = {.text = text};
    text[0] = '\0';
    for (size_t i = 0; i < path->depth; i++) {
        if (path->steps[i].key)
            path_add(&w, path->steps[i].key, path->steps[i].key_length);
        else
            path_add_index(&w, path->steps[i].index);
    }
    return text;
}

const char *printable(const char *text, size_t length, char *out, size_t size)
{
    static const char dots[] = "...";
    bool cut = length >= size;
    if (cut) {
        length = size - sizeof(dots);
        while (length > 0 && ((uint8_t)text[length] & 0xc0) == 0x80)
            length--; // whole characters only
    }
    for (size_t i = 0; i < length; i++) {
        uint8_t c = (uint8_t)text[i];
        out[i] = c < 0x20 || c == 0x7f ? '?' : text[i];
    }
    memcpy(out + length, cut ? dots : "", cut ? sizeof(dots) : 1);
    return out;
}
