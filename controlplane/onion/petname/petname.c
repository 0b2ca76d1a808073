// SPDX-License-Identifier: BSD-3-Clause
// Petnames in memory.
#include "onion/petname/petname.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/locate.h"
#include "onion/petname/petname_internal.h"

struct petnames *petnames_empty(void)
{
    return calloc(1, sizeof(struct petnames));
}

void petnames_free(struct petnames *p)
{
    if (!p)
        return;
    free(p->list);
    free(p);
}

// ---- names

static bool is_name(const char *name, size_t length)
{
    if (length == 0 || length > PETNAME_MAX || name[0] == '-' || name[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') &&
            name[i] != '-')
            return false;
    return true;
}

// Small letters. False: it is no petname.
static bool take_name(const char *name, char out[PETNAME_MAX + 1])
{
    size_t length = strnlen(name, PETNAME_MAX + 1);
    if (length > PETNAME_MAX)
        return false;
    for (size_t i = 0; i <= length; i++)
        out[i] = (char)tolower((unsigned char)name[i]);
    return is_name(out, length);
}

// ---- the list

// Where it is, or belongs.
static size_t place_of(const struct petnames *p, const char *name, bool *there)
{
    size_t from = 0, to = p->n;
    *there = false;
    while (from < to && !*there) {
        size_t middle = from + (to - from) / 2;
        int order = strcmp(name, p->list[middle].name);
        *there = order == 0;
        if (order > 0)
            from = middle + 1;
        else
            to = middle;
    }
    return to;
}

static const struct petname *find(const struct petnames *p, const char *name)
{
    char plain[PETNAME_MAX + 1];
    bool there;
    if (!take_name(name, plain))
        return NULL;
    size_t at = place_of(p, plain, &there);
    return there ? &p->list[at] : NULL;
}

const char *petnames_find(const struct petnames *p, const char *name)
{
    const struct petname *one = find(p, name);
    return one ? one->address : NULL;
}

size_t petnames_count(const struct petnames *p)
{
    return p->n;
}

const struct petname *petnames_at(const struct petnames *p, size_t index)
{
    return &p->list[index];
}

static bool make_room(struct petnames *p)
{
    if (p->n < p->capacity)
        return true;
    size_t capacity = p->capacity ? 2 * p->capacity : 16;
    struct petname *list = realloc(p->list, capacity * sizeof(*list));
    if (!list)
        return false;
    p->list = list;
    p->capacity = capacity;
    return true;
}

static int fail(char error[PETNAME_ERROR_MAX], int code, const char *found, const char *expected)
{
    char shown[128];
    snprintf(error, PETNAME_ERROR_MAX, "found %s, expected %s",
             printable(found, strlen(found), shown, sizeof(shown)), expected);
    return code;
}

static int check(const char *name, const char *address, struct petname *out,
                 char error[PETNAME_ERROR_MAX])
{
    uint8_t key[ONION_KEY_LEN];
    char found[160];
    if (!take_name(name, out->name)) {
        snprintf(found, sizeof(found), "\"%.100s\"", name);
        return fail(error, -EINVAL, found,
                    "a name of 1 to 63 letters (a to z), digits and hyphens, none at its ends");
    }
    enum onion_address_fault fault = onion_address_parse(address, key);
    if (fault != ONION_ADDRESS_GOOD) {
        snprintf(found, sizeof(found), "\"%.70s\" (%s)", address, onion_address_fault_text(fault));
        return fail(error, -EINVAL, found, "an onion address of version 3");
    }
    onion_address_format(key, out->address);
    return 0;
}

int petnames_add(struct petnames *p, const char *name, const char *address,
                 char error[PETNAME_ERROR_MAX])
{
    struct petname one;
    bool there;
    char found[160];
    int err = check(name, address, &one, error);
    if (err)
        return err;
    size_t at = place_of(p, one.name, &there);
    if (there) {
        snprintf(found, sizeof(found), "the name \"%s\" a second time", one.name);
        return fail(error, -EEXIST, found, "each name once");
    }
    if (p->n >= PETNAMES_MAX)
        return fail(error, -EINVAL, "too many", "at most 1000 names");
    if (!make_room(p))
        return fail(error, -ENOMEM, "no memory left", "memory");
    memmove(&p->list[at + 1], &p->list[at], (p->n - at) * sizeof(*p->list));
    p->list[at] = one;
    p->n++;
    return 0;
}

int petnames_remove(struct petnames *p, const char *name)
{
    const struct petname *one = find(p, name);
    if (!one)
        return -ENOENT;
    size_t at = (size_t)(one - p->list);
    p->n--;
    memmove(&p->list[at], &p->list[at + 1], (p->n - at) * sizeof(*p->list));
    return 0;
}
