// SPDX-License-Identifier: BSD-3-Clause
// Draws in a network as large as the public one: how often each relay is drawn, against the weights
// as the specification has them (path-spec "Weighting node selection", dir-spec 3.8.3; protocol
// 9.14) computed here by itself; and a hundred thousand paths, none of which breaks a rule.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "network.h"
#include "origin/path/path.h"
#include "origin/path/vanguards.h"

enum { RELAYS = 9000, DRAWS = 100000 };

static struct network *world; // one for all tests, which leave it as it was

static struct network *make_world(void)
{
    struct network *w = network_create_real(RELAYS);
    // Guards of ours, in the meantime: 20 of those with all that it takes.
    unsigned wanted = ROUTER_GUARD | ROUTER_FAST | ROUTER_STABLE | ROUTER_V2DIR;
    while (w->origin.guards->n < 20) {
        size_t i = (size_t)network_random(w, RELAYS);
        const struct network_relay *r = &w->relays[i];
        if ((r->flags & wanted) == wanted && !r->missing && strstr(r->protocols, "Relay=2") != NULL)
            w->origin.guards->of[w->origin.guards->n++] = i;
    }
    w->origin.vanguards = vanguards_create(&w->origin);
    network_publish(w);
    return w;
}

// ---- the weights, once more

// "Wgg=5869 …"
static double weight_named(const char *name)
{
    const char *at = strstr(world->weights, name);
    assert_non_null(at);
    return atof(at + strlen(name) + 1) / 10000;
}

// Of a relay, at the position 'g', 'm', 'e' or 'b'; 0: by bandwidth alone.
static double weight_by_spec(const struct network_relay *r, char position)
{
    bool guard = r->flags & ROUTER_GUARD;
    bool exit = (r->flags & ROUTER_EXIT) && !(r->flags & ROUTER_BAD_EXIT);
    char kind = guard && exit ? 'd' : guard ? 'g' : exit ? 'e' : 'm';
    char name[4] = {'W', position, kind, '\0'}, cache_name[4] = {'W', kind, 'b', '\0'};
    if (position == 0)
        return r->bandwidth;
    // Who is no guard is none: there is no Wge, and who has neither flag is weighted with Wgm.
    double weight = position == 'g' && kind == 'e' ? 0 : weight_named(name);
    if (position != 'b' && (r->flags & ROUTER_V2DIR))
        weight *= weight_named(cache_name);
    return r->bandwidth * weight;
}

// Chi-square of counts against weights, those that are expected fewer than ten times together; it
// must not be further from what it should be than happens once in a billion times.
static void assert_fits(const char *what, const unsigned *counts, const double *weights, size_t n,
                        unsigned draws)
{
    double total = 0, chi = 0, rest_weight = 0, cells = 0;
    unsigned rest = 0;
    for (size_t i = 0; i < n; i++)
        total += weights[i];
    for (size_t i = 0; i < n; i++) {
        double expected = draws * weights[i] / total;
        if (weights[i] <= 0 && counts[i] > 0)
            fail_msg("%s: relay %zu was drawn", what, i);
        if (expected < 10) {
            rest += counts[i];
            rest_weight += expected;
            continue;
        }
        chi += (counts[i] - expected) * (counts[i] - expected) / expected;
        cells++;
    }
    if (rest_weight > 10) {
        chi += (rest - rest_weight) * (rest - rest_weight) / rest_weight;
        cells++;
    }
    double degrees = cells - 1;
    // Wilson and Hilferty: the cube root is nearly normal.
    double z = (cbrt(chi / degrees) - (1 - 2 / (9 * degrees))) / sqrt(2 / (9 * degrees));
    print_message("%s: chi-square %.0f with %.0f degrees of freedom, z %+.2f\n", what, chi, degrees,
                  z);
    assert_true(degrees > 50);
    if (fabs(z) > 6)
        fail_msg("%s does not fit", what);
}

