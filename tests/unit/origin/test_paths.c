// SPDX-License-Identifier: BSD-3-Clause
// Paths (9.14–9.18, 8.42, 8.43): each rule by itself, in a small network.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "identity/identity.h"
#include "network.h"
#include "origin/path/path.h"
#include "origin/path/vanguards.h"

enum { TIMES = 300 }; // that a relay which may be drawn is not: (1 - 1/8)^300, or less

// Relays 0 to 2 are the guards, 3 to 5 exits for 80 and 443, the others middles.
static struct network *small_network(size_t n)
{
    struct network *w = network_create(n);
    w->origin.guards->n = 3;
    for (size_t i = 0; i < 3; i++) {
        w->origin.guards->of[i] = i;
        w->relays[3 + i].flags |= ROUTER_EXIT;
        w->relays[3 + i].policy = "accept 80,443";
    }
    w->origin.vanguards = vanguards_create(&w->origin);
    assert_non_null(w->origin.vanguards);
    // Each relay as likely as any other.
    strcpy(w->weights, "");
    return w;
}

static void small_free(struct network *w)
{
    vanguards_free(w->origin.vanguards);
    network_free(w);
}

static size_t relay_of(const struct network *w, const struct own_circuit_hop *hop)
{
    const struct node *n = node_find(w->origin.nodes, hop->target.rsa_id);
    assert_non_null(n);
    return n->index;
}

// How often each relay was at each place of the path; -1 in `n_hops` when they differed.
struct tally {
    unsigned at[OWN_CIRCUIT_HOPS_MAX][64];
    unsigned n_hops;
};

static int choose_once(struct network *w, const struct path_request *request, struct path *p)
{
    const char *why = NULL;
    int err = path_choose(&w->origin, request, p, &why);
    assert_int_equal(err == 0, why == NULL);
    if (err < 0) {
        assert_null(p->guard);
        assert_int_equal(w->origin.guards->uses, 0);
    }
    return err;
}

static struct tally choose(struct network *w, const struct path_request *request)
{
    struct tally tally = {0};
    for (unsigned i = 0; i < TIMES; i++) {
        struct path p;
        assert_int_equal(choose_once(w, request, &p), 0);
        tally.n_hops = p.hops.n_hops;
        for (unsigned k = 0; k < p.hops.n_hops; k++)
            tally.at[k][relay_of(w, &p.hops.hops[k])]++;
        if (p.guard != NULL)
            guard_use_end(p.guard);
    }
    return tally;
}

// "012": the relays that were there (letters from 10 on).
static void assert_those(const unsigned at[64], const char *expected)
{
    char text[65];
    size_t n = 0;
    for (unsigned i = 0; i < 36; i++)
        if (at[i] > 0)
            text[n++] = "0123456789abcdefghijklmnopqrstuvwxyz"[i];
    text[n] = '\0';
    assert_string_equal(text, expected);
}

static void assert_error(struct network *w, const struct path_request *request, int err)
{
    struct path p;
    assert_int_equal(choose_once(w, request, &p), err);
}

static const struct path_request web = {.kind = PATH_EXIT, .n_ports = 1, .ports = {80}};
static const struct path_request inner = {.kind = PATH_INTERNAL};

static void test_exit(void **state)
{
    (void)state;
    struct network *w = small_network(10);
    network_publish(w);
    struct tally t = choose(w, &web);
    assert_int_equal(t.n_hops, 3);
    assert_those(t.at[0], "012");
    assert_those(t.at[1], "0123456789");
    assert_those(t.at[2], "345");
    assert_error(w, &(struct path_request){.kind = PATH_EXIT, .n_ports = 1, .ports = {81}},
                 -ENOENT);
    t = choose(w, &(struct path_request){.kind = PATH_EXIT, .n_hops = 5}); // any
    assert_int_equal(t.n_hops, 5);
    assert_those(t.at[4], "345");
    // Those that refused.
    uint8_t not [2][20];
    memcpy(not [0], w -> relays[3].rsa_id, 20);
    memcpy(not [1], w -> relays[5].rsa_id, 20);
    struct path_request request = web;
    request.n_not_exits = 2;
    request.not_exits = not ;
    assert_those(choose(w, &request).at[2], "4");
    small_free(w);
}

