// SPDX-License-Identifier: BSD-3-Clause
// Files of a service's and of a visitor's directory: lines of client authorisation, ob_config, keys
// that were made ahead.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onion/key/authorization_file.h"
#include "onion/key/key_directory_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

// What is read is written so that it is read again.
static void read_authorization(struct text file)
{
    uint8_t identity[32], key[32], again[32];
    char line[AUTHORIZATION_LINE_MAX];
    if (!authorization_read_public(file, key)) {
        authorization_write_public(key, line);
        if (authorization_read_public((struct text){line, strlen(line)}, again) ||
            memcmp(key, again, 32) != 0)
            __builtin_trap();
    }
    if (!authorization_read_secret(file, identity, key)) {
        authorization_write_secret(identity, key, line);
        if (authorization_read_secret((struct text){line, strlen(line)}, identity, again) ||
            memcmp(key, again, 32) != 0)
            __builtin_trap();
    }
}

static void read_ob_config(struct text file)
{
    static uint8_t masters[MASTER_ADDRESSES_MAX][32];
    unsigned n;
    ob_config_parse(file, masters, &n);
    if (n > MASTER_ADDRESSES_MAX)
        __builtin_trap();
}

static void read_premade(struct text file)
{
    static struct ed25519_key identity;
    static const uint8_t seed[32] = {'i'};
    char line[KEY_DIRECTORY_ERROR_MAX] = "";
    const struct keyfile_error error = {line, sizeof(line)};
    struct premade_key *keys;
    unsigned n;
    ed25519_from_seed(seed, &identity);
    int result = premade_keys_parse("offline_keys", file.at, file.length, identity.public_key,
                                    &keys, &n, &error);
    if (result == 0 ? n == 0 : line[0] == '\0')
        __builtin_trap();
    if (result == 0)
        free(keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct text file = {(const char *)bytes, length};
    read_authorization(file);
    read_ob_config(file);
    read_premade(file);
    return 0;
}
