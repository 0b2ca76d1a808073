// SPDX-License-Identifier: BSD-3-Clause
// Reads and writes the lines of client authorisation.
#include "onion/key/authorization_file.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "crypto/encoding.h"

enum { KEY_TEXT_LEN = 52 };

// The next part, up to a colon. False: nothing is left.
static bool take_part(struct text *rest, struct text *part)
{
    if (!rest->at)
        return false;
    const char *colon = rest->length > 0 ? memchr(rest->at, ':', rest->length) : NULL;
    size_t length = colon ? (size_t)(colon - rest->at) : rest->length;
    *part = (struct text){rest->at, length};
    *rest = colon ? (struct text){colon + 1, rest->length - length - 1} : (struct text){NULL, 0};
    while (part->length > 0 && strchr(" \t\r\n\v\f", part->at[0]) && part->at[0] != '\0')
        *part = (struct text){part->at + 1, part->length - 1};
    while (part->length > 0 && part->at[part->length - 1] != '\0' &&
           strchr(" \t\r\n\v\f", part->at[part->length - 1]))
        part->length--;
    return true;
}

static const char *read_key(struct text *rest, uint8_t key[32])
{
    struct text kind, type, text;
    if (!take_part(rest, &kind) || !take_part(rest, &type) || !take_part(rest, &text) || rest->at)
        return "not the right number of parts between colons";
    if (!text_is(kind, "descriptor"))
        return "another kind than \"descriptor\"";
    if (!text_is(type, "x25519"))
        return "another type of key than \"x25519\"";
    if (text.length != KEY_TEXT_LEN || base32_decode(text.at, text.length, key, 32) != 32)
        return "a key that is not 52 characters of base32";
    if (sodium_is_zero(key, 32))
        return "a key that is zero";
    return NULL;
}

const char *authorization_read_public(struct text file, uint8_t public_key[32])
{
    return read_key(&file, public_key);
}

const char *authorization_read_secret(struct text file, uint8_t identity[ONION_KEY_LEN],
                                      uint8_t secret[32])
{
    struct text label;
    char name[ONION_ADDRESS_LEN + 1];
    if (!take_part(&file, &label))
        return "nothing";
    if (label.length == ONION_ADDRESS_LEN && memcmp(label.at + ONION_LABEL_LEN, ".onion", 6) == 0)
        label.length = ONION_LABEL_LEN; // C tor cuts it off, too
    if (label.length != ONION_LABEL_LEN || memchr(label.at, '.', label.length))
        return "an address that does not have 56 characters";
    snprintf(name, sizeof(name), "%.*s.onion", (int)label.length, label.at);
    enum onion_address_fault fault = onion_address_parse(name, identity);
    if (fault != ONION_ADDRESS_GOOD)
        return onion_address_fault_text(fault);
    const char *wrong = read_key(&file, secret);
    if (wrong)
        explicit_bzero(secret, 32);
    return wrong;
}

static void write_key(const uint8_t key[32], const char *before, char out[AUTHORIZATION_LINE_MAX])
{
    char text[KEY_TEXT_LEN + 1];
    if (base32_encode(key, 32, text, sizeof(text)) < 0)
        text[0] = '\0';
    snprintf(out, AUTHORIZATION_LINE_MAX, "%sdescriptor:x25519:%s", before, text);
    explicit_bzero(text, sizeof(text));
}

void authorization_write_public(const uint8_t public_key[32], char out[AUTHORIZATION_LINE_MAX])
{
    write_key(public_key, "", out);
}

void authorization_write_secret(const uint8_t identity[ONION_KEY_LEN], const uint8_t secret[32],
                                char out[AUTHORIZATION_LINE_MAX])
{
    char name[ONION_ADDRESS_LEN + 1];
    onion_address_format(identity, name);
    memcpy(name + ONION_LABEL_LEN, ":", 2);
    write_key(secret, name, out);
}