// Never a relay twice, nor two that are related.
static void test_no_relations(void **state)
{
    (void)state;
    struct network *w = small_network(12);
    network_set_family(w, 0, "relay3 relay6");
    network_set_family(w, 3, "relay0 relay7");
    network_set_family(w, 6, "relay0");
    network_set_family(w, 7, "relay3");
    w->relays[8].family_ids = strdup("ed25519:a");
    w->relays[1].family_ids = strdup("ed25519:a");
    w->relays[9].ipv4 = w->relays[4].ipv4 + 1;
    network_publish(w);
    for (unsigned i = 0; i < TIMES; i++) {
        struct path p;
        assert_int_equal(choose_once(w, i % 2 == 0 ? &web : &inner, &p), 0);
        for (unsigned k = 0; k < 3; k++)
            for (unsigned m = k + 1; m < 3; m++)
                assert_false(node_related(w->origin.nodes,
                                          network_node(w, relay_of(w, &p.hops.hops[k])),
                                          network_node(w, relay_of(w, &p.hops.hops[m]))));
        guard_use_end(p.guard);
    }
    // The guards are told whom not to be; if they are all the same, there is no path.
    w->origin.guards->of[0] = w->origin.guards->of[1] = w->origin.guards->of[2] = 0;
    assert_those(choose(w, &(struct path_request){.kind = PATH_EXIT,
                                                  .n_not_exits = 1,
                                                  .not_exits = &w->relays[3].rsa_id})
                     .at[2],
                 "45");
    uint8_t not [2][20];
    memcpy(not [0], w -> relays[4].rsa_id, 20);
    memcpy(not [1], w -> relays[5].rsa_id, 20);
    struct path_request request = web;
    request.n_not_exits = 2;
    request.not_exits = not ;
    assert_error(w, &request, -EAGAIN);
    w->origin.guards->ignore_related = true;
    assert_error(w, &request, -EAGAIN);
    small_free(w);
}

// This relay itself, and its relations, are in no path.
static void test_not_self(void **state)
{
    (void)state;
    struct network *w = small_network(10);
    struct identity self = {0};
    memcpy(self.rsa_id, w->relays[3].rsa_id, 20);
    w->relay.identity = &self;
    network_set_family(w, 3, "relay6 relay8");
    network_set_family(w, 6, "relay3");
    network_set_family(w, 8, "relay3");
    network_publish(w);
    struct tally t = choose(w, &web);
    assert_those(t.at[1], "0124579");
    assert_those(t.at[2], "45");
    assert_those(choose(w, &inner).at[2], "0124579");
    small_free(w);
}

static void test_flags(void **state)
{
    (void)state;
    struct network *w = small_network(14);
    w->relays[3].flags |= ROUTER_BAD_EXIT;
    w->relays[4].flags |= ROUTER_MIDDLE_ONLY;
    w->relays[6].flags |= ROUTER_MIDDLE_ONLY;
    w->relays[7].flags &= ~(unsigned)ROUTER_FAST;
    w->relays[8].flags &= ~(unsigned)ROUTER_STABLE;
    w->relays[9].missing = true;
    w->relays[10].protocols = "Link=4 Relay=1";
    memset(w->relays[11].ntor_key, 0, 32);
    // Its policy is what counts, not the flag.
    w->relays[12].policy = "accept 80";
    network_publish(w);
    struct tally t = choose(w, &web);
    assert_those(t.at[1], "01234568cd");
    assert_those(t.at[2], "5c");
    t = choose(w, &inner);
    assert_those(t.at[1], "01234568cd");
    assert_those(t.at[2], "012358cd");
    struct path_request request = inner;
    request.stable = true;
    t = choose(w, &request);
    assert_those(t.at[1], "0123456cd");
    assert_those(t.at[2], "01235cd");
    // Better a slow one that comes and goes than none.
    for (size_t i = 0; i < w->n; i++)
        w->relays[i].flags &= ~(unsigned)(ROUTER_STABLE | ROUTER_FAST);
    network_publish(w);
    t = choose(w, &request);
    assert_those(t.at[1], "012345678cd");
    assert_those(choose(w, &web).at[2], "5c");
    small_free(w);
}