static bool any(const void *user, const struct node *n)
{
    (void)user, (void)n;
    return true;
}

static bool is_even(const void *user, const struct node *n)
{
    (void)user;
    return n->index % 2 == 0;
}

// So few that they are mostly found by looking at all.
static bool is_rare(const void *user, const struct node *n)
{
    (void)user;
    return n->index % 45 == 7;
}

static void draw_and_compare(const char *what, enum weight_rule rule, char position,
                             node_allowed_fn allowed, unsigned draws)
{
    unsigned *counts = calloc(RELAYS, sizeof(*counts));
    double *weights = calloc(RELAYS, sizeof(*weights));
    assert_true(counts != NULL && weights != NULL);
    for (unsigned i = 0; i < draws; i++)
        counts[path_draw(world->origin.nodes, rule, allowed, NULL)->index]++;
    for (size_t i = 0; i < RELAYS; i++)
        if (allowed(NULL, network_node(world, i)))
            weights[i] = weight_by_spec(&world->relays[i], position);
    assert_fits(what, counts, weights, RELAYS, draws);
    free(counts);
    free(weights);
}

static void test_positions(void **state)
{
    (void)state;
    draw_and_compare("guards", WEIGHT_GUARD, 'g', any, DRAWS);
    draw_and_compare("middles", WEIGHT_MIDDLE, 'm', any, DRAWS);
    draw_and_compare("exits", WEIGHT_EXIT, 'e', any, DRAWS);
    draw_and_compare("directories", WEIGHT_DIRECTORY, 'b', any, DRAWS);
    draw_and_compare("bandwidth", WEIGHT_NONE, 0, any, DRAWS);
}

static void test_some_allowed(void **state)
{
    (void)state;
    draw_and_compare("half of the middles", WEIGHT_MIDDLE, 'm', is_even, DRAWS);
    draw_and_compare("few of the exits", WEIGHT_EXIT, 'e', is_rare, DRAWS / 10);
}

// The last hop of paths to port 6697, and the middle of paths to a given end.
static void test_whole_paths(void **state)
{
    (void)state;
    unsigned *counts = calloc(RELAYS, sizeof(*counts));
    double *weights = calloc(RELAYS, sizeof(*weights));
    struct path_request request = {.kind = PATH_EXIT, .n_ports = 1, .ports = {8333}};
    struct path p;
    assert_true(counts != NULL && weights != NULL);
    for (unsigned i = 0; i < DRAWS; i++) {
        assert_int_equal(path_choose(&world->origin, &request, &p, NULL), 0);
        counts[node_find(world->origin.nodes, p.hops.hops[2].target.rsa_id)->index]++;
        guard_use_end(p.guard);
    }
    for (size_t i = 0; i < RELAYS; i++) {
        const struct network_relay *r = &world->relays[i];
        bool serves = r->policy != NULL && (strstr(r->policy, "8332-8333") != NULL ||
                                            strncmp(r->policy, "reject 25", 9) == 0 ||
                                            strstr(r->policy, "1-65535") != NULL);
        if (serves && !r->missing && (r->flags & ROUTER_FAST) &&
            !(r->flags & (ROUTER_BAD_EXIT | ROUTER_MIDDLE_ONLY)) &&
            strstr(r->protocols, "Relay=1") != r->protocols + 9)
            weights[i] = weight_by_spec(r, 'e');
    }
    assert_fits("exits for port 8333", counts, weights, RELAYS, DRAWS);

    memset(counts, 0, RELAYS * sizeof(*counts));
    request = (struct path_request){.kind = PATH_CONNECTION, .n_hops = 3, .has_last = true};
    const struct node *last = NULL, *guard = network_node(world, world->origin.guards->of[0]);
    for (size_t i = 0; last == NULL; i++)
        if (network_node(world, i)->has_keys &&
            !node_related(world->origin.nodes, network_node(world, i), guard))
            last = network_node(world, i);
    size_t n_guards = world->origin.guards->n;
    world->origin.guards->n = 1;
    node_hop(last, &request.last);
    for (unsigned i = 0; i < DRAWS; i++) {
        assert_int_equal(path_choose(&world->origin, &request, &p, NULL), 0);
        counts[node_find(world->origin.nodes, p.hops.hops[1].target.rsa_id)->index]++;
        guard_use_end(p.guard);
    }
    world->origin.guards->n = n_guards;
    for (size_t i = 0; i < RELAYS; i++) {
        const struct network_relay *r = &world->relays[i];
        const struct node *n = network_node(world, i);
        bool fit = !r->missing && (r->flags & ROUTER_FAST) &&
                   strstr(r->protocols, "Relay=1") != r->protocols + 9;
        weights[i] = fit && !node_related(world->origin.nodes, n, last) &&
                             !node_related(world->origin.nodes, n, guard)
                         ? weight_by_spec(r, 'm')
                         : 0;
    }
    assert_fits("middles of paths", counts, weights, RELAYS, DRAWS);
    free(counts);
    free(weights);
}

