// SPDX-License-Identifier: BSD-3-Clause
// Where in a JSON text something stands. jansson keeps no positions of values, so they are looked
// up again in the text once there is something to complain about.
//
// Any text will do, valid JSON or not: nothing here fails, the answer is only less exact.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { KEY_PATH_DEPTH_MAX = 8, KEY_PATH_TEXT_MAX = 256 };

// A step from a value to one inside it: to the member `key` of an object, or, with `key` NULL, to
// the item `index` of a list.
struct key_step {
    const char *key; // key_length bytes, without quotes or escapes
    size_t key_length;
    size_t index;
};

struct key_path {
    struct key_step steps[KEY_PATH_DEPTH_MAX];
    size_t depth;
};

struct text_place {
    unsigned line, column; // from 1; a column is a character
};

// The place of a byte of the text.
struct text_place text_place_of(const char *text, size_t length, size_t offset);
// The byte at which the value at `path` begins or, with `of_key`, the key before it. When there is
// no such value, the innermost one around it that is there.
size_t locate_path(const char *text, size_t length, const struct key_path *path, bool of_key);
// The last token that begins before `offset` (the end of the text when there is none or when only
// white space follows up to the end): where it begins, its length, and the path that leads there.
size_t locate_token(const char *text, size_t length, size_t offset, size_t *token_length,
                    char path[KEY_PATH_TEXT_MAX]);
// "dataplane.interfaces[0].mtu"; one line whatever the keys hold. Returns `text`.
const char *key_path_format(const struct key_path *path, char text[KEY_PATH_TEXT_MAX]);
// Copies `length` bytes of anybody's text so that it can be part of a line: control characters
// become '?', what is too long ends in "...". Returns `out`.
const char *printable(const char *text, size_t length, char *out, size_t size);
