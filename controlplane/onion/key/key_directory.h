// SPDX-License-Identifier: BSD-3-Clause
// A service's directory in C tor's layout: hs_ed25519_secret_key, hs_ed25519_public_key, hostname,
// authorized_clients/*.auth, ob_config; for an offline master key the blinded and signing keys that
// were made ahead (docs/onion-services.md). Control thread and command line.
//
// Permissions as C tor has them: the directory 0700 and the user's own, files 0600.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/ed25519.h"
#include "onion/key/onion_address.h"

enum { AUTHORIZED_CLIENTS_MAX = 1024, KEY_DIRECTORY_ERROR_MAX = 512 };

struct authorized_client {
    char name[64];          // of its file, without ".auth"
    uint8_t public_key[32]; // Curve25519
};

struct key_directory {
    bool has_secret;             // else only the public key is here (offline)
    struct ed25519_key identity; // secret; public_key always counts
    char hostname[ONION_ADDRESS_LEN + 1];
    struct authorized_client *clients;
    unsigned n_clients;
    uint8_t (*masters)[32]; // onionbalance: the addresses that this is a backend of
    unsigned n_masters;
};

// Reads it, and makes what is not there when `create` says so (keys and hostname). 0, or a negative
// errno with one line in `error`: which file, what was found, what was expected. A malformed .auth
// file is told by `warn` (may be NULL) and left out, as C tor does.
int key_directory_load(const char *path, bool create, struct key_directory *out,
                       void (*warn)(void *user, const char *line), void *user,
                       char error[KEY_DIRECTORY_ERROR_MAX]);
void key_directory_release(struct key_directory *d); // wipes
// Writes a new one with this identity; never over one that is there.
int key_directory_write(const char *path, const struct ed25519_key *identity,
                        char error[KEY_DIRECTORY_ERROR_MAX]);
