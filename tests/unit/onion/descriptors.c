// SPDX-License-Identifier: BSD-3-Clause
// Writes descriptors of onion services.
#include "descriptors.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/ed_cert.h"
#include "crypto/encoding.h"

enum {
    AROUND = 900,       // bytes besides the encrypted part's base64
    ENCRYPTED_MIN = 49, // salt, MAC and a byte
};

struct sample sample_of(unsigned n, uint64_t now_s)
{
    uint8_t seed[32] = {'o', (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16)};
    struct sample s = {.revision = 1,
                       .lifetime_min = 180,
                       .expires_hours = ed_cert_hours(now_s + 3600),
                       .cert_type = ED_CERT_HS_DESC_SIGNING};
    ed25519_from_seed(seed, &s.blinded);
    seed[31] = 1;
    ed25519_from_seed(seed, &s.signing);
    return s;
}

static void add(char *text, size_t capacity, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void add(char *text, size_t capacity, const char *format, ...)
{
    va_list arguments;
    size_t used = strlen(text);
    va_start(arguments, format);
    if ((size_t)vsnprintf(text + used, capacity - used, format, arguments) >= capacity - used)
        abort();
    va_end(arguments);
}

static void add_object(char *text, size_t capacity, const char *label, const uint8_t *bytes,
                       size_t length)
{
    add(text, capacity, "-----BEGIN %s-----\n", label);
    size_t used = strlen(text);
    if (base64_encode_lines(bytes, length, text + used, capacity - used) < 0)
        abort();
    add(text, capacity, "-----END %s-----\n", label);
}

static void add_cert(char *text, size_t capacity, const struct sample *s)
{
    uint8_t cert[ED_CERT_EMBEDDED_LEN];
    int n = ed_cert_encode(s->cert_type, ED_CERT_KEY_ED25519, s->signing.public_key,
                           s->expires_hours, &s->blinded, !s->no_embedded_key, cert, sizeof(cert));
    if (n < 0)
        abort();
    if (s->certified_by_other)
        ed25519_sign(&s->signing, cert, (size_t)n - 64, cert + n - 64);
    add_object(text, capacity, "ED25519 CERT", cert, (size_t)n);
}

static void add_signature(char *text, size_t capacity, const struct sample *s)
{
    const char *prefix = s->signed_under ? s->signed_under : "Tor onion service descriptor sig v3";
    size_t length = strlen(text), prefix_length = strlen(prefix);
    uint8_t signature[64], *message = malloc(prefix_length + length);
    char base64[BASE64_TEXT_SIZE(64)];
    if (!message)
        abort();
    memcpy(message, prefix, prefix_length);
    memcpy(message + prefix_length, text, length);
    ed25519_sign(&s->signing, message, prefix_length + length, signature);
    base64_encode(signature, sizeof(signature), false, base64, sizeof(base64));
    free(message);
    add(text, capacity, "signature %s\n", base64);
}

char *sample_write(const struct sample *s, size_t *length)
{
    size_t encrypted = s->size > AROUND + 200 ? (s->size - AROUND) / 65 * 48 : ENCRYPTED_MIN;
    size_t capacity = s->size + 4096;
    char *text = malloc(capacity);
    uint8_t *bytes = calloc(1, encrypted);
    if (!text || !bytes)
        abort();
    // As random as what is encrypted, and quickly made.
    uint64_t state = s->revision * 0x9e3779b97f4a7c15 + s->blinded.public_key[0] + 1;
    for (size_t i = 0; i < encrypted; i++) {
        state = state * 6364136223846793005 + 1442695040888963407;
        bytes[i] = (uint8_t)(state >> 56);
    }
    text[0] = '\0';
    add(text, capacity, "%s", s->first ? s->first : "hs-descriptor 3\n");
    add(text, capacity, "descriptor-lifetime %u\ndescriptor-signing-key-cert\n", s->lifetime_min);
    add_cert(text, capacity, s);
    add(text, capacity, "revision-counter %" PRIu64 "\nsuperencrypted\n", s->revision);
    add_object(text, capacity, "MESSAGE", bytes, encrypted);
    add(text, capacity, "%s", s->before_end ? s->before_end : "");
    add_signature(text, capacity, s);
    add(text, capacity, "%s", s->after_end ? s->after_end : "");
    free(bytes);
    *length = strlen(text);
    return text;
}
