// SPDX-License-Identifier: BSD-3-Clause
// What people can take for another name, or address.
#include <string.h>

#include "onion/petname/petname_internal.h"

enum {
    EDITED_NAME_MIN = 4, // shorter ones are all near each other
    // Of an address people look at the ends. The last two characters say next to nothing: the
    // version and two bits.
    ADDRESS_HEAD = 4,
    ADDRESS_TAIL = 5,
    ADDRESS_LONG_HEAD = 7, // that costs somebody work to make
};

// ---- names

// The name as it looks: what can be mistaken for each other is the same, and hyphens are gone.
static void blur(const char *name, char out[PETNAME_MAX + 1])
{
    static const char pairs[][3] = {"rnm", "vvw", "cld"};
    static const char from[] = "0159286", to[] = "olsgzbb";
    size_t n = 0;
    for (; *name; name++) {
        char c = *name;
        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
            if (name[0] == pairs[i][0] && name[1] == pairs[i][1]) {
                c = pairs[i][2];
                name++;
                break;
            }
        }
        const char *at = strchr(from, c);
        if (at)
            c = to[at - from];
        if (c == 'i' || c == 'j')
            c = 'l';
        if (c == 'q')
            c = 'g';
        if (c != '-')
            out[n++] = c;
    }
    out[n] = 0;
}

static bool same_when_blurred(const char *a, const char *b)
{
    char x[PETNAME_MAX + 1], y[PETNAME_MAX + 1];
    blur(a, x);
    blur(b, y);
    return strcmp(x, y) == 0;
}

// One character was changed, added or left out, or two neighbours have changed places.
static bool one_edit_away(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), head = 0, tail = 0;
    if (n < EDITED_NAME_MIN || m < EDITED_NAME_MIN || n > m + 1 || m > n + 1)
        return false;
    size_t least = n < m ? n : m;
    while (head < least && a[head] == b[head])
        head++;
    while (tail < least - head && a[n - 1 - tail] == b[m - 1 - tail])
        tail++;
    size_t left_a = n - head - tail, left_b = m - head - tail;
    if (left_a <= 1 && left_b <= 1)
        return true;
    return left_a == 2 && left_b == 2 && a[head] == b[head + 1] && a[head + 1] == b[head];
}

// ---- addresses

static bool addresses_look_alike(const char *a, const char *b)
{
    const char *tail_a = a + ONION_LABEL_LEN - ADDRESS_TAIL;
    const char *tail_b = b + ONION_LABEL_LEN - ADDRESS_TAIL;
    if (strcmp(a, b) == 0)
        return false;
    return strncmp(a, b, ADDRESS_LONG_HEAD) == 0 ||
           (strncmp(a, b, ADDRESS_HEAD) == 0 && strncmp(tail_a, tail_b, ADDRESS_TAIL) == 0);
}

// ---- both

enum petname_likeness petname_compare(const struct petname *a, const struct petname *b)
{
    if (strcmp(a->address, b->address) == 0)
        return PETNAME_UNLIKE; // it leads to the same place
    if (same_when_blurred(a->name, b->name) || one_edit_away(a->name, b->name))
        return PETNAME_LIKE_NAME;
    return addresses_look_alike(a->address, b->address) ? PETNAME_LIKE_ADDRESS : PETNAME_UNLIKE;
}

enum petname_likeness petnames_lookalike(const struct petnames *p, const struct petname *one,
                                         const struct petname **like)
{
    *like = NULL;
    for (size_t i = 0; i < p->n; i++) {
        enum petname_likeness likeness = petname_compare(&p->list[i], one);
        if (likeness == PETNAME_UNLIKE || strcmp(p->list[i].name, one->name) == 0)
            continue;
        *like = &p->list[i];
        return likeness;
    }
    return PETNAME_UNLIKE;
}
