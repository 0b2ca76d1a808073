// SPDX-License-Identifier: BSD-3-Clause
// Hexadecimal and base64, over libsodium's coders with our bounds and padding rules.
#include "crypto/encoding.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <string.h>

enum { LINE_BYTES = 48, LINE_CHARS = 64 };

int hex_encode(const void *bytes, size_t length, char *out, size_t capacity)
{
    static const char digits[] = "0123456789ABCDEF";
    const uint8_t *in = bytes;

    if (length > INT_MAX / 2 - 1 || capacity < HEX_TEXT_SIZE(length))
        return -EMSGSIZE;
    for (size_t i = 0; i < length; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[2 * length] = '\0';
    return (int)(2 * length);
}

int hex_decode(const char *text, size_t text_length, void *out, size_t capacity)
{
    size_t length;

    if (text_length % 2 != 0)
        return -EINVAL;
    if (text_length > INT_MAX || capacity < text_length / 2)
        return -EMSGSIZE;
    if (sodium_hex2bin(out, capacity, text, text_length, NULL, &length, NULL) != 0 ||
        length != text_length / 2)
        return -EINVAL;
    return (int)length;
}

int base64_encode(const void *bytes, size_t length, bool padding, char *out, size_t capacity)
{
    int variant =
        padding ? sodium_base64_VARIANT_ORIGINAL : sodium_base64_VARIANT_ORIGINAL_NO_PADDING;

    // libsodium ends the process when its buffer is too small.
    if (length > INT_MAX / 2 || capacity < sodium_base64_encoded_len(length, variant))
        return -EMSGSIZE;
    sodium_bin2base64(out, capacity, bytes, length, variant);
    return (int)strlen(out);
}

int base64_encode_lines(const void *bytes, size_t length, char *out, size_t capacity)
{
    const uint8_t *in = bytes;
    size_t at = 0;

    if (length > INT_MAX / 2 || capacity < BASE64_LINES_SIZE(length))
        return -EMSGSIZE;
    out[0] = '\0';
    for (size_t done = 0; done < length; done += LINE_BYTES) {
        size_t part = length - done < LINE_BYTES ? length - done : LINE_BYTES;
        int n = base64_encode(in + done, part, true, out + at, capacity - at);
        if (n < 0)
            return n;
        at += (size_t)n;
        out[at++] = '\n';
        out[at] = '\0';
    }
    return (int)at;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int base64_decode(const char *text, size_t text_length, void *out, size_t capacity)
{
    size_t length = 0, padding = 0;
    const char *end = NULL;

    if (text_length > INT_MAX)
        return -EMSGSIZE;
    // libsodium would skip a NUL among the characters to be ignored.
    if (text_length > 0 && memchr(text, '\0', text_length) != NULL)
        return -EINVAL;
    while (text_length > 0) {
        char last = text[text_length - 1];
        if (last == '=')
            padding++;
        else if (!is_space(last))
            break;
        text_length--;
    }
    if (text_length == 0)
        return padding == 0 ? 0 : -EINVAL;

    errno = 0;
    if (sodium_base642bin(out, capacity, text, text_length, " \t\r\n", &length, &end,
                          sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0)
        return errno == ERANGE ? -EMSGSIZE : -EINVAL;
    if (end != text + text_length)
        return -EINVAL;
    if (padding != 0 && padding != (3 - length % 3) % 3)
        return -EINVAL;
    return (int)length;
}

int base32_encode(const void *bytes, size_t length, char *out, size_t capacity)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    const uint8_t *in = bytes;
    unsigned held = 0, bits = 0;
    size_t n = 0;

    if (length > INT_MAX / 2 || capacity < BASE32_TEXT_SIZE(length))
        return -EMSGSIZE;
    for (size_t i = 0; i < length; i++) {
        held = (held << 8 | in[i]) & 0xfff;
        for (bits += 8; bits >= 5; bits -= 5)
            out[n++] = alphabet[held >> (bits - 5) & 31];
    }
    if (bits > 0)
        out[n++] = alphabet[held << (5 - bits) & 31];
    out[n] = '\0';
    return (int)n;
}

static unsigned base32_value(char c)
{
    if (c >= 'a' && c <= 'z')
        return (unsigned)(c - 'a');
    if (c >= 'A' && c <= 'Z')
        return (unsigned)(c - 'A');
    return c >= '2' && c <= '7' ? (unsigned)(c - '2' + 26) : 32;
}

int base32_decode(const char *text, size_t text_length, void *out, size_t capacity)
{
    uint8_t *bytes = out;
    unsigned held = 0, bits = 0;
    size_t n = 0;

    if (text_length > INT_MAX || text_length * 5 / 8 > capacity)
        return -EMSGSIZE;
    for (size_t i = 0; i < text_length; i++) {
        unsigned value = base32_value(text[i]);
        if (value > 31)
            return -EINVAL;
        held = (held << 5 | value) & 0xfff;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            bytes[n++] = (uint8_t)(held >> bits);
        }
    }
    return (int)n;
}