// Equal chances where the consensus lacks a weight, or has a negative one: bandwidth alone counts.
static void test_without_weights(void **state)
{
    (void)state;
    char kept[sizeof(world->weights)];
    memcpy(kept, world->weights, sizeof(kept));
    static const char *const broken[][2] = {
        {"Wbd=1100", ""}, // and nothing after it
        {"Wmd=1200", "Wmd=-200"},
        {"Wmb=8100", "Wmc=8100"},
    };
    for (size_t i = 0; i < 3; i++) {
        strcpy(strstr(world->weights, broken[i][0]), broken[i][1]);
        if (i > 0) // what follows stays
            strcat(world->weights, strstr(kept, broken[i][0]) + 8);
        network_publish(world);
        draw_and_compare("middles without weights", WEIGHT_MIDDLE, 0, any, DRAWS / 2);
        memcpy(world->weights, kept, sizeof(kept));
    }
    network_publish(world);
}

// Another scale; a weight that is more than it counts as all of it.
static void test_scale(void **state)
{
    (void)state;
    char kept[sizeof(world->weights)];
    memcpy(kept, world->weights, sizeof(kept));
    snprintf(world->params, sizeof(world->params), "bwweightscale=5000");
    snprintf(world->weights, sizeof(world->weights),
             "Wbd=1 Wbe=1 Wbg=1 Wbm=1 Wdb=2500 Web=2500 Wed=1 Wee=1 Weg=1 Wem=1 Wgb=2500 Wgd=1 "
             "Wgg=1 Wgm=1 Wmb=2500 Wmd=1000 Wme=500 Wmg=9999 Wmm=5000");
    network_publish(world);
    snprintf(world->weights, sizeof(world->weights),
             "Wdb=5000 Web=5000 Wgb=5000 Wmb=5000 Wmd=2000 Wme=1000 Wmg=10000 Wmm=10000");
    draw_and_compare("middles on another scale", WEIGHT_MIDDLE, 'm', any, DRAWS);
    memcpy(world->weights, kept, sizeof(kept));
    world->params[0] = '\0';
    network_publish(world);
}

// All bandwidths are nothing, as in a new network: each relay alike.
static void test_nothing_measured(void **state)
{
    (void)state;
    struct network *w = network_create(200);
    unsigned counts[200] = {0};
    double weights[200];
    for (size_t i = 0; i < 200; i++) {
        w->relays[i].bandwidth = 0;
        weights[i] = i % 2 == 0 ? 1 : 0;
    }
    network_publish(w);
    for (unsigned i = 0; i < DRAWS / 2; i++)
        counts[path_draw(w->origin.nodes, WEIGHT_MIDDLE, is_even, NULL)->index]++;
    unsigned least = DRAWS, most = 0;
    for (size_t i = 0; i < 200; i++) {
        assert_true(weights[i] > 0 || counts[i] == 0);
        if (weights[i] > 0 && counts[i] < least)
            least = counts[i];
        if (counts[i] > most)
            most = counts[i];
    }
    assert_true(least > 350 && most < 650); // 500 each, give or take 22
    network_free(w);
}

