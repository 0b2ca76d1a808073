// SPDX-License-Identifier: BSD-3-Clause
// The configuration's keys as tables, and the one walker that applies them to a JSON value.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/locate.h"

enum value_kind {
    VALUE_BOOL,
    VALUE_INTEGER,
    VALUE_STRING,
    VALUE_OBJECT,
    VALUE_LIST,
    VALUE_SWITCH, // true, false, or an object, which is true and whose keys are the structure's
};

struct section;

struct field {
    const char *key;
    const char *expected; // for people: "a port from 1 to 65535"
    enum value_kind kind; // of the value, or of a list's items
    bool required;
    size_t offset; // from the section's own structure
    size_t size;   // of one value or item in the structure
    // Integers: what is allowed.
    uint64_t min, max;
    // Strings: stores, or returns what was expected.
    const char *(*store)(const char *text, void *out);
    const struct section *section; // objects; lists of lists: its one field says what is in them
    // Lists: where their length goes, and what it may be. items_max 0: not a list.
    size_t count_offset;
    unsigned items_min, items_max;
    // What the structure has of such a list is a pointer: the items are allocated, and begin as
    // this says.
    void (*item_defaults)(void *item);
};

struct section {
    const struct field *fields;
    size_t n_fields;
};

extern const struct section schema_root; // over struct config

// What the walker found wrong first, in the order of the text.
struct schema_fault {
    struct key_path path;
    bool at_key; // the key itself is wrong, not its value
    char found[192];
    char expected[352];
};

// Stores the members of `object` in `out`, a struct config that holds the defaults. Keys that are
// not there leave it as it is. The fault's path may point into `object`.
bool schema_apply(const json_t *object, const struct section *section, void *out,
                  struct schema_fault *fault);
