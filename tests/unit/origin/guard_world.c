// SPDX-License-Identifier: BSD-3-Clause
// A world for guards, with doubles of the nodes.
#include "guard_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "origin/path/path.h"

time_t world_now = 1800000000;

static time_t wall_clock(void)
{
    return world_now;
}

// ---- doubles

struct node_list {
    struct node nodes[WORLD_RELAYS_MAX];
    bool excluded[WORLD_RELAYS_MAX];
    unsigned family[WORLD_RELAYS_MAX];
    size_t n;
    struct consensus consensus;
    struct consensus_parameter parameters[16];
};

size_t node_count(const struct node_list *list)
{
    return list->n;
}

const struct node *node_at(const struct node_list *list, size_t index)
{
    return index < list->n ? &list->nodes[index] : NULL;
}

static int by_rsa_id(const void *key, const void *node)
{
    return memcmp(key, ((const struct node *)node)->status->rsa_id, 20);
}

const struct node *node_find(const struct node_list *list, const uint8_t rsa_id[20])
{
    return bsearch(rsa_id, list->nodes, list->n, sizeof(list->nodes[0]), by_rsa_id);
}

const struct consensus *node_list_consensus(const struct node_list *list)
{
    return list->consensus.valid_after != 0 ? &list->consensus : NULL;
}

bool node_related(const struct node_list *list, const struct node *a, const struct node *b)
{
    return a == b ||
           (list->family[a->index] != 0 && list->family[a->index] == list->family[b->index]);
}

bool node_excluded(const struct node_list *list, const struct node *n, enum node_position position)
{
    return position == NODE_GUARD && list->excluded[n->index];
}

void node_hop(const struct node *n, struct own_circuit_hop *out)
{
    *out = (struct own_circuit_hop){.has_ntor_key = true};
    memcpy(out->target.rsa_id, n->status->rsa_id, 20);
}

const struct node *path_draw(const struct node_list *nodes, enum weight_rule rule,
                             node_allowed_fn allowed, const void *user)
{
    uint32_t total = 0;
    (void)rule;
    for (size_t i = 0; i < nodes->n; i++)
        if (allowed(user, &nodes->nodes[i]))
            total += nodes->nodes[i].status->bandwidth;
    uint32_t at = random_uniform(total);
    for (size_t i = 0; i < nodes->n; i++) {
        if (!allowed(user, &nodes->nodes[i]))
            continue;
        if (at < nodes->nodes[i].status->bandwidth)
            return &nodes->nodes[i];
        at -= nodes->nodes[i].status->bandwidth;
    }
    return NULL;
}

// ---- relays

static int by_status(const void *a, const void *b)
{
    const struct world_relay *x = a, *y = b;
    return memcmp(x->status.rsa_id, y->status.rsa_id, 20);
}

static void make_relays(struct world *w, size_t n)
{
    w->n_relays = n;
    for (size_t i = 0; i < n; i++) {
        struct world_relay *r = &w->relays[i];
        *r = (struct world_relay){.listed = true, .has_keys = true, .up = true};
        random_bytes(r->status.rsa_id, 20);
        snprintf(r->status.nickname, sizeof(r->status.nickname), "relay%u", (uint16_t)i);
        r->status.flags = ROUTER_GUARD | ROUTER_STABLE | ROUTER_FAST | ROUTER_VALID | ROUTER_V2DIR |
                          ROUTER_RUNNING;
        r->status.bandwidth = 1 + random_uniform(10000);
        r->status.ipv4 = address_ipv4(0x0a000000 + (uint32_t)i, 9001);
    }
    qsort(w->relays, n, sizeof(w->relays[0]), by_status);
}

struct world_relay *world_find(struct world *w, const uint8_t rsa_id[20])
{
    struct world_relay key;
    memcpy(key.status.rsa_id, rsa_id, 20);
    return bsearch(&key, w->relays, w->n_relays, sizeof(key), by_status);
}

