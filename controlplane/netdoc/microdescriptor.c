// SPDX-License-Identifier: BSD-3-Clause
// Microdescriptors: the keys of a relay, as the authorities agreed on them.
#include "netdoc/microdescriptor.h"

#include <errno.h>
#include <string.h>

#include "crypto/digest.h"
#include "netdoc/tokens.h"

#define FIRST "onion-key"

enum seen { SEEN_FIRST = 1 << 0, SEEN_NTOR = 1 << 1 };

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
    return text_is(t->keyword, "id") ? read_id(t, out) : 0;
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
    if (more < 0 || seen != (SEEN_FIRST | SEEN_NTOR))
        return -EINVAL;
    sha256(text, *length, out->sha256);
    out->text_length = *length;
    return 0;
}
