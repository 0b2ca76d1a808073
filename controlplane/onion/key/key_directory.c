// SPDX-License-Identifier: BSD-3-Clause
// Reads and makes a service's directory: its keys and its hostname.
#include "onion/key/key_directory.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity/data_directory.h"
#include "onion/key/key_directory_internal.h"
#include "whole_file.h"

static const char key_tag[] = "type0";
static const char public_type[] = "ed25519v1-public";

enum { OTHERS = S_IWGRP | S_IRWXO };

void directory_warn(const struct directory_reading *r, const char *format, ...)
{
    char line[KEY_DIRECTORY_ERROR_MAX];
    va_list args;
    if (!r->warn)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    r->warn(r->user, line);
}

static int join(const struct directory_reading *r, const char *name, char out[PATH_MAX])
{
    int n = snprintf(out, PATH_MAX, "%s/%s", r->path, name);
    if (n > 0 && n < PATH_MAX)
        return 0;
    keyfile_fail(&r->error, "%.200s…: found a path that is too long", r->path);
    return -ENAMETOOLONG;
}

int directory_check(const struct directory_reading *r, const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0) {
        int error = -errno;
        keyfile_fail(&r->error, "%s: cannot be read: %s", path, strerror(-error));
        return error;
    }
    if (!S_ISDIR(st.st_mode)) {
        keyfile_fail(&r->error, "%s: found something that is no directory, expected one", path);
        return -ENOTDIR;
    }
    if (st.st_uid != geteuid() && geteuid() != 0) {
        keyfile_fail(&r->error, "%s: found that user %u owns it, expected user %u", path,
                     (unsigned)st.st_uid, (unsigned)geteuid());
        return -EPERM;
    }
    if (!(st.st_mode & OTHERS))
        return 0;
    directory_warn(r, "%s: found mode %04o, expected 0700: it is set so that others can't enter",
                   path, st.st_mode & 07777);
    if (chmod(path, st.st_mode & 07777 & ~(mode_t)OTHERS) == 0)
        return 0;
    int error = -errno;
    keyfile_fail(&r->error, "%s: mode cannot be set: %s", path, strerror(-error));
    return error;
}

// ---- keys

static int write_public(const struct directory_reading *r)
{
    char path[PATH_MAX];
    int error = join(r, "hs_ed25519_public_key", path);
    return error < 0 ? error
                     : keyfile_write_tagged(path, public_type, key_tag, r->out->identity.public_key,
                                            ED25519_PUBLIC_LEN, 0, &r->error);
}

static int write_keys(const struct directory_reading *r)
{
    char path[PATH_MAX];
    int error = join(r, "hs_ed25519_secret_key", path);
    if (error == 0)
        error = keyfile_write_tagged(path, "ed25519v1-secret", key_tag, r->out->identity.expanded,
                                     ED25519_SECRET_LEN, 0, &r->error);
    return error < 0 ? error : write_public(r);
}

static int read_secret(const struct directory_reading *r)
{
    char path[PATH_MAX];
    int error = join(r, "hs_ed25519_secret_key", path);
    return error < 0 ? error : keyfile_read_ed25519(path, key_tag, &r->out->identity, &r->error);
}

static int read_public(const struct directory_reading *r, uint8_t key[ED25519_PUBLIC_LEN])
{
    char path[PATH_MAX];
    size_t length;
    int error = join(r, "hs_ed25519_public_key", path);
    return error < 0 ? error
                     : keyfile_read_tagged(path, public_type, key_tag, key, ED25519_PUBLIC_LEN,
                                           ED25519_PUBLIC_LEN, &length, &r->error);
}

// The public half beside a secret one: another's is a mix-up, none is made again.
static int check_public(const struct directory_reading *r, bool create)
{
    uint8_t key[ED25519_PUBLIC_LEN];
    int error = read_public(r, key);
    if (error == -ENOENT)
        return create ? write_public(r) : 0;
    if (error == 0 && memcmp(key, r->out->identity.public_key, sizeof(key)) != 0) {
        keyfile_fail(&r->error,
                     "%s: found hs_ed25519_public_key of another key than "
                     "hs_ed25519_secret_key, expected a pair",
                     r->path);
        return -EINVAL;
    }
    return error;
}

static int read_premade(struct directory_reading *r)
{
    char path[PATH_MAX], *text;
    size_t length;
    int error = join(r, "offline_keys", path);
    if (error < 0)
        return error;
    error = whole_file_read(path, PREMADE_KEYS_FILE_MAX, &text, &length);
    if (error == -ENOENT)
        keyfile_fail(&r->error,
                     "%s: found hs_ed25519_public_key alone, expected hs_ed25519_secret_key, or "
                     "offline_keys (see \"ramson onion sign\")",
                     r->path);
    else if (error < 0)
        keyfile_fail(&r->error, "%s: cannot be read: %s", path, strerror(-error));
    if (error < 0)
        return error;
    error = premade_keys_parse(path, text, length, r->out->identity.public_key, &r->out->premade,
                               &r->out->n_premade, &r->error);
    explicit_bzero(text, length);
    free(text);
    return error;
}

