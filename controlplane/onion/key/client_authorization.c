// SPDX-License-Identifier: BSD-3-Clause
// Reads a directory of a visitor's keys.
#include "onion/key/client_authorization.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity/keyfile.h"
#include "onion/key/authorization_file.h"

enum { LINE_MAX_BYTES = 512 };

static const char suffix[] = ".auth_private";

struct entry {
    uint8_t identity[32], secret[32];
};

struct client_authorization {
    unsigned n, capacity;
    struct entry entries[];
};

struct warner {
    void (*warn)(void *user, const char *line);
    void *user;
};

__attribute__((format(printf, 2, 3))) static void say(const struct warner *w, const char *format,
                                                      ...)
{
    char line[LINE_MAX_BYTES];
    va_list args;
    if (!w->warn)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    w->warn(w->user, line);
}

static void add_file(struct client_authorization *a, const char *directory, const char *name,
                     const struct warner *w)
{
    char path[PATH_MAX], file[AUTHORIZATION_FILE_MAX], reason[LINE_MAX_BYTES];
    const struct keyfile_error error = {reason, sizeof(reason)};
    struct entry *e = &a->entries[a->n];
    size_t length = 0;
    int n = snprintf(path, sizeof(path), "%s/%s", directory, name);
    int result = n < PATH_MAX ? keyfile_read(path, file, sizeof(file), &length, &error) : -ENOENT;
    if (result < 0) {
        if (result != -ENOENT)
            say(w, "%s", reason);
        return;
    }
    const char *wrong =
        authorization_read_secret((struct text){file, length}, e->identity, e->secret);
    explicit_bzero(file, sizeof(file));
    if (wrong)
        say(w,
            "%s: found %s, expected 56 characters of an address, \":descriptor:x25519:\" and a key",
            path, wrong);
    else if (client_authorization_find(a, e->identity))
        say(w, "%s: found a second key for the same service, expected one: the first one counts",
            path);
    else
        a->n++;
}

static bool is_key_file(const char *name)
{
    size_t length = strlen(name), end = sizeof(suffix) - 1;
    return length > end && strcmp(name + length - end, suffix) == 0;
}

// As C tor: to others than the group it is closed.
static void check_mode(const char *directory, const struct warner *w)
{
    struct stat st;
    mode_t others = S_IWGRP | S_IRWXO;
    if (stat(directory, &st) < 0 || !(st.st_mode & others))
        return;
    say(w, "%s: found mode %04o, expected 0700: it is set so that others can't enter", directory,
        st.st_mode & 07777);
    if (chmod(directory, st.st_mode & 07777 & ~others) < 0)
        say(w, "%s: mode cannot be set: %s", directory, strerror(errno));
}

static void add_files(struct client_authorization *a, const char *directory, struct dirent **files,
                      unsigned n, const struct warner *w)
{
    check_mode(directory, w);
    for (unsigned i = 0; i < n; i++) {
        const char *name = files[i]->d_name;
        if (name[0] == '.')
            continue;
        if (!is_key_file(name))
            say(w, "%s/%s: found another name, expected one that ends in .auth_private", directory,
                name);
        else if (a->n == a->capacity)
            say(w, "%s/%s: found more than %d keys, expected no more", directory, name,
                CLIENT_AUTHORIZATIONS_MAX);
        else
            add_file(a, directory, name, w);
    }
}

struct client_authorization *client_authorization_load(const char *directory,
                                                       void (*warn)(void *user, const char *line),
                                                       void *user, char *error,
                                                       unsigned long error_size)
{
    const struct warner w = {warn, user};
    struct dirent **files = NULL;
    int n = scandir(directory, &files, NULL, alphasort);
    if (n < 0) {
        snprintf(error, error_size, "%s: cannot be read: %s", directory, strerror(errno));
        return NULL;
    }
    unsigned capacity = n < CLIENT_AUTHORIZATIONS_MAX ? (unsigned)n : CLIENT_AUTHORIZATIONS_MAX;
    struct client_authorization *a = calloc(1, sizeof(*a) + capacity * sizeof(a->entries[0]));
    if (a) {
        a->capacity = capacity;
        add_files(a, directory, files, (unsigned)n, &w);
    } else {
        snprintf(error, error_size, "%s: no memory", directory);
    }
    for (int i = 0; i < n; i++)
        free(files[i]);
    free(files);
    return a;
}

void client_authorization_free(struct client_authorization *a)
{
    if (a)
        explicit_bzero(a, sizeof(*a) + a->capacity * sizeof(a->entries[0]));
    free(a);
}

const uint8_t *client_authorization_find(const struct client_authorization *a,
                                         const uint8_t identity[32])
{
    for (unsigned i = 0; a && i < a->n; i++)
        if (memcmp(a->entries[i].identity, identity, 32) == 0)
            return a->entries[i].secret;
    return NULL;
}