// ---- no rule is broken

// By what the network was made of, not by what the list of nodes says.
static bool are_related(const struct network_relay *a, const struct network_relay *b)
{
    unsigned a6, b6, ah, bh;
    if (a == b || a->ipv4 >> 16 == b->ipv4 >> 16)
        return true;
    if (sscanf(a->ipv6, "[%x:%x:", &ah, &a6) == 2 && sscanf(b->ipv6, "[%x:%x:", &bh, &b6) == 2 &&
        ah == bh && a6 == b6)
        return true;
    return (a->group != 0 && a->group == b->group) ||
           (a->id_group != 0 && a->id_group == b->id_group);
}

// The text of a policy, slowly.
static bool serves(const char *policy, unsigned port)
{
    bool accept, listed = false;
    if (policy == NULL)
        return false;
    accept = strncmp(policy, "accept", 6) == 0;
    for (const char *at = policy + 7; !listed && at != NULL;) {
        unsigned low, high;
        int n = sscanf(at, "%u-%u", &low, &high);
        listed = n == 2 ? low <= port && port <= high : low == port;
        at = strchr(at, ',');
        at = at != NULL ? at + 1 : NULL;
    }
    return listed == accept;
}

static void check_path(const struct path *p, const struct path_request *request, bool stable,
                       const bool *excluded, const bool *no_exit)
{
    size_t at[OWN_CIRCUIT_HOPS_MAX];
    for (unsigned k = 0; k < p->hops.n_hops; k++) {
        const struct node *n = node_find(world->origin.nodes, p->hops.hops[k].target.rsa_id);
        const struct network_relay *r = network_relay_of(world, n);
        at[k] = n->index;
        assert_false(r->missing);
        assert_memory_equal(p->hops.hops[k].ntor_key, r->ntor_key, 32);
        assert_true(strstr(r->protocols, "Relay=1") != r->protocols + 9);
        for (unsigned m = 0; m < k; m++)
            assert_false(are_related(r, &world->relays[at[m]]));
        if (k == 0)
            continue; // the guards' own rules are elsewhere
        assert_true(r->flags & ROUTER_FAST);
        assert_true(!stable || (r->flags & ROUTER_STABLE));
        assert_false(excluded[n->index]);
        if (k + 1 < p->hops.n_hops)
            continue;
        assert_false(r->flags & ROUTER_MIDDLE_ONLY);
        if (request->kind != PATH_EXIT)
            continue;
        assert_false(r->flags & ROUTER_BAD_EXIT);
        assert_false(no_exit[n->index]);
        bool any_port = false;
        for (unsigned i = 0; i < request->n_ports; i++)
            any_port |= serves(request->ipv6 ? r->policy6 : r->policy, request->ports[i]);
        assert_true(any_port);
    }
}

