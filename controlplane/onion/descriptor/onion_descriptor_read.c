// SPDX-License-Identifier: BSD-3-Clause
// Reads a descriptor from the outside in.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/ed_cert.h"
#include "crypto/encoding.h"
#include "onion/descriptor/hs_descriptor.h"
#include "onion/descriptor/onion_descriptor_text.h"

// What a layer held.
struct opened {
    char *at; // malloc'd
    size_t length;
};

static void opened_free(struct opened *o)
{
    if (o->at)
        explicit_bzero(o->at, o->length);
    free(o->at);
}

// Up to its padding, and with a newline at its end. 0, or -EINVAL (no layer), -EBADMSG (other
// keys), -ENOMEM.
static int open_layer(const struct descriptor_secret *secret, enum descriptor_layer layer,
                      struct text base64, struct opened *out)
{
    size_t room = base64.length / 4 * 3 + 3;
    uint8_t *sealed = malloc(room), *plain = malloc(room);
    int error = sealed && plain ? 0 : -ENOMEM;
    int length = error < 0 ? 0 : base64_decode(base64.at, base64.length, sealed, room);
    if (error == 0)
        error = length < 0 ? -EINVAL
                           : descriptor_layer_open(secret, layer, sealed, (size_t)length, plain);
    free(sealed);
    *out = (struct opened){error < 0 ? NULL : (char *)plain, 0};
    if (error < 0) {
        free(plain);
        return error;
    }
    out->length = strnlen(out->at, (size_t)length - DESCRIPTOR_LAYER_OVERHEAD);
    bool empty = out->length == 0;
    out->at[out->length++] = '\n'; // there is room: a salt's and a MAC's
    return empty ? -EINVAL : 0;
}

static struct text text_of(const struct opened *o)
{
    return (struct text){o->at, o->length};
}

static enum descriptor_result result_of(int error)
{
    if (error == 0)
        return DESCRIPTOR_GOOD;
    return error == -ENOMEM ? DESCRIPTOR_NO_MEMORY : DESCRIPTOR_MALFORMED;
}

static int open_outer(const uint8_t *text, size_t length, const uint8_t blinded_key[32],
                      uint64_t now_s, struct hs_descriptor *outer)
{
    int error = hs_descriptor_parse(text, length, outer);
    if (error == 0 && memcmp(outer->blinded_key, blinded_key, 32) != 0)
        error = -EINVAL; // good perhaps, but not what was asked for
    return error < 0 ? error : hs_descriptor_verify(outer, now_s);
}

static enum descriptor_result read_inner(const struct hs_descriptor *outer,
                                         const struct descriptor_secret *secret,
                                         struct text encrypted, bool has_client, uint64_t now_s,
                                         struct onion_descriptor *out)
{
    struct opened inner;
    struct ed_cert cert;
    int error = open_layer(secret, DESCRIPTOR_LAYER_INNER, encrypted, &inner);
    if (error == 0)
        error = ed_cert_parse(outer->cert_bytes, outer->cert_length, &cert);
    if (error == 0) {
        out->cert_expires_s = (uint64_t)cert.expires_hours * 3600;
        error = descriptor_inner_read(text_of(&inner), cert.key, now_s, out);
    }
    opened_free(&inner);
    if (error == -EBADMSG)
        return has_client ? DESCRIPTOR_BAD_AUTH : DESCRIPTOR_NEEDS_AUTH;
    return result_of(error);
}

// The middle layer, and what is in it.
static enum descriptor_result read_layers(const struct hs_descriptor *outer,
                                          struct descriptor_secret *secret,
                                          const uint8_t *client_secret, uint64_t now_s,
                                          struct onion_descriptor *out)
{
    struct opened text;
    struct descriptor_middle middle;
    int error = open_layer(secret, DESCRIPTOR_LAYER_OUTER, outer->superencrypted, &text);
    if (error == 0)
        error =
            descriptor_middle_read(text_of(&text), secret->subcredential, client_secret, &middle);
    enum descriptor_result result = result_of(error);
    if (error == 0) {
        if (middle.has_cookie)
            secret->cookie = middle.cookie;
        result = read_inner(outer, secret, middle.encrypted, client_secret != NULL, now_s, out);
        secret->cookie = NULL;
        explicit_bzero(&middle, sizeof(middle));
    }
    opened_free(&text);
    return result;
}

enum descriptor_result onion_descriptor_read(const uint8_t *text, size_t length,
                                             const uint8_t blinded_key[32],
                                             const uint8_t subcredential[32],
                                             const uint8_t *client_secret, uint64_t now_s,
                                             struct onion_descriptor *out)
{
    struct hs_descriptor outer;
    *out = (struct onion_descriptor){.revision = 0};
    int error = open_outer(text, length, blinded_key, now_s, &outer);
    if (error < 0)
        return result_of(error);
    struct descriptor_secret secret = {
        .blinded_key = blinded_key, .subcredential = subcredential, .revision = outer.revision};
    enum descriptor_result result = read_layers(&outer, &secret, client_secret, now_s, out);
    if (result != DESCRIPTOR_GOOD) {
        *out = (struct onion_descriptor){.revision = 0};
        return result;
    }
    memcpy(out->blinded_key, outer.blinded_key, sizeof(out->blinded_key));
    out->revision = outer.revision;
    out->lifetime_min = outer.lifetime_min;
    return DESCRIPTOR_GOOD;
}
