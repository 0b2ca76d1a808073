// SPDX-License-Identifier: BSD-3-Clause
// Makes a descriptor from the inside out.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/ed_cert.h"
#include "crypto/encoding.h"
#include "crypto/random.h"
#include "dir/publish/document.h"
#include "onion/descriptor/hs_descriptor.h"
#include "onion/descriptor/onion_descriptor_text.h"

enum { OUTER_AROUND = 1024 };

// What grows while a descriptor is made.
struct bytes {
    uint8_t *at; // malloc'd
    size_t length;
};

static void bytes_free(struct bytes *b)
{
    if (b->at)
        explicit_bzero(b->at, b->length);
    free(b->at);
    *b = (struct bytes){NULL, 0};
}

// Replaces a text by what it is when sealed.
static bool seal(const struct descriptor_secret *secret, enum descriptor_layer layer,
                 struct bytes *text)
{
    size_t length = text->length + DESCRIPTOR_LAYER_OVERHEAD;
    uint8_t *sealed = malloc(length);
    bool good = sealed && descriptor_layer_seal(secret, layer, text->at, text->length, sealed) == 0;
    bytes_free(text);
    if (!good)
        free(sealed);
    else
        *text = (struct bytes){sealed, length};
    return good;
}

static bool make_inner(const struct onion_descriptor *d, const struct descriptor_keys *keys,
                       const uint8_t *cookie, uint64_t now_s, struct bytes *out)
{
    const struct descriptor_secret secret = {.blinded_key = keys->blinded_public,
                                             .cookie = keys->n_clients > 0 ? cookie : NULL,
                                             .subcredential = keys->subcredential,
                                             .revision = d->revision};
    size_t size = descriptor_inner_size(d->n_intro_points);
    *out = (struct bytes){malloc(size), 0};
    if (!out->at)
        return false;
    struct writer w = writer_of(out->at, size);
    descriptor_inner_write(&w, d, keys->signing, now_s);
    out->length = writer_length(&w);
    return !w.failed && seal(&secret, DESCRIPTOR_LAYER_INNER, out);
}

// Padded, so that neither the number of clients nor that of introduction points shows.
static bool make_middle(const struct onion_descriptor *d, const struct descriptor_keys *keys,
                        const uint8_t *cookie, const struct bytes *inner, struct bytes *out)
{
    const struct descriptor_secret secret = {.blinded_key = keys->blinded_public,
                                             .subcredential = keys->subcredential,
                                             .revision = d->revision};
    size_t size = descriptor_middle_size(keys->n_clients, inner->length) + DESCRIPTOR_PADDING;
    *out = (struct bytes){malloc(size), 0};
    if (!out->at)
        return false;
    struct writer w = writer_of(out->at, size);
    descriptor_middle_write(&w, keys, cookie, inner->at, inner->length);
    size_t over = writer_length(&w) % DESCRIPTOR_PADDING;
    if (over > 0)
        write_zeros(&w, DESCRIPTOR_PADDING - over);
    out->length = writer_length(&w);
    return !w.failed && seal(&secret, DESCRIPTOR_LAYER_OUTER, out);
}

static bool make_layers(const struct onion_descriptor *d, const struct descriptor_keys *keys,
                        uint64_t now_s, struct bytes *out)
{
    uint8_t cookie[DESCRIPTOR_COOKIE_LEN];
    struct bytes inner = {NULL, 0};
    random_bytes(cookie, sizeof(cookie));
    bool good =
        make_inner(d, keys, cookie, now_s, &inner) && make_middle(d, keys, cookie, &inner, out);
    explicit_bzero(cookie, sizeof(cookie));
    bytes_free(&inner);
    return good;
}

static void write_cert(struct writer *w, const struct descriptor_keys *keys, uint64_t now_s)
{
    uint8_t cert[ED_CERT_EMBEDDED_LEN];
    document_add(w, "descriptor-signing-key-cert\n");
    if (!keys->blinded) {
        document_add_object(w, "ED25519 CERT", keys->signing_cert, keys->signing_cert_length);
        return;
    }
    if (ed_cert_encode(ED_CERT_HS_DESC_SIGNING, ED_CERT_KEY_ED25519, keys->signing->public_key,
                       ed_cert_hours(now_s + DESCRIPTOR_CERT_LIFETIME_S), keys->blinded, true, cert,
                       sizeof(cert)) != sizeof(cert))
        w->failed = true;
    document_add_object(w, "ED25519 CERT", cert, sizeof(cert));
}

// `start` is the whole buffer, with the signature's prefix before the text.
static void write_signature(struct writer *w, const uint8_t *start, const struct ed25519_key *key)
{
    uint8_t signature[64];
    char text[BASE64_TEXT_SIZE(sizeof(signature))];
    if (w->failed)
        return;
    ed25519_sign(key, start, (size_t)(w->at - start), signature);
    if (base64_encode(signature, sizeof(signature), false, text, sizeof(text)) < 0)
        w->failed = true;
    document_add(w, "signature %s\n", text);
}

struct blob *onion_descriptor_make(const struct onion_descriptor *d,
                                   const struct descriptor_keys *keys, uint64_t now_s)
{
    static const char prefix[] = HS_DESCRIPTOR_SIGNATURE_PREFIX;
    struct bytes layers = {NULL, 0}, text = {NULL, 0};
    struct blob *made = NULL;
    if (d->n_intro_points > INTRO_POINTS_MAX || !make_layers(d, keys, now_s, &layers))
        goto out;
    text.length = OUTER_AROUND + BASE64_LINES_SIZE(layers.length);
    text.at = malloc(text.length);
    if (!text.at)
        goto out;
    struct writer w = writer_of(text.at, text.length);
    write_bytes(&w, prefix, sizeof(prefix) - 1);
    document_add(&w, "hs-descriptor 3\ndescriptor-lifetime %u\n", d->lifetime_min);
    write_cert(&w, keys, now_s);
    document_add(&w, "revision-counter %" PRIu64 "\nsuperencrypted\n", d->revision);
    document_add_object(&w, "MESSAGE", layers.at, layers.length);
    write_signature(&w, text.at, keys->signing);
    if (!w.failed)
        made = blob_create(text.at + sizeof(prefix) - 1, writer_length(&w) - (sizeof(prefix) - 1));
out:
    bytes_free(&layers);
    bytes_free(&text);
    return made;
}
