// SPDX-License-Identifier: BSD-3-Clause
// Key files: reading with a verdict on what is wrong, writing whole or not at all.
#include "identity/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"
#include "whole_file.h"

void keyfile_fail(const struct keyfile_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (error->size > 0)
        vsnprintf(error->text, error->size, format, args);
    va_end(args);
}

static int read_all(int fd, uint8_t *out, size_t capacity, size_t *length)
{
    *length = 0;
    for (;;) {
        uint8_t more;
        bool full = *length == capacity;
        ssize_t n = read(fd, full ? &more : out + *length, full ? 1 : capacity - *length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            return 0;
        if (full)
            return -EFBIG;
        *length += (size_t)n;
    }
}

int keyfile_read(const char *path, void *out, size_t capacity, size_t *length,
                 const struct keyfile_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int err = errno;
        if (err != ENOENT)
            keyfile_fail(error, "%s: cannot be read: %s", path, strerror(err));
        return -err;
    }
    struct stat st;
    int err = fstat(fd, &st) < 0 ? -errno : 0;
    if (err == 0 && !S_ISREG(st.st_mode)) {
        keyfile_fail(error, "%s: found something that is no file, expected a key file", path);
        close(fd);
        return -EINVAL;
    }
    if (err == 0)
        err = read_all(fd, out, capacity, length);
    close(fd);
    if (err == -EFBIG)
        keyfile_fail(error, "%s: found more than %zu bytes, expected a key file", path, capacity);
    else if (err < 0)
        keyfile_fail(error, "%s: cannot be read: %s", path, strerror(-err));
    return err;
}

int keyfile_write(const char *path, const void *bytes, size_t length, time_t made,
                  const struct keyfile_error *error)
{
    int err = whole_file_write(path, bytes, length, made);
    if (err < 0)
        keyfile_fail(error, "%s: cannot be written: %s", path, strerror(-err));
    return err;
}

static int make_header(const char *type, const char *tag, char out[KEYFILE_HEADER_LEN + 1])
{
    memset(out, 0, KEYFILE_HEADER_LEN + 1);
    return snprintf(out, KEYFILE_HEADER_LEN + 1, "== %s: %s ==", type, tag);
}

// What a file begins with, fit for an error line.
static void describe_header(const uint8_t *bytes, size_t length, char out[KEYFILE_HEADER_LEN + 32])
{
    if (length == 0) {
        strcpy(out, "an empty file");
        return;
    }
    size_t n = 0;
    while (n < length && n < KEYFILE_HEADER_LEN && bytes[n] >= ' ' && bytes[n] < 0x7f)
        n++;
    if (n < 3)
        strcpy(out, "unknown binary data");
    else
        snprintf(out, KEYFILE_HEADER_LEN + 32, "\"%.*s\"", (int)n, (const char *)bytes);
}

int keyfile_read_tagged(const char *path, const char *type, const char *tag, uint8_t *out,
                        size_t min, size_t max, size_t *length, const struct keyfile_error *error)
{
    uint8_t bytes[KEYFILE_MAX];
    char expected[KEYFILE_HEADER_LEN + 1];
    size_t size = 0;
    int err = keyfile_read(path, bytes, sizeof(bytes), &size, error);
    if (err < 0)
        goto out;
    err = -EINVAL;
    make_header(type, tag, expected);
    struct reader r = reader_of(bytes, size);
    const uint8_t *header = read_bytes(&r, KEYFILE_HEADER_LEN);
    if (header == NULL || memcmp(header, expected, KEYFILE_HEADER_LEN) != 0) {
        char found[KEYFILE_HEADER_LEN + 32];
        describe_header(bytes, size, found);
        keyfile_fail(error, "%s: found %s (%zu bytes), expected \"%s\" and %zu bytes after it",
                     path, found, size, expected, max);
        goto out;
    }
    size_t left = reader_left(&r);
    if (left < min || left > max) {
        keyfile_fail(error, "%s: found %zu bytes, expected %zu%s", path, size,
                     KEYFILE_HEADER_LEN + max, min < max ? " at most" : "");
        goto out;
    }
    memcpy(out, read_bytes(&r, left), left);
    *length = left;
    err = 0;
out:
    explicit_bzero(bytes, sizeof(bytes));
    return err;
}

