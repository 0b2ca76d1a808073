// SPDX-License-Identifier: BSD-3-Clause
// What the parts of the identity share: signing keys (signing_key.c) and onion keys (onion_key.c)
// are loaded and renewed apart. Results and errors are as in keyfile.h.
#pragma once

#include <limits.h>

#include "identity/identity.h"
#include "identity/keyfile.h"

struct identity_path {
    char text[PATH_MAX];
};

// DIRECTORY/NAME; a path that is too long is cut, and fails when it is opened.
struct identity_path identity_path(const char *directory, const char *name);

// The Ed25519 master key, then the signing key with its certificate; what is missing is made.
int identity_load_master(struct identity *identity, const struct keyfile_error *error)
    __attribute__((warn_unused_result));
int identity_load_signing(struct identity *identity, time_t now, const struct keyfile_error *error)
    __attribute__((warn_unused_result));
bool identity_maintain_signing(struct identity *identity, time_t now);

// The RSA key in this file, or a new one.
int identity_load_rsa(const struct identity *identity, const char *name, struct rsa_key **out,
                      const struct keyfile_error *error) __attribute__((warn_unused_result));
int identity_load_onion_keys(struct identity *identity, time_t now,
                             const struct keyfile_error *error) __attribute__((warn_unused_result));
bool identity_maintain_onion_keys(struct identity *identity, time_t now);
