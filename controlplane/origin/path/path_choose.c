// SPDX-License-Identifier: BSD-3-Clause
// A whole path: its end first, then the guard, then what is between.
#include <errno.h>
#include <string.h>

#include "origin/guard/guard.h"
#include "origin/origin.h"
#include "origin/path/path_internal.h"
#include "origin/path/vanguards.h"
#include "relay.h"

// A path while it is chosen.
struct choice {
    struct origin *origin;
    const struct path_request *request;
    struct path *out;
    const char **why;
    bool stable;
    unsigned n_hops;
    struct taken last, guard, layer2;
};

bool path_port_is_long_lived(uint16_t port)
{
    static const uint16_t ports[] = {21,   22,   706,  1863, 5050, 5190,
                                     5222, 5223, 6523, 6667, 6697, 8300};
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
        if (ports[i] == port)
            return true;
    return false;
}

static int fail(const struct choice *c, int err, const char *why)
{
    if (c->why != NULL)
        *c->why = why;
    return err;
}

// ---- one relay

static bool same_id(const struct node *n, const uint8_t rsa_id[20])
{
    return memcmp(n->status->rsa_id, rsa_id, 20) == 0;
}

bool path_need_met(const struct path_need *need, const struct node *n)
{
    unsigned flags = n->status->flags;
    const struct node *self = node_list_self(need->nodes);
    if (!n->has_keys || !n->extend2 || (need->fast && !(flags & ROUTER_FAST)) ||
        (need->stable && !(flags & ROUTER_STABLE)) ||
        (need->no_middle_only && (flags & ROUTER_MIDDLE_ONLY)) ||
        node_excluded(need->nodes, n, need->position) ||
        (need->request->has_avoid && same_id(n, need->request->avoid)) ||
        (self != NULL && node_related(need->nodes, self, n)))
        return false;
    for (unsigned i = 0; i < need->n_taken; i++) {
        const struct taken *t = &need->taken[i];
        if (same_id(n, t->rsa_id) ||
            (need->relations && t->node != NULL && node_related(need->nodes, t->node, n)))
            return false;
    }
    return true;
}

static bool middle_need_met(const void *user, const struct node *n)
{
    return path_need_met(user, n);
}

static struct path_need need_of(const struct choice *c, enum node_position position)
{
    return (struct path_need){
        .nodes = c->origin->nodes,
        .request = c->request,
        .position = position,
        .fast = true,
        .stable = c->stable,
        .relations = c->request->kind != PATH_VANGUARDS,
    };
}

static void need_take(struct path_need *need, const struct taken *t)
{
    if (t->rsa_id != NULL)
        need->taken[need->n_taken++] = *t;
}

// By the weights of middles; without Fast and Stable when there is none with them.
static const struct node *draw_middle(struct path_need *need)
{
    const struct node *n = path_draw(need->nodes, WEIGHT_MIDDLE, middle_need_met, need);
    if (n == NULL && (need->fast || need->stable)) {
        need->fast = need->stable = false;
        n = path_draw(need->nodes, WEIGHT_MIDDLE, middle_need_met, need);
    }
    return n;
}

static struct taken taken_of(const struct node *n)
{
    return (struct taken){n, n->status->rsa_id};
}

static void put_hop(struct choice *c, unsigned i, const struct node *n)
{
    node_hop(n, &c->out->hops.hops[i]);
}

// ---- the last one

static int take_given(struct choice *c)
{
    const struct node_list *nodes = c->origin->nodes;
    const struct config *config = c->origin->relay->config;
    const uint8_t *rsa_id = c->request->last.target.rsa_id;
    c->last = (struct taken){node_find(nodes, rsa_id), rsa_id};
    if (config != NULL && config->nodes.strict && c->last.node != NULL &&
        node_excluded(nodes, c->last.node, NODE_ANYWHERE))
        return fail(c, -ENOENT, "the last relay is excluded by the configuration");
    c->out->hops.hops[c->n_hops - 1] = c->request->last;
    return 0;
}

static int draw_exit(struct choice *c)
{
    struct path_need need = need_of(c, NODE_EXIT);
    const struct node *n = path_draw_exit(&need);
    if (n == NULL)
        return fail(c, -ENOENT,
                    node_list_has_exits(need.nodes) ? "no exit serves this port"
                                                    : "no exit is in the consensus");
    c->last = taken_of(n);
    put_hop(c, c->n_hops - 1, n);
    return 0;
}

// One for the inside of the network. On a path of vanguards it may be the guard again from the
// fourth on: that tells it nothing, and to avoid the guard would tell others about it.
static int draw_inner_end(struct choice *c)
{
    struct path_need need = need_of(c, NODE_ANYWHERE);
    need.no_middle_only = true;
    need_take(&need, &c->layer2);
    if (c->n_hops < 4)
        need_take(&need, &c->guard);
    const struct node *n = draw_middle(&need);
    if (n == NULL)
        return fail(c, -ENOENT, "no relay can end this path");
    c->last = taken_of(n);
    put_hop(c, c->n_hops - 1, n);
    return 0;
}

// ---- the first one

