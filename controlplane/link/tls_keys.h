// SPDX-License-Identifier: BSD-3-Clause
// The TLS 1.3 key schedule after the handshake (RFC 8446, 7.1–7.5): record keys, key updates, and
// the exporter. Pure functions.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/message.h"

enum { TLS_SECRET_MAX = 48, TLS_EXPORTER_MAX = 64 };

// A traffic secret of one direction, or the exporter's.
struct tls_secret {
    uint16_t cipher; // enum tls_cipher; says which hash
    uint8_t bytes[TLS_SECRET_MAX];
};

size_t tls_secret_length(uint16_t cipher);  // 32, 48, or 0 for a suite that we don't know
size_t tls_key_length(uint16_t cipher);     // 16, 32, or 0
void tls_secret_wipe(struct tls_secret *s); // also clears the cipher

// Record key and iv, sequence 0. 0, or -EINVAL (unknown suite), or -EIO (the library failed).
__attribute__((warn_unused_result)) int tls_keys_derive(const struct tls_secret *secret,
                                                        struct tls_keys *out);
// The secret after a KeyUpdate, in place. Errors as above.
__attribute__((warn_unused_result)) int tls_secret_update(struct tls_secret *secret);
// RFC 8446, 7.5. `length` is at most TLS_EXPORTER_MAX. Errors as above.
__attribute__((warn_unused_result)) int tls_export(const struct tls_secret *exporter,
                                                   const char *label, const void *context,
                                                   size_t context_length, void *out, size_t length);
