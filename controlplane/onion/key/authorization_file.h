// SPDX-License-Identifier: BSD-3-Clause
// The lines of client authorisation, as C tor has them on both sides: at the service
// "descriptor:x25519:<base32 of the client's public key>", at the client
// "<56 characters>:descriptor:x25519:<base32 of its secret key>". Space around a part does not
// matter. Pure functions.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "netdoc/tokens.h"
#include "onion/key/onion_address.h"

enum { AUTHORIZATION_FILE_MAX = 512, AUTHORIZATION_LINE_MAX = 160 };

// What is wrong with it, in a few words, or NULL: nothing.
const char *authorization_read_public(struct text file, uint8_t public_key[32]);
const char *authorization_read_secret(struct text file, uint8_t identity[ONION_KEY_LEN],
                                      uint8_t secret[32]);
// Without a newline.
void authorization_write_public(const uint8_t public_key[32], char out[AUTHORIZATION_LINE_MAX]);
void authorization_write_secret(const uint8_t identity[ONION_KEY_LEN], const uint8_t secret[32],
                                char out[AUTHORIZATION_LINE_MAX]);
