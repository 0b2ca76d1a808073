// SPDX-License-Identifier: BSD-3-Clause
// Reading and comparing lists of subprotocol versions.
#include "netdoc/protocol_list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_name(struct text t)
{
    if (t.length == 0 || t.length > PROTOCOL_NAME_MAX)
        return false;
    for (size_t i = 0; i < t.length; i++) {
        char c = t.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-'))
            return false;
    }
    return true;
}

// The part of `t` before the first `c`, which is taken off; all of it when there is no `c`.
static struct text cut_at(struct text *t, char c, bool *found)
{
    const char *end = t->length == 0 ? NULL : memchr(t->at, c, t->length);
    struct text part = {t->at, end == NULL ? t->length : (size_t)(end - t->at)};
    size_t taken = part.length + (end != NULL);
    *found = end != NULL;
    *t = (struct text){t->at + taken, t->length - taken};
    return part;
}

static int version_of(struct text t, unsigned *out)
{
    uint64_t value;
    if ((t.length > 1 && t.at[0] == '0') || text_number(t, PROTOCOL_VERSION_MAX, &value) < 0)
        return -EINVAL;
    *out = (unsigned)value;
    return 0;
}

// "4" or "4-5".
static int range_of(struct text t, uint64_t *versions)
{
    unsigned low, high;
    bool is_range;
    struct text first = cut_at(&t, '-', &is_range);
    if (version_of(first, &low) < 0)
        return -EINVAL;
    high = low;
    if (is_range && (version_of(t, &high) < 0 || high < low))
        return -EINVAL;
    *versions |= (UINT64_MAX >> (63 - (high - low))) << low;
    return 0;
}

int protocol_list_next(struct text *list, struct protocol_entry *out)
{
    struct text versions;
    bool more;
    while (list->length > 0 && list->at[0] == ' ')
        *list = (struct text){list->at + 1, list->length - 1};
    if (list->length == 0)
        return 0;
    versions = cut_at(list, ' ', &more);
    *out = (struct protocol_entry){.name = cut_at(&versions, '=', &more)};
    if (!more || !is_name(out->name))
        return -EINVAL;
    // "Link=" says that there is none.
    more = versions.length > 0;
    while (more)
        if (range_of(cut_at(&versions, ',', &more), &out->versions) < 0)
            return -EINVAL;
    return 1;
}

bool protocol_list_is_valid(struct text list)
{
    struct protocol_entry entry;
    int more;
    while ((more = protocol_list_next(&list, &entry)) > 0)
        ;
    return more == 0;
}

static uint64_t versions_in(const char *list, struct text name)
{
    struct protocol_entry entry;
    uint64_t versions = 0;
    struct text rest = {list, list == NULL ? 0 : strlen(list)};
    while (protocol_list_next(&rest, &entry) > 0)
        if (text_compare(entry.name, name) == 0)
            versions |= entry.versions;
    return versions;
}

uint64_t protocol_list_versions(const char *list, const char *name)
{
    return versions_in(list, (struct text){name, strlen(name)});
}

bool protocol_list_has(const char *list, const char *name, unsigned version)
{
    return version <= PROTOCOL_VERSION_MAX && (protocol_list_versions(list, name) >> version & 1);
}

bool protocol_list_covers(const char *ours, const char *required, char *missing, size_t capacity)
{
    struct protocol_entry entry;
    struct text rest = {required, required == NULL ? 0 : strlen(required)};
    int more;
    while ((more = protocol_list_next(&rest, &entry)) != 0) {
        uint64_t lacking = more < 0 ? 0 : entry.versions & ~versions_in(ours, entry.name);
        if (lacking == 0)
            continue;
        if (missing != NULL)
            snprintf(missing, capacity, "%.*s=%d", (int)entry.name.length, entry.name.at,
                     __builtin_ctzll(lacking));
        return false;
    }
    return true;
}
