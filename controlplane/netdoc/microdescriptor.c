// SPDX-License-Identifier: BSD-3-Clause
// Microdescriptors: the keys, the family and the exit policy of a relay, as the authorities agreed
// on them.
#include "netdoc/microdescriptor.h"

#include <errno.h>
#include <string.h>

#include "crypto/digest.h"
#include "netdoc/tokens.h"

#define FIRST "onion-key"

// Items that may be there once.
enum seen {
    SEEN_FIRST = 1 << 0,
    SEEN_NTOR = 1 << 1,
    SEEN_FAMILY = 1 << 2,
    SEEN_FAMILY_IDS = 1 << 3,
    SEEN_POLICY = 1 << 4,
    SEEN_POLICY6 = 1 << 5,
};

static int read_id(const struct token *t, struct microdescriptor *out)
{
    struct text argument[2];
    if (token_arguments(t, argument, 2) != 2)
        return -EINVAL;
    if (!text_is(argument[0], "ed25519"))
        return 0;
    if (out->has_ed_id || text_base64(argument[1], out->ed_id, sizeof(out->ed_id)) < 0)
        return -EINVAL;
    out->has_ed_id = true;
    return 0;
}

// "[IPv6]:port"; other kinds of address are for others to read.
static int read_a(const struct token *t, struct microdescriptor *out)
{
    struct text argument[1];
    char host[ADDRESS_TEXT_MAX];
    struct address a;
    uint64_t port;
    if (token_arguments(t, argument, 1) != 1)
        return -EINVAL;
    const char *close = memchr(argument[0].at, ']', argument[0].length);
    if (out->ipv6.family != ADDRESS_NONE || argument[0].at[0] != '[' || close == NULL)
        return 0;
    size_t length = (size_t)(close - argument[0].at) - 1;
    struct text rest = {close + 1, argument[0].length - length - 2};
    if (length >= sizeof(host) || rest.length < 2 || rest.at[0] != ':' ||
        text_number((struct text){rest.at + 1, rest.length - 1}, UINT16_MAX, &port) < 0 ||
        port == 0)
        return 0;
    memcpy(host, argument[0].at + 1, length);
    host[length] = '\0';
    if (!address_parse(host, &a) || a.family != ADDRESS_IPV6)
        return 0;
    a.port = (uint16_t)port;
    out->ipv6 = a;
    return 0;
}

// Lines whose arguments are kept as they are.
static int read_line(const struct token *t, unsigned *seen, struct microdescriptor *out)
{
    const struct {
        const char *keyword;
        enum seen seen;
        struct text *to;
    } lines[] = {
        {"family", SEEN_FAMILY, &out->family},
        {"family-ids", SEEN_FAMILY_IDS, &out->family_ids},
        {"p", SEEN_POLICY, &out->policy},
        {"p6", SEEN_POLICY6, &out->policy6},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (!text_is(t->keyword, lines[i].keyword))
            continue;
        if (*seen & lines[i].seen)
            return -EINVAL;
        *seen |= lines[i].seen;
        *lines[i].to = t->arguments;
    }
    return 0;
}

static int read_item(const struct token *t, unsigned *seen, struct microdescriptor *out)
{
    if (*seen == 0 || text_is(t->keyword, FIRST)) {
        // Its key is for a handshake that nobody makes any more, and may be missing.
        bool fits = t->label.length == 0 || text_is(t->label, "RSA PUBLIC KEY");
        if (*seen != 0 || !text_is(t->keyword, FIRST) || !fits)
            return -EINVAL;
        *seen |= SEEN_FIRST;
        return 0;
    }
    if (text_is(t->keyword, "ntor-onion-key")) {
        struct text argument[1];
        if ((*seen & SEEN_NTOR) || token_arguments(t, argument, 1) != 1 ||
            text_base64(argument[0], out->ntor_key, sizeof(out->ntor_key)) < 0)
            return -EINVAL;
        *seen |= SEEN_NTOR;
        return 0;
    }
    if (text_is(t->keyword, "id"))
        return read_id(t, out);
    return text_is(t->keyword, "a") ? read_a(t, out) : read_line(t, seen, out);
}

int microdescriptor_parse(const uint8_t *text, size_t size, struct microdescriptor *out,
                          size_t *length)
{
    struct token t;
    unsigned seen = 0;
    int more;
    *out = (struct microdescriptor){0};
    *length = text_next_document(text, size, FIRST);
    if (*length == 0 || *length > MICRODESCRIPTOR_MAX || !text_is_clean(text, *length))
        return -EINVAL;
    struct reader r = reader_of(text, *length);
    while ((more = token_next(&r, &t)) > 0)
        if ((seen == 0 && t.start != text) || read_item(&t, &seen, out) < 0)
            return -EINVAL;
    if (more < 0 || (seen & (SEEN_FIRST | SEEN_NTOR)) != (SEEN_FIRST | SEEN_NTOR))
        return -EINVAL;
    sha256(text, *length, out->sha256);
    out->text_length = *length;
    return 0;
}
