// SPDX-License-Identifier: BSD-3-Clause
// Makes and takes apart descriptors for tests.
#include "layered.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/ed_cert.h"
#include "crypto/encoding.h"
#include "dir/publish/document.h"
#include "onion/descriptor/hs_descriptor.h"
#include "onion/descriptor/onion_descriptor_text.h"

enum { AROUND = 16384 };

struct layered layered_service(void)
{
    struct layered l = {.revision = 42};
    uint8_t seed[32] = {'b'};
    ed25519_from_seed(seed, &l.blinded);
    seed[0] = 's';
    ed25519_from_seed(seed, &l.signing);
    memset(l.subcredential, 0x5c, sizeof(l.subcredential));
    return l;
}

struct descriptor_keys layered_keys(const struct layered *l, const uint8_t (*clients)[32],
                                    unsigned n_clients)
{
    struct descriptor_keys keys = {
        .blinded = &l->blinded, .signing = &l->signing, .clients = clients, .n_clients = n_clients};
    memcpy(keys.blinded_public, l->blinded.public_key, 32);
    memcpy(keys.subcredential, l->subcredential, 32);
    return keys;
}

static struct onion_intro_point point_of(unsigned n)
{
    static const uint8_t ipv4[] = {0, 6, 192, 0, 2, 7, 0x23, 0x29}, rsa[] = {2, 20}, ed[] = {3, 32};
    struct onion_intro_point p = {.specifiers_length = 0};
    uint8_t seed[32] = {'p', (uint8_t)n};
    struct ed25519_key auth;
    struct curve25519_key enc;
    struct writer w = writer_of(p.specifiers, sizeof(p.specifiers));
    write_u8(&w, 3);
    write_bytes(&w, ipv4, sizeof(ipv4));
    write_bytes(&w, rsa, sizeof(rsa));
    memset(write_room(&w, 20), (int)n + 1, 20);
    write_bytes(&w, ed, sizeof(ed));
    memset(write_room(&w, 32), (int)n + 101, 32);
    p.specifiers_length = (uint16_t)writer_length(&w);
    ed25519_from_seed(seed, &auth);
    memcpy(p.auth_key, auth.public_key, 32);
    curve25519_from_secret(seed, &enc);
    memcpy(p.enc_key, enc.public_key, 32);
    seed[2] = 1;
    curve25519_from_secret(seed, &enc);
    memcpy(p.onion_key, enc.public_key, 32);
    return p;
}

struct onion_descriptor layered_descriptor(const struct layered *l, unsigned n_intro_points)
{
    struct onion_descriptor d = {.revision = l->revision, .lifetime_min = DESCRIPTOR_LIFETIME_MIN};
    d.n_intro_points = n_intro_points;
    for (unsigned i = 0; i < n_intro_points && i < INTRO_POINTS_MAX; i++)
        d.intro_points[i] = point_of(i);
    return d;
}

static uint8_t *room(size_t length)
{
    uint8_t *bytes = malloc(length);
    if (!bytes)
        abort();
    return bytes;
}

static struct descriptor_secret secret_of(const struct layered *l)
{
    return (struct descriptor_secret){.blinded_key = l->blinded.public_key,
                                      .subcredential = l->subcredential,
                                      .revision = l->revision};
}

static uint8_t *sealed(const struct layered *l, enum descriptor_layer layer, const void *text,
                       size_t length)
{
    struct descriptor_secret secret = secret_of(l);
    uint8_t *out = room(length + DESCRIPTOR_LAYER_OVERHEAD);
    if (descriptor_layer_seal(&secret, layer, text, length, out) < 0)
        abort();
    return out;
}

