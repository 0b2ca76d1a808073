// SPDX-License-Identifier: BSD-3-Clause
// The Ed25519 master key and the signing key that it certifies: loading, making, renewing.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "crypto/ed_cert.h"
#include "identity/identity_internal.h"

#define MASTER_SECRET_FILE "ed25519_master_id_secret_key"
#define MASTER_ENCRYPTED_FILE "ed25519_master_id_secret_key_encrypted"
#define MASTER_PUBLIC_FILE "ed25519_master_id_public_key"
#define SIGNING_SECRET_FILE "ed25519_signing_secret_key"
#define SIGNING_CERT_FILE "ed25519_signing_cert"

enum { WARN_INTERVAL_S = 86400 };

struct signing_key {
    struct ed25519_key key;
    uint8_t cert[IDENTITY_CERT_MAX];
    size_t cert_length;
    time_t expires;
};

static int read_master_secret(const struct identity *identity, struct ed25519_key *out,
                              const struct keyfile_error *error)
{
    struct identity_path path = identity_path(identity->directory, MASTER_SECRET_FILE);
    return keyfile_read_ed25519(path.text, "type0", out, error);
}

static int read_master_public(const struct identity *identity, uint8_t out[32],
                              const struct keyfile_error *error)
{
    struct identity_path path = identity_path(identity->directory, MASTER_PUBLIC_FILE);
    size_t length;
    return keyfile_read_tagged(path.text, "ed25519v1-public", "type0", out, ED25519_PUBLIC_LEN,
                               ED25519_PUBLIC_LEN, &length, error);
}

static int write_master_public(const struct identity *identity, const uint8_t public_key[32],
                               const struct keyfile_error *error)
{
    struct identity_path path = identity_path(identity->directory, MASTER_PUBLIC_FILE);
    return keyfile_write_tagged(path.text, "ed25519v1-public", "type0", public_key,
                                ED25519_PUBLIC_LEN, 0, error);
}

static int read_cert(const struct identity *identity, uint8_t out[IDENTITY_CERT_MAX],
                     struct ed_cert *cert, const struct keyfile_error *error)
{
    struct identity_path path = identity_path(identity->directory, SIGNING_CERT_FILE);
    size_t length;
    int err = keyfile_read_tagged(path.text, "ed25519v1-cert", "type4", out, 1, IDENTITY_CERT_MAX,
                                  &length, error);
    if (err < 0)
        return err;
    err = ed_cert_parse(out, length, cert);
    if (err == 0 && (cert->type != ED_CERT_ID_SIGNING || cert->key_type != ED_CERT_KEY_ED25519 ||
                     !cert->has_signing_key))
        err = -EPROTO;
    if (err < 0)
        keyfile_fail(error,
                     "%s: found %zu bytes that are no certificate, expected a signing key's "
                     "certificate (type 4) with the master key in it",
                     path.text, length);
    return err;
}

static int make_master(struct identity *identity, struct ed25519_key *master,
                       const struct keyfile_error *error)
{
    struct identity_path path = identity_path(identity->directory, MASTER_SECRET_FILE);
    ed25519_generate(master);
    int err = keyfile_write_tagged(path.text, "ed25519v1-secret", "type0", master->expanded,
                                   ED25519_SECRET_LEN, 0, error);
    if (err < 0)
        return err;
    identity->has_master_secret = true;
    return write_master_public(identity, master->public_key, error);
}

// Neither half of the master key is there. Its public half may still be in the certificate.
static int find_or_make_master(struct identity *identity, struct ed25519_key *master,
                               const struct keyfile_error *error)
{
    uint8_t bytes[IDENTITY_CERT_MAX];
    struct ed_cert cert;
    int err = read_cert(identity, bytes, &cert, error);
    if (err == 0) {
        memcpy(master->public_key, cert.signing_key, sizeof(master->public_key));
        return write_master_public(identity, master->public_key, error);
    }
    if (err != -ENOENT)
        return err;
    struct identity_path path = identity_path(identity->directory, MASTER_ENCRYPTED_FILE);
    if (access(path.text, F_OK) == 0) {
        keyfile_fail(error,
                     "%s: found an encrypted master key, expected " MASTER_PUBLIC_FILE
                     " and a signing key with its certificate beside it",
                     path.text);
        return -ENOKEY;
    }
    return make_master(identity, master, error);
}

