// SPDX-License-Identifier: BSD-3-Clause
// A consensus as a whole: its parts in their order, its digests, its times.
#include "netdoc/consensus.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/digest.h"
#include "netdoc/consensus_internal.h"
#include "netdoc/text_set.h"

#define SIGNATURE "directory-signature"

int consensus_wrong(struct consensus_parser *p, const char *what)
{
    p->wrong = what;
    return -EINVAL;
}

size_t consensus_signed_length(const uint8_t *text, size_t length)
{
    static const char mark[] = "\n" SIGNATURE " ";
    const uint8_t *at = length == 0 ? NULL : memmem(text, length, mark, sizeof(mark) - 1);
    return at == NULL ? 0 : (size_t)(at - text) + sizeof(mark) - 1;
}

enum part { HEADER, ROUTERS, FOOTER, SIGNATURES };

// The part that an item begins, or belongs to.
static enum part part_of(enum part now, const struct token *t)
{
    if (text_is(t->keyword, SIGNATURE))
        return SIGNATURES;
    if (now < FOOTER && text_is(t->keyword, "directory-footer"))
        return FOOTER;
    if (now == HEADER && text_is(t->keyword, "r"))
        return ROUTERS;
    return now;
}

static int leave(struct consensus_parser *p, enum part from, enum part to)
{
    int err = 0;
    if (from == HEADER && to > HEADER)
        err = consensus_header_end(p);
    if (err == 0 && from <= ROUTERS && to > ROUTERS)
        err = consensus_routers_end(p);
    return err;
}

static int footer_item(struct consensus_parser *p, const struct token *t)
{
    if (t->label.length > 0)
        return consensus_wrong(p, "an object in the footer");
    if (text_is(t->keyword, "r"))
        return consensus_wrong(p, "a router in the footer");
    if (!text_is(t->keyword, "bandwidth-weights"))
        return 0;
    if (p->c->weights != NULL)
        return consensus_wrong(p, "bandwidth-weights are there twice");
    return consensus_read_values(p, t, &p->c->weights, &p->c->n_weights);
}

static int item(struct consensus_parser *p, enum part part, const struct token *t)
{
    switch (part) {
    case HEADER:
        return consensus_header_item(p, t);
    case ROUTERS:
        return consensus_router_item(p, t);
    case FOOTER:
        return footer_item(p, t);
    case SIGNATURES:
        break;
    }
    if (!text_is(t->keyword, SIGNATURE))
        return consensus_wrong(p, "an item after the signatures began");
    return consensus_signature_item(p, t);
}

// All that is read before the first signature is what the signatures sign: it ends where
// consensus_signed_length() says.
static bool begins_signatures(const uint8_t *text, size_t signed_length, const struct token *t)
{
    return t->start + strlen(SIGNATURE) + 1 == text + signed_length;
}

static int read_items(struct consensus_parser *p, const uint8_t *text, size_t length,
                      size_t signed_length)
{
    struct reader r = reader_of(text, length);
    struct token t;
    enum part part = HEADER;
    int more, err = 0;
    while (err == 0 && (more = token_next(&r, &t)) != 0) {
        if (more < 0)
            return consensus_wrong(p, "a malformed item");
        enum part next = part_of(part, &t);
        if (part != SIGNATURES && next == SIGNATURES && !begins_signatures(text, signed_length, &t))
            return consensus_wrong(p, "signatures begin out of place");
        err = leave(p, part, next);
        part = next;
        if (err == 0)
            err = item(p, part, &t);
    }
    if (err == 0 && p->c->n_signatures == 0)
        return consensus_wrong(p, "no signatures");
    return err;
}

int consensus_parse(const uint8_t *text, size_t length, struct consensus **out, const char **wrong)
{
    static const char begin[] = "network-status-version ";
    struct consensus_parser p = {.wrong = "no memory"};
    size_t signed_length = length <= CONSENSUS_TEXT_MAX ? consensus_signed_length(text, length) : 0;
    int err = -ENOMEM;
    *out = NULL;
    if (signed_length == 0 || !text_begins(text_between(text, text + length), begin) ||
        !text_is_clean(text, length)) {
        err = consensus_wrong(&p, "no consensus");
        goto fail;
    }
    p.c = calloc(1, sizeof(*p.c));
    if (p.c == NULL || (p.c->protocol_lists = text_set_create()) == NULL)
        goto fail;
    err = read_items(&p, text, length, signed_length);
    if (err < 0)
        goto fail;
    sha1(text, signed_length, p.c->signed_sha1);
    sha256(text, signed_length, p.c->signed_sha256);
    sha3_256_both(text, signed_length, length, p.c->sha3_signed, p.c->sha3);
    *out = p.c;
    return 0;
fail:
    consensus_free(p.c);
    if (wrong != NULL)
        *wrong = p.wrong;
    return err;
}

void consensus_free(struct consensus *c)
{
    if (c == NULL)
        return;
    text_set_free(c->protocol_lists);
    free(c->routers);
    free(c->parameters);
    free(c->weights);
    free(c->required_relay_protocols);
    free(c->recommended_relay_protocols);
    free(c->required_client_protocols);
    free(c->recommended_client_protocols);
    free(c->signatures);
    free(c);
}

bool consensus_is_fresh(const struct consensus *c, time_t now)
{
    return c->valid_after <= now && now < c->fresh_until;
}

bool consensus_is_valid(const struct consensus *c, time_t now)
{
    return c->valid_after <= now && now <= c->valid_until;
}

bool consensus_is_reasonably_live(const struct consensus *c, time_t now)
{
    return c->valid_after - CONSENSUS_REASONABLE_SLACK_S <= now &&
           now <= c->valid_until + CONSENSUS_REASONABLE_SLACK_S;
}
