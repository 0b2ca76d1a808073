// SPDX-License-Identifier: BSD-3-Clause
// How much of the network can be used with the microdescriptors that are here (protocol 9.12).
#include "origin/node/node_internal.h"
#include "relay.h"

// The part of some relays that have theirs: by weight, or by number where that is nothing.
struct part {
    double weight, weight_here;
    size_t n, n_here;
};

static void part_add(struct part *p, const struct weight_factors *f, const struct node *n)
{
    double weight = weight_of(f, n->status);
    p->weight += weight;
    p->n++;
    if (n->has_keys) {
        p->weight_here += weight;
        p->n_here++;
    }
}

static double part_fraction(const struct part *p)
{
    if (p->n == 0)
        return 0;
    return p->weight > 0 ? p->weight_here / p->weight : (double)p->n_here / (double)p->n;
}

static bool refuses_all(const struct node *n)
{
    return n->has_keys && port_policy_allows_none(n->policy) && port_policy_allows_none(n->policy6);
}

// Of the operator's own choice of exits, when there is one: those with the flag, or, if none has
// it, those that are known to serve a port.
static double own_exits(const struct node_list *list, const struct weight_factors *f)
{
    struct part flagged = {0}, others = {0};
    for (size_t i = 0; i < list->n; i++) {
        const struct node *n = &list->nodes[i];
        if (node_excluded(list, n, NODE_EXIT) || refuses_all(n))
            continue;
        if (n->status->flags & ROUTER_EXIT)
            part_add(&flagged, f, n);
        else
            part_add(&others, f, n);
    }
    return flagged.n > 0 ? part_fraction(&flagged) : part_fraction(&others);
}

void node_paths_count(struct node_list *list)
{
    struct weight_factors guard, middle, exit;
    struct part guards = {0}, middles = {0}, exits = {0};
    const struct config *config = list->relay->config;
    bool own_guards = config != NULL && config->nodes.entry_count > 0;
    weight_factors_read(list->consensus, WEIGHT_GUARD, &guard);
    weight_factors_read(list->consensus, WEIGHT_MIDDLE, &middle);
    weight_factors_read(list->consensus, WEIGHT_EXIT, &exit);
    for (size_t i = 0; i < list->n; i++) {
        const struct node *n = &list->nodes[i];
        if (!n->extend2)
            continue;
        if (own_guards ? !node_excluded(list, n, NODE_GUARD)
                       : (n->status->flags & ROUTER_GUARD) != 0)
            part_add(&guards, &guard, n);
        if (!node_excluded(list, n, NODE_MIDDLE))
            part_add(&middles, &middle, n);
        if ((n->status->flags & ROUTER_EXIT) && !refuses_all(n))
            part_add(&exits, &exit, n);
    }
    list->has_exits = exits.n > 0;
    double last = list->has_exits ? part_fraction(&exits) : part_fraction(&middles);
    if (list->has_exits && config != NULL && config->nodes.exit_count > 0) {
        double own = own_exits(list, &exit);
        last = own < last ? own : last;
    }
    list->paths_percent =
        (unsigned)(100 * part_fraction(&guards) * part_fraction(&middles) * last + 1e-9);
}

unsigned node_list_paths_percent(const struct node_list *list)
{
    return list->paths_percent;
}

unsigned node_list_paths_wanted_percent(const struct node_list *list)
{
    return (unsigned)list->parameters.min_paths_pct;
}

bool node_list_has_exits(const struct node_list *list)
{
    return list->has_exits;
}