// Ports for which circuits live long want Stable relays, all of them.
static void test_long_lived(void **state)
{
    (void)state;
    static const uint16_t yes[] = {21,   22,   706,  1863, 5050, 5190,
                                   5222, 5223, 6523, 6667, 6697, 8300};
    unsigned n = 0;
    for (unsigned port = 0; port <= UINT16_MAX; port++)
        n += path_port_is_long_lived((uint16_t)port);
    assert_int_equal(n, 12);
    for (unsigned i = 0; i < 12; i++)
        assert_true(path_port_is_long_lived(yes[i]));
    struct network *w = small_network(10);
    for (size_t i = 3; i < 6; i++)
        w->relays[i].policy = "accept 22,80";
    w->relays[4].flags &= ~(unsigned)ROUTER_STABLE;
    w->relays[7].flags &= ~(unsigned)ROUTER_STABLE;
    network_publish(w);
    struct tally t =
        choose(w, &(struct path_request){.kind = PATH_EXIT, .n_ports = 2, .ports = {80, 22}});
    assert_those(t.at[1], "01235689");
    assert_those(t.at[2], "35");
    assert_those(choose(w, &web).at[2], "345");
    small_free(w);
}

// Of the ports that are wanted, as many as one exit can serve; it need not be all.
static void test_most_ports(void **state)
{
    (void)state;
    struct network *w = small_network(12);
    w->relays[6].policy = "accept 80,443,8080";
    w->relays[7].policy = "accept 8080";
    w->relays[7].policy6 = "accept 80";
    w->relays[8].policy = "reject 80";
    w->relays[8].policy6 = "reject 443";
    network_publish(w);
    struct path_request request = {.kind = PATH_EXIT, .n_ports = 3, .ports = {80, 443, 8080}};
    assert_those(choose(w, &request).at[2], "6");
    uint8_t not [1][20];
    memcpy(not [0], w -> relays[6].rsa_id, 20);
    request.not_exits = not ;
    request.n_not_exits = 1;
    assert_those(choose(w, &request).at[2], "3458");
    request.n_ports = 4;
    request.ports[3] = 9999;
    assert_those(choose(w, &request).at[2], "8");
    // IPv6 has a policy of its own.
    request = web;
    request.ipv6 = true;
    assert_those(choose(w, &request).at[2], "78");
    request.ports[0] = 443;
    assert_error(w, &request, -ENOENT);
    request.n_ports = 0;
    assert_those(choose(w, &request).at[2], "78");
    small_free(w);
}

static struct config_node by_id(const struct network *w, size_t i)
{
    struct config_node item = {0};
    memcpy(item.rsa_id, w->relays[i].rsa_id, 20);
    return item;
}

static void test_config(void **state)
{
    (void)state;
    struct network *w = small_network(10);
    struct config_nodes *c = &w->config.nodes;
    c->exclude_count = 1;
    c->exclude[0] = by_id(w, 6);
    c->exclude_exits_count = 1;
    c->exclude_exits[0] = by_id(w, 3);
    network_publish(w);
    struct tally t = choose(w, &web);
    assert_those(t.at[1], "012345789");
    assert_those(t.at[2], "45");
    assert_those(choose(w, &inner).at[2], "012345789");
    c->exit_count = 2;
    c->exit[0] = by_id(w, 3);
    c->exit[1] = by_id(w, 5);
    c->middle_count = 3;
    for (size_t i = 0; i < 3; i++)
        c->middle[i] = by_id(w, 6 + i);
    network_publish(w);
    t = choose(w, &web);
    assert_those(t.at[1], "78");
    assert_those(t.at[2], "5");
    t = choose(w, &inner); // its end is none of these
    assert_those(t.at[1], "78");
    assert_those(t.at[2], "012345789");
    // Families of the operator's.
    c->middle_count = c->exit_count = 0;
    c->family_count = 1;
    c->families[0].member_count = 4;
    c->families[0].members[0] = by_id(w, 5);
    for (size_t i = 0; i < 3; i++)
        c->families[0].members[1 + i] = by_id(w, 7 + i);
    network_publish(w);
    t = choose(w, &(struct path_request){
                      .kind = PATH_EXIT, .n_not_exits = 1, .not_exits = &w->relays[4].rsa_id});
    assert_those(t.at[1], "01234");
    assert_those(t.at[2], "5");
    c->exit_count = 1;
    c->exit[0] = by_id(w, 9);
    network_publish(w);
    assert_error(w, &web, -EAGAIN); // nothing is known of the exits that are wanted
    small_free(w);
}

