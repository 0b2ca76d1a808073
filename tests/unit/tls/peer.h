// SPDX-License-Identifier: BSD-3-Clause
// The other end of a record layer, made with OpenSSL's EVP: seals whatever a test wants to send.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/message.h"

struct peer {
    struct tls_keys keys; // moves on with each record
};

// Builds a record with any inner type, and `padding` zeros. `out` has room for length + padding +
// 22 bytes. Returns its whole length.
size_t peer_seal(struct peer *peer, uint8_t *out, uint8_t type, const void *content, size_t length,
                 size_t padding);
// The same for an inner plaintext given whole, type and padding included.
size_t peer_seal_inner(struct peer *peer, uint8_t *out, const void *inner, size_t length);
// Random keys for the suite.
struct tls_keys random_keys(uint16_t cipher);

// Fast and repeatable.
uint32_t random_below(uint32_t limit);
void random_fill(void *bytes, size_t length);
