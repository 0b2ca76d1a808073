// SPDX-License-Identifier: BSD-3-Clause
// One introduction point in the inner text of a descriptor (protocol 8.21; rend-spec-v3 2.5.2.2).
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "crypto/ed_cert.h"
#include "crypto/encoding.h"
#include "dir/publish/document.h"
#include "onion/descriptor/onion_descriptor_text.h"

// ---- writing

static void write_key(struct writer *w, const char *keyword, const uint8_t key[32])
{
    char text[BASE64_TEXT_SIZE(32)];
    if (base64_encode(key, 32, true, text, sizeof(text)) < 0)
        w->failed = true;
    document_add(w, "%s ntor %s\n", keyword, text);
}

static void write_cert(struct writer *w, const char *keyword, enum ed_cert_type type,
                       const uint8_t key[32], const struct ed25519_key *signing,
                       uint32_t expires_hours)
{
    uint8_t cert[ED_CERT_EMBEDDED_LEN];
    if (ed_cert_encode((uint8_t)type, ED_CERT_KEY_ED25519, key, expires_hours, signing, true, cert,
                       sizeof(cert)) != sizeof(cert))
        w->failed = true;
    document_add(w, "%s\n", keyword);
    document_add_object(w, "ED25519 CERT", cert, sizeof(cert));
}

void descriptor_intro_point_write(struct writer *w, const struct onion_intro_point *point,
                                  const struct ed25519_key *signing, uint32_t expires_hours)
{
    char specifiers[BASE64_TEXT_SIZE(LINK_SPECIFIERS_MAX)];
    uint8_t enc_key_ed[32];
    if (point->specifiers_length == 0 || point->specifiers_length > LINK_SPECIFIERS_MAX ||
        base64_encode(point->specifiers, point->specifiers_length, true, specifiers,
                      sizeof(specifiers)) < 0 ||
        ed25519_public_from_curve25519(point->enc_key, 0, enc_key_ed) < 0) {
        w->failed = true;
        return;
    }
    document_add(w, "introduction-point %s\n", specifiers);
    write_key(w, "onion-key", point->onion_key);
    write_cert(w, "auth-key", ED_CERT_HS_INTRO_AUTH, point->auth_key, signing, expires_hours);
    write_key(w, "enc-key", point->enc_key);
    write_cert(w, "enc-key-cert", ED_CERT_HS_INTRO_ENC, enc_key_ed, signing, expires_hours);
}

// ---- reading

enum item {
    ITEM_POINT = 1,
    ITEM_ONION_KEY = 2,
    ITEM_AUTH_KEY = 4,
    ITEM_ENC_KEY = 8,
    ITEM_ENC_KEY_CERT = 16,
    ITEMS = 31,
};

struct reading {
    const uint8_t *signing;
    uint64_t now_s;
    struct onion_intro_point *out;
};

static int read_point(const struct token *t, struct reading *r)
{
    struct text argument[2];
    if (token_arguments(t, argument, 2) != 1)
        return -EINVAL;
    int n = base64_decode(argument[0].at, argument[0].length, r->out->specifiers,
                          sizeof(r->out->specifiers));
    if (n <= 1 || link_specifiers_length(r->out->specifiers, (size_t)n) != (size_t)n)
        return -EINVAL;
    r->out->specifiers_length = (uint16_t)n;
    return 0;
}

// 0 and `*known` false: a key of a kind that is not ours.
static int read_key(const struct token *t, uint8_t out[32], bool *known)
{
    struct text argument[2];
    if (token_arguments(t, argument, 2) != 2)
        return -EINVAL;
    *known = text_is(argument[0], "ntor");
    if (!*known)
        return 0;
    return text_base64(argument[1], out, 32) == 0 && !sodium_is_zero(out, 32) ? 0 : -EINVAL;
}

static int read_cert(const struct token *t, enum ed_cert_type type, const struct reading *r,
                     uint8_t key[32])
{
    uint8_t bytes[ED_CERT_EMBEDDED_LEN + 64]; // there is room for an extension
    struct ed_cert cert;
    int n = token_object(t, "ED25519 CERT", bytes, sizeof(bytes));
    if (n < 0 || ed_cert_parse(bytes, (size_t)n, &cert) < 0 || cert.type != type ||
        !cert.has_signing_key || sodium_is_zero(cert.key, sizeof(cert.key)) ||
        ed_cert_check(&cert, r->signing, r->now_s) < 0)
        return -EINVAL;
    memcpy(key, cert.key, 32);
    return 0;
}

static enum item item_of(const struct token *t)
{
    static const struct {
        const char *keyword;
        enum item item;
    } items[] = {{"introduction-point", ITEM_POINT},
                 {"onion-key", ITEM_ONION_KEY},
                 {"auth-key", ITEM_AUTH_KEY},
                 {"enc-key", ITEM_ENC_KEY},
                 {"enc-key-cert", ITEM_ENC_KEY_CERT}};
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++)
        if (text_is(t->keyword, items[i].keyword))
            return items[i].item;
    return 0;
}

// Of onion keys there may be some of other kinds. What the certificate of the encryption key says
// of that key is not compared: C tor does not, and a front end that signs its backends' points
// anew (onionbalance) writes what stem makes of it.
static int read_item(const struct token *t, unsigned *seen, struct reading *r)
{
    uint8_t certified[32];
    bool known = true;
    enum item item = item_of(t);
    if ((item == ITEM_POINT) != (*seen == 0) || (item != ITEM_ONION_KEY && *seen & item))
        return -EINVAL;
    int error = 0;
    switch (item) {
    case ITEM_POINT:
        error = t->label.length > 0 ? -EINVAL : read_point(t, r);
        break;
    case ITEM_ONION_KEY:
        error = read_key(t, r->out->onion_key, &known);
        break;
    case ITEM_AUTH_KEY:
        error = t->arguments.length > 0 ? -EINVAL
                                        : read_cert(t, ED_CERT_HS_INTRO_AUTH, r, r->out->auth_key);
        break;
    case ITEM_ENC_KEY:
        error = read_key(t, r->out->enc_key, &known);
        break;
    case ITEM_ENC_KEY_CERT:
        error = read_cert(t, ED_CERT_HS_INTRO_ENC, r, certified);
        break;
    default:
        break; // what an old introduction point needs, and what is to come
    }
    if (known)
        *seen |= item;
    return error;
}

int descriptor_intro_point_read(struct text text, const uint8_t signing[32], uint64_t now_s,
                                struct onion_intro_point *out)
{
    struct reading reading = {.signing = signing, .now_s = now_s, .out = out};
    struct reader r = reader_of(text.at, text.length);
    struct token t;
    unsigned seen = 0;
    int more;
    *out = (struct onion_intro_point){.specifiers_length = 0};
    while ((more = token_next(&r, &t)) > 0)
        if (read_item(&t, &seen, &reading) < 0)
            return -EINVAL;
    return more == 0 && seen == ITEMS ? 0 : -EINVAL;
}