static struct own_circuit_hop hop_of(const struct network *w, size_t relay)
{
    struct own_circuit_hop hop;
    node_hop(network_node(w, relay), &hop);
    return hop;
}

static void test_given_last(void **state)
{
    (void)state;
    struct network *w = small_network(10);
    network_set_family(w, 7, "relay6 relay0");
    network_set_family(w, 6, "relay7");
    network_set_family(w, 0, "relay7");
    network_publish(w);
    struct path_request request = {.kind = PATH_CONNECTION, .has_last = true};
    request.last = hop_of(w, 7);
    struct tally t = choose(w, &request);
    assert_int_equal(t.n_hops, 4);
    assert_those(t.at[0], "12");
    assert_those(t.at[1], "1234589");
    assert_those(t.at[2], "1234589");
    assert_those(t.at[3], "7");
    assert_ptr_equal(w->origin.guards->last.exit, network_node(w, 7));
    request.has_avoid = true;
    memcpy(request.avoid, w->relays[3].rsa_id, 20);
    request.n_hops = 3;
    t = choose(w, &request);
    assert_int_equal(t.n_hops, 3);
    assert_those(t.at[1], "124589");
    // One that nobody lists.
    request.last.target.rsa_id[0] ^= 1;
    struct path p;
    assert_int_equal(choose_once(w, &request, &p), 0);
    assert_memory_equal(p.hops.hops[2].target.rsa_id, request.last.target.rsa_id, 20);
    assert_null(w->origin.guards->last.exit);
    guard_use_end(p.guard);
    // That alone.
    request.n_hops = 1;
    assert_int_equal(choose_once(w, &request, &p), 0);
    assert_int_equal(p.hops.n_hops, 1);
    assert_null(p.guard);
    assert_memory_equal(p.hops.hops[0].target.rsa_id, request.last.target.rsa_id, 20);
    // Excluded, and meant.
    request.n_hops = 4;
    request.last = hop_of(w, 7);
    w->config.nodes.exclude_count = 1;
    w->config.nodes.exclude[0] = by_id(w, 7);
    network_publish(w);
    assert_those(choose(w, &request).at[3], "7");
    w->config.nodes.strict = true;
    assert_error(w, &request, -ENOENT);
    small_free(w);
}

static void test_directory(void **state)
{
    (void)state;
    struct network *w = small_network(10);
    for (size_t i = 0; i < w->n; i++)
        w->relays[i].missing = true;
    network_publish(w);
    struct path_request request = {.kind = PATH_DIRECTORY};
    struct path p;
    assert_int_equal(choose_once(w, &request, &p), 0);
    assert_int_equal(p.hops.n_hops, 1);
    assert_false(p.hops.hops[0].has_ntor_key);
    assert_true(w->origin.guards->last.for_directory);
    assert_non_null(p.guard);
    guard_use_end(p.guard);
    w->origin.guards->n = 0;
    assert_error(w, &request, -EAGAIN);
    small_free(w);
}