int identity_load_master(struct identity *identity, const struct keyfile_error *error)
{
    struct ed25519_key master = {0};
    uint8_t public_key[ED25519_PUBLIC_LEN];
    int secret = read_master_secret(identity, &master, error);
    if (secret < 0 && secret != -ENOENT)
        return secret;
    int err = read_master_public(identity, public_key, error);
    identity->has_master_secret = secret == 0;
    if (err == 0 && secret == 0) {
        if (memcmp(public_key, master.public_key, sizeof(public_key)) != 0) {
            struct identity_path path = identity_path(identity->directory, MASTER_PUBLIC_FILE);
            keyfile_fail(error, "%s: found another key's public half, expected that of %s",
                         path.text, MASTER_SECRET_FILE);
            err = -EINVAL;
        }
    } else if (err == 0) {
        memcpy(master.public_key, public_key, sizeof(public_key));
    } else if (err == -ENOENT && secret == 0) {
        err = write_master_public(identity, master.public_key, error);
    } else if (err == -ENOENT) {
        err = find_or_make_master(identity, &master, error);
    }
    memcpy(identity->master.public_key, master.public_key, sizeof(master.public_key));
    ed25519_wipe(&master);
    return err;
}

static bool certifies(const struct ed_cert *cert, const struct ed25519_key *key)
{
    return memcmp(cert->key, key->public_key, sizeof(key->public_key)) == 0;
}

// Reads the signing key and its certificate. -ENOENT: one of them is missing, or the certificate is
// for the key before this one (a renewal was interrupted); -EKEYEXPIRED. Both have left `error`
// alone and can be mended with the master key.
static int read_signing(const struct identity *identity, time_t now, struct signing_key *out,
                        const struct keyfile_error *error)
{
    struct identity_path key_path = identity_path(identity->directory, SIGNING_SECRET_FILE);
    struct identity_path cert_path = identity_path(identity->directory, SIGNING_CERT_FILE);
    struct ed_cert cert;
    int key_err = keyfile_read_ed25519(key_path.text, "type4", &out->key, error);
    if (key_err < 0 && key_err != -ENOENT)
        return key_err;
    int err = read_cert(identity, out->cert, &cert, error);
    if (err < 0)
        return err;
    out->cert_length = cert.length;
    out->expires = (time_t)cert.expires_hours * 3600;
    err = ed_cert_check(&cert, identity->master.public_key, 0);
    if (err < 0) {
        keyfile_fail(error, "%s: found a certificate by another master key, expected one by %s",
                     cert_path.text, MASTER_PUBLIC_FILE);
        return -EBADMSG;
    }
    if (key_err < 0 || !certifies(&cert, &out->key))
        return -ENOENT;
    return out->expires <= now ? -EKEYEXPIRED : 0;
}

static void take_signing(struct identity *identity, const struct signing_key *signing)
{
    identity->signing = signing->key;
    memcpy(identity->signing_cert, signing->cert, signing->cert_length);
    identity->signing_cert_length = signing->cert_length;
    identity->signing_cert_expires = signing->expires;
    identity->generation++;
}