void world_publish(struct world *w)
{
    struct node_list *list = w->origin.nodes;
    list->n = 0;
    for (size_t i = 0; i < w->n_relays; i++) {
        const struct world_relay *r = &w->relays[i];
        if (!r->listed)
            continue;
        list->excluded[list->n] = r->excluded;
        list->family[list->n] = r->family;
        list->nodes[list->n] = (struct node){
            .status = &r->status, .index = (uint32_t)list->n, .has_keys = r->has_keys};
        list->n++;
    }
    list->consensus.valid_after = world_now - 3600;
    list->consensus.fresh_until = world_now;
    list->consensus.valid_until = world_now + 2 * 3600;
    list->consensus.parameters = list->parameters;
    parameters_update(&w->relay, &list->consensus);
    if (w->origin.guards != NULL)
        guards_refresh(w->origin.guards);
}

void world_set_parameter(struct world *w, const char *name, int32_t value)
{
    struct consensus *c = &w->origin.nodes->consensus;
    struct consensus_parameter *p = &w->origin.nodes->parameters[c->n_parameters++];
    snprintf(p->name, sizeof(p->name), "%s", name);
    p->value = value;
    world_publish(w);
}

// ---- life

void world_begin(struct world *w)
{
    w->relay.uptime_s = 1;
    w->origin.state = state_file_create(&w->relay);
    w->origin.guards = guards_create(&w->origin);
}

void world_begin_of(struct world *w, const char *text, size_t length)
{
    w->relay.uptime_s = 1;
    w->origin.state = state_file_create_of(&w->relay, text, length);
    w->origin.guards = guards_create(&w->origin);
}

void world_end(struct world *w)
{
    guards_free(w->origin.guards);
    state_file_free(w->origin.state);
    w->origin.guards = NULL;
    uv_run(&w->loop, UV_RUN_DEFAULT);
}

void world_restart(struct world *w)
{
    world_end(w);
    world_begin(w);
}

struct world *world_create(size_t n_relays)
{
    struct world *w = calloc(1, sizeof(*w));
    w->dir = temp_dir_make();
    snprintf(w->config.data_directory, sizeof(w->config.data_directory), "%s", w->dir.path);
    uv_loop_init(&w->loop);
    w->relay = (struct relay){.loop = &w->loop, .config = &w->config, .wall_clock = wall_clock};
    w->relay.parameters = parameters_create(&w->relay);
    w->origin.relay = &w->relay;
    w->origin.nodes = calloc(1, sizeof(*w->origin.nodes));
    make_relays(w, n_relays);
    world_publish(w);
    world_begin(w);
    return w;
}

void world_free(struct world *w)
{
    world_end(w);
    parameters_free(w->relay.parameters);
    uv_loop_close(&w->loop);
    temp_dir_remove(&w->dir);
    free(w->origin.nodes);
    free(w);
}

void world_pass(struct world *w, time_t s)
{
    while (s > 0) {
        time_t step = s < 60 ? s : 60;
        world_now += step;
        w->relay.uptime_s += (uint32_t)step;
        guards_tick(w->origin.guards);
        state_file_tick(w->origin.state);
        uv_run(&w->loop, UV_RUN_NOWAIT);
        s -= step;
    }
}

void world_all_up(struct world *w, bool up)
{
    for (size_t i = 0; i < w->n_relays; i++)
        w->relays[i].up = up;
}

// ---- looking

static void look_at(void *user, const struct guard_info *info)
{
    struct world_guards *out = user;
    out->all[out->n++] = *info;
    out->primary += info->primary;
    out->confirmed += info->confirmed;
    out->filtered += info->filtered;
}

struct world_guards *world_look(const struct world *w)
{
    static struct world_guards all;
    all = (struct world_guards){.n = 0};
    guards_each(w->origin.guards, look_at, &all);
    return &all;
}

struct world_relay *world_guard_of(struct world *w, const struct guard_use *use)
{
    return use != NULL ? world_find(w, guard_use_rsa_id(use)) : NULL;
}

struct guard_use *world_choose(struct world *w)
{
    struct own_circuit_hop hop;
    return guard_choose(w->origin.guards, NULL, &hop, NULL);
}

struct world_relay *world_try(struct world *w, enum guard_verdict *verdict)
{
    struct guard_use *use = world_choose(w);
    struct world_relay *r = world_guard_of(w, use);
    if (use != NULL && !r->up) {
        guard_use_failed(use);
    } else if (use != NULL) {
        enum guard_verdict v = guard_use_succeeded(use);
        if (verdict != NULL)
            *verdict = v;
        guard_use_end(use);
    }
    return r;
}
