// SPDX-License-Identifier: BSD-3-Clause
// Key files in C tor's formats, so that a relay can move from one program to the other by copying
// its keys: tagged binary files ("== type: tag ==" padded with zeros to 32 bytes, then the bytes)
// and PEM. Control thread only: these functions wait for the disk.
//
// Functions return 0 or a negative errno. What a file should be and is not goes into `error` as one
// line "FILE: found …, expected …"; -ENOENT (there is no such file) leaves `error` alone, for that
// is the caller's to judge. Nothing here replaces a file but keyfile_write.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "crypto/curve25519.h"
#include "crypto/ed25519.h"
#include "crypto/rsa.h"

enum { KEYFILE_HEADER_LEN = 32, KEYFILE_MAX = 8192 };

struct keyfile_error {
    char *text;
    size_t size;
};

void keyfile_fail(const struct keyfile_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// The whole file; -EFBIG when it has more than `capacity` bytes. `*length` is set on success.
int keyfile_read(const char *path, void *out, size_t capacity, size_t *length,
                 const struct keyfile_error *error) __attribute__((warn_unused_result));
// Written whole: into PATH.tmp with mode 0600, flushed, renamed. The file's time is set to `made`,
// or left when it is 0.
int keyfile_write(const char *path, const void *bytes, size_t length, time_t made,
                  const struct keyfile_error *error) __attribute__((warn_unused_result));

// A tagged file of `type` ("ed25519v1-secret") and `tag` ("type4") with min..max bytes.
int keyfile_read_tagged(const char *path, const char *type, const char *tag, uint8_t *out,
                        size_t min, size_t max, size_t *length, const struct keyfile_error *error)
    __attribute__((warn_unused_result));
int keyfile_write_tagged(const char *path, const char *type, const char *tag, const uint8_t *bytes,
                         size_t length, time_t made, const struct keyfile_error *error)
    __attribute__((warn_unused_result));

// Ed25519 secrets are kept expanded (64 bytes); the public key is computed.
int keyfile_read_ed25519(const char *path, const char *tag, struct ed25519_key *out,
                         const struct keyfile_error *error) __attribute__((warn_unused_result));
// Secret and public half, which must belong together.
int keyfile_read_curve25519(const char *path, const char *tag, struct curve25519_key *out,
                            const struct keyfile_error *error) __attribute__((warn_unused_result));
int keyfile_write_curve25519(const char *path, const char *tag, const struct curve25519_key *key,
                             time_t made, const struct keyfile_error *error)
    __attribute__((warn_unused_result));
// A private RSA key of 1024 bits with the exponent 65537: what the directory protocol asks for.
int keyfile_read_rsa(const char *path, struct rsa_key **out, const struct keyfile_error *error)
    __attribute__((warn_unused_result));
int keyfile_write_rsa(const char *path, const struct rsa_key *key,
                      const struct keyfile_error *error) __attribute__((warn_unused_result));
