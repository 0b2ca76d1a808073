// SPDX-License-Identifier: BSD-3-Clause
// Applies the tables of keys to a JSON value.
#include "schema.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fail(struct schema_fault *fault, const char *expected, const char *found, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(struct schema_fault *fault, const char *expected, const char *found, ...)
{
    va_list arguments;
    va_start(arguments, found);
    vsnprintf(fault->found, sizeof(fault->found), found, arguments);
    va_end(arguments);
    snprintf(fault->expected, sizeof(fault->expected), "%s", expected);
    return false;
}

static bool fail_real(struct schema_fault *fault, const char *expected, const json_t *value)
{
    char *text =
        json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)); // "9001.0", not "9001"
    fail(fault, expected, "%s", text ? text : "a fraction");
    free(text);
    return false;
}

static bool fail_value(struct schema_fault *fault, const char *expected, const json_t *value)
{
    char text[80];
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return fail(fault, expected, "an object");
    case JSON_ARRAY:
        return json_array_size(value)
                   ? fail(fault, expected, "a list of %zu", json_array_size(value))
                   : fail(fault, expected, "an empty list");
    case JSON_STRING:
        printable(json_string_value(value), json_string_length(value), text, sizeof(text));
        return fail(fault, expected, "\"%s\"", text);
    case JSON_INTEGER:
        return fail(fault, expected, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    case JSON_REAL:
        return fail_real(fault, expected, value);
    case JSON_TRUE:
        return fail(fault, expected, "true");
    case JSON_FALSE:
        return fail(fault, expected, "false");
    default:
        return fail(fault, expected, "null");
    }
}

// ---- keys that don't exist

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

enum { KEY_MAX = 40 };

// Insertions, deletions, replacements and swaps of neighbours that make `a` of `b`.
static size_t edit_distance(const char *a, const char *b)
{
    size_t rows[KEY_MAX + 1][KEY_MAX + 1];
    size_t n = strlen(a), m = strlen(b);
    if (n > KEY_MAX || m > KEY_MAX)
        return KEY_MAX;
    for (size_t i = 0; i <= n; i++) {
        for (size_t j = 0; j <= m; j++) {
            if (i == 0 || j == 0) {
                rows[i][j] = i + j;
                continue;
            }
            bool differ = a[i - 1] != b[j - 1];
            rows[i][j] =
                smallest(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + differ);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                rows[i - 2][j - 2] + 1 < rows[i][j])
                rows[i][j] = rows[i - 2][j - 2] + 1;
        }
    }
    return rows[n][m];
}

static bool fail_unknown_key(struct schema_fault *fault, const struct section *section,
                             const char *key)
{
    char expected[sizeof(fault->expected)];
    size_t best = 1 + strlen(key) / 3; // farther ones are no misspellings
    const char *nearest = NULL;
    size_t used = (size_t)snprintf(expected, sizeof(expected), "one of");
    for (size_t i = 0; i < section->n_fields; i++) {
        const char *known = section->fields[i].key;
        size_t distance = edit_distance(key, known);
        if (distance <= best && (!nearest || distance < best)) {
            best = distance;
            nearest = known;
        }
        if (used < sizeof(expected))
            used += (size_t)snprintf(expected + used, sizeof(expected) - used, "%s %s",
                                     i ? "," : "", known);
    }
    if (nearest)
        snprintf(expected, sizeof(expected), "\"%s\"", nearest);
    fault->at_key = true;
    return fail(fault, expected, "an unknown key");
}

// ---- values

static bool apply_integer(const json_t *value, const struct field *f, void *out,
                          struct schema_fault *fault)
{
    json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uint64_t)number < f->min ||
        (uint64_t)number > f->max)
        return fail_value(fault, f->expected, value);
    if (f->size == sizeof(uint16_t))
        *(uint16_t *)out = (uint16_t)number;
    else
        *(uint32_t *)out = (uint32_t)number;
    return true;
}

static bool apply_list(const json_t *value, const struct field *f, char *structure,
                       struct schema_fault *fault);

static bool apply_switch(const json_t *value, const struct field *f, char *structure,
                         struct schema_fault *fault)
{
    bool *on = (bool *)(structure + f->offset);
    *on = json_is_object(value) || json_is_true(value);
    if (json_is_object(value))
        return schema_apply(value, f->section, structure, fault);
    return json_is_boolean(value) || fail_value(fault, f->expected, value);
}

