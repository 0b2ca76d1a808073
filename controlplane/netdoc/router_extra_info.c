// SPDX-License-Identifier: BSD-3-Clause
// Other relays' extra-infos (6.12).
#include <errno.h>
#include <string.h>

#include "netdoc/router_signed.h"

static int read_item(void *user, const struct token *t)
{
    struct router_document *out = user;
    struct text argument[2];
    if (!text_is(t->keyword, "extra-info"))
        return 0; // statistics
    if (t->label.length > 0 || token_arguments(t, argument, 2) != 2 ||
        !text_is_nickname(argument[0]))
        return -EINVAL;
    return text_hex(argument[1], out->rsa_id, sizeof(out->rsa_id));
}

int router_extra_info_parse(const uint8_t *text, size_t size, struct router_document *out,
                            size_t *length)
{
    struct router_signed s;
    *out = (struct router_document){0};
    if (router_signed_read(&s, text, size, "extra-info", ROUTER_EXTRA_INFO_MAX, read_item, out,
                           length) < 0 ||
        router_signed_check(&s, out) < 0)
        return -EINVAL;
    out->text_length = s.length;
    return 0;
}
