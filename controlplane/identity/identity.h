// SPDX-License-Identifier: BSD-3-Clause
// The relay's long-term and medium-term keys: made, kept in C tor's formats and places under
// data_directory, renewed and rotated. Control thread only.
//
// Files (C tor's): keys/secret_id_key, keys/ed25519_master_id_{secret,public}_key,
// keys/ed25519_signing_{secret_key,cert}, keys/secret_onion_key_ntor[.old],
// keys/secret_onion_key[.old] (TAP, only published), fingerprint, fingerprint-ed25519, and the lock
// file `lock`, which keeps C tor or a second relay from using the same keys at the same time.
// How long an onion key has been in use is told by its file's time.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "crypto/curve25519.h"
#include "crypto/ed25519.h"

struct rsa_key;

enum {
    IDENTITY_CERT_MAX = 256,
    SIGNING_KEY_LIFETIME_S = 30 * 86400,
    SIGNING_KEY_RENEW_S = 86400,       // before it expires
    ONION_KEY_LIFETIME_S = 28 * 86400, // by default
    ONION_KEY_GRACE_S = 7 * 86400,     // in which the previous key is still answered; by default
};

struct identity {
    char *directory; // data_directory/keys
    struct rsa_key *rsa;
    uint8_t rsa_id[20];        // SHA-1 of the DER public key: the fingerprint
    uint8_t rsa_id_sha256[32]; // the same by SHA-256
    bool has_master_secret;    // false: the master key is kept offline
    struct ed25519_key master; // public half only: the secret is read when it is to sign
    struct ed25519_key signing;
    uint8_t signing_cert[IDENTITY_CERT_MAX]; // type 4, master → signing
    size_t signing_cert_length;
    time_t signing_cert_expires;
    struct curve25519_key onion_key;          // ntor
    struct curve25519_key previous_onion_key; // valid for the grace period after a rotation
    bool has_previous_onion_key;
    time_t onion_key_made;
    time_t onion_key_lifetime_s, onion_key_grace_s; // as the network wants them (6.18)
    struct rsa_key *tap_key;                        // published only
    uint64_t generation;                            // counts changes of the signing key
    time_t warned; // when identity_maintain last warned of an expiring key
    int lock_fd;   // holds data_directory/lock
};

// Reads what is there, makes and stores what is missing. Files are made with mode 0600, directories
// with 0700, each file is written whole (temporary file and rename). NULL on failure with one line
// in `error` that names the file, what was found and what was expected. A file that is broken or
// another relay's is never replaced.
struct identity *identity_load(const char *data_directory, const char *nickname, time_t now,
                               char *error, size_t error_size);
void identity_free(struct identity *identity); // wipes
// Renews the signing key before it expires and rotates the onion key when it is due (6.18, 6.19).
// With an offline master key it takes over a signing key that was put in place meanwhile. Call
// hourly. True when something changed, so that the descriptor must be published again. Failures are
// logged, and tried again with the next call.
bool identity_maintain(struct identity *identity, time_t now);