int keyfile_write_tagged(const char *path, const char *type, const char *tag, const uint8_t *bytes,
                         size_t length, time_t made, const struct keyfile_error *error)
{
    uint8_t file[KEYFILE_MAX];
    char header[KEYFILE_HEADER_LEN + 1];
    int n = make_header(type, tag, header);
    if (n < 0 || n >= KEYFILE_HEADER_LEN || length > sizeof(file) - KEYFILE_HEADER_LEN)
        return -EINVAL;
    memcpy(file, header, KEYFILE_HEADER_LEN);
    memcpy(file + KEYFILE_HEADER_LEN, bytes, length);
    int err = keyfile_write(path, file, KEYFILE_HEADER_LEN + length, made, error);
    explicit_bzero(file, sizeof(file));
    return err;
}

int keyfile_read_ed25519(const char *path, const char *tag, struct ed25519_key *out,
                         const struct keyfile_error *error)
{
    uint8_t expanded[ED25519_SECRET_LEN];
    size_t length;
    int err = keyfile_read_tagged(path, "ed25519v1-secret", tag, expanded, sizeof(expanded),
                                  sizeof(expanded), &length, error);
    if (err == 0) {
        err = ed25519_from_expanded(expanded, out);
        if (err < 0)
            keyfile_fail(error, "%s: found a key that is zero, expected an Ed25519 secret key",
                         path);
    }
    explicit_bzero(expanded, sizeof(expanded));
    return err;
}

int keyfile_read_curve25519(const char *path, const char *tag, struct curve25519_key *out,
                            const struct keyfile_error *error)
{
    uint8_t bytes[2 * CURVE25519_KEY_LEN];
    size_t length;
    int err = keyfile_read_tagged(path, "c25519v1", tag, bytes, sizeof(bytes), sizeof(bytes),
                                  &length, error);
    if (err == 0) {
        curve25519_from_secret(bytes, out);
        if (memcmp(out->public_key, bytes + CURVE25519_KEY_LEN, CURVE25519_KEY_LEN) != 0) {
            keyfile_fail(error, "%s: found a public key of another secret key, expected a pair",
                         path);
            curve25519_wipe(out);
            err = -EINVAL;
        }
    }
    explicit_bzero(bytes, sizeof(bytes));
    return err;
}

int keyfile_write_curve25519(const char *path, const char *tag, const struct curve25519_key *key,
                             time_t made, const struct keyfile_error *error)
{
    uint8_t bytes[2 * CURVE25519_KEY_LEN];
    memcpy(bytes, key->secret, CURVE25519_KEY_LEN);
    memcpy(bytes + CURVE25519_KEY_LEN, key->public_key, CURVE25519_KEY_LEN);
    int err = keyfile_write_tagged(path, "c25519v1", tag, bytes, sizeof(bytes), made, error);
    explicit_bzero(bytes, sizeof(bytes));
    return err;
}

int keyfile_read_rsa(const char *path, struct rsa_key **out, const struct keyfile_error *error)
{
    char pem[RSA_PEM_MAX];
    size_t length = 0;
    *out = NULL;
    int err = keyfile_read(path, pem, sizeof(pem), &length, error);
    if (err == 0)
        *out = rsa_from_pem(pem, length);
    explicit_bzero(pem, sizeof(pem));
    if (err < 0)
        return err;
    if (*out == NULL) {
        keyfile_fail(error,
                     "%s: found %zu bytes that are no RSA key, expected \"-----BEGIN RSA PRIVATE "
                     "KEY-----\"",
                     path, length);
        return -EINVAL;
    }
    if (rsa_bits(*out) != 1024 || !rsa_exponent_is_65537(*out)) {
        keyfile_fail(
            error, "%s: found an RSA key of %u bits%s, expected 1024 bits and exponent 65537", path,
            rsa_bits(*out), rsa_exponent_is_65537(*out) ? "" : " with another exponent");
        rsa_free(*out);
        *out = NULL;
        return -EINVAL;
    }
    return 0;
}

int keyfile_write_rsa(const char *path, const struct rsa_key *key,
                      const struct keyfile_error *error)
{
    char pem[RSA_PEM_MAX];
    int n = rsa_to_pem(key, pem, sizeof(pem));
    int err = n < 0 ? n : keyfile_write(path, pem, (size_t)n, 0, error);
    explicit_bzero(pem, sizeof(pem));
    return err;
}
