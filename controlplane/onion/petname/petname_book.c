// SPDX-License-Identifier: BSD-3-Clause
// The names as SOCKS asks for them.
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/log.h"
#include "onion/petname/petname_internal.h"

// What tells a file from what it was, or from another.
struct file_mark {
    bool there;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
};

struct petname_book {
    char *path;
    struct file_mark mark;
    bool read;
    struct petnames *names; // of the last time that it could be read; never NULL
    // Whose the addresses are that were lent: the first one's, the second one's, …
    char (*lent)[PETNAME_MAX + 1];
    size_t n_lent, lent_capacity;
};

enum { LENT_MAX = 4 * PETNAMES_MAX };

static const uint32_t lent_block = 0xc6120000, lent_mask = 0xfffe0000;

struct petname_book *petname_book_create(const char *path)
{
    struct petname_book *b = calloc(1, sizeof(*b));
    if (b) {
        b->path = strdup(path);
        b->names = petnames_empty();
    }
    if (b && b->path && b->names)
        return b;
    petname_book_free(b);
    return NULL;
}

void petname_book_free(struct petname_book *b)
{
    if (!b)
        return;
    petnames_free(b->names);
    free(b->lent);
    free(b->path);
    free(b);
}

static struct file_mark mark_of(const char *path)
{
    struct stat st;
    struct file_mark mark = {0};
    if (stat(path, &st) == 0)
        mark = (struct file_mark){true, st.st_dev, st.st_ino, st.st_size, st.st_ctim};
    return mark;
}

static bool is_same(const struct file_mark *a, const struct file_mark *b)
{
    return a->there == b->there && a->device == b->device && a->inode == b->inode &&
           a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

static void look_again(struct petname_book *b)
{
    char error[PETNAME_ERROR_MAX];
    struct file_mark mark = mark_of(b->path); // before it is read: what changes meanwhile shows
    if (b->read && is_same(&mark, &b->mark))
        return;
    b->mark = mark;
    b->read = true;
    struct petnames *names = petnames_load(b->path, error);
    if (!names) {
        // What is wrong may be an address, which is nobody's business who reads logs.
        log_warn("petnames stay as they were: %s can't be read; `ramson petname list` says why",
                 b->path);
        log_info("petnames stay as they were: %s", error);
        return;
    }
    petnames_free(b->names);
    b->names = names;
    log_info("%s has %zu petnames", b->path, names->n);
}

// The label before ".pet", which the host ends in. False: there is none that can be a petname.
static bool take_label(const char *host, size_t length, char out[PETNAME_MAX + 1])
{
    const char *dot = length ? memrchr(host, '.', length) : NULL;
    const char *label = dot ? dot + 1 : host;
    size_t n = (size_t)(host + length - label);
    if (n > PETNAME_MAX)
        return false;
    memcpy(out, label, n);
    out[n] = 0;
    return true;
}

// NONE: the host is none of .pet. `name`: without that, unless the answer is UNKNOWN.
static enum petname_answer find(struct petname_book *b, const char *host,
                                char name[PETNAME_MAX + 1], const char **address)
{
    static const char suffix[] = ".pet";
    size_t length = strlen(host), n = sizeof(suffix) - 1;
    if (length > 0 && host[length - 1] == '.')
        length--;
    if (length < n || strncasecmp(host + length - n, suffix, n) != 0)
        return PETNAME_NONE;
    if (!b || !take_label(host, length - n, name))
        return PETNAME_UNKNOWN;
    look_again(b);
    *address = petnames_find(b->names, name);
    return *address ? PETNAME_KNOWN : PETNAME_UNKNOWN;
}

enum petname_answer petname_book_resolve(struct petname_book *b, const char *host,
                                         char address[ONION_ADDRESS_LEN + 1])
{
    char name[PETNAME_MAX + 1] = "";
    const char *found = NULL;
    enum petname_answer answer = find(b, host, name, &found);
    if (answer == PETNAME_KNOWN)
        memcpy(address, found, ONION_ADDRESS_LEN + 1);
    return answer;
}

// ---- addresses in the place of names

static bool make_room(struct petname_book *b)
{
    if (b->n_lent < b->lent_capacity || b->n_lent == LENT_MAX)
        return b->n_lent < LENT_MAX;
    size_t capacity = b->lent_capacity ? 2 * b->lent_capacity : 16;
    char(*lent)[PETNAME_MAX + 1] = realloc(b->lent, capacity * sizeof(*lent));
    if (!lent)
        return false;
    b->lent = lent;
    b->lent_capacity = capacity;
    return true;
}

bool petname_book_lend(struct petname_book *b, const char *host, struct address *out)
{
    char name[PETNAME_MAX + 1] = "";
    const char *found = NULL;
    size_t i = 0;
    if (find(b, host, name, &found) != PETNAME_KNOWN)
        return false;
    while (i < b->n_lent && strcasecmp(b->lent[i], name) != 0)
        i++;
    if (i == b->n_lent && !make_room(b))
        return false;
    if (i == b->n_lent)
        memcpy(b->lent[b->n_lent++], name, sizeof(name));
    *out = address_ipv4(lent_block + 1 + (uint32_t)i, 0);
    return true;
}

enum petname_answer petname_book_lent(struct petname_book *b, const struct address *a,
                                      char address[ONION_ADDRESS_LEN + 1])
{
    if (a->family != ADDRESS_IPV4 || (address_ipv4_host(a) & lent_mask) != lent_block)
        return PETNAME_NONE;
    uint32_t i = address_ipv4_host(a) - lent_block - 1;
    if (!b || i >= b->n_lent)
        return PETNAME_UNKNOWN;
    look_again(b);
    const char *found = petnames_find(b->names, b->lent[i]);
    if (!found)
        return PETNAME_UNKNOWN;
    memcpy(address, found, ONION_ADDRESS_LEN + 1);
    return PETNAME_KNOWN;
}
