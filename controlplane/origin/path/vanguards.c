// SPDX-License-Identifier: BSD-3-Clause
// Vanguards-lite: the set of second hops, and who leaves and joins it.
#include "origin/path/vanguards.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "crypto/random.h"
#include "dir/parameters.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "origin/path/path.h"
#include "relay.h"

enum { VANGUARDS_MAX = 19 }; // what guard-hs-l2-number can be

struct vanguard {
    uint8_t rsa_id[20];
    time_t expires;
};

struct vanguards {
    struct origin *origin;
    struct vanguard of[VANGUARDS_MAX];
    unsigned n;
};

struct vanguards *vanguards_create(struct origin *origin)
{
    struct vanguards *v = calloc(1, sizeof(*v));
    if (v != NULL)
        v->origin = origin;
    return v;
}

void vanguards_free(struct vanguards *v)
{
    free(v);
}

bool vanguards_enabled(const struct vanguards *v)
{
    return parameters_of(v->origin->relay)->vanguards_enabled != 0;
}

static bool is_fit(const struct node *n)
{
    return (n->status->flags & (ROUTER_FAST | ROUTER_STABLE)) == (ROUTER_FAST | ROUTER_STABLE);
}

static bool is_in_set(const struct vanguards *v, const struct node *n)
{
    for (unsigned i = 0; i < v->n; i++)
        if (memcmp(v->of[i].rsa_id, n->status->rsa_id, 20) == 0)
            return true;
    return false;
}

// They may be related to each other, and to any other hop (8.43).
static bool may_join_unfit(const void *user, const struct node *n)
{
    const struct vanguards *v = user;
    const struct node_list *nodes = v->origin->nodes;
    const struct node *self = node_list_self(nodes);
    return n->has_keys && n->extend2 && !node_excluded(nodes, n, NODE_ANYWHERE) &&
           !is_in_set(v, n) && (self == NULL || !node_related(nodes, self, n));
}

static bool may_join(const void *user, const struct node *n)
{
    return is_fit(n) && may_join_unfit(user, n);
}

static bool may_stay(const struct vanguards *v, const struct vanguard *g, time_t now)
{
    const struct node_list *nodes = v->origin->nodes;
    const struct node *n = node_find(nodes, g->rsa_id);
    return now < g->expires && n != NULL && is_fit(n) && !node_excluded(nodes, n, NODE_ANYWHERE);
}

static time_t lifetime_s(const struct vanguards *v)
{
    const struct parameters *p = parameters_of(v->origin->relay);
    int32_t least = p->vanguards_lifetime_min_s, most = p->vanguards_lifetime_max_s;
    if (least >= most)
        return least;
    return least + (time_t)random_uniform((uint32_t)(most - least));
}

static void fill_up(struct vanguards *v, time_t now)
{
    unsigned wanted = (unsigned)parameters_of(v->origin->relay)->vanguards_number;
    while (v->n < wanted && v->n < VANGUARDS_MAX) {
        const struct node *n = path_draw(v->origin->nodes, WEIGHT_MIDDLE, may_join, v);
        if (n == NULL && v->n == 0) // any, until the next time
            n = path_draw(v->origin->nodes, WEIGHT_MIDDLE, may_join_unfit, v);
        if (n == NULL)
            return;
        struct vanguard *g = &v->of[v->n++];
        memcpy(g->rsa_id, n->status->rsa_id, sizeof(g->rsa_id));
        g->expires = now + lifetime_s(v);
        log_info("a relay joined the second layer of onion services' circuits");
    }
}

void vanguards_refresh(struct vanguards *v)
{
    const struct node_list *nodes = v->origin->nodes;
    time_t now = relay_now(v->origin->relay);
    unsigned kept = 0;
    // Who knows little of the network would drop those that he should keep.
    if (node_count(nodes) == 0 ||
        node_list_paths_percent(nodes) < node_list_paths_wanted_percent(nodes))
        return;
    for (unsigned i = 0; i < v->n; i++)
        if (may_stay(v, &v->of[i], now))
            v->of[kept++] = v->of[i];
    v->n = kept;
    fill_up(v, now);
}

void vanguards_renew(struct vanguards *v)
{
    v->n = 0;
    vanguards_refresh(v);
}

const struct node *vanguards_choose(struct vanguards *v, const struct node *const * not,
                                    unsigned n_not)
{
    const struct node *usable[VANGUARDS_MAX];
    unsigned n = 0;
    vanguards_refresh(v);
    for (unsigned i = 0; i < v->n; i++) {
        const struct node *node = node_find(v->origin->nodes, v->of[i].rsa_id);
        bool refused = node == NULL || !node->has_keys;
        for (unsigned k = 0; k < n_not; k++)
            refused |= node == not [k];
        if (!refused)
            usable[n++] = node;
    }
    return n > 0 ? usable[random_uniform(n)] : NULL;
}