static int take_guard(struct choice *c)
{
    struct own_circuit_hop *hop = &c->out->hops.hops[0];
    bool vanguards = c->request->kind == PATH_VANGUARDS;
    bool related_is_fine = vanguards && c->n_hops > 3;
    const struct node *node = NULL;
    struct guard_restriction restriction = {
        .exit = related_is_fine ? NULL : c->last.node,
        .for_directory = c->request->kind == PATH_DIRECTORY,
    };
    c->out->guard = guard_choose(c->origin->guards, &restriction, hop, &node);
    if (c->out->guard == NULL)
        return fail(c, -EAGAIN, "no guard can be used now");
    c->guard = (struct taken){node, hop->target.rsa_id};
    if (c->n_hops > 1 && !hop->has_ntor_key)
        return fail(c, -EAGAIN, "the guard's key is not known yet");
    if (related_is_fine || c->last.rsa_id == NULL)
        return 0;
    bool related = node != NULL && c->last.node != NULL && !vanguards &&
                   node_related(c->origin->nodes, node, c->last.node);
    if (related || memcmp(hop->target.rsa_id, c->last.rsa_id, 20) == 0)
        return fail(c, -EAGAIN, "the guard is related to the last relay");
    return 0;
}

// ---- those between

static int take_layer2(struct choice *c)
{
    const struct node *avoid =
        c->request->has_avoid ? node_find(c->origin->nodes, c->request->avoid) : NULL;
    const struct node *const not [] = {c->guard.node, c->last.node, avoid};
    const struct node *n = vanguards_choose(c->origin->vanguards, not, 3);
    if (n == NULL)
        return fail(c, -EAGAIN, "no relay of layer 2 can be used");
    c->layer2 = taken_of(n);
    put_hop(c, 1, n);
    return 0;
}

static int draw_middles(struct choice *c, unsigned first)
{
    struct path_need need = need_of(c, NODE_MIDDLE);
    need_take(&need, &c->guard);
    need_take(&need, &c->layer2);
    need_take(&need, &c->last);
    for (unsigned i = first; i + 1 < c->n_hops; i++) {
        const struct node *n = draw_middle(&need);
        if (n == NULL)
            return fail(c, -ENOENT, "no relay can stand in the middle");
        struct taken t = taken_of(n);
        need_take(&need, &t);
        put_hop(c, i, n);
    }
    return 0;
}

// ---- the path

static int choose_plain(struct choice *c)
{
    int err = c->request->has_last            ? take_given(c)
              : c->request->kind == PATH_EXIT ? draw_exit(c)
                                              : draw_inner_end(c);
    if (err == 0)
        err = take_guard(c);
    return err < 0 ? err : draw_middles(c, 1);
}

static int choose_vanguards(struct choice *c)
{
    bool enabled = vanguards_enabled(c->origin->vanguards);
    int err = c->request->has_last ? take_given(c) : 0;
    if (err == 0)
        err = take_guard(c);
    if (err == 0 && enabled)
        err = take_layer2(c);
    if (err == 0 && !c->request->has_last)
        err = draw_inner_end(c);
    return err < 0 ? err : draw_middles(c, enabled ? 2 : 1);
}

static unsigned hops_of(const struct path_request *request)
{
    if (request->n_hops != 0)
        return request->n_hops;
    switch (request->kind) {
    case PATH_DIRECTORY:
        return 1;
    case PATH_EXIT:
    case PATH_INTERNAL:
        return 3;
    default:
        return request->has_last ? 4 : 3;
    }
}

static bool is_possible(const struct path_request *request, unsigned n_hops)
{
    unsigned least = request->kind == PATH_VANGUARDS ? 3 : request->has_last ? 1 : 2;
    if (request->kind == PATH_DIRECTORY)
        return n_hops == 1 && !request->has_last;
    return n_hops >= least && n_hops <= OWN_CIRCUIT_HOPS_MAX &&
           request->n_ports <= PATH_PORTS_MAX &&
           (request->has_last || request->kind != PATH_CONNECTION);
}

static int choose(struct choice *c)
{
    const struct node_list *nodes = c->origin->nodes;
    if (c->request->kind == PATH_DIRECTORY)
        return take_guard(c);
    if (c->n_hops == 1)
        return take_given(c);
    if (node_count(nodes) == 0)
        return fail(c, -EAGAIN, "no consensus is here");
    if (node_list_paths_percent(nodes) < node_list_paths_wanted_percent(nodes))
        return fail(c, -EAGAIN, "too few microdescriptors are here");
    return c->request->kind == PATH_VANGUARDS ? choose_vanguards(c) : choose_plain(c);
}

int path_choose(struct origin *origin, const struct path_request *request, struct path *out,
                const char **why)
{
    struct choice c = {
        .origin = origin,
        .request = request,
        .out = out,
        .why = why,
        .n_hops = hops_of(request),
        .stable = request->stable || request->kind == PATH_VANGUARDS,
    };
    *out = (struct path){.guard = NULL};
    if (!is_possible(request, c.n_hops))
        return fail(&c, -EINVAL, "there is no such path");
    for (unsigned i = 0; i < request->n_ports && request->kind == PATH_EXIT; i++)
        c.stable |= path_port_is_long_lived(request->ports[i]);
    int err = choose(&c);
    if (err == 0) {
        out->hops.n_hops = c.n_hops;
        return 0;
    }
    if (out->guard != NULL)
        guard_use_end(out->guard);
    *out = (struct path){.guard = NULL};
    return err;
}
