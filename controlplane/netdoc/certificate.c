// SPDX-License-Identifier: BSD-3-Clause
// Directory authorities' key certificates.
#include "netdoc/certificate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"
#include "crypto/rsa.h"
#include "netdoc/tokens.h"

#define FIRST "dir-key-certificate-version"
#define LAST "dir-key-certification"

// One that is being read.
struct parts {
    struct certificate *out;
    uint8_t fingerprint[20];
    struct rsa_key *identity_key, *signing_key;
    uint8_t crosscert[RSA_SIG_MAX], certification[RSA_SIG_MAX];
    size_t crosscert_length, certification_length;
    const uint8_t *signed_end;
};

static int read_version(struct parts *p, const struct token *t)
{
    struct text argument[1];
    (void)p;
    return token_arguments(t, argument, 1) == 1 && text_is(argument[0], "3") ? 0 : -EINVAL;
}

static int read_fingerprint(struct parts *p, const struct token *t)
{
    return text_hex(t->arguments, p->fingerprint, sizeof(p->fingerprint));
}

static int read_published(struct parts *p, const struct token *t)
{
    return token_time(t, &p->out->published);
}

static int read_expires(struct parts *p, const struct token *t)
{
    return token_time(t, &p->out->expires);
}

static int read_key(const struct token *t, struct rsa_key **out)
{
    uint8_t der[RSA_DER_MAX];
    int length = token_object(t, "RSA PUBLIC KEY", der, sizeof(der));
    *out = length < 0 ? NULL : rsa_public_from_der(der, (size_t)length);
    return *out != NULL && rsa_bits(*out) >= CERTIFICATE_KEY_BITS_MIN ? 0 : -EINVAL;
}

static int read_identity_key(struct parts *p, const struct token *t)
{
    return read_key(t, &p->identity_key);
}

static int read_signing_key(struct parts *p, const struct token *t)
{
    return read_key(t, &p->signing_key);
}

// The object's label is "ID SIGNATURE", or "SIGNATURE" from old makers.
static int read_crosscert(struct parts *p, const struct token *t)
{
    int length = token_object(t, NULL, p->crosscert, sizeof(p->crosscert));
    p->crosscert_length = length < 0 ? 0 : (size_t)length;
    return length < 0 ? -EINVAL : 0;
}

static int read_certification(struct parts *p, const struct token *t)
{
    int length = token_object(t, "SIGNATURE", p->certification, sizeof(p->certification));
    p->certification_length = length < 0 ? 0 : (size_t)length;
    p->signed_end = t->line_end;
    return length < 0 ? -EINVAL : 0;
}

static const struct {
    const char *keyword;
    bool has_object;
    int (*read)(struct parts *p, const struct token *t);
} items[] = {
    {FIRST, false, read_version},
    {"fingerprint", false, read_fingerprint},
    {"dir-key-published", false, read_published},
    {"dir-key-expires", false, read_expires},
    {"dir-identity-key", true, read_identity_key},
    {"dir-signing-key", true, read_signing_key},
    {"dir-key-crosscert", true, read_crosscert},
    {LAST, true, read_certification},
};

enum { ITEMS = sizeof(items) / sizeof(items[0]), ALL = (1 << ITEMS) - 1 };

static int read_item(struct parts *p, const struct token *t, unsigned *seen)
{
    for (unsigned i = 0; i < ITEMS; i++) {
        if (!text_is(t->keyword, items[i].keyword))
            continue;
        // Each is there once, and the version comes first.
        if ((*seen >> i & 1) || (i > 0 && *seen == 0) ||
            (t->label.length > 0) != items[i].has_object)
            return -EINVAL;
        *seen |= 1u << i;
        return items[i].read(p, t);
    }
    return 0; // dir-address, and what is not invented yet
}

// Up to and with the certification; nothing may follow it.
static int read_items(struct parts *p, const uint8_t *text, size_t length)
{
    struct reader r = reader_of(text, length);
    struct token t;
    unsigned seen = 0;
    int more;
    while ((more = token_next(&r, &t)) > 0) {
        // Without "opt" and the like: what is signed begins and ends with these.
        bool last = text_is(t.keyword, LAST);
        if ((last || seen == 0) && (const uint8_t *)t.keyword.at != t.start)
            return -EINVAL;
        if (seen == ALL || (seen == 0 && t.start != text) || read_item(p, &t, &seen) < 0 ||
            (last && seen != ALL))
            return -EINVAL;
        if (last)
            p->out->text_length = (size_t)(t.end - text);
    }
    return more == 0 && seen == ALL ? 0 : -EINVAL;
}

static int check(struct parts *p, const uint8_t *text)
{
    struct certificate *c = p->out;
    uint8_t digest[SHA1_LEN];
    rsa_fingerprint_sha1(p->identity_key, c->identity);
    rsa_fingerprint_sha1(p->signing_key, c->signing_key);
    if (memcmp(c->identity, p->fingerprint, sizeof(c->identity)) != 0)
        return -EINVAL;
    sha1(text, (size_t)(p->signed_end - text), digest);
    if (!rsa_verify(p->identity_key, digest, sizeof(digest), p->certification,
                    p->certification_length) ||
        !rsa_verify(p->signing_key, c->identity, sizeof(c->identity), p->crosscert,
                    p->crosscert_length))
        return -EINVAL;
    return 0;
}

static int keep_signing_key(struct parts *p)
{
    uint8_t der[RSA_DER_MAX];
    int length = rsa_public_to_der(p->signing_key, der, sizeof(der));
    if (length < 0)
        return -EINVAL;
    p->out->signing_key_der = malloc((size_t)length);
    if (p->out->signing_key_der == NULL)
        return -ENOMEM;
    memcpy(p->out->signing_key_der, der, (size_t)length);
    p->out->signing_key_der_length = (size_t)length;
    return 0;
}

int certificate_parse(const uint8_t *text, size_t size, struct certificate **out, size_t *length)
{
    struct parts p = {0};
    *out = NULL;
    *length = text_next_document(text, size, FIRST);
    if (*length == 0 || *length > CERTIFICATE_TEXT_MAX || !text_is_clean(text, *length))
        return -EINVAL;
    p.out = calloc(1, sizeof(*p.out));
    int err = p.out == NULL ? -ENOMEM : read_items(&p, text, *length);
    if (err == 0)
        err = check(&p, text);
    if (err == 0)
        err = keep_signing_key(&p);
    rsa_free(p.identity_key);
    rsa_free(p.signing_key);
    if (err < 0)
        certificate_free(p.out);
    else
        *out = p.out;
    return err;
}

void certificate_free(struct certificate *c)
{
    if (c == NULL)
        return;
    free(c->signing_key_der);
    free(c);
}
