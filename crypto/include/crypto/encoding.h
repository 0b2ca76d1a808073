// SPDX-License-Identifier: BSD-3-Clause
// Hexadecimal, base32 and base64 text, as directory documents and key files hold it.
//
// Encoders end their text with a NUL, which `capacity` must have room for and the result does not
// count. All return a length, or -EMSGSIZE when it does not fit; decoders -EINVAL on bad text.
// Not constant time over secrets: use for key files and public values.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEX_TEXT_SIZE(bytes) (2 * (bytes) + 1)
#define BASE32_TEXT_SIZE(bytes) (((bytes)*8 + 4) / 5 + 1)
#define BASE64_TEXT_SIZE(bytes) (((bytes) + 2) / 3 * 4 + 1)
// With a newline after each 64 characters and after the last.
#define BASE64_LINES_SIZE(bytes) (BASE64_TEXT_SIZE(bytes) + ((bytes) + 47) / 48)

// Upper case.
int hex_encode(const void *bytes, size_t length, char *out, size_t capacity);
// Either case.
int hex_decode(const char *text, size_t text_length, void *out, size_t capacity);

int base64_encode(const void *bytes, size_t length, bool padding, char *out, size_t capacity);
// Padded, in lines of 64: the body of a "-----BEGIN …-----" object.
int base64_encode_lines(const void *bytes, size_t length, char *out, size_t capacity);
// With or without padding; skips spaces, tabs and line ends, as C tor does. Bits that do not make
// up a byte must be zero.
int base64_decode(const char *text, size_t text_length, void *out, size_t capacity);

// Lower case, without padding, as in onion addresses and the keys of their visitors.
int base32_encode(const void *bytes, size_t length, char *out, size_t capacity);
// Either case, without padding. Bits that do not make up a byte are ignored, as C tor does.
int base32_decode(const char *text, size_t text_length, void *out, size_t capacity);
