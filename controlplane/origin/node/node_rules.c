// SPDX-License-Identifier: BSD-3-Clause
// Which relays must not stand in one path, and which the operator keeps from where.
#include <string.h>

#include "origin/node/node_internal.h"
#include "relay.h"

static bool in_prefix(const struct address *a, const struct config_prefix *p)
{
    if (a->family != p->address.family)
        return false;
    unsigned whole = p->bits / 8, rest = p->bits % 8;
    if (memcmp(a->bytes, p->address.bytes, whole) != 0)
        return false;
    return rest == 0 || (a->bytes[whole] ^ p->address.bytes[whole]) >> (8 - rest) == 0;
}

static bool is_named(const struct node *n, const struct config_node *items, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (items[i].is_prefix ? in_prefix(&n->status->ipv4, &items[i].prefix) ||
                                     in_prefix(&n->ipv6, &items[i].prefix)
                               : memcmp(items[i].rsa_id, n->status->rsa_id, 20) == 0)
            return true;
    }
    return false;
}

static uint8_t excluded_positions(const struct node *n, const struct config_nodes *c)
{
    unsigned out = 0;
    if (is_named(n, c->exclude, c->exclude_count))
        return (1 << NODE_POSITIONS) - 1;
    if (c->entry_count > 0 && !is_named(n, c->entry, c->entry_count))
        out |= 1 << NODE_GUARD;
    if (c->middle_count > 0 && !is_named(n, c->middle, c->middle_count))
        out |= 1 << NODE_MIDDLE;
    if ((c->exit_count > 0 && !is_named(n, c->exit, c->exit_count)) ||
        is_named(n, c->exclude_exits, c->exclude_exits_count))
        out |= 1 << NODE_EXIT;
    return (uint8_t)out;
}

static bool is_unspecified(const struct address *a)
{
    static const uint8_t zeros[16];
    return memcmp(a->bytes, zeros, sizeof(zeros)) == 0;
}

static uint32_t first_bytes(const struct address *a)
{
    return (uint32_t)a->bytes[0] << 24 | (uint32_t)a->bytes[1] << 16 | (uint32_t)a->bytes[2] << 8 |
           a->bytes[3];
}

void node_place_fill(const struct node_list *list, const struct node *n, struct node_place *out)
{
    const struct config *config = list->relay->config;
    const struct address *ipv4 = &n->status->ipv4;
    *out = (struct node_place){0};
    if (config == NULL)
        return;
    out->excluded = excluded_positions(n, &config->nodes);
    for (unsigned i = 0; i < config->nodes.family_count; i++)
        if (is_named(n, config->nodes.families[i].members, config->nodes.families[i].member_count))
            out->families |= UINT64_C(1) << i;
    if (!config->nodes.distinct_subnets)
        return;
    if (ipv4->family == ADDRESS_IPV4)
        out->subnet4 = first_bytes(ipv4) >> 16; // 0/16 is nobody's
    if (n->ipv6.family == ADDRESS_IPV6 && !is_unspecified(&n->ipv6)) {
        out->subnet6 = first_bytes(&n->ipv6);
        out->has_subnet6 = true;
    }
}

_Static_assert(CONFIG_NODE_FAMILIES_MAX <= 64, "a bit for each");

bool node_related(const struct node_list *list, const struct node *a, const struct node *b)
{
    if (a == b)
        return true;
    const struct node_place *p = &list->places[a->index], *q = &list->places[b->index];
    if ((p->subnet4 != 0 && p->subnet4 == q->subnet4) ||
        (p->has_subnet6 && q->has_subnet6 && p->subnet6 == q->subnet6) ||
        (p->families & q->families) != 0)
        return true;
    if (list->parameters.use_family_lists && node_family_has(a->family, b->status) &&
        node_family_has(b->family, a->status))
        return true;
    return list->parameters.use_family_ids && node_families_share_id(a->family, b->family);
}

bool node_excluded(const struct node_list *list, const struct node *n, enum node_position position)
{
    return list->places[n->index].excluded >> position & 1;
}
