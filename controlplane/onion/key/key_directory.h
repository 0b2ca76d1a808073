// SPDX-License-Identifier: BSD-3-Clause
// A service's directory in C tor's layout: hs_ed25519_secret_key, hs_ed25519_public_key, hostname,
// authorized_clients/*.auth, ob_config; for an offline master key offline_keys in the place of the
// secret key (docs/onion-services.md). Control thread and command line.
//
// Permissions as C tor has them: the directory is the user's own (to root, any will do) and is made
// with mode 0700, files 0600; others than the group can't read the directory, and nobody else can
// write there: where it is otherwise, that is taken away, and `warn` says so.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/ed25519.h"
#include "onion/key/onion_address.h"
#include "onion/key/premade_keys.h"

enum { AUTHORIZED_CLIENTS_MAX = 1024, MASTER_ADDRESSES_MAX = 64, KEY_DIRECTORY_ERROR_MAX = 512 };

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
    struct premade_key *premade; // in the order of periods; none with a secret
    unsigned n_premade;
};

// A line for the operator, who may want to know.
typedef void (*key_directory_warn_fn)(void *user, const char *line);

// Reads it, and makes what is not there when `create` says so (keys and hostname). 0, or a negative
// errno with one line in `error`: which file, what was found, what was expected. A malformed .auth
// file is told by `warn` (may be NULL) and left out, as C tor does; if all are malformed that is an
// error, for else the service would be open to everybody.
int key_directory_load(const char *path, bool create, struct key_directory *out,
                       key_directory_warn_fn warn, void *user, char error[KEY_DIRECTORY_ERROR_MAX]);
void key_directory_release(struct key_directory *d); // wipes
// The signing key for this period; NULL: none was made (any more).
const struct premade_key *key_directory_premade(const struct key_directory *d,
                                                struct time_period period);
// There is a service's key in it already; `error` says so.
bool key_directory_is_taken(const char *path, char error[KEY_DIRECTORY_ERROR_MAX]);
// Writes a new one with this identity; never over one that is there.
int key_directory_write(const char *path, const struct ed25519_key *identity,
                        char error[KEY_DIRECTORY_ERROR_MAX]);