static void test_not_yet(void **state)
{
    (void)state;
    struct network *w = small_network(10);
    assert_error(w, &web, -EAGAIN); // no consensus
    // (8/10)^2 of the guards and middles, all exits: too little of 65 %.
    w->relays[8].missing = w->relays[9].missing = true;
    snprintf(w->params, sizeof(w->params), "min_paths_for_circs_pct=65");
    network_publish(w);
    assert_error(w, &web, -EAGAIN);
    assert_error(w, &inner, -EAGAIN);
    snprintf(w->params, sizeof(w->params), "min_paths_for_circs_pct=64");
    network_publish(w);
    choose(w, &web);
    w->origin.guards->no_keys = true;
    assert_error(w, &web, -EAGAIN);
    w->origin.guards->n = 0;
    assert_error(w, &web, -EAGAIN);
    // No exits at all.
    w->origin.guards->n = 3;
    w->origin.guards->no_keys = false;
    for (size_t i = 3; i < 6; i++) {
        w->relays[i].flags &= ~(unsigned)ROUTER_EXIT;
        w->relays[i].policy = NULL;
    }
    snprintf(w->params, sizeof(w->params), "min_paths_for_circs_pct=50");
    network_publish(w);
    assert_error(w, &web, -ENOENT);
    assert_those(choose(w, &inner).at[2], "01234567");
    small_free(w);
}

static void test_too_small(void **state)
{
    (void)state;
    struct network *w = small_network(6);
    network_publish(w);
    struct path_request request = web;
    request.n_hops = 6;
    assert_int_equal(choose(w, &request).n_hops, 6); // everyone in one path
    request.n_hops = 7;
    assert_error(w, &request, -ENOENT);
    request.n_hops = OWN_CIRCUIT_HOPS_MAX + 1;
    assert_error(w, &request, -EINVAL);
    request.n_hops = 1;
    assert_error(w, &request, -EINVAL);
    request.n_hops = 3;
    request.n_ports = PATH_PORTS_MAX + 1;
    assert_error(w, &request, -EINVAL);
    assert_error(w, &(struct path_request){.kind = PATH_CONNECTION}, -EINVAL);
    assert_error(w, &(struct path_request){.kind = PATH_VANGUARDS, .n_hops = 2}, -EINVAL);
    assert_error(w, &(struct path_request){.kind = PATH_DIRECTORY, .n_hops = 2}, -EINVAL);
    small_free(w);
}

// ---- vanguards

static void test_vanguard_paths(void **state)
{
    (void)state;
    struct network *w = small_network(12);
    snprintf(w->params, sizeof(w->params), "guard-hs-l2-number=2");
    // All of one family: on these paths that does not count.
    for (size_t i = 0; i < w->n; i++)
        w->relays[i].family_ids = strdup("ed25519:all");
    w->relays[11].flags |= ROUTER_MIDDLE_ONLY;
    network_publish(w);
    struct path_request request = {.kind = PATH_VANGUARDS};
    vanguards_refresh(w->origin.vanguards);
    bool ends[12] = {false};
    for (unsigned i = 0; i < TIMES; i++) {
        struct path p;
        assert_int_equal(choose_once(w, &request, &p), 0);
        assert_int_equal(p.hops.n_hops, 3);
        size_t at[3];
        for (unsigned k = 0; k < 3; k++)
            at[k] = relay_of(w, &p.hops.hops[k]);
        assert_true(at[0] != at[1] && at[1] != at[2] && at[0] != at[2]);
        ends[at[2]] = true;
        guard_use_end(p.guard);
    }
    assert_false(ends[11]);
    // The last one given: four hops, of which the last may be the guard.
    request.has_last = true;
    request.last = hop_of(w, 0);
    w->origin.guards->n = 1;
    unsigned seconds[12] = {0};
    for (unsigned i = 0; i < TIMES; i++) {
        struct path p;
        assert_int_equal(choose_once(w, &request, &p), 0);
        assert_int_equal(p.hops.n_hops, 4);
        assert_int_equal(relay_of(w, &p.hops.hops[0]), 0);
        assert_int_equal(relay_of(w, &p.hops.hops[3]), 0);
        assert_int_not_equal(relay_of(w, &p.hops.hops[1]), 0);
        assert_int_not_equal(relay_of(w, &p.hops.hops[2]), 0);
        assert_int_not_equal(relay_of(w, &p.hops.hops[2]), relay_of(w, &p.hops.hops[1]));
        seconds[relay_of(w, &p.hops.hops[1])]++;
        guard_use_end(p.guard);
    }
    unsigned n = 0;
    for (unsigned i = 0; i < 12; i++)
        n += seconds[i] > 0;
    assert_in_range(n, 1, 2);
    // With three it may not.
    request.n_hops = 3;
    assert_error(w, &request, -EAGAIN);
    small_free(w);
}

