// SPDX-License-Identifier: BSD-3-Clause
// The routers of a consensus (dir-spec 3.4.2), in the order of their RSA identities.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netdoc/consensus_internal.h"
#include "netdoc/protocol_list.h"
#include "netdoc/text_set.h"

enum entry_items {
    SEEN_S = 1 << 0,
    SEEN_PR = 1 << 1,
    SEEN_V = 1 << 2,
    SEEN_W = 1 << 3,
    SEEN_P = 1 << 4,
    SEEN_M = 1 << 5,
};

static struct router_status *entry_of(struct consensus_parser *p)
{
    return &p->c->routers[p->c->n_routers - 1];
}

static int entry_close(struct consensus_parser *p)
{
    const unsigned needed = SEEN_S | SEEN_PR;
    if (!p->entry_open)
        return 0;
    p->entry_open = false;
    if ((p->entry_seen & needed) != needed)
        return consensus_wrong(p, "a router lacks an item");
    size_t n = p->c->n_routers;
    if (n > 1 && memcmp(p->c->routers[n - 2].rsa_id, p->c->routers[n - 1].rsa_id, 20) >= 0)
        return consensus_wrong(p, "routers are not sorted");
    return 0;
}

static int entry_begin(struct consensus_parser *p)
{
    struct consensus *c = p->c;
    int err = entry_close(p);
    if (err < 0)
        return err;
    if (c->n_routers == p->routers_capacity) {
        size_t capacity = p->routers_capacity == 0 ? 1024 : p->routers_capacity * 2;
        if (capacity > CONSENSUS_ROUTERS_MAX)
            return consensus_wrong(p, "too many routers");
        struct router_status *routers = realloc(c->routers, capacity * sizeof(*routers));
        if (routers == NULL)
            return -ENOMEM;
        c->routers = routers;
        p->routers_capacity = capacity;
    }
    memset(&c->routers[c->n_routers++], 0, sizeof(*c->routers));
    p->entry_open = true;
    p->entry_seen = 0;
    return 0;
}

// "1.2.3.4", "[::1]" without the brackets.
static bool read_address(struct text text, uint8_t family, struct address *out)
{
    char string[ADDRESS_TEXT_MAX];
    if (text.length >= sizeof(string))
        return false;
    memcpy(string, text.at, text.length);
    string[text.length] = '\0';
    return address_parse(string, out) && out->family == family;
}

static bool read_port(struct text text, uint16_t *out)
{
    uint64_t port;
    if (text_number(text, UINT16_MAX, &port) < 0)
        return false;
    *out = (uint16_t)port;
    return true;
}

// nickname identity [descriptor] date time IPv4 ORPort DirPort
static int read_r(struct consensus_parser *p, const struct token *t)
{
    struct text argument[8];
    bool has_digest = p->c->flavour == CONSENSUS_NS;
    unsigned needed = has_digest ? 8 : 7;
    int err = entry_begin(p);
    if (err < 0)
        return err;
    struct router_status *r = entry_of(p);
    if (token_arguments(t, argument, needed) != needed || !text_is_nickname(argument[0]) ||
        text_base64(argument[1], r->rsa_id, sizeof(r->rsa_id)) < 0 ||
        (has_digest && text_base64(argument[2], r->digest, 20) < 0))
        return consensus_wrong(p, "bad r line");
    memcpy(r->nickname, argument[0].at, argument[0].length);
    const struct text *rest = &argument[needed - 5];
    if (text_time(rest[0], rest[1], &r->published) < 0 ||
        !read_address(rest[2], ADDRESS_IPV4, &r->ipv4) || !read_port(rest[3], &r->ipv4.port) ||
        !read_port(rest[4], &r->dir_port))
        return consensus_wrong(p, "bad r line");
    r->flags = ROUTER_RUNNING | ROUTER_VALID;
    return 0;
}

// The first "[IPv6]:port" counts; what else there may be is for later versions.
static int read_a(struct consensus_parser *p, const struct token *t)
{
    struct router_status *r = entry_of(p);
    struct text argument[1];
    struct address ipv6;
    if (token_arguments(t, argument, 1) != 1)
        return consensus_wrong(p, "empty a line");
    const char *close = memchr(argument[0].at, ']', argument[0].length);
    if (r->ipv6.family != ADDRESS_NONE || argument[0].at[0] != '[' || close == NULL)
        return 0;
    struct text host = {argument[0].at + 1, (size_t)(close - argument[0].at) - 1};
    struct text port = {close + 1, argument[0].length - host.length - 2};
    if (port.length < 2 || port.at[0] != ':')
        return 0;
    port = (struct text){port.at + 1, port.length - 1};
    if (read_address(host, ADDRESS_IPV6, &ipv6) && read_port(port, &ipv6.port))
        r->ipv6 = ipv6;
    return 0;
}

#define FLAG(name, bit)                                                                            \
    {                                                                                              \
        name, sizeof(name) - 1, bit                                                                \
    }

