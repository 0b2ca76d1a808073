// SPDX-License-Identifier: BSD-3-Clause
// Reads and verifies the outer layer of onion services' descriptors.
#include "onion/descriptor/hs_descriptor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/ed25519.h"

enum {
    VERSION = 3,
    ENCRYPTED_OVERHEAD = 16 + 32, // salt and MAC; there is at least one byte more
    SIGNATURE_TEXT_LEN = 86,      // base64 without padding
};

static const char signature_prefix[] = HS_DESCRIPTOR_SIGNATURE_PREFIX;

static const char signature_keyword[] = "signature ";

enum {
    SIGNATURE_PREFIX_LEN = sizeof(signature_prefix) - 1,
    SIGNATURE_KEYWORD_LEN = sizeof(signature_keyword) - 1,
};

// In the order in which services write them; only the first and the last must be in their place.
enum item {
    ITEM_VERSION,
    ITEM_LIFETIME,
    ITEM_CERT,
    ITEM_REVISION,
    ITEM_SUPERENCRYPTED,
    ITEM_SIGNATURE,
    ITEMS,
};

static int read_only_number(const struct token *t, uint64_t most, uint64_t *out)
{
    struct text argument[2];
    if (t->label.length > 0 || token_arguments(t, argument, 2) != 1)
        return -EINVAL;
    return text_number(argument[0], most, out);
}

static int read_version(const struct token *t, struct hs_descriptor *out)
{
    uint64_t version;
    bool first = t->start == out->text && t->keyword.at == (const char *)out->text;
    if (!first || read_only_number(t, UINT32_MAX, &version) < 0 || version != VERSION)
        return -EINVAL;
    return 0;
}

static int read_lifetime(const struct token *t, struct hs_descriptor *out)
{
    uint64_t minutes;
    if (read_only_number(t, HS_DESCRIPTOR_LIFETIME_MAX_MIN, &minutes) < 0 || minutes == 0)
        return -EINVAL;
    out->lifetime_min = (unsigned)minutes;
    return 0;
}

static int read_cert(const struct token *t, struct hs_descriptor *out)
{
    struct ed_cert cert;
    int length = t->arguments.length > 0
                     ? -EINVAL
                     : token_object(t, "ED25519 CERT", out->cert_bytes, sizeof(out->cert_bytes));
    if (length < 0 || ed_cert_parse(out->cert_bytes, (size_t)length, &cert) < 0 ||
        cert.type != ED_CERT_HS_DESC_SIGNING || cert.key_type != ED_CERT_KEY_ED25519 ||
        !cert.has_signing_key)
        return -EINVAL;
    out->cert_length = (uint16_t)length;
    memcpy(out->blinded_key, cert.signing_key, sizeof(out->blinded_key));
    return 0;
}

static int read_revision(const struct token *t, struct hs_descriptor *out)
{
    return read_only_number(t, UINT64_MAX, &out->revision);
}

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
}

// How many bytes a base64 text stands for, without making them; 0 if it is none.
static size_t base64_stands_for(struct text t)
{
    size_t digits = 0, padding = 0;
    for (size_t i = 0; i < t.length; i++) {
        if (is_base64(t.at[i]) && padding == 0)
            digits++;
        else if (t.at[i] == '=')
            padding++;
        else if (t.at[i] != '\n' && t.at[i] != '\r')
            return 0;
    }
    bool padded = padding == 0 || (padding <= 2 && (digits + padding) % 4 == 0);
    return padded && digits % 4 != 1 ? digits * 3 / 4 : 0;
}

static int read_superencrypted(const struct token *t, struct hs_descriptor *out)
{
    out->superencrypted = t->object;
    bool good = t->arguments.length == 0 && text_is(t->label, "MESSAGE") &&
                base64_stands_for(t->object) > ENCRYPTED_OVERHEAD;
    return good ? 0 : -EINVAL;
}

