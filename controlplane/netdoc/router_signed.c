// SPDX-License-Identifier: BSD-3-Clause
// Reading a relay's own documents up to their signatures.
#include "netdoc/router_signed.h"

#include <errno.h>
#include <string.h>

#include "crypto/digest.h"

#define ED_SIGNATURE "router-sig-ed25519"
#define RSA_SIGNATURE "router-signature"

enum { RSA_SIGNATURE_MIN = 128 };

bool router_object_fits(enum router_object rule, const struct token *t)
{
    return rule == OBJECT_ANY || (rule == OBJECT_NEEDED) == (t->label.length > 0);
}

// What is signed ends at the keyword, or a little after it: nothing may be in between.
static bool is_bare(const struct token *t)
{
    return (const uint8_t *)t->keyword.at == t->start;
}

static int read_certificate(struct router_signed *s, const struct token *t)
{
    int n = token_object(t, "ED25519 CERT", s->cert_bytes, sizeof(s->cert_bytes));
    if (s->n_items != 1 || n < 0 || ed_cert_parse(s->cert_bytes, (size_t)n, &s->cert) < 0)
        return -EINVAL;
    return s->cert.type == ED_CERT_ID_SIGNING && s->cert.key_type == ED_CERT_KEY_ED25519 &&
                   s->cert.has_signing_key
               ? 0
               : -EINVAL;
}

static int read_published(struct router_signed *s, const struct token *t)
{
    if (s->has_published || t->label.length > 0)
        return -EINVAL;
    s->has_published = true;
    return token_time(t, &s->published);
}

static int read_ed_signature(struct router_signed *s, const struct token *t)
{
    struct text argument[1];
    s->ed_signed_end = t->start + strlen(ED_SIGNATURE) + 1;
    if (!is_bare(t) || t->label.length > 0 || s->ed_signed_end[-1] != ' ' ||
        token_arguments(t, argument, 1) != 1)
        return -EINVAL;
    s->has_ed_signature = true;
    return text_base64(argument[0], s->ed_signature, sizeof(s->ed_signature));
}

static int read_rsa_signature(struct router_signed *s, const struct token *t)
{
    int n = token_object(t, "SIGNATURE", s->rsa_signature, sizeof(s->rsa_signature));
    if (!is_bare(t) || t->arguments.length > 0 || n < RSA_SIGNATURE_MIN)
        return -EINVAL;
    s->rsa_signature_length = (size_t)n;
    s->rsa_signed_end = t->line_end;
    s->is_whole = s->has_published && s->cert.bytes != NULL;
    return s->is_whole ? 0 : -EINVAL;
}

// The signatures are the last two items, and nothing else begins like them: others look for the
// end of what is signed by that.
static int read_item(struct router_signed *s, const char *first, const struct token *t,
                     int (*other)(void *user, const struct token *t), void *user)
{
    bool is_last = text_is(t->keyword, RSA_SIGNATURE);
    if ((s->n_items == 0) != text_is(t->keyword, first) || (s->n_items == 0 && !is_bare(t)) ||
        s->has_ed_signature != is_last)
        return -EINVAL;
    if (is_last)
        return read_rsa_signature(s, t);
    if (text_is(t->keyword, ED_SIGNATURE))
        return read_ed_signature(s, t);
    if (text_begins(t->keyword, ED_SIGNATURE) || text_begins(t->keyword, RSA_SIGNATURE))
        return -EINVAL;
    if (text_is(t->keyword, "identity-ed25519"))
        return read_certificate(s, t);
    if (text_is(t->keyword, "published"))
        return read_published(s, t);
    return other(user, t);
}

int router_signed_read(struct router_signed *s, const uint8_t *text, size_t size, const char *first,
                       size_t most, int (*other)(void *user, const struct token *t), void *user,
                       size_t *length)
{
    struct token t;
    *s = (struct router_signed){.text = text};
    *length = text_next_document(text, size, first);
    struct reader r = reader_of(text, *length < most ? *length : most);
    while (!s->is_whole && token_next(&r, &t) > 0) {
        if ((s->n_items == 0 && t.start != text) || read_item(s, first, &t, other, user) < 0)
            return -EINVAL;
        s->n_items++;
    }
    if (!s->is_whole || !text_is_clean(text, (size_t)(t.end - text)))
        return -EINVAL;
    s->length = (size_t)(t.end - text);
    size_t next = s->length;
    while (next < *length && text[next] == '\n') // which C tor leaves between some
        next++;
    *length = next;
    return 0;
}

int router_signed_check(const struct router_signed *s, struct router_document *out)
{
    static const char prefix[] = "Tor router descriptor signature v1";
    uint8_t digest[SHA256_LEN];
    struct sha256 h;
    if (ed_cert_check(&s->cert, NULL, 0) < 0)
        return -EINVAL;
    sha256_init(&h);
    sha256_update(&h, prefix, strlen(prefix));
    sha256_update(&h, s->text, (size_t)(s->ed_signed_end - s->text));
    sha256_peek(&h, digest);
    if (!ed25519_verify(s->cert.key, digest, sizeof(digest), s->ed_signature))
        return -EINVAL;
    out->published = s->published;
    out->expires = (time_t)s->cert.expires_hours * 3600;
    out->has_ed_id = true;
    memcpy(out->ed_id, s->cert.signing_key, sizeof(out->ed_id));
    sha1(s->text, (size_t)(s->rsa_signed_end - s->text), out->sha1);
    return 0;
}
