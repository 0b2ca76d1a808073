// SPDX-License-Identifier: BSD-3-Clause
// The meta-format of directory documents (dir-spec 1.2): items, each a keyword line with arguments
// and perhaps an object, and the values that arguments and objects hold.
//
// Nothing is copied or allocated: what is read points into the document, which no NUL ends. Pure
// functions; any thread. Those that give an int return 0 (or what they say), or -EINVAL.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/cursor.h"

// A part of a document; no NUL ends it.
struct text {
    const char *at;
    size_t length;
};

static inline struct text text_between(const uint8_t *from, const uint8_t *to)
{
    return (struct text){(const char *)from, (size_t)(to - from)};
}

static inline bool text_is(struct text t, const char *what)
{
    size_t length = strlen(what);
    return t.length == length && memcmp(t.at, what, length) == 0;
}

bool text_begins(struct text t, const char *prefix);
// What is before the first of these characters; it and the character are taken off. All of it if
// there is none of them.
struct text text_take_until(struct text *t, const char *characters);
// The next line, without the newline that must end it. False, and nothing is read: there is none.
bool text_read_line(struct reader *r, struct text *line);
// Without spaces and tabs around it.
struct text text_trim(struct text t);
// No NUL in it, and it begins with no byte order mark.
bool text_is_clean(const uint8_t *bytes, size_t length);
// As strcmp() of what they hold.
int text_compare(struct text a, struct text b);

enum {
    TOKEN_LINE_MAX = 128 * 1024,
    TOKEN_OBJECT_MAX = 128 * 1024, // of its base64
};

// One item.
struct token {
    struct text keyword;
    struct text arguments;   // what follows in its line, without the space around it
    struct text label;       // "SIGNATURE" of "-----BEGIN SIGNATURE-----"; no length: no object
    struct text object;      // its base64, line ends included
    const uint8_t *start;    // of its line
    const uint8_t *line_end; // after the newline of its first line
    const uint8_t *end;      // after the newline of its last
};

// The next item. 1; or 0 at the end of the text; or -EINVAL, after which `r` has failed. Empty
// lines are skipped and a leading "opt" is left out. Every line must end in a newline.
int token_next(struct reader *r, struct token *out);

// Takes the first argument off `rest`. False: there is none.
bool token_argument(struct text *rest, struct text *out);
// The first `most` of them; the rest is empty. The number there is, at most `most`.
unsigned token_arguments(const struct token *t, struct text *out, unsigned most);
// The bytes of its object, whose label must be this (NULL: any). Their number, or -EINVAL; also if
// there is no object, or it is longer than `capacity`.
int token_object(const struct token *t, const char *label, void *out, size_t capacity);
// The only arguments are "YYYY-MM-DD" and "HH:MM:SS".
int token_time(const struct token *t, time_t *out);

int text_time(struct text date, struct text clock, time_t *out); // from 1970 to 9999, UTC
int text_number(struct text t, uint64_t most, uint64_t *out);    // digits only
int text_int32(struct text t, int32_t *out);                     // with a '-' or without
int text_hex(struct text t, void *out, size_t length);           // exactly `length` bytes
int text_base64(struct text t, void *out, size_t length); // the same; with padding or without
bool text_is_nickname(struct text t);                     // 1 to 19 letters and digits

// Documents stand one after another in a text: where, after its first line, the next line begins
// that starts with `keyword` and then a space or its end. `length` if there is none.
size_t text_next_document(const uint8_t *text, size_t length, const char *keyword);