static int read_signature(const struct token *t, struct hs_descriptor *out)
{
    struct text argument[2];
    bool good = t->label.length == 0 && token_arguments(t, argument, 2) == 1 &&
                argument[0].length == SIGNATURE_TEXT_LEN &&
                text_base64(argument[0], out->signature, sizeof(out->signature)) == 0 &&
                memcmp(t->start, signature_keyword, SIGNATURE_KEYWORD_LEN) == 0;
    out->signed_length = (size_t)(t->start - out->text);
    return good ? 0 : -EINVAL;
}

static const struct {
    const char *keyword;
    int (*read)(const struct token *t, struct hs_descriptor *out);
} items[ITEMS] = {
    [ITEM_VERSION] = {"hs-descriptor", read_version},
    [ITEM_LIFETIME] = {"descriptor-lifetime", read_lifetime},
    [ITEM_CERT] = {"descriptor-signing-key-cert", read_cert},
    [ITEM_REVISION] = {"revision-counter", read_revision},
    [ITEM_SUPERENCRYPTED] = {"superencrypted", read_superencrypted},
    [ITEM_SIGNATURE] = {"signature", read_signature},
};

// Each once; what is not known may be there as well.
static int read_item(const struct token *t, unsigned *seen, struct hs_descriptor *out)
{
    if (*seen & 1u << ITEM_SIGNATURE)
        return -EINVAL; // it is the last
    for (unsigned i = 0; i < ITEMS; i++) {
        if (!text_is(t->keyword, items[i].keyword))
            continue;
        if (*seen & 1u << i)
            return -EINVAL;
        *seen |= 1u << i;
        return items[i].read(t, out);
    }
    return 0;
}

static int read_items(const uint8_t *text, size_t length, unsigned *seen, struct hs_descriptor *out)
{
    struct reader r = reader_of(text, length);
    struct token t;
    int more;
    while ((more = token_next(&r, &t)) > 0)
        if (read_item(&t, seen, out) < 0 || !(*seen & 1u << ITEM_VERSION))
            return -EINVAL;
    return more;
}

// Some services' last line has no end; to others' readers that is no matter.
static int read_unended_line(const uint8_t *line, size_t length, unsigned *seen,
                             struct hs_descriptor *out)
{
    char ended[SIGNATURE_KEYWORD_LEN + SIGNATURE_TEXT_LEN + 1] = {0};
    struct reader r = reader_of(ended, sizeof(ended));
    struct token t;
    if (length + 1 != sizeof(ended))
        return -EINVAL;
    memcpy(ended, line, length);
    ended[length] = '\n';
    if (token_next(&r, &t) != 1 || !text_is(t.keyword, "signature"))
        return -EINVAL;
    t.start = line;
    return read_item(&t, seen, out);
}

int hs_descriptor_parse(const uint8_t *text, size_t length, struct hs_descriptor *out)
{
    unsigned seen = 0;
    *out = (struct hs_descriptor){.text = text};
    if (!text_is_clean(text, length))
        return -EINVAL;
    size_t ended = length;
    while (ended > 0 && text[ended - 1] != '\n')
        ended--;
    if (read_items(text, ended, &seen, out) < 0)
        return -EINVAL;
    if (ended < length && read_unended_line(text + ended, length - ended, &seen, out) < 0)
        return -EINVAL;
    return seen == (1u << ITEMS) - 1 ? 0 : -EINVAL;
}

int hs_descriptor_verify(const struct hs_descriptor *d, uint64_t now_s)
{
    struct ed_cert cert;
    if (ed_cert_parse(d->cert_bytes, d->cert_length, &cert) < 0)
        return -EBADMSG;
    int error = ed_cert_check(&cert, d->blinded_key, now_s);
    if (error < 0)
        return error == -EKEYEXPIRED ? error : -EBADMSG;
    uint8_t *message = malloc(SIGNATURE_PREFIX_LEN + d->signed_length);
    if (!message)
        return -ENOMEM;
    memcpy(message, signature_prefix, SIGNATURE_PREFIX_LEN);
    memcpy(message + SIGNATURE_PREFIX_LEN, d->text, d->signed_length);
    bool good =
        ed25519_verify(cert.key, message, SIGNATURE_PREFIX_LEN + d->signed_length, d->signature);
    free(message);
    return good ? 0 : -EBADMSG;
}
