// SPDX-License-Identifier: BSD-3-Clause
// Onion keys: the ntor key that clients make circuits with, its rotation, and the TAP key, which
// is rotated along with it although nobody uses it: authorities take a descriptor whose TAP key
// has not changed for the same as the last one, and would leave a new ntor key unseen.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "identity/identity_internal.h"

#define NTOR_FILE "secret_onion_key_ntor"
#define TAP_FILE "secret_onion_key"
#define OLD ".old"

int identity_load_rsa(const struct identity *identity, const char *name, struct rsa_key **out,
                      const struct keyfile_error *error)
{
    struct identity_path path = identity_path(identity->directory, name);
    int err = keyfile_read_rsa(path.text, out, error);
    if (err != -ENOENT)
        return err;
    *out = rsa_generate(1024);
    if (*out == NULL) {
        keyfile_fail(error, "%s: no RSA key could be made", path.text);
        return -ENOMEM;
    }
    err = keyfile_write_rsa(path.text, *out, error);
    if (err < 0) {
        rsa_free(*out);
        *out = NULL;
    }
    return err;
}

// A file time in the future (a clock that was wrong, a restored backup) would keep a key in use
// for too long: the key's time then begins anew.
static time_t file_made(const char *path, time_t now)
{
    struct stat st;
    if (stat(path, &st) == 0 && st.st_mtime <= now)
        return st.st_mtime;
    struct timespec times[2] = {{.tv_sec = now}, {.tv_sec = now}};
    (void)utimensat(AT_FDCWD, path, times, 0);
    return now;
}

static int load_ntor(struct identity *identity, time_t now, const struct keyfile_error *error)
{
    struct identity_path path = identity_path(identity->directory, NTOR_FILE);
    int err = keyfile_read_curve25519(path.text, "onion", &identity->onion_key, error);
    if (err == 0) {
        identity->onion_key_made = file_made(path.text, now);
        return 0;
    }
    if (err != -ENOENT)
        return err;
    curve25519_generate(&identity->onion_key);
    identity->onion_key_made = now;
    return keyfile_write_curve25519(path.text, "onion", &identity->onion_key, now, error);
}

static bool grace_is_over(const struct identity *identity, time_t now)
{
    return now - identity->onion_key_made >= identity->onion_key_grace_s;
}

static void drop_previous(struct identity *identity)
{
    struct identity_path ntor = identity_path(identity->directory, NTOR_FILE OLD);
    struct identity_path tap = identity_path(identity->directory, TAP_FILE OLD);
    curve25519_wipe(&identity->previous_onion_key);
    identity->has_previous_onion_key = false;
    if (unlink(ntor.text) < 0 && errno != ENOENT)
        log_warn("%s: cannot be removed: %s", ntor.text, strerror(errno));
    (void)unlink(tap.text);
}

static int load_previous(struct identity *identity, time_t now, const struct keyfile_error *error)
{
    struct identity_path path = identity_path(identity->directory, NTOR_FILE OLD);
    int err = keyfile_read_curve25519(path.text, "onion", &identity->previous_onion_key, error);
    if (err < 0)
        return err == -ENOENT ? 0 : err;
    identity->has_previous_onion_key = true;
    if (grace_is_over(identity, now))
        drop_previous(identity);
    return 0;
}

int identity_load_onion_keys(struct identity *identity, time_t now,
                             const struct keyfile_error *error)
{
    int err = identity_load_rsa(identity, TAP_FILE, &identity->tap_key, error);
    if (err == 0)
        err = load_ntor(identity, now, error);
    return err < 0 ? err : load_previous(identity, now, error);
}

// The current file becomes the old one. Should writing the new one fail, it is put back.
static int replace_file(const struct identity *identity, const char *name, const char *old_name,
                        const struct curve25519_key *ntor, const struct rsa_key *tap, time_t now,
                        const struct keyfile_error *error)
{
    struct identity_path path = identity_path(identity->directory, name);
    struct identity_path old = identity_path(identity->directory, old_name);
    if (rename(path.text, old.text) < 0 && errno != ENOENT) {
        keyfile_fail(error, "%s: cannot be renamed: %s", path.text, strerror(errno));
        return -EIO;
    }
    int err = ntor != NULL ? keyfile_write_curve25519(path.text, "onion", ntor, now, error)
                           : keyfile_write_rsa(path.text, tap, error);
    if (err < 0)
        (void)rename(old.text, path.text);
    return err;
}

static bool rotate(struct identity *identity, time_t now)
{
    char text[512] = "no RSA key could be made";
    struct keyfile_error error = {text, sizeof(text)};
    struct curve25519_key ntor;
    struct rsa_key *tap = rsa_generate(1024);
    int err = tap == NULL ? -ENOMEM : 0;
    curve25519_generate(&ntor);
    if (err == 0)
        err = replace_file(identity, TAP_FILE, TAP_FILE OLD, NULL, tap, now, &error);
    if (err == 0) {
        rsa_free(identity->tap_key);
        identity->tap_key = tap;
        tap = NULL;
        err = replace_file(identity, NTOR_FILE, NTOR_FILE OLD, &ntor, NULL, now, &error);
    }
    if (err == 0) {
        identity->previous_onion_key = identity->onion_key;
        identity->has_previous_onion_key = true;
        identity->onion_key = ntor;
        identity->onion_key_made = now;
        log_notice("rotated the onion key; the previous one is answered for another %lld days",
                   (long long)identity->onion_key_grace_s / 86400);
    } else {
        log_warn("the onion key cannot be rotated: %s", text);
    }
    rsa_free(tap);
    curve25519_wipe(&ntor);
    return err == 0;
}

bool identity_maintain_onion_keys(struct identity *identity, time_t now)
{
    if (now < identity->onion_key_made)
        identity->onion_key_made = now; // the clock was set back
    if (identity->has_previous_onion_key && grace_is_over(identity, now))
        drop_previous(identity);
    return now - identity->onion_key_made >= identity->onion_key_lifetime_s &&
           rotate(identity, now);
}