// Makes and stores a new signing key. -ENOENT when the master key's secret is not there.
static int renew_signing(struct identity *identity, time_t now, const struct keyfile_error *error)
{
    struct ed25519_key master;
    struct signing_key new = {0};
    int err = read_master_secret(identity, &master, error);
    if (err < 0)
        return err;
    if (memcmp(master.public_key, identity->master.public_key, sizeof(master.public_key)) != 0) {
        keyfile_fail(error, "%s/" MASTER_SECRET_FILE ": found another key than at start",
                     identity->directory);
        err = -EINVAL;
        goto out;
    }
    uint32_t hours = ed_cert_hours((uint64_t)now + SIGNING_KEY_LIFETIME_S);
    ed25519_generate(&new.key);
    err = ed_cert_encode(ED_CERT_ID_SIGNING, ED_CERT_KEY_ED25519, new.key.public_key, hours,
                         &master, true, new.cert, sizeof(new.cert));
    if (err < 0)
        goto out;
    new.cert_length = (size_t)err;
    new.expires = (time_t)hours * 3600;

    struct identity_path path = identity_path(identity->directory, SIGNING_SECRET_FILE);
    err = keyfile_write_tagged(path.text, "ed25519v1-secret", "type4", new.key.expanded,
                               ED25519_SECRET_LEN, 0, error);
    path = identity_path(identity->directory, SIGNING_CERT_FILE);
    if (err == 0)
        err = keyfile_write_tagged(path.text, "ed25519v1-cert", "type4", new.cert, new.cert_length,
                                   0, error);
    if (err == 0) {
        take_signing(identity, &new);
        log_notice("made a new signing key, valid for %d days", SIGNING_KEY_LIFETIME_S / 86400);
    }
out:
    ed25519_wipe(&master);
    ed25519_wipe(&new.key);
    return err;
}

static void explain_unusable(const struct identity *identity, int why, time_t expired,
                             const struct keyfile_error *error)
{
    char date[32] = "";
    struct tm utc;
    if (why == -EKEYEXPIRED && gmtime_r(&expired, &utc) != NULL)
        strftime(date, sizeof(date), " (on %Y-%m-%d %H:%M UTC)", &utc);
    keyfile_fail(error,
                 "%s/" SIGNING_CERT_FILE ": found %s%s, expected a valid one with its %s, or "
                 "%s to make them",
                 identity->directory,
                 why == -EKEYEXPIRED ? "a certificate that has expired"
                                     : "no certificate for the signing key",
                 date, SIGNING_SECRET_FILE, MASTER_SECRET_FILE);
}

int identity_load_signing(struct identity *identity, time_t now, const struct keyfile_error *error)
{
    struct signing_key found = {0};
    int err = read_signing(identity, now, &found, error);
    if (err == 0) {
        take_signing(identity, &found);
    } else if (err == -ENOENT || err == -EKEYEXPIRED) {
        int why = err;
        err = renew_signing(identity, now, error);
        if (err == -ENOENT)
            explain_unusable(identity, why, found.expires, error);
    }
    ed25519_wipe(&found.key);
    return err;
}

// An operator with an offline master key puts new files in place while the relay runs.
static bool take_newer_signing(struct identity *identity, time_t now)
{
    char text[512] = "";
    struct keyfile_error error = {text, sizeof(text)};
    struct signing_key found = {0};
    bool newer = read_signing(identity, now, &found, &error) == 0 &&
                 found.expires > identity->signing_cert_expires;
    if (newer) {
        take_signing(identity, &found);
        log_notice("took over the new signing key in %s", identity->directory);
    } else if (text[0] != '\0') {
        log_warn("%s", text);
    }
    ed25519_wipe(&found.key);
    return newer;
}

bool identity_maintain_signing(struct identity *identity, time_t now)
{
    char text[512] = "";
    struct keyfile_error error = {text, sizeof(text)};
    if (identity->signing_cert_expires - now > SIGNING_KEY_RENEW_S)
        return false;
    int err = renew_signing(identity, now, &error);
    if (err == 0)
        return true;
    if (err == -ENOENT && take_newer_signing(identity, now))
        return true;
    if (now - identity->warned >= WARN_INTERVAL_S || now < identity->warned) {
        identity->warned = now;
        log_warn("the signing key %s and cannot be renewed: %s",
                 identity->signing_cert_expires <= now ? "has expired" : "expires within a day",
                 err == -ENOENT ? "there is no " MASTER_SECRET_FILE
                                  "; put a new signing key and its "
                                  "certificate in place"
                                : text);
    }
    return false;
}
