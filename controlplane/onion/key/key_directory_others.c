// SPDX-License-Identifier: BSD-3-Clause
// Others that a service's directory knows of: clients that are authorised, and the addresses that
// it is a backend of.
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "onion/key/authorization_file.h"
#include "onion/key/key_directory_internal.h"
#include "whole_file.h"

enum { OB_CONFIG_MAX = 64 * 1024 };

static const char client_suffix[] = ".auth";

// ---- clients

static bool is_client_file(const char *name)
{
    size_t length = strlen(name), suffix = sizeof(client_suffix) - 1;
    return length > suffix && strcmp(name + length - suffix, client_suffix) == 0;
}

// False, after having said why: it can't be used.
static bool read_client(const struct directory_reading *r, const char *directory, const char *name,
                        struct authorized_client *out)
{
    char path[PATH_MAX], file[AUTHORIZATION_FILE_MAX], reason[KEY_DIRECTORY_ERROR_MAX];
    const struct keyfile_error error = {reason, sizeof(reason)};
    size_t length;
    int n = snprintf(path, sizeof(path), "%s/%s", directory, name);
    if (n < 0 || n >= PATH_MAX)
        return false;
    int result = keyfile_read(path, file, sizeof(file), &length, &error);
    if (result < 0) {
        if (result != -ENOENT)
            directory_warn(r, "%s", reason);
        return false;
    }
    const char *wrong = authorization_read_public((struct text){file, length}, out->public_key);
    if (wrong) {
        directory_warn(r, "%s: found %s, expected \"descriptor:x25519:\" and a key", path, wrong);
        return false;
    }
    snprintf(out->name, sizeof(out->name), "%.*s",
             (int)(strlen(name) - (sizeof(client_suffix) - 1)), name);
    return true;
}

static int read_files(struct directory_reading *r, const char *directory, struct dirent **files,
                      unsigned n_files)
{
    unsigned n_clients = 0;
    for (unsigned i = 0; i < n_files; i++) {
        const char *name = files[i]->d_name;
        if (name[0] == '.')
            continue;
        if (!is_client_file(name)) {
            directory_warn(r, "%s/%s: found another name, expected one that ends in .auth",
                           directory, name);
            continue;
        }
        if (++n_clients > AUTHORIZED_CLIENTS_MAX) {
            keyfile_fail(&r->error, "%s: found more than %d clients, expected no more", directory,
                         AUTHORIZED_CLIENTS_MAX);
            return -E2BIG;
        }
        if (read_client(r, directory, name, &r->out->clients[r->out->n_clients]))
            r->out->n_clients++;
    }
    if (n_clients == 0 || r->out->n_clients > 0)
        return 0;
    keyfile_fail(&r->error,
                 "%s: found .auth files and none that can be read, expected one at least (else the "
                 "service would be open to everybody)",
                 directory);
    return -EINVAL;
}

int directory_read_clients(struct directory_reading *r)
{
    char directory[PATH_MAX];
    struct dirent **files = NULL;
    snprintf(directory, sizeof(directory), "%s/authorized_clients", r->path);
    int n = scandir(directory, &files, NULL, alphasort);
    if (n < 0 && errno == ENOENT)
        return 0;
    if (n < 0) {
        int error = -errno;
        keyfile_fail(&r->error, "%s: cannot be read: %s", directory, strerror(-error));
        return error;
    }
    int result = directory_check(r, directory);
    unsigned most = n < AUTHORIZED_CLIENTS_MAX ? (unsigned)n : AUTHORIZED_CLIENTS_MAX;
    if (result == 0 && most > 0) {
        r->out->clients = calloc(most, sizeof(*r->out->clients));
        result = r->out->clients ? read_files(r, directory, files, (unsigned)n) : -ENOMEM;
    }
    for (int i = 0; i < n; i++)
        free(files[i]);
    free(files);
    return result;
}

// ---- masters

unsigned ob_config_parse(struct text text, uint8_t (*out)[32], unsigned *n)
{
    *n = 0;
    for (unsigned number = 1; text.length > 0; number++) {
        struct text keyword, argument, line = text_take_until(&text, "\n");
        char name[ONION_ADDRESS_LEN + 1];
        line = text_take_until(&line, "#");
        if (!token_argument(&line, &keyword))
            continue;
        bool good = keyword.length == strlen("MasterOnionAddress") &&
                    strncasecmp(keyword.at, "MasterOnionAddress", keyword.length) == 0 &&
                    token_argument(&line, &argument) && argument.length == ONION_ADDRESS_LEN &&
                    *n < MASTER_ADDRESSES_MAX && text_trim(line).length == 0;
        if (!good)
            return number;
        memcpy(name, argument.at, argument.length);
        name[argument.length] = '\0';
        if (onion_address_parse(name, out[*n]) != ONION_ADDRESS_GOOD)
            return number;
        ++*n;
    }
    return 0;
}

int directory_read_masters(struct directory_reading *r)
{
    char path[PATH_MAX], *text;
    size_t length;
    snprintf(path, sizeof(path), "%s/ob_config", r->path);
    int error = whole_file_read(path, OB_CONFIG_MAX, &text, &length);
    if (error == -ENOENT)
        return 0;
    if (error < 0) {
        keyfile_fail(&r->error, "%s: cannot be read: %s", path, strerror(-error));
        return error;
    }
    r->out->masters = calloc(MASTER_ADDRESSES_MAX, sizeof(*r->out->masters));
    unsigned line = 0;
    if (r->out->masters)
        line = ob_config_parse((struct text){text, length}, r->out->masters, &r->out->n_masters);
    free(text);
    if (line == 0)
        return r->out->masters ? 0 : -ENOMEM;
    keyfile_fail(&r->error,
                 "%s:%u: found another line, expected \"MasterOnionAddress\" and a valid "
                 "address that ends in .onion (%d of them at most)",
                 path, line, MASTER_ADDRESSES_MAX);
    return -EINVAL;
}
