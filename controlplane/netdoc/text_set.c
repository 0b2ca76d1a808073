// SPDX-License-Identifier: BSD-3-Clause
// A sorted array of strings: its cost does not depend on who chose them, as a hash table's would.
#include "netdoc/text_set.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    char *string;
    size_t length;
};

struct text_set {
    struct entry *entries; // sorted by text_compare()
    size_t n, capacity;
};

struct text_set *text_set_create(void)
{
    return calloc(1, sizeof(struct text_set));
}

void text_set_free(struct text_set *set)
{
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->n; i++)
        free(set->entries[i].string);
    free(set->entries);
    free(set);
}

// Where it is, or would be.
static size_t position_of(const struct text_set *set, struct text text, bool *found)
{
    size_t low = 0, high = set->n;
    *found = false;
    while (low < high && !*found) {
        size_t middle = low + (high - low) / 2;
        const struct entry *e = &set->entries[middle];
        int order = text_compare((struct text){e->string, e->length}, text);
        if (order == 0) {
            *found = true;
            low = middle;
        } else if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const char *text_set_find(const struct text_set *set, struct text text)
{
    bool found;
    size_t i = position_of(set, text, &found);
    return found ? set->entries[i].string : NULL;
}

static bool grow(struct text_set *set)
{
    size_t capacity = set->capacity == 0 ? 32 : set->capacity * 2;
    struct entry *entries = realloc(set->entries, capacity * sizeof(*entries));
    if (entries == NULL)
        return false;
    set->entries = entries;
    set->capacity = capacity;
    return true;
}

const char *text_set_add(struct text_set *set, struct text text)
{
    bool found;
    size_t i = position_of(set, text, &found);
    if (set->n >= TEXT_SET_MAX || (set->n == set->capacity && !grow(set)))
        return NULL;
    char *string = malloc(text.length + 1);
    if (string == NULL)
        return NULL;
    memcpy(string, text.at, text.length);
    string[text.length] = '\0';
    memmove(&set->entries[i + 1], &set->entries[i], (set->n - i) * sizeof(*set->entries));
    set->entries[i] = (struct entry){string, text.length};
    set->n++;
    return string;
}