static uint8_t *wrap_middle(const struct layered *l, const char *text, size_t text_length,
                            size_t *length)
{
    static const char prefix[] = HS_DESCRIPTOR_SIGNATURE_PREFIX;
    uint8_t cert[ED_CERT_EMBEDDED_LEN], signature[64];
    size_t size = 2 * text_length + AROUND;
    uint8_t *bytes = room(size);
    uint8_t *outer = sealed(l, DESCRIPTOR_LAYER_OUTER, text, text_length);
    char base64[BASE64_TEXT_SIZE(64)];
    struct writer w = writer_of(bytes, size);
    if (ed_cert_encode(ED_CERT_HS_DESC_SIGNING, ED_CERT_KEY_ED25519, l->signing.public_key,
                       ed_cert_hours(LAYERED_NOW_S + 3600), &l->blinded, true, cert,
                       sizeof(cert)) < 0)
        abort();
    write_bytes(&w, prefix, sizeof(prefix) - 1);
    document_add(&w, "hs-descriptor 3\ndescriptor-lifetime 180\ndescriptor-signing-key-cert\n");
    document_add_object(&w, "ED25519 CERT", cert, sizeof(cert));
    document_add(&w, "revision-counter %u\nsuperencrypted\n", (unsigned)l->revision);
    document_add_object(&w, "MESSAGE", outer, text_length + DESCRIPTOR_LAYER_OVERHEAD);
    ed25519_sign(&l->signing, bytes, writer_length(&w), signature);
    if (base64_encode(signature, sizeof(signature), false, base64, sizeof(base64)) < 0)
        abort();
    document_add(&w, "signature %s\n", base64);
    if (w.failed)
        abort();
    *length = writer_length(&w) - (sizeof(prefix) - 1);
    memmove(bytes, bytes + sizeof(prefix) - 1, *length);
    free(outer);
    return bytes;
}

uint8_t *layered_wrap(const struct layered *l, enum descriptor_layer which, const char *text,
                      size_t text_length, size_t *length)
{
    if (which == DESCRIPTOR_LAYER_OUTER)
        return wrap_middle(l, text, text_length, length);
    struct descriptor_keys keys = layered_keys(l, NULL, 0);
    uint8_t *inner = sealed(l, DESCRIPTOR_LAYER_INNER, text, text_length), *middle;
    size_t size = 2 * text_length + AROUND;
    uint8_t cookie[DESCRIPTOR_COOKIE_LEN] = {0};
    middle = room(size);
    struct writer w = writer_of(middle, size);
    descriptor_middle_write(&w, &keys, cookie, inner, text_length + DESCRIPTOR_LAYER_OVERHEAD);
    if (w.failed)
        abort();
    uint8_t *out = wrap_middle(l, (const char *)middle, writer_length(&w), length);
    free(inner);
    free(middle);
    return out;
}

static char *opened(const struct layered *l, enum descriptor_layer layer, struct text base64,
                    const uint8_t *cookie, size_t *length)
{
    struct descriptor_secret secret = secret_of(l);
    uint8_t *bytes = room(base64.length + 1), *out = room(base64.length + 1);
    secret.cookie = cookie;
    int n = base64_decode(base64.at, base64.length, bytes, base64.length);
    if (n < 0 || descriptor_layer_open(&secret, layer, bytes, (size_t)n, out) < 0)
        abort();
    free(bytes);
    *length = (size_t)n - DESCRIPTOR_LAYER_OVERHEAD;
    out[*length] = '\0';
    return (char *)out;
}

char *layered_unwrap(const struct layered *l, enum descriptor_layer which, const uint8_t *text,
                     size_t text_length, const uint8_t *cookie, size_t *length)
{
    static const char begin[] = "-----BEGIN MESSAGE-----\n", end[] = "-----END MESSAGE-----";
    struct hs_descriptor outer;
    if (hs_descriptor_parse(text, text_length, &outer) < 0)
        abort();
    char *middle = opened(l, DESCRIPTOR_LAYER_OUTER, outer.superencrypted, NULL, length);
    if (which == DESCRIPTOR_LAYER_OUTER)
        return middle;
    const char *from = strstr(middle, begin), *to = strstr(middle, end);
    if (!from || !to)
        abort();
    from += sizeof(begin) - 1;
    struct text base64 = {from, (size_t)(to - from)};
    char *inner = opened(l, DESCRIPTOR_LAYER_INNER, base64, cookie, length);
    free(middle);
    return inner;
}