static bool apply_value(const json_t *value, const struct field *f, void *out,
                        struct schema_fault *fault)
{
    const char *expected = f->expected;
    switch (f->kind) {
    case VALUE_BOOL:
        if (!json_is_boolean(value))
            return fail_value(fault, expected, value);
        *(bool *)out = json_is_true(value);
        return true;
    case VALUE_INTEGER:
        return apply_integer(value, f, out, fault);
    case VALUE_STRING:
        if (json_is_string(value))
            expected = f->store(json_string_value(value), out);
        return expected == NULL || fail_value(fault, expected, value);
    case VALUE_OBJECT:
        if (!json_is_object(value))
            return fail_value(fault, expected, value);
        return schema_apply(value, f->section, out, fault);
    case VALUE_LIST:
        return apply_list(value, &f->section->fields[0], out, fault);
    case VALUE_SWITCH:
        return apply_switch(value, f, (char *)out - f->offset, fault);
    }
    return false;
}

static const char *expected_of(const struct field *f, char *text, size_t size)
{
    if (f->items_max == 0)
        return f->expected;
    snprintf(text, size, "a list of %u to %u, each %s", f->items_min, f->items_max, f->expected);
    return text;
}

// Where a list's items go. NULL: no memory.
static char *place_items(const struct field *f, char *structure, size_t n)
{
    char *items = structure + f->offset;
    if (!f->item_defaults)
        return items;
    items = calloc(n ? n : 1, f->size);
    for (size_t i = 0; items && i < n; i++)
        f->item_defaults(items + i * f->size);
    memcpy(structure + f->offset, &items, sizeof(items));
    return items;
}

static bool apply_list(const json_t *value, const struct field *f, char *structure,
                       struct schema_fault *fault)
{
    char expected[sizeof(fault->expected)];
    size_t n = json_array_size(value); // 0 for what is no array
    if (!json_is_array(value) || n < f->items_min || n > f->items_max)
        return fail_value(fault, expected_of(f, expected, sizeof(expected)), value);
    char *items = place_items(f, structure, n);
    if (!items)
        return fail(fault, "memory", "no memory left");
    size_t depth = fault->path.depth;
    for (size_t i = 0; i < n; i++) {
        fault->path.steps[depth] = (struct key_step){.index = i};
        fault->path.depth = depth + 1;
        if (!apply_value(json_array_get(value, i), f, items + i * f->size, fault))
            return false;
    }
    fault->path.depth = depth;
    *(unsigned *)(structure + f->count_offset) = (unsigned)n;
    return true;
}

static const struct field *find_field(const struct section *section, const char *key)
{
    for (size_t i = 0; i < section->n_fields; i++)
        if (strcmp(section->fields[i].key, key) == 0)
            return &section->fields[i];
    return NULL;
}

static bool require_fields(const json_t *object, const struct section *section,
                           struct schema_fault *fault)
{
    char expected[sizeof(fault->expected)];
    for (size_t i = 0; i < section->n_fields; i++) {
        const struct field *f = &section->fields[i];
        if (f->required && !json_object_get(object, f->key)) {
            fault->path.steps[fault->path.depth++] =
                (struct key_step){.key = f->key, .key_length = strlen(f->key)};
            return fail(fault, expected_of(f, expected, sizeof(expected)), "nothing");
        }
    }
    return true;
}

bool schema_apply(const json_t *object, const struct section *section, void *out,
                  struct schema_fault *fault)
{
    size_t depth = fault->path.depth;
    // jansson's iterators are not const, though nothing is changed.
    json_t *members = (json_t *)(uintptr_t)object;
    for (void *i = json_object_iter(members); i; i = json_object_iter_next(members, i)) {
        const char *key = json_object_iter_key(i);
        const json_t *value = json_object_iter_value(i);
        const struct field *f = find_field(section, key);
        fault->path.steps[depth] = (struct key_step){.key = key, .key_length = strlen(key)};
        fault->path.depth = depth + 1;
        if (!f)
            return fail_unknown_key(fault, section, key);
        if (f->items_max ? !apply_list(value, f, out, fault)
                         : !apply_value(value, f, (char *)out + f->offset, fault))
            return false;
        fault->path.depth = depth;
    }
    return require_fields(object, section, fault);
}