static unsigned set_of(struct network *w, bool in[64])
{
    unsigned n = 0;
    memset(in, 0, 64 * sizeof(bool));
    for (unsigned i = 0; i < TIMES; i++) {
        const struct node *node = vanguards_choose(w->origin.vanguards, NULL, 0);
        assert_non_null(node);
        n += !in[node->index];
        in[node->index] = true;
    }
    return n;
}

static void test_vanguard_set(void **state)
{
    (void)state;
    struct network *w = small_network(40);
    bool first[64], now[64];
    assert_null(vanguards_choose(w->origin.vanguards, NULL, 0)); // no network yet
    for (size_t i = 0; i < 20; i++)
        w->relays[i].flags &= ~(unsigned)(i % 2 == 0 ? ROUTER_STABLE : ROUTER_FAST);
    network_publish(w);
    assert_int_equal(set_of(w, first), 4);
    for (unsigned i = 0; i < 20; i++)
        assert_false(first[i]);
    // The same for a day at least, and all others after twelve.
    time_t start = network_now;
    network_now += 86399;
    assert_int_equal(set_of(w, now), 4);
    assert_memory_equal(now, first, sizeof(now));
    unsigned days_kept[64] = {0};
    for (unsigned day = 1; day <= 12; day++) {
        network_now = start + day * 86400;
        set_of(w, now);
        for (unsigned i = 0; i < 40; i++)
            days_kept[i] += first[i] && now[i];
    }
    // Whoever is refused is not chosen.
    const struct node * not [64];
    unsigned n_not = 0;
    set_of(w, now);
    for (unsigned i = 0; i < 40; i++)
        if (now[i])
            not [n_not++] = network_node(w, i);
    for (unsigned i = 0; i < TIMES; i++)
        assert_ptr_equal(vanguards_choose(w->origin.vanguards, not +1, n_not - 1), not [0]);
    assert_null(vanguards_choose(w->origin.vanguards, not, n_not));
    // Who is not fit any more goes at once; the others stay.
    set_of(w, first);
    for (unsigned i = 0, k = 0; i < 40; i++)
        if (first[i] && k++ == 0) {
            w->relays[i].flags &= ~(unsigned)ROUTER_STABLE;
            first[i] = false;
        }
    network_publish(w);
    assert_int_equal(set_of(w, now), 4);
    for (unsigned i = 0; i < 40; i++)
        assert_true(!first[i] || now[i]);
    // When nobody is fit, better any than none.
    for (unsigned i = 0; i < 40; i++)
        w->relays[i].flags &= ~(unsigned)ROUTER_STABLE;
    network_publish(w);
    assert_non_null(vanguards_choose(w->origin.vanguards, NULL, 0));
    w->relays[30].flags |= ROUTER_STABLE;
    network_publish(w);
    for (unsigned i = 0; i < TIMES; i++)
        assert_int_equal(vanguards_choose(w->origin.vanguards, NULL, 0)->index, 30);
    for (unsigned i = 20; i < 40; i++)
        w->relays[i].flags |= ROUTER_STABLE;
    network_publish(w);
    // All go for a new identity: that the same four come each time is not likely (4,845^-5).
    set_of(w, first);
    bool same = true;
    for (unsigned i = 0; i < 5; i++) {
        vanguards_renew(w->origin.vanguards);
        assert_int_equal(set_of(w, now), 4);
        same &= memcmp(first, now, sizeof(now)) == 0;
    }
    assert_false(same);
    small_free(w);
}