static const struct {
    const char *name;
    size_t length;
    uint16_t bit;
} flags[] = {
    FLAG("Authority", ROUTER_AUTHORITY),
    FLAG("BadExit", ROUTER_BAD_EXIT),
    FLAG("Exit", ROUTER_EXIT),
    FLAG("Fast", ROUTER_FAST),
    FLAG("Guard", ROUTER_GUARD),
    FLAG("HSDir", ROUTER_HSDIR),
    FLAG("MiddleOnly", ROUTER_MIDDLE_ONLY),
    FLAG("NoEdConsensus", ROUTER_NO_ED_CONSENSUS),
    FLAG("Running", ROUTER_RUNNING),
    FLAG("Stable", ROUTER_STABLE),
    FLAG("StaleDesc", ROUTER_STALE_DESC),
    FLAG("Sybil", ROUTER_SYBIL),
    FLAG("V2Dir", ROUTER_V2DIR),
    FLAG("Valid", ROUTER_VALID),
};

static int read_s(struct consensus_parser *p, const struct token *t)
{
    struct router_status *r = entry_of(p);
    struct text rest = t->arguments, flag;
    while (token_argument(&rest, &flag))
        for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
            if (flag.length == flags[i].length &&
                memcmp(flag.at, flags[i].name, flag.length) == 0) {
                r->flags |= flags[i].bit;
                break;
            }
    return 0;
}

static int read_w(struct consensus_parser *p, const struct token *t)
{
    struct router_status *r = entry_of(p);
    struct text rest = t->arguments, argument;
    static const char bandwidth[] = "Bandwidth=";
    const size_t skip = sizeof(bandwidth) - 1;
    while (token_argument(&rest, &argument)) {
        uint64_t value;
        if (text_is(argument, "Unmeasured=1")) {
            r->unmeasured = true;
        } else if (text_begins(argument, bandwidth)) {
            struct text number = {argument.at + skip, argument.length - skip};
            if (text_number(number, UINT32_MAX, &value) < 0)
                return consensus_wrong(p, "bad bandwidth");
            r->bandwidth = (uint32_t)value;
        }
    }
    return 0;
}

static int read_pr(struct consensus_parser *p, const struct token *t)
{
    struct router_status *r = entry_of(p);
    struct text_set *set = p->c->protocol_lists;
    struct text list = t->arguments;
    if (p->last_string == NULL || text_compare(list, p->last_protocols) != 0) {
        const char *string = text_set_find(set, list);
        if (string == NULL) {
            if (!protocol_list_is_valid(list))
                return consensus_wrong(p, "malformed pr line");
            string = text_set_add(set, list);
        }
        if (string == NULL)
            return consensus_wrong(p, "too many different pr lines");
        p->last_string = string;
        p->last_protocols = list;
    }
    r->protocols = p->last_string;
    return 0;
}

static int read_p(struct consensus_parser *p, const struct token *t)
{
    if (!text_begins(t->arguments, "accept ") && !text_begins(t->arguments, "reject "))
        return consensus_wrong(p, "bad p line");
    return 0;
}

static int read_v(struct consensus_parser *p, const struct token *t)
{
    (void)p, (void)t;
    return 0;
}

static int read_m(struct consensus_parser *p, const struct token *t)
{
    struct router_status *r = entry_of(p);
    if (p->c->flavour != CONSENSUS_MICRODESC || (p->entry_seen & SEEN_M))
        return 0;
    if (text_base64(t->arguments, r->digest, sizeof(r->digest)) < 0)
        return consensus_wrong(p, "bad m line");
    return 0;
}

static const struct {
    const char *keyword;
    unsigned seen; // 0: as often as one likes
    int (*read)(struct consensus_parser *p, const struct token *t);
} items[] = {
    {"s", SEEN_S, read_s}, {"v", SEEN_V, read_v}, {"pr", SEEN_PR, read_pr}, {"w", SEEN_W, read_w},
    {"p", SEEN_P, read_p}, {"m", 0, read_m},      {"a", 0, read_a},
};

int consensus_router_item(struct consensus_parser *p, const struct token *t)
{
    if (text_is(t->keyword, "r"))
        return t->label.length > 0 ? consensus_wrong(p, "an object in a router") : read_r(p, t);
    for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        if (!text_is(t->keyword, items[i].keyword))
            continue;
        if (t->label.length > 0)
            return consensus_wrong(p, "an object in a router");
        if (p->entry_seen & items[i].seen)
            return consensus_wrong(p, "an item of a router is there twice");
        int err = items[i].read(p, t);
        p->entry_seen |= items[i].read == read_m ? SEEN_M : items[i].seen;
        return err;
    }
    return 0;
}

int consensus_routers_end(struct consensus_parser *p)
{
    struct consensus *c = p->c;
    int err = entry_close(p);
    if (err < 0 || c->n_routers == p->routers_capacity || c->n_routers == 0)
        return err;
    struct router_status *routers = realloc(c->routers, c->n_routers * sizeof(*routers));
    if (routers != NULL)
        c->routers = routers;
    return 0;
}

const struct router_status *consensus_find(const struct consensus *c, const uint8_t rsa_id[20])
{
    size_t low = 0, high = c->n_routers;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(c->routers[middle].rsa_id, rsa_id, 20);
        if (order == 0)
            return &c->routers[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
