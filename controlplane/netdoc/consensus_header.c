// SPDX-License-Identifier: BSD-3-Clause
// The header of a consensus (dir-spec 3.4.1): times, authorities, shared random values, protocols.
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "netdoc/consensus_internal.h"
#include "netdoc/protocol_list.h"

// The first item says what it is.
static int read_version(struct consensus_parser *p, const struct token *t)
{
    struct text argument[2];
    unsigned n = token_arguments(t, argument, 2);
    if (n < 1 || !text_is(argument[0], "3"))
        return consensus_wrong(p, "network-status-version is not 3");
    if (n == 1 || text_is(argument[1], "ns"))
        p->c->flavour = CONSENSUS_NS;
    else if (text_is(argument[1], "microdesc"))
        p->c->flavour = CONSENSUS_MICRODESC;
    else
        return consensus_wrong(p, "unknown flavour");
    return 0;
}

static int read_status(struct consensus_parser *p, const struct token *t)
{
    struct text argument[1];
    if (token_arguments(t, argument, 1) == 1 && text_is(argument[0], "consensus"))
        return 0;
    return consensus_wrong(p, "vote-status is not consensus");
}

static int read_method(struct consensus_parser *p, const struct token *t)
{
    uint64_t method;
    if (text_number(t->arguments, INT_MAX, &method) < 0 || method < 1)
        return consensus_wrong(p, "bad consensus-method");
    p->c->method = (unsigned)method;
    return 0;
}

static int read_valid_after(struct consensus_parser *p, const struct token *t)
{
    return token_time(t, &p->c->valid_after) < 0 ? consensus_wrong(p, "bad valid-after") : 0;
}

static int read_fresh_until(struct consensus_parser *p, const struct token *t)
{
    return token_time(t, &p->c->fresh_until) < 0 ? consensus_wrong(p, "bad fresh-until") : 0;
}

static int read_valid_until(struct consensus_parser *p, const struct token *t)
{
    return token_time(t, &p->c->valid_until) < 0 ? consensus_wrong(p, "bad valid-until") : 0;
}

static int read_delays(struct consensus_parser *p, const struct token *t)
{
    struct text argument[2];
    uint64_t vote, dist;
    if (token_arguments(t, argument, 2) != 2 || text_number(argument[0], INT_MAX, &vote) < 0 ||
        text_number(argument[1], INT_MAX, &dist) < 0)
        return consensus_wrong(p, "bad voting-delay");
    p->c->vote_delay_s = (unsigned)vote;
    p->c->dist_delay_s = (unsigned)dist;
    return 0;
}

static int read_known_flags(struct consensus_parser *p, const struct token *t)
{
    struct text rest = t->arguments, flag, before = {"", 0};
    while (token_argument(&rest, &flag)) {
        if (text_compare(before, flag) >= 0)
            return consensus_wrong(p, "known-flags are not sorted");
        before = flag;
    }
    return 0;
}

static int read_parameters(struct consensus_parser *p, const struct token *t)
{
    return consensus_read_values(p, t, &p->c->parameters, &p->c->n_parameters);
}

static int read_voter(struct consensus_parser *p, const struct token *t)
{
    struct text argument[6];
    if (p->n_voters == CONSENSUS_VOTERS_MAX)
        return consensus_wrong(p, "too many dir-sources");
    if (token_arguments(t, argument, 6) != 6 ||
        text_hex(argument[1], p->voters[p->n_voters++], sizeof(p->voters[0])) < 0)
        return consensus_wrong(p, "bad dir-source");
    return 0;
}

// "NumReveals Value"
static int read_shared_random(struct consensus_parser *p, const struct token *t, uint8_t value[32],
                              bool *has)
{
    struct text argument[2];
    uint64_t reveals;
    if (token_arguments(t, argument, 2) != 2 || text_number(argument[0], INT_MAX, &reveals) < 0 ||
        text_base64(argument[1], value, 32) < 0)
        return consensus_wrong(p, "bad shared random value");
    *has = true;
    return 0;
}

static int read_srv_previous(struct consensus_parser *p, const struct token *t)
{
    return read_shared_random(p, t, p->c->srv_previous, &p->c->has_srv_previous);
}

static int read_srv_current(struct consensus_parser *p, const struct token *t)
{
    return read_shared_random(p, t, p->c->srv_current, &p->c->has_srv_current);
}

static int read_protocols(struct consensus_parser *p, const struct token *t, char **out)
{
    if (!protocol_list_is_valid(t->arguments))
        return consensus_wrong(p, "malformed list of protocols in the header");
    *out = strndup(t->arguments.at, t->arguments.length);
    return *out == NULL ? -ENOMEM : 0;
}

static int read_required_relay(struct consensus_parser *p, const struct token *t)
{
    return read_protocols(p, t, &p->c->required_relay_protocols);
}

static int read_recommended_relay(struct consensus_parser *p, const struct token *t)
{
    return read_protocols(p, t, &p->c->recommended_relay_protocols);
}

static int read_required_client(struct consensus_parser *p, const struct token *t)
{
    return read_protocols(p, t, &p->c->required_client_protocols);
}

static int read_recommended_client(struct consensus_parser *p, const struct token *t)
{
    return read_protocols(p, t, &p->c->recommended_client_protocols);
}

enum { AT_MOST_ONCE, ONCE, AT_LEAST_ONCE };

static const struct {
    const char *keyword;
    int times;
    int (*read)(struct consensus_parser *p, const struct token *t);
} items[] = {
    {"network-status-version", ONCE, read_version},
    {"vote-status", ONCE, read_status},
    {"consensus-method", ONCE, read_method},
    {"valid-after", ONCE, read_valid_after},
    {"fresh-until", ONCE, read_fresh_until},
    {"valid-until", ONCE, read_valid_until},
    {"voting-delay", ONCE, read_delays},
    {"known-flags", ONCE, read_known_flags},
    {"params", AT_MOST_ONCE, read_parameters},
    {"shared-rand-previous-value", AT_MOST_ONCE, read_srv_previous},
    {"shared-rand-current-value", AT_MOST_ONCE, read_srv_current},
    {"required-relay-protocols", AT_MOST_ONCE, read_required_relay},
    {"recommended-relay-protocols", AT_MOST_ONCE, read_recommended_relay},
    {"required-client-protocols", AT_MOST_ONCE, read_required_client},
    {"recommended-client-protocols", AT_MOST_ONCE, read_recommended_client},
    {"dir-source", AT_LEAST_ONCE, read_voter},
};

enum { ITEMS = sizeof(items) / sizeof(items[0]) };

int consensus_header_item(struct consensus_parser *p, const struct token *t)
{
    for (unsigned i = 0; i < ITEMS; i++) {
        if (!text_is(t->keyword, items[i].keyword))
            continue;
        if (t->label.length > 0)
            return consensus_wrong(p, "an object in the header");
        if ((p->header_seen >> i & 1) && items[i].times != AT_LEAST_ONCE)
            return consensus_wrong(p, "an item of the header is there twice");
        p->header_seen |= 1u << i;
        return items[i].read(p, t);
    }
    return 0; // later versions of the format have more
}

int consensus_header_end(struct consensus_parser *p)
{
    const struct consensus *c = p->c;
    for (unsigned i = 0; i < ITEMS; i++)
        if (!(p->header_seen >> i & 1) && items[i].times != AT_MOST_ONCE)
            return consensus_wrong(p, "an item of the header is missing");
    if (c->valid_after >= c->fresh_until || c->fresh_until > c->valid_until)
        return consensus_wrong(p, "its times are not in order");
    return 0;
}