// Who may be in it: with room for just these, then for all.
static void test_vanguard_candidates(void **state)
{
    (void)state;
    struct network *w = small_network(12);
    struct identity self = {0};
    bool in[64];
    snprintf(w->params, sizeof(w->params), "guard-hs-l2-number=5 min_paths_for_circs_pct=50");
    memcpy(self.rsa_id, w->relays[1].rsa_id, 20);
    w->relay.identity = &self;
    network_set_family(w, 1, "relay2");
    network_set_family(w, 2, "relay1");
    network_set_family(w, 3, "relay4"); // which may both be in it
    network_set_family(w, 4, "relay3");
    w->relays[5].missing = true;
    w->relays[6].protocols = "Link=4 Relay=1";
    w->relays[7].flags &= ~(unsigned)ROUTER_STABLE;
    w->relays[8].flags &= ~(unsigned)ROUTER_FAST;
    w->config.nodes.exclude_count = 1;
    w->config.nodes.exclude[0] = by_id(w, 9);
    network_publish(w);
    unsigned n = set_of(w, in);
    assert_int_equal(n, 5);
    assert_true(in[0] && in[3] && in[4] && in[10] && in[11]);
    // On a path: neither the last one nor one to avoid is second.
    w->relay.identity = NULL;
    snprintf(w->params, sizeof(w->params), "guard-hs-l2-number=19 min_paths_for_circs_pct=50");
    network_publish(w);
    w->origin.guards->n = 1;
    struct path_request request = {.kind = PATH_VANGUARDS, .has_last = true, .has_avoid = true};
    request.last = hop_of(w, 3);
    memcpy(request.avoid, w->relays[4].rsa_id, 20);
    struct tally t = choose(w, &request);
    assert_those(t.at[0], "0");
    assert_those(t.at[1], "12ab");
    assert_those(t.at[2], "12ab"); // Stable and Fast, too
    assert_those(t.at[3], "3");
    // Who is excluded goes at once.
    w->config.nodes.exclude[0] = by_id(w, 10);
    network_publish(w);
    set_of(w, in);
    assert_true(in[9] && in[11] && !in[10]);
    small_free(w);
}

// Lifetimes are even over the days from the least to the most.
static void test_vanguard_lifetimes(void **state)
{
    (void)state;
    struct network *w = small_network(40);
    network_publish(w);
    unsigned died[13] = {0}, total = 0;
    for (unsigned i = 0; i < 200; i++) {
        bool first[64], now[64];
        vanguards_renew(w->origin.vanguards);
        set_of(w, first);
        for (unsigned day = 1; day <= 12; day++) {
            network_now += 86400;
            set_of(w, now);
            for (unsigned k = 0; k < 40; k++) {
                bool gone = first[k] && !now[k];
                died[day] += gone;
                total += gone;
                first[k] &= now[k];
            }
        }
    }
    // One that leaves may be drawn again, which hides few of 800.
    assert_int_equal(died[1], 0);
    assert_in_range(total, 700, 800);
    for (unsigned day = 2; day <= 12; day++)
        assert_in_range(died[day], 35, 110); // 800 / 11 expected
    small_free(w);
}

static void test_without_vanguards(void **state)
{
    (void)state;
    struct network *w = small_network(20);
    network_publish(w);
    assert_true(vanguards_enabled(w->origin.vanguards));
    snprintf(w->params, sizeof(w->params), "vanguards-lite-enabled=0");
    network_publish(w);
    assert_false(vanguards_enabled(w->origin.vanguards));
    struct tally t = choose(w, &(struct path_request){.kind = PATH_VANGUARDS});
    assert_int_equal(t.n_hops, 3);
    assert_those(t.at[1], "0123456789abcdefghij");
    small_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit),
        cmocka_unit_test(test_no_relations),
        cmocka_unit_test(test_not_self),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_long_lived),
        cmocka_unit_test(test_most_ports),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_given_last),
        cmocka_unit_test(test_directory),
        cmocka_unit_test(test_not_yet),
        cmocka_unit_test(test_too_small),
        cmocka_unit_test(test_vanguard_paths),
        cmocka_unit_test(test_vanguard_set),
        cmocka_unit_test(test_vanguard_candidates),
        cmocka_unit_test(test_vanguard_lifetimes),
        cmocka_unit_test(test_without_vanguards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