static int read_keys(struct directory_reading *r, bool create)
{
    int error = read_secret(r);
    if (error == 0) {
        r->out->has_secret = true;
        return check_public(r, create);
    }
    if (error != -ENOENT)
        return error;
    error = read_public(r, r->out->identity.public_key);
    if (error == 0)
        return read_premade(r);
    if (error != -ENOENT)
        return error;
    if (create) {
        ed25519_generate(&r->out->identity);
        r->out->has_secret = true;
        return write_keys(r);
    }
    keyfile_fail(&r->error, "%s: found no hs_ed25519_secret_key, expected a service's keys",
                 r->path);
    return -ENOENT;
}

// ---- hostname

// As C tor: whatever is in it that is not the key's address is replaced.
static int write_hostname(const struct directory_reading *r)
{
    char path[PATH_MAX], is[ONION_ADDRESS_LEN + 2], *was = NULL;
    size_t length = 0;
    int error = join(r, "hostname", path);
    if (error < 0)
        return error;
    int n = snprintf(is, sizeof(is), "%s\n", r->out->hostname);
    bool same = whole_file_read(path, 4096, &was, &length) == 0 && length == (size_t)n &&
                memcmp(was, is, length) == 0;
    free(was);
    return same ? 0 : keyfile_write(path, is, (size_t)n, 0, &r->error);
}

static int name_it(const struct directory_reading *r)
{
    uint8_t key[ONION_KEY_LEN];
    onion_address_format(r->out->identity.public_key, r->out->hostname);
    if (onion_address_parse(r->out->hostname, key) == ONION_ADDRESS_GOOD)
        return 0;
    keyfile_fail(&r->error, "%s: found a key that is none of an onion service's, expected one",
                 r->path);
    return -EINVAL;
}

// ---- all

static int make_directories(const struct directory_reading *r)
{
    char path[PATH_MAX];
    int error = data_directory_make(r->path, &r->error);
    if (error == 0)
        error = join(r, "authorized_clients", path);
    return error < 0 ? error : data_directory_make(path, &r->error);
}

static int load(struct directory_reading *r, bool create)
{
    int error = create ? make_directories(r) : 0;
    if (error == 0)
        error = directory_check(r, r->path);
    if (error == 0)
        error = read_keys(r, create);
    if (error == 0)
        error = name_it(r);
    if (error == 0 && create)
        error = write_hostname(r);
    if (error == 0)
        error = directory_read_clients(r);
    return error < 0 ? error : directory_read_masters(r);
}

int key_directory_load(const char *path, bool create, struct key_directory *out,
                       key_directory_warn_fn warn, void *user, char error[KEY_DIRECTORY_ERROR_MAX])
{
    struct directory_reading r = {path, out, warn, user, {error, KEY_DIRECTORY_ERROR_MAX}};
    *out = (struct key_directory){.has_secret = false};
    snprintf(error, KEY_DIRECTORY_ERROR_MAX, "%s: no memory", path);
    int result = load(&r, create);
    if (result < 0)
        key_directory_release(out);
    return result;
}

void key_directory_release(struct key_directory *d)
{
    if (d->premade)
        explicit_bzero(d->premade, d->n_premade * sizeof(*d->premade));
    free(d->premade);
    free(d->clients);
    free(d->masters);
    explicit_bzero(d, sizeof(*d));
}

const struct premade_key *key_directory_premade(const struct key_directory *d,
                                                struct time_period period)
{
    for (unsigned i = 0; i < d->n_premade; i++)
        if (d->premade[i].period.number == period.number &&
            d->premade[i].period.length_minutes == period.length_minutes)
            return &d->premade[i];
    return NULL;
}

bool key_directory_is_taken(const char *path, char error[KEY_DIRECTORY_ERROR_MAX])
{
    static const char *const names[] = {"hs_ed25519_secret_key", "hs_ed25519_public_key"};
    const struct directory_reading r = {.path = path, .error = {error, KEY_DIRECTORY_ERROR_MAX}};
    char file[PATH_MAX];
    for (unsigned i = 0; i < 2; i++) {
        if (join(&r, names[i], file) < 0 || access(file, F_OK) != 0)
            continue;
        keyfile_fail(&r.error, "%s: found a service's key already, expected none", file);
        return true;
    }
    return false;
}

int key_directory_write(const char *path, const struct ed25519_key *identity,
                        char error[KEY_DIRECTORY_ERROR_MAX])
{
    struct key_directory made = {.has_secret = true, .identity = *identity};
    struct directory_reading r = {path, &made, NULL, NULL, {error, KEY_DIRECTORY_ERROR_MAX}};
    int result = key_directory_is_taken(path, error) ? -EEXIST : make_directories(&r);
    if (result == 0)
        result = directory_check(&r, path);
    if (result == 0)
        result = name_it(&r);
    if (result == 0)
        result = write_keys(&r);
    if (result == 0)
        result = write_hostname(&r);
    key_directory_release(&made);
    return result;
}