static void test_no_rule_is_broken(void **state)
{
    (void)state;
    static const struct path_request requests[] = {
        {.kind = PATH_EXIT, .n_ports = 1, .ports = {443}},
        {.kind = PATH_EXIT, .n_ports = 2, .ports = {80, 443}},
        {.kind = PATH_EXIT, .n_ports = 1, .ports = {6697}},
        {.kind = PATH_EXIT, .n_ports = 3, .ports = {22, 25, 9999}},
        {.kind = PATH_EXIT, .n_ports = 1, .ports = {443}, .ipv6 = true},
        {.kind = PATH_EXIT, .n_ports = 1, .ports = {80}, .stable = true, .n_hops = 5},
        {.kind = PATH_INTERNAL},
        {.kind = PATH_INTERNAL, .stable = true, .n_hops = 4},
    };
    bool *excluded = calloc(RELAYS, sizeof(bool)), *no_exit = calloc(RELAYS, sizeof(bool));
    struct config_nodes *c = &world->config.nodes;
    assert_true(excluded != NULL && no_exit != NULL);
    // Some by fingerprint, and a /11; not the guards.
    for (unsigned i = 0; i < 100; i++) {
        size_t relay = (size_t)network_random(world, RELAYS);
        memcpy(c->exclude[c->exclude_count++].rsa_id, world->relays[relay].rsa_id, 20);
        excluded[relay] = true;
        relay = (size_t)network_random(world, RELAYS);
        memcpy(c->exclude_exits[c->exclude_exits_count++].rsa_id, world->relays[relay].rsa_id, 20);
        no_exit[relay] = true;
    }
    struct config_node *prefix = &c->exclude[c->exclude_count++];
    prefix->is_prefix = true;
    prefix->prefix.bits = 11;
    prefix->prefix.address = address_ipv4(0x0e200000, 0);
    unsigned in_prefix = 0;
    for (size_t i = 0; i < RELAYS; i++) {
        bool inside = world->relays[i].ipv4 >> 21 == 0x0e200000 >> 21;
        excluded[i] |= inside;
        in_prefix += inside;
    }
    assert_true(in_prefix > 10);
    // The middles with most bandwidth are a family by the config.
    c->family_count = 1;
    for (size_t i = 0; i < RELAYS && c->families[0].member_count < CONFIG_NODE_FAMILY_MAX; i++)
        if (world->relays[i].bandwidth > 200000 && world->relays[i].group == 0 &&
            world->relays[i].id_group == 0) {
            struct config_node *member = &c->families[0].members[c->families[0].member_count++];
            memcpy(member->rsa_id, world->relays[i].rsa_id, 20);
            world->relays[i].group = 1000000;
        }
    assert_int_equal(c->families[0].member_count, CONFIG_NODE_FAMILY_MAX);
    network_publish(world);
    for (unsigned i = 0; i < DRAWS; i++) {
        const struct path_request *request =
            &requests[i % (sizeof(requests) / sizeof(requests[0]))];
        bool stable = request->stable;
        struct path p;
        assert_int_equal(path_choose(&world->origin, request, &p, NULL), 0);
        for (unsigned k = 0; k < request->n_ports; k++)
            stable |= request->ports[k] == 22 || request->ports[k] == 6697;
        check_path(&p, request, stable, excluded, no_exit);
        guard_use_end(p.guard);
    }
    for (size_t i = 0; i < RELAYS; i++)
        world->relays[i].group = world->relays[i].group == 1000000 ? 0 : world->relays[i].group;
    memset(c, 0, sizeof(*c));
    c->distinct_subnets = true;
    network_publish(world);
    free(excluded);
    free(no_exit);
}

// A refresh reads what is new and makes the rest anew: as often as microdescriptors come.
static void test_refresh_is_quick(void **state)
{
    (void)state;
    unsigned parsed = world->parsed;
    clock_t start = clock();
    for (unsigned i = 0; i < 10; i++)
        node_list_refresh(world->origin.nodes);
    print_message("a refresh takes %.1f ms\n",
                  (double)(clock() - start) * 100 / (double)CLOCKS_PER_SEC);
    assert_int_equal(world->parsed, parsed);
}

static int setup(void **state)
{
    (void)state;
    world = make_world();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vanguards_free(world->origin.vanguards);
    network_free(world);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_some_allowed),
        cmocka_unit_test(test_whole_paths),
        cmocka_unit_test(test_without_weights),
        cmocka_unit_test(test_scale),
        cmocka_unit_test(test_nothing_measured),
        cmocka_unit_test(test_no_rule_is_broken),
        cmocka_unit_test(test_refresh_is_quick),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
