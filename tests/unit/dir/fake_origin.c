// SPDX-License-Identifier: BSD-3-Clause
// Doubles of the origin's side.
#include "fake_origin.h"

#include <stdlib.h>
#include <string.h>

#include "crypto/random.h"
#include "dir/store/store.h"
#include "origin/guard/guard.h"
#include "origin/node/node.h"
#include "origin/origin.h"
#include "origin/pool/circuit_pool.h"
#include "relay.h"

struct fake_origin fake_origin;

struct guards {
    struct relay *relay;
};
struct node_list {
    struct relay *relay;
};
struct guard_use {
    int unused;
};

static struct guards guards;
static struct node_list nodes;
static struct origin origin;

void fake_origin_set(struct relay *relay)
{
    fake_origin = (struct fake_origin){0};
    guards.relay = nodes.relay = relay;
    origin = (struct origin){.relay = relay, .guards = &guards, .nodes = &nodes};
    relay->origin = &origin;
}

static void guard_id(unsigned i, uint8_t id[20])
{
    memset(id, 0x11, 20); // the fake network's relays
    id[0] = (uint8_t)(i + 1);
}

struct guard_use *guard_choose(struct guards *g, const struct guard_restriction *restriction,
                               struct own_circuit_hop *hop, const struct node **node)
{
    (void)g;
    if (fake_origin.no_guards || !restriction->for_directory)
        return NULL;
    *hop = (struct own_circuit_hop){0};
    guard_id(random_uniform(FAKE_GUARDS), hop->target.rsa_id);
    hop->target.n_addresses = 1;
    *node = NULL;
    fake_origin.chosen++;
    return calloc(1, sizeof(struct guard_use));
}

enum guard_verdict guard_use_succeeded(struct guard_use *use)
{
    (void)use;
    fake_origin.succeeded++;
    return GUARD_USABLE;
}

void guard_use_failed(struct guard_use *use)
{
    fake_origin.failed++;
    free(use);
}

void guard_use_end(struct guard_use *use)
{
    fake_origin.ended++;
    free(use);
}

void guards_each(const struct guards *g, void (*each)(void *user, const struct guard_info *info),
                 void *user)
{
    (void)g;
    for (unsigned i = 0; i < 20; i++) { // the primary ones are the last relays
        struct guard_info info = {.primary = i >= 17};
        guard_id(110 + i, info.rsa_id);
        each(user, &info);
    }
}

void circuit_pool_tick(struct circuit_pool *pool)
{
    (void)pool;
    fake_origin.pool_ticks++;
}

void origin_network_changed(struct origin *o)
{
    fake_origin.changed += o != NULL;
}

bool origin_may_build(const struct origin *o, const char **why)
{
    (void)o;
    if (why != NULL)
        *why = "the test says so";
    return fake_origin.may_build;
}

size_t node_count(const struct node_list *list)
{
    const struct stored_consensus *c = store_consensus(list->relay->store, CONSENSUS_MICRODESC, 0);
    return c == NULL ? 0 : c->parsed->n_routers;
}

size_t node_list_missing(const struct node_list *list)
{
    const struct stored_consensus *c = store_consensus(list->relay->store, CONSENSUS_MICRODESC, 0);
    size_t n = 0;
    for (size_t i = 0; c != NULL && i < c->parsed->n_routers; i++)
        n += store_get(list->relay->store, STORE_MICRODESCRIPTOR, c->parsed->routers[i].digest) ==
             NULL;
    return n;
}

unsigned node_list_paths_percent(const struct node_list *list)
{
    size_t total = node_count(list);
    return total == 0 ? 0 : (unsigned)((total - node_list_missing(list)) * 100 / total);
}
