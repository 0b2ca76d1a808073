// SPDX-License-Identifier: BSD-3-Clause
// The relay's keys as a whole: directories, the order in which keys are loaded, fingerprint files.
#include "identity/identity.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto/encoding.h"
#include "identity/data_directory.h"
#include "identity/identity_internal.h"

#define IDENTITY_FILE "secret_id_key"

struct identity_path identity_path(const char *directory, const char *name)
{
    struct identity_path path;
    snprintf(path.text, sizeof(path.text), "%s/%s", directory, name);
    return path;
}

// A new RSA identity beside an old Ed25519 identity would be refused by every authority, for ever:
// they know the pair. So that is never made, but reported.
static int load_rsa_identity(struct identity *identity, const struct keyfile_error *error)
{
    static const char *const others[] = {"ed25519_master_id_secret_key",
                                         "ed25519_master_id_public_key", "ed25519_signing_cert"};
    struct identity_path path = identity_path(identity->directory, IDENTITY_FILE);
    if (access(path.text, F_OK) < 0 && errno == ENOENT) {
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
            struct identity_path other = identity_path(identity->directory, others[i]);
            if (access(other.text, F_OK) == 0) {
                keyfile_fail(error,
                             "%s: found no file, expected the RSA identity key that belongs to %s",
                             path.text, others[i]);
                return -ENOKEY;
            }
        }
    }
    int err = identity_load_rsa(identity, IDENTITY_FILE, &identity->rsa, error);
    if (err == 0) {
        rsa_fingerprint_sha1(identity->rsa, identity->rsa_id);
        rsa_fingerprint_sha256(identity->rsa, identity->rsa_id_sha256);
    }
    return err;
}

static int write_if_changed(const char *data_directory, const char *name, const char *text,
                            const struct keyfile_error *error)
{
    char old[256];
    size_t length;
    struct identity_path path = identity_path(data_directory, name);
    struct keyfile_error ignored = {NULL, 0};
    if (keyfile_read(path.text, old, sizeof(old), &length, &ignored) == 0 &&
        length == strlen(text) && memcmp(old, text, length) == 0)
        return 0;
    return keyfile_write(path.text, text, strlen(text), 0, error);
}

static int write_fingerprints(const struct identity *identity, const char *data_directory,
                              const char *nickname, const struct keyfile_error *error)
{
    char id[64];
    char line[128];
    hex_encode(identity->rsa_id, sizeof(identity->rsa_id), id, sizeof(id));
    snprintf(line, sizeof(line), "%s %s\n", nickname, id);
    int err = write_if_changed(data_directory, "fingerprint", line, error);
    if (err < 0)
        return err;
    base64_encode(identity->master.public_key, ED25519_PUBLIC_LEN, false, id, sizeof(id));
    snprintf(line, sizeof(line), "%s %s\n", nickname, id);
    return write_if_changed(data_directory, "fingerprint-ed25519", line, error);
}

static int load_all(struct identity *identity, const char *data_directory, const char *nickname,
                    time_t now, const struct keyfile_error *error)
{
    int err = data_directory_make(data_directory, error);
    if (err == 0)
        err = data_directory_make(identity->directory, error);
    if (err == 0)
        err = identity->lock_fd = data_directory_lock(data_directory, error);
    if (err >= 0)
        err = load_rsa_identity(identity, error);
    if (err == 0)
        err = identity_load_master(identity, error);
    if (err == 0)
        err = identity_load_signing(identity, now, error);
    if (err == 0)
        err = identity_load_onion_keys(identity, now, error);
    if (err == 0)
        err = write_fingerprints(identity, data_directory, nickname, error);
    return err;
}

struct identity *identity_load(const char *data_directory, const char *nickname, time_t now,
                               char *error_text, size_t error_size)
{
    struct keyfile_error error = {error_text, error_size};
    struct identity *identity = calloc(1, sizeof(*identity));
    if (identity == NULL) {
        keyfile_fail(&error, "no memory");
        return NULL;
    }
    identity->lock_fd = -1;
    identity->onion_key_lifetime_s = ONION_KEY_LIFETIME_S;
    identity->onion_key_grace_s = ONION_KEY_GRACE_S;
    if (asprintf(&identity->directory, "%s/keys", data_directory) < 0) {
        identity->directory = NULL;
        keyfile_fail(&error, "no memory");
        identity_free(identity);
        return NULL;
    }
    if (load_all(identity, data_directory, nickname, now, &error) < 0) {
        identity_free(identity);
        return NULL;
    }
    return identity;
}

void identity_free(struct identity *identity)
{
    if (identity == NULL)
        return;
    rsa_free(identity->rsa);
    rsa_free(identity->tap_key);
    free(identity->directory);
    if (identity->lock_fd >= 0)
        close(identity->lock_fd);
    explicit_bzero(identity, sizeof(*identity));
    free(identity);
}

bool identity_maintain(struct identity *identity, time_t now)
{
    bool changed = identity_maintain_signing(identity, now);
    return identity_maintain_onion_keys(identity, now) || changed;
}
